//! Every bound in the program, each with its reason. Nothing else in the tree may invent one.

/// Longest side of a camera frame: 8K video; anything larger is a broken header.
pub const FRAME_SIDE_MAX_PX: u32 = 8192;
/// Smallest side: a face that can be recognised does not fit into less.
pub const FRAME_SIDE_MIN_PX: u32 = 16;
/// Regions of interest of one camera; a hall with more doors than that has more cameras.
pub const REGIONS_MAX: usize = 8;

/// Longest side of a registry photo before decoding: a 16 384 px side already means 268 MP; phones give 12 000.
pub const PHOTO_SIDE_MAX_PX: u32 = 16_384;

/// Most pixels a registry photo may decode to: 64 MP × 3 bytes = 192 MB, transient, one a worker.
pub const PHOTO_PIXELS_MAX: u64 = 64_000_000;

/// Largest registry photo file: the field's platforms send 50–500 KB; 12 MB covers a phone's best JPEG.
pub const PHOTO_BYTES_MAX: usize = 12 * 1024 * 1024;

/// Shots of one passage whose embeddings are kept and fused: beyond eight a mean hardly moves. Also what an event's
/// explanation tells of: eight shots with [`EXPLAINED_BEST`] people each are about 3 KB.
pub const SHOTS_KEPT: usize = 8;
/// People an explanation names for each shot.
pub const EXPLAINED_BEST: usize = 3;
/// Longest part of an id that an explanation repeats.
pub const EXPLAINED_ID_CHARS_MAX: usize = 64;
/// Passages that have ended and are remembered for a moment, so that a piece of one that was left over is known for
/// what it is. More people than this do not leave one picture within seconds.
pub const PASSAGES_REMEMBERED: usize = 16;

/// Samples a pixel and side where a face is made small for the networks that guess age and gender: enough for a face of
/// 500 px; of a larger one, rarely sent, the finest lines are skipped.
pub const ATTRIBUTE_SAMPLES_MAX: usize = 8;

/// Unacknowledged commands the broker may hand over: one being carried out, one waiting, so that the link
/// never idles for a round trip; a command may hold 50 000 ids, so not more.
pub const COMMAND_PREFETCH: u16 = 2;

/// Unacknowledged FIQA commands the broker may hand over: one for each core of the smallest box. Not more, so that
/// boxes sharing a queue share the work.
pub const FIQA_PREFETCH: u16 = 2;
/// FIQA commands carried out at the same time.
pub const FIQA_WIDTH: usize = FIQA_PREFETCH as usize;

/// Mailbox of the MQ link: the prefetch window, timers, and answers of its own tasks.
pub const MQ_LINK_MAILBOX: usize = 32;
/// Mailbox of the registry: one command of the link, a few of the local API.
pub const REGISTRY_MAILBOX: usize = 32;
/// Mailbox of the face engine: photo jobs wait here before [`PHOTO_JOBS_WAITING`] workers' places.
pub const FACE_ENGINE_MAILBOX: usize = 64;
/// Mailbox of the device manager: notices of some tens of cameras.
pub const DEVICES_MAILBOX: usize = 256;
/// Mailbox of the reporter: passages wait in [`PASSAGE_FACTS_WAITING`] when it is full.
pub const REPORTER_MAILBOX: usize = 64;

/// Photos handed to the vision workers and not yet begun; each holds at most [`PHOTO_BYTES_MAX`].
pub const PHOTO_JOBS_WAITING: usize = 8;

/// Photos of snapshot cameras and terminals handed to the vision workers and not yet begun. Ten of each at once leave
/// twelve places; each photo holds at most [`PHOTO_BYTES_MAX`], as a rule half a megabyte. Beyond, the sender is told to
/// try again.
pub const PHOTO_PASSAGES_WAITING: usize = 32;
/// And what they may weigh together: room for thirty-two photos of 2 MB.
pub const PHOTO_PASSAGES_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Faces of one photo that are recognised, the largest ones: a group at a gate, not a class picture.
pub const PHOTO_FACES_MAX: usize = 16;
/// People one device remembers to have told of within its de-duplication time.
pub const PHOTO_TOLD_KEPT: usize = 128;
/// Longest de-duplication time, and longest silence of a device that counts as online: a day.
pub const PHOTO_DEDUP_S_MAX: u64 = 86_400;
pub const PHOTO_ONLINE_S_MAX: u64 = 86_400;
/// Time a sender waits for what becomes of a photo that was taken: a full queue behind live video takes seconds.
pub const PHOTO_ANSWER_TIMEOUT_MS: u64 = 20_000;
/// Photos being received over HTTP at one time, and the time each may take: 12 MB over a slow radio link.
pub const PHOTO_POSTS_AT_ONCE: usize = 16;
pub const PHOTO_POST_TIMEOUT_MS: u64 = 15_000;

