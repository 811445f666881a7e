//! Whether a chain of models recognises at all, before it may replace one that does: a face is found, features are
//! numbers of the promised length, a face is like itself under another light, and two people are told apart.
//!
//! It shows that a model works, not how well; for that there is `menshen bench accuracy`.

use super::align::mirror;
use super::analyzer::FaceAnalyzer;
use super::photo::decode_photo;
use menshen_domain::face::Embedding;
use menshen_domain::frame::Frame;

/// Portraits in the public domain; see `self_test/README.md`.
pub(super) const PORTRAITS: [(&str, &[u8]); 2] =
    [("A", include_bytes!("self_test/obama.jpg")), ("B", include_bytes!("self_test/collins.jpg"))];

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

/// Runs the test; an error says in a sentence why the models are not to be used.
pub fn self_test(analyzer: &mut FaceAnalyzer) -> Result<SelfTest, String> {
    let threshold = analyzer.scale().similarity_threshold;
    run(threshold, &mut |frame| embed(analyzer, frame))
}

fn embed(analyzer: &mut FaceAnalyzer, frame: &Frame) -> Result<Embedding, String> {
    let found = analyzer.largest_face(frame).map_err(|error| error.to_string())?;
    let aligned = found.and_then(|(_, aligned)| aligned);
    let aligned = aligned.ok_or("the detector finds no face in a portrait of the self-test")?;
    analyzer.embed(&aligned).map_err(|error| error.to_string())
}

fn run(
    threshold: f32,
    embed: &mut dyn FnMut(&Frame) -> Result<Embedding, String>,
) -> Result<SelfTest, String> {
    let mut plain = Vec::new();
    let mut same_least = 1.0f32;
    for (who, jpeg) in PORTRAITS {
        let frame = decode_photo(jpeg).map_err(|refusal| refusal.to_string())?;
        let first = embed(&frame)?;
        for (what, change) in CHANGES {
            let similarity = compare(&first, &embed(&changed(&frame, change)?)?)?;
            if similarity < threshold {
                return Err(format!(
                    "it does not know portrait {who} of the self-test again when it is {what}: similarity \
                     {similarity:.3}, its own threshold is {threshold:.3}"
                ));
            }
            same_least = same_least.min(similarity);
        }
        plain.push(first);
    }
    let different = compare(&plain[0], &plain[1])?;
    if different >= threshold {
        return Err(format!(
            "it takes two people of the self-test for one: similarity {different:.3}, its own threshold is \
             {threshold:.3}"
        ));
    }
    Ok(SelfTest { same_least, different })
}

fn compare(a: &Embedding, b: &Embedding) -> Result<f32, String> {
    let similarity = a.similarity(b).filter(|similarity| similarity.is_finite());
    similarity.ok_or_else(|| "its features cannot be compared with each other".to_owned())
}

fn changed(frame: &Frame, change: Change) -> Result<Frame, String> {
    // A decoded photo is packed RGB.
    let rgb = change(frame.plane(0), frame.width as usize);
    Frame::from_rgb(frame.width, frame.height, rgb, 0).map_err(|error| error.to_string())
}

fn darkened(rgb: &[u8], _: usize) -> Vec<u8> {
    rgb.iter().map(|value| value / 2 + value / 8).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue::EmbedderSpec;
    use crate::embedder;

    fn to_embedding(raw: &[f32]) -> Result<Embedding, String> {
        let spec =
            EmbedderSpec { dimension: 2, similarity_min: 0.0, similarity_threshold: 0.5, mirror: false };
        embedder::to_embedding(raw, 1, spec, None, "m@1")
    }

    /// A model that sees what `looks` makes of the mean red and blue of a picture's halves.
    fn try_with(looks: impl Fn(&Frame) -> Vec<f32>) -> Result<SelfTest, String> {
        run(0.5, &mut |frame| to_embedding(&looks(frame)))
    }

    /// The portraits differ in their first pixel: a red curtain, a grey wall.
    fn is_first(frame: &Frame) -> bool {
        let corner = &frame.plane(0)[..3];
        let other = &frame.plane(0)[(frame.width as usize - 1) * 3..][..3];
        let red = |p: &[u8]| p[0] > p[1].saturating_mul(2);
        red(corner) || red(other)
    }

    #[test]
    fn a_model_that_tells_people_apart_passes() {
        let good = |frame: &Frame| if is_first(frame) { vec![1.0, 0.1] } else { vec![0.1, 1.0] };
        let test = try_with(good).unwrap();
        assert!(test.same_least > 0.99 && test.different < 0.5, "{test:?}");
    }

    #[test]
    fn what_is_wrong_is_said() {
        assert!(try_with(|_| vec![1.0, 0.0]).unwrap_err().contains("two people"));
        assert!(try_with(|_| vec![f32::NAN, 0.0]).unwrap_err().contains("not a number"));
        assert!(try_with(|_| vec![1.0]).unwrap_err().contains("1 value"));
        let mut turn = 0.0f32;
        let restless = run(0.5, &mut |_| {
            turn += 1.5;
            to_embedding(&[turn.cos(), turn.sin()])
        });
        assert!(restless.unwrap_err().contains("does not know"), "{turn}");
    }
}
