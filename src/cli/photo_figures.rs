//! What `menshen match` tells of the face on a photo, whoever looked at it.

use super::language::said;

/// What is told of the face on a photo.
pub struct PhotoFigures {
    pub size_px: f32,
    /// Of the detector, 0–1; a running box does not tell it.
    pub confidence: Option<f32>,
    /// Yaw, pitch, roll.
    pub pose_deg: [f32; 3],
    pub clarity: f32,
    pub brightness: f32,
    pub is_good: bool,
    /// Checks that failed.
    pub fails: Vec<String>,
}

/// In one line.
pub fn describe(face: &PhotoFigures) -> String {
    let verdict = if face.is_good {
        said!("good enough to enrol", "可入库")
    } else {
        let fails = face.fails.join(", ");
        said!("not good enough to enrol: {fails}", "不可入库：{fails}")
    };
    let confidence = face.confidence.map_or_else(String::new, |confidence| {
        said!("confidence {confidence:.2}, ", "置信度 {confidence:.2}，")
    });
    let [yaw, pitch, roll] = face.pose_deg;
    said!(
        "size {size:.0} px, {confidence}pose {yaw:.0}/{pitch:.0}/{roll:.0}°, clarity {clarity:.2}, brightness {brightness:.2}; \
         {verdict}",
        "尺寸 {size:.0} 像素，{confidence}姿态 {yaw:.0}/{pitch:.0}/{roll:.0}°，清晰度 {clarity:.2}，亮度 {brightness:.2}；{verdict}",
        size = face.size_px,
        clarity = face.clarity,
        brightness = face.brightness
    )
}
