//! What one client may do to others, or to its own replies: `CLIENT KILL|PAUSE|UNPAUSE|UNBLOCK|REPLY`, and what is told of
//! client-side caching, which is not there. MONITOR, which hears what all say.

use super::ConnectionRequest;
use crate::commands::args::{Args, whole};
use crate::commands::refusal::{Refusal, printable};
use crate::commands::server::ServerRequest;
use crate::commands::spec::{ArgKind, ArgSpec, Class, CommandSpec, Flags};
use crate::commands::{Defaults, Request};

/// Which connections a CLIENT KILL means: those to which all of it applies.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientMatch {
    /// ID
    pub id: Option<u64>,
    /// TYPE: whether it listens to channels.
    pub listening: Option<bool>,
    /// USER
    pub user: Option<Box<[u8]>>,
    /// ADDR, `ip:port`
    pub peer: Option<Box<[u8]>>,
    /// LADDR, `ip:port`
    pub local: Option<Box<[u8]>>,
    /// SKIPME: whether the one that asks is left out.
    pub skip_me: bool,
    /// TYPE of which there are none: no connection is meant.
    pub nobody: bool,
}

/// The words of a CLIENT KILL, understood when they are used: they are good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KillRequest<'a>(crate::commands::arguments::Arguments<'a>);

/// What CLIENT REPLY wants.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ReplyMode {
    /// Every request is answered.
    #[default]
    On,
    /// None is.
    Off,
    /// The next one is not.
    Skip,
}

const OPERATORS: Flags = Flags::ANYTIME.and(Flags::NOSCRIPT).and(Flags::ADMIN);

const BASE: CommandSpec = CommandSpec { class: Class::Admin, flags: OPERATORS, arity: 2, ..super::BASE };

const ANYBODY: CommandSpec =
    CommandSpec { class: Class::Open, flags: Flags::ANYTIME.and(Flags::NOSCRIPT), arity: 2, ..super::BASE };

const ON_OFF: &[ArgSpec] = &[ArgSpec::token("on", "ON"), ArgSpec::token("off", "OFF")];

/// CLIENT KILL
pub(super) const KILL: CommandSpec = CommandSpec {
    name: "client|kill",
    arity: -3,
    since: "2.4.0",
    complexity: "O(N) where N is the number of connections",
    summary: "Ends connections: the one from an address, or all that a filter means",
    args: &[ArgSpec::one_of(
        "filter",
        &[
            ArgSpec::new("ip:port", ArgKind::String),
            ArgSpec::block(
                "new-format",
                &[
                    ArgSpec::option("ID", "client-id", ArgKind::Integer),
                    ArgSpec::option("TYPE", "client-type", ArgKind::String),
                    ArgSpec::option("USER", "username", ArgKind::String),
                    ArgSpec::option("ADDR", "ip:port", ArgKind::String),
                    ArgSpec::option("LADDR", "ip:port", ArgKind::String),
                    ArgSpec::option("SKIPME", "yes/no", ArgKind::String),
                ],
            ),
        ],
    )],
    parse: |args, _| {
        let request = KillRequest(args.rest());
        request.matching().map(|_| Request::Server(ServerRequest::ClientKill(request)))
    },
    ..BASE
};

/// CLIENT PAUSE
pub(super) const PAUSE: CommandSpec = CommandSpec {
    name: "client|pause",
    arity: -3,
    since: "3.0.0",
    summary: "Lets all requests wait for a time, or only those that change something; claims and expiry go on",
    args: &[
        ArgSpec::new("timeout", ArgKind::Integer),
        ArgSpec::one_of("mode", &[ArgSpec::token("write", "WRITE"), ArgSpec::token("all", "ALL")]).optional(),
    ],
    parse: pause,
    ..BASE
};

/// CLIENT UNPAUSE
pub(super) const UNPAUSE: CommandSpec = CommandSpec {
    name: "client|unpause",
    since: "6.2.0",
    summary: "Ends a pause of requests that change something",
    parse: |_, _| Ok(Request::Server(ServerRequest::Pause { ms: 0, writes_only: false })),
    ..BASE
};

/// CLIENT UNBLOCK
pub(super) const UNBLOCK: CommandSpec = CommandSpec {
    name: "client|unblock",
    arity: -3,
    since: "5.0.0",
    summary: "Ends the wait of another connection's XREAD",
    args: &[
        ArgSpec::new("client-id", ArgKind::Integer),
        ArgSpec::one_of("unblock-type", &[ArgSpec::token("timeout", "TIMEOUT"), ArgSpec::token("error", "ERROR")])
            .optional(),
    ],
    parse: unblock,
    ..BASE
};

/// CLIENT REPLY
pub(super) const REPLY: CommandSpec = CommandSpec {
    name: "client|reply",
    arity: 3,
    since: "3.2.0",
    summary: "Says whether the server answers: to all requests, to none, or not to the next one",
    args: &[ArgSpec::one_of(
        "action",
        &[ArgSpec::token("on", "ON"), ArgSpec::token("off", "OFF"), ArgSpec::token("skip", "SKIP")],
    )],
    parse: reply,
    ..ANYBODY
};

/// CLIENT TRACKING
pub(super) const TRACKING: CommandSpec = CommandSpec {
    name: "client|tracking",
    arity: -3,
    since: "6.0.0",
    summary: "Off is accepted; on is refused, as nothing tells a client what to forget",
    args: &[ArgSpec::one_of("status", ON_OFF), ArgSpec::new("option", ArgKind::String).optional().multiple()],
    parse: tracking,
    ..ANYBODY
};

