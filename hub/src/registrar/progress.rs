//! Who may go next, when some have to wait for others and some fail.

use std::collections::VecDeque;

/// How far the entities of a plan are. Pure bookkeeping.
#[derive(Debug)]
pub(super) struct Progress {
    open_needs: Vec<usize>,
    needed_by: Vec<Vec<usize>>,
    ready: VecDeque<usize>,
    settled: Vec<bool>,
}

impl Progress {
    /// `needs` of each entity, by position; without cycles, which the plan sees to.
    pub(super) fn new<'a>(needs: impl ExactSizeIterator<Item = &'a [usize]>) -> Self {
        let mut progress = Self {
            open_needs: Vec::with_capacity(needs.len()),
            needed_by: vec![Vec::new(); needs.len()],
            ready: VecDeque::new(),
            settled: vec![false; needs.len()],
        };
        for (index, needs) in needs.enumerate() {
            progress.open_needs.push(needs.len());
            for need in needs {
                progress.needed_by[*need].push(index);
            }
            if needs.is_empty() {
                progress.ready.push_back(index);
            }
        }
        progress
    }

    /// The next that may begin, lowest position first among those that could at first.
    pub(super) fn next(&mut self) -> Option<usize> {
        loop {
            let index = self.ready.pop_front()?;
            if !self.settled[index] {
                return Some(index);
            }
        }
    }

    /// This one is registered; it may be so before it was its turn.
    pub(super) fn done(&mut self, index: usize) {
        self.settled[index] = true;
        for dependent in &self.needed_by[index] {
            self.open_needs[*dependent] -= 1;
            if self.open_needs[*dependent] == 0 && !self.settled[*dependent] {
                self.ready.push_back(*dependent);
            }
        }
    }

    /// This one is not, and so nothing that needs it can be: those, each once over all calls.
    pub(super) fn failed(&mut self, index: usize) -> Vec<usize> {
        self.settled[index] = true;
        let mut lost = Vec::new();
        let mut open = vec![index];
        while let Some(index) = open.pop() {
            for dependent in &self.needed_by[index] {
                if !self.settled[*dependent] {
                    self.settled[*dependent] = true;
                    lost.push(*dependent);
                    open.push(*dependent);
                }
            }
        }
        lost
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn progress(needs: &[Vec<usize>]) -> Progress {
        Progress::new(needs.iter().map(Vec::as_slice))
    }

    fn all(progress: &mut Progress) -> Vec<usize> {
        std::iter::from_fn(|| progress.next()).collect()
    }

    #[test]
    fn each_as_soon_as_its_needs_are_met() {
        let mut progress = progress(&[vec![], vec![], vec![0], vec![1, 2]]);
        assert_eq!(all(&mut progress), [0, 1]);
        progress.done(0);
        assert_eq!(all(&mut progress), [2]);
        progress.done(2);
        assert_eq!(all(&mut progress), Vec::<usize>::new());
        progress.done(1);
        assert_eq!(all(&mut progress), [3]);
    }

    #[test]
    fn failures_take_their_dependents_along_and_nothing_else() {
        let mut progress = progress(&[vec![], vec![], vec![0], vec![2], vec![1], vec![3, 4]]);
        assert_eq!(all(&mut progress), [0, 1]);
        let mut lost = progress.failed(0);
        lost.sort_unstable();
        assert_eq!(lost, [2, 3, 5]);
        progress.done(1);
        assert_eq!(all(&mut progress), [4]);
        assert_eq!(progress.failed(4), Vec::<usize>::new());
    }

    #[test]
    fn what_is_there_already_waits_for_nobody_and_is_not_taken_along() {
        let mut progress = progress(&[vec![], vec![0], vec![1], vec![]]);
        progress.done(1);
        progress.done(3);
        assert_eq!(all(&mut progress), [0, 2]);
        assert_eq!(progress.failed(0), Vec::<usize>::new());
    }

    proptest! {
        #[test]
        fn everyone_is_settled_once(
            edges in proptest::collection::vec((0_usize..15, 0_usize..15), 0..30),
            fails in proptest::collection::vec(any::<bool>(), 15),
        ) {
            let mut needs = vec![Vec::new(); 15];
            for (one, two) in edges {
                let need = one.min(two);
                if one != two && !needs[one.max(two)].contains(&need) {
                    needs[one.max(two)].push(need);
                }
            }
            let mut progress = progress(&needs);
            let mut settled = [0; 15];
            while let Some(index) = progress.next() {
                settled[index] += 1;
                prop_assert!(needs[index].iter().all(|need| settled[*need] == 1 && !fails[*need]));
                if fails[index] {
                    for lost in progress.failed(index) {
                        settled[lost] += 1;
                    }
                } else {
                    progress.done(index);
                }
            }
            prop_assert_eq!(settled, [1; 15]);
        }
    }
}
