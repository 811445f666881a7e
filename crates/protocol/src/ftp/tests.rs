use super::*;

fn code(deed: &Action) -> u16 {
    match deed {
        Action::Reply((code, _)) | Action::ReplyPath(code, _) => *code,
        other => panic!("no reply: {other:?}"),
    }
}

fn inside() -> ControlSession {
    ControlSession { is_logged_in: true, ..ControlSession::default() }
}

#[test]
fn encryption_is_offered_where_there_is_some_and_insisted_on_where_it_must_be() {
    let mut plain = ControlSession::default();
    for line in ["AUTH TLS", "PBSZ 0", "PROT P"] {
        assert_eq!(code(&plain.answer(line.as_bytes())), 502, "{line}");
    }
    let mut talk = ControlSession { tls: Tls::Required, ..ControlSession::default() };
    for (line, expected) in [
        ("USER cam1", 530),
        ("PASS x", 530),
        ("PROT P", 503),
        ("PBSZ 0", 503),
        ("AUTH KERBEROS_V4", 504),
        ("AUTH", 504),
    ] {
        assert_eq!(code(&talk.answer(line.as_bytes())), expected, "{line}");
    }
    let mut offered = ControlSession { tls: Tls::Offered, ..ControlSession::default() };
    assert_eq!(code(&offered.answer(b"USER cam1")), 331, "who does not encrypt may log in");
    assert_eq!(offered.answer(b"auth tls"), Action::StartTls);
    assert_eq!(code(&offered.answer(b"PASS x")), 503, "the name was said in the clear");
    assert_eq!(talk.answer(b"AUTH SSL"), Action::StartTls);
    assert_eq!(code(&talk.answer(b"AUTH TLS")), 503);
    assert_eq!(code(&talk.answer(b"PBSZ 0")), 200);
    assert_eq!(talk.answer(b"PROT P"), Action::Protect(true));
    assert_eq!(talk.answer(b"prot c"), Action::Protect(false));
    for (line, expected) in [("PROT S", 536), ("PROT E", 536), ("CCC", 533)] {
        assert_eq!(code(&talk.answer(line.as_bytes())), expected, "{line}");
    }
    assert!(matches!(talk.answer(b"FEAT"), Action::Lines(lines) if lines.contains("AUTH TLS")));
    talk.answer(b"REIN");
    assert_eq!(talk.tls, Tls::On, "it stays encrypted");
}

#[test]
fn nothing_is_done_before_a_login() {
    let mut talk = ControlSession::default();
    for line in ["STOR a.jpg", "PASV", "CWD /", "PORT 1,2,3,4,5,6", "LIST"] {
        assert_eq!(code(&talk.answer(line.as_bytes())), 530, "{line}");
    }
    assert_eq!(code(&talk.answer(b"PASS x")), 503);
    assert_eq!(code(&talk.answer(b"user cam1\r\n")), 331);
    let login = Action::Login { user: "cam1".into(), password: "p w".into() };
    assert_eq!(talk.answer(b"PASS p w\r\n"), login);
    assert_eq!(code(&talk.answer(b"PASS again")), 503, "a name is for one try");
}

#[test]
fn folders_exist_in_words_and_have_a_top() {
    let mut talk = inside();
    for line in ["MKD 2026-11-25", "CWD 2026-11-25", "MKD /a/b", "CWD ./x//y", "CDUP", "RNFR a.tmp"] {
        assert!(code(&talk.answer(line.as_bytes())) < 400, "{line}");
    }
    assert_eq!(code(&talk.answer(b"RNTO a.jpg")), 250);
    assert_eq!(talk.answer(b"PWD"), Action::ReplyPath(257, "/2026-11-25/x".into()));
    for line in
        ["STOR ../../../etc/passwd", "STOR ..\\..\\..\\x.jpg", "MKD /", "STOR /", "CWD a\u{1}b", "RNTO x"]
    {
        assert_eq!(code(&talk.answer(line.as_bytes())), 553, "{line}");
    }
    let deep = format!("CWD {}", "a/".repeat(limits::FTP_DEPTH_MAX + 1));
    assert_eq!(code(&talk.answer(deep.as_bytes())), 553);
    for _ in 0..1000 {
        talk.answer(b"CWD aaaaaaaa");
    }
    assert!(talk.folder.len() <= limits::FTP_DEPTH_MAX);
}

#[test]
fn only_uploads_are_taken() {
    let mut talk = inside();
    for line in ["RETR a.jpg", "DELE a.jpg", "LIST", "NLST /", "RMD a", "SIZE a.jpg"] {
        assert_eq!(code(&talk.answer(line.as_bytes())), 550, "{line}");
    }
    for line in ["SITE EXEC id", "STAT", "HELP", "XYZ", "AUTH TLS"] {
        assert_eq!(code(&talk.answer(line.as_bytes())), 502, "{line}");
    }
    for line in ["", " ", "\u{ff}\u{fe}", "STORAGE a", "12 34"] {
        assert_eq!(code(&talk.answer(line.as_bytes())), 500, "{line}");
    }
    assert_eq!(code(&talk.answer(&[0xff, 0xfe, 0x80])), 500);
    assert_eq!(code(&inside().answer(b"REST 100")), 502);
    for (line, claims_photo) in [
        ("STOR a.jpg", true),
        ("APPE 2026/a.JPEG", true),
        ("STOR a.webp", true),
        ("STOU", true),
        ("STOR DVRWorkDirectory", false),
        ("STOR a.jpg_", false),
        ("STOR x.filepart", false),
        ("STOR clip.mp4", false),
        ("STOR test.txt", false),
    ] {
        let may_be_rest = line.starts_with("APPE");
        assert_eq!(talk.answer(line.as_bytes()), Action::Receive { claims_photo, may_be_rest }, "{line}");
    }
}