/// A WS-Discovery datagram: SOAP over UDP allows no more. Answers read in one search, to stop a flood: 256 cameras that answer
/// three questions, asked three times, make 2 304.
pub const ONVIF_DATAGRAM_BYTES_MAX: usize = 32_767;
pub const ONVIF_ANSWERS_MAX: usize = 4_096;
/// Answers that wait to be read while others are: a building's cameras answer within the same half second.
pub const ONVIF_ANSWERS_WAITING: usize = 256;
/// Cameras of one search: a whole /24 network. Matches of one answer: devices answer for themselves. Addresses kept of one camera:
/// it has two network cards with two kinds of addresses.
pub const ONVIF_CAMERAS_MAX: usize = 256;
pub const ONVIF_MATCHES_MAX: usize = 16;
pub const ONVIF_ADDRESSES_MAX: usize = 8;
/// Longest search: whoever has not answered by then was asked three times and is not there.
pub const ONVIF_SEARCH_S_MAX: u64 = 60;
/// Local addresses a search goes out from, each with a thread: boxes have four, machines full of containers some tens.
pub const ONVIF_INTERFACES_MAX: usize = 64;
/// SOAP answer over HTTP: a recorder tells 128 profiles of 6 KB.
pub const ONVIF_ANSWER_BYTES_MAX: usize = 2 * 1024 * 1024;
/// Profiles of one camera or recorder that are asked for: 64 channels with two each.
pub const ONVIF_PROFILES_MAX: usize = 128;
/// Elements inside elements (ONVIF's go ten deep), and namespaces declared at one place (cameras declare a hundred at the root).
pub const ONVIF_DEPTH_MAX: usize = 32;
pub const ONVIF_NAMESPACES_MAX: usize = 512;
/// Longest text of a camera that is shown: ONVIF names end at 64.
pub const ONVIF_TEXT_CHARS_MAX: usize = 120;
/// Time to find a camera's streams in all, to connect, and for one call: somebody on a ladder waits for it.
pub const ONVIF_LOOKUP_MS: u64 = 10_000;
pub const ONVIF_CONNECT_MS: u64 = 3_000;
pub const ONVIF_CALL_MS: u64 = 5_000;

/// Time a snapshot camera has for one picture.
pub const SNAPSHOT_TIMEOUT_MS: u64 = 5_000;

/// Control line of FTP: the longest path and a command; the longest line a client may send before it is cut off.
pub const FTP_LINE_BYTES_MAX: usize = 512;
pub const FTP_PATH_BYTES_MAX: usize = 255;
/// Folders inside folders: cameras make channel, year, month, day and hour.
pub const FTP_DEPTH_MAX: usize = 16;
/// FTP sessions at all, and of one address: a session costs a kilobyte, and cameras behind one router share an address.
pub const FTP_SESSIONS_MAX: usize = 128;
pub const FTP_SESSIONS_PER_ADDRESS: usize = 24;
/// Uploads under way at one time, each of which may hold a whole photo: 16 × 12 MB at the very worst.
pub const FTP_UPLOADS_AT_ONCE: usize = 16;
/// Time to log in; silence after which a session ends (cameras keep one open between two photos); time a data connection
/// has to come about; time without a byte, and time in all, that an upload may take.
pub const FTP_LOGIN_MS: u64 = 30_000;
pub const FTP_IDLE_MS: u64 = 300_000;
pub const FTP_DATA_CONNECT_MS: u64 = 10_000;
pub const FTP_STALL_MS: u64 = 5_000;
pub const FTP_UPLOAD_MS: u64 = 30_000;
/// Wait before a wrong password is answered; tries of one session; and wrong ones of an address, after which it is shut out
/// for a while. A camera with a wrong password tries every few seconds for ever, and its neighbours may share its address.
pub const FTP_WRONG_LOGIN_DELAY_MS: u64 = 2_000;
pub const FTP_LOGIN_TRIES: u32 = 3;
pub const FTP_WRONG_LOGINS_MAX: u32 = 10;
pub const FTP_LOCKOUT_MS: u64 = 60_000;
/// Addresses with wrong passwords that are remembered.
pub const FTP_ADDRESSES_REMEMBERED: usize = 1_000;
/// Wait when no connection can be accepted.
pub const FTP_ACCEPT_RETRY_MS: u64 = 200;

