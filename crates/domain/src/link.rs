//! The platform link as a state machine: log in, connect to the broker, consume; for ever.
//!
//! The actor feeds inputs and carries out effects; delays come from [`Backoff`].

use super::backoff::Backoff;

/// After this many refusals in a row (wrong password, no such vhost) the parameters are taken for rotated.
pub const REFUSALS_BEFORE_LOGIN: u32 = 3;
/// After this many failures of any kind in a row the broker is taken for moved.
pub const FAILURES_BEFORE_LOGIN: u32 = 6;

/// How the login call is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum LoginMethod {
    /// Parameters in the query, no body.
    Get,
    /// Parameters in the query, an empty body.
    Post,
}

/// The state of the link, for health and metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkState {
    /// Not started, or ended.
    Stopped,
    /// A login call is under way.
    LoggingIn,
    /// The last login failed; the next one is due after a delay.
    WaitingToLogIn,
    /// The broker connection is being established.
    Connecting,
    /// The last connection failed or was lost; the next one is due after a delay.
    WaitingToConnect,
    /// Connected to the broker.
    Up,
}

impl LinkState {
    /// For health and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Stopped => "stopped",
            Self::LoggingIn => "logging-in",
            Self::WaitingToLogIn => "waiting-to-log-in",
            Self::Connecting => "connecting",
            Self::WaitingToConnect => "waiting-to-connect",
            Self::Up => "up",
        }
    }
}

/// What happened. `attempt` is the number the matching effect carried; answers to older ones are stale.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkInput {
    /// The first input.
    Start,
    /// `broker_changed`: the document names another broker, queue or password than the one before.
    LoggedIn {
        /// Of the effect.
        attempt: u64,
        /// Whether the broker's parameters differ from those before.
        broker_changed: bool,
    },
    /// The platform refused the login, or did not answer.
    LoginFailed {
        /// Of the effect.
        attempt: u64,
    },
    /// The platform refused the login, and will until a person has done something about it.
    LoginRefused {
        /// Of the effect.
        attempt: u64,
    },
    /// The broker connection is established.
    Connected {
        /// Of the effect.
        attempt: u64,
    },
    /// `refused`: the broker was there and said no.
    ConnectFailed {
        /// Of the effect.
        attempt: u64,
        /// Whether the broker refused.
        refused: bool,
    },
    /// The connection that came up as `attempt` is good: a command came over it and was answered and acknowledged, or it
    /// held for a while. Coming up is no proof: a broker that ends each connection at the first reply would be connected
    /// to several times a second.
    Proven {
        /// The attempt that came up.
        attempt: u64,
    },
    /// The connection that came up as `attempt` is gone.
    Lost {
        /// The attempt that came up.
        attempt: u64,
    },
    /// The delay of [`LinkEffect::RetryAfter`] is over.
    RetryDue {
        /// Of the effect.
        attempt: u64,
    },
    /// The platform answered 401/403 to something: the token is no longer good.
    SessionRejected,
    /// The box stops.
    Stop,
}

/// What to do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkEffect {
    /// Log in.
    LogIn {
        /// To be given back with the result.
        attempt: u64,
    },
    /// Connect to the broker of the last login.
    Connect {
        /// To be given back with the result.
        attempt: u64,
    },
    /// Close the connection.
    Disconnect,
    /// Give [`LinkInput::RetryDue`] after a while.
    RetryAfter {
        /// To be given back when the time has come.
        attempt: u64,
        /// Milliseconds to wait.
        delay_ms: u64,
    },
}

/// The machine. `jitter` arguments are uniform in [0, 1).
#[derive(Debug)]
pub struct Link {
    state: LinkState,
    attempt: u64,
    /// The highest number given to an attempt.
    last: u64,
    /// A login while a connection is up: the token is renewed, and the connection stays while its
    /// parameters do.
    renewal: Option<u64>,
    login_backoff: Backoff,
    connect_backoff: Backoff,
    refusals: u32,
    failures: u32,
    reconnects: u64,
}

impl Link {
    /// A stopped link.
    pub fn new(login_backoff: Backoff, connect_backoff: Backoff) -> Self {
        Self {
            state: LinkState::Stopped,
            attempt: 0,
            last: 0,
            renewal: None,
            login_backoff,
            connect_backoff,
            refusals: 0,
            failures: 0,
            reconnects: 0,
        }
    }

    /// The present state.
    pub fn state(&self) -> LinkState {
        self.state
    }

    /// Times an established connection was lost.
    pub fn reconnects(&self) -> u64 {
        self.reconnects
    }

