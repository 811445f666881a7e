//! Photos: of the registry, and of snapshot cameras and photo terminals.

/// Longest side of a registry photo before decoding, px: such a side already means 268 MP; phones give 12 000.
pub const PHOTO_SIDE_MAX_PX: u32 = 16_384;
/// Most pixels a registry photo may decode to: 64 MP × 3 bytes = 192 MB, transient, one a worker.
pub const PHOTO_PIXELS_MAX: u64 = 64_000_000;
/// Most pixels a photo of a device may decode to. Terminals and snapshot cameras send 2 to 12 MP, the largest 20; an empty PNG
/// of some kilobytes may say 64 MP, and keeps a vision thread from everybody else for seconds.
pub const DEVICE_PHOTO_PIXELS_MAX: u64 = 24_000_000;
/// Largest registry photo file: the field's platforms send 50–500 KB; 12 MB covers a phone's best JPEG.
pub const PHOTO_BYTES_MAX: usize = 12 * 1024 * 1024;
/// Smallest face of a registry photo, shorter side, whatever the level: it is brought to 112 px for the embedder, and from
/// fewer pixels than these most of that is made up.
pub const ENROLLED_FACE_MIN_PX: f32 = 20.0;
/// Faces one person may be enrolled with: from the front, from both sides, with and without glasses. Each costs a row in every
/// search.
pub const FACES_PER_PERSON_MAX: usize = 5;
/// Photos handed to the vision workers and not yet begun; each holds at most [`PHOTO_BYTES_MAX`].
pub const PHOTO_JOBS_WAITING: usize = 8;

/// Most pixels the pictures of one passage may decode to together: the largest scene and the faces cut out of it. Eight of
/// the largest pictures in one form would keep a vision thread for seconds.
pub const PHOTO_FORM_PIXELS_MAX: u64 = 36_000_000;

/// Photos of snapshot cameras and terminals handed to the vision workers and not yet begun. Ten of each at once leave
/// twelve places; each photo holds at most [`PHOTO_BYTES_MAX`], as a rule half a megabyte. Beyond, the sender has to try
/// again.
pub const PHOTO_PASSAGES_WAITING: usize = 32;
/// Those of one device: half of the places, so that a device that sends without pause leaves the other half to the others. The
/// longest burst of a snapshot camera is ten.
pub const PHOTO_PASSAGES_OF_DEVICE: usize = PHOTO_PASSAGES_WAITING / 2;
/// Bytes of those photos together: room for thirty-two of 2 MB.
pub const PHOTO_PASSAGES_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Bytes of the photos of one device, by the same rule; a single larger photo is taken while the device has no other.
pub const PHOTO_DEVICE_BYTES_MAX: usize = PHOTO_PASSAGES_BYTES_MAX / 2;
/// Faces of one photo that are recognised, the largest ones: a group at a gate, not a class picture.
pub const PHOTO_FACES_MAX: usize = 16;
/// People one device remembers to have reported within its de-duplication time.
pub const PHOTO_REPORTED_KEPT: usize = 128;
/// Longest de-duplication time: a day.
pub const PHOTO_DEDUP_S_MAX: u64 = 86_400;
/// Longest silence of a device that counts as online: a day.
pub const PHOTO_ONLINE_S_MAX: u64 = 86_400;
/// How long a sender waits for the result of a photo that was taken: a full queue behind live video takes seconds.
pub const PHOTO_ANSWER_TIMEOUT_MS: u64 = 20_000;
/// How long the answer to a photo waits for its event to be on disk, which as a rule takes some milliseconds. A disk that hangs keeps
/// nobody at the door.
pub const PHOTO_STORED_WAIT_MS: u64 = 1_000;
/// Photos received over HTTP at one time.
pub const PHOTO_POSTS_AT_ONCE: usize = 16;
/// Of one sender: ten terminals behind one address with one token, and room for everybody else.
pub const PHOTO_POSTS_PER_SENDER: usize = 12;
/// Time each of those may take: 12 MB over a slow radio link.
pub const PHOTO_POST_TIMEOUT_MS: u64 = 15_000;
/// Time a snapshot camera has for one picture.
pub const SNAPSHOT_TIMEOUT_MS: u64 = 5_000;
/// Body of a photo's POST: a photo of [`PHOTO_BYTES_MAX`] in base64, or a form with a face and its scene.
pub const PHOTO_POST_BYTES_MAX: usize = 17 * 1024 * 1024;
/// Parts of one form that are read: cameras send two to five, and one for each face of a group.
pub const PHOTO_FORM_PARTS_MAX: usize = 64;
/// Pictures of one form that are looked at, the faces first; each costs a detection.
pub const PHOTO_FORM_PICTURES_MAX: usize = 8;
/// Forms inside forms, texts inside texts: what devices nest is two deep.
pub const PHOTO_FORM_DEPTH_MAX: usize = 4;
/// Elements inside each other of an XML or JSON text; deeper ones are passed over.
pub const PHOTO_TEXT_DEPTH_MAX: usize = 64;
/// Longest text that may be the name of another part.
pub const PHOTO_PART_NAME_CHARS_MAX: usize = 200;
/// Names of other parts that the texts of one form may hold: an event of a face has some dozens of texts.
pub const PHOTO_FORM_NAMES_MAX: usize = 512;
