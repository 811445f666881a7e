//! A row of the table: a field or rule of the protocol, and how it is proven.

use crate::evidence::Evidence;

/// How a row is proven.
pub enum Proof {
    /// Looks at the evidence and panics where it is otherwise.
    Seen(fn(&Evidence)),
    /// `module::test` of `tests/e2e`, run beside this one.
    Test(&'static str),
}

/// One field or rule of the protocol.
pub struct Row {
    pub section: &'static str,
    pub rule: &'static str,
    pub proof: Proof,
}

pub const fn seen(section: &'static str, rule: &'static str, look: fn(&Evidence)) -> Row {
    Row { section, rule, proof: Proof::Seen(look) }
}

pub const fn tested(section: &'static str, rule: &'static str, test: &'static str) -> Row {
    Row { section, rule, proof: Proof::Test(test) }
}
