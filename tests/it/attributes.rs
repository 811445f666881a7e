//! Guesses at age and gender on real networks and real photos. Needs `scripts/setup --tests` to have run.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::path::{Path, PathBuf};
use std::sync::Arc;

use menshen::adapters::onnx::OrtLoader;
use menshen_domain::attributes::{AgeGroup, Attributes, Gender};
use menshen_domain::frame::Frame;
use menshen_domain::models::Provider;
use menshen_domain::quality::QualityLevel;
use menshen_models::attributes::{AttributeModels, LazyAttributeNets, attribute_self_test};
use menshen_models::{Catalogue, ModelSet};
use menshen_vision::FaceAnalyzer;
use menshen_vision::attributes::AttributeNets;
use menshen_vision::photo::decode_photo;

fn loader() -> OrtLoader {
    OrtLoader::new(Path::new(""), &Provider::Cpu).unwrap()
}

fn analyzer() -> FaceAnalyzer {
    let catalogue = Catalogue::read(Path::new("models")).unwrap();
    let models = ModelSet::pick(&catalogue, "yunet", "sface", None).unwrap();
    models.verify().expect("models are fetched by scripts/setup");
    models.load(&loader()).unwrap()
}

/// Networks of any folder of models.
fn nets(models: &Path, age: &str, gender: &str) -> AttributeNets {
    let models = AttributeModels::pick(&Catalogue::read(models).unwrap(), age, gender).unwrap();
    models.verify().expect("models are fetched by scripts/setup --tests");
    models.load(&loader()).unwrap()
}

fn photo(name: &str) -> Vec<u8> {
    std::fs::read(Path::new(".setup/pictures").join(name))
        .expect("demo pictures are fetched by scripts/setup")
}

fn estimate(analyzer: &mut FaceAnalyzer, nets: &mut AttributeNets, frame: &Frame) -> Attributes {
    let (face, _) = analyzer.largest_face(frame).unwrap().expect("a face");
    nets.estimate(frame, &face.landmarks).unwrap()
}

/// Years that the package the networks come from guesses behind dlib's own landmarks. Ours come from other landmarks, and a
/// guess moves by some years when its face moves by a pixel.
const REFERENCE: [(&str, Gender, u8); 5] = [
    ("obama-1.jpg", Gender::Male, 35),
    ("obama-2.jpg", Gender::Male, 51),
    ("obama-3.jpg", Gender::Male, 54),
    ("biden-1.jpg", Gender::Male, 70),
    ("astronaut.png", Gender::Female, 33),
];
const YEARS_APART_MAX: u8 = 12;

