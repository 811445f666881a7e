//! The vendor's registration flow, call by call: group, lookups, person, device, passage, receiver.

use std::time::Duration;

use serde_json::{Value, json};

use super::{LocalClient, NoAnswer, percent};

/// Where no time is published.
const USUAL: Duration = Duration::from_secs(40);
/// For the passage and the receiver, as published.
const SHORT: Duration = Duration::from_secs(5);

/// What a run of the tool is told.
#[derive(Debug, Clone)]
pub struct Registration {
    /// The box.
    pub client: LocalClient,
    /// The tool's own address: it plays a photo device.
    pub own_ip: String,
    /// Name of the permission group.
    pub group: String,
    /// The person's id.
    pub identity_id: String,
    /// The person's name.
    pub name: String,
    /// Whether a person who is known already is changed, and no error.
    pub ignore_exist: bool,
    /// The registry photo, in base64.
    pub reg_photo: String,
    /// Another photo of the person, in base64.
    pub passage_photo: String,
    /// Where history goes; without one the last step is left out.
    pub history_url: Option<String>,
}

/// A step that was answered.
#[derive(Debug, Clone)]
pub struct Step {
    /// As published, 1 to 8.
    pub number: u8,
    /// What it does.
    pub what: &'static str,
    /// The call.
    pub call: String,
    /// HTTP status.
    pub status: u16,
    /// The answer.
    pub answer: Value,
    /// How long it took.
    pub took: Duration,
}

/// Why the tool gave up.
#[derive(Debug, thiserror::Error)]
pub enum GivenUp {
    /// There was no answer.
    #[error("step {number}, {what}: {error}")]
    NoAnswer {
        /// Of the step.
        number: u8,
        /// Of the step.
        what: &'static str,
        /// Why.
        error: NoAnswer,
    },
    /// The answer is not what the tool needs to go on.
    #[error("step {number}, {what}: HTTP {status}, {reason}")]
    Refused {
        /// Of the step.
        number: u8,
        /// Of the step.
        what: &'static str,
        /// HTTP status.
        status: u16,
        /// What is wrong.
        reason: String,
    },
}

/// What the flow came to.
#[derive(Debug, Clone)]
pub struct Registered {
    /// HTTP status of step 3: 200, or that of a person who is known already.
    pub registered: u16,
    /// Answer of step 7.
    pub matched: Value,
}

/// The code and message of a refusal, or the whole answer.
pub fn reason(answer: &Value) -> String {
    let error = &answer["error"];
    match error["code"].as_i64() {
        Some(code) => format!("code {code}: {}", error["message"].as_str().unwrap_or_default()),
        None => format!("the answer is {answer}"),
    }
}

impl Registration {
    /// Runs the flow; each step is shown when it is answered.
    ///
    /// # Errors
    /// At the first step after which the tool cannot go on.
    pub fn run(&self, show: &mut dyn FnMut(&Step)) -> Result<Registered, GivenUp> {
        let group = json!({ "permission_name": self.group, "description": "" });
        // Of a second run it is a duplicate: the tool does not look.
        let path = "/SophonFogSys/api/permissions?";
        self.step(1, "make the permission group", ("POST", path, Some(&group)), USUAL, show)?;
        let permission = self.look_up(2, "permissions", &self.group, show)?;
        let user = json!({
            "group_name": "default_group", "identity_id": self.identity_id, "reg_photo": self.reg_photo,
            "create_no_exit_permission": false, "ignore_exist": self.ignore_exist,
            "info": { "name": self.name, "type": 1, "permission_ids": [permission] }, "fiqa_level": "custom",
        });
        let call = ("POST", "/SophonFogSys/api/users", Some(&user));
        let registered = self.step(3, "register the person", call, USUAL, show)?;
        if registered.status != 200 && registered.answer["error"]["code"] != 40011 {
            return Err(refused(&registered));
        }
        let registry_group = self.look_up(4, "groups", "default_group", show)?;
        let permission = self.look_up(5, "permissions", &self.group, show)?;
        let devices = json!({ "devices_list": [{
            "device_type": "photo", "netRelay": {}, "is_start_rtmp": false, "device_name": "acceptance client",
            "device_key": self.own_ip, "group_id": registry_group, "permission_id": permission,
        }]});
        let call = ("POST", "/SophonDevice/api/Devices", Some(&devices));
        expect(self.step(6, "add the photo device", call, USUAL, show)?)?;
        // At once: nobody tells the tool to wait for a lane.
        let picture = json!({ "rgb_image_base64": mime(&self.passage_photo), "device_ip": self.own_ip });
        let call = ("POST", "/SophonMatch/api/PictureMatch", Some(&picture));
        let matched = expect(self.step(7, "a passage of the person", call, SHORT, show)?)?;
        if let Some(url) = &self.history_url {
            let receiver = json!({
                "history_upload_event_url": [url], "content-type": "json", "reported_peroid": 1,
                "history_need_recognize_face": false, "history_need_reg_pic": true, "history_need_spot_pic": false,
            });
            let call = ("POST", "/SophonFogSys/api/HistoryEventUrl", Some(&receiver));
            expect(self.step(8, "name the receiver of history", call, SHORT, show)?)?;
        }
        Ok(Registered { registered: registered.status, matched: matched.answer })
    }

    fn step(
        &self,
        number: u8,
        what: &'static str,
        (method, path, body): (&str, &str, Option<&Value>),
        within: Duration,
        show: &mut dyn FnMut(&Step),
    ) -> Result<Step, GivenUp> {
        let answer = self.client.send(method, path, body, within).map_err(|error| GivenUp::NoAnswer {
            number,
            what,
            error,
        })?;
        let step = Step {
            number,
            what,
            call: format!("{method} {path}"),
            status: answer.status,
            answer: answer.json(),
            took: answer.took,
        };
        show(&step);
        Ok(step)
    }

    /// The `_id` of the entry whose name is exactly this one.
    fn look_up(
        &self,
        number: u8,
        kind: &str,
        name: &str,
        show: &mut dyn FnMut(&Step),
    ) -> Result<String, GivenUp> {
        let path = format!("/SophonFace/api/{kind}?info.name={}&exact=true", percent(name));
        let step = expect(self.step(number, "look up the group's id", ("GET", &path, None), USUAL, show)?)?;
        let entries = step.answer["data"].as_array();
        let found = entries.into_iter().flatten().find(|entry| entry["info"]["name"] == name);
        let id = found.and_then(|entry| entry["_id"].as_str());
        let reason = || format!("no entry of `data` has the name {name}: {}", step.answer);
        id.map(str::to_owned).ok_or_else(|| GivenUp::Refused {
            number,
            what: step.what,
            status: step.status,
            reason: reason(),
        })
    }
}

fn expect(step: Step) -> Result<Step, GivenUp> {
    if step.status == 200 { Ok(step) } else { Err(refused(&step)) }
}

fn refused(step: &Step) -> GivenUp {
    let (number, what, status) = (step.number, step.what, step.status);
    GivenUp::Refused { number, what, status, reason: reason(&step.answer) }
}

/// Base64 as mail has it, in lines.
fn mime(base64: &str) -> String {
    let mut out = String::new();
    for (at, letter) in base64.chars().enumerate() {
        if at > 0 && at % 76 == 0 {
            out.push('\n');
        }
        out.push(letter);
    }
    out
}
