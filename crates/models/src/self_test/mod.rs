//! Whether a chain of models recognises at all, before it may replace one that does: a face is found, features are
//! numbers of the promised length, a face is like itself under another light, and two people are distinguished.
//!
//! It shows that a model works, not how well; for that there is `menshen bench accuracy`.

use menshen_domain::face::Embedding;
use menshen_domain::frame::{Frame, FrameError};
use menshen_vision::align::mirror;
use menshen_vision::photo::{PhotoError, decode_photo};
use menshen_vision::{FaceAnalyzer, VisionError};

/// Portraits in the public domain; see `README.md` beside this file.
pub(crate) const PORTRAITS: [(&str, &[u8]); 2] =
    [("A", include_bytes!("obama.jpg")), ("B", include_bytes!("collins.jpg"))];

/// Packed RGB and its width in pixels, to packed RGB of the same size.
type Change = fn(&[u8], usize) -> Vec<u8>;

/// What is done to a portrait that must not make it another person.
const CHANGES: [(&str, Change); 2] = [("mirrored", mirror), ("darkened", darkened)];

/// What the test measured.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SelfTest {
    /// Least similarity of a portrait and its changed self.
    pub same_least: f32,
    /// Similarity of the two people.
    pub different: f32,
}

/// Why a chain of models is not to be used.
#[derive(Debug, thiserror::Error)]
pub enum SelfTestError {
    /// A portrait cannot be decoded.
    #[error("{0}")]
    Photo(PhotoError),
    /// A changed portrait is no frame.
    #[error("{0}")]
    Frame(FrameError),
    /// A network does not run or gives nonsense.
    #[error("{0}")]
    Vision(#[from] VisionError),
    /// The detector is blind.
    #[error("the detector finds no face in a portrait of the self-test")]
    NoFace,
    /// Features of different lengths, or that are not numbers.
    #[error("its features cannot be compared with each other")]
    Incomparable,
    /// A person is not recognised again.
    #[error(
        "it does not know portrait {portrait} of the self-test again when it is {changed}: similarity \
         {similarity:.3}, its own threshold is {threshold:.3}"
    )]
    NotTheSame {
        /// Which portrait.
        portrait: &'static str,
        /// What was done to it.
        changed: &'static str,
        /// Cosine of the two features.
        similarity: f32,
        /// From which on two features are of one person.
        threshold: f32,
    },
    /// Two people are confused.
    #[error(
        "it takes two people of the self-test for one: similarity {similarity:.3}, its own threshold is \
         {threshold:.3}"
    )]
    NotDifferent {
        /// Cosine of their features.
        similarity: f32,
        /// From which on two features are of one person.
        threshold: f32,
    },
}

/// Runs the test.
///
/// # Errors
/// Why the models are not to be used.
pub fn self_test(analyzer: &mut FaceAnalyzer) -> Result<SelfTest, SelfTestError> {
    let threshold = analyzer.scale().similarity_threshold;
    run(threshold, &mut |frame| embed(analyzer, frame))
}

fn embed(analyzer: &mut FaceAnalyzer, frame: &Frame) -> Result<Embedding, SelfTestError> {
    let found = analyzer.largest_face(frame)?;
    let aligned = found.and_then(|(_, aligned)| aligned.ok());
    Ok(analyzer.embed(&aligned.ok_or(SelfTestError::NoFace)?)?)
}

fn run(
    threshold: f32,
    embed: &mut dyn FnMut(&Frame) -> Result<Embedding, SelfTestError>,
) -> Result<SelfTest, SelfTestError> {
    let mut plain = Vec::new();
    let mut same_least = 1.0f32;
    for (portrait, jpeg) in PORTRAITS {
        let frame = decode_photo(jpeg).map_err(SelfTestError::Photo)?;
        let first = embed(&frame)?;
        for (changed, change) in CHANGES {
            let similarity = compare(&first, &embed(&apply(change, &frame)?)?)?;
            if similarity < threshold {
                return Err(SelfTestError::NotTheSame { portrait, changed, similarity, threshold });
            }
            same_least = same_least.min(similarity);
        }
        plain.push(first);
    }
    let different = compare(&plain[0], &plain[1])?;
    if different >= threshold {
        return Err(SelfTestError::NotDifferent { similarity: different, threshold });
    }
    Ok(SelfTest { same_least, different })
}

fn compare(a: &Embedding, b: &Embedding) -> Result<f32, SelfTestError> {
    let similarity = a.similarity(b).filter(|similarity| similarity.is_finite());
    similarity.ok_or(SelfTestError::Incomparable)
}

fn apply(change: Change, frame: &Frame) -> Result<Frame, SelfTestError> {
    // A decoded photo is packed RGB.
    let rgb = change(frame.plane(0), frame.width as usize);
    Frame::from_rgb(frame.width, frame.height, rgb, 0).map_err(SelfTestError::Frame)
}

fn darkened(rgb: &[u8], _: usize) -> Vec<u8> {
    rgb.iter().map(|value| value / 2 + value / 8).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use menshen_vision::embedder;
    use menshen_vision::spec::EmbedderSpec;

    fn to_embedding(raw: &[f32]) -> Result<Embedding, SelfTestError> {
        let spec =
            EmbedderSpec { dimension: 2, similarity_min: 0.0, similarity_threshold: 0.5, mirror: false };
        embedder::to_embedding(raw, 1, spec, None, "m@1")
            .map_err(|reason| SelfTestError::Vision(VisionError::Output { model: "m".to_owned(), reason }))
    }

    /// A model whose features are what `model` makes of a picture.
    fn try_with(model: impl Fn(&Frame) -> Vec<f32>) -> Result<SelfTest, SelfTestError> {
        run(0.5, &mut |frame| to_embedding(&model(frame)))
    }

    /// The portraits differ in their first pixel: a red curtain, a grey wall.
    fn is_first(frame: &Frame) -> bool {
        let corner = &frame.plane(0)[..3];
        let other = &frame.plane(0)[(frame.width as usize - 1) * 3..][..3];
        let red = |p: &[u8]| p[0] > p[1].saturating_mul(2);
        red(corner) || red(other)
    }

    #[test]
    fn a_model_that_distinguishes_people_passes() {
        let good = |frame: &Frame| if is_first(frame) { vec![1.0, 0.1] } else { vec![0.1, 1.0] };
        let test = try_with(good).unwrap();
        assert!(test.same_least > 0.99 && test.different < 0.5, "{test:?}");
    }

    #[test]
    fn what_is_wrong_is_said() {
        let wrong = |model: fn(&Frame) -> Vec<f32>| try_with(model).unwrap_err().to_string();
        assert!(wrong(|_| vec![1.0, 0.0]).contains("two people"));
        assert!(wrong(|_| vec![f32::NAN, 0.0]).contains("not a number"));
        assert!(wrong(|_| vec![1.0]).contains("1 value"));
        let mut turn = 0.0f32;
        let restless = run(0.5, &mut |_| {
            turn += 1.5;
            to_embedding(&[turn.cos(), turn.sin()])
        });
        assert!(restless.unwrap_err().to_string().contains("does not know"), "{turn}");
    }
}
