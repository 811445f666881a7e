//! The quality checks on one portrait, degraded in known ways: each check fails where it should, and no other does.
//! Needs `scripts/setup` to have run.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::io::Cursor;
use std::path::Path;

use image::{ImageFormat, Rgb, RgbImage, imageops};
use menshen::adapters::onnx::OrtLoader;
use menshen_domain::face::BBox;
use menshen_domain::frame::Frame;
use menshen_domain::models::Provider;
use menshen_domain::quality::{Check, MASK_MAX, QualityLevel, QualityLimits};
use menshen_domain::status::StatusCode;
use menshen_models::{Catalogue, ModelSet};
use menshen_vision::FaceAnalyzer;

fn analyzer() -> FaceAnalyzer {
    let catalogue = Catalogue::read(Path::new("models")).unwrap();
    let mut models = ModelSet::pick(&catalogue, "yunet", "sface", None).unwrap();
    models.verify().expect("models are fetched by scripts/setup");
    let loader = OrtLoader::new(Path::new(""), &Provider::Cpu).unwrap();
    assert!(models.use_optimized(&loader).is_empty());
    models.load(&loader).unwrap()
}

fn picture(name: &str) -> RgbImage {
    let file = Path::new(".setup/pictures").join(name);
    image::open(file).expect("demo pictures are fetched by scripts/setup").into_rgb8()
}

fn portrait() -> RgbImage {
    picture("obama-1.jpg")
}

fn png(picture: &RgbImage) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    picture.write_to(&mut bytes, ImageFormat::Png).unwrap();
    bytes.into_inner()
}

fn lit(picture: &RgbImage, factor: f32) -> RgbImage {
    let mut out = picture.clone();
    for value in out.iter_mut() {
        *value = (f32::from(*value) * factor).min(255.0) as u8;
    }
    out
}

fn rotated(picture: &RgbImage, degrees: f32) -> RgbImage {
    let (sin, cos) = degrees.to_radians().sin_cos();
    let (w, h) = (picture.width() as f32 / 2.0, picture.height() as f32 / 2.0);
    RgbImage::from_fn(picture.width(), picture.height(), |x, y| {
        let (dx, dy) = (x as f32 - w, y as f32 - h);
        let (sx, sy) = (cos * dx + sin * dy + w, cos * dy - sin * dx + h);
        let inside = sx >= 0.0 && sy >= 0.0 && sx < 2.0 * w - 1.0 && sy < 2.0 * h - 1.0;
        if inside { *picture.get_pixel(sx as u32, sy as u32) } else { Rgb([128; 3]) }
    })
}

/// A surgical mask over the lower half of the face.
fn masked(picture: &RgbImage, analyzer: &mut FaceAnalyzer) -> RgbImage {
    masked_in(picture, analyzer, [150, 170, 190])
}

fn masked_in(picture: &RgbImage, analyzer: &mut FaceAnalyzer, colour: [u8; 3]) -> RgbImage {
    let frame = Frame::from_rgb(picture.width(), picture.height(), picture.as_raw().clone(), 0).unwrap();
    let face = analyzer.detect(&frame).unwrap().remove(0);
    let ([_, _, nose, left, right], bottom) = (face.landmarks, face.bbox.y2);
    let (x, half) = (f32::midpoint(left[0], right[0]), (right[0] - left[0]) * 1.1);
    let mut out = picture.clone();
    for (px, py, pixel) in out.enumerate_pixels_mut() {
        let (dx, y) = ((px as f32 - x) / half, py as f32);
        if dx.abs() < 1.0 && y > nose[1] - 4.0 * dx * dx && y < bottom {
            // Folds, so that it is no plain area.
            let shade = if (y as u32 / 6).is_multiple_of(3) { 20 } else { 0 };
            *pixel = Rgb(colour.map(|value| value.saturating_sub(shade)));
        }
    }
    out
}

/// Something of one colour before each of `places`; `size` is half its width and height, px.
fn before(picture: &RgbImage, places: &[[f32; 2]], size: [f32; 2], colour: [u8; 3]) -> RgbImage {
    let mut out = picture.clone();
    for (px, py, pixel) in out.enumerate_pixels_mut() {
        let inside = |at: &[f32; 2]| {
            let (dx, dy) = ((px as f32 - at[0]) / size[0], (py as f32 - at[1]) / size[1]);
            dx.powi(4) + dy.powi(4) < 1.0
        };
        if places.iter().any(inside) {
            *pixel = Rgb(colour);
        }
    }
    out
}

#[test]
fn what_cannot_be_told_is_said_to_be_neither_passed_nor_failed() {
    let mut analyzer = analyzer();
    let good = portrait();
    let blurred = imageops::blur(&good, 12.0);
    for (picture, expected) in [(good, true), (blurred, false)] {
        let judged = analyzer.judge_photo(&png(&picture), &QualityLevel::High).unwrap();
        let told = |name: &str| judged.success.iter().chain(&judged.fails).any(|known| known == name);
        assert_eq!((told("mask"), told("occlusion")), (expected, expected), "{judged:?}");
        assert!(told("clarity") && judged.occlusion.is_some());
    }
}

