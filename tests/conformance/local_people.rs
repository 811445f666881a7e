//! The local API as published: people, registry groups, photos, and the lookups of ids. Sections are the published pages;
//! `SAMPLE` is the vendor's registration flow.

use crate::row::{Row, tested};

const LIST: &str = "local_groups::groups_are_kept_by_name_and_the_default_one_always";
const MEMBERS: &str = "local_groups::a_device_recognises_the_people_of_its_registry_group";
const LEAVING: &str = "local_groups::people_leave_with_their_only_group_where_that_is_asked_for";
const PERSON: &str = "local_users::a_person_is_added_listed_changed_and_deleted_as_published";
const AGAIN: &str = "local_users::a_person_who_is_there_is_changed_only_where_that_is_asked_for";
const PERMISSIONS: &str = "local_users::unknown_permission_groups_are_made_only_where_that_is_asked_for";
const LEVELS: &str = "local_users::levels_photos_and_features_as_the_call_says";
const FACES: &str = "local_users::faces_of_a_person_are_replaced_or_added_as_the_call_says";
const NO_PHOTOS: &str = "local_users::photos_are_not_given_out_where_that_is_configured";

pub const ROWS: &[Row] = &[
    tested("4.2-1", "POST groups: group_name, description, info -> info {description, name}", LIST),
    tested("4.2-1", "POST groups: a name that is taken, empty or has a comma is 40012", LIST),
    tested("4.2-2", "GET groups: all, or that of group_name -> groups_list [{name, description}]", LIST),
    tested("5.2-2", "GET groups: skip_num, limit -> pagination, entries with group_id, groupname", LIST),
    tested("4.2-3", "PUT groups: group_name, description, info change that one", LIST),
    tested("4.2-4", "DELETE groups: group_name -> group_name, message; people stay", LEAVING),
    tested("4.2-4", "DELETE groups: user_recursive_delete takes who is in no other group", LEAVING),
    tested("4.2-4", "default_group is always there and cannot be deleted", LIST),
    tested("4.2-5", "PUT GroupUsers: group_name, identity_id -> group_name, message", MEMBERS),
    tested(
        "4.2-5",
        "PUT GroupUsers: with_identity_id -> identity_id, all who are in the group then",
        MEMBERS,
    ),
    tested("4.2-5", "PUT GroupUsers: an unknown id fails the call, 40401, nothing is changed", MEMBERS),
    tested("4.2-6", "DELETE GroupUsers: the same without the removed, who stay stored", MEMBERS),
    tested("4.2", "a device compares with its registry group, events name it", MEMBERS),
    tested(
        "4.3-1",
        "POST users: identity_id, reg_photo, info -> identity_id, reg_photo, group_name, info",
        PERSON,
    ),
    tested("4.3-1", "POST users: info {name, type, permission_ids, user_id, others}", PERSON),
    tested("4.3-1", "POST users: group_name, several with commas; an unknown one is 40012", AGAIN),
    tested("4.3-1", "POST users: ignore_exist false is 40011, true updates and adds the group", AGAIN),
    tested("4.3-1", "POST users: create_no_exit_permission makes groups of unknown ids", PERMISSIONS),
    tested("5.3-1", "POST users: support_single_face", FACES),
    tested("5.3-1", "POST users: need_bring_pic false without a photo", LEVELS),
    tested("5.3-1", "POST users: import_mode, feature are refused, 40010", LEVELS),
    tested("5.3-1", "POST users: fiqa_level high, middle, low, custom, no", LEVELS),
    tested("5.3-1", "POST users: info.ext_info comes back", PERSON),
    tested("4.3-2", "GET users: identity_id (which wins) or group_name -> identities_list", AGAIN),
    tested("4.3-2", "GET users: limit, skip_num count people", AGAIN),
    tested("4.3-2", "GET users: identity_id, reg_photo, group_name (a list), info with image_id", PERSON),
    tested("4.3-2", "GET users: photos only where local_api.photos allows", NO_PHOTOS),
    tested("4.3-3", "PUT users: identity_id, reg_photo (empty: kept), info merged", PERSON),
    tested("4.3-3", "PUT users -> identity_id, image_id, group_name (a list), info", PERSON),
    tested("4.3-4", "DELETE users: identity_id in the body -> identity_id, group_name, message", PERSON),
    tested("5.3-4", "DELETE users: identity_ids -> identity_ids", AGAIN),
    tested("4.3", "a person and a list of people in one body are 40091", AGAIN),
    tested("5.4", "GET SophonFace/api/images/{image_id}: the photo as it came, with its type", PERSON),
    tested("SAMPLE", "GET SophonFace/api/groups: info.name, exact -> data is a list of {_id, info}", LIST),
];
