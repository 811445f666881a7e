//! `menshen match` while a box runs: the box is asked, so that its models, its people and its threshold count.

use std::path::Path;

use anyhow::{Context as _, anyhow};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use reqwest::Method;
use serde_json::{Value, json};

use super::language::said;
use super::local_api::LocalApi;
use super::output::{print_line, print_note};
use super::photo_figures::{PhotoFigures, describe};
use crate::config::Settings;
use menshen_domain::limits;

/// The box that runs.
pub struct RunningBox {
    api: LocalApi,
}

/// A photo as calls carry it.
struct Photo {
    name: String,
    base64: String,
}

fn read(path: &Path) -> anyhow::Result<Photo> {
    let name = path.display().to_string();
    let bytes = std::fs::read(path).with_context(|| said!("cannot read {name}", "无法读取 {name}"))?;
    Ok(Photo { name, base64: BASE64_STANDARD.encode(bytes) })
}

impl RunningBox {
    /// The one on the data of these settings; says that it is asked.
    pub fn new(settings: &Settings) -> anyhow::Result<Self> {
        let api = LocalApi::new(settings)?;
        let address = api.address();
        print_note(&said!("asking the running box, {address}", "向正在运行的门神查询：{address}"));
        Ok(Self { api })
    }

    /// Whether two photos show one person, by the threshold in force.
    pub fn compare(&self, first: &Path, second: &Path, attributes: bool) -> anyhow::Result<bool> {
        let (first, second) = (read(first)?, read(second)?);
        self.show(&first, attributes)?;
        self.show(&second, attributes)?;
        let threshold = self.api.get("/SophonConfig/api/Configs/THRESHOLD")?["THRESHOLD"].clone();
        let body = json!({
            "card_image_base64": first.base64, "face_image_base64": second.base64, "threshold": threshold,
        });
        let answer = self.api.answer(Method::POST, "/SophonMatch/api/compare", Some(&body))?;
        let same = answer["retcode"] == "1";
        let score = number(&answer["score"]) * 100.0;
        let threshold = number(&threshold);
        let verdict =
            if same { said!("the same person", "同一人") } else { said!("two people", "不是同一人") };
        print_line(&said!(
            "score {score:.1}, threshold {threshold:.1}: {verdict}",
            "分数 {score:.1}，阈值 {threshold:.1}：{verdict}"
        ));
        Ok(same)
    }

    /// Who of the box's people is on a photo: among those that pass at `device`, else the default groups. No event is made.
    pub fn identify(&self, photo: &Path, device: Option<&str>, attributes: bool) -> anyhow::Result<bool> {
        let photo = read(photo)?;
        self.show(&photo, attributes)?;
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        if let Some(device) = device {
            query.append_pair("device_ip", device);
        }
        let path = format!("/SophonFogSys/api/Recognize?{}", query.finish());
        let answer = self.api.post(&path, Some(&json!({ "image_base64_str": photo.base64 })))?;
        let score = number(&answer["score"]) * 100.0;
        if answer["result"] != true {
            print_line(&said!("score {score:.1}: nobody of the registry", "分数 {score:.1}：底库中无此人"));
            return Ok(false);
        }
        let id = answer["identity_id"].as_str().unwrap_or_default();
        let name = answer["identity_info"]["name"].as_str().unwrap_or_default();
        print_line(&said!("score {score:.1}: {id} {name}", "分数 {score:.1}：{id} {name}"));
        Ok(true)
    }

    /// A line about a photo, as without a box.
    fn show(&self, photo: &Photo, attributes: bool) -> anyhow::Result<()> {
        let name = &photo.name;
        let named = |error: anyhow::Error| anyhow!("{name}: {error}");
        let body = json!({
            "image_base64_str": photo.base64, "with_attribute": attributes, "max_num_faces": limits::DETECT_FACES_MAX,
        });
        let faces = self.api.post("/SophonFace/api/detect", Some(&body)).map_err(named)?;
        let count = faces.as_array().map_or(0, Vec::len);
        let body = json!({ "image_base64_str": photo.base64, "fiqa_level": "high" });
        let judged = self.api.post("/SophonFace/api/FIQA", Some(&body)).map_err(named)?;
        let quality = describe(&figures(&judged[0]));
        print_line(&said!("{name}: {count} face(s); {quality}", "{name}：{count} 张人脸；{quality}"));
        // The largest comes first.
        if let Some(face) = faces.get(0).filter(|_| attributes) {
            let (age, gender) = (&face["attribute"]["age"], &face["attribute"]["gender"]);
            let gender = gender.as_str().unwrap_or("-");
            print_line(&said!("{name}: age {age}, {gender}", "{name}：年龄 {age}，{gender}"));
        }
        Ok(())
    }
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_default()
}

/// What `FIQA` says of a face.
fn figures(face: &Value) -> PhotoFigures {
    let info = &face["info"];
    let pose = |angle: &str| number(&info["headpose"][angle]) as f32;
    let names = face["fails"].as_array().into_iter().flatten().filter_map(Value::as_str);
    PhotoFigures {
        size_px: number(&info["face_size"]) as f32,
        confidence: None,
        pose_deg: [pose("yaw_angle"), pose("pitch_angle"), pose("roll_angle")],
        clarity: number(&info["clarity"]) as f32,
        brightness: number(&info["brightness"]) as f32,
        is_good: face["fiqa_result"] == true,
        fails: names.map(str::to_owned).collect(),
    }
}
