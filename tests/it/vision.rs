//! The vision chain on real models and real photos. Needs `scripts/setup` to have run.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::path::Path;

use menshen::adapters::onnx::OrtLoader;
use menshen_domain::frame::{Frame, PixelFormat, Plane};
use menshen_domain::models::Provider;
use menshen_domain::quality::QualityLevel;
use menshen_domain::status::StatusCode;
use menshen_models::{Catalogue, ModelSet, optimize};
use menshen_vision::FaceAnalyzer;
use menshen_vision::align::align;
use menshen_vision::photo::decode_photo;

fn analyzer() -> FaceAnalyzer {
    let catalogue = Catalogue::read(Path::new("models")).unwrap();
    let mut models = ModelSet::pick(&catalogue, "yunet", "sface", None).unwrap();
    models.verify().expect("models are fetched by scripts/setup");
    let loader = OrtLoader::new(Path::new(""), &Provider::Cpu).unwrap();
    assert!(models.use_optimized(&loader).is_empty(), "the models can be optimised");
    models.load(&loader).unwrap()
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
    let error = analyzer().analyze_photo(&photo("coffee.png"), &QualityLevel::High).unwrap_err();
    assert_eq!(error.status(), StatusCode::NoFace);
}

#[test]
fn a_small_face_is_refused_at_level_high_and_taken_at_low() {
    // The face is 90 px wide.
    let bytes = photo("astronaut.png");
    let mut analyzer = analyzer();
    let error = analyzer.analyze_photo(&bytes, &QualityLevel::High).unwrap_err();
    assert_eq!(error.status(), StatusCode::FaceTooSmall, "{error}");
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
    let error = analyzer.analyze_photo(&bytes.into_inner(), &QualityLevel::High).unwrap_err();
    assert_eq!(error.status(), StatusCode::LowQuality, "{error}");
    assert!(error.to_string().contains("clarity"), "{error}");
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
    let mut embed = |frame: &Frame, landmarks| analyzer.embed(&align(frame, landmarks).unwrap()).unwrap();
    let (ea, eb) = (embed(&rgb, &a[0].landmarks), embed(&yuv, &b[0].landmarks));
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

/// What optimisation promises: the same features, and that it did its work.
#[test]
fn optimised_models_give_the_same_answers() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["sface", "yunet"] {
        let (from, to) = (Path::new("models").join(name), folder.path().join(name));
        std::fs::create_dir(&to).unwrap();
        for file in ["model.toml".to_owned(), format!("{name}.onnx")] {
            std::fs::copy(from.join(&file), to.join(&file)).unwrap();
        }
    }
    let catalogue = Catalogue::read(folder.path()).unwrap();
    let loader = OrtLoader::new(Path::new(""), &Provider::Cpu).unwrap();
    let sface = catalogue.find("sface", "embedder").unwrap();
    assert!(optimize::find(sface).is_none());
    let (note, done) = optimize::optimize(sface, &loader).unwrap();
    assert_eq!((done.inputs_stripped, done.batch_norms_folded, done.prelus_rewritten), (174, 28, 27));
    assert_eq!(done.layers_quantized, 1);
    assert!(note.cosine_least > 0.9999, "{note:?}");

    let mut models = ModelSet::pick(&catalogue, "yunet", "sface", None).unwrap();
    let mut original = models.load(&loader).unwrap();
    assert!(models.use_optimized(&loader).is_empty() && models.is_optimized());
    let mut optimized = models.load(&loader).unwrap();
    for name in ["obama-1.jpg", "obama-2.jpg", "obama-3.jpg", "biden-1.jpg", "astronaut.png"] {
        let frame = decode_photo(&photo(name)).unwrap();
        let (a, aligned) = original.largest_face(&frame).unwrap().unwrap();
        let (b, _) = optimized.largest_face(&frame).unwrap().unwrap();
        assert!(a.bbox.iou(&b.bbox) > 0.95, "{name}: {a:?} {b:?}");
        let aligned = aligned.unwrap();
        let (a, b) = (original.embed(&aligned).unwrap(), optimized.embed(&aligned).unwrap());
        assert_eq!(a.model, b.model, "features keep their label");
        assert!(a.similarity(&b).unwrap() > 0.9999, "{name}");
    }

    // Damaged, or made from another file: not used.
    let path = optimize::find(sface).unwrap().path;
    let mut bytes = std::fs::read(&path).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    assert!(optimize::find(sface).is_none(), "a damaged file is not used");
    let yunet = catalogue.find("yunet", "detector").unwrap();
    let mut other = yunet.clone();
    other.sha256 = sface.sha256.clone();
    assert!(optimize::find(yunet).is_some() && optimize::find(&other).is_none());
}

