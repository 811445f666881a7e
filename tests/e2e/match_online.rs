//! `menshen match`: a running box is asked; without one the models are loaded.

use std::process::Output;

use crate::photos::bed_with;
use crate::testbed::{TestBed, picture};

fn path(name: &str) -> String {
    picture(name).display().to_string()
}

/// Exit code, standard output, standard error.
fn told(output: &Output) -> (i32, String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code().unwrap(), text(&output.stdout), text(&output.stderr))
}

fn matched(bed: &TestBed, arguments: &[&str]) -> (i32, String, String) {
    told(&bed.run(&[&["match", "--lang", "en"], arguments].concat()))
}

#[test]
fn a_running_box_compares_and_identifies_photos() {
    let mut bed = bed_with("");
    let [one, two, other, none] = ["obama-2.jpg", "obama-3.jpg", "biden-1.jpg", "coffee.png"].map(path);
    let online = "asking the running box";
    let (code, out, err) = matched(&bed, &[&one, &two]);
    assert!(code == 0 && err.contains(online) && out.contains("the same person"), "{code} {out} {err}");
    assert!(out.contains("threshold 82.0") && out.matches("1 face(s); size").count() == 2, "{out}");
    let score = |out: &str| {
        let (_, after) = out.rsplit_once("score ").unwrap();
        after.split([',', ':']).next().unwrap().parse::<f64>().unwrap()
    };
    let online_score = score(&out);
    let (code, out, _) = matched(&bed, &[&one, &other]);
    assert!(code == 2 && out.contains("two people"), "{code} {out}");
    // Who of the people is it?
    let (code, out, err) = matched(&bed, &[&one]);
    assert!(code == 0 && err.contains(online) && out.contains("1001 Barack Obama"), "{code} {out} {err}");
    let (code, out, _) = matched(&bed, &[&other]);
    assert!(code == 2 && out.contains("nobody of the registry"), "{code} {out}");
    let (code, out, _) = matched(&bed, &[&one, "--device", "terminal"]);
    assert!(code == 0 && out.contains("1001"), "{code} {out}");
    let (code, _, err) = matched(&bed, &[&one, "--device", "nowhere"]);
    assert!(code == 1 && err.contains("nowhere"), "{code} {err}");
    let (code, _, err) = matched(&bed, &[&one, &none]);
    assert!(code == 1 && err.contains("coffee.png") && err.contains("no face"), "{code} {err}");
    // Nothing of it is an event.
    assert_eq!(bed.metric("menshen_events_total"), 0.0);
    bed.stop();

    // Without a box it loads what it needs, and comes to the same.
    let offline = "no box is running";
    let (code, out, err) = matched(&bed, &[&one, &two]);
    assert!(code == 0 && err.contains(offline) && out.contains("the same person"), "{code} {out} {err}");
    assert!((score(&out) - online_score).abs() < 0.2, "{out}: {online_score}");
    let (code, _, err) = matched(&bed, &[&one]);
    assert!(code == 1 && err.contains(offline), "{code} {err}");
}

#[test]
fn a_box_that_cannot_be_asked_is_told_of() {
    let mut bed = TestBed::standalone();
    bed.add_config("[local_api]\nlisten = \"\"\n");
    bed.start();
    let (code, out, err) = matched(&bed, &[&path("obama-2.jpg"), &path("obama-3.jpg")]);
    assert!(code == 1 && out.is_empty() && err.contains("its local API is off"), "{code} {out} {err}");
    bed.stop();
}