/// Passages on their way from the vision workers to the disk. Each holds two JPEGs (about 300 KB); when full,
/// the workers wait and cameras drop frames, but no passage is lost.
pub const PASSAGE_FACTS_WAITING: usize = 64;

/// People whose photos are fetched and judged at the same time: enough to hide network latency, few enough
/// that photos in memory stay below 8 × [`PHOTO_BYTES_MAX`].
pub const ENROL_CONCURRENCY: usize = 8;

/// People committed in one database transaction while enrolling: one flush for many, little lost time on a crash.
pub const ENROL_COMMIT_CHUNK: usize = 64;

/// Ids asked for in one call for user details: about 100 × 500 KB of base64 photos at worst.
pub const USER_DETAILS_CHUNK: usize = 100;

/// Largest answer with user details: [`USER_DETAILS_CHUNK`] users with inline photos of 500 KB, base64.
pub const USER_DETAILS_BYTES_MAX: usize = 96 * 1024 * 1024;

/// Largest login document: it is a few kilobytes; a login page of a proxy may be larger and is no document.
pub const LOGIN_BYTES_MAX: usize = 1024 * 1024;

/// Time to establish any HTTP connection on a local network.
pub const HTTP_CONNECT_TIMEOUT_MS: u64 = 5_000;
/// Time for a login or user-details call.
pub const HTTP_CALL_TIMEOUT_MS: u64 = 20_000;
/// Time for one registry photo: 12 MB over a slow uplink; a server that hangs costs no more than this.
pub const PHOTO_DOWNLOAD_TIMEOUT_MS: u64 = 10_000;
/// Time for a report that will be retried.
pub const REPORT_TIMEOUT_MS: u64 = 15_000;

/// How often a command that waits for a new login looks for it.
pub const SESSION_LOOK_MS: u64 = 250;
/// Rejections within this time after a login concern the token before it.
pub const SESSION_SETTLE_MS: u64 = 2_000;
/// New logins one call is worth: who rejects every token means something else by it.
pub const SESSION_RENEWALS_MAX: u32 = 2;
/// Tries to fetch the details of one chunk of users, and the wait between them: a platform that restarts behind
/// its proxy answers 502 for some seconds.
pub const USER_DETAILS_TRIES: u32 = 3;
pub const USER_DETAILS_RETRY_MS: u64 = 1_500;

/// First and longest wait between logins, and between broker connections.
pub const LOGIN_BACKOFF_MS: (u64, u64) = (1_000, 60_000);
pub const BROKER_BACKOFF_MS: (u64, u64) = (500, 15_000);
/// First and longest wait between tries of one report.
pub const REPORT_BACKOFF_MS: (u64, u64) = (1_000, 60_000);

/// Time for TCP, TLS and AMQP handshakes with the broker together.
pub const BROKER_CONNECT_TIMEOUT_MS: u64 = 15_000;
/// Time for a publisher confirm; a confirm in flight when a broker dies never comes.
pub const BROKER_CONFIRM_TIMEOUT_MS: u64 = 15_000;
/// AMQP heartbeat: a half-open connection is found within twice this, by the box and by the broker.
pub const BROKER_HEARTBEAT_S: u16 = 5;
/// How long another consumer of the command queue is taken for an old connection of this box that the broker has not
/// missed yet: three times what the broker takes to miss one.
pub const EXCLUSIVE_WAIT_MS: u64 = 30_000;
pub const EXCLUSIVE_RETRY_MS: u64 = 1_000;

/// Events sent to one history receiver in one cycle (protocol section 8).
pub const HISTORY_BATCH: usize = 100;
/// History bodies made ahead of the one being sent: enough to hide the disk and base64 behind the network, few
/// enough that they stay below 4 × 1 MB a receiver.
pub const HISTORY_AHEAD: usize = 4;
/// History receivers of one box, those of the login and those of its own together; each has a task and a line.
pub const HISTORY_RECEIVERS_MAX: usize = 16;
/// Tries before an event that a receiver refuses for good may be set aside, and the least time they spread over:
/// a platform that is being updated answers nonsense for some seconds.
pub const REFUSED_TRIES: u32 = 5;
pub const REFUSED_SPREAD_MS: u64 = 10_000;
/// First and longest wait between such tries: the line stands still meanwhile.
pub const REFUSED_BACKOFF_MS: (u64, u64) = (1_000, 8_000);
/// Refused events in a row that are still taken for poison records; more are a receiver that refuses everything.
pub const REFUSED_RUN_MAX: usize = 100;
/// Events set aside that are asked for, or tried again, at a time.
pub const SET_ASIDE_PAGE: usize = 100;
/// First and longest wait before a receiver that rejects fresh tokens may ask for a login again: one that answers
/// 403 to everything must not keep the link from its work.
pub const RELOGIN_ASK_MS: (u64, u64) = (5_000, 600_000);

