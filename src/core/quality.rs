//! Placeholder until branch `vision` lands its own file of this name: take that one when merging.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Measurements {}
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Judgement {
    pub passed: bool,
    pub score: f32,
}
