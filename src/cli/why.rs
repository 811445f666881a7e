//! `menshen why`: how one event was decided, from the first detection to the receivers that have it.

use std::fmt::Write as _;
use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use anyhow::anyhow;
use clap::Args;

use super::config_args::ConfigArgs;
use super::events::open;
use super::language::{help, said};
use super::output::print_text;
use crate::adapters::store::RedbEventStore;
use crate::ports::outbox::Outbox as _;
use crate::ports::store::{EventStore as _, FoundEvent, StoreError};
use menshen_domain::event::{EventRecord, ShotQuality};
use menshen_domain::explain::{Explanation, Ranked, ShotRecord};
use menshen_domain::history::shown;
use menshen_domain::limits;
use menshen_domain::status::Language;
use menshen_domain::text::spoken;

#[derive(Args)]
pub struct WhyArgs {
    #[arg(help = help("`event_id` of an event, as it was reported and as `menshen events list` shows it", "事件的 event_id，见上报内容或 menshen events list"))]
    event_id: String,
    #[command(flatten)]
    config: ConfigArgs,
}

pub fn run(arguments: &WhyArgs) -> anyhow::Result<ExitCode> {
    let store = open(&arguments.config)?;
    let id = arguments.event_id.trim();
    let found = store.find(id)?.ok_or_else(|| {
        anyhow!(said!(
            "there is no event `{id}` here; `menshen events list` shows those that are kept",
            "没有事件 `{id}`；menshen events list 可列出已保存的事件"
        ))
    })?;
    print_text(&chain(&found.event, found.sequence));
    print_text(&reported(&store, &found)?);
    Ok(ExitCode::SUCCESS)
}

fn chain(event: &EventRecord, sequence: Option<u64>) -> String {
    let mut text = String::new();
    let mut line = |(en, zh): Label, value: String| {
        // Writing into a string cannot fail.
        let _ = writeln!(text, "{}  {value}", label(en, zh));
    };
    line(("event", "事件"), format!("{}  {}", event.event_id, time(event.timestamp_ms)));
    line(("device", "设备"), format!("{} ({})", event.device.ep_id, event.device.ip));
    match &event.why {
        Some(why) => explained(&mut line, event, why),
        None => line(
            ("quality", "质量"),
            said!(
                "{quality}; nothing more was kept of this event",
                "{quality}；没有保存更多信息",
                quality = quality(&event.quality)
            ),
        ),
    }
    if let Some(attributes) = &event.quality.attributes {
        line(("guessed", "属性"), attributes.to_string());
    }
    let who = event.identity.as_ref().map_or_else(|| said!("a stranger", "陌生人"), |who| who.id.clone());
    let place = sequence.map_or_else(
        || said!("the passage had not ended", "通行未结束"),
        |sequence| said!("number {sequence} in history", "历史序号 {sequence}"),
    );
    let score = event.score;
    line(("event", "事件"), said!("{who}, score {score:.3}, {place}", "{who}，分数 {score:.3}，{place}"));
    text
}

/// Name of a line in both languages.
type Label = (&'static str, &'static str);

/// As wide in either language.
fn label(en: &str, zh: &str) -> String {
    // A Chinese character is two columns wide.
    match spoken() {
        Language::En => format!("{en:<9}"),
        Language::Zh => format!("{zh:<width$}", width = 9 - zh.chars().count()),
    }
}