/// Dark glasses, a patch before either eye and a phone before the mouth, on faces of different skin, size and light.
#[test]
fn covered_eyes_and_mouths_are_found_on_every_face_and_free_ones_nowhere() {
    let mut analyzer = analyzer();
    let mut wrong = Vec::new();
    for name in ["obama-1.jpg", "obama-2.jpg", "obama-3.jpg", "biden-1.jpg", "astronaut.png"] {
        let plain = picture(name);
        let frame = Frame::from_rgb(plain.width(), plain.height(), plain.as_raw().clone(), 0).unwrap();
        let [left, right, _, corner, other_corner] = analyzer.detect(&frame).unwrap().remove(0).landmarks;
        let span = right[0] - left[0];
        let mouth = [f32::midpoint(corner[0], other_corner[0]), f32::midpoint(corner[1], other_corner[1])];
        let lens = [0.42 * span, 0.3 * span];
        let glasses = before(&plain, &[left, right], lens, [18, 18, 22]);
        let bridge = [f32::midpoint(left[0], right[0]), f32::midpoint(left[1], right[1])];
        let glasses = before(&glasses, &[bridge], [0.9 * span, 0.05 * span], [18, 18, 22]);
        let half = imageops::thumbnail(&plain, plain.width() / 2, plain.height() / 2);
        let table = [
            ("as it is", plain.clone(), [false; 3]),
            ("half as large", half, [false; 3]),
            ("mirrored", imageops::flip_horizontal(&plain), [false; 3]),
            ("dark glasses", glasses, [true, true, false]),
            ("left patch", before(&plain, &[left], lens, [30, 30, 60]), [true, false, false]),
            ("right patch", before(&plain, &[right], lens, [200, 205, 200]), [false, true, false]),
            (
                "phone before the mouth",
                before(&plain, &[mouth], [0.7 * span, 0.45 * span], [40, 42, 45]),
                [false, false, true],
            ),
        ];
        for (how, picture, expected) in table {
            let found = analyzer.judge_photo(&png(&picture), &QualityLevel::No).unwrap().occlusion.unwrap();
            if found != expected {
                wrong.push(format!("{name} {how}: {found:?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

/// Faces of different age, skin, size and light, each as it is, smaller, mirrored, and with masks of several colours.
#[test]
fn masks_are_found_on_every_face_and_only_there() {
    let mut analyzer = analyzer();
    let mut wrong = Vec::new();
    for name in ["obama-1.jpg", "obama-2.jpg", "obama-3.jpg", "biden-1.jpg", "astronaut.png"] {
        let picture = picture(name);
        let half = imageops::thumbnail(&picture, picture.width() / 2, picture.height() / 2);
        let plain = [
            ("as it is", picture.clone()),
            ("half as large", half),
            ("mirrored", imageops::flip_horizontal(&picture)),
        ];
        for (how, picture) in plain {
            let mask = analyzer.judge_photo(&png(&picture), &QualityLevel::No).unwrap().mask.unwrap();
            if mask >= MASK_MAX {
                wrong.push(format!("{name} {how}: {mask}"));
            }
        }
        for colour in [[150, 170, 190], [235, 235, 235], [30, 30, 32], [170, 60, 60]] {
            let picture = masked_in(&picture, &mut analyzer, colour);
            let mask = analyzer.judge_photo(&png(&picture), &QualityLevel::No).unwrap().mask.unwrap();
            if mask < MASK_MAX {
                wrong.push(format!("{name} with a mask of {colour:?}: {mask}"));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

fn custom(pose_sum_max_deg: f32, also: &[Check]) -> QualityLevel {
    QualityLevel::Custom(QualityLimits { face_size_min_px: 60.0, pose_sum_max_deg, also: also.to_vec() })
}

/// The names of the failed checks; empty when the photo is taken.
fn failed(analyzer: &mut FaceAnalyzer, picture: &RgbImage, level: &QualityLevel) -> Vec<&'static str> {
    let Err(error) = analyzer.analyze_photo(&png(picture), level) else { return Vec::new() };
    let all = ["face_size", "headpose", "occlusion", "clarity", "mask", "partial", "brightness"];
    let found: Vec<_> = all.into_iter().filter(|name| error.to_string().contains(name)).collect();
    if error.status() == StatusCode::NoFace {
        return vec!["no face"];
    }
    assert!(!found.is_empty(), "refused for another reason: {error}");
    found
}

fn face_box(analyzer: &mut FaceAnalyzer, picture: &RgbImage) -> BBox {
    analyzer.analyze_photo(&png(picture), &QualityLevel::No).unwrap().measurements.bbox
}

#[test]
fn each_check_fails_where_it_should_and_nowhere_else() {
    let mut analyzer = analyzer();
    let good = portrait();
    let bbox = face_box(&mut analyzer, &good);
    let side = bbox.width().min(bbox.height());
    let blurred = imageops::blur(&good, 4.0 * side / 80.0);
    let resized = |face_px: f32| {
        let to = |length: u32| (length as f32 * face_px / side) as u32;
        imageops::resize(&good, to(good.width()), to(good.height()), imageops::FilterType::Triangle)
    };
    let cut_at = (bbox.x1 + 0.2 * bbox.width()) as u32;
    let half_out = imageops::crop_imm(&good, cut_at, 0, good.width() - cut_at, good.height()).to_image();
    let edge_at = (bbox.x1 - 0.02 * bbox.width()) as u32;
    let edge = imageops::crop_imm(&good, edge_at, 0, good.width() - edge_at, good.height()).to_image();
    let masked = masked(&good, &mut analyzer);
    let eye = [bbox.x1 + 0.3 * bbox.width(), bbox.y1 + 0.4 * bbox.height()];
    let patched = before(&good, &[eye], [0.2 * side, 0.15 * side], [40, 40, 60]);
    let light = custom(120.0, &[Check::Brightness]);
    let upright = custom(25.0, &[]);

    let table: [(&str, &RgbImage, &QualityLevel, &[&str]); 22] = [
        ("as it is, high", &good, &QualityLevel::High, &[]),
        ("as it is, upright", &good, &upright, &[]),
        ("blurred, high", &blurred, &QualityLevel::High, &["clarity"]),
        ("blurred, middle does not ask", &blurred, &QualityLevel::Middle, &[]),
        ("dark", &lit(&good, 0.2), &light, &["brightness"]),
        ("half as bright is bright enough", &lit(&good, 0.5), &light, &[]),
        ("burnt out", &lit(&good, 3.0), &light, &["brightness"]),
        ("face of 50 px, low", &resized(50.0), &QualityLevel::Low, &["face_size"]),
        ("face of 70 px, low", &resized(70.0), &QualityLevel::Low, &[]),
        ("face of 70 px, middle", &resized(70.0), &QualityLevel::Middle, &["face_size"]),
        ("turned by 35 degrees, upright", &rotated(&good, 35.0), &upright, &["headpose"]),
        ("turned by 35 degrees, middle", &rotated(&good, 35.0), &QualityLevel::Middle, &[]),
        ("at the edge, but whole", &edge, &QualityLevel::Middle, &[]),
        ("turned the other way, upright", &rotated(&good, -35.0), &upright, &["headpose"]),
        ("partly out of the picture", &half_out, &QualityLevel::Middle, &["partial"]),
        ("partly out of the picture, low does not ask", &half_out, &QualityLevel::Low, &[]),
        ("dark, low does not ask", &lit(&good, 0.2), &QualityLevel::Low, &[]),
        ("tiny", &resized(20.0), &QualityLevel::Low, &["face_size"]),
        ("masked, high", &masked, &QualityLevel::High, &["occlusion", "mask"]),
        ("masked, middle does not ask", &masked, &QualityLevel::Middle, &[]),
        ("an eye covered, high", &patched, &QualityLevel::High, &["occlusion"]),
        ("an eye covered, middle does not ask", &patched, &QualityLevel::Middle, &[]),
    ];
    let mut wrong = Vec::new();
    for (what, picture, level, expected) in table {
        let found = failed(&mut analyzer, picture, level);
        if found != expected {
            wrong.push(format!("{what}: {found:?}, expected {expected:?}"));
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

/// The detector tells small faces more upright than they are: what it says of a tilted head is checked in a closer look.
#[test]
fn a_tilted_head_is_measured_as_tilted_and_embedded_as_if_upright() {
    let mut analyzer = analyzer();
    let mut wrong = Vec::new();
    for name in ["obama-1.jpg", "obama-2.jpg", "biden-1.jpg"] {
        let whole = picture(name);
        // With the face in the middle, so that it stays in the picture.
        let bbox = face_box(&mut analyzer, &whole);
        let (x, y) = (f32::midpoint(bbox.x1, bbox.x2), f32::midpoint(bbox.y1, bbox.y2));
        let half = bbox.height().min(x).min(y);
        let side = (2.0 * half) as u32;
        let upright = imageops::crop_imm(&whole, (x - half) as u32, (y - half) as u32, side, side).to_image();
        let seen = analyzer.analyze_photo(&png(&upright), &QualityLevel::No).unwrap();
        for degrees in [-35.0, -20.0, 20.0, 35.0] {
            let tilted = png(&rotated(&upright, degrees));
            let tilted = analyzer.analyze_photo(&tilted, &QualityLevel::No).unwrap();
            let roll = tilted.measurements.head_pose.roll_deg - seen.measurements.head_pose.roll_deg;
            let similarity = tilted.embedding.similarity(&seen.embedding).unwrap();
            if (roll - degrees).abs() > 10.0 || similarity < 0.85 {
                wrong.push(format!("{name} tilted by {degrees}: measured {roll}, similarity {similarity}"));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}
