//! Who the client is and what it said about itself; the commands that ask and change that.

use super::control::Silence;
use super::{Connection, Host, Mode, State};
use crate::commands::connection::{ConnectionRequest, Credentials, LibraryInfo};
use crate::commands::reply::{HelloFacts, Proto};
use crate::net::resp;
use std::net::SocketAddr;

/// Failed AUTHs after which a connection is closed (security.md 2).
const AUTH_FAILURES_MAX: u8 = 3;

const WRONG_PASSWORD: &str = "WRONGPASS invalid username-password pair or user is disabled.";

const NO_PASSWORD: &str = "ERR AUTH <password> called without any password configured for the default user. \
     Are you sure your configuration is correct?";

const HELLO_NOAUTH: &str = "NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO \
     <proto> AUTH <user> <pass> option can be used to authenticate the client and select the RESP protocol version \
     at the same time";

/// The part of a connection that CLIENT INFO shows.
pub(super) struct Session {
    pub(super) id: u64,
    pub(super) peer: SocketAddr,
    pub(super) local: SocketAddr,
    pub(super) proto: Proto,
    authenticated: bool,
    auth_failures: u8,
    name: Vec<u8>,
    lib_name: Vec<u8>,
    lib_version: Vec<u8>,
    created_ms: u64,
    pub(super) last_command: &'static str,
}

/// What CLIENT INFO shows of what the connection is doing.
pub(super) struct Activity {
    /// Requests in the MULTI queue; `None`: there is none.
    pub(super) queued: Option<usize>,
    /// Whether an XREAD waits.
    pub(super) is_waiting: bool,
    /// Channels and patterns.
    pub(super) subscriptions: (usize, usize),
    /// Whether it hears of all requests.
    pub(super) is_monitor: bool,
}

impl Activity {
    /// Redis' letters.
    fn flags(&self) -> String {
        let letters = [
            (self.is_monitor, 'O'),
            (self.subscriptions != (0, 0), 'P'),
            (self.queued.is_some(), 'x'),
            (self.is_waiting, 'b'),
        ];
        let flags: String = letters.into_iter().filter_map(|(has, letter)| has.then_some(letter)).collect();
        if flags.is_empty() { "N".to_owned() } else { flags }
    }
}

impl Session {
    pub(super) fn new(id: u64, peer: SocketAddr, local: SocketAddr, now_ms: u64) -> Self {
        Self {
            id,
            peer,
            local,
            proto: Proto::Resp2,
            authenticated: false,
            auth_failures: 0,
            name: Vec::new(),
            lib_name: Vec::new(),
            lib_version: Vec::new(),
            created_ms: now_ms,
            last_command: "NULL",
        }
    }

    /// Whether the client may use commands: it has given the password, or none is needed.
    pub(super) fn authenticated(&self, host: &impl Host) -> bool {
        self.authenticated || !host.needs_password()
    }

    /// The client's address and name.
    pub(super) fn who(&self) -> (String, Vec<u8>) {
        (self.peer.to_string(), self.name.clone())
    }

    /// Its user's name.
    pub(super) fn user(&self) -> &str {
        "default"
    }

    pub(super) fn parser_limits(&self, host: &impl Host) -> resp::Limits {
        if !self.authenticated(host) {
            return resp::Limits::UNAUTHENTICATED;
        }
        let limits = host.limits();
        resp::Limits {
            args_max: limits.args_max,
            bulk_len_max: limits.frame_bytes_max,
            frame_len_max: limits.frame_bytes_max,
            ..resp::Limits::AUTHENTICATED
        }
    }

    /// The fields that clients parse (redis-py reads them all); those of features that are not there say so.
    pub(super) fn describe(
        &self,
        now_ms: u64,
        idle_s: u64,
        activity: &Activity,
        input: usize,
        output: usize,
    ) -> String {
        let Self { id, peer, local, .. } = self;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let age_s = now_ms.saturating_sub(self.created_ms) / 1000;
        let (flags, (sub, psub)) = (activity.flags(), activity.subscriptions);
        let multi = activity.queued.map_or(-1, |queued| queued as i64);
        let proto = match self.proto {
            Proto::Resp2 => 2,
            Proto::Resp3 => 3,
        };
        format!(
            "id={id} addr={peer} laddr={local} fd=-1 name={name} age={age_s} idle={idle_s} flags={flags} db=0 sub={sub} psub={psub} \
             ssub=0 multi={multi} qbuf={input} qbuf-free=0 argv-mem=0 multi-mem=0 rbs=0 rbp=0 obl={output} oll=0 omem=0 \
             tot-mem=0 events=r cmd={command} user=default redir=-1 resp={proto} lib-name={lib_name} lib-ver={lib_version}",
            name = text(&self.name),
            command = self.last_command,
            lib_name = text(&self.lib_name),
            lib_version = text(&self.lib_version),
        )
    }
}

