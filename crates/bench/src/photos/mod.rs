//! Snapshot cameras and photo terminals before one box: everything they send is accounted for, and how long it took. Prints one
//! JSON object.

mod photo_box;
pub mod snapshots;
pub mod terminals;
