//! Work by what it may have to wait for: a source or a FlyteAdmin that is dead holds up what needs
//! it, and nothing else.
//!
//! Whoever waits for a source or a FlyteAdmin holds one of the places for work. So each of them
//! has a share of the places, and who finds it taken waits here, out of the way.

use std::{
    collections::{BTreeMap, HashMap},
    ops::Bound,
    time::Instant,
};

use super::{
    ObjectId, Ticket,
    queue::{Queue, Share},
};

/// What a piece of work needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Needs {
    /// A FlyteAdmin, until it ends.
    pub flyte_admin: String,
    /// A source, until it has its package.
    pub source: String,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Name {
    FlyteAdmin(String),
    Source(String),
}

/// See the module.
#[derive(Debug)]
pub(super) struct Lanes {
    limits: Limits,
    by_name: BTreeMap<Name, Lane>,
    /// The lane whose turn it was last.
    last: Option<Name>,
    held: HashMap<Ticket, Vec<Name>>,
}

#[derive(Debug, Default)]
struct Lane {
    used: usize,
    waiting: Queue<ObjectId>,
}

#[derive(Clone, Copy, Debug)]
struct Limits {
    places: usize,
    flyte_admins: usize,
}

impl Limits {
    /// Four sources may be dead before the others notice.
    fn of_source(self) -> usize {
        (self.places / 4).max(1)
    }

    /// Half of the places are kept for the FlyteAdmins, an equal part for each.
    fn kept(self) -> usize {
        (self.places / 2 / self.flyte_admins).max(1)
    }

    /// The others are for whichever needs more.
    fn common(self) -> usize {
        self.places.saturating_sub(self.kept() * self.flyte_admins)
    }
}

impl Lanes {
    /// Lanes for `places` pieces of work at a time, in so many FlyteAdmins.
    pub fn new(places: usize, flyte_admins: usize) -> Self {
        let mut lanes = Self {
            limits: Limits {
                places,
                flyte_admins: 1,
            },
            by_name: BTreeMap::new(),
            last: None,
            held: HashMap::new(),
        };
        lanes.divide(flyte_admins);
        lanes
    }

    /// There are so many FlyteAdmins now.
    pub fn divide(&mut self, flyte_admins: usize) {
        self.limits.flyte_admins = flyte_admins.max(1);
    }

    /// Whether there is room for `id` now; else it waits for it. Who `has_waited` already goes
    /// before those who wait.
    pub fn admit(&mut self, needs: &Needs, share: Share, id: ObjectId, has_waited: bool) -> bool {
        for name in needs.names() {
            let waits = |lane: &Lane| lane.waiting.len() > 0;
            let others = !has_waited && self.by_name.get(&name).is_some_and(waits);
            if others || !self.has_room(&name) {
                let lane = self.by_name.entry(name).or_default();
                lane.waiting.push(share, id, None);
                return false;
            }
        }
        true
    }

    /// The next of those who wait where there is room now, to be asked for again. Lanes take turns.
    pub fn next(&mut self, now: Instant) -> Option<ObjectId> {
        let turns: Vec<Name> = match &self.last {
            None => self.by_name.keys().cloned().collect(),
            Some(last) => {
                let later = (Bound::Excluded(last), Bound::Unbounded);
                let later = self.by_name.range::<Name, _>(later);
                let turns = later.chain(self.by_name.range::<Name, _>(..=last));
                turns.map(|(name, _)| name.clone()).collect()
            }
        };
        turns.into_iter().find_map(|name| {
            if !self.has_room(&name) {
                return None;
            }
            let id = self.by_name.get_mut(&name)?.waiting.pop(now)?;
            self.last = Some(name);
            Some(id)
        })
    }

    /// Work begins.
    pub fn begin(&mut self, ticket: Ticket, needs: &Needs) {
        for name in needs.names() {
            self.by_name.entry(name.clone()).or_default().used += 1;
            self.held.entry(ticket).or_default().push(name);
        }
    }

    /// It has its package. Returns whether somebody may wait for that.
    pub fn fetched(&mut self, ticket: Ticket) -> bool {
        self.leave(ticket, |name| matches!(name, Name::Source(_)))
    }

    /// It has ended. Returns whether somebody may wait for that.
    pub fn end(&mut self, ticket: Ticket) -> bool {
        self.leave(ticket, |_| true)
    }

    /// `id` waits no more.
    pub fn remove(&mut self, id: &ObjectId) {
        for lane in self.by_name.values_mut() {
            lane.waiting.remove(id);
        }
    }

    /// How many wait.
    pub fn waiting(&self) -> usize {
        self.by_name.values().map(|lane| lane.waiting.len()).sum()
    }

    fn has_room(&self, name: &Name) -> bool {
        let used = self.by_name.get(name).map_or(0, |lane| lane.used);
        match name {
            Name::Source(_) => used < self.limits.of_source(),
            Name::FlyteAdmin(_) => {
                let kept = self.limits.kept();
                used < kept || self.beyond(kept) < self.limits.common()
            }
        }
    }

    /// How many places FlyteAdmins have taken that are kept for none of them.
    fn beyond(&self, kept: usize) -> usize {
        let lanes = self.by_name.iter();
        let flyte_admins = lanes.filter(|(name, _)| matches!(name, Name::FlyteAdmin(_)));
        flyte_admins
            .map(|(_, lane)| lane.used.saturating_sub(kept))
            .sum()
    }

    fn leave(&mut self, ticket: Ticket, which: impl Fn(&Name) -> bool) -> bool {
        let Some(held) = self.held.remove(&ticket) else {
            return false;
        };
        let (left, held): (Vec<_>, Vec<_>) = held.into_iter().partition(which);
        if !held.is_empty() {
            self.held.insert(ticket, held);
        }
        for name in left {
            let Some(lane) = self.by_name.get_mut(&name) else {
                continue;
            };
            lane.used -= 1;
            if lane.used == 0 && lane.waiting.len() == 0 {
                self.by_name.remove(&name);
            }
        }
        self.waiting() > 0
    }
}

impl Needs {
    fn names(&self) -> [Name; 2] {
        [
            Name::FlyteAdmin(self.flyte_admin.clone()),
            Name::Source(self.source.clone()),
        ]
    }
}

#[cfg(test)]
mod tests;
