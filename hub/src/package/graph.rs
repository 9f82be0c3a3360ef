//! Order among things that need each other.

use std::{cmp::Reverse, collections::BinaryHeap};

/// An order in which everything comes after what it needs, the lowest index first where
/// there is a choice. If there is none, the index of one that needs itself.
/// Indices out of range are not allowed.
pub(super) fn order(needs: &[Vec<usize>]) -> Result<Vec<usize>, usize> {
    let mut open: Vec<usize> = needs.iter().map(Vec::len).collect();
    let mut needed_by = vec![Vec::new(); needs.len()];
    for (index, needs) in needs.iter().enumerate() {
        for need in needs {
            needed_by[*need].push(index);
        }
    }
    let mut ready: BinaryHeap<_> = (0..needs.len())
        .filter(|index| open[*index] == 0)
        .map(Reverse)
        .collect();
    let mut order = Vec::with_capacity(needs.len());
    while let Some(Reverse(index)) = ready.pop() {
        order.push(index);
        for dependent in &needed_by[index] {
            open[*dependent] -= 1;
            if open[*dependent] == 0 {
                ready.push(Reverse(*dependent));
            }
        }
    }
    match (0..needs.len()).find(|index| open[*index] > 0) {
        None => Ok(order),
        Some(stuck) => Err(on_a_cycle(needs, &open, stuck)),
    }
}

/// Follows what is stuck until something comes up again.
fn on_a_cycle(needs: &[Vec<usize>], open: &[usize], start: usize) -> usize {
    let mut seen = vec![false; needs.len()];
    let mut index = start;
    while !seen[index] {
        seen[index] = true;
        // What is stuck needs something that is stuck as well.
        match needs[index].iter().find(|need| open[**need] > 0) {
            Some(next) => index = *next,
            None => break,
        }
    }
    index
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn lowest_index_first() {
        assert_eq!(order(&[vec![2], vec![], vec![]]), Ok(vec![1, 2, 0]));
        assert_eq!(order(&[]), Ok(vec![]));
    }

    #[test]
    fn names_one_on_the_cycle() {
        assert_eq!(order(&[vec![0]]), Err(0));
        // 0 needs the cycle of 1 and 2, but is not on it.
        assert_eq!(order(&[vec![1], vec![2], vec![1]]), Err(1));
    }

    proptest! {
        #[test]
        fn needs_come_first(edges in proptest::collection::vec((0_usize..20, 0_usize..20), 0..40)) {
            let mut needs = vec![Vec::new(); 20];
            for (one, two) in edges {
                // Only downwards: no cycle.
                if one != two {
                    needs[one.max(two)].push(one.min(two));
                }
            }
            let order = order(&needs).unwrap();
            prop_assert_eq!(order.len(), needs.len());
            let mut done = vec![false; needs.len()];
            for index in order {
                prop_assert!(needs[index].iter().all(|need| done[*need]));
                done[index] = true;
            }
        }
    }
}
