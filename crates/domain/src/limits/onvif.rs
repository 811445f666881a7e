//! ONVIF: finding cameras and asking one for its streams. What answers is not trusted.

/// Largest WS-Discovery datagram: SOAP over UDP allows no more.
pub const ONVIF_DATAGRAM_BYTES_MAX: usize = 32_767;
/// Answers read in one search, to stop a flood: 256 cameras that answer three questions, asked three times, make 2 304.
pub const ONVIF_ANSWERS_MAX: usize = 4_096;
/// Answers that wait to be read while others are: a building's cameras answer within the same half second.
pub const ONVIF_ANSWERS_WAITING: usize = 256;
/// Cameras of one search: a whole /24 network.
pub const ONVIF_CAMERAS_MAX: usize = 256;
/// Matches of one answer: devices answer for themselves.
pub const ONVIF_MATCHES_MAX: usize = 16;
/// Addresses kept of one camera: two network cards with two kinds of addresses, and room.
pub const ONVIF_ADDRESSES_MAX: usize = 8;
/// Longest search: a camera that has not answered by then was asked three times and is not there.
pub const ONVIF_SEARCH_S_MAX: u64 = 60;
/// Local addresses a search goes out from, each with a thread: boxes have four, machines full of containers some tens.
pub const ONVIF_INTERFACES_MAX: usize = 64;
/// SOAP answer over HTTP: a recorder lists 128 profiles of 6 KB.
pub const ONVIF_ANSWER_BYTES_MAX: usize = 2 * 1024 * 1024;
/// Profiles of one camera or recorder that are asked for: 64 channels with two each.
pub const ONVIF_PROFILES_MAX: usize = 128;
/// Elements inside elements; ONVIF's go ten deep.
pub const ONVIF_DEPTH_MAX: usize = 32;
/// Namespaces declared at one place; cameras declare a hundred at the root.
pub const ONVIF_NAMESPACES_MAX: usize = 512;
/// Longest text of a camera that is shown, in characters: ONVIF names end at 64.
pub const ONVIF_TEXT_CHARS_MAX: usize = 120;
/// Time to find a camera's streams in all: an installer on a ladder waits for it.
pub const ONVIF_LOOKUP_MS: u64 = 10_000;
/// Time to connect to a camera.
pub const ONVIF_CONNECT_MS: u64 = 3_000;
/// Time for one call.
pub const ONVIF_CALL_MS: u64 = 5_000;