#[test]
fn grown_ups_are_taken_for_what_they_are() {
    let mut analyzer = analyzer();
    let mut nets = nets(Path::new("models"), "age-v1", "gender-v1");
    let mut wrong = Vec::new();
    for (name, gender, years) in REFERENCE {
        let picture = image::load_from_memory(&photo(name)).unwrap().into_rgb8();
        let (width, height) = (picture.width() * 3 / 5, picture.height() * 3 / 5);
        let smaller = image::imageops::thumbnail(&picture, width, height);
        let smaller = Frame::from_rgb(width, height, smaller.into_raw(), 0).unwrap();
        for (how, frame) in [("as it is", decode_photo(&photo(name)).unwrap()), ("smaller", smaller)] {
            let seen = estimate(&mut analyzer, &mut nets, &frame);
            let (age, guess) = (seen.age.unwrap(), seen.gender.unwrap());
            let is_grown_up = !matches!(age.group, AgeGroup::Child | AgeGroup::Juvenile);
            if guess.gender != gender || !is_grown_up || age.years.abs_diff(years) > YEARS_APART_MAX {
                wrong.push(format!("{name} {how}: {seen}, the reference says {gender:?}, {years}"));
            }
            assert!((0.5..=1.0).contains(&guess.confidence) && age.confidence > 0.0, "{seen:?}");
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn a_judged_photo_has_what_is_made_of_its_largest_face() {
    let mut analyzer = analyzer();
    let mut nets = nets(Path::new("models"), "", "gender-v1");
    let judged = analyzer
        .judge_photo_and(&photo("biden-1.jpg"), &QualityLevel::High, |frame, face| {
            Some(nets.estimate(frame, &face.landmarks).unwrap())
        })
        .unwrap();
    let seen = judged.attributes.unwrap();
    assert_eq!((seen.age, seen.gender.unwrap().gender), (None, Gender::Male), "only gender is asked for");
    let plain = analyzer.judge_photo(&photo("biden-1.jpg"), &QualityLevel::High).unwrap();
    assert_eq!(plain.attributes, None);
}

#[test]
fn one_set_of_networks_serves_several_threads_and_loads_when_first_asked() {
    let folder = tempfile::tempdir().unwrap();
    let models = folder.path().join("models");
    let lazy =
        LazyAttributeNets::new(models.clone(), "age-v1".into(), "gender-v1".into(), Arc::new(loader()));
    let frame = decode_photo(&photo("obama-2.jpg")).unwrap();
    let (face, _) = analyzer().largest_face(&frame).unwrap().unwrap();
    // There is no such folder yet; it is read again with the next estimate.
    assert!(lazy.estimate(&frame, &face.landmarks).unwrap_err().to_string().contains("cannot read"));
    for name in ["age-v1", "gender-v1"] {
        copy_model(name, &models);
    }
    let expected = lazy.estimate(&frame, &face.landmarks).unwrap();
    assert!(expected.age.is_some() && expected.gender.is_some());
    std::thread::scope(|scope| {
        let threads: Vec<_> =
            (0..4).map(|_| scope.spawn(|| lazy.estimate(&frame, &face.landmarks).unwrap())).collect();
        for thread in threads {
            assert_eq!(thread.join().unwrap(), expected);
        }
    });
}

/// Copies a model and gives the path of its description.
fn copy_model(name: &str, models: &Path) -> PathBuf {
    let (from, to) = (Path::new("models").join(name), models.join(name));
    std::fs::create_dir_all(&to).unwrap();
    for file in ["model.toml".to_owned(), format!("{name}.onnx")] {
        std::fs::copy(from.join(&file), to.join(&file)).expect("models are fetched by scripts/setup --tests");
    }
    to.join("model.toml")
}

#[test]
fn the_self_test_finds_networks_that_are_described_wrongly() {
    let mut analyzer = analyzer();
    let seen =
        attribute_self_test(&mut analyzer, &mut nets(Path::new("models"), "age-v1", "gender-v1")).unwrap();
    assert!(seen.replace("female", "").contains("male") && seen.contains("female"), "{seen}");

    let folder = tempfile::tempdir().unwrap();
    let cases = [
        (
            "order = [\"female\", \"male\"]",
            "order = [\"male\", \"female\"]",
            "portrait A of the self-test for female",
        ),
        ("width = 32\nheight = 32", "width = 48\nheight = 48", "inference failed"),
        ("names = [\"probabilities\"]", "names = [\"logits\"]", "no output named `logits`"),
    ];
    for (right, wrong, expected) in cases {
        let description = copy_model("gender-v1", folder.path());
        let text = std::fs::read_to_string(&description).unwrap();
        assert!(text.contains(right));
        std::fs::write(&description, text.replace(right, wrong)).unwrap();
        let catalogue = Catalogue::read(folder.path()).unwrap();
        let models = AttributeModels::pick(&catalogue, "", "gender-v1").unwrap();
        let tested = models.load(&loader()).map_err(|error| error.to_string()).and_then(|mut nets| {
            attribute_self_test(&mut analyzer, &mut nets).map_err(|error| error.to_string())
        });
        let error = tested.unwrap_err();
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn descriptions_that_make_no_sense_are_refused_with_the_reason() {
    let folder = tempfile::tempdir().unwrap();
    let cases = [
        ("age-v1", "years = 81", "years = 1", "age.years must be 2 to 150"),
        ("age-v1", "padding = 0.2", "padding = -1.0", "age.padding must be 0 to 2"),
        ("age-v1", "height = 64", "height = 32", "needs a square input"),
        ("age-v1", "age-years", "age-decades", "no age decoder `age-decades`; there is age-years"),
        ("age-v1", "first_year = 0.25", "first_year = 3.0", "age.first_year must be 0 to 1"),
        ("gender-v1", "\"male\"]", "\"female\"]", "gender.order must name female and male"),
        ("gender-v1", "[gender]", "[age]\nyears = 2\nfirst_year = 0.0", "unknown key `order`"),
    ];
    for (name, right, wrong, expected) in cases {
        let description = copy_model(name, folder.path());
        let text = std::fs::read_to_string(&description).unwrap();
        assert!(text.contains(right), "{right}");
        std::fs::write(&description, text.replace(right, wrong)).unwrap();
        let catalogue = Catalogue::read(folder.path()).unwrap();
        let error = catalogue.broken_named(name).expect(expected).to_string();
        assert!(error.contains(expected), "{error}");
        std::fs::remove_dir_all(folder.path().join(name)).unwrap();
    }
    let catalogue = Catalogue::read(Path::new("models")).unwrap();
    let error = AttributeModels::pick(&catalogue, "gender-v1", "").unwrap_err().to_string();
    assert!(error.contains("model `gender-v1` is of role gender; one of role age is needed"), "{error}");
}
