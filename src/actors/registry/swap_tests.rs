//! What needs no model; the rest is in `tests/swap.rs`.

use super::*;

/// Ten people whom the old model tells apart, as the new one sees them.
fn sample(new: impl Fn(usize) -> Vec<f32>) -> Vec<[Vec<f32>; 2]> {
    let axis = |at: usize, of: usize| (0..of).map(|i| f32::from(u8::from(i == at))).collect();
    (0..20).map(|at| [axis(at, 20), new(at)]).collect()
}

#[test]
fn a_model_that_mixes_people_up_is_found_out() {
    let axis = |at: usize| (0..32).map(|i| f32::from(u8::from(i == at))).collect::<Vec<f32>>();
    assert_eq!(confuses(&sample(axis), [0.4, 0.4]), None);
    // Two who look alike to it are no reason; half of everybody are.
    assert_eq!(confuses(&sample(|at| axis(at.max(1))), [0.4, 0.4]), None);
    let confusion = confuses(&sample(|at| axis(at.max(10))), [0.4, 0.4]).unwrap();
    assert_eq!(confusion, Confusion { confused: 55, apart: 190 });
    let reason = confusion.to_string();
    assert!(reason.contains("55 pairs") && reason.contains("190"), "{reason}");
    // Whom the old one takes for one person, twins and people enrolled twice, do not count.
    let twice: Vec<_> = (0..20).map(|_| [axis(0), axis(0)]).collect();
    assert_eq!(confuses(&twice, [0.4, 0.4]), None);
}
