//! Cameras: frames, streams, passages.

/// Longest side of a camera frame, px: 8K video. Anything larger is a broken header.
pub const FRAME_SIDE_MAX_PX: u32 = 8192;
/// Shortest side of a camera frame, px: a face that can be recognised does not fit into less.
pub const FRAME_SIDE_MIN_PX: u32 = 16;
/// Regions of interest of one camera; a hall with more doors than that has more cameras.
pub const REGIONS_MAX: usize = 8;

/// Capture devices of one box; the original takes ten, eight cameras are the mission, sixty-four leave room.
pub const DEVICES_MAX: usize = 64;
/// First and longest wait before a stream is opened again: a person in front of a camera that is back should not wait
/// longer than ten seconds, opening the stream and its next key frame included.
pub const STREAM_BACKOFF_MS: (u64, u64) = (1_000, 3_000);
/// The same after a wrong user or password: cameras of the big makers lock an account for half an hour after five to
/// seven wrong tries.
pub const UNAUTHORIZED_BACKOFF_MS: (u64, u64) = (60_000, 900_000);
/// How often streams are checked for silence.
pub const STREAM_TICK_MS: u64 = 250;
/// How often the processor time of streams goes into the metrics: a dozen small files a camera are read for it.
pub const COST_TICK_MS: u64 = 2_000;

/// Encoded pictures of a main stream are kept this long: a group of pictures of a usual camera.
pub const MAIN_STREAM_KEPT_MS: u64 = 2_000;
/// Memory for the encoded pictures of one main stream: a key frame every two seconds at 12 Mbit/s is 3 MB.
pub const MAIN_STREAM_BYTES_MAX: usize = 24 * 1024 * 1024;
/// How late a picture of the main stream may come behind the analysed stream.
pub const MAIN_STREAM_LATE_MS: u64 = 100;
/// How far from the wanted moment a picture of the main stream may be.
pub const MAIN_STREAM_OFF_MAX_MS: u64 = 700;
/// How long decoding one picture of the main stream may take: a group of fifty 4K pictures on a slow core.
pub const MAIN_STREAM_DECODE_MS: u64 = 3_000;
/// First and longest wait before a main stream is opened again; a wrong password counts too, hence the length.
pub const MAIN_STREAM_BACKOFF_MS: (u64, u64) = (2_000, 60_000);

/// Shots of one passage whose embeddings are kept and fused: beyond eight a mean hardly moves. Also the shots in an
/// event's explanation: eight shots with [`EXPLAINED_BEST`] people each are about 3 KB.
pub const SHOTS_KEPT: usize = 8;
/// People an explanation names for each shot.
pub const EXPLAINED_BEST: usize = 3;
/// Longest part of an id that an explanation repeats, in characters.
pub const EXPLAINED_ID_CHARS_MAX: usize = 64;
/// Ended passages of one camera that are remembered for a moment, to recognise a left-over piece of one. More people than
/// this do not leave one picture within seconds.
pub const PASSAGES_REMEMBERED: usize = 16;
/// How often passages of quiet cameras are checked for their end.
pub const PASSAGE_TICK_MS: u64 = 250;

/// Samples a pixel and side where a face is made small for the networks that estimate age and gender: enough for a face of
/// 500 px; of a larger one, rarely sent, the finest lines are skipped.
pub const ATTRIBUTE_SAMPLES_MAX: usize = 8;

/// Port of RTSP where an address names none.
pub const RTSP_PORT: u16 = 554;
/// How long a camera may take to take a connection.
pub const RTSP_CONNECT_MS: u64 = 4_000;
/// How long a request, or packets for the decoder, may take to be taken.
pub const RTSP_WRITE_MS: u64 = 10_000;
/// Longest time without a request on a camera's connection, whatever time it gives a session: routers on the way forget a
/// connection that is quiet in one direction.
pub const RTSP_ALIVE_MS_MAX: u64 = 30_000;
/// Requests under way on one connection: more means that none is answered.
pub const RTSP_PENDING_MAX: usize = 16;
/// How long packets may come without a picture: key frames of recorders and of encoders that save bandwidth are up to a minute
/// apart.
pub const KEY_FRAME_WAIT_MS: u64 = 90_000;
