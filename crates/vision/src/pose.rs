//! Head pose from five landmarks: a scaled-orthographic fit of a generic face.
//!
//! The frontal places are ArcFace's reference points; how far the nose stands out and where it lies in height were chosen
//! so that yaw and pitch lie between what two references say. Against them (`benches/peer/pose.py`: a pose network
//! with 66 bins an axis, and OpenCV's solvePnP over 68 landmarks), mean absolute differences in degrees:
//!
//! | | yaw | pitch | roll | sum of the three |
//! |---|---|---|---|---|
//! | 1 906 faces of LFW, against the network | 5.8 | 7.3 | 3.1 | 7.7 |
//! | … against solvePnP | 6.5 | 7.7 | 2.5 | 9.2 |
//! | … the two references against each other | 8.6 | 7.8 | 3.0 | 8.4 |
//! | 144 pictures of eight clips, against the network, solvePnP | 4.8, 4.7 | 7.5, 5.6 | 3.9, 4.5 | 7.8, 9.2 |
//! | 23 pictures of a head turning from −60 to 44 degrees | 6.9, 10.3 | 6.8, 7.8 | 5.0, 4.8 | 7.8, 15.9 |
//!
//! So it is as near to either as they are to each other: a coarse pose, enough for the protocol's 60–120 degree sums. The
//! network measures turned heads as less turned, solvePnP as more. Pitch is the least certain: where zero lies depends
//! on the face.

use nalgebra::{Matrix2x3, Matrix3, Matrix5x3, Vector3, Vector5};

use menshen_domain::face::{HeadPose, Landmarks};

/// x right, y down, z into the scene; in units of the 112 px crop, symmetric. `FACE` in `benches/peer/pose.py` is the same.
const MODEL: [[f64; 3]; 5] = [
    [-17.62, -20.14, 0.0],
    [17.62, -20.14, 0.0],
    [0.0, 2.0, -16.0],
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
    let fit = Matrix2x3::from_rows(&[solve(0).transpose(), solve(1).transpose()]);
    // The two rows of a rotation nearest to the fit, whatever its scale; neither axis is trusted more than the other.
    let svd = fit.svd(true, true);
    if svd.singular_values.min() < 1e-6 {
        return None;
    }
    let rows = svd.u? * svd.v_t?;
    let (x, y) = (rows.row(0).transpose(), rows.row(1).transpose());
    let rotation = Matrix3::from_rows(&[x.transpose(), y.transpose(), x.cross(&y).transpose()]);
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
        let mut face = crate::align::REFERENCE;
        face[2][0] += 6.0;
        assert!(head_pose(&face).unwrap().yaw_deg > 10.0);
        let mut face = crate::align::REFERENCE;
        face[2][1] -= 6.0;
        assert!(head_pose(&face).unwrap().pitch_deg > 10.0);
    }

    #[test]
    fn the_reference_face_looks_straight_ahead() {
        let pose = head_pose(&crate::align::REFERENCE).unwrap();
        // Its pitch is as uncertain as where zero lies.
        assert!(pose.yaw_deg.abs() + pose.roll_deg.abs() < 1.0 && pose.pitch_deg.abs() < 9.0, "{pose:?}");
        assert!(head_pose(&[[3.0, 3.0]; 5]).is_none());
    }

    /// Yaw, pitch and roll of faces that are no projection of the model, calculated with a pseudo-inverse and a singular value
    /// decomposition of nalgebra 0.35.
    #[rustfmt::skip]
    const POSES: [(Landmarks, [f32; 3]); 8] = [
        ([[-24.0, 175.0], [18.0, 183.0], [6.0, 196.0], [-15.0, 223.0], [16.0, 226.0]], [25.73563, 24.626183, 8.52833]),
        ([[247.0, 153.0], [370.0, 150.0], [306.0, 204.0], [248.0, 264.0], [321.0, 276.0]], [11.934151, 14.335682, 8.548204]),
        ([[589.0, 196.0], [602.0, 185.0], [599.0, 201.0], [600.0, 213.0], [614.0, 210.0]], [-20.196087, 4.1978006, -30.881212]),
        ([[967.0, 89.0], [1004.0, 235.0], [871.0, 215.0], [772.0, 156.0], [842.0, 272.0]], [-15.517785, -21.750835, 68.80621]),
        ([[1218.0, 220.0], [1178.0, 225.0], [1198.0, 204.0], [1205.0, 165.0], [1176.0, 171.0]], [13.176284, -27.902504, 169.71382]),
        ([[1488.0, 222.0], [1482.0, 184.0], [1498.0, 201.0], [1527.0, 211.0], [1524.0, 180.0]], [-30.663424, -5.9352427, -99.53142]),
        ([[1746.0, 158.0], [1869.0, 135.0], [1808.0, 200.0], [1744.0, 275.0], [1852.0, 258.0]], [4.4486003, 14.349606, -2.3776634]),
        ([[2093.0, 194.0], [2107.0, 195.0], [2100.0, 199.0], [2095.0, 208.0], [2106.0, 206.0]], [-2.7925932, 26.507944, -2.4299805]),
    ];

    #[test]
    fn poses_are_those_of_a_singular_value_decomposition() {
        for (landmarks, expected) in POSES {
            let HeadPose { yaw_deg, pitch_deg, roll_deg } = head_pose(&landmarks).unwrap();
            for (found, expected) in [yaw_deg, pitch_deg, roll_deg].into_iter().zip(expected) {
                assert!((found - expected).abs() < 1e-4, "{landmarks:?}: {found}, not {expected}");
            }
        }
    }

    #[test]
    fn landmarks_on_a_line_have_no_pose() {
        assert!(head_pose(&[[10.0, 20.0], [30.0, 20.0], [20.0, 20.0], [12.0, 20.0], [28.0, 20.0]]).is_none());
        assert!(head_pose(&[[10.0, 10.0], [30.0, 30.0], [20.0, 20.0], [12.0, 12.0], [28.0, 28.0]]).is_none());
    }
}