#[test]
fn a_file_after_a_refused_restart_may_be_its_rest() {
    for (lines, expected) in [
        (&["REST 4096", "PASV", "STOR a.jpg"][..], true),
        (&["REST 4096", "STOU"], true),
        (&["REST 4096", "STOR a.jpg", "STOR b.jpg"], false),
        (&["REST 0", "STOR a.jpg"], false),
        (&["REST", "APPE a.jpg"], true),
    ] {
        let mut talk = inside();
        let last = lines.iter().map(|line| talk.answer(line.as_bytes())).last().unwrap();
        assert!(matches!(last, Action::Receive { may_be_rest, .. } if may_be_rest == expected), "{lines:?}");
    }
    for line in ["REST 1", "REST 4096", "REST", "rest x"] {
        assert_eq!(code(&inside().answer(line.as_bytes())), 502, "{line}");
    }
}

#[test]
fn names_in_older_encodings_come_back_as_they_were() {
    for name in [
        // GBK, Latin-1, Shift JIS with a backslash as its second byte; UTF-8.
        &b"\xd2\xbb\xba\xc5\xc3\xc5"[..],
        b"Eingang-S\xfcd",
        b"\x81\xa0 \xa0",
        b"a\"b",
        "一号门".as_bytes(),
    ] {
        let mut talk = inside();
        assert_eq!(code(&talk.answer(&[b"MKD ", name, b"\r\n"].concat())), 257, "{name:x?}");
        assert_eq!(code(&talk.answer(&[b"CWD ", name, b"\r\n"].concat())), 250, "{name:x?}");
        let Action::ReplyPath(_, path) = talk.answer(b"PWD") else { panic!() };
        let shown = [b"/", name].concat();
        let expected = if name.contains(&b'"') { b"/a\"\"b".to_vec() } else { shown };
        assert_eq!(talk.path_bytes(&path), expected, "{name:x?}");
        let photo = [b"STOR ", name, b"/\xd7\xa5\xc5\xc4.jpg"].concat();
        assert_eq!(talk.answer(&photo), Action::Receive { claims_photo: true, may_be_rest: false });
    }
}

#[test]
fn above_the_top_is_the_top() {
    let mut talk = inside();
    for line in ["CDUP", "CWD ..", "XCUP", "CWD ../../..", "CWD /..", "CWD a", "CDUP", "CDUP"] {
        assert_eq!(code(&talk.answer(line.as_bytes())), 250, "{line}");
    }
    assert_eq!(talk.answer(b"PWD"), Action::ReplyPath(257, "/".into()));
    assert_eq!(code(&talk.answer(b"STOR ../a.jpg")), 553, "a file there is somebody else's");
}

#[test]
fn a_login_begins_anew_at_any_time() {
    for line in ["USER cam2", "user cam1", "REIN"] {
        let mut talk = inside();
        talk.answer(b"CWD a");
        let expected = if line == "REIN" { 220 } else { 331 };
        assert_eq!(code(&talk.answer(line.as_bytes())), expected, "{line}");
        assert!(!talk.is_logged_in && talk.folder.is_empty());
        assert_eq!(code(&talk.answer(b"PASV")), 530, "{line}");
    }
    let mut talk = inside();
    assert_eq!(code(&talk.answer(b"PASS x")), 503);
}

#[test]
fn addresses_are_read_and_written() {
    let mut talk = inside();
    assert_eq!(talk.answer(b"PORT 10,0,0,9,4,1"), Action::Active("10.0.0.9:1025".parse().unwrap()));
    assert_eq!(talk.answer(b"EPRT |2|::1|6275|"), Action::Active("[::1]:6275".parse().unwrap()));
    for line in
        ["PORT 1,2,3", "PORT 1,2,3,4,5,999", "EPRT |1|::1|1|", "EPRT", "EPRT |1|1.2.3.4|99999|", "EPRT é"]
    {
        assert_eq!(code(&talk.answer(line.as_bytes())), 501, "{line}");
    }
    assert_eq!(
        passive_reply(Ipv4Addr::new(10, 0, 0, 1), 50_000),
        "227 Entering Passive Mode (10,0,0,1,195,80)."
    );
}

proptest::proptest! {
    #[test]
    fn any_line_is_answered(lines in proptest::collection::vec(proptest::collection::vec(0u8..=255, 0..80), 1..20)) {
        let mut talk = inside();
        for line in lines {
            let _ = talk.answer(&line);
            assert!(talk.folder.len() <= limits::FTP_DEPTH_MAX);
        }
    }
}
