//! One control connection, from greeting to goodbye.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use tokio::io::{
    AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader, ReadHalf, WriteHalf, split,
};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout, timeout_at};

use super::data::{self, Broken, Data, File};
use super::guard::{AccountPlace, Place, refused};
use super::rules::Shared;
use super::stream::FtpStream;
use menshen_domain::limits;
use menshen_domain::photo::{PhotoResult, PictureKind};
use menshen_protocol::ftp::{Action, ControlSession, Reply, Tls, passive_reply};

const LOGIN: Duration = Duration::from_millis(limits::FTP_LOGIN_MS);
const IDLE: Duration = Duration::from_millis(limits::FTP_IDLE_MS);
const WRITE: Duration = Duration::from_millis(limits::FTP_STALL_MS);
const FAREWELL: Duration = Duration::from_millis(limits::FTP_FAREWELL_MS);
const DATA_TLS: Duration = Duration::from_millis(limits::FTP_DATA_CONNECT_MS);
const WRONG_DELAY: Duration = Duration::from_millis(limits::FTP_WRONG_LOGIN_DELAY_MS);
/// Ports below are services of others; a camera listens above.
const ACTIVE_PORT_MIN: u16 = 1024;

/// Also for those who come in while their address is shut out.
pub const LOCKED_OUT: Reply = (421, "Too many wrong passwords from this address, try again in a minute.");

/// The conversation is over.
struct Over;

/// A device that logged in, and with what: the account may be changed while it is in.
struct LoggedIn {
    device: String,
    user: String,
    password: String,
    place: AccountPlace,
}

struct Session<'a> {
    shared: &'a Shared,
    place: &'a Place,
    peer: IpAddr,
    local: IpAddr,
    lines: BufReader<ReadHalf<FtpStream>>,
    out: WriteHalf<FtpStream>,
    /// Data connections are encrypted.
    protects: bool,
    talk: ControlSession,
    logged_in: Option<LoggedIn>,
    data: Option<Data>,
    /// The file before was a piece of a photo.
    had_beginning: bool,
    wrong: u32,
    /// To be logged in by then.
    login_by: Instant,
}

pub async fn run(shared: &Shared, stream: TcpStream, peer: SocketAddr, place: &Place) {
    let Ok(local) = stream.local_addr() else { return };
    let _ = stream.set_nodelay(true);
    let (read, out) = split(FtpStream::plain(stream));
    let tls = match (&shared.rules.tls, shared.rules.require_tls) {
        (None, _) => Tls::None,
        (Some(_), false) => Tls::Offered,
        (Some(_), true) => Tls::Required,
    };
    let mut session = Session {
        shared,
        place,
        peer: peer.ip().to_canonical(),
        local: local.ip().to_canonical(),
        lines: BufReader::with_capacity(limits::FTP_LINE_BYTES_MAX, read),
        out,
        protects: false,
        talk: ControlSession::new(tls),
        logged_in: None,
        data: None,
        had_beginning: false,
        wrong: 0,
        login_by: Instant::now() + LOGIN,
    };
    // Where it broke off is of no interest: the camera comes again.
    tokio::select! {
        _ = session.converse() => {}
        // A stranger's place went to somebody else, whatever it is at.
        () = place.left() => {
            let _ = session.reply((421, "Nobody logged in, and another session needs the place.")).await;
        }
    }
}

