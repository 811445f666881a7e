//! Doors and their relays.

/// Oldest command for a door that is still carried out: a door that opens later opens for another person.
pub const DOOR_TTL_MS: u64 = 2_000;
/// Time a relay has to answer.
pub const RELAY_TIMEOUT_MS: u64 = 2_000;
/// Longest a door may be asked to stay open.
pub const DOOR_SECONDS_MAX: u32 = 3_600;
/// Outputs of one relay a device may name: the largest common Modbus boards have sixteen.
pub const RELAY_OUTPUTS_MAX: u16 = 16;
/// Bytes of one raw command; those of relay boards have four to twelve.
pub const RELAY_BYTES_MAX: usize = 64;
/// First and longest wait before "off" is sent again to a relay that did not take it: a door must not stay open because the
/// network was gone for a moment.
pub const RELAY_REST_BACKOFF_MS: (u64, u64) = (1_000, 10_000);
/// When sending "off" is given up: a relay that lost its power is at rest anyway.
pub const RELAY_REST_FOR_MS: u64 = 600_000;
/// Ids of door commands that are remembered, so that one which comes again is not carried out again.
pub const DOOR_IDS_KEPT: usize = 256;
/// Longest id of a door command.
pub const DOOR_ID_BYTES_MAX: usize = 64;
