use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::fleet::{Key, share};

fn needs(flyte_admin: &str, source: &str) -> Needs {
    Needs {
        flyte_admin: flyte_admin.to_owned(),
        source: source.to_owned(),
    }
}

fn id(number: u64) -> ObjectId {
    ObjectId {
        cluster: "c".into(),
        key: Key {
            namespace: "n".to_owned(),
            name: number.to_string(),
        },
    }
}

/// What asks for a place, and its ticket if it gets one.
struct Asking {
    lanes: Lanes,
    needs: Vec<Needs>,
    at_work: BTreeSet<u64>,
}

impl Asking {
    fn new(places: usize, flyte_admins: usize) -> Self {
        Self {
            lanes: Lanes::new(places, flyte_admins),
            needs: Vec::new(),
            at_work: BTreeSet::new(),
        }
    }

    /// Somebody new asks. Whether it may begin.
    fn ask(&mut self, needs: Needs) -> bool {
        self.needs.push(needs);
        self.admit(self.needs.len() as u64 - 1, false)
    }

    fn admit(&mut self, number: u64, has_waited: bool) -> bool {
        let needs = &self.needs[usize::try_from(number).unwrap()];
        let id = id(number);
        let share = share("t", 1, &id);
        let admitted = self.lanes.admit(needs, share, id, has_waited);
        if admitted {
            self.lanes.begin(Ticket(number), needs);
            self.at_work.insert(number);
        }
        admitted
    }

    /// Those who wait are asked until nobody may begin.
    fn call(&mut self) {
        while let Some(id) = self.lanes.next(Instant::now()) {
            self.admit(id.key.name.parse().unwrap(), true);
        }
    }

    fn at_work_in(&self, fits: impl Fn(&Needs) -> bool) -> usize {
        let needs = self.at_work.iter();
        needs
            .filter(|number| fits(&self.needs[usize::try_from(**number).unwrap()]))
            .count()
    }
}

#[test]
fn a_dead_flyte_admin_leaves_the_others_their_part() {
    let mut asking = Asking::new(16, 2);
    // Each from a source of its own, so that no source is in short supply.
    let begun = (0..20).filter(|n| asking.ask(needs("dead", &format!("s{n}"))));
    assert_eq!(begun.count(), 12);
    let begun = (20..40).filter(|n| asking.ask(needs("alive", &format!("s{n}"))));
    assert_eq!(begun.count(), 4);
    asking.lanes.end(Ticket(13));
    asking.call();
    assert_eq!(asking.at_work_in(|needs| needs.flyte_admin == "dead"), 12);
}

#[test]
fn a_single_flyte_admin_has_all_places() {
    for flyte_admins in [0, 1] {
        let mut asking = Asking::new(16, flyte_admins);
        let begun = (0..20).filter(|n| asking.ask(needs("main", &format!("s{n}"))));
        assert_eq!(begun.count(), 16);
    }
}

#[test]
fn who_waited_for_one_may_have_to_wait_for_the_other() {
    let mut asking = Asking::new(4, 1);
    assert!(asking.ask(needs("main", "a")));
    assert!(!asking.ask(needs("main", "a")), "the source is taken");
    for source in ["b", "c", "d"] {
        assert!(asking.ask(needs("main", source)));
    }
    asking.lanes.fetched(Ticket(0));
    asking.call();
    assert_eq!(asking.at_work.len(), 4, "and now the FlyteAdmin is");
    assert!(asking.lanes.end(Ticket(0)));
    asking.call();
    assert!(asking.at_work.contains(&1));
}

proptest! {
    /// Whoever asks and ends in whatever order: nobody has more than allowed, nobody waits where there is room for it, and all
    /// are served in the end.
    #[test]
    fn nobody_is_lost_and_nobody_waits_without_need(
        places in 1_usize..20,
        flyte_admins in 1_usize..4,
        steps in proptest::collection::vec((0_usize..4, 0_usize..3, 0_usize..4), 0..120),
    ) {
        let mut asking = Asking::new(places, flyte_admins);
        let limits = asking.lanes.limits;
        let mut ended = 0;
        for (step, flyte_admin, source) in steps {
            let of = needs(&(flyte_admin % flyte_admins).to_string(), &source.to_string());
            let oldest = asking.at_work.first().copied();
            match (step, oldest) {
                (0, Some(oldest)) => {
                    asking.lanes.fetched(Ticket(oldest));
                }
                (1, Some(oldest)) => {
                    asking.lanes.end(Ticket(oldest));
                    asking.at_work.remove(&oldest);
                    ended += 1;
                }
                _ => {
                    asking.ask(of);
                }
            }
            asking.call();
            prop_assert_eq!(asking.at_work.len() + asking.lanes.waiting() + ended, asking.needs.len());
            for (name, lane) in &asking.lanes.by_name {
                prop_assert!(lane.waiting.len() == 0 || !asking.lanes.has_room(name));
                match name {
                    Name::Source(_) => prop_assert!(lane.used <= limits.of_source()),
                    Name::FlyteAdmin(_) => prop_assert!(lane.used <= limits.kept() + limits.common()),
                }
            }
            prop_assert!(asking.at_work.len() <= places.max(flyte_admins));
        }
        while let Some(oldest) = asking.at_work.pop_first() {
            asking.lanes.end(Ticket(oldest));
            ended += 1;
            asking.call();
        }
        prop_assert_eq!(ended, asking.needs.len());
        prop_assert!(asking.lanes.by_name.is_empty() && asking.lanes.held.is_empty());
    }
}