/// Real-time pushes in flight; more are dropped, counted, and arrive as history.
pub const REALTIME_PUSHES_MAX: usize = 64;
/// Oldest match that is still news: what waited longer (for a slow disk, a restarting part) would open a door for
/// somebody who has gone. It arrives as history.
pub const REALTIME_TTL_MS: u64 = 5_000;

/// Features the gallery holds unless configured otherwise: protocol section 10 promises 50 000; hundreds of
/// thousands are the mission. A row of 128 takes 128 × (4 + 1) bytes and as much again for who it is.
pub const GALLERY_CAPACITY: usize = 300_000;
/// What can be configured: 5 million × 900 bytes = 4.5 GB, all a box has.
pub const GALLERY_CAPACITY_MAX: usize = 5_000_000;

/// Strangers one box can be told to keep: as many faces as the original promises at all.
pub const STRANGERS_MAX: usize = 50_000;

/// Restarts of one actor within [`RESTART_WINDOW_MS`] before the process gives up and exits non-zero,
/// so that systemd starts it afresh.
pub const RESTARTS_MAX: usize = 5;
pub const RESTART_WINDOW_MS: u64 = 60_000;

/// Capture devices of one box; the original takes ten, eight cameras are the mission, sixty-four leave room.
pub const DEVICES_MAX: usize = 64;
/// First and longest wait before a stream is built again: whoever stands before a camera that is back should not wait
/// longer than ten seconds for it, opening it and its next key frame included.
pub const STREAM_BACKOFF_MS: (u64, u64) = (1_000, 3_000);
/// The same where the camera does not know the user or the password: cameras of the big makers lock an account for half
/// an hour after five to seven wrong tries.
pub const UNAUTHORIZED_BACKOFF_MS: (u64, u64) = (60_000, 900_000);
/// Encoded pictures of a main stream that are kept, and the memory they may take: a key frame every two seconds at 12 Mbit/s
/// is 3 MB. How late they may come behind the stream that is looked at, how far off a picture may be, and how long
/// decoding one may take: a group of fifty 4K pictures on a slow core.
pub const MAIN_VIEW_KEPT_MS: u64 = 2_000;
pub const MAIN_VIEW_BYTES_MAX: usize = 24 * 1024 * 1024;
pub const MAIN_VIEW_LATE_MS: u64 = 100;
pub const MAIN_VIEW_OFF_MAX_MS: u64 = 700;
pub const MAIN_VIEW_DECODE_MS: u64 = 3_000;
/// First and longest wait before it is opened again; a wrong password counts too, hence the length.
pub const MAIN_VIEW_BACKOFF_MS: (u64, u64) = (2_000, 60_000);
/// How often streams are looked at for silence.
pub const STREAM_TICK_MS: u64 = 250;
/// How often the processor time of streams goes into the metrics: a dozen small files a camera are read for it.
pub const COST_TICK_MS: u64 = 2_000;
/// How often passages of quiet cameras are looked at for their end.
pub const PASSAGE_TICK_MS: u64 = 250;
/// Oldest command for a door that is still carried out, and the time its relay has to answer: a door that opens
/// later opens for somebody else.
pub const DOOR_TTL_MS: u64 = 2_000;
pub const RELAY_TIMEOUT_MS: u64 = 2_000;
/// Longest a door may be asked to stay open.
pub const DOOR_SECONDS_MAX: u32 = 3_600;
/// Outputs of one relay a device may name: the largest common Modbus boards have sixteen.
pub const RELAY_OUTPUTS_MAX: u16 = 16;
/// Bytes of one raw command; those of relay boards have four to twelve.
pub const RELAY_BYTES_MAX: usize = 64;
/// First and longest wait before a relay that did not take "off" is told again, and when it is given up: a door must
/// not stay open because the network was gone for a moment, and a relay that lost its power is at rest anyway.
pub const RELAY_REST_BACKOFF_MS: (u64, u64) = (1_000, 10_000);
pub const RELAY_REST_FOR_MS: u64 = 600_000;
/// Ids of door commands that are remembered, so that one which comes again is not carried out again.
pub const DOOR_IDS_KEPT: usize = 256;
/// Longest id of a door command.
pub const DOOR_ID_BYTES_MAX: usize = 64;

