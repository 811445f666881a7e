//! What the scenario brought, to be looked at row by row.

use std::collections::BTreeMap;

use menshen_testbed::platform::ledger::Entry;
use serde_json::Value;

#[derive(Default)]
pub struct Evidence {
    /// Everything the platform got.
    pub entries: Vec<Entry>,
    /// Replies to the commands of the scenario, by the name it gave them.
    pub replies: BTreeMap<&'static str, Value>,
    /// Answers of the local API, by the name the scenario gave them.
    pub local: BTreeMap<&'static str, Value>,
    /// The stream's address as configured, with a password in it.
    pub stream_url: String,
    /// When the camera showed the known person first, wall clock ms.
    pub walk_began_ms: u64,
    /// Everything the box wrote into its log.
    pub log: String,
}

impl Evidence {
    pub fn reply(&self, name: &str) -> &Value {
        self.replies.get(name).unwrap_or_else(|| panic!("the scenario sent no command `{name}`"))
    }

    /// The first entry of `list` of a reply's result whose `userid` is `id`.
    pub fn user<'a>(&'a self, name: &str, list: &str, id: &str) -> &'a Value {
        let users = self.reply(name)["result"][list].as_array().unwrap_or_else(|| panic!("no list {list}"));
        users
            .iter()
            .find(|user| user["userid"] == id)
            .unwrap_or_else(|| panic!("{id} is not in {list}: {users:?}"))
    }

    fn first(&self, what: &str, wanted: impl Fn(&Entry) -> bool) -> &Value {
        &self.entries.iter().find(|entry| wanted(entry)).unwrap_or_else(|| panic!("there is no {what}")).body
    }

    pub fn login(&self) -> &Value {
        self.first("login", |entry| entry.kind == "login")
    }

    /// The newest accepted list of capture devices.
    pub fn device_list(&self) -> &Value {
        let lists = self.entries.iter().rev();
        let accepted = |entry: &&Entry| entry.kind == "device-list" && entry.is_accepted();
        &lists.into_iter().find(accepted).expect("a device list").body
    }

    pub fn device(&self) -> &Value {
        &self.device_list()["deviceList"][0]
    }

    pub fn status(&self) -> &Value {
        self.first("status report", |entry| entry.kind == "status" && entry.is_accepted())
    }

    /// The known person, told at once.
    pub fn live(&self) -> &Value {
        self.first("real-time event", |entry| entry.kind == "realtime")
    }

    /// The known person, as history.
    pub fn history(&self) -> &Value {
        let id = &self.live()["ext_data"]["event_id"];
        self.first("history event", |entry| {
            entry.kind == "history" && entry.body["ext_data"]["event_id"] == *id
        })
    }

    /// The first stranger, as history.
    pub fn stranger(&self) -> &Value {
        self.first("stranger", |entry| entry.kind == "history" && entry.body["ext_data"]["person_type"] == 4)
    }

    /// Event ids a receiver accepted, in the order they came.
    pub fn accepted_by(&self, receiver: &str) -> Vec<&str> {
        let mine = self.entries.iter().filter(|entry| entry.path == receiver && entry.is_accepted());
        mine.map(|entry| entry.body["ext_data"]["event_id"].as_str().unwrap()).collect()
    }
}
