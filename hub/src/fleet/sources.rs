//! Work that fetches, by source: one that is dead holds up its own packages, and no others.
//!
//! Whoever waits for a source holds a place among the resources that are worked on. So each
//! source has a share of the places, and who finds it taken waits here, out of the way.

use std::{
    collections::{BTreeMap, HashMap},
    ops::Bound,
};

use super::{
    ObjectId, Ticket,
    queue::{Queue, Share},
};

/// See the module.
#[derive(Debug)]
pub(super) struct Sources {
    /// Most that fetch from one source at a time.
    limit: usize,
    lanes: BTreeMap<String, Lane>,
    /// The source whose turn it was last.
    last: String,
    fetching: HashMap<Ticket, String>,
}

#[derive(Debug, Default)]
struct Lane {
    fetching: usize,
    waiting: Queue<ObjectId>,
}

impl Sources {
    pub fn new(limit: usize) -> Self {
        Self {
            limit,
            lanes: BTreeMap::new(),
            last: String::new(),
            fetching: HashMap::new(),
        }
    }

    /// Whether `id` may fetch from `source` now. If not, it waits for it.
    pub fn admit(&mut self, source: &str, share: Share, id: ObjectId) -> bool {
        let lane = self.lanes.entry(source.to_owned()).or_default();
        // Those who came before go first.
        let free = lane.fetching < self.limit && lane.waiting.len() == 0;
        if !free {
            lane.waiting.push(share, id, None);
        }
        free
    }

    /// The next of those who waited for a source that is free now. Sources take turns.
    pub fn next(&mut self, now: std::time::Instant) -> Option<ObjectId> {
        let after = (Bound::Excluded(self.last.clone()), Bound::Unbounded);
        let later = self.lanes.range(after).map(|(name, _)| name.clone());
        let earlier = self.lanes.range(..=self.last.clone());
        let earlier = earlier.map(|(name, _)| name.clone());
        let turns: Vec<String> = later.chain(earlier).collect();
        turns.into_iter().find_map(|name| {
            let lane = self.lanes.get_mut(&name)?;
            if lane.fetching >= self.limit {
                return None;
            }
            let id = lane.waiting.pop(now)?;
            self.last = name;
            Some(id)
        })
    }

    /// Work that fetches from `source` begins.
    pub fn begin(&mut self, ticket: Ticket, source: &str) {
        let lane = self.lanes.entry(source.to_owned()).or_default();
        lane.fetching += 1;
        self.fetching.insert(ticket, source.to_owned());
    }

    /// It has what it wanted from its source, or ended without. Returns whether somebody waits
    /// for that.
    pub fn end(&mut self, ticket: Ticket) -> bool {
        let Some(source) = self.fetching.remove(&ticket) else {
            return false;
        };
        let Some(lane) = self.lanes.get_mut(&source) else {
            return false;
        };
        lane.fetching -= 1;
        if lane.fetching == 0 && lane.waiting.len() == 0 {
            self.lanes.remove(&source);
            return false;
        }
        lane.waiting.len() > 0
    }

    /// `id` waits for no source any more.
    pub fn remove(&mut self, id: &ObjectId) {
        for lane in self.lanes.values_mut() {
            lane.waiting.remove(id);
        }
    }

    /// How many wait for their source.
    pub fn waiting(&self) -> usize {
        self.lanes.values().map(|lane| lane.waiting.len()).sum()
    }
}
