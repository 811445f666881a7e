//! Head pose from five landmarks: a scaled-orthographic fit of a generic face.
//!
//! The frontal places are ArcFace's reference points; depth is that of an average adult head (nose tip about
//! 27 mm, mouth corners about 5 mm in front of the eyes, at 63 mm between the pupils). Five points carry no
//! more than a coarse pose: expect about 5–10 degrees of error, enough for the protocol's 60–120 degree sums.

use nalgebra::{Matrix3, Matrix5x3, Vector3, Vector5};

use crate::core::face::{HeadPose, Landmarks};

/// x right, y down, z into the scene; in units of the 112 px crop, symmetric.
const MODEL: [[f64; 3]; 5] = [
    [-17.62, -20.14, 0.0],
    [17.62, -20.14, 0.0],
    [0.0, 0.0, -15.1],
    [-14.59, 20.55, -2.8],
    [14.59, 20.55, -2.8],
];

/// `None` when the landmarks coincide or lie on a line.
pub fn head_pose(landmarks: &Landmarks) -> Option<HeadPose> {
    let model_mean = mean(MODEL);
    let points = landmarks.map(|p| [f64::from(p[0]), f64::from(p[1])]);
    let image_mean = mean(points);
    let design = Matrix5x3::from_fn(|row, column| MODEL[row][column] - model_mean[column]);
    let pseudo_inverse = design.pseudo_inverse(1e-9).ok()?;
    let solve = |axis: usize| -> Vector3<f64> {
        pseudo_inverse * Vector5::from_fn(|row, _| points[row][axis] - image_mean[axis])
    };
    let (row_x, row_y) = (solve(0), solve(1));
    if row_x.norm() < 1e-6 || row_y.norm() < 1e-6 {
        return None;
    }
    let x = row_x.normalize();
    let z = x.cross(&row_y.normalize());
    if z.norm() < 1e-6 {
        return None;
    }
    let z = z.normalize();
    let rotation = Matrix3::from_rows(&[x.transpose(), z.cross(&x).transpose(), z.transpose()]);
    let forward = rotation * Vector3::new(0.0, 0.0, -1.0);
    let degrees = |radians: f64| radians.to_degrees() as f32;
    Some(HeadPose {
        yaw_deg: degrees(forward.x.atan2(-forward.z)),
        pitch_deg: degrees((-forward.y).clamp(-1.0, 1.0).asin()),
        roll_deg: degrees(rotation[(1, 0)].atan2(rotation[(0, 0)])),
    })
}

fn mean<const N: usize>(points: [[f64; N]; 5]) -> [f64; N] {
    std::array::from_fn(|axis| points.iter().map(|p| p[axis]).sum::<f64>() / 5.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use nalgebra::Rotation3;

    /// Projects the model turned by known angles.
    fn turned(yaw_deg: f64, pitch_deg: f64, roll_deg: f64) -> Landmarks {
        // Positive yaw brings the nose (−z) to +x: a rotation about y by −yaw; positive pitch brings it up
        // (−y): a rotation about x by −pitch... as seen with y down.
        let rotation = Rotation3::from_axis_angle(&Vector3::z_axis(), roll_deg.to_radians())
            * Rotation3::from_axis_angle(&Vector3::y_axis(), -yaw_deg.to_radians())
            * Rotation3::from_axis_angle(&Vector3::x_axis(), -pitch_deg.to_radians());
        MODEL.map(|p| {
            let q = rotation * Vector3::new(p[0], p[1], p[2]) * 3.0;
            [q.x as f32 + 200.0, q.y as f32 + 100.0]
        })
    }

    #[test]
    fn known_turns_are_measured_with_their_signs() {
        for (yaw, pitch, roll) in [
            (0.0, 0.0, 0.0),
            (30.0, 0.0, 0.0),
            (-30.0, 0.0, 0.0),
            (0.0, 20.0, 0.0),
            (0.0, -20.0, 0.0),
            (0.0, 0.0, 25.0),
        ] {
            let pose = head_pose(&turned(yaw, pitch, roll)).unwrap();
            for (found, expected) in [(pose.yaw_deg, yaw), (pose.pitch_deg, pitch), (pose.roll_deg, roll)] {
                assert!((f64::from(found) - expected).abs() < 1.0, "{yaw} {pitch} {roll} gave {pose:?}");
            }
        }
    }

    #[test]
    fn the_nose_to_the_right_is_positive_yaw_and_up_is_positive_pitch() {
        let mut face = crate::vision::align::REFERENCE;
        face[2][0] += 6.0;
        assert!(head_pose(&face).unwrap().yaw_deg > 10.0);
        let mut face = crate::vision::align::REFERENCE;
        face[2][1] -= 6.0;
        assert!(head_pose(&face).unwrap().pitch_deg > 10.0);
    }

    #[test]
    fn the_reference_face_looks_straight_ahead() {
        let pose = head_pose(&crate::vision::align::REFERENCE).unwrap();
        assert!(pose.deviation_deg() < 6.0, "{pose:?}");
        assert!(head_pose(&[[3.0, 3.0]; 5]).is_none());
    }
}
