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

use menshen_domain::face::{HeadPose, Landmarks};

/// x right, y down, z into the scene; in units of the 112 px crop, symmetric. `FACE` in `benches/peer/pose.py` is the same.
const MODEL: [[f64; 3]; 5] = [
    [-17.62, -20.14, 0.0],
    [17.62, -20.14, 0.0],
    [0.0, 2.0, -16.0],
    [-14.59, 20.55, -2.8],
    [14.59, 20.55, -2.8],
];

/// Pseudo-inverse of the centred model, a row an axis: times the landmarks' places on one axis of the picture it is the
/// least-squares row of the projection.
const PSEUDO_INVERSE: [[f64; 5]; 3] = pseudo_inverse(MODEL);

/// Singular values below this make no projection: the landmarks lie on a line.
const SINGULAR_MIN: f64 = 1e-6;

/// Pose of a head: how far it is turned (yaw), raised (pitch) and tilted (roll), in degrees. `None` when the landmarks coincide or
/// lie on a line.
pub fn head_pose(landmarks: &Landmarks) -> Option<HeadPose> {
    let mean = [0, 1].map(|axis| landmarks.iter().map(|p| f64::from(p[axis])).sum::<f64>() / 5.0);
    let fit = [0, 1].map(|axis: usize| {
        PSEUDO_INVERSE.map(|row| {
            row.iter()
                .zip(landmarks)
                .map(|(weight, p)| weight * (f64::from(p[axis]) - mean[axis]))
                .sum::<f64>()
        })
    });
    let [x, y] = nearest_rotation(fit)?;
    let degrees = |radians: f64| radians.to_degrees() as f32;
    Some(HeadPose {
        // Where the face looks is −z of the model.
        yaw_deg: degrees((-x[2]).atan2(cross(x, y)[2])),
        pitch_deg: degrees(y[2].clamp(-1.0, 1.0).asin()),
        roll_deg: degrees(y[0].atan2(x[0])),
    })
}

/// The two rows of a rotation nearest to `fit`, whatever its scale; neither axis is trusted more than the other. It is `(A Aᵀ)^-½ A`,
/// and the root of a symmetric 2×2 matrix `B` is `(B + √det B) / √(tr B + 2 √det B)`.
fn nearest_rotation([x, y]: [[f64; 3]; 2]) -> Option<[[f64; 3]; 2]> {
    let dot = |a: [f64; 3], b: [f64; 3]| a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
    let (xx, xy, yy) = (dot(x, x), dot(x, y), dot(y, y));
    let normal = cross(x, y);
    // The product of the two singular values.
    let area = dot(normal, normal).sqrt();
    let sum = (xx + yy + 2.0 * area).sqrt();
    let largest = f64::midpoint(sum, (xx + yy - 2.0 * area).max(0.0).sqrt());
    // Also what is no number.
    let is_plane = largest > SINGULAR_MIN && area / largest >= SINGULAR_MIN;
    let combine = |a: f64, b: f64| std::array::from_fn(|at| (a * x[at] + b * y[at]) / (area * sum));
    is_plane.then(|| [combine(yy + area, -xy), combine(-xy, xx + area)])
}

fn cross(a: [f64; 3], b: [f64; 3]) -> [f64; 3] {
    [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]]
}

/// `(DᵀD)⁻¹ Dᵀ`, where `D` are the points from their mean.
const fn pseudo_inverse(points: [[f64; 3]; 5]) -> [[f64; 5]; 3] {
    let mut design = points;
    let mut gram = [[0.0; 3]; 3];
    let mut axis = 0;
    while axis < 3 {
        let mut sum = 0.0;
        let mut point = 0;
        while point < 5 {
            sum += points[point][axis];
            point += 1;
        }
        point = 0;
        while point < 5 {
            design[point][axis] -= sum / 5.0;
            point += 1;
        }
        axis += 1;
    }
    let mut at = 0;
    while at < 9 {
        let mut point = 0;
        while point < 5 {
            gram[at / 3][at % 3] += design[point][at / 3] * design[point][at % 3];
            point += 1;
        }
        at += 1;
    }
    let inverse = inverse(gram);
    let mut found = [[0.0; 5]; 3];
    at = 0;
    while at < 15 {
        let (row, point) = (at / 5, at % 5);
        let mut axis = 0;
        while axis < 3 {
            found[row][point] += inverse[row][axis] * design[point][axis];
            axis += 1;
        }
        at += 1;
    }
    found
}

