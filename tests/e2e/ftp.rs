//! Snapshot cameras that upload by FTP: a real client, and everything a camera, or somebody else, can do wrong.

use std::io::{BufRead as _, BufReader, Cursor, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use suppaftp::{FtpError, FtpStream, Status};

use crate::photos::{counted, enrol, events};
use crate::testbed::{SOON, TestBed, eventually, photo};

struct Ftp {
    bed: TestBed,
    port: u16,
}

/// A box with an FTP server and two snapshot cameras, `cam1` and `cam2`.
fn ftp_with(more: &str) -> Ftp {
    let mut bed = TestBed::standalone();
    let port = menshen_testbed::broker::free_port().unwrap();
    let passive = menshen_testbed::broker::free_port().unwrap();
    bed.add_config(&format!(
        "\n[ftp]\nlisten = \"127.0.0.1:{port}\"\npassive_ports = [{passive}, {}]\n{more}\n",
        passive.saturating_add(40)
    ));
    for camera in ["cam1", "cam2"] {
        bed.add_config(&format!(
            "\n[[devices]]\nip = \"{camera}\"\ntype = \"snapshot-camera\"\npipeline = \"ftp\"\ndedup_s = 0\n\
             ftp_user = \"{camera}\"\nftp_password = \"{camera}-s3cret\"\n"
        ));
    }
    bed.start();
    for port in [port, bed.local_port] {
        eventually("it listens", SOON, || TcpStream::connect(("127.0.0.1", port)).ok());
    }
    enrol(&bed, "1001", "Barack Obama", "obama-1.jpg");
    eventually("both listen", SOON, || (bed.metric("menshen_device_online") >= 2.0).then_some(()));
    Ftp { bed, port }
}

impl Ftp {
    fn camera(&self, name: &str) -> FtpStream {
        let mut camera = FtpStream::connect(("127.0.0.1", self.port)).unwrap();
        camera.login(name, &format!("{name}-s3cret")).unwrap();
        // This client changes line ends in text mode, which it begins in.
        camera.transfer_type(suppaftp::types::FileType::Binary).unwrap();
        camera
    }

    fn raw(&self) -> Raw {
        Raw::new(self.port)
    }

    fn raw_in(&self) -> Raw {
        let mut raw = self.raw();
        raw.ask("USER cam1");
        assert_eq!(raw.ask("PASS cam1-s3cret"), 230);
        raw
    }

    fn refused(&self, reason: &str) -> f64 {
        let series = format!("menshen_ftp_refused_total{{reason=\"{reason}\"}}");
        menshen_testbed::scrape::value(&menshen_testbed::scrape::get(self.bed.port, "/metrics"), &series)
            .unwrap_or_default()
    }

    /// The server does its work, whatever was done before.
    fn still_works(&self) {
        let before = counted(&self.bed, "cam2", "recognised");
        let mut camera = self.camera("cam2");
        camera.put_file("ok.jpg", &mut Cursor::new(photo("obama-2.jpg"))).unwrap();
        assert_eq!(counted(&self.bed, "cam2", "recognised"), before + 1.0);
        let _ = camera.quit();
    }
}

/// Says anything.
struct Raw {
    lines: BufReader<TcpStream>,
    out: TcpStream,
}

impl Raw {
    fn new(port: u16) -> Self {
        let out = TcpStream::connect(("127.0.0.1", port)).unwrap();
        out.set_read_timeout(Some(Duration::from_mins(1))).unwrap();
        let mut raw = Self { lines: BufReader::new(out.try_clone().unwrap()), out };
        assert_eq!(raw.reply(), 220);
        raw
    }

    /// Code of the next reply; 0 when the connection is gone.
    fn reply(&mut self) -> u16 {
        self.line().get(..3).and_then(|code| code.parse().ok()).unwrap_or(0)
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        while self.lines.read_line(&mut line).is_ok_and(|count| count > 0) {
            if line.as_bytes().get(3) == Some(&b' ') && line[..3].parse::<u16>().is_ok() {
                return line;
            }
            line.clear();
        }
        line
    }

    fn ask(&mut self, line: &str) -> u16 {
        let _ = write!(self.out, "{line}\r\n");
        self.reply()
    }

    /// Address of a passive data connection.
    fn passive(&mut self) -> SocketAddr {
        write!(self.out, "PASV\r\n").unwrap();
        let line = self.line();
        let inside = line.split(['(', ')']).nth(1).unwrap_or_else(|| panic!("{line}"));
        let numbers: Vec<u16> = inside.split(',').map(|number| number.parse().unwrap()).collect();
        SocketAddr::new("127.0.0.1".parse().unwrap(), numbers[4] * 256 + numbers[5])
    }
}

fn code(error: &FtpError) -> Status {
    match error {
        FtpError::UnexpectedResponse(response) => response.status,
        other => panic!("{other}"),
    }
}

#[test]
fn two_cameras_upload_at_once_and_each_photo_is_an_event_or_counted() {
    let mut ftp = ftp_with("");
    std::thread::scope(|scope| {
        for camera in ["cam1", "cam2"] {
            let ftp = &ftp;
            scope.spawn(move || {
                let mut session = ftp.camera(camera);
                // Folders by date, as cameras make them.
                session.mkdir("2026-11-25").unwrap();
                session.cwd("2026-11-25").unwrap();
                for (name, file) in
                    [("a.jpg", "obama-2.jpg"), ("b.JPG", "biden-1.jpg"), ("c.png", "coffee.png")]
                {
                    session.put_file(name, &mut Cursor::new(photo(file))).unwrap();
                }
                session.put_file("test.txt", &mut Cursor::new(b"camera test".to_vec())).unwrap();
                session.quit().unwrap();
            });
        }
    });
    for camera in ["cam1", "cam2"] {
        for result in ["recognised", "stranger", "no_face"] {
            assert_eq!(counted(&ftp.bed, camera, result), 1.0, "{camera} {result}");
        }
    }
    assert_eq!(ftp.bed.metric("menshen_photos_total"), 6.0, "a text file is no photo");
    // What was acknowledged is stored, kill -9 or not.
    ftp.bed.kill9();
    let events = events(&ftp.bed);
    assert_eq!(events.len(), 4, "{events:?}");
}

#[test]
fn only_the_own_account_comes_in_and_only_to_upload() {
    let mut ftp = ftp_with("");
    let mut wrong = FtpStream::connect(("127.0.0.1", ftp.port)).unwrap();
    let started = Instant::now();
    assert_eq!(code(&wrong.login("cam1", "cam2-s3cret").unwrap_err()), Status::NotLoggedIn);
    assert!(started.elapsed() >= Duration::from_secs(1), "a wrong password is delayed");
    assert_eq!(
        code(&wrong.put_file("a.jpg", &mut Cursor::new(photo("obama-2.jpg"))).unwrap_err()),
        Status::NotLoggedIn
    );
    drop(wrong);

    let mut raw = ftp.raw();
    for line in ["STOR a.jpg", "PASV", "LIST", "CWD /", "PORT 127,0,0,1,200,1"] {
        assert_eq!(raw.ask(line), 530, "{line}");
    }
    let mut raw = ftp.raw_in();
    for (line, code) in [
        ("RETR a.jpg", 550),
        ("DELE a.jpg", 550),
        ("LIST", 550),
        ("NLST /", 550),
        ("RMD x", 550),
        ("SIZE a.jpg", 550),
        ("SITE EXEC id", 502),
        ("AUTH TLS", 502),
        ("XYZZY", 500),
        ("STAT", 502),
        ("REST 100", 502),
        ("STOR a.jpg", 425),
        ("STOR ../../../etc/passwd", 553),
        ("CWD ../..", 250),
        ("MKD /../x", 553),
        ("STOR ..\\..\\a.jpg", 553),
        ("PORT 8,8,8,8,200,1", 504),
        ("PORT 127,0,0,1,0,80", 504),
        ("EPRT |2|::1|5000|", 504),
        ("PORT 1,2,3", 501),
        ("\u{1}\u{2}", 500),
        ("", 500),
    ] {
        assert_eq!(raw.ask(line), code, "{line}");
    }
    assert_eq!(raw.ask("QUIT"), 221);
    assert!(ftp.refused("foreign_port") >= 3.0);

    // A line without an end costs a bounded piece of memory and the connection.
    for login in [false, true] {
        let mut raw = if login { ftp.raw_in() } else { ftp.raw() };
        let _ = raw.out.write_all(&vec![b'A'; 1_000_000]);
        assert!(matches!(raw.reply(), 500 | 0));
        assert_eq!(raw.ask("NOOP"), 0, "the connection is closed");
    }
    assert!(ftp.refused("long_line") >= 2.0);
    assert!(ftp.bed.resident_mb() < 1500.0);
    ftp.still_works();
    let shown = ftp.bed.log()
        + &menshen_testbed::scrape::get(ftp.bed.port, "/healthz")
        + &menshen_testbed::scrape::get(ftp.bed.port, "/metrics");
    assert!(!shown.contains("s3cret"), "a password is shown");
    ftp.bed.stop();
}

#[test]
fn passwords_are_not_guessed() {
    let mut ftp = ftp_with("");
    let mut tries = 0;
    let started = Instant::now();
    // Some in parallel, as a guesser would; none is answered more than a few times before the address is shut out.
    while started.elapsed() < Duration::from_mins(1) {
        let Ok(mut guesser) = FtpStream::connect(("127.0.0.1", ftp.port)) else { break };
        while guesser
            .login("cam1", "guess")
            .is_err_and(|error| matches!(error, FtpError::UnexpectedResponse(_)))
        {
            tries += 1;
        }
    }
    assert!((1..=20).contains(&tries), "{tries} tries");
    let mut shut_out = String::new();
    TcpStream::connect(("127.0.0.1", ftp.port)).unwrap().read_to_string(&mut shut_out).unwrap();
    assert!(shut_out.starts_with("421 Too many wrong passwords"), "{shut_out:?}");
    assert!(ftp.refused("sessions") >= 1.0, "the address is shut out");
    ftp.bed.stop();
}

#[test]
fn broken_oversized_and_slow_uploads_are_refused_and_counted() {
    let mut ftp = ftp_with("upload_max_kb = 2048");
    let jpeg = photo("obama-2.jpg");
    let count = |result: &str| counted(&ftp.bed, "cam1", result);

    let mut camera = ftp.camera("cam1");
    let error = camera.put_file("big.jpg", &mut Cursor::new(vec![0xff; 8_000_000])).unwrap_err();
    assert!(matches!(error, FtpError::UnexpectedResponse(_) | FtpError::ConnectionError(_)), "{error}");
    eventually("too large", SOON, || (count("too_large") == 1.0).then_some(()));

    let mut raw = ftp.raw_in();
    let mut send = |bytes: &[u8]| {
        let address = raw.passive();
        assert_eq!(raw.ask("STOR x.jpg"), 150);
        TcpStream::connect(address).unwrap().write_all(bytes).unwrap();
        raw.reply()
    };
    assert_eq!(send(b"<html>no photo</html>"), 550);
    assert_eq!(send(b""), 450);
    // Broken off in the middle: the end of the connection is all FTP has for the end of a file.
    assert_eq!(send(&jpeg[..jpeg.len() / 2]), 450);
    assert_eq!(count("undecodable"), 3.0);
    assert_eq!(send(&jpeg), 226);

    // Slow: a little, and then nothing.
    let address = raw.passive();
    assert_eq!(raw.ask("STOR slow.jpg"), 150);
    let mut slow = TcpStream::connect(address).unwrap();
    slow.write_all(&jpeg[..1000]).unwrap();
    let started = Instant::now();
    assert_eq!(raw.reply(), 426);
    assert!(started.elapsed() < SOON);
    // Nobody connects.
    raw.passive();
    assert_eq!(raw.ask("STOR never.jpg"), 150);
    assert_eq!(raw.reply(), 425);
    assert_eq!(count("interrupted"), 2.0);

    // Active mode, as old cameras have it.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    assert_eq!(raw.ask(&format!("PORT 127,0,0,1,{},{}", port / 256, port % 256)), 200);
    assert_eq!(raw.ask("STOR active.jpg"), 150);
    listener.accept().unwrap().0.write_all(&jpeg).unwrap();
    assert_eq!(raw.reply(), 226);

    // Gone in the middle of everything.
    let address = raw.passive();
    assert_eq!(raw.ask("STOR gone.jpg"), 150);
    let mut half = TcpStream::connect(address).unwrap();
    half.write_all(&jpeg[..100]).unwrap();
    drop((raw, half));
    ftp.still_works();
    ftp.bed.stop();
}

#[test]
fn files_are_judged_by_their_first_bytes() {
    let mut ftp = ftp_with("");
    let jpeg = photo("obama-2.jpg");
    let mut raw = ftp.raw_in();
    let mut send = |name: &[u8], bytes: &[u8]| {
        let address = raw.passive();
        raw.out.write_all(&[b"STOR ", name, b"\r\n"].concat()).unwrap();
        assert_eq!(raw.reply(), 150);
        TcpStream::connect(address).unwrap().write_all(bytes).unwrap();
        raw.reply()
    };
    let names = [
        &b"x.jpg_"[..],
        b"x.filepart",
        b"x.jpg.part",
        b"noname",
        b"x.dat",
        b"\xd7\xa5\xc5\xc4.jpg",
        b"S\xfcd",
    ];
    for name in names {
        assert_eq!(send(name, &jpeg), 226, "{name:x?}");
    }
    assert_eq!(counted(&ftp.bed, "cam1", "recognised"), names.len() as f64);
    for (name, bytes) in [("DVRWorkDirectory", &b"12345"[..]), ("clip.dav", &[0; 10_000]), ("empty", b"")] {
        assert_eq!(send(name.as_bytes(), bytes), 226, "{name}");
    }
    assert_eq!(send(b"x.jpg", b"DHAV video"), 550);
    assert_eq!(ftp.bed.metric("menshen_photos_total"), names.len() as f64 + 1.0);
    assert_eq!(raw.ask("USER cam2"), 331);
    assert_eq!(raw.ask("STOR a.jpg"), 530);
    assert_eq!(raw.ask("PASS cam2-s3cret"), 230);
    ftp.still_works();
    ftp.bed.stop();
}

#[test]
fn a_photo_in_pieces_is_asked_for_whole() {
    let mut ftp = ftp_with("");
    let (jpeg, png) = (photo("obama-2.jpg"), photo("coffee.png"));
    let (first, rest) = jpeg.split_at(jpeg.len() / 2);
    let mut raw = ftp.raw_in();
    let mut send = |line: &str, bytes: &[u8]| {
        let address = raw.passive();
        if let Some(at) = line.strip_prefix("REST ") {
            let (at, line) = at.split_once(' ').unwrap();
            assert_eq!(raw.ask(&format!("REST {at}")), if at == "0" { 350 } else { 502 });
            assert_eq!(raw.ask(line), 150);
        } else {
            assert_eq!(raw.ask(line), 150);
        }
        TcpStream::connect(address).unwrap().write_all(bytes).unwrap();
        raw.reply()
    };
    for (line, bytes, expected) in [
        ("STOR a.jpg", first, 450),
        ("APPE a.jpg", rest, 450),
        ("STOR b.jpg_", first, 450),
        ("APPE b.jpg_", rest, 450),
        ("STOR c.jpg", first, 450),
        ("REST 4096 STOR c.jpg", rest, 450),
        ("STOR d.png", &png[..png.len() / 2], 450),
        ("STOR e.jpg", b"no photo at all", 550),
        ("APPE clip.dav", &[0; 5000], 226),
        // Whole ones, however they are sent.
        ("APPE f.jpg", &jpeg, 226),
        ("REST 0 STOR g.jpg", &jpeg, 226),
        ("REST 4096 STOR h.jpg", &jpeg, 226),
    ] {
        assert_eq!(send(line, bytes), expected, "{line}");
    }
    assert_eq!(counted(&ftp.bed, "cam1", "recognised"), 3.0);
    eventually("three events", SOON, || (ftp.bed.metric("menshen_events_total") == 3.0).then_some(()));
    ftp.still_works();
    ftp.bed.stop();
}

#[test]
fn sessions_and_uploads_have_their_limits() {
    let mut ftp = ftp_with("uploads_per_minute = 6");
    let mut many: Vec<TcpStream> = Vec::new();
    for _ in 0..40 {
        let mut stream = TcpStream::connect(("127.0.0.1", ftp.port)).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        assert!(stream.read(&mut [0; 3]).is_ok_and(|count| count > 0), "who comes in is greeted");
        many.push(stream);
    }
    let is_over = |stream: &mut TcpStream| {
        stream.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
        std::iter::repeat_with(|| stream.read(&mut [0; 512]))
            .find(|read| !matches!(read, Ok(1..)))
            .is_some_and(|read| read.is_ok())
    };
    let over = many.iter_mut().filter_map(|stream| is_over(stream).then_some(())).count();
    assert!(over >= 10, "{over} of 40 idle sessions of one address have left for others");
    // While the strangers stay.
    ftp.still_works();
    drop(many);
    let mut camera = ftp.camera("cam1");
    let mut limited = 0;
    for index in 0..12 {
        match camera.put_file(format!("{index}.jpg"), &mut Cursor::new(photo("coffee.png"))) {
            Ok(_) => {}
            Err(error) => {
                assert_eq!(code(&error), Status::RequestFileActionIgnored, "try again: {error}");
                limited += 1;
            }
        }
    }
    assert!(limited >= 1);
    assert_eq!(counted(&ftp.bed, "cam1", "rate_limited"), f64::from(limited));
    assert_eq!(counted(&ftp.bed, "cam1", "no_face"), f64::from(12 - limited));
    ftp.still_works();
    ftp.bed.stop();
}

#[test]
fn accounts_are_checked_before_the_start() {
    let mut bed = TestBed::standalone();
    bed.add_config(
        "\n[[devices]]\nip = \"a\"\ntype = \"snapshot-camera\"\npipeline = \"ftp\"\nftp_user = \"x\"\nftp_password = 12345678\n\
         [[devices]]\nip = \"b\"\ntype = \"snapshot-camera\"\npipeline = \"ftp\"\nftp_user = \"x\"\nftp_password = \"longenough\"\n\
         [[devices]]\nip = \"c\"\ntype = \"network-camera\"\npipeline = \"test\"\npass_mode = \"all_pass\"\n",
    );
    let output = bed.run(&["check"]);
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    for expected in ["must be a text in quotes", "used by two devices", "`ftp.listen`", "all_pass needs"] {
        assert!(told.contains(expected), "no `{expected}` in {told}");
    }
    assert!(!told.contains("12345678"), "a password is shown: {told}");
    bed.set("ftp.listen", "\"nowhere\"");
    assert!(!bed.run(&["check"]).status.success());
}

#[test]
fn an_account_is_one_devices() {
    let mut ftp = ftp_with("");
    let other = |user: &str| {
        serde_json::json!({ "ip": "cam3", "type": "snapshot-camera", "pipeline": "ftp", "ftp_user": user,
            "ftp_password": "another-s3cret" })
    };
    let add =
        |user: &str| crate::http::json(ftp.bed.local_port, "POST", "/menshen/api/devices", &other(user));
    let (status, answer) = add("cam1");
    let message = answer["error"]["message"].as_str().unwrap_or_default();
    assert!(status == 400 && message.contains("`cam1`") && !message.contains("s3cret"), "{status} {answer}");
    assert_eq!(add("cam3").0, 200);
    let mut camera = FtpStream::connect(("127.0.0.1", ftp.port)).unwrap();
    camera.login("cam3", "another-s3cret").unwrap();
    // Whoever is in with a password that is none any more goes; the others stay.
    let mut neighbour = ftp.camera("cam1");
    let change = serde_json::json!({ "ip": "cam3", "ftp_password": "a-new-s3cret" });
    assert_eq!(crate::http::json(ftp.bed.local_port, "PUT", "/menshen/api/devices", &change).0, 200);
    assert_eq!(code(&camera.noop().unwrap_err()), Status::NotAvailable);
    neighbour.noop().unwrap();
    let mut camera = FtpStream::connect(("127.0.0.1", ftp.port)).unwrap();
    assert!(camera.login("cam3", "another-s3cret").is_err());
    camera.login("cam3", "a-new-s3cret").unwrap();
    ftp.still_works();
    ftp.bed.stop();
}