impl Session<'_> {
    async fn converse(&mut self) -> Result<(), Over> {
        self.reply((220, "Menshen takes photos.")).await?;
        loop {
            let line = self.line().await?;
            self.is_still_welcome().await?;
            let action = self.talk.answer(&line);
            if !self.talk.is_logged_in && self.logged_in.take().is_some() {
                // A login begins anew.
                self.data = None;
                self.login_by = Instant::now() + LOGIN;
            }
            match action {
                Action::Reply(reply) => self.reply(reply).await?,
                Action::ReplyPath(code, path) => {
                    let path = self.talk.path_bytes(&path);
                    self.send(&[format!("{code} \"").as_bytes(), &path, b"\"\r\n"].concat()).await?;
                }
                Action::Lines(lines) => self.send(lines.as_bytes()).await?,
                Action::Login { user, password } => self.login(&user, &password).await?,
                Action::Passive { extended } => self.passive(extended).await?,
                Action::Active(address) => self.active(address).await?,
                Action::Receive { claims_photo, may_be_rest } => {
                    self.receive(claims_photo, may_be_rest).await?;
                }
                Action::StartTls => self.start_tls().await?,
                Action::Protect(protects) => {
                    self.protects = protects;
                    self.reply((200, "OK.")).await?;
                }
                Action::Quit => {
                    self.reply((221, "Goodbye.")).await?;
                    return Err(Over);
                }
            }
        }
    }

    /// The conversation goes on encrypted. What came in the clear behind the command would count as encrypted: whoever sends
    /// that is no camera.
    async fn start_tls(&mut self) -> Result<(), Over> {
        let Some(acceptor) = self.shared.rules.tls.clone() else { return Err(Over) };
        self.data = None;
        if !self.lines.buffer().is_empty() {
            refused("clear_text");
            return Err(Over);
        }
        self.reply((234, "Encrypt now.")).await?;
        let (read, out) = split(FtpStream::none());
        let lines =
            std::mem::replace(&mut self.lines, BufReader::with_capacity(limits::FTP_LINE_BYTES_MAX, read));
        let plain = lines.into_inner().unsplit(std::mem::replace(&mut self.out, out));
        let Ok(Ok(stream)) = timeout_at(self.login_by, acceptor.accept(plain)).await else {
            refused("handshake");
            return Err(Over);
        };
        let (read, out) = split(FtpStream::encrypted(stream));
        self.lines = BufReader::with_capacity(limits::FTP_LINE_BYTES_MAX, read);
        self.out = out;
        Ok(())
    }

    /// A device whose account was changed since it logged in has to log in again.
    async fn is_still_welcome(&mut self) -> Result<(), Over> {
        let Some(LoggedIn { device, user, password, .. }) = &self.logged_in else { return Ok(()) };
        if self.shared.photos.login(user, password).as_ref() == Some(device) {
            self.shared.photos.heard(device);
            return Ok(());
        }
        tracing::info!(device, "an FTP session ends: its account was changed");
        self.reply((421, "The account was changed, log in again.")).await?;
        Err(Over)
    }

    /// One line of bounded length.
    async fn line(&mut self) -> Result<Vec<u8>, Over> {
        let deadline = if self.logged_in.is_some() { Instant::now() + IDLE } else { self.login_by };
        let mut line = Vec::new();
        let limit = limits::FTP_LINE_BYTES_MAX as u64;
        let mut bounded = (&mut self.lines).take(limit);
        let leave = async {
            match &self.logged_in {
                Some(own) => own.place.left().await,
                None => std::future::pending().await,
            }
        };
        let read = tokio::select! {
            read = timeout_at(deadline, bounded.read_until(b'\n', &mut line)) => Some(read),
            () = leave => None,
        };
        let Some(read) = read else {
            refused("account_sessions");
            self.reply((421, "Another session of this account took this one's place.")).await?;
            return Err(Over);
        };
        match read {
            Ok(Ok(0) | Err(_)) => Err(Over),
            Ok(Ok(_)) if line.ends_with(b"\n") => Ok(line),
            Ok(Ok(count)) if (count as u64) < limit => Err(Over),
            Ok(Ok(_)) => {
                refused("long_line");
                self.reply((500, "The line is too long.")).await?;
                Err(Over)
            }
            Err(_) => {
                self.reply((421, "Nothing was said for too long.")).await?;
                Err(Over)
            }
        }
    }

    async fn reply(&mut self, (code, text): Reply) -> Result<(), Over> {
        self.send(format!("{code} {text}\r\n").as_bytes()).await
    }

    async fn send(&mut self, text: &[u8]) -> Result<(), Over> {
        let write = async {
            self.out.write_all(text).await?;
            self.out.flush().await
        };
        let sent = timeout_at(Instant::now() + WRITE, write).await;
        if matches!(sent, Ok(Ok(()))) { Ok(()) } else { Err(Over) }
    }

    async fn login(&mut self, user: &str, password: &str) -> Result<(), Over> {
        // Counted first: of many tries at once none is looked at beyond the limit.
        if !self.shared.guard.may_try(self.peer) {
            refused("locked_out");
            self.reply(LOCKED_OUT).await?;
            return Err(Over);
        }
        if let Some(device) = self.shared.photos.login(user, password) {
            metrics::counter!("menshen_ftp_logins_total", "result" => "ok").increment(1);
            self.shared.guard.right_login(self.peer);
            self.place.logged_in();
            self.shared.photos.heard(&device);
            let place = self.shared.guard.account_place(&device);
            let (user, password) = (user.to_owned(), password.to_owned());
            self.logged_in = Some(LoggedIn { device, user, password, place });
            self.talk.is_logged_in = true;
            return self.reply((230, "Logged in.")).await;
        }
        metrics::counter!("menshen_ftp_logins_total", "result" => "wrong").increment(1);
        self.wrong += 1;
        // The name may be a password typed into the wrong field: it is not logged.
        if let Some(count) = self.shared.wrong_told.count(self.peer) {
            tracing::warn!(from = %self.peer, count, "an FTP login had a wrong name or password");
        }
        tokio::time::sleep(WRONG_DELAY).await;
        if self.wrong < limits::FTP_LOGIN_TRIES {
            return self.reply((530, "Wrong name or password.")).await;
        }
        self.reply((530, "Wrong name or password, and the last try of this connection.")).await?;
        Err(Over)
    }

    async fn passive(&mut self, extended: bool) -> Result<(), Over> {
        let rules = &self.shared.rules;
        let listener = match data::listen(rules, self.local) {
            Ok(listener) => listener,
            Err(error) => {
                refused("no_port");
                tracing::warn!(%error, "ftp.passive_ports has no free port");
                return self.reply((425, "No port is free, try again.")).await;
            }
        };
        let port = listener.local_addr().map_or(0, |address| address.port());
        let reply = match (extended, rules.public_host, self.local) {
            (true, _, _) => format!("229 Entering Extended Passive Mode (|||{port}|)"),
            (false, Some(address), _) | (false, None, IpAddr::V4(address)) => passive_reply(address, port),
            (false, None, IpAddr::V6(_)) => return self.reply((522, "Use EPSV.")).await,
        };
        self.data = Some(Data::Passive(listener));
        self.send((reply + "\r\n").as_bytes()).await
    }

    async fn active(&mut self, address: SocketAddr) -> Result<(), Over> {
        if address.ip().to_canonical() != self.peer || address.port() < ACTIVE_PORT_MIN {
            refused("foreign_port");
            if let Some(count) = self.shared.foreign_told.count(self.peer) {
                tracing::warn!(from = %self.peer, count, "a data connection to another address was refused");
            }
            return self.reply((504, "Only to your own address, above port 1023.")).await;
        }
        self.data = Some(Data::Active(address));
        self.reply((200, "OK.")).await
    }

    async fn receive(&mut self, claims_photo: bool, may_be_rest: bool) -> Result<(), Over> {
        let shared = self.shared;
        let had_beginning = std::mem::take(&mut self.had_beginning);
        let Some(device) = self.logged_in.as_ref().map(|own| own.device.clone()) else { return Err(Over) };
        let Some(data) = self.data.take() else { return self.reply((425, "PASV or PORT first.")).await };
        if shared.rules.require_tls && !self.protects {
            refused("clear_text");
            return self.reply((521, "Encrypt data too: PBSZ 0, PROT P.")).await;
        }
        let may_take = || {
            if !shared.guard.may_upload(&device) {
                Err(Broken::RateLimited)
            } else if !shared.photos.has_room() {
                Err(Broken::QueueFull)
            } else {
                Ok(())
            }
        };
        // What is no photo is not counted as one, and may be as large as a clip is: none of it is kept.
        let refuse = |broken: Broken| {
            let (result, reply) = reply_to_broken(broken);
            shared.photos.refuse(&device, result);
            reply
        };
        if let Some(broken) = claims_photo.then(may_take).and_then(Result::err) {
            return self.reply(refuse(broken)).await;
        }
        let Some(place) = shared.guard.receive() else {
            return self.reply(refuse(Broken::QueueFull)).await;
        };
        self.reply((150, "Send it.")).await?;
        let stream = match data.connect(self.peer, &shared.foreign_told).await {
            Some(stream) => self.protected(stream).await,
            None => None,
        };
        let Some(mut stream) = stream else {
            if claims_photo {
                shared.photos.refuse(&device, PhotoResult::Interrupted);
            }
            return self.reply((425, "No data connection came about.")).await;
        };
        let file = data::receive(&mut stream, shared.rules.upload_bytes_max, claims_photo, may_take).await;
        // Some clients take a connection that ends without TLS's farewell for a failure.
        let _ = timeout(FAREWELL, stream.shutdown()).await;
        drop((stream, place));
        let reply = match file {
            Ok(File::Photo(photo)) => self.hand_over(&device, photo, may_be_rest).await?,
            // Its name is no photo's, and its beginning was one.
            Ok(File::Other) if may_be_rest && had_beginning => NOT_WHOLE,
            Ok(File::Other) => {
                refused("no_photo");
                (226, "Taken and thrown away: no photo.")
            }
            Err(broken) => refuse(broken),
        };
        self.reply(reply).await
    }

    /// A data connection as the client wants it.
    async fn protected(&self, stream: TcpStream) -> Option<FtpStream> {
        match (&self.shared.rules.tls, self.protects) {
            (Some(acceptor), true) => {
                let limit = Instant::now() + DATA_TLS;
                let stream = timeout_at(limit, acceptor.accept(FtpStream::plain(stream))).await.ok()?.ok()?;
                Some(FtpStream::encrypted(stream))
            }
            _ => Some(FtpStream::plain(stream)),
        }
    }

    /// The reply comes when the photo's events are kept, so that what was said to be taken is.
    async fn hand_over(
        &mut self,
        device: &str,
        photo: bytes::Bytes,
        may_be_rest: bool,
    ) -> Result<Reply, Over> {
        let kind = PictureKind::of(&photo);
        let is_piece = match kind {
            Some(kind) => !kind.has_end(&photo),
            None => may_be_rest || photo.is_empty(),
        };
        let Some(outcome) = self.shared.photos.take(device, photo).await else {
            self.reply((421, "This device is not configured any more.")).await?;
            return Err(Over);
        };
        Ok(match outcome.result {
            _ if !outcome.stored => (451, "It could not be stored, try again."),
            PhotoResult::QueueFull => (450, "Too many photos wait, try again."),
            result if result.is_passing() => (451, "It could not be analysed, try again."),
            // Sent again as it is it may come whole, which RFC 959 says by a 4 in front.
            PhotoResult::Undecodable if is_piece => {
                self.had_beginning = kind.is_some();
                NOT_WHOLE
            }
            PhotoResult::Undecodable => (550, "No JPEG, PNG, WebP or BMP, or a broken one."),
            PhotoResult::TooLarge => (552, "The picture is too large."),
            PhotoResult::Recognised => (226, "Taken: recognised."),
            PhotoResult::Stranger => (226, "Taken: a stranger."),
            PhotoResult::NotLive => (226, "Taken: no living face."),
            PhotoResult::Duplicate => (226, "Taken: a repeat, reported a moment ago."),
            PhotoResult::NoFace => (226, "Taken: no face."),
            _ => (226, "Taken: no face that is good enough."),
        })
    }
}

const NOT_WHOLE: Reply = (450, "A piece of a photo: send it whole, from its beginning.");

fn reply_to_broken(broken: Broken) -> (PhotoResult, Reply) {
    match broken {
        Broken::TooLarge => (PhotoResult::TooLarge, (552, "The file is larger than ftp.upload_max_kb.")),
        Broken::TooSlow => (PhotoResult::Interrupted, (426, "It came too slowly and was given up.")),
        Broken::Lost => (PhotoResult::Interrupted, (426, "The transfer broke off.")),
        Broken::RateLimited => {
            (PhotoResult::RateLimited, (450, "More photos a minute than ftp.uploads_per_minute; try again."))
        }
        Broken::QueueFull => (PhotoResult::QueueFull, (450, "Too many photos wait, try again.")),
    }
}