/// Body of a local call with JSON: a user with a photo of [`PHOTO_BYTES_MAX`] in base64, or a hundred small ones.
pub const LOCAL_JSON_BYTES_MAX: usize = 17 * 1024 * 1024;
/// People and door commands of one local call; more come in several calls.
pub const LOCAL_USERS_MAX: usize = 100;
pub const LOCAL_ACTIONS_MAX: usize = 16;
/// People of one page of the local API.
pub const LOCAL_PAGE_MAX: usize = 1_000;
/// Event, history and monitor addresses set over the local API, each.
pub const LOCAL_URLS_MAX: usize = 8;
/// Time a local call waits for an actor; enrolling [`LOCAL_USERS_MAX`] people behind a long command takes longest.
pub const LOCAL_CALL_TIMEOUT_MS: u64 = 60_000;
/// Wait before the local API tries again to listen on a port that is taken.
pub const LOCAL_LISTEN_RETRY_MS: u64 = 5_000;

/// Events in memory while they cannot be stored, a full disk most of all; each holds two JPEGs (about 300 KB), so
/// 20 MB. When more come the oldest is given up, counted and loudly.
pub const EVENTS_WAITING_MAX: usize = 64;
/// How often storing them is tried again: soon enough to see a disk that was emptied, seldom enough to cost nothing.
pub const EVENT_RETRY_MS: u64 = 2_000;
/// Oldest events that everybody has, removed in one go to make room on a full disk: about 10 MB.
pub const MAKE_ROOM_EVENTS: u64 = 32;
/// Record of a person or event inside a picture file: a person with several features and a long `info`.
pub const PICTURE_RECORD_BYTES_MAX: u64 = 4 * 1024 * 1024;
/// People written in one transaction while a damaged registry is rebuilt from its photos.
pub const REBUILD_CHUNK: usize = 512;
/// Tries to store one event, for another reason than a full disk, before it is given up as lost, loudly: those
/// behind it must not wait for ever. A minute at [`EVENT_RETRY_MS`].
pub const EVENT_STORE_TRIES: u32 = 30;

/// Part of a dead letter that is kept: a list of 50 000 ids is about 2 MB, one photo of a phone 12 MB and not worth
/// it; a longer message is kept in part and cannot be replayed.
pub const DEAD_LETTER_BODY_BYTES_MAX: usize = 4 * 1024 * 1024;
/// The dead-letter log is turned over at this size; one old file is kept.
pub const DEAD_LETTER_FILE_BYTES_MAX: u64 = 32 * 1024 * 1024;
/// Dead letters in memory on their way to be carried out again: each may be [`DEAD_LETTER_BODY_BYTES_MAX`].
pub const REPLAYS_AT_ONCE: usize = 4;
/// How often the link looks for dead letters an operator wants carried out again.
pub const REPLAY_LOOK_MS: u64 = 2_000;

/// People read, embedded and committed together while the registry is embedded anew: one flush for many; stopping waits
/// for one such chunk, some seconds.
pub const REEMBED_CHUNK: usize = 64;
/// A swap changes over when no more people than this are still to be embedded: enrolments wait for them, a second or two.
pub const SWAP_LEFT_MAX: usize = 64;
/// Of the people a swap looks at, the share (one in ...) and number whose photo the new model may fail to embed; a model
/// that fails more often is refused.
pub const NOT_EMBEDDED_ONE_IN: u64 = 20;
pub const NOT_EMBEDDED_FREE: u64 = 3;
/// Of those, how many are listed by id; the rest are counted.
pub const NOT_EMBEDDED_LISTED: usize = 100;
/// People two models are compared on before a swap: 200 make 19 900 pairs.
pub const SWAP_SAMPLE: usize = 200;
/// Pairs of two people, one in ..., that the new model may take for one person where the old one does not. Both have a
/// false match rate of about one in 10 000 at their marks; a model that mixes people up lies far above.
pub const SWAP_CONFUSED_ONE_IN: usize = 100;
/// Embedding a stranger's picture anew because the model was swapped meanwhile: it must not wait for workers that wait for
/// the registry.
pub const STRANGER_AGAIN_TIMEOUT_MS: u64 = 5_000;
/// Tries when the model is swapped between a photo's embedding and its search.
pub const SWAP_RACE_TRIES: u32 = 3;
