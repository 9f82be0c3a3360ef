//! Which configuration the hub runs with, on record.

use jiff::Timestamp;
use serde_json::Value;

use super::{Audit, Event, Kind, PATIENCE, event::configuration, store::history::Filter};

impl Audit {
    /// The hub runs with the configuration of this digest from now on. Nothing is put on record when
    /// it did before. Returns when it is on record, however long that takes.
    pub async fn configuration_changed(&self, digest: &str) {
        if self.last_configuration().await.as_deref() != Some(digest) {
            self.insist(configuration::changed(digest, Timestamp::now()))
                .await;
        }
    }

    /// The configuration of this digest cannot be used, because of `problem`; that of before goes
    /// on. Returns when it is on record.
    pub async fn configuration_rejected(&self, digest: &str, problem: &str) {
        self.insist(configuration::rejected(digest, problem, Timestamp::now()))
            .await;
    }

    async fn insist(&self, event: Event) {
        while self.record_end(vec![event.clone()]).await.is_err() {
            tokio::time::sleep(PATIENCE).await;
        }
    }

    /// `None` where the history knows of none: it is put on record once more then.
    async fn last_configuration(&self) -> Option<String> {
        let changes = Filter {
            kind: Some(Kind::ConfigurationChanged.as_str().to_owned()),
            ..Filter::default()
        };
        let page = self.store().history(&changes, None, 1).await.ok()?;
        let event: Value = serde_json::from_str(page.events.first()?).ok()?;
        Some(event["data"]["digest"].as_str()?.to_owned())
    }
}
