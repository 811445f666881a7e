//! The registration flow against a box, with a receiver that waits for the event.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use base64::Engine as _;
use clap::Args;
use serde_json::json;

use super::shorten::shorten;
use crate::figures::print_figures;
use menshen_testbed::local_api::LocalClient;
use menshen_testbed::local_api::registration::{Registration, Step};
use menshen_testbed::platform::{PlatformConfig, SimPlatform};

/// The event comes within about a second; a box that is busy takes longer.
const EVENT_WITHIN: Duration = Duration::from_secs(15);

/// Whom to register, and who plays the device.
#[derive(Args, Debug, Clone)]
pub struct RegisterArgs {
    /// Registry photo 注册照
    #[arg(long)]
    photo: PathBuf,
    /// Another photo of the person, for the passage 同一人的另一张照片
    #[arg(long)]
    passage: PathBuf,
    /// The person's id 人员编号
    #[arg(long, default_value = "10086")]
    identity_id: String,
    /// The person's name 姓名
    #[arg(long, default_value = "张三")]
    name: String,
    /// Permission group that is made 权限组名
    #[arg(long, default_value = "acceptance")]
    group: String,
    /// Address of this machine as the device's key 本机地址，作为设备标识
    #[arg(long, default_value = "127.0.0.1")]
    own_ip: String,
    /// A person who is known already is changed, and no error 人员已存在时更新
    #[arg(long)]
    ignore_exist: bool,
    /// Listen here for the event of the passage; the box must reach this address 在此地址接收事件，盒子须能访问
    #[arg(long)]
    receive: Option<SocketAddr>,
}

fn base64(file: &Path) -> Result<String> {
    let bytes = std::fs::read(file).with_context(|| format!("cannot read {} 无法读取", file.display()))?;
    Ok(base64::prelude::BASE64_STANDARD.encode(bytes))
}

/// Runs the flow and prints each step; fails where the vendor's tool gives up.
///
/// # Errors
/// When a step is not answered as it must be, or the event does not come.
pub fn run(client: &LocalClient, arguments: &RegisterArgs, whole: bool) -> Result<ExitCode> {
    let receiver = arguments
        .receive
        .map(|listen| {
            SimPlatform::start(PlatformConfig { listen, broker_port: 0, ..PlatformConfig::default() })
        })
        .transpose()?;
    let registration = Registration {
        client: client.clone(),
        own_ip: arguments.own_ip.clone(),
        group: arguments.group.clone(),
        identity_id: arguments.identity_id.clone(),
        name: arguments.name.clone(),
        ignore_exist: arguments.ignore_exist,
        reg_photo: base64(&arguments.photo)?,
        passage_photo: base64(&arguments.passage)?,
        history_url: receiver.as_ref().map(|receiver| receiver.url("/events")),
    };
    let registered = registration.run(&mut |step: &Step| {
        let mut answer = step.answer.clone();
        if !whole {
            shorten(&mut answer);
        }
        print_figures(&json!({
            "step": step.number, "what": step.what, "request": step.call, "status": step.status,
            "ms": step.took.as_millis() as u64, "answer": answer,
        }));
    })?;
    let matched = &registered.matched;
    if matched["retcode"] != "1" || matched["identity_id"] != *arguments.identity_id {
        bail!(
            "step 7: the box did not recognise the person: retcode {}, identity_id {} 未识别",
            matched["retcode"],
            matched["identity_id"]
        );
    }
    let Some(receiver) = receiver else { return Ok(ExitCode::SUCCESS) };
    let event_id = &matched["event_id"];
    if event_id == "" {
        bail!(
            "step 7 made no event: the same person passed a moment ago; try again later 同一人刚刚通行过，未产生事件"
        );
    }
    let is_it =
        |body: &serde_json::Value| body["event_id"] == *event_id || body["ext_data"]["event_id"] == *event_id;
    let came = receiver.ledger().wait(EVENT_WITHIN, |entry| entry.kind == "realtime" && is_it(&entry.body));
    let mut event = came.with_context(|| {
        format!(
            "step 9: event {event_id} did not come to {} within {EVENT_WITHIN:?}: does the box reach that address? 未收到事件",
            receiver.url("/events")
        )
    })?;
    if !whole {
        shorten(&mut event.body);
    }
    print_figures(&json!({ "step": 9, "what": "the event arrives", "event": event.body }));
    Ok(ExitCode::SUCCESS)
}
