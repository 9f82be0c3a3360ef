//! What a running hub knows: its read-only API on the command line.

use std::time::Duration;

use clap::{Args, Subcommand};
use serde_json::Value;

use super::{
    block_on,
    output::{Output, print, print_json},
    stop::unless_stopped,
};
use crate::web::api::types::{Cluster, Registration};

mod client;
mod rows;

use client::{Client, ServerArgs};
use rows::{Row, Seen};

/// How often a watched list is read again.
const WATCH: Duration = Duration::from_secs(2);

/// Shows what a running hub knows.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  flyte-registration-hub get clusters --server https://hub.example:9443 --token-file token
  flyte-registration-hub get registrations --state Denied --watch
  flyte-registration-hub get history --namespace data-a --limit 20 -o json")]
pub(super) struct Get {
    #[command(subcommand)]
    what: What,
    #[command(flatten)]
    server: ServerArgs,
    /// How it is printed.
    #[arg(long, short, global = true, value_enum, default_value_t = Output::Table)]
    output: Output,
    /// Go on, and print what is new or has changed.
    #[arg(long, short, global = true)]
    watch: bool,
}

#[derive(Debug, Subcommand)]
enum What {
    /// The clusters, and whether their agents are connected.
    Clusters,
    /// The registrations of all clusters.
    Registrations(Registrations),
    /// What happened, newest first.
    History(History),
}

#[derive(Debug, Args)]
struct Registrations {
    /// Of this cluster only.
    #[arg(long)]
    cluster: Option<String>,
    /// Of this namespace only.
    #[arg(long, short)]
    namespace: Option<String>,
    /// For this Flyte project only.
    #[arg(long, short)]
    project: Option<String>,
    /// In this state only, as `Denied`.
    #[arg(long)]
    state: Option<String>,
    /// At most so many.
    #[arg(long, default_value_t = 10_000)]
    limit: usize,
}

#[derive(Debug, Args)]
struct History {
    /// Of this cluster only.
    #[arg(long)]
    cluster: Option<String>,
    /// Of this namespace only.
    #[arg(long, short)]
    namespace: Option<String>,
    /// Of the resource of this name only.
    #[arg(long)]
    name: Option<String>,
    /// For this Flyte project only.
    #[arg(long, short)]
    project: Option<String>,
    /// Events of this type only, as `backend.flyte.registration.denied.v1`.
    #[arg(long = "type", value_name = "TYPE")]
    kind: Option<String>,
    /// At most so many.
    #[arg(long, default_value_t = 50)]
    limit: usize,
}

impl Get {
    pub(super) fn run(&self) -> anyhow::Result<()> {
        block_on(unless_stopped(self.show()))
    }

    async fn show(&self) -> anyhow::Result<()> {
        let client = Client::new(&self.server)?;
        match &self.what {
            What::Clusters => {
                self.list::<Cluster>(&client, "clusters", &[], usize::MAX)
                    .await
            }
            What::Registrations(asked) => {
                let filter = [
                    ("cluster", &asked.cluster),
                    ("namespace", &asked.namespace),
                    ("project", &asked.project),
                    ("state", &asked.state),
                ];
                self.list::<Registration>(&client, "registrations", &filter, asked.limit)
                    .await
            }
            What::History(asked) => {
                let filter = [
                    ("cluster", &asked.cluster),
                    ("namespace", &asked.namespace),
                    ("name", &asked.name),
                    ("project", &asked.project),
                    ("type", &asked.kind),
                ];
                self.list::<Value>(&client, "history", &filter, asked.limit)
                    .await
            }
        }
    }

    async fn list<T: Row + Clone>(
        &self,
        client: &Client,
        what: &str,
        filter: &[(&str, &Option<String>)],
        limit: usize,
    ) -> anyhow::Result<()> {
        let list = client.list::<T>(what, filter, limit).await?;
        if !self.watch {
            return match self.output {
                Output::Json => print_json(&list),
                Output::Table => {
                    if list.next.is_some() {
                        eprintln!("there are more: --limit says how many are shown");
                    }
                    Ok(print(&rows::table(&list.items, true))?)
                }
            };
        }
        let mut seen = Seen::default();
        let mut items = list.items;
        let mut first = true;
        loop {
            let new = seen.new_of(items);
            match self.output {
                Output::Json => new.iter().try_for_each(|item| {
                    Ok::<_, anyhow::Error>(print(&serde_json::to_string(item)?)?)
                })?,
                Output::Table if first || !new.is_empty() => print(&rows::table(&new, first))?,
                Output::Table => {}
            }
            first = false;
            tokio::time::sleep(WATCH).await;
            items = match client.list::<T>(what, filter, limit).await {
                Ok(list) => list.items,
                // It may be starting anew.
                Err(error) => {
                    eprintln!("error: {error:#}");
                    Vec::new()
                }
            };
        }
    }
}
