//! `menshen-bench terminals`: photo terminals that all post at once, with many people enrolled.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::{Arc, Barrier};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use clap::Args;
use menshen::cli::language::help;
use menshen_testbed::box_config::Device;
use serde_json::{Value, json};

use crate::start::fill_people;

use super::photo_box::{PhotoBox, config, folder, read};
use menshen_sim::figures::print_figures;
use menshen_testbed::statistics::percentile;

/// Makes up `people` people in the registry a configuration names, and enrols the one on `photo` as `known`.
/// `menshen-bench` writes them with the product's own stores.
#[derive(Args, Debug, Clone)]
pub struct TerminalsArgs {
    #[arg(long, default_value_t = 10, help = help("Terminals that post in the same moment", "同时提交的终端数"))]
    pub terminals: usize,
    #[arg(long, default_value_t = 50_000, help = help("People enrolled besides the one who is photographed", "另外入库的人数"))]
    pub people: usize,
    #[arg(long, default_value_t = 30, help = help("How often all of them post", "提交次数"))]
    pub rounds: usize,
    #[arg(long, default_value_t = 1000, help = help("From one round to the next, ms", "间隔（毫秒）"))]
    pub every_ms: u64,
    #[arg(long, default_value = ".setup/pictures", help = help("Pictures of scripts/setup", "素材目录"))]
    pub pictures: PathBuf,
}

const ANSWER_WITHIN: Duration = Duration::from_secs(30);
/// Rounds that warm up caches and count for nothing.
const WARM_UP: usize = 3;

/// Runs the campaign; it fails when an answer is wrong.
pub fn run(asked: &TerminalsArgs) -> Result<ExitCode> {
    let photo = read(&asked.pictures, &["obama-2.jpg"])?.remove(0);
    let folder = folder("terminals");
    let mut config = config(&folder)?;
    for terminal in 0..asked.terminals {
        let device = Device::new(&format!("t{terminal}"), "door-terminal");
        config.devices.push(device.with("pipeline", "post").with("dedup_s", 0));
    }
    let enrolled = asked.pictures.join("obama-1.jpg");
    let own = PhotoBox::start(&folder, config, |config| fill_people(config, asked.people, &enrolled))?;
    own.wait_devices(asked.terminals)?;
    let (photo, together) = (Arc::new(photo), Arc::new(Barrier::new(asked.terminals)));
    let (port, rounds, every) =
        (own.local_port(), asked.rounds + WARM_UP, Duration::from_millis(asked.every_ms));
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
        answers.extend(thread.join().ok().context("a terminal's thread panicked")?);
    }
    let right = answers.iter().filter(|(_, answer)| answer["data"]["identity_id"] == "known").count();
    let wrong = answers.iter().find(|(_, answer)| answer["data"]["identity_id"] != "known");
    let mut times: Vec<u64> = answers.iter().map(|(took, _)| *took).collect();
    times.sort_unstable();
    let is_whole = right == answers.len();
    print_figures(&json!({
        "measure": "terminals", "terminals": asked.terminals, "people": asked.people, "rounds": asked.rounds,
        "answers": answers.len(), "right": right, "first_wrong": wrong.map(|(_, answer)| answer.clone()),
        "p50_ms": percentile(&times, 50), "p95_ms": percentile(&times, 95), "max_ms": times.last(),
        "counted": own.results(), "resident_mb": own.resident_mb(),
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