#[test]
fn a_file_that_is_no_model_cannot_be_optimised() {
    use sha2::Digest as _;
    let folder = tempfile::tempdir().unwrap();
    let catalogue = Catalogue::read(Path::new("models")).unwrap();
    let mut model = catalogue.find("sface", "embedder").unwrap().clone();
    model.folder = folder.path().to_path_buf();
    let loader = OrtLoader::new(Path::new(""), &Provider::Cpu).unwrap();
    let whole = std::fs::read("models/sface/sface.onnx").unwrap();
    for (content, expected) in
        [(&b"rubbish"[..], "no ONNX file"), (&whole[..whole.len() / 2], "no ONNX file"), (b"", "no graph")]
    {
        std::fs::write(model.path(), content).unwrap();
        model.sha256 = hex::encode(sha2::Sha256::digest(content));
        let error = optimize::optimize(&model, &loader).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
    assert!(optimize::find(&model).is_none());
}

/// A picture as a print with a white margin on a wall, `share` of the wall's height.
fn print_of(picture: &image::RgbImage, share: f32) -> image::RgbImage {
    use image::{Rgb, RgbImage, imageops};
    let height = (720.0 * share) as u32;
    let width = picture.width() * height / picture.height();
    let mut print = imageops::resize(picture, width, height, imageops::FilterType::Triangle);
    // Paper is neither black nor as bright as what was photographed.
    print
        .pixels_mut()
        .for_each(|pixel| *pixel = Rgb(pixel.0.map(|value| 30 + (f32::from(value) * 0.8) as u8)));
    let margin = height / 20;
    let mut sheet = RgbImage::from_pixel(width + 2 * margin, height + 2 * margin, Rgb([236; 3]));
    imageops::replace(&mut sheet, &print, i64::from(margin), i64::from(margin));
    let mut wall = RgbImage::from_fn(1280, 720, |_, y| {
        let shade = 150 + (y / 12) as u8;
        Rgb([shade, shade + 4, shade + 10])
    });
    let (x, y) = ((1280 - sheet.width()) / 2, (720 - sheet.height()) / 2);
    imageops::replace(&mut wall, &sheet, i64::from(x), i64::from(y));
    wall
}

/// The networks agree with the reference (OpenCV's cut-outs, the same weights) on photos of people, and on a print whose
/// edges they see.
#[test]
fn photos_of_people_are_taken_for_living_and_a_small_print_is_not() {
    let catalogue = Catalogue::read(Path::new("models")).unwrap();
    let names = ["minifasnet-v2", "minifasnet-v1se"].map(str::to_owned);
    let models = ModelSet::pick(&catalogue, "yunet", "sface", None).unwrap();
    let mut models = models.with_liveness(&catalogue, &names).unwrap();
    models.verify_liveness().expect("models are fetched by scripts/setup");
    let loader = OrtLoader::new(Path::new(""), &Provider::Cpu).unwrap();
    let mut original = models.load(&loader).unwrap();
    models.ready_liveness(&mut original, &loader).unwrap();
    assert!(models.use_optimized_liveness(&loader).is_empty(), "the networks can be optimised");
    let mut optimized = models.load(&loader).unwrap();
    models.ready_liveness(&mut optimized, &loader).unwrap();
    let mut score = |frame: &Frame| {
        let face = optimized.detect(frame).unwrap().remove(0);
        let score = optimized.liveness(frame, &face).unwrap().unwrap();
        let as_it_came = original.liveness(frame, &face).unwrap().unwrap();
        assert!((score - as_it_came).abs() < 0.01, "optimised {score}, as it came {as_it_came}");
        score
    };
    for (name, reference) in [
        ("obama-1.jpg", 1.0),
        ("obama-2.jpg", 0.986),
        ("obama-3.jpg", 1.0),
        ("biden-1.jpg", 0.998),
        ("astronaut.png", 0.87),
    ] {
        let found = score(&decode_photo(&photo(name)).unwrap());
        assert!((found - reference).abs() < 0.1, "{name}: {found}, the reference says {reference}");
    }
    let picture = image::load_from_memory(&photo("obama-2.jpg")).unwrap().into_rgb8();
    for share in [0.55, 0.7, 0.85] {
        let print = print_of(&picture, share);
        let (width, height) = print.dimensions();
        let found = score(&Frame::from_rgb(width, height, print.into_raw(), 0).unwrap());
        assert!(found < 0.3, "a print of {share} of the picture's height: {found}");
    }
}

#[test]
fn without_liveness_models_nothing_is_said_about_it() {
    let mut analyzer = analyzer();
    let frame = decode_photo(&photo("obama-1.jpg")).unwrap();
    let face = analyzer.detect(&frame).unwrap().remove(0);
    assert_eq!(analyzer.liveness(&frame, &face).unwrap(), None);
}
