//! Who a connection is: AUTH, HELLO, RESET, and what its user may do.
//!
//! ```text
//!  AUTH, HELLO AUTH ─▶ Host::log_in ─┬─ at once: right ─────────────────────────▶ the user's rights from here on
//!                                    └─ later: verified(): right after argon2id, wrong or not looked at after a while
//! ```
//! Nothing is executed behind a login before it is answered. Invariant: a command runs with the rights that its user has
//! when it runs, however long ago the user came in.

use super::{CloseReason, Connection, Host, TRAIL_WEIGHT_MAX};
use crate::access::{Denial, User, Users};
use crate::commands::connection::Credentials;
use crate::commands::refusal::Refusal;
use crate::commands::reply::{Encoder, HelloFacts, Proto};
use crate::commands::spec::Flags;
use crate::commands::table::Call;
use crate::net::replies::Answer;
use crate::shard::batch::Ticket;
use std::sync::Arc;

/// Failed logins after which a connection is closed (security.md 2).
const AUTH_FAILURES_MAX: u8 = 3;

/// What a login weighs: nothing is executed behind it before its reply has left.
const LOGIN_WEIGHT: u16 = TRAIL_WEIGHT_MAX as u16;

const BUSY: &str = "TRYAGAIN too many logins at once: this one was not looked at";

const NO_PASSWORD: &str = "ERR AUTH <password> called without any password configured for the default user. \
     Are you sure your configuration is correct?";

const HELLO_NOAUTH: &str = "NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO \
     <proto> AUTH <user> <pass> option can be used to authenticate the client and select the RESP protocol version \
     at the same time";

/// What a login has come to.
pub enum Verdict {
    /// The password is that of this user.
    Right(Arc<User>),
    /// It is not, or there is no such user.
    Wrong,
    /// Nobody has looked.
    Busy,
}

/// Who the client is.
pub(super) struct Identity {
    /// `None`: it has not said.
    pub(super) user: Option<Arc<User>>,
    /// Of the users among which that one was found.
    version: u64,
    failures: u8,
    /// A login that is being looked at.
    login: Option<Login>,
}

/// A login under way.
struct Login {
    slot: u32,
    /// The user that it named, if there is one: other names may be passwords in the wrong place.
    user: Option<Box<str>>,
    /// What HELLO asked beside it; `None`: it was an AUTH.
    greeting: Option<Greeting>,
}

/// What HELLO asks.
pub(super) struct Greeting {
    /// `None`: stay.
    pub(super) proto: Option<Proto>,
    pub(super) name: Option<Vec<u8>>,
}

impl Identity {
    /// Of a fresh connection.
    pub(super) fn new(users: &Users) -> Self {
        Self { user: users.unasked().cloned(), version: users.version(), failures: 0, login: None }
    }
}

impl Connection {
    /// Whether the client may use commands.
    pub fn is_authenticated(&self) -> bool {
        self.session.identity.user.is_some()
    }

    /// What a login has come to.
    pub fn verified(&mut self, slot: u32, verdict: Verdict, host: &mut impl Host) {
        let Some(Login { user: named, greeting, .. }) = self.session.identity.login.take_if(|login| login.slot == slot)
        else {
            return;
        };
        let mut bytes = Vec::new();
        match verdict {
            Verdict::Right(user) => {
                self.session.identity.user = Some(user);
                self.take_rights(host.users()); // which may have changed while the password was looked at
                match greeting {
                    None => Encoder::new(&mut bytes, self.session.proto).ok(),
                    Some(greeting) => self.greet(greeting, &mut bytes, host),
                }
            }
            Verdict::Wrong => {
                self.session.identity.failures += 1;
                if self.session.identity.failures >= AUTH_FAILURES_MAX {
                    self.end(CloseReason::AuthFailures);
                }
                let denial = Denial::Login(if greeting.is_some() { "HELLO" } else { "AUTH" });
                let refusal = self.deny(named.as_deref().unwrap_or("(unknown)"), &denial, false, host);
                host.refused(None, refusal.text());
                Encoder::new(&mut bytes, self.session.proto).refusal(&refusal);
            }
            Verdict::Busy => {
                host.refused(None, BUSY);
                Encoder::new(&mut bytes, self.session.proto).error(BUSY);
            }
        }
        self.fill(slot, Answer::Encoded(bytes), |failure| host.failed(failure));
    }

