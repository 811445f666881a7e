//! The single stages of recognition, each on one thread: `cargo bench`. Needs `scripts/setup` to have run.

#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use std::hint::black_box;
use std::path::Path;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use dcv_color_primitives::{ColorSpace, ImageFormat, PixelFormat as Layout, convert_image};
use menshen::adapters::onnx::OrtLoader;
use menshen::evaluation::made_up::made_up_gallery;
use menshen_domain::candidate::Scope;
use menshen_domain::frame::{Colour, Frame, PixelAspect, PixelFormat, Plane};
use menshen_domain::models::Provider;
use menshen_domain::quality::QualityLevel;
use menshen_models::{Catalogue, ModelSet};
use menshen_testbed::camera::scene::{Walker, background};
use menshen_vision::FaceAnalyzer;
use menshen_vision::align::align;
use menshen_vision::jpeg::{crop_jpeg, scene_jpeg};
use menshen_vision::letterbox::Letterboxer;
use menshen_vision::quality::measure;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

const PEOPLE: usize = 50_000;
const DIMENSION: usize = 128;

fn models() -> (ModelSet, Catalogue) {
    let catalogue = Catalogue::read(Path::new("models")).unwrap();
    let models = ModelSet::pick(&catalogue, "yunet", "sface", None).unwrap();
    models.verify().expect("models are fetched by scripts/setup");
    (models, catalogue)
}

fn analyzer(models: &ModelSet) -> FaceAnalyzer {
    let loader = OrtLoader::new(Path::new(""), &Provider::Cpu).unwrap();
    let mut models = models.clone();
    assert!(models.use_optimized(&loader).is_empty(), "the models can be optimised");
    models.load(&loader).unwrap()
}

/// A 1080p camera frame, I420, with one face in it.
fn frame() -> Frame {
    let wall = background(1920, 1080);
    let picture = Walker::load(".setup/pictures/obama-2.jpg", 1080).unwrap().draw(&wall, 0.5);
    let (w, h) = picture.dimensions();
    let bgr: Vec<u8> = picture.pixels().flat_map(|pixel| [pixel[2], pixel[1], pixel[0]]).collect();
    let (luma, quarter) = ((w * h) as usize, (w * h / 4) as usize);
    let mut data = vec![0; luma + 2 * quarter];
    let (y_plane, chroma) = data.split_at_mut(luma);
    let (u_plane, v_plane) = chroma.split_at_mut(quarter);
    let format =
        |pixel_format, color_space, num_planes| ImageFormat { pixel_format, color_space, num_planes };
    convert_image(
        w,
        h,
        &format(Layout::Bgr, ColorSpace::Rgb, 1),
        None,
        &[&bgr],
        &format(Layout::I420, ColorSpace::Bt601, 3),
        None,
        &mut [y_plane, u_plane, v_plane],
    )
    .unwrap();
    let planes = [(0, w), (luma, w / 2), (luma + quarter, w / 2)];
    let planes = planes.map(|(offset, stride)| Plane { offset, stride: stride as usize });
    Frame {
        data: data.into(),
        format: PixelFormat::I420,
        colour: Colour::default(),
        pixel_aspect: PixelAspect::SQUARE,
        width: w,
        height: h,
        planes,
        captured_at_ms: 0,
        sequence: 0,
        larger: None,
    }
}

fn unit_vector(random: &mut StdRng) -> Vec<f32> {
    let raw: Vec<f32> = (0..DIMENSION).map(|_| random.random_range(-1.0..1.0)).collect();
    let norm = raw.iter().map(|x| x * x).sum::<f32>().sqrt();
    raw.into_iter().map(|x| x / norm).collect()
}

fn stages(c: &mut Criterion) {
    let (models, catalogue) = models();
    let mut analyzer = analyzer(&models);
    let frame = frame();
    let faces = analyzer.detect(&frame).unwrap();
    assert_eq!(faces.len(), 1, "the frame shows one face");
    let face = &faces[0];

    let mut letterboxer = Letterboxer::new(catalogue.find("yunet", "detector").unwrap().input.clone(), true);
    c.bench_function("scale/1080p I420 to 640", |b| b.iter(|| letterboxer.run(black_box(&frame)).unwrap()));
    c.bench_function("detection/1080p I420", |b| b.iter(|| analyzer.detect(black_box(&frame)).unwrap()));
    c.bench_function("alignment/112x112", |b| b.iter(|| align(black_box(&frame), &face.landmarks).unwrap()));
    let aligned = align(&frame, &face.landmarks).unwrap();
    c.bench_function("alignment/as configured, landmarks refined", |b| {
        b.iter(|| analyzer.align(black_box(&frame), face).unwrap());
    });
    c.bench_function("embedding/SFace as configured", |b| {
        b.iter(|| analyzer.embed(black_box(&aligned)).unwrap());
    });
    c.bench_function("quality/one face", |b| b.iter(|| measure(black_box(&frame), face, Some(&aligned))));
    c.bench_function("jpeg/scene 1080p", |b| b.iter(|| scene_jpeg(black_box(&frame)).unwrap()));
    c.bench_function("jpeg/face crop", |b| b.iter(|| crop_jpeg(black_box(&frame), &face.bbox).unwrap()));
    let photo = std::fs::read(".setup/pictures/obama-1.jpg").unwrap();
    c.bench_function("photo/decode, detect, judge, embed", |b| {
        b.iter(|| analyzer.analyze_photo(black_box(&photo), &QualityLevel::High).unwrap());
    });
}

fn search(c: &mut Criterion) {
    let mut random = StdRng::seed_from_u64(2);
    let gallery = made_up_gallery("bench@1", DIMENSION, PEOPLE).unwrap();
    let permissions = ["0".to_owned()];
    let groups = Scope::of_permissions(&permissions);
    c.bench_function("search/50000 x 128, exact", |b| {
        b.iter_batched_ref(
            || unit_vector(&mut random),
            |probe| gallery.search(black_box(probe), groups, 1),
            BatchSize::SmallInput,
        );
    });
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(30);
    targets = stages, search
}
criterion_main!(benches);