/// The adjugate by the determinant.
const fn inverse(m: [[f64; 3]; 3]) -> [[f64; 3]; 3] {
    let mut adjugate = [[0.0; 3]; 3];
    let mut at = 0;
    while at < 9 {
        let (row, column) = (at / 3, at % 3);
        let [r, s] = [(column + 1) % 3, (column + 2) % 3];
        let [c, d] = [(row + 1) % 3, (row + 2) % 3];
        adjugate[row][column] = m[r][c] * m[s][d] - m[r][d] * m[s][c];
        at += 1;
    }
    let determinant = m[0][0] * adjugate[0][0] + m[0][1] * adjugate[1][0] + m[0][2] * adjugate[2][0];
    at = 0;
    while at < 9 {
        adjugate[at / 3][at % 3] /= determinant;
        at += 1;
    }
    adjugate
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Projects the model turned by known angles.
    fn turned(yaw_deg: f64, pitch_deg: f64, roll_deg: f64) -> Landmarks {
        // Positive yaw brings the nose (−z) to +x: a rotation about y by −yaw; positive pitch brings it up
        // (−y): a rotation about x by −pitch... as seen with y down.
        let [roll, yaw, pitch] =
            [roll_deg, -yaw_deg, -pitch_deg].map(|degrees: f64| degrees.to_radians().sin_cos());
        MODEL.map(|[x, y, z]| {
            let (y, z) = (y * pitch.1 - z * pitch.0, y * pitch.0 + z * pitch.1);
            let x = x * yaw.1 + z * yaw.0;
            let [x, y] = [x * roll.1 - y * roll.0, x * roll.0 + y * roll.1];
            [(x * 3.0) as f32 + 200.0, (y * 3.0) as f32 + 100.0]
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
        ([[-24.0, 175.0], [18.0, 183.0], [6.0, 196.0], [-15.0, 223.0], [16.0, 226.0]], [25.73563, 24.62618, 8.52833]),
        ([[247.0, 153.0], [370.0, 150.0], [306.0, 204.0], [248.0, 264.0], [321.0, 276.0]], [11.93415, 14.33568, 8.54820]),
        ([[589.0, 196.0], [602.0, 185.0], [599.0, 201.0], [600.0, 213.0], [614.0, 210.0]], [-20.19609, 4.19780, -30.88121]),
        ([[967.0, 89.0], [1004.0, 235.0], [871.0, 215.0], [772.0, 156.0], [842.0, 272.0]], [-15.51778, -21.75083, 68.80621]),
        ([[1218.0, 220.0], [1178.0, 225.0], [1198.0, 204.0], [1205.0, 165.0], [1176.0, 171.0]], [13.17628, -27.9025, 169.71382]),
        ([[1488.0, 222.0], [1482.0, 184.0], [1498.0, 201.0], [1527.0, 211.0], [1524.0, 180.0]], [-30.66342, -5.93524, -99.53142]),
        ([[1746.0, 158.0], [1869.0, 135.0], [1808.0, 200.0], [1744.0, 275.0], [1852.0, 258.0]], [4.44860, 14.34961, -2.37766]),
        ([[2093.0, 194.0], [2107.0, 195.0], [2100.0, 199.0], [2095.0, 208.0], [2106.0, 206.0]], [-2.79259, 26.50794, -2.42998]),
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
