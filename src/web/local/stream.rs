//! The live stream (published: port 5679): a WebSocket that sends events as they happen, once its client has said of which
//! devices. On an address of its own, with the guard of the local API.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use actix_http::ws::{
    self, CloseCode, CloseReason, Codec, Frame, Item, Message, OpCode, Parser, ProtocolError as WsError,
};
use actix_web::body::{BodyStream, MessageBody as _};
use actix_web::dev::Server;
use actix_web::middleware::from_fn;
use actix_web::web::{self, Bytes, BytesMut, Data, Payload};
use actix_web::{App, HttpRequest, HttpResponse};
use futures_util::{Stream, StreamExt as _};
use tokio::time::{Instant, Interval};
use tokio_util::codec::{Decoder as _, Encoder as _};

use super::answer::{self, refused, wrong};
use super::guard;
use super::state::LocalDeps;
use crate::actors::live_stream::LiveClient;
use crate::web::connections::{Connection, Serving};
use crate::web::listener::Listener;
use crate::web::methods::Calls;
use menshen_domain::limits;
use menshen_protocol::live_event::StreamConfig;

const PING: Duration = Duration::from_millis(limits::STREAM_PING_MS);
const SILENCE: Duration = Duration::from_millis(limits::STREAM_SILENCE_MS);

/// Listens on the stream's address.
///
/// # Errors
/// When it cannot be listened on.
pub fn bind(listener: Listener, deps: Arc<LocalDeps>) -> std::io::Result<Server> {
    let deps = Data::from(deps);
    listener.serve(move || {
        App::new()
            .app_data(deps.clone())
            .wrap(from_fn(guard::guard))
            .service(Calls::of("/").get(open).resource(answer::no_such_method))
            .default_service(web::to(answer::no_such_call))
    })
}

async fn open(request: HttpRequest, payload: Payload, deps: Data<LocalDeps>) -> HttpResponse {
    let mut accepted = match ws::handshake(request.head()) {
        Ok(accepted) => accepted,
        Err(error) => {
            return refused(&wrong(format!("a WebSocket is expected here: {error}")), deps.language);
        }
    };
    let conversation = Conversation {
        payload,
        codec: Codec::new().max_size(limits::STREAM_MESSAGE_BYTES_MAX),
        unread: BytesMut::new(),
        begun: None,
        client: deps.live.join(),
        ping: tokio::time::interval_at(Instant::now() + PING, PING),
        heard: Instant::now(),
        is_over: false,
        _serving: request.conn_data::<Connection>().map(Connection::serve),
    };
    match accepted.message_body(BodyStream::new(conversation).boxed()) {
        Ok(response) => response.into(),
        Err(error) => {
            tracing::error!(%error, "the live stream could not answer a client");
            HttpResponse::InternalServerError().finish()
        }
    }
}

/// What is said with one client. It is the body of the answer: polled when the connection takes bytes, dropped with it.
struct Conversation {
    payload: Payload,
    codec: Codec,
    unread: BytesMut,
    /// A message that comes in pieces.
    begun: Option<BytesMut>,
    client: LiveClient,
    ping: Interval,
    /// When the last byte of the client came.
    heard: Instant,
    is_over: bool,
    _serving: Option<Serving>,
}

/// Why the box ends the conversation.
type Farewell = (CloseCode, String);

impl Stream for Conversation {
    type Item = Result<Bytes, std::convert::Infallible>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let me = &mut *self;
        if me.is_over {
            return Poll::Ready(None);
        }
        match me.listen(context) {
            Poll::Ready(Some(reply)) => return Poll::Ready(Some(Ok(me.written(reply)))),
            Poll::Ready(None) => return Poll::Ready(None),
            Poll::Pending => {}
        }
        if me.ping.poll_tick(context).is_ready() {
            if me.heard.elapsed() >= SILENCE {
                tracing::debug!("a client of the live stream is not there any more");
                return Poll::Ready(None);
            }
            return Poll::Ready(Some(Ok(me.written(Message::Ping(Bytes::new())))));
        }
        me.client.poll_next(context).map(|message| {
            let mut frame = BytesMut::with_capacity(message.len() + 16);
            // The text of JSON, which is UTF-8.
            Parser::write_message(&mut frame, message, OpCode::Text, true, false);
            Some(Ok(frame.freeze()))
        })
    }
}

