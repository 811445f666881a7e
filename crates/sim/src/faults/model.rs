//! What a stream of commands must lead to, computed from the commands and their replies alone.
//!
//! Nothing here knows how the box works. A command that the box refused for a passing reason (the platform gave no
//! details, the disk was full) may or may not have had its effect, since an earlier delivery of it may have got
//! through: then both states are possible until a later command settles it. Everything else has exactly one.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

const PARAM: i64 = 40071;
const ID_NOT_FOUND: i64 = 40401;
const PROCESS_FAILED: i64 = 50072;
const REMOTE_FAILED: i64 = 50073;
const REMOTE_DATA: i64 = 50074;

/// What a command is to do.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// Each user: the name under which it is enrolled then, or the code it is refused with.
    Add {
        users: Vec<(String, Result<String, i64>)>,
        fetched: bool,
    },
    Delete(Vec<String>),
    /// Permission groups that are added, or renamed: ids and names.
    Sync(Vec<(String, String)>),
    WipePeople,
    Refused(i64),
}

/// A command as it was published.
#[derive(Debug, Clone)]
pub struct Command {
    pub id: String,
    pub body: Value,
    pub effect: Effect,
}

type States<T> = BTreeSet<Option<T>>;

/// Everything that can be true after the commands so far.
#[derive(Debug, Default)]
pub struct Model {
    people: BTreeMap<String, States<String>>,
    groups: BTreeMap<String, States<String>>,
    /// Refusals for passing reasons, by code.
    pub passing: BTreeMap<i64, u64>,
    pub problems: Vec<String>,
}

/// How one delivery ended for one user.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Outcome {
    Done,
    Code(i64),
    Unmentioned,
}

fn outcome(reply: &Value, id: &str) -> Outcome {
    if reply["success"] != true {
        return Outcome::Code(reply["code"].as_i64().unwrap_or(-1));
    }
    let find = |list: &str| {
        reply["result"][list].as_array().into_iter().flatten().find(|user| user["userid"] == id).cloned()
    };
    match (find("success_users"), find("failed_users")) {
        (Some(_), None) => Outcome::Done,
        (None, Some(user)) => Outcome::Code(user["code"].as_i64().unwrap_or(-1)),
        _ => Outcome::Unmentioned,
    }
}

impl Model {
    /// One command with every reply it got, in the order in which the commands were published.
    pub fn apply(&mut self, command: &Command, replies: &[Value]) {
        if replies.is_empty() {
            self.problems.push(format!("{}: no reply", command.id));
        }
        match &command.effect {
            Effect::Add { users, fetched } => {
                for (id, expected) in users {
                    self.add(command, replies, id, expected, *fetched);
                }
            }
            Effect::Delete(ids) => {
                for id in ids {
                    let outcomes: Vec<_> = replies.iter().map(|reply| outcome(reply, id)).collect();
                    let gone = |o: &Outcome| matches!(o, Outcome::Done | Outcome::Code(ID_NOT_FOUND));
                    let settled = self.settled(command, &outcomes, gone, &[PROCESS_FAILED]);
                    let states = self.people.entry(id.clone()).or_insert_with(|| [None].into());
                    step(states, None, settled);
                }
            }
            Effect::Sync(groups) => {
                let settled = self.whole(command, replies);
                for (id, name) in groups {
                    let states = self.groups.entry(id.clone()).or_insert_with(|| [None].into());
                    step(states, Some(name.clone()), settled);
                }
            }
            Effect::WipePeople => {
                let settled = self.whole(command, replies);
                self.people.values_mut().for_each(|states| step(states, None, settled));
            }
            Effect::Refused(code) => {
                for reply in replies {
                    if reply["success"] != false || reply["code"] != *code {
                        let problem = format!("{}: expected {code}, got {}", command.id, short(reply));
                        self.problems.push(problem);
                    }
                }
            }
        }
    }