    /// Takes the rights that its user has now, if there is anything new. Without that user it is over; so is one that
    /// listens or waits with rights that have changed: it comes again and asks anew.
    pub fn refresh(&mut self, users: &Users) {
        if self.session.identity.version != users.version() {
            self.take_rights(users);
        }
    }

    fn take_rights(&mut self, users: &Users) {
        let is_listening = self.is_subscribed() || self.is_monitor || self.ring.waiting().is_some();
        let identity = &mut self.session.identity;
        identity.version = users.version();
        let Some(user) = &mut identity.user else { return };
        match users.get(user.name().as_bytes()) {
            Some(now) if !is_listening || user.may_the_same_as(now) => user.clone_from(now),
            _ => self.cut(CloseReason::Killed),
        }
    }

    /// Why the client may not run a command, within MULTI or not.
    #[inline]
    pub(super) fn not_allowed(&self, call: &Call<'_>, in_multi: bool, host: &mut impl Host) -> Option<Refusal> {
        match &self.session.identity.user {
            Some(user) => {
                let denial = user.denial(call.ordinal, call.spec, call.rest)?;
                Some(self.deny(user.name(), &denial, in_multi, host))
            }
            None if call.spec.flags.has(Flags::NO_AUTH) => None,
            None => Some(Refusal::fixed("NOAUTH Authentication required.")),
        }
    }

    #[cold]
    fn deny(&self, user: &str, denial: &Denial<'_>, in_multi: bool, host: &mut impl Host) -> Refusal {
        host.denied(user, denial, in_multi, || self.describe(self.now_ms));
        denial.refusal(user)
    }

    /// HELLO
    pub(super) fn hello(
        &mut self,
        command: u16,
        auth: Option<Credentials<'_>>,
        greeting: Greeting,
        host: &mut impl Host,
    ) {
        if let Some(credentials) = auth {
            return self.log_in(command, credentials, Some(greeting), host);
        }
        if !self.is_authenticated() {
            return self.reply(|e| e.error(HELLO_NOAUTH));
        }
        let slot = self.ring.push(self.session.proto, command, None, 0);
        let mut bytes = Vec::new();
        self.greet(greeting, &mut bytes, host);
        self.fill(slot, Answer::Encoded(bytes), |failure| host.failed(failure));
    }

    /// AUTH, and HELLO with AUTH.
    pub(super) fn log_in(
        &mut self,
        command: u16,
        credentials: Credentials<'_>,
        greeting: Option<Greeting>,
        host: &mut impl Host,
    ) {
        if credentials.user == b"default" && host.users().unasked().is_some() {
            return self.reply(|e| e.error(NO_PASSWORD));
        }
        let slot = self.ring.push(self.session.proto, command, None, LOGIN_WEIGHT);
        let user = host.users().get(credentials.user).map(|user| user.name().into());
        self.session.identity.login = Some(Login { slot, user, greeting });
        let ticket = Ticket { slot, ..self.place };
        if let Some(verdict) = host.log_in(ticket, self.session.peer.ip(), &credentials) {
            self.verified(slot, verdict, host);
        }
    }

    /// Nobody again, as RESET says, or who comes in without being asked.
    pub(super) fn forget_user(&mut self, host: &impl Host) {
        self.session.identity.user = host.users().unasked().cloned();
    }

    fn greet(&mut self, greeting: Greeting, bytes: &mut Vec<u8>, host: &impl Host) {
        if let Some(proto) = greeting.proto {
            self.session.proto = proto;
            self.choose_mode();
        }
        if let Some(name) = greeting.name {
            self.session.name = name;
        }
        let facts = HelloFacts { redis_version: host.redis_version(), connection_id: self.session.id };
        Encoder::new(bytes, self.session.proto).hello(&facts);
    }
}