    /// Takes an input and returns the effects, in the order in which they are to be carried out.
    pub fn step(&mut self, input: LinkInput, jitter: f64) -> Vec<LinkEffect> {
        use LinkState::{Connecting, LoggingIn, Stopped, Up, WaitingToConnect, WaitingToLogIn};
        match (self.state, input) {
            (Stopped, LinkInput::Start) => vec![self.log_in()],
            (Stopped, _)
            | (_, LinkInput::Start)
            | (LoggingIn | WaitingToLogIn, LinkInput::SessionRejected) => Vec::new(),
            (_, LinkInput::Stop) => {
                self.enter(Stopped);
                vec![LinkEffect::Disconnect]
            }
            (Up, LinkInput::SessionRejected) => match self.renewal {
                Some(_) => Vec::new(),
                None => vec![self.renew()],
            },
            (_, LinkInput::SessionRejected) => vec![self.log_in()],
            (Up, input) if self.renewal.is_some() && input.attempt() == self.renewal => {
                self.renewed(input, jitter)
            }
            (_, input) if input.attempt() != Some(self.attempt) => Vec::new(),
            (LoggingIn, LinkInput::LoggedIn { .. }) => {
                self.login_backoff.reset();
                self.refusals = 0;
                self.failures = 0;
                vec![self.connect()]
            }
            (LoggingIn, LinkInput::LoginFailed { .. }) => {
                let delay_ms = self.login_backoff.next_ms(jitter);
                vec![self.wait(WaitingToLogIn, delay_ms)]
            }
            (LoggingIn, LinkInput::LoginRefused { .. }) => {
                let delay_ms = self.login_backoff.longest_ms(jitter);
                vec![self.wait(WaitingToLogIn, delay_ms)]
            }
            (WaitingToLogIn, LinkInput::RetryDue { .. }) => vec![self.log_in()],
            (Connecting, LinkInput::Connected { .. }) => {
                self.state = Up;
                self.refusals = 0;
                self.failures = 0;
                Vec::new()
            }
            (Connecting, LinkInput::ConnectFailed { refused, .. }) => {
                vec![self.connect_failed(refused, jitter)]
            }
            (Up, LinkInput::Proven { .. }) => {
                self.connect_backoff.reset();
                Vec::new()
            }
            (Up, LinkInput::Lost { .. }) => {
                self.reconnects += 1;
                let delay_ms = self.connect_backoff.next_ms(jitter);
                // What is known of the broker belongs to a session that is no longer good.
                let next = if self.renewal.is_some() { WaitingToLogIn } else { WaitingToConnect };
                vec![LinkEffect::Disconnect, self.wait(next, delay_ms)]
            }
            (WaitingToConnect, LinkInput::RetryDue { .. }) => vec![self.connect()],
            _ => Vec::new(),
        }
    }

    fn connect_failed(&mut self, refused: bool, jitter: f64) -> LinkEffect {
        self.failures += 1;
        self.refusals = if refused { self.refusals + 1 } else { 0 };
        let delay_ms = self.connect_backoff.next_ms(jitter);
        let log_in = self.refusals >= REFUSALS_BEFORE_LOGIN || self.failures >= FAILURES_BEFORE_LOGIN;
        // Logging in still waits out the delay: a platform that hands out dead parameters is not hammered.
        self.wait(if log_in { LinkState::WaitingToLogIn } else { LinkState::WaitingToConnect }, delay_ms)
    }

    /// The result of a login while a connection is up.
    fn renewed(&mut self, input: LinkInput, jitter: f64) -> Vec<LinkEffect> {
        match input {
            LinkInput::LoggedIn { broker_changed, .. } => {
                self.login_backoff.reset();
                self.renewal = None;
                if broker_changed { vec![LinkEffect::Disconnect, self.connect()] } else { Vec::new() }
            }
            LinkInput::LoginFailed { .. } => {
                let delay_ms = self.login_backoff.next_ms(jitter);
                vec![self.renew_after(delay_ms)]
            }
            LinkInput::LoginRefused { .. } => {
                let delay_ms = self.login_backoff.longest_ms(jitter);
                vec![self.renew_after(delay_ms)]
            }
            LinkInput::RetryDue { .. } => vec![self.renew()],
            _ => Vec::new(),
        }
    }

    fn renew_after(&mut self, delay_ms: u64) -> LinkEffect {
        let attempt = self.number();
        self.renewal = Some(attempt);
        LinkEffect::RetryAfter { attempt, delay_ms }
    }

    fn number(&mut self) -> u64 {
        self.last += 1;
        self.last
    }

    fn enter(&mut self, state: LinkState) -> u64 {
        self.state = state;
        self.renewal = None;
        self.attempt = self.number();
        self.attempt
    }

