//! The FTP server that cameras upload photos to.

/// Longest line of the control connection a client may send before it is cut off: the longest path and a command.
pub const FTP_LINE_BYTES_MAX: usize = 512;
/// Longest path, in bytes.
pub const FTP_PATH_BYTES_MAX: usize = 255;
/// Folders inside folders: cameras make channel, year, month, day and hour.
pub const FTP_DEPTH_MAX: usize = 16;
/// Sessions at all: one costs a kilobyte.
pub const FTP_SESSIONS_MAX: usize = 128;
/// Sessions of one address: cameras behind one router share an address.
pub const FTP_SESSIONS_PER_ADDRESS: usize = 24;
/// Sessions of one account: a camera has one or two, and leaves some behind when it is switched off.
pub const FTP_SESSIONS_PER_ACCOUNT: usize = 8;
/// Uploads under way at one time, each of which may hold a whole photo: 16 × 12 MB at the very worst.
pub const FTP_UPLOADS_AT_ONCE: usize = 16;
/// Time to log in.
pub const FTP_LOGIN_MS: u64 = 30_000;
/// Silence after which a session ends: cameras keep one open between two photos.
pub const FTP_IDLE_MS: u64 = 300_000;
/// Time a data connection has to come about.
pub const FTP_DATA_CONNECT_MS: u64 = 10_000;
/// Time without a byte that ends an upload.
pub const FTP_STALL_MS: u64 = 5_000;
/// Time an upload may take in all.
pub const FTP_UPLOAD_MS: u64 = 30_000;
/// Wait before a wrong password is answered.
pub const FTP_WRONG_LOGIN_DELAY_MS: u64 = 2_000;
/// Tries to log in of one session.
pub const FTP_LOGIN_TRIES: u32 = 3;
/// Wrong passwords of one address before it is shut out for a while. A camera with a wrong password tries every few seconds
/// for ever, and its neighbours may share its address.
pub const FTP_WRONG_LOGINS_MAX: u32 = 10;
/// How long an address is shut out.
pub const FTP_LOCKOUT_MS: u64 = 60_000;
/// Addresses with wrong passwords that are remembered.
pub const FTP_ADDRESSES_REMEMBERED: usize = 1_000;
/// Wait when no connection can be accepted.
pub const FTP_ACCEPT_RETRY_MS: u64 = 200;
/// Time to say that a data connection has ended: one packet, which nobody has to wait for.
pub const FTP_FAREWELL_MS: u64 = 2_000;
