//! `menshen-sim client`: the local API as an integrator's tool calls it, to try one's own side against a box.

mod fields;
mod shorten;
mod walk;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::figures::print_figures;
use fields::Request;
use menshen_testbed::local_api::calls::{CALLS, find};
use menshen_testbed::local_api::{Answer, LocalClient};
use shorten::shorten;

/// The box, and what is asked of it.
#[derive(Args, Debug, Clone)]
pub struct ClientArgs {
    /// The box's local API, HOST:PORT 盒子本地接口地址
    #[arg(long, default_value = "127.0.0.1:5555")]
    pub server: String,
    /// Token, where the box wants one (`menshen token new`) 访问令牌
    #[arg(long)]
    pub token: Option<String>,
    /// Time for one answer, seconds 等待应答的秒数
    #[arg(long, default_value_t = 40, value_parser = clap::value_parser!(u64).range(1..=600))]
    pub within: u64,
    /// Show long texts (pictures) of answers whole 完整显示长文本（图片）
    #[arg(long)]
    pub whole: bool,
    #[command(subcommand)]
    command: ClientCommand,
}

#[derive(Subcommand, Debug, Clone)]
enum ClientCommand {
    /// The published calls and their fields, one JSON object a line 列出全部接口
    Calls,
    /// One published call: its name, and its fields as name=text, name:=JSON or name=@FILE (the file in base64) 调用一个接口
    Call {
        /// Name, as `calls` lists them 接口名
        name: String,
        /// name=text, name:=JSON, name=@FILE; `info.name=Tom` goes into the object `info` 字段
        fields: Vec<String>,
        /// The body from a JSON file; fields are laid over it JSON 文件作为请求体
        #[arg(long)]
        body: Option<PathBuf>,
        /// Write an answer that is a picture into this file 图片保存到文件
        #[arg(long)]
        out: Option<PathBuf>,
    },
    /// The registration flow of the vendor's tool, step by step: group, person, device, passage, receiver 注册流程
    Register(walk::RegisterArgs),
}

/// Prints one JSON object for each call; fails when the box does not answer as it should.
///
/// # Errors
/// When the box does not answer, or what is asked makes no sense.
pub fn run(arguments: &ClientArgs) -> Result<ExitCode> {
    let client = LocalClient { server: arguments.server.clone(), token: arguments.token.clone() };
    match &arguments.command {
        ClientCommand::Calls => {
            for call in CALLS {
                let must: Vec<_> =
                    call.field_of_path().into_iter().chain(call.must.iter().copied()).collect();
                print_figures(&json!({
                    "name": call.name, "method": call.method, "path": call.path, "must": must, "may": call.may,
                }));
            }
            Ok(ExitCode::SUCCESS)
        }
        ClientCommand::Call { name, fields, body, out } => {
            let call = find(name).with_context(|| unknown(name))?;
            let request = Request::new(call, fields, body.as_deref())?;
            let within = Duration::from_secs(arguments.within);
            let answer = client.send(call.method, &request.path, request.body.as_ref(), within)?;
            let mut line = json!({
                "call": name, "request": format!("{} {}", call.method, request.path), "status": answer.status,
                "ms": answer.took.as_millis() as u64,
            });
            shown(&answer, arguments.whole, out.as_deref(), &mut line)?;
            print_figures(&line);
            Ok(if answer.is_success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
        }
        ClientCommand::Register(register) => walk::run(&client, register, arguments.whole),
    }
}

/// Names that have a part of what was typed, or all of them.
fn unknown(name: &str) -> String {
    let part = name.split('-').next().unwrap_or(name).trim_end_matches('s');
    let like: Vec<_> =
        CALLS.iter().map(|call| call.name).filter(|known| !part.is_empty() && known.contains(part)).collect();
    let hint = if like.is_empty() { "see `menshen-sim client calls`".to_owned() } else { like.join(", ") };
    format!("no call `{name}`: {hint} 没有该接口")
}

fn shown(answer: &Answer, whole: bool, out: Option<&std::path::Path>, line: &mut Value) -> Result<()> {
    if answer.content_type.starts_with("image/") {
        line["content_type"] = json!(answer.content_type);
        line["bytes"] = json!(answer.bytes.len());
        if let Some(out) = out {
            std::fs::write(out, &answer.bytes).with_context(|| format!("cannot write {}", out.display()))?;
            line["file"] = json!(out.display().to_string());
        }
        return Ok(());
    }
    if out.is_some() && answer.is_success() {
        bail!("--out is for pictures, and the answer is {} 应答不是图片", answer.content_type);
    }
    line["answer"] = match answer.json() {
        Value::Null => json!(String::from_utf8_lossy(&answer.bytes)),
        body => body,
    };
    if !whole {
        shorten(&mut line["answer"]);
    }
    if answer.status == 401 || answer.status == 403 {
        line["hint"] = json!(
            "the box does not let this machine in: give --token, or name its network in local_api.allow \
             盒子拒绝访问：请加 --token，或在 local_api.allow 中允许本机网段"
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_is_none_is_answered_with_those_like_it() {
        assert!(unknown("users-list").contains("user-add"), "{}", unknown("users-list"));
        assert!(unknown("xyz").contains("client calls"));
    }
}