    fn renew(&mut self) -> LinkEffect {
        let attempt = self.number();
        self.renewal = Some(attempt);
        LinkEffect::LogIn { attempt }
    }

    fn log_in(&mut self) -> LinkEffect {
        LinkEffect::LogIn { attempt: self.enter(LinkState::LoggingIn) }
    }

    fn connect(&mut self) -> LinkEffect {
        LinkEffect::Connect { attempt: self.enter(LinkState::Connecting) }
    }

    fn wait(&mut self, state: LinkState, delay_ms: u64) -> LinkEffect {
        LinkEffect::RetryAfter { attempt: self.enter(state), delay_ms }
    }
}

impl LinkInput {
    fn attempt(self) -> Option<u64> {
        match self {
            Self::LoggedIn { attempt, .. }
            | Self::LoginFailed { attempt }
            | Self::LoginRefused { attempt }
            | Self::Connected { attempt }
            | Self::ConnectFailed { attempt, .. }
            | Self::Proven { attempt }
            | Self::Lost { attempt }
            | Self::RetryDue { attempt } => Some(attempt),
            Self::Start | Self::SessionRejected | Self::Stop => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link() -> Link {
        Link::new(Backoff::new(1000, 60_000), Backoff::new(500, 30_000))
    }

    fn attempt_of(effects: &[LinkEffect]) -> u64 {
        match effects.last() {
            Some(
                LinkEffect::LogIn { attempt }
                | LinkEffect::Connect { attempt }
                | LinkEffect::RetryAfter { attempt, .. },
            ) => *attempt,
            other => panic!("no attempt in {other:?}"),
        }
    }

    #[test]
    fn a_refusal_that_needs_a_person_is_not_asked_about_often() {
        let mut link = link();
        let login = attempt_of(&link.step(LinkInput::Start, 1.0));
        let effects = link.step(LinkInput::LoginRefused { attempt: login }, 1.0);
        let [LinkEffect::RetryAfter { attempt, delay_ms: 60_000 }] = effects[..] else {
            panic!("{effects:?}")
        };
        let login = attempt_of(&link.step(LinkInput::RetryDue { attempt }, 1.0));
        let connect =
            attempt_of(&link.step(LinkInput::LoggedIn { attempt: login, broker_changed: true }, 1.0));
        link.step(LinkInput::Connected { attempt: connect }, 1.0);
        // The same while a connection is up, which stays.
        let renewal = attempt_of(&link.step(LinkInput::SessionRejected, 1.0));
        let effects = link.step(LinkInput::LoginRefused { attempt: renewal }, 1.0);
        assert!(matches!(effects[..], [LinkEffect::RetryAfter { delay_ms: 60_000, .. }]), "{effects:?}");
        assert_eq!(link.state(), LinkState::Up);
        let again = attempt_of(&link.step(LinkInput::RetryDue { attempt: attempt_of(&effects) }, 1.0));
        assert!(link.step(LinkInput::LoggedIn { attempt: again, broker_changed: false }, 1.0).is_empty());
    }

    fn up() -> (Link, u64) {
        let mut link = link();
        let login = attempt_of(&link.step(LinkInput::Start, 0.5));
        let connect =
            attempt_of(&link.step(LinkInput::LoggedIn { attempt: login, broker_changed: true }, 0.5));
        assert!(link.step(LinkInput::Connected { attempt: connect }, 0.5).is_empty());
        assert_eq!(link.state(), LinkState::Up);
        (link, connect)
    }

    #[test]
    fn a_lost_connection_comes_back_without_a_login() {
        let (mut link, attempt) = up();
        let effects = link.step(LinkInput::Lost { attempt }, 0.5);
        assert_eq!(effects[0], LinkEffect::Disconnect);
        let effects = link.step(LinkInput::RetryDue { attempt: attempt_of(&effects) }, 0.5);
        assert!(matches!(effects[..], [LinkEffect::Connect { .. }]));
        assert_eq!(link.reconnects(), 1);
    }

    #[test]
    fn only_a_proven_connection_makes_the_next_one_quick() {
        let (mut link, mut attempt) = up();
        let mut delays = Vec::new();
        for round in 0..6 {
            if round == 4 {
                assert!(
                    link.step(LinkInput::Proven { attempt: attempt - 1 }, 1.0).is_empty(),
                    "of an older one"
                );
                assert!(link.step(LinkInput::Proven { attempt }, 1.0).is_empty());
            }
            let effects = link.step(LinkInput::Lost { attempt }, 1.0);
            let Some(LinkEffect::RetryAfter { attempt: wait, delay_ms }) = effects.last() else {
                panic!("{effects:?}")
            };
            delays.push(*delay_ms);
            attempt = attempt_of(&link.step(LinkInput::RetryDue { attempt: *wait }, 1.0));
            link.step(LinkInput::Connected { attempt }, 1.0);
        }
        assert_eq!(delays, [500, 1000, 2000, 4000, 500, 1000]);
    }

    #[test]
    fn repeated_refusals_lead_to_a_new_login() {
        let (mut link, attempt) = up();
        let mut attempt = attempt_of(&link.step(LinkInput::Lost { attempt }, 0.5));
        for round in 1..=REFUSALS_BEFORE_LOGIN {
            attempt = attempt_of(&link.step(LinkInput::RetryDue { attempt }, 0.5));
            let effects = link.step(LinkInput::ConnectFailed { attempt, refused: true }, 0.5);
            attempt = attempt_of(&effects);
            let expect = if round < REFUSALS_BEFORE_LOGIN {
                LinkState::WaitingToConnect
            } else {
                LinkState::WaitingToLogIn
            };
            assert_eq!(link.state(), expect, "after refusal {round}");
        }
        assert!(matches!(link.step(LinkInput::RetryDue { attempt }, 0.5)[..], [LinkEffect::LogIn { .. }]));
    }

    #[test]
    fn a_broker_that_is_away_is_waited_for_and_then_asked_after() {
        let (mut link, attempt) = up();
        let mut attempt = attempt_of(&link.step(LinkInput::Lost { attempt }, 0.5));
        let mut logins = 0;
        for _ in 0..FAILURES_BEFORE_LOGIN {
            let effects = link.step(LinkInput::RetryDue { attempt }, 0.5);
            logins += usize::from(matches!(effects[..], [LinkEffect::LogIn { .. }]));
            attempt = attempt_of(&effects);
            attempt = attempt_of(&link.step(LinkInput::ConnectFailed { attempt, refused: false }, 0.5));
        }
        assert_eq!((logins, link.state()), (0, LinkState::WaitingToLogIn));
    }

    #[test]
    fn stale_answers_are_dropped() {
        let (mut link, attempt) = up();
        assert!(link.step(LinkInput::Lost { attempt: attempt - 1 }, 0.5).is_empty());
        link.step(LinkInput::Stop, 0.5);
        assert!(link.step(LinkInput::Lost { attempt }, 0.5).is_empty());
        assert_eq!(link.state(), LinkState::Stopped);
    }

    #[test]
    fn a_rejected_session_is_renewed_beside_the_connection() {
        let (mut link, connection) = up();
        let renewal = attempt_of(&link.step(LinkInput::SessionRejected, 0.5));
        assert!(link.step(LinkInput::SessionRejected, 0.5).is_empty(), "one login at a time");
        let effects = link.step(LinkInput::LoginFailed { attempt: renewal }, 0.5);
        let effects = link.step(LinkInput::RetryDue { attempt: attempt_of(&effects) }, 0.5);
        assert!(matches!(effects[..], [LinkEffect::LogIn { .. }]));
        let attempt = attempt_of(&effects);
        assert_eq!(link.state(), LinkState::Up);
        assert!(link.step(LinkInput::LoggedIn { attempt, broker_changed: false }, 0.5).is_empty());
        // The connection is still the same one.
        let effects = link.step(LinkInput::Lost { attempt: connection }, 0.5);
        assert_eq!((effects.len(), link.state()), (2, LinkState::WaitingToConnect));
    }

    #[test]
    fn rotated_parameters_move_the_connection() {
        let (mut link, _) = up();
        let attempt = attempt_of(&link.step(LinkInput::SessionRejected, 0.5));
        let effects = link.step(LinkInput::LoggedIn { attempt, broker_changed: true }, 0.5);
        assert!(matches!(effects[..], [LinkEffect::Disconnect, LinkEffect::Connect { .. }]));
        assert_eq!(link.state(), LinkState::Connecting);
    }

    #[test]
    fn a_connection_lost_during_a_renewal_logs_in_first() {
        let (mut link, connection) = up();
        let renewal = attempt_of(&link.step(LinkInput::SessionRejected, 0.5));
        let effects = link.step(LinkInput::Lost { attempt: connection }, 0.5);
        assert_eq!(link.state(), LinkState::WaitingToLogIn);
        assert!(link.step(LinkInput::LoggedIn { attempt: renewal, broker_changed: false }, 0.5).is_empty());
        let effects = link.step(LinkInput::RetryDue { attempt: attempt_of(&effects) }, 0.5);
        assert!(matches!(effects[..], [LinkEffect::LogIn { .. }]));
    }
}
