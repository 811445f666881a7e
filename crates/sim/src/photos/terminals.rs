//! `menshen sim terminals`: photo terminals that all post at once, with many people enrolled.

use std::fmt::Write as _;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{Arc, Barrier};
use std::time::{Duration, Instant};

use clap::Args;
use serde_json::{Value, json};

use super::{Box, at, read, tell};
use menshen_testbed::process::program;

/// Makes up `people` people in the registry a configuration names, and enrols the one on `photo` as `known`.
/// `menshen-bench` writes them with the product's own stores.
fn fill(config: &Path, people: usize, photo: &Path) -> Result<(), String> {
    let mut command = std::process::Command::new(program("menshen-bench")?);
    command.args(["fill", "people", "--count", &people.to_string(), "--photo"]).arg(photo);
    command.arg("--config").arg(config);
    let status = command.status().map_err(|error| format!("menshen-bench: {error}"))?;
    if status.success() { Ok(()) } else { Err(format!("menshen-bench fill people: {status}")) }
}

#[derive(Args, Debug, Clone)]
pub struct TerminalsArgs {
    /// Terminals that post in the same moment
    #[arg(long, default_value_t = 10)]
    pub terminals: usize,
    /// People enrolled beside the one who is photographed
    #[arg(long, default_value_t = 50_000)]
    pub people: usize,
    /// How often all of them post
    #[arg(long, default_value_t = 30)]
    pub rounds: usize,
    /// From one round to the next
    #[arg(long, default_value_t = 1000)]
    pub every_ms: u64,
    /// Pictures of scripts/setup
    #[arg(long, default_value = ".setup/pictures")]
    pub pictures: PathBuf,
}

const ANSWER_WITHIN: Duration = Duration::from_secs(30);
/// Rounds that warm up caches and count for nothing.
const WARM_UP: usize = 3;

pub fn run(arguments: &TerminalsArgs) -> Result<ExitCode, Vec<String>> {
    campaign(arguments).map_err(|error| vec![error])
}

fn campaign(asked: &TerminalsArgs) -> Result<ExitCode, String> {
    let photo = read(&asked.pictures, &["obama-2.jpg"])?.remove(0);
    let mut more = String::new();
    for terminal in 0..asked.terminals {
        let _ = write!(
            more,
            "\n[[devices]]\nip = \"t{terminal}\"\ntype = \"door-terminal\"\npipeline = \"post\"\ndedup_s = 0\n"
        );
    }
    let enrolled = asked.pictures.join("obama-1.jpg");
    let own = Box::start("terminals", &more, |config| fill(config, asked.people, &enrolled))?;
    own.wait_devices(asked.terminals)?;
    let (photo, together) = (Arc::new(photo), Arc::new(Barrier::new(asked.terminals)));
    let (port, rounds, every) =
        (own.local_port, asked.rounds + WARM_UP, Duration::from_millis(asked.every_ms));
    let threads: Vec<_> = (0..asked.terminals)
        .map(|terminal| {
            let (photo, together) = (Arc::clone(&photo), Arc::clone(&together));
            std::thread::spawn(move || {
                let post = |_| {
                    together.wait();
                    let began = Instant::now();
                    let answer = post(port, terminal, &photo);
                    let took = began.elapsed();
                    std::thread::sleep(every.saturating_sub(took));
                    (took.as_millis() as u64, answer)
                };
                (0..rounds).map(post).skip(WARM_UP).collect::<Vec<_>>()
            })
        })
        .collect();
    let mut answers = Vec::new();
    for thread in threads {
        answers.extend(thread.join().map_err(|_| "a terminal's thread panicked".to_owned())?);
    }
    let right = answers.iter().filter(|(_, answer)| answer["data"]["identity_id"] == "known").count();
    let wrong = answers.iter().find(|(_, answer)| answer["data"]["identity_id"] != "known");
    let mut times: Vec<u64> = answers.iter().map(|(took, _)| *took).collect();
    times.sort_unstable();
    let is_whole = right == answers.len();
    tell(&json!({
        "measure": "terminals", "terminals": asked.terminals, "people": asked.people, "rounds": asked.rounds,
        "answers": answers.len(), "right": right, "first_wrong": wrong.map(|(_, answer)| answer.clone()),
        "p50_ms": at(&times, 0.5), "p95_ms": at(&times, 0.95), "max_ms": times.last(),
        "counted": own.results(), "resident_mb": own.container.resident_mb(),
        "optimised": !cfg!(debug_assertions),
    }));
    own.stop(is_whole)?;
    Ok(if is_whole { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// `null` where there is no answer.
fn post(port: u16, terminal: usize, photo: &[u8]) -> Value {
    let answer = || -> std::io::Result<String> {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
        stream.set_read_timeout(Some(ANSWER_WITHIN))?;
        write!(
            stream,
            "POST /SophonFogSys/api/Recognize?ip=t{terminal} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: image/jpeg\r\n\
             Content-Length: {}\r\nConnection: close\r\n\r\n",
            photo.len()
        )?;
        stream.write_all(photo)?;
        let mut text = String::new();
        stream.read_to_string(&mut text)?;
        Ok(text)
    };
    let text = answer().unwrap_or_default();
    let body = text.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    serde_json::from_str(body).unwrap_or_default()
}
