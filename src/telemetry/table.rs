//! Every metric of the box: name, unit, labels and meaning, declared once.
//!
//! From here they are described to the recorder, and `docs/reference/metrics.md` is made of it.

use super::declare::{self, Declared, Former, Kind, Metric, Unit, declare};

declare! {
    // Capture
    DEVICE_ONLINE = Gauge "menshen_device_online", Flag, [device],
        "1 while frames arrive from the device, NaN once it has been removed",
        "设备有画面到达时为 1，设备删除后为 NaN";
    FRAMES = Counter "menshen_frames_total", Count, [device],
        "Frames received from the device", "从设备收到的帧数";
    FRAMES_DROPPED = Counter "menshen_frames_dropped_total", Count, [device],
        "Frames overwritten by newer ones before a vision worker was free; grows when the machine is too slow",
        "处理线程空闲之前被新帧覆盖的帧数；机器过慢时增长";
    FRAMES_SKIPPED = Counter "menshen_frames_skipped_total", Count, [device],
        "Frames left out before decoding because the device was behind; only those no other frame refers to",
        "因处理落后而在解码前跳过的帧数（仅限不被其他帧参考的帧）";
    FRAMES_IDLE = Counter "menshen_frames_idle_total", Count, [device],
        "Frames not searched for faces because nothing moved and nobody unknown was present",
        "因画面静止且无未识别人员而未检测的帧数";
    STREAM_RECONNECTS = Counter "menshen_stream_reconnects_total", Count, [device],
        "Times the device's stream was opened again", "重新打开设备视频流的次数";
    MAIN_STREAM_UP = Gauge "menshen_main_stream_up", Flag, [device],
        "1 while the device's main stream is received; only for devices with main_url",
        "主码流正常接收时为 1（仅限配置了 main_url 的设备）";
    MAIN_PICTURES = Counter "menshen_main_pictures_total", Count, [device, result],
        "Event pictures requested from the main stream, by result: ok, missing",
        "向主码流请求的事件图片，按结果：ok、missing";

    // Recognition
    CPU_SECONDS = SecondsCounter "menshen_cpu_seconds_total", Seconds, [device, stage],
        "Processor time by device and stage: decode, motion, detect, measure, align, embed, liveness, \
         attributes, search, encode, decode_main_stream, decode_photo",
        "各设备各环节的处理器时间：decode、motion、detect、measure、align、embed、liveness、attributes、search、\
         encode、decode_main_stream、decode_photo",
        formerly "menshen_cpu_microseconds_total"
        [stage: "motion" was "glance", stage: "decode_main_stream" was "main_picture"];
    INFERENCE_SECONDS = Histogram "menshen_inference_seconds", Seconds, [stage],
        "Elapsed time by stage: those of menshen_cpu_seconds_total but decode, and frame, photo, photo_passage, fiqa, find \
         for the whole of one. Here motion is still called glance, and decode_main_stream main_picture",
        "各环节耗时：menshen_cpu_seconds_total 的各环节（decode 除外），以及整体 frame、photo、photo_passage、fiqa、find。此处 motion \
         仍名为 glance，decode_main_stream 仍名为 main_picture";
    FACES = Counter "menshen_faces_total", Count, [device],
        "Faces tracked in video or found in photos", "视频中跟踪到的及照片中检出的人脸数";
    FACES_REFUSED = Counter "menshen_faces_refused_total", Count, [device, check],
        "Faces that failed a quality check, by check: face_size, headpose, occlusion, clarity, mask, partial, brightness",
        "未通过质量检查的人脸，按检查项：face_size、headpose、occlusion、clarity、mask、partial、brightness";
    MATCHES = Counter "menshen_matches_total", Count, [device],
        "Passages in which a person was recognised", "识别出人员的通行次数";
    UNRECOGNISED = Counter "menshen_unrecognised_total", Count, [device, reason],
        "Passages in which nobody was recognised, by reason: too_small, turned_away, blurred, lighting, partial, covered, \
         too_brief, no_shot, below_threshold, too_close, not_in_group, expired, not_live",
        "未识别出人员的通行次数，按原因：too_small、turned_away、blurred、lighting、partial、covered、too_brief、no_shot、\
         below_threshold、too_close、not_in_group、expired、not_live";
    SHOTS_EMBEDDED_AGAIN = Counter "menshen_shots_embedded_again_total", Count, [],
        "Face shots embedded again because the embedding model changed during the passage",
        "通行期间更换特征模型而重新提取特征的抓拍数";
    MIXED_FEATURES = Counter "menshen_mixed_features_total", Count, [],
        "Searches refused because probe and gallery were of different models; must stay 0",
        "因特征与底库模型不一致而拒绝的检索次数；应始终为 0";
    VISION_ERRORS = Counter "menshen_vision_errors_total", Count, [kind],
        "Failures and panics of vision workers, by kind of work: frame, photo, attributes, swap",
        "视觉线程出错次数，按工作类型：frame、photo、attributes、swap";
    PHOTOS = Counter "menshen_photos_total", Count, [device, result],
        "Photos received from terminals and snapshot cameras, by result: recognised, stranger, not_live, duplicate, no_face, \
         undecodable, too_large, interrupted, queue_full, rate_limited, failed and others",
        "从拍照终端和抓拍机收到的照片，按结果：recognised、stranger、not_live、duplicate、no_face、undecodable、too_large、\
         interrupted、queue_full、rate_limited、failed 等";

    // People
    REGISTRY_PEOPLE = Gauge "menshen_registry_people", Count, [],
        "People enrolled", "已入库人数";
    REGISTRY_FEATURES = Gauge "menshen_registry_features", Count, [],
        "Face features in the gallery", "底库中的人脸特征数";
    ENROLMENTS = Counter "menshen_enrolments_total", Count, [result],
        "Enrolments of people, by result: ok, refused", "人员入库次数，按结果：ok、refused";
    ENROLMENTS_LOOKALIKE = Counter "menshen_enrolments_lookalike_total", Count, [],
        "People enrolled whose face the model could confuse with another person's",
        "入库时可能与他人混淆的人员数";
    STRANGERS_ENROLLED = Counter "menshen_strangers_enrolled_total", Count, [],
        "Strangers enrolled so that they are recognised when they return", "自动入库的陌生人数";
    STRANGERS_FORGOTTEN = Counter "menshen_strangers_forgotten_total", Count, [],
        "Strangers removed to make room for newer ones", "为新陌生人让位而删除的陌生人数";
    STRANGERS_FAILED = Counter "menshen_strangers_failed_total", Count, [],
        "Strangers that could not be enrolled", "自动入库失败的陌生人数";

    // Models
    MODEL_SWAPS = Counter "menshen_model_swaps_total", Count, [result],
        "Changes of the embedding model, by result: done, cancelled, refused",
        "更换特征模型的次数，按结果：done、cancelled、refused";
    MODEL_SWAP_PEOPLE_LEFT = Gauge "menshen_model_swap_people_left", Count, [],
        "People still to be embedded by a running change of the embedding model",
        "正在进行的模型更换中尚待提取特征的人数";
    PEOPLE_NOT_EMBEDDED = Gauge "menshen_people_not_embedded", Count, [],
        "People who are not recognised because the last change of the embedding model could not use their photos",
        "最近一次更换模型时照片不可用、因而无法识别的人数";
    MODELS_UNPREPARED = Counter "menshen_models_unprepared_total", Count, [],
        "Models run as published because their optimised file is missing or out of date; this is slower",
        "因缺少优化文件或文件过期而按原始文件运行的模型数（较慢）";
    EMBEDDER_FALLBACK = Gauge "menshen_embedder_fallback", Flag, [],
        "1 while an older embedding model runs because the chosen one could not be loaded",
        "所选特征模型无法加载而使用旧模型时为 1";
    ACCELERATOR_FAULTS = Counter "menshen_accelerator_faults_total", Count, [],
        "Times the accelerator failed and the processor took over", "加速器故障并改用处理器的次数";

    // Doors and photos by FTP
    DOOR_COMMANDS = Counter "menshen_door_commands_total", Count, [mode, result],
        "Door commands, by mode (opendoor, closedoor, alarm) and result (ok, failed, dropped)",
        "开门命令，按动作（opendoor、closedoor、alarm）和结果（ok、failed、dropped）";
    DOOR_REST_FAILURES = Counter "menshen_door_rest_failures_total", Count, [],
        "Failed attempts to switch a relay off again", "继电器复位失败的次数";
    FTP_SESSIONS = Gauge "menshen_ftp_sessions", Count, [],
        "Open FTP sessions", "当前 FTP 会话数";
    FTP_LOGINS = Counter "menshen_ftp_logins_total", Count, [result],
        "FTP logins, by result: ok, wrong", "FTP 登录次数，按结果：ok、wrong";
    FTP_REFUSED = Counter "menshen_ftp_refused_total", Count, [reason],
        "Connections and commands the FTP server refused, by reason: sessions, strangers (left for \
         others before they logged in), account_sessions, locked_out, long_line, foreign_port, foreign_data, no_port, no_photo, clear_text, \
         handshake",
        "FTP 服务拒绝的连接和命令，按原因：sessions、strangers（未登录，让位给他人）、account_sessions、locked_out、long_line、\
         foreign_port、foreign_data、no_port、no_photo、clear_text、handshake";

    // Events
    EVENTS = Counter "menshen_events_total", Count, [kind],
        "Events stored, by kind: match, stranger", "已保存的事件，按类型：match、stranger";
    EVENTS_LOST = Counter "menshen_events_lost_total", Count, [],
        "Events that could not be stored at all; must stay 0", "未能保存的事件；应始终为 0";
    EVENTS_DROPPED_UNSENT = Counter "menshen_events_dropped_unsent_total", Count, [],
        "Events removed by the storage limits before every receiver had them; must stay 0",
        "因存储上限在上报完成前被删除的事件；应始终为 0";
    EVENTS_ERASED = Counter "menshen_events_erased_total", Count, [],
        "Events erased together with the person they were of; not lost, and not sent any more",
        "随人员一并擦除的事件；不算丢失，也不再上报";
    PEOPLE_ERASED = Counter "menshen_people_erased_total", Count, [],
        "People erased with everything kept of them", "已彻底擦除（含全部留存数据）的人员数";
    EVENTS_WAITING = Gauge "menshen_events_waiting", Count, [],
        "Events in memory that could not be stored yet", "内存中尚未保存的事件数";
    EVENTS_STORED = Gauge "menshen_events_stored", Count, [],
        "Events kept on the box", "本机保存的事件数";
    EVENTS_STORED_BYTES = Gauge "menshen_events_stored_bytes", Bytes, [],
        "Space of the stored events, pictures included", "所存事件占用的空间（含图片）";
    OUTBOX_DEPTH = Gauge "menshen_outbox_depth", Count, [receiver],
        "Events a history receiver has not accepted yet", "历史接收方尚未接收的事件数";
    OUTBOX_OLDEST_AGE_SECONDS = Gauge "menshen_outbox_oldest_age_seconds", Seconds, [receiver],
        "Age of the oldest event a history receiver has not accepted yet", "其中最旧事件的等待时间";
    EVENTS_SET_ASIDE = Gauge "menshen_events_set_aside", Count, [receiver],
        "Events a history receiver refused for good, kept in quarantine", "被历史接收方拒收、隔离保存的事件数";
    EVENTS_SET_ASIDE_TOTAL = Counter "menshen_events_set_aside_total", Count, [receiver],
        "Events moved from a receiver's queue into quarantine", "移入隔离区的事件累计数";

    // Link to the platform
    LINK_UP = Gauge "menshen_link_up", Flag, [],
        "1 while commands of the platform are consumed", "正在接收平台命令时为 1";
    LINK_BLOCKED = Gauge "menshen_link_blocked", Flag, [],
        "1 while the broker accepts no replies", "消息服务器不接受应答时为 1";
    BROKER_RECONNECTS = Counter "menshen_broker_reconnects_total", Count, [],
        "Times the broker connection was lost", "与消息服务器断开的次数";
    LOGINS = Counter "menshen_logins_total", Count, [result],
        "Logins at the platform, by result: ok, failed", "登录平台的次数，按结果：ok、failed";
    COMMANDS = Counter "menshen_commands_total", Count, [method, code],
        "Commands answered, by method and reply code", "已应答的命令，按方法和应答码";
    COMMAND_SECONDS = Summary "menshen_command_seconds", Seconds, [method],
        "Time from the start of a command's execution to its reply, by method", "命令从开始执行到应答的时间，按方法";
    COMMAND_PROGRESS_RATIO = Gauge "menshen_command_progress_ratio", Ratio, [],
        "Progress of the newest add_users_plus, 0-1", "最近一次 add_users_plus 的进度（0-1）";
    DEAD_LETTERS = Counter "menshen_dead_letters_total", Count, [],
        "Commands that can never succeed, kept as dead letters", "无法执行而作为死信保存的命令数";
    REPLIES_UNDELIVERABLE = Counter "menshen_replies_undeliverable_total", Count, [],
        "Replies that no notify_path accepted", "无法送达任何 notify_path 的应答数";
    REPORTS = Counter "menshen_reports_total", Count, [report, result],
        "Reports to the platform and to event servers, by report (realtime, history, device-list, status) and result (ok, failed)",
        "向平台和事件服务器的上报次数，按类型（realtime、history、device-list、status）和结果（ok、failed）";
    STREAM_MESSAGES = Counter "menshen_stream_messages_total", Count, [result],
        "Messages of the live stream, one an event and client, by result: sent, dropped (32 newer ones waited for that client), stale, \
         erased, failed",
        "实时流消息数（每事件每客户端一条），按结果：sent、dropped（该客户端已有 32 条更新的消息在等待）、stale、erased、failed";
    LOCAL_CALLS_REFUSED = Counter "menshen_local_calls_refused_total", Count, [],
        "Calls of the local API refused before they were read: wrong token, token of another device, wrong host or origin",
        "本地接口拒绝的调用（令牌错误、其他设备的令牌、主机或来源错误）";
    WRONG_TOKENS = Counter "menshen_local_wrong_tokens_total", Count, [],
        "Calls of the local API with a token that is wrong or revoked", "本地接口收到的错误或已吊销令牌的调用次数";
    BROKEN_REQUESTS = Counter "menshen_broken_requests_total", Count, [server],
        "Requests that are no HTTP, by server: web, local_api, stream; the log names their addresses once a minute",
        "不符合 HTTP 的请求数，按服务：web、local_api、stream；日志每分钟记录一次来源地址";
    AUDIT_LINES_LOST = Counter "menshen_audit_lines_lost_total", Count, [],
        "Changes whose audit line could not be written", "未能写入的审计记录数";
    CONNECTIONS = Gauge "menshen_connections", Count, [server],
        "Open connections, by server: web, local_api, stream", "当前连接数，按服务：web、local_api、stream";
    CONNECTIONS_REFUSED = Counter "menshen_connections_refused_total", Count, [server, reason],
        "Connections refused or ended for others, by reason: address (one address had its share), all (all places were taken), full \
         (nobody could leave), handshake (TLS did not come about)",
        "被拒绝或让位的连接，按原因：address（单个地址达到上限）、all（连接已满）、full（无可让位的连接）、handshake（TLS 握手失败）";

    // The machine and the process
    CLOCK_PLAUSIBLE = Gauge "menshen_clock_plausible", Flag, [],
        "0 while the clock shows a time before the build or before the newest stored event: people with an end_time are \
         not recognised",
        "时钟早于程序构建时间或最新事件时间时为 0：此时有 end_time 的人员不予识别";
    STORAGE_FULL = Gauge "menshen_storage_full", Flag, [part],
        "1 while a part of the storage finds no room on the disk", "磁盘空间不足、该存储部分无法写入时为 1";
    STORE_ERRORS = Counter "menshen_store_errors_total", Count, [],
        "Failed disk and database operations", "磁盘或数据库操作失败的次数";
    UNREADABLE_RECORDS = Counter "menshen_unreadable_records_total", Count, [what],
        "Records that could not be read: person, permission group, event, picture",
        "无法读取的记录：person、permission group、event、picture";
    DAMAGED_DATABASES = Counter "menshen_damaged_databases_total", Count, [part],
        "Databases found damaged at the start and set aside: registry, events",
        "启动时发现损坏并移开的数据库：registry、events";
    PART_RESTARTS = Counter "menshen_part_restarts_total", Count, [part],
        "Restarts of a part of the box by the supervisor", "监督程序重启各部分的次数";
    LOG_LINES_DROPPED = Counter "menshen_log_lines_dropped_total", Count, [],
        "Lines of the log that nobody read in time", "因无人读取而丢弃的日志行数";
    TASK_PANICS = Counter "menshen_task_panics_total", Count, [task],
        "Panics of background tasks, which are started again", "后台任务崩溃（并重新启动）的次数";
}
