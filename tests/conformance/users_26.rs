//! Generation 2.6, `add_users_plus`: rows U1 to U8.

use crate::row::{Row, tested};

const LEVELS: &str = "users_26::a_level_of_its_own_replaces_that_of_the_register_type";
const FEATURES: &str = "users_26::features_of_another_model_are_refused_and_never_fetched";
const NO_PHOTO: &str = "users_26::people_without_a_photo_are_kept_and_all_of_info_comes_back";

pub const ROWS: &[Row] = &[
    tested("2.6-U1", "fiqa_level no, low, high replaces register_type in user_info_list", LEVELS),
    tested("2.6-U2", "fiqa_level of users fetched from path", LEVELS),
    tested("2.6-U3", "an unknown fiqa_level fails that user only, 40071", LEVELS),
    tested("2.6-U4", "fiqa_level no without a face is 40004", LEVELS),
    tested(
        "2.6-U5",
        "import_mode at user, top level, extend_params: 40010, get_features_url not called",
        FEATURES,
    ),
    tested("2.6-U6", "in a mixed list those with photos succeed", FEATURES),
    tested("2.6-U7", "need_bring_pic false without a photo: stored, never matched", NO_PHOTO),
    tested("2.6-U8", "ext_info comes back unchanged", NO_PHOTO),
];
