//! All faces of a photo, for those who only want to know where they are.

use super::FaceAnalyzer;
use crate::photo::{PhotoError, decode_scaled};
use crate::pose::head_pose;
use menshen_domain::attributes::Attributes;
use menshen_domain::face::{BBox, Detection, HeadPose, Landmarks};
use menshen_domain::frame::Frame;

/// One face of a photo, in pixels of the photo.
#[derive(Debug, Clone, PartialEq)]
pub struct SeenFace {
    /// The box around it.
    pub bbox: BBox,
    /// Eyes, nose tip, mouth corners.
    pub landmarks: Landmarks,
    /// Where the head is turned; `None` where the landmarks give no pose.
    pub pose: Option<HeadPose>,
    /// What was estimated of it.
    pub attributes: Option<Attributes>,
}

impl FaceAnalyzer {
    /// The faces of a photo, at most `most`, the largest first. `estimate` is asked about each, in pixels of the frame.
    ///
    /// # Errors
    /// When the photo cannot be decoded, or the detector does not run.
    pub fn faces_of_photo(
        &mut self,
        bytes: &[u8],
        most: usize,
        estimate: impl Fn(&Frame, &Detection) -> Option<Attributes>,
    ) -> Result<Vec<SeenFace>, PhotoError> {
        let (frame, factor) = decode_scaled(bytes)?;
        let mut faces = self.detect(&frame).map_err(PhotoError::Detection)?;
        faces.sort_by(|a, b| b.bbox.area().total_cmp(&a.bbox.area()));
        faces.truncate(most);
        let seen = |face: Detection| SeenFace {
            bbox: face.bbox.scaled(factor),
            landmarks: face.landmarks.map(|[x, y]| [x * factor, y * factor]),
            pose: head_pose(&face.landmarks),
            attributes: estimate(&frame, &face),
        };
        Ok(faces.into_iter().map(seen).collect())
    }
}
