//! The gallery, and the swap of its model.

/// Features the gallery holds unless configured otherwise: protocol section 10 promises 50 000; hundreds of
/// thousands are the mission. A row of 128 takes 128 × (4 + 1) bytes and as much again for the person's record.
pub const GALLERY_CAPACITY: usize = 300_000;
/// What can be configured: 5 million × 900 bytes = 4.5 GB, all a box has.
pub const GALLERY_CAPACITY_MAX: usize = 5_000_000;
/// Strangers one box can be configured to keep: as many faces as the original promises at all.
pub const STRANGERS_MAX: usize = 50_000;

/// People read, embedded and committed together while the registry is embedded with another model: one flush for many;
/// stopping waits for one such chunk, some seconds.
pub const REEMBED_CHUNK: usize = 64;
/// A swap changes over when no more people than this are still to be embedded: enrolments wait for them, a second or two.
pub const SWAP_LEFT_MAX: usize = 64;
/// Of the people a swap embeds, one in this many may have a photo the new model fails to embed; a model that fails more
/// often is refused.
pub const NOT_EMBEDDED_ONE_IN: u64 = 20;
/// This many may fail in any case: a small registry has no shares.
pub const NOT_EMBEDDED_FREE: u64 = 3;
/// Of those, how many are listed by id; the rest are counted.
pub const NOT_EMBEDDED_LISTED: usize = 100;
/// People two models are compared on before a swap: 200 make 19 900 pairs.
pub const SWAP_SAMPLE: usize = 200;
/// Pairs of two people, one in ..., that the new model may take for one person where the old one does not. Both have a
/// false match rate of about one in 10 000 at their thresholds; a model that mixes people up lies far above.
pub const SWAP_CONFUSED_ONE_IN: usize = 100;
/// Embedding a stranger's picture again because the model was swapped meanwhile: it must not wait for workers that wait
/// for the registry.
pub const STRANGER_AGAIN_TIMEOUT_MS: u64 = 5_000;
/// Tries when the model is swapped between a photo's embedding and its search.
pub const SWAP_RACE_TRIES: u32 = 3;

/// Longest id of a person, permission group, door command or device, in bytes: numbers, UUIDs and card numbers have up to 64.
pub const ID_BYTES_MAX: usize = 256;
/// Longest name of a person or permission group, in bytes: eighty Chinese characters, four times over.
pub const NAME_BYTES_MAX: usize = 1024;
/// Permission groups of one person; sites have some hundred in all.
pub const PERSON_GROUPS_MAX: usize = 1_000;
/// A person's `info` as JSON: what the platform keeps of a visitor, without the photo, has some kilobytes. It is in every record and
/// every event of the person.
pub const INFO_BYTES_MAX: usize = 64 * 1024;
/// Permission groups of a box.
pub const GROUPS_MAX: usize = 10_000;