impl Connection {
    /// Answers what concerns the connection alone.
    pub(super) fn converse(&mut self, request: ConnectionRequest<'_>, host: &mut impl Host) {
        match request {
            ConnectionRequest::Ping(message) if matches!(self.mode, Mode::Listening) => self.reply(|e| {
                e.array(2);
                e.text("pong");
                e.bulk(message.unwrap_or_default());
            }),
            ConnectionRequest::Ping(None) => self.reply(|e| e.simple("PONG")),
            ConnectionRequest::Ping(Some(message)) | ConnectionRequest::Echo(message) => {
                self.reply(|e| e.bulk(message))
            }
            ConnectionRequest::Quit => {
                self.reply(|e| e.ok());
                self.state = State::Ending;
            }
            ConnectionRequest::Reset => self.reset(host),
            ConnectionRequest::Hello { proto, auth, name } => self.hello(proto, auth, name, host),
            ConnectionRequest::Auth(credentials) => self.auth(credentials, host),
            ConnectionRequest::ClientId => {
                let id = self.session.id;
                self.reply(|e| e.integer(id));
            }
            ConnectionRequest::ClientInfo => {
                let line = self.describe(host.now_ms()) + "\n";
                self.reply(|e| e.verbatim(&line));
            }
            ConnectionRequest::GetName => {
                let name = self.session.name.clone();
                self.reply(|e| if name.is_empty() { e.null() } else { e.bulk(&name) });
            }
            ConnectionRequest::SetName(name) => {
                self.session.name = name.to_vec();
                self.reply(|e| e.ok());
            }
            ConnectionRequest::SetInfo(what, value) => {
                match what {
                    LibraryInfo::Name => self.session.lib_name = value.to_vec(),
                    LibraryInfo::Version => self.session.lib_version = value.to_vec(),
                }
                self.reply(|e| e.ok());
            }
            ConnectionRequest::Reply(mode) => self.set_reply_mode(mode),
            ConnectionRequest::TrackingInfo => self.reply(|e| e.tracking_info()),
            ConnectionRequest::Monitor => self.monitor(host),
            ConnectionRequest::Multi => self.multi(),
            ConnectionRequest::Exec => self.exec(),
            ConnectionRequest::Discard => self.discard(),
        }
    }

    fn reset(&mut self, host: &mut impl Host) {
        self.end_subscriptions(host);
        self.end_monitor(host);
        self.silence = Silence::None;
        self.ring.set_mute(false);
        self.mode = Mode::Free;
        self.session.name.clear();
        self.session.authenticated = false;
        self.session.proto = Proto::Resp2;
        self.reply(|e| e.simple("RESET"));
    }

    fn hello(
        &mut self,
        proto: Option<Proto>,
        auth: Option<Credentials<'_>>,
        name: Option<&[u8]>,
        host: &mut impl Host,
    ) {
        if let Some(credentials) = auth {
            if let Err(text) = self.check(credentials, host) {
                return self.reply(|e| e.error(text));
            }
        } else if !self.session.authenticated(host) {
            return self.reply(|e| e.error(HELLO_NOAUTH));
        }
        if let Some(proto) = proto {
            self.session.proto = proto;
            self.choose_mode();
        }
        if let Some(name) = name {
            self.session.name = name.to_vec();
        }
        let facts = HelloFacts { redis_version: host.redis_version(), connection_id: self.session.id };
        self.reply(|e| e.hello(&facts));
    }

    fn auth(&mut self, credentials: Credentials<'_>, host: &mut impl Host) {
        match self.check(credentials, host) {
            Ok(()) => self.reply(|e| e.ok()),
            Err(text) => self.reply(|e| e.error(text)),
        }
    }

    /// Checks a password; too many wrong ones end the connection.
    fn check(&mut self, credentials: Credentials<'_>, host: &mut impl Host) -> Result<(), &'static str> {
        if !host.needs_password() {
            return Err(NO_PASSWORD);
        }
        // Both are looked at whatever the first says: an unknown user takes the same path.
        let password_right = host.is_password(credentials.password.reveal());
        if credentials.user == b"default" && password_right {
            self.session.authenticated = true;
            return Ok(());
        }
        self.session.auth_failures += 1;
        if self.session.auth_failures >= AUTH_FAILURES_MAX {
            self.state = State::Ending;
        }
        host.refused(None, WRONG_PASSWORD);
        Err(WRONG_PASSWORD)
    }
}