fn explained(line: &mut impl FnMut(Label, String), event: &EventRecord, why: &Explanation) {
    let seconds = event.out_timestamp_ms.saturating_sub(event.in_timestamp_ms) as f32 / 1000.0;
    line(
        ("detected", "检测"),
        said!(
            "in {looks} pictures over {seconds:.1} s, {passed} of them good enough",
            "{seconds:.1} 秒内 {looks} 张图中检测到，其中 {passed} 张合格",
            looks = why.looks,
            passed = why.passed
        ),
    );
    for count in &why.checks {
        let (check, failed) = (count.check.name(), count.failed);
        line(("", ""), said!("{check} failed in {failed} of them", "{failed} 张 {check} 不合格"));
    }
    line(("quality", "质量"), quality(&event.quality));
    line(("shots", "抓拍"), format!("{}", why.shots.len()));
    for ShotRecord { after_ms, quality, best, used, liveness } in &why.shots {
        let left_out = if *used {
            String::new()
        } else {
            said!(", disagrees with the others", "，与其他抓拍不一致")
        };
        let live =
            liveness.map_or_else(String::new, |score| said!(", liveness {score:.2}", "，活体 {score:.2}"));
        let best = ranking(best);
        let text = said!(
            "after {after_ms:5} ms, quality {quality:.2}{live}: {best}{left_out}",
            "{after_ms:5} 毫秒，质量 {quality:.2}{live}：{best}{left_out}"
        );
        line(("", ""), text);
    }
    if !why.fused.is_empty() {
        line(("together", "融合"), ranking(&why.fused));
    }
    line(
        ("threshold", "阈值"),
        said!(
            "similarity {threshold:.3}; {alone:.3} for one shot alone; ahead of the second by {margin:.3}{lead}",
            "相似度 {threshold:.3}；单张 {alone:.3}；领先第二名 {margin:.3}{lead}",
            threshold = why.threshold,
            alone = why.threshold + why.high_confidence_margin,
            margin = why.top2_margin_min,
            lead = lead(why)
        ),
    );
    if let Some(least) = why.liveness_min {
        let (score, live) = (event.quality.liveness, event.quality.live.unwrap_or_default());
        let score = score.map_or_else(|| said!("not measured", "未检测"), |score| format!("{score:.2}"));
        let verdict =
            if live { said!("a living face", "活体") } else { said!("no living face", "非活体") };
        line(
            ("liveness", "活体"),
            said!("{score}, at least {least:.2} needed: {verdict}", "{score}，至少 {least:.2}：{verdict}"),
        );
    }
    line(("groups", "权限组"), why.groups.join(", "));
    if !why.registry_group.is_empty() {
        line(("registry", "底库组"), why.registry_group.clone());
    }
    let decision = match why.reason {
        Some(reason) => reason.text(spoken()),
        None => why.basis.text(spoken()),
    };
    let not_here = why.not_here.as_ref();
    let known = not_here.map_or_else(String::new, |who| format!(": {} {:.3}", who.id, who.similarity));
    line(("decision", "结论"), format!("{decision}{known}"));
}

/// How far the best was ahead, in the shots together or in the best shot.
fn lead(why: &Explanation) -> String {
    let best_shot = why.shots.iter().map(|shot| &shot.best).filter(|best| !best.is_empty());
    let strongest = best_shot.max_by(|a, b| a[0].similarity.total_cmp(&b[0].similarity));
    let ranked = if why.fused.is_empty() { strongest } else { Some(&why.fused) };
    match ranked.map(Vec::as_slice) {
        Some([first, second, ..]) => {
            let lead = first.similarity - second.similarity;
            said!(", here {lead:.3}", "，此处 {lead:.3}")
        }
        _ => String::new(),
    }
}

fn ranking(best: &[Ranked]) -> String {
    if best.is_empty() {
        return said!("no person to compare with", "没有可比对的人员");
    }
    best.iter().map(|one| format!("{} {:.3}", one.id, one.similarity)).collect::<Vec<_>>().join(" · ")
}

/// Each check with what was measured.
fn quality(shot: &ShotQuality) -> String {
    let verdict = |name: &str| {
        if shot.fails.iter().any(|failed| failed == name) {
            said!(" FAILED", " 不合格")
        } else if shot.success.iter().any(|passed| passed == name) {
            said!(" ok", " 合格")
        } else {
            String::new()
        }
    };
    let pose = shot.head_pose;
    let mask = shot.mask.map_or_else(String::new, |value| format!(" · mask {value:.2}{}", verdict("mask")));
    format!(
        "face_size {:.0} px{} · headpose {:.0} {:.0} {:.0} (yaw pitch roll){} · clarity {:.2}{} · brightness {:.2}{} · \
         partial {}{}{mask} · score {:.2}",
        shot.face_size_px,
        verdict("face_size"),
        pose.yaw_deg,
        pose.pitch_deg,
        pose.roll_deg,
        verdict("headpose"),
        shot.clarity,
        verdict("clarity"),
        shot.brightness,
        verdict("brightness"),
        shot.partial,
        verdict("partial"),
        shot.score,
    )
}

/// Who has it: every history receiver that was ever there, by its cursor.
fn reported(store: &RedbEventStore, found: &FoundEvent) -> Result<String, StoreError> {
    let mut text = String::new();
    let Some(sequence) = found.sequence else { return Ok(text) };
    let refused = set_aside_for(store, sequence)?;
    for receiver in store.receivers()? {
        let cursor = store.cursor(&receiver)?.unwrap_or(0);
        let state = match refused.iter().find(|(who, _)| *who == receiver) {
            Some((_, reason)) => said!("set aside, refused for good: {reason}", "已搁置（被拒收）：{reason}"),
            None if cursor >= sequence => said!("has it", "已上报"),
            None => said!("not yet, has everything up to {cursor}", "未上报，已上报至 {cursor}"),
        };
        let address = url::Url::parse(&receiver).map_or_else(|_| "?".to_owned(), |url| shown(&url));
        let _ = writeln!(text, "{}  {address}  {state}", label("reported", "上报"));
    }
    if text.is_empty() {
        let none = said!("there is no history receiver", "没有历史接收地址");
        let _ = writeln!(text, "{}  {none}", label("reported", "上报"));
    }
    Ok(text)
}

