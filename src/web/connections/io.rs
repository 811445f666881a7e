//! A connection's bytes, with an end to waiting for them.

use std::future::Future as _;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

use super::book::Place;
use menshen_domain::limits;

const UNSERVED: Duration = Duration::from_millis(limits::UNSERVED_MS);
const STALL: Duration = Duration::from_millis(limits::WRITE_STALL_MS);

/// A connection in its place: it ends when it must leave for others, has no request for too long, or takes no bytes.
pub struct Guarded<S> {
    stream: S,
    place: Place,
    /// Rings when the time without a request may be over.
    alarm: Pin<Box<Sleep>>,
    /// Since when the peer takes no byte, and what rings when that is too long.
    stalled: Option<Pin<Box<Sleep>>>,
    stall: Duration,
}

impl<S> Guarded<S> {
    pub fn new(stream: S, place: Place) -> Self {
        Self { stream, place, alarm: Box::pin(tokio::time::sleep(UNSERVED)), stalled: None, stall: STALL }
    }

    /// With another end to waiting for a peer that takes nothing.
    #[must_use]
    pub fn with_stall(self, stall: Duration) -> Self {
        Self { stall, ..self }
    }

    pub fn place(&self) -> &Place {
        &self.place
    }

    /// An error when the connection must end now; `context` is woken when it must later.
    fn may_stay(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        let connection = self.place.connection();
        if connection.must_leave(context) {
            return Err(io::Error::new(io::ErrorKind::ConnectionAborted, "left for others"));
        }
        let since = connection.unserved_since().unwrap_or_else(Instant::now);
        if since.elapsed() >= UNSERVED {
            return Err(io::Error::new(io::ErrorKind::TimedOut, "no request for too long"));
        }
        self.alarm.as_mut().reset((since + UNSERVED).into());
        while self.alarm.as_mut().poll(context).is_ready() {
            self.alarm.as_mut().reset((Instant::now() + UNSERVED).into());
        }
        Ok(())
    }

    /// Ends waiting for a peer that takes nothing.
    fn written<T>(&mut self, context: &mut Context<'_>, done: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if done.is_ready() {
            self.stalled = None;
            return done;
        }
        let stall = self.stall;
        let stalled = self.stalled.get_or_insert_with(|| Box::pin(tokio::time::sleep(stall)));
        ready!(stalled.as_mut().poll(context));
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "nothing was taken for too long")))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Guarded<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.may_stay(context)?;
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Guarded<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.may_stay(context)?;
        let done = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.written(context, done)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let done = Pin::new(&mut self.stream).poll_flush(context);
        self.written(context, done)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let done = Pin::new(&mut self.stream).poll_shutdown(context);
        self.written(context, done)
    }
}

/// A connection, with TLS or without.
pub struct BoxedIo {
    stream: Box<dyn Both>,
    connection: super::Connection,
}

trait Both: AsyncRead + AsyncWrite + Unpin {}

impl<T: AsyncRead + AsyncWrite + Unpin> Both for T {}

impl BoxedIo {
    pub fn new(stream: impl AsyncRead + AsyncWrite + Unpin + 'static, connection: super::Connection) -> Self {
        Self { stream: Box::new(stream), connection }
    }

    pub fn connection(&self) -> &super::Connection {
        &self.connection
    }
}

impl AsyncRead for BoxedIo {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for BoxedIo {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;
    use crate::web::connections::Connections;

    const PEER: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    #[tokio::test]
    async fn who_takes_nothing_or_must_leave_is_cut_off() {
        let connections = Connections::new("web", 1, 1);
        let (ours, _theirs) = tokio::io::duplex(64);
        let mut guarded = Guarded::new(ours, connections.enter(PEER).unwrap());
        guarded.stall = Duration::from_millis(50);
        let _serving = guarded.place().connection().serve();
        let error = guarded.write_all(&[0; 4096]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);

        let connections = Connections::new("web", 1, 1);
        let (ours, _theirs) = tokio::io::duplex(64);
        let mut guarded = Guarded::new(ours, connections.enter(PEER).unwrap());
        let waits = tokio::spawn(async move { guarded.read_u8().await });
        tokio::time::sleep(Duration::from_millis(20)).await;
        let _newcomer = connections.enter(PEER).unwrap();
        assert_eq!(waits.await.unwrap().unwrap_err().kind(), io::ErrorKind::ConnectionAborted);
    }
}