    fn add(
        &mut self,
        command: &Command,
        replies: &[Value],
        id: &str,
        expected: &Result<String, i64>,
        fetched: bool,
    ) {
        let passing: &[i64] =
            if fetched { &[PROCESS_FAILED, REMOTE_FAILED, REMOTE_DATA] } else { &[PROCESS_FAILED] };
        let outcomes: Vec<_> = replies.iter().map(|reply| outcome(reply, id)).collect();
        match expected {
            Ok(name) => {
                let settled = self.settled(command, &outcomes, |o| *o == Outcome::Done, passing);
                let states = self.people.entry(id.to_owned()).or_insert_with(|| [None].into());
                step(states, Some(name.clone()), settled);
            }
            Err(code) => {
                self.settled(command, &outcomes, |o| *o == Outcome::Code(*code), passing);
            }
        }
    }

    /// Whether every delivery did what it should. A refusal for a passing reason unsettles, anything else is wrong.
    fn settled(
        &mut self,
        command: &Command,
        outcomes: &[Outcome],
        is_right: impl Fn(&Outcome) -> bool,
        passing: &[i64],
    ) -> bool {
        let mut settled = !outcomes.is_empty();
        for outcome in outcomes {
            match outcome {
                outcome if is_right(outcome) => {}
                Outcome::Code(code) if passing.contains(code) => {
                    *self.passing.entry(*code).or_default() += 1;
                    settled = false;
                }
                other => {
                    self.problems.push(format!("{}: {other:?}", command.id));
                    settled = false;
                }
            }
        }
        settled
    }

    /// The same for a command that succeeds or fails as a whole.
    fn whole(&mut self, command: &Command, replies: &[Value]) -> bool {
        let outcomes: Vec<_> = replies
            .iter()
            .map(|reply| match reply["success"].as_bool() {
                Some(true) => Outcome::Done,
                _ => Outcome::Code(reply["code"].as_i64().unwrap_or(-1)),
            })
            .collect();
        self.settled(command, &outcomes, |o| *o == Outcome::Done, &[PROCESS_FAILED])
    }

    /// People whose state is not settled.
    pub fn unsettled(&self) -> usize {
        self.people.values().filter(|states| states.len() > 1).count()
    }

    /// What differs between what must be and what `menshen data check --people` printed.
    pub fn compare(&self, found: &Value) -> Vec<String> {
        self.differences(found).into_iter().map(|(_, line)| line).collect()
    }

    /// The same by the person, or the permission groups, that it concerns.
    pub fn differences(&self, found: &Value) -> Vec<(String, String)> {
        let mut wrong = compare_named(&self.people, &found["who"], "nobody enrolled it");
        wrong.extend(compare_named(&self.groups, &found["permission_groups"], "nobody sent this group"));
        wrong
    }
}

/// What differs between what must be and a list of ids with names.
fn compare_named(
    wanted: &BTreeMap<String, States<String>>,
    found: &Value,
    unknown: &str,
) -> Vec<(String, String)> {
    let mut there: BTreeMap<&str, &str> = BTreeMap::new();
    for entry in found.as_array().into_iter().flatten() {
        there.insert(entry["id"].as_str().unwrap_or_default(), entry["name"].as_str().unwrap_or_default());
    }
    let mut wrong = Vec::new();
    for (id, states) in wanted {
        let is = there.remove(id.as_str()).map(str::to_owned);
        if !states.contains(&is) {
            wrong.push((id.clone(), format!("{id}: must be one of {states:?}, is {is:?}")));
        }
    }
    wrong.extend(there.keys().map(|id| ((*id).to_owned(), format!("{id}: {unknown}"))));
    wrong
}

fn step<T: Ord>(states: &mut States<T>, new: Option<T>, settled: bool) {
    if settled {
        states.clear();
    }
    states.insert(new);
}

fn short(value: &Value) -> String {
    value.to_string().chars().take(200).collect()
}

