//! A bounded queue that several senders share: each has its place in line, and nobody can fill it for the others.

use std::collections::VecDeque;

/// What a queue holds at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Items of all senders.
    pub items: usize,
    /// Items of one sender.
    pub items_of_one: usize,
    /// Weight of one sender's items together. An item that is heavier is taken while the sender has no other.
    pub weight_of_one: usize,
}

/// Senders take turns, each with its oldest item.
#[derive(Debug)]
pub struct FairQueue<T> {
    bounds: Bounds,
    /// Whose turn it is comes first. No lane is empty.
    lanes: VecDeque<Lane<T>>,
    len: usize,
}

#[derive(Debug)]
struct Lane<T> {
    sender: String,
    /// Oldest first, each with its weight.
    items: VecDeque<(usize, T)>,
    weight: usize,
}

impl<T> FairQueue<T> {
    /// An empty queue.
    pub fn new(bounds: Bounds) -> Self {
        Self { bounds, lanes: VecDeque::new(), len: 0 }
    }

    /// Items that wait.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Puts an item behind those of its sender.
    ///
    /// # Errors
    ///
    /// Gives the item back when the queue is full, or the sender has its share.
    pub fn push(&mut self, sender: &str, weight: usize, item: T) -> Result<(), T> {
        if self.len >= self.bounds.items {
            return Err(item);
        }
        let Some(lane) = self.lanes.iter_mut().find(|lane| lane.sender == sender) else {
            let items = VecDeque::from([(weight, item)]);
            self.lanes.push_back(Lane { sender: sender.to_owned(), items, weight });
            self.len += 1;
            return Ok(());
        };
        let weight_then = lane.weight.saturating_add(weight);
        if lane.items.len() >= self.bounds.items_of_one || weight_then > self.bounds.weight_of_one {
            return Err(item);
        }
        lane.items.push_back((weight, item));
        lane.weight = weight_then;
        self.len += 1;
        Ok(())
    }

    /// The oldest item of the sender whose turn it is.
    pub fn pop(&mut self) -> Option<T> {
        let mut lane = self.lanes.pop_front()?;
        let (weight, item) = lane.items.pop_front()?;
        self.len -= 1;
        lane.weight -= weight;
        if !lane.items.is_empty() {
            self.lanes.push_back(lane);
        }
        Some(item)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const BOUNDS: Bounds = Bounds { items: 6, items_of_one: 4, weight_of_one: 10 };

    #[test]
    fn who_sends_much_waits_for_who_sends_little() {
        let mut queue = FairQueue::new(BOUNDS);
        for item in ["a1", "a2", "a3", "a4"] {
            queue.push("a", 1, item).unwrap();
        }
        assert_eq!(queue.push("a", 1, "a5"), Err("a5"), "its share is used up");
        queue.push("b", 1, "b1").unwrap();
        queue.push("c", 1, "c1").unwrap();
        assert_eq!(queue.push("d", 1, "d1"), Err("d1"), "the queue is full");
        let order: Vec<_> = std::iter::from_fn(|| queue.pop()).collect();
        assert_eq!(order, ["a1", "b1", "c1", "a2", "a3", "a4"]);
    }

    #[test]
    fn heavy_items_count_as_such() {
        let mut queue = FairQueue::new(BOUNDS);
        queue.push("a", 50, 1).unwrap();
        assert!(queue.push("a", 1, 2).is_err());
        queue.push("b", 6, 3).unwrap();
        assert!(queue.push("b", 5, 4).is_err());
        queue.push("b", 4, 5).unwrap();
        assert_eq!((queue.pop(), queue.pop(), queue.pop(), queue.pop()), (Some(1), Some(3), Some(5), None));
        assert!(queue.is_empty());
    }

    proptest! {
        #[test]
        fn nothing_is_lost_and_each_senders_order_is_kept(
            steps in prop::collection::vec(prop::option::of((0u8..3, 0usize..6)), 0..60),
        ) {
            let mut queue = FairQueue::new(BOUNDS);
            let (mut taken, mut given) = (Vec::new(), Vec::new());
            for (number, step) in steps.into_iter().enumerate() {
                match step {
                    Some((sender, weight)) => {
                        if queue.push(&sender.to_string(), weight, (sender, number)).is_ok() {
                            taken.push((sender, number));
                        }
                    }
                    None => given.extend(queue.pop()),
                }
                prop_assert_eq!(queue.len(), taken.len() - given.len());
                prop_assert!(queue.len() <= BOUNDS.items);
            }
            given.extend(std::iter::from_fn(|| queue.pop()));
            given.sort_by_key(|(sender, _)| *sender);
            taken.sort_by_key(|(sender, _)| *sender);
            prop_assert_eq!(given, taken);
        }
    }
}
