//! The session as whoever works under it needs it: the token of the moment, and a new one when the platform no
//! longer takes it.

use std::sync::Arc;
use std::time::Duration;

use url::Url;

use super::MqLinkActor;
use super::message::SessionRejected;
use crate::actors::handle::Handle;
use crate::actors::reporter::SharedSession;
use crate::ports::platform::PlatformError;
use menshen_domain::limits;
use menshen_protocol::login::Session;

/// Cloning shares it.
#[derive(Clone)]
pub struct SessionKeeper {
    pub session: SharedSession,
    pub link: Handle<MqLinkActor>,
    pub dev_sno: String,
}

impl SessionKeeper {
    /// `None` before the first login.
    pub fn current(&self) -> Option<Arc<Session>> {
        self.session.load_full()
    }

    /// Waits for the login that replaces a session the platform no longer takes.
    pub async fn renewed(&self, rejected: &Arc<Session>) -> Arc<Session> {
        loop {
            if let Some(current) = self.current().filter(|current| !Arc::ptr_eq(current, rejected)) {
                return current;
            }
            // A link that is busy or between two incarnations hears of it the next time.
            let _ = self.link.try_send(SessionRejected);
            tokio::time::sleep(Duration::from_millis(limits::SESSION_LOOK_MS)).await;
        }
    }

    /// Makes a call under the session; after a 401 or 403 once more under a new one, and so on for a few times:
    /// a platform that says no to every token means something else by it.
    pub async fn call<T, F>(&self, work: impl Fn(Arc<Session>) -> F) -> Result<T, PlatformError>
    where
        F: Future<Output = Result<T, PlatformError>>,
    {
        let Some(mut session) = self.current() else {
            return Err(PlatformError::Data {
                host: "platform".to_owned(),
                reason: "not logged in".to_owned(),
            });
        };
        let mut renewals = 0;
        loop {
            match work(Arc::clone(&session)).await {
                Err(error) if error.is_session_rejected() && renewals < limits::SESSION_RENEWALS_MAX => {
                    renewals += 1;
                    tracing::info!(%error, renewals, "the platform wants a new login");
                    session = self.renewed(&session).await;
                }
                other => return other,
            }
        }
    }

    /// The URL with the credentials in its query, as every call to the platform carries them.
    pub fn signed(&self, url: &Url, session: &Session) -> Url {
        let mut url = url.clone();
        url.query_pairs_mut().append_pair("token", &session.token).append_pair("dev_sno", &self.dev_sno);
        url
    }
}