/// Code of a command that can never succeed.
pub const fn param_error() -> i64 {
    PARAM
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn command(effect: Effect) -> Command {
        Command { id: "c".into(), body: Value::Null, effect }
    }

    fn add(name: &str, fetched: bool) -> Command {
        command(Effect::Add { users: vec![("p".into(), Ok(name.into()))], fetched })
    }

    fn done() -> Value {
        json!({ "success": true, "code": 0, "result": { "success_users": [{ "userid": "p" }], "failed_users": [] } })
    }

    fn failed(code: i64) -> Value {
        json!({ "success": true, "code": 0, "result": { "success_users": [], "failed_users": [{ "userid": "p", "code": code }] } })
    }

    fn registry(name: Option<&str>) -> Value {
        json!({ "who": name.map(|name| json!({ "id": "p", "name": name })).into_iter().collect::<Vec<_>>() })
    }

    #[test]
    fn an_answered_command_must_have_its_effect() {
        let mut model = Model::default();
        model.apply(&add("one", false), &[done(), done()]);
        assert_eq!(model.compare(&registry(Some("one"))), [""; 0]);
        assert_eq!(model.compare(&registry(None)).len(), 1);
        assert_eq!(model.compare(&registry(Some("other"))).len(), 1);
        model.apply(&command(Effect::Delete(vec!["p".into()])), &[done(), failed(ID_NOT_FOUND)]);
        assert_eq!(model.compare(&registry(None)), [""; 0]);
        assert_eq!(model.compare(&registry(Some("one"))).len(), 1, "a deleted person is back");
        assert!(model.problems.is_empty(), "{:?}", model.problems);
    }

    #[test]
    fn a_passing_refusal_leaves_both_possible_and_only_where_it_may_come() {
        let mut model = Model::default();
        model.apply(&add("one", true), &[failed(REMOTE_FAILED)]);
        assert_eq!(model.unsettled(), 1);
        assert!(
            model.compare(&registry(None)).is_empty() && model.compare(&registry(Some("one"))).is_empty()
        );
        model.apply(&add("two", true), &[done()]);
        assert_eq!(model.compare(&registry(Some("one"))).len(), 1);
        assert!(model.problems.is_empty());
        model.apply(&add("three", false), &[failed(REMOTE_FAILED)]);
        assert_eq!(model.problems.len(), 1, "details that came along need no platform");
        model.apply(&add("four", false), &[]);
        assert_eq!(model.problems.len(), 2, "no reply");
    }

    #[test]
    fn groups_are_added_and_renamed_and_none_is_forgotten() {
        let group = |id: &str, name: &str| (id.to_owned(), name.to_owned());
        let fine = json!({ "success": true, "code": 0 });
        let mut model = Model::default();
        for groups in [vec![group("1", "a"), group("2", "b")], vec![group("2", "c")]] {
            model.apply(&command(Effect::Sync(groups)), std::slice::from_ref(&fine));
        }
        let listed = |two: &str| json!({ "permission_groups": [{ "id": "1", "name": "a" }, { "id": "2", "name": two }] });
        assert_eq!(model.compare(&listed("c")), [""; 0]);
        assert_eq!(model.compare(&listed("b")).len(), 1, "an earlier name is back");
        assert_eq!(model.compare(&json!({ "permission_groups": [{ "id": "2", "name": "c" }] })).len(), 1);
    }

    #[test]
    fn refusals_and_wipes_are_checked() {
        let mut model = Model::default();
        model.apply(&add("one", false), &[done()]);
        let refused = json!({ "success": false, "code": 40071 });
        model.apply(&command(Effect::Refused(40071)), std::slice::from_ref(&refused));
        assert!(model.problems.is_empty());
        model.apply(&command(Effect::Refused(50100)), &[refused]);
        assert_eq!(model.problems.len(), 1);
        model.apply(&command(Effect::WipePeople), &[json!({ "success": true, "code": 0 })]);
        assert_eq!(model.compare(&registry(Some("one"))).len(), 1);
    }
}