/// CLIENT CACHING
pub(super) const CACHING: CommandSpec = CommandSpec {
    name: "client|caching",
    arity: 3,
    since: "6.0.0",
    summary: "Refused, as tracking is off",
    args: &[ArgSpec::one_of("mode", &[ArgSpec::token("yes", "YES"), ArgSpec::token("no", "NO")])],
    parse: |_, _| {
        Err(Refusal::fixed(
            "ERR CLIENT CACHING can be called only when the client is in tracking mode with OPTIN or OPTOUT mode enabled",
        ))
    },
    ..ANYBODY
};

/// CLIENT TRACKINGINFO
pub(super) const TRACKINGINFO: CommandSpec = CommandSpec {
    name: "client|trackinginfo",
    since: "6.2.0",
    summary: "Tells that tracking is off",
    parse: |_, _| Ok(Request::Connection(ConnectionRequest::TrackingInfo)),
    ..ANYBODY
};

/// CLIENT GETREDIR
pub(super) const GETREDIR: CommandSpec = CommandSpec {
    name: "client|getredir",
    since: "6.0.0",
    summary: "Answers -1, as tracking is off",
    parse: |_, _| Ok(Request::Number(-1)),
    ..ANYBODY
};

/// MONITOR
pub static MONITOR: CommandSpec = CommandSpec {
    name: "monitor",
    arity: 1,
    group: "server",
    categories: &[],
    summary: "Shows every request of every connection from now on; passwords are left out",
    parse: |_, _| Ok(Request::Connection(ConnectionRequest::Monitor)),
    ..BASE
};

impl KillRequest<'_> {
    /// Whom it means, in Redis' two forms, and whether it is the old one.
    ///
    /// # Errors
    /// Syntax error; a value that is none.
    pub fn matching(&self) -> Result<(ClientMatch, bool), Refusal> {
        let words = self.0;
        if let (1, Some(address)) = (words.len(), words.get(0)) {
            return Ok((ClientMatch { peer: Some(address.into()), ..ClientMatch::default() }, true));
        }
        let mut meant = ClientMatch { skip_me: true, ..ClientMatch::default() };
        if !words.len().is_multiple_of(2) {
            return Err(Refusal::SYNTAX);
        }
        for (option, value) in words.iter().step_by(2).zip(words.skip(1).iter().step_by(2)) {
            match &option.to_ascii_lowercase()[..] {
                b"id" => {
                    let id = whole(value, 1, i64::MAX as u64);
                    meant.id = Some(id.ok_or(Refusal::fixed("ERR client-id should be greater than 0"))?);
                }
                b"type" => match &value.to_ascii_lowercase()[..] {
                    b"normal" => meant.listening = Some(false),
                    b"pubsub" => meant.listening = Some(true),
                    b"master" | b"replica" | b"slave" => meant.nobody = true,
                    _ => return Err(Refusal::made(format!("ERR Unknown client type '{}'", printable(value, 128)))),
                },
                b"user" => meant.user = Some(value.into()),
                b"addr" => meant.peer = Some(value.into()),
                b"laddr" => meant.local = Some(value.into()),
                b"skipme" if value.eq_ignore_ascii_case(b"yes") => meant.skip_me = true,
                b"skipme" if value.eq_ignore_ascii_case(b"no") => meant.skip_me = false,
                _ => return Err(Refusal::SYNTAX),
            }
        }
        Ok((meant, false))
    }
}

fn pause<'a>(args: &mut Args<'a>, _: &Defaults) -> Result<Request<'a>, Refusal> {
    let ms = whole(args.word()?, 0, u32::MAX.into());
    let ms = ms.ok_or(Refusal::fixed("ERR timeout is not an integer or out of range"))?;
    let mode = args.option(&["WRITE", "ALL"])?;
    args.end()?;
    Ok(Request::Server(ServerRequest::Pause { ms, writes_only: mode == Some("WRITE") }))
}

fn unblock<'a>(args: &mut Args<'a>, _: &Defaults) -> Result<Request<'a>, Refusal> {
    let id = whole(args.word()?, 0, i64::MAX as u64);
    let id = id.ok_or(Refusal::fixed("ERR value is not an integer or out of range"))?;
    let how = args.option(&["TIMEOUT", "ERROR"])?;
    args.end()?;
    Ok(Request::Server(ServerRequest::Unblock { id, by_error: how == Some("ERROR") }))
}

fn reply<'a>(args: &mut Args<'a>, _: &Defaults) -> Result<Request<'a>, Refusal> {
    let mode = match args.option(&["ON", "OFF", "SKIP"])? {
        Some("ON") => ReplyMode::On,
        Some("OFF") => ReplyMode::Off,
        _ => ReplyMode::Skip,
    };
    Ok(Request::Connection(ConnectionRequest::Reply(mode)))
}

fn tracking<'a>(args: &mut Args<'a>, _: &Defaults) -> Result<Request<'a>, Refusal> {
    match args.option(&["ON", "OFF"])? {
        Some("OFF") => Ok(Request::Accepted),
        _ => Err(Refusal::fixed("ERR client-side caching is not supported: credits are never read from a cache")),
    }
}
