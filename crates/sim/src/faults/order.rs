//! The order in which the broker handed commands over, beside that in which they were published.
//!
//! A broker may hand a command over again after a later one: a node that is cut off may do so with what it had handed over
//! before. That is no fault of the box, which carries out what comes as it comes; but it must be seen. It is the box's
//! fault where it takes commands over a second connection while the broker still holds earlier ones for its first.

use std::collections::BTreeMap;

use menshen_testbed::deliveries::{Connection, Delivery};

use super::model::Command;

/// A connection's end is seen a little late.
const END_SEEN_MS: u64 = 500;

/// A command that was last handed over after a later one.
#[derive(Debug, PartialEq, Eq)]
pub struct Inversion {
    /// What happened, with its times.
    pub line: String,
    /// The box consumed beside a connection of its own that was still open.
    pub by_box: bool,
}

pub struct Order<'a> {
    published: &'a [(Command, u64)],
    deliveries: &'a [Delivery],
    connections: &'a [Connection],
    place: BTreeMap<&'a str, usize>,
}

impl<'a> Order<'a> {
    pub fn new(
        published: &'a [(Command, u64)],
        deliveries: &'a [Delivery],
        connections: &'a [Connection],
    ) -> Self {
        let place = published.iter().enumerate().map(|(place, (command, _))| (&*command.id, place)).collect();
        Self { published, deliveries, connections, place }
    }

    /// Every command whose last delivery came after that of one published later.
    pub fn inversions(&self) -> Vec<Inversion> {
        let last = self.ends(true);
        let mut latest: Option<(usize, usize)> = None;
        let mut found = Vec::new();
        for (index, place) in last {
            match latest {
                Some((before, ahead)) if ahead > place => found.push(self.inversion(index, before)),
                _ => latest = Some((index, place)),
            }
        }
        found
    }

    /// The first or the last delivery of each command, in their order: index of the delivery, place of the command.
    fn ends(&self, last: bool) -> Vec<(usize, usize)> {
        let mut ends: BTreeMap<usize, usize> = BTreeMap::new();
        for (index, delivery) in self.deliveries.iter().enumerate() {
            let Some(place) = self.place.get(&*delivery.id) else { continue };
            let end = ends.entry(*place).or_insert(index);
            if last {
                *end = index;
            }
        }
        let mut ends: Vec<_> = ends.into_iter().map(|(place, index)| (index, place)).collect();
        ends.sort_unstable();
        ends
    }

    fn inversion(&self, index: usize, before: usize) -> Inversion {
        let (late, ahead) = (&self.deliveries[index], &self.deliveries[before]);
        let held = self.deliveries[..before]
            .iter()
            .filter(|earlier| earlier.id == late.id && earlier.connection != ahead.connection);
        let still_open = |earlier: &Delivery| {
            self.connections[earlier.connection].ended_ms.is_none_or(|end| end > ahead.at_ms + END_SEEN_MS)
        };
        let by_box = held.clone().any(still_open);
        let node = |delivery: &Delivery| self.connections[delivery.connection].node + 1;
        let again = if late.redelivered { "again " } else { "" };
        let line = format!(
            "{} was handed over {again}at {} by node {}, after {} at {} by node {}; handed over before: {}{}",
            late.id,
            late.at_ms,
            node(late),
            ahead.id,
            ahead.at_ms,
            node(ahead),
            self.deliveries[..index].iter().filter(|earlier| earlier.id == late.id).count(),
            if by_box { "; the box still had a connection that held it" } else { "" },
        );
        Inversion { line, by_box }
    }

    /// The commands as they were first and as they were last handed over; those that never were come at the end.
    pub fn as_handed_over(&self) -> [Vec<(Command, u64)>; 2] {
        [false, true].map(|last| {
            let mut places: Vec<usize> = self.ends(last).into_iter().map(|(_, place)| place).collect();
            let never = |place: &usize| !places.contains(place);
            let missing: Vec<usize> = (0..self.published.len()).filter(never).collect();
            places.extend(missing);
            places.into_iter().map(|place| self.published[place].clone()).collect()
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::super::model::Effect;
    use super::*;

    fn published() -> Vec<(Command, u64)> {
        let command = |id: &str| Command { id: id.to_owned(), body: Value::Null, effect: Effect::WipePeople };
        ["a", "b", "c"].iter().map(|id| (command(id), 0)).collect()
    }

    /// `id:connection` each, a second apart.
    fn deliveries(text: &str) -> Vec<Delivery> {
        let delivery = |(index, word): (usize, &str)| {
            let (id, connection) = word.split_once(':').unwrap();
            Delivery {
                at_ms: 1_000 * index as u64,
                id: id.to_owned(),
                redelivered: false,
                connection: connection.parse().unwrap(),
            }
        };
        text.split(' ').enumerate().map(delivery).collect()
    }

    fn inversions(text: &str, ends: [Option<u64>; 2]) -> Vec<(char, bool)> {
        let (published, deliveries) = (published(), deliveries(text));
        let connections: Vec<_> = ends.iter().map(|end| Connection { node: 0, ended_ms: *end }).collect();
        Order::new(&published, &deliveries, &connections)
            .inversions()
            .into_iter()
            .map(|found| (found.line.chars().next().unwrap(), found.by_box))
            .collect()
    }

    #[test]
    fn a_command_again_after_a_broken_connection_is_no_inversion() {
        assert_eq!(inversions("a:0 b:0 c:0", [None, None]), []);
        assert_eq!(inversions("a:0 a:1 b:1 c:1", [Some(900), None]), []);
        assert_eq!(inversions("a:0 b:0 a:1 b:1 c:1", [Some(1_900), None]), []);
    }

    #[test]
    fn what_comes_after_a_later_one_is_the_brokers_doing_unless_the_box_still_held_it() {
        assert_eq!(inversions("a:0 b:1 a:1 c:1", [Some(900), None]), [('a', false)]);
        assert_eq!(inversions("b:0 a:0 c:0", [None, None]), [('a', false)]);
        assert_eq!(inversions("a:0 b:1 a:1 c:1", [Some(5_000), None]), [('a', true)]);
        assert_eq!(inversions("a:0 c:1 b:1 a:1", [None, None]), [('b', false), ('a', true)]);
    }

    #[test]
    fn orders_as_handed_over_hold_every_command_once() {
        let (published, deliveries) = (published(), deliveries("b:0 a:0 b:0"));
        let connections = [Connection { node: 0, ended_ms: None }];
        let [first, last] = Order::new(&published, &deliveries, &connections).as_handed_over();
        let ids =
            |commands: &[(Command, u64)]| commands.iter().map(|(c, _)| c.id.clone()).collect::<String>();
        assert_eq!((ids(&first), ids(&last)), ("bac".to_owned(), "abc".to_owned()));
    }
}
