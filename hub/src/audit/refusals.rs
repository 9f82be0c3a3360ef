//! Puts the fleet's refusals on record, so that they may be told.

use jiff::Timestamp;

use super::{Audit, PATIENCE, event};
use crate::fleet::FleetHandle;

/// Refusals of one round: few enough that the index is not held up.
const TOGETHER: usize = 256;

/// Puts the refusals of `fleet` on record, for ever.
pub async fn put_refusals_on_record(fleet: FleetHandle, audit: Audit) {
    loop {
        let refusals = fleet.refusals(TOGETHER).await;
        let at = Timestamp::now();
        let events = refusals
            .iter()
            .map(|refusal| event::registration::refused(refusal, at))
            .collect();
        let recorded = audit.record(events).await;
        let tickets: Vec<_> = refusals.iter().map(|refusal| refusal.ticket).collect();
        fleet.with(|fleet, now| match recorded {
            Ok(()) => fleet.recorded(&tickets, now),
            Err(problem) => fleet.unrecordable(&tickets, &problem.to_string(), now),
        });
        if recorded.is_err() {
            tokio::time::sleep(PATIENCE).await;
        }
    }
}
