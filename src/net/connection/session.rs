//! Who the client is and what it said about itself; the commands that ask and change that.

use super::access::{Greeting, Identity};
use super::control::Silence;
use super::{CloseReason, Connection, Host, Mode};
use crate::access::{DEFAULT, Users};
use crate::commands::connection::{ConnectionRequest, LibraryInfo};
use crate::commands::reply::Proto;
use crate::net::resp;
use std::net::SocketAddr;

/// The part of a connection that CLIENT INFO shows.
pub(super) struct Session {
    pub(super) id: u64,
    pub(super) peer: SocketAddr,
    pub(super) local: SocketAddr,
    pub(super) proto: Proto,
    pub(super) identity: Identity,
    pub(super) name: Vec<u8>,
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
    /// Bytes that its buffers hold.
    pub(super) memory: usize,
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
    pub(super) fn new(id: u64, peer: SocketAddr, local: SocketAddr, now_ms: u64, users: &Users) -> Self {
        Self {
            id,
            peer,
            local,
            proto: Proto::Resp2,
            identity: Identity::new(users),
            name: Vec::new(),
            lib_name: Vec::new(),
            lib_version: Vec::new(),
            created_ms: now_ms,
            last_command: "NULL",
        }
    }

    /// The client's address and name.
    pub(super) fn who(&self) -> (String, Vec<u8>) {
        (self.peer.to_string(), self.name.clone())
    }

    /// Its user's name.
    pub(super) fn user(&self) -> &str {
        self.identity.user.as_ref().map_or(DEFAULT, |user| user.name())
    }

    pub(super) fn parser_limits(&self, host: &impl Host) -> resp::Limits {
        if self.identity.user.is_none() && !planted!("strangers may send as much as others") {
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
             tot-mem={memory} events=r cmd={command} user={user} redir=-1 resp={proto} lib-name={lib_name} lib-ver={lib_version}",
            name = text(&self.name),
            command = self.last_command,
            user = self.user(),
            memory = activity.memory,
            lib_name = text(&self.lib_name),
            lib_version = text(&self.lib_version),
        )
    }
}

impl Connection {
    /// Answers what concerns the connection alone.
    pub(super) fn converse(&mut self, command: u16, request: ConnectionRequest<'_>, host: &mut impl Host) {
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
                self.end(CloseReason::Quit);
            }
            ConnectionRequest::Reset => self.reset(host),
            ConnectionRequest::Hello { proto, auth, name } => {
                self.hello(command, auth, Greeting { proto, name: name.map(<[u8]>::to_vec) }, host)
            }
            ConnectionRequest::Auth(credentials) => self.log_in(command, credentials, None, host),
            ConnectionRequest::WhoAmI => {
                let name = self.session.user().to_owned();
                self.reply(|e| e.text(&name));
            }
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
        self.forget_user(host);
        self.session.proto = Proto::Resp2;
        self.reply(|e| e.simple("RESET"));
    }
}