impl Conversation {
    fn written(&mut self, message: Message) -> Bytes {
        let mut frame = BytesMut::new();
        if let Err(error) = self.codec.encode(message, &mut frame) {
            tracing::error!(%error, "a frame of the live stream could not be written");
            self.is_over = true;
        }
        frame.freeze()
    }

    /// Reads until there is something to reply. `None`: the client has gone.
    fn listen(&mut self, context: &mut Context<'_>) -> Poll<Option<Message>> {
        loop {
            match self.codec.decode(&mut self.unread) {
                Ok(Some(frame)) => match self.hear(frame) {
                    Ok(None) => {}
                    Ok(reply) => return Poll::Ready(reply),
                    Err(farewell) => return Poll::Ready(Some(self.close(farewell))),
                },
                Ok(None) => match self.payload.poll_next_unpin(context) {
                    Poll::Ready(Some(Ok(bytes))) => {
                        self.heard = Instant::now();
                        self.unread.extend_from_slice(&bytes);
                    }
                    Poll::Ready(Some(Err(_)) | None) => return Poll::Ready(None),
                    Poll::Pending => return Poll::Pending,
                },
                Err(error) => return Poll::Ready(Some(self.close(fault(&error)))),
            }
        }
    }

    /// What a frame is replied with.
    fn hear(&mut self, frame: Frame) -> Result<Option<Message>, Farewell> {
        match frame {
            Frame::Ping(bytes) => Ok(Some(Message::Pong(bytes))),
            Frame::Pong(_) => Ok(None),
            Frame::Close(reason) => {
                self.is_over = true;
                Ok(Some(Message::Close(reason)))
            }
            Frame::Text(text) => self.configure(&text),
            Frame::Binary(_) | Frame::Continuation(Item::FirstBinary(_)) => {
                Err((CloseCode::Policy, "the configuration must be text".to_owned()))
            }
            Frame::Continuation(Item::FirstText(bytes)) => {
                self.begun = Some(BytesMut::from(&bytes[..]));
                Ok(None)
            }
            Frame::Continuation(Item::Continue(bytes)) => self.go_on(&bytes).map(|()| None),
            Frame::Continuation(Item::Last(bytes)) => {
                self.go_on(&bytes)?;
                let text = self.begun.take().unwrap_or_default();
                self.configure(&text)
            }
        }
    }

    fn go_on(&mut self, bytes: &[u8]) -> Result<(), Farewell> {
        let begun = self.begun.get_or_insert_default();
        if begun.len() + bytes.len() > limits::STREAM_MESSAGE_BYTES_MAX {
            return Err(fault(&WsError::Overflow));
        }
        begun.extend_from_slice(bytes);
        Ok(())
    }

    fn configure(&mut self, text: &[u8]) -> Result<Option<Message>, Farewell> {
        let config = StreamConfig::parse(text).map_err(|error| (CloseCode::Policy, error.to_string()))?;
        tracing::debug!(
            devices = config.devices().len(),
            need_face = config.need_face,
            need_register = config.need_register,
            "a client of the live stream said what it wants"
        );
        self.client.configure(&config);
        Ok(None)
    }

    fn close(&mut self, (code, reason): Farewell) -> Message {
        self.is_over = true;
        tracing::debug!(?code, reason, "a client of the live stream was refused");
        Message::Close(Some(CloseReason { code, description: Some(short(reason)) }))
    }
}

/// What a client that breaks the rules of WebSockets is told.
fn fault(error: &WsError) -> Farewell {
    let code = if matches!(error, WsError::Overflow) { CloseCode::Size } else { CloseCode::Protocol };
    (code, error.to_string())
}

/// A frame that closes holds 123 bytes of reason.
fn short(mut reason: String) -> String {
    reason.truncate(reason.floor_char_boundary(123));
    reason
}
