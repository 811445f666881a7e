//! The vision chain on real models and real photos. Needs `scripts/setup` to have run.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::path::Path;

use menshen::adapters::onnx::OrtLoader;
use menshen::core::frame::{Frame, PixelFormat, Plane};
use menshen::core::quality::QualityLevel;
use menshen::core::status::StatusCode;
use menshen::vision::FaceAnalyzer;
use menshen::vision::analyzer::ModelSet;
use menshen::vision::catalogue::Catalogue;
use menshen::vision::photo::decode_photo;

fn analyzer() -> FaceAnalyzer {
    let catalogue = Catalogue::read(Path::new("models")).unwrap();
    let models = ModelSet::pick(&catalogue, "yunet", "sface", None).unwrap();
    models.verify().expect("models are fetched by scripts/setup");
    models.load(&OrtLoader::new(Path::new("")).unwrap()).unwrap()
}

fn photo(name: &str) -> Vec<u8> {
    std::fs::read(Path::new(".setup/pictures").join(name))
        .expect("demo pictures are fetched by scripts/setup")
}

#[test]
fn the_same_person_is_similar_and_others_are_not() {
    let mut analyzer = analyzer();
    let mut embed =
        |name: &str| analyzer.analyze_photo(&photo(name), &QualityLevel::Middle).unwrap().embedding;
    let obama = embed("obama-1.jpg");
    let obama_again = embed("obama-2.jpg");
    let biden = embed("biden-1.jpg");
    let collins = embed("astronaut.png");
    let same = obama.similarity(&obama_again).unwrap();
    assert!(same > 0.421, "same person: {same}");
    for other in [&biden, &collins] {
        let different = obama.similarity(other).unwrap();
        assert!(different < 0.3, "different people: {different}");
    }
}

#[test]
fn a_picture_without_a_face_is_refused() {
    let refusal = analyzer().analyze_photo(&photo("coffee.png"), &QualityLevel::High).unwrap_err();
    assert_eq!(refusal.code, StatusCode::NoFace);
}

#[test]
fn a_small_face_is_refused_at_level_high_and_taken_at_low() {
    // The face is 90 px wide.
    let bytes = photo("astronaut.png");
    let mut analyzer = analyzer();
    let refusal = analyzer.analyze_photo(&bytes, &QualityLevel::High).unwrap_err();
    assert_eq!(refusal.code, StatusCode::FaceTooSmall, "{refusal}");
    analyzer.analyze_photo(&bytes, &QualityLevel::Low).unwrap();
}

#[test]
fn a_blurred_face_fails_on_clarity() {
    let picture = image::load_from_memory(&photo("obama-1.jpg")).unwrap();
    let mut analyzer = analyzer();
    let face = analyzer.analyze_photo(&photo("obama-1.jpg"), &QualityLevel::High).unwrap();
    // 4 px in the 112 px crop, in pixels of the photo.
    let sigma = 4.0 * face.measurements.face_size_px / 80.0;
    let mut bytes = std::io::Cursor::new(Vec::new());
    picture.blur(sigma).into_rgb8().write_to(&mut bytes, image::ImageFormat::Jpeg).unwrap();
    let refusal = analyzer.analyze_photo(&bytes.into_inner(), &QualityLevel::High).unwrap_err();
    assert_eq!(refusal.code, StatusCode::LowQuality, "{refusal}");
    assert!(refusal.detail.contains("clarity"), "{refusal}");
}

/// The same picture as RGB and as camera YUV gives the same face.
#[test]
fn yuv_and_rgb_agree() {
    let rgb = decode_photo(&photo("obama-1.jpg")).unwrap();
    let yuv = to_i420(&rgb);
    let mut analyzer = analyzer();
    let (a, b) = (analyzer.detect(&rgb).unwrap(), analyzer.detect(&yuv).unwrap());
    assert_eq!((a.len(), b.len()), (1, 1));
    assert!(a[0].bbox.iou(&b[0].bbox) > 0.97);
    let (ea, eb) =
        (analyzer.embed(&rgb, &a[0].landmarks).unwrap(), analyzer.embed(&yuv, &b[0].landmarks).unwrap());
    let similarity = ea.similarity(&eb).unwrap();
    assert!(similarity > 0.98, "{similarity}");
}

fn to_i420(frame: &Frame) -> Frame {
    let (w, h) = (frame.width as usize / 2 * 2, frame.height as usize / 2 * 2);
    let (cw, ch) = (w / 2, h / 2);
    let mut data = vec![0u8; w * h + 2 * cw * ch];
    for y in 0..h {
        for x in 0..w {
            let at = (y * frame.width as usize + x) * 3;
            let [r, g, b] = [0, 1, 2].map(|c| f32::from(frame.data[at + c]));
            data[y * w + x] = (16.0 + 0.257 * r + 0.504 * g + 0.098 * b).round() as u8;
            if y % 2 == 0 && x % 2 == 0 {
                let chroma = y / 2 * cw + x / 2;
                data[w * h + chroma] = (128.0 - 0.148 * r - 0.291 * g + 0.439 * b).round() as u8;
                data[w * h + cw * ch + chroma] = (128.0 + 0.439 * r - 0.368 * g - 0.071 * b).round() as u8;
            }
        }
    }
    let planes = [
        Plane { offset: 0, stride: w },
        Plane { offset: w * h, stride: cw },
        Plane { offset: w * h + cw * ch, stride: cw },
    ];
    Frame {
        data: data.into(),
        format: PixelFormat::I420,
        width: w as u32,
        height: h as u32,
        planes,
        ..frame.clone()
    }
}
