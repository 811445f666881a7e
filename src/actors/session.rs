//! The platform session: the current login, calls made under it, and requests for a new one.
//!
//! The platform link logs in and writes the session. Everything else reads it here, and asks here for a new login when
//! the platform rejects the token; nothing else needs to know the link.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use futures_util::Stream;
use tokio::sync::watch;
use url::Url;

use crate::ports::platform::PlatformError;
use menshen_domain::limits;
use menshen_domain::relogin::ReloginBackoff;
use menshen_protocol::login::Session;

/// The current platform session; `None` before the first login. Written by the platform link only.
pub type SharedSession = Arc<ArcSwapOption<Session>>;

/// Requests for a new login, counted. Cloning shares them.
#[derive(Clone, Default)]
pub struct LoginWanted(Arc<watch::Sender<u64>>);

impl LoginWanted {
    /// Asks for a new login; never waits. Requests that the link has not handled yet are handled as one. Returns
    /// `false` when no link is running: one that starts later logs in by itself.
    pub fn ask(&self) -> bool {
        self.0.send_modify(|requests| *requests += 1);
        self.0.receiver_count() > 0
    }

    /// Yields once for the requests made since the item before, beginning now.
    pub fn requests(&self) -> impl Stream<Item = ()> + use<> {
        futures_util::stream::unfold(self.0.subscribe(), |mut requests| async move {
            requests.changed().await.ok()?;
            Some(((), requests))
        })
    }
}

/// Makes calls under the current session and asks for a new one when the token is rejected. Cloning shares it.
#[derive(Clone)]
pub struct SessionKeeper {
    session: SharedSession,
    login_wanted: LoginWanted,
    /// When each address may ask for a login again.
    backoff: Arc<Mutex<ReloginBackoff>>,
    dev_sno: String,
}

impl SessionKeeper {
    /// Not logged in yet. `dev_sno` is the box's serial number at the platform.
    pub fn new(dev_sno: String) -> Self {
        Self {
            session: SharedSession::default(),
            login_wanted: LoginWanted::default(),
            backoff: Arc::default(),
            dev_sno,
        }
    }

    /// `None` before the first login.
    pub fn current(&self) -> Option<Arc<Session>> {
        self.session.load_full()
    }

    /// For those who only read the session.
    pub fn shared(&self) -> SharedSession {
        Arc::clone(&self.session)
    }

    /// Called by the platform link after a login; returns the session before.
    pub fn replace(&self, session: Session) -> Option<Arc<Session>> {
        self.session.swap(Some(Arc::new(session)))
    }

    /// What the platform link listens to.
    pub fn login_wanted(&self) -> &LoginWanted {
        &self.login_wanted
    }

    /// Waits for the login that replaces a session the platform rejects.
    pub async fn renewed(&self, rejected: &Arc<Session>) -> Arc<Session> {
        loop {
            if let Some(current) = self.current().filter(|current| !Arc::ptr_eq(current, rejected)) {
                return current;
            }
            // Asked again in every round: a link that was not running then may be running now.
            self.login_wanted.ask();
            tokio::time::sleep(Duration::from_millis(limits::SESSION_LOOK_MS)).await;
        }
    }

    /// Makes a call under the session; after a 401 or 403 it is repeated under a new one, up to
    /// [`limits::SESSION_RENEWALS_MAX`] times: a platform that rejects every token means something else by it.
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

    /// The session a report to `url` carries. The token belongs to the platform: only addresses the login named, or
    /// of the platform's own origin, get it.
    pub fn session_for(&self, url: &Url) -> Option<Arc<Session>> {
        let session = self.current()?;
        let named = session.record_urls.contains(url)
            || session.device_monitor_url.as_ref() == Some(url)
            || session.device_list_url.as_ref() == Some(url);
        (named || session.origin.origin() == url.origin()).then_some(session)
    }

    /// `url` accepted a call: its next rejection asks for a login at once.
    pub fn note_accepted(&self, url: &Url) {
        self.backoff().forget(url.as_str());
    }

    /// `url` rejected the token of the session `used`. Asks for a login once for each session, and ever more rarely
    /// for an address that rejects every token. `now_ms` is monotonic.
    pub fn note_rejected(&self, url: &Url, used: &Arc<Session>, now_ms: u64) {
        let is_current = self.session.load().as_ref().is_some_and(|current| Arc::ptr_eq(current, used));
        if !is_current || !self.backoff().rejected(url.as_str(), now_ms) {
            return;
        }
        if !self.login_wanted.ask() {
            tracing::debug!("no platform link is running; the next rejected report asks for a login again");
            self.backoff().forget(url.as_str());
        }
    }

    fn backoff(&self) -> MutexGuard<'_, ReloginBackoff> {
        self.backoff.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::{FutureExt as _, StreamExt as _};
    use menshen_protocol::login::LoginDocument;

    fn session() -> Session {
        let document = br#"{"token":"t","rabbitmq":{"host":"h","port":"5672","login":"l","password":"p",
            "queue":"q","exchange":{"name":"e","type":"direct","durable":true,"auto_delete":false}}}"#;
        Session::new(&LoginDocument::parse(document).unwrap(), &url("http://h:9061/login")).unwrap()
    }

    fn url(text: &str) -> Url {
        Url::parse(text).unwrap()
    }

    #[test]
    fn requests_wait_for_a_busy_link_and_are_then_one() {
        let wanted = LoginWanted::default();
        let mut requests = std::pin::pin!(wanted.requests());
        assert!(wanted.ask() && wanted.ask());
        assert_eq!(requests.next().now_or_never(), Some(Some(())));
        assert_eq!(requests.next().now_or_never(), None);
        assert!(wanted.ask());
        assert_eq!(requests.next().now_or_never(), Some(Some(())));
    }

    #[test]
    fn a_link_that_starts_later_does_not_see_old_requests() {
        let wanted = LoginWanted::default();
        assert!(!wanted.ask(), "nobody listens");
        let mut requests = std::pin::pin!(wanted.requests());
        assert_eq!(requests.next().now_or_never(), None);
    }

    #[test]
    fn one_login_for_each_rejected_session() {
        let sessions = SessionKeeper::new("D".to_owned());
        let mut requests = std::pin::pin!(sessions.login_wanted().requests());
        let receiver = url("http://h:9061/record");
        sessions.replace(session());
        let first = sessions.current().unwrap();
        sessions.note_rejected(&receiver, &first, 0);
        sessions.note_rejected(&receiver, &first, 1);
        assert_eq!(requests.next().now_or_never(), Some(Some(())));
        assert_eq!(requests.next().now_or_never(), None, "asked for already");
        sessions.replace(session());
        sessions.note_accepted(&receiver);
        sessions.note_rejected(&receiver, &first, 2);
        assert_eq!(requests.next().now_or_never(), None, "the rejected session is an old one");
        sessions.note_rejected(&receiver, &sessions.current().unwrap(), 3);
        assert_eq!(requests.next().now_or_never(), Some(Some(())));
    }

    #[test]
    fn a_request_that_no_link_heard_is_made_again_with_the_next_report() {
        let sessions = SessionKeeper::new("D".to_owned());
        let receiver = url("http://h:9061/record");
        sessions.replace(session());
        let current = sessions.current().unwrap();
        sessions.note_rejected(&receiver, &current, 0);
        let mut requests = std::pin::pin!(sessions.login_wanted().requests());
        sessions.note_rejected(&receiver, &current, 1);
        assert_eq!(requests.next().now_or_never(), Some(Some(())));
    }
}