fn set_aside_for(store: &RedbEventStore, sequence: u64) -> Result<Vec<(String, String)>, StoreError> {
    let (mut found, mut skip) = (Vec::new(), 0);
    loop {
        let rows = store.set_asides(skip, limits::SET_ASIDE_PAGE)?;
        if rows.is_empty() {
            return Ok(found);
        }
        skip += rows.len();
        let of_event = rows.into_iter().filter(|row| row.sequence == sequence);
        found.extend(of_event.map(|row| (row.receiver, row.reason)));
    }
}

fn time(at_ms: u64) -> String {
    httpdate::fmt_http_date(SystemTime::UNIX_EPOCH + Duration::from_millis(at_ms))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapters::store::fixture::{ALL, FIRST_VERSION_EVENT, close_as_written, event, store};
    use menshen_domain::attributes::{Attributes, Gender, GenderGuess};
    use menshen_domain::explain::{DecisionBasis, Reason};

    fn with_why(id: &str) -> EventRecord {
        let best = vec![Ranked::new("1001", 0.612), Ranked::new("1002", 0.2), Ranked::new("1003", 0.1)];
        let shot =
            ShotRecord { after_ms: 120, quality: 0.8, best: best.clone(), used: true, liveness: Some(0.91) };
        let why = Explanation {
            looks: 9,
            passed: 7,
            shots: vec![shot.clone(), ShotRecord { used: false, ..shot }],
            fused: best,
            threshold: 0.426,
            high_confidence_margin: 0.08,
            top2_margin_min: 0.05,
            liveness_min: Some(0.5),
            groups: vec!["0".into(), "7".into()],
            registry_group: "visitors".into(),
            basis: DecisionBasis::Fusion,
            ..Explanation::default()
        };
        EventRecord { why: Some(Box::new(why)), ..event(id) }
    }

    #[test]
    fn the_chain_has_every_link() {
        let text = chain(&with_why("e1"), Some(7));
        for part in [
            "in 9 pictures",
            "7 of them good",
            "1001 0.612 · 1002 0.200 · 1003 0.100",
            "disagrees",
            "0.426",
            "0.506",
            "here 0.412",
            "quality 0.80, liveness 0.91",
            "at least 0.50 needed: no living face",
            "0, 7",
            "visitors",
            "several shots fused",
            "number 7",
        ] {
            assert!(text.contains(part), "no `{part}` in\n{text}");
        }
        let mut stranger = with_why("e2");
        if let Some(why) = &mut stranger.why {
            why.reason = Some(Reason::NotInGroup);
            why.not_here = Some(Ranked::new("1009", 0.7));
        }
        assert!(chain(&stranger, None).contains("not in a group of this camera: 1009 0.700"));
        assert!(chain(&event("old"), Some(1)).contains("nothing more was kept"));
        assert!(!text.contains("guessed"), "nobody asked:\n{text}");
        let gender = GenderGuess { gender: Gender::Female, confidence: 0.97 };
        stranger.quality.attributes = Some(Attributes { age: None, gender: Some(gender) });
        assert!(chain(&stranger, None).contains("guessed    female (0.97); a guess"));
    }

    #[test]
    fn an_event_of_the_first_version_is_told_as_far_as_it_was_kept() {
        let (_folder, store) = store();
        close_as_written(&store, FIRST_VERSION_EVENT);
        let found = store.find(FIRST_VERSION_EVENT.0).unwrap().unwrap();
        let text = chain(&found.event, found.sequence);
        for part in ["BOX__192.168.1.25 (192.168.1.25)", "nothing more was kept", "1001", "number 1"] {
            assert!(text.contains(part), "no `{part}` in\n{text}");
        }
        assert!(!text.contains("guessed"), "{text}");
        assert!(reported(&store, &found).unwrap().contains("no history receiver"));
    }

    #[test]
    fn an_event_is_found_open_and_closed_and_its_receivers_are_told() {
        let (_folder, store) = store();
        store.put_open(&with_why("e1"), 0).unwrap();
        let found = store.find("e1").unwrap().unwrap();
        assert_eq!((found.sequence, &found.event), (None, &with_why("e1")));
        store.close(&with_why("e1"), 0, &ALL).unwrap();
        store.close(&with_why("e2"), 0, &ALL).unwrap();
        let found = store.find("e2").unwrap().unwrap();
        assert_eq!(found.sequence, Some(2));
        assert!(store.find("e3").unwrap().is_none());
        assert!(reported(&store, &found).unwrap().contains("no history receiver"));
        store.set_cursor("http://user:secret@a/x?token=t", 2).unwrap();
        store.set_cursor("http://b/", 1).unwrap();
        let text = reported(&store, &found).unwrap();
        assert!(text.contains("http://a/x  has it") && text.contains("http://b/  not yet"), "{text}");
        assert!(!text.contains("secret") && !text.contains("token"), "{text}");
    }
}
