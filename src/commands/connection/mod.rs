//! Commands about the connection they come from: greeting, password, names, the MULTI queue.

pub mod auth;
pub mod client;
pub mod control;
pub mod echo;
pub mod hello;
pub mod ping;
pub mod quit;
pub mod reset;
pub mod select;
pub mod transaction;

use std::fmt;

use super::refusal::Refusal;
use super::reply::Proto;
use super::spec::{Class, CommandSpec, Flags};

/// What a connection answers by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectionRequest<'a> {
    /// PING: `+PONG`, or the message back.
    Ping(Option<&'a [u8]>),
    /// ECHO: the message back.
    Echo(&'a [u8]),
    /// QUIT: `+OK`, close, whatever was pipelined behind.
    Quit,
    /// RESET: `+RESET`; RESP2, no name, no queue, not authenticated; the library's name stays.
    Reset,
    /// HELLO: authenticate, switch, name; in this order, nothing if one fails. Then [`super::reply::HelloFacts`].
    Hello {
        /// `None`: stay.
        proto: Option<Proto>,
        /// The AUTH option.
        auth: Option<Credentials<'a>>,
        /// The SETNAME option, valid.
        name: Option<&'a [u8]>,
    },
    /// AUTH
    Auth(Credentials<'a>),
    /// ACL WHOAMI: the user's name.
    WhoAmI,
    /// CLIENT ID
    ClientId,
    /// CLIENT INFO: this connection's line of CLIENT LIST.
    ClientInfo,
    /// CLIENT GETNAME: null without a name.
    GetName,
    /// CLIENT SETNAME: a valid name; empty takes it away.
    SetName(&'a [u8]),
    /// CLIENT SETINFO: a valid value.
    SetInfo(LibraryInfo, &'a [u8]),
    /// CLIENT REPLY
    Reply(control::ReplyMode),
    /// CLIENT TRACKINGINFO
    TrackingInfo,
    /// MONITOR: `+OK`, then a line a request.
    Monitor,
    /// MULTI
    Multi,
    /// EXEC
    Exec,
    /// DISCARD
    Discard,
}

/// What a client library tells about itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LibraryInfo {
    /// LIB-NAME
    Name,
    /// LIB-VER
    Version,
}

/// A user and a password to be checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Credentials<'a> {
    /// `default` where none was given.
    pub user: &'a [u8],
    /// What they know.
    pub password: Secret<'a>,
}

/// Bytes that no log may show.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Secret<'a>(&'a [u8]);

impl<'a> Secret<'a> {
    /// The bytes, to compare in constant time.
    pub fn reveal(self) -> &'a [u8] {
        self.0
    }
}

impl fmt::Debug for Secret<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(redacted)")
    }
}

/// Longest name of a connection or of its library, bytes: a name is memory that a client holds.
pub const NAME_LEN_MAX: usize = 256;

const BASE: CommandSpec = CommandSpec {
    group: "connection",
    class: Class::Open,
    categories: &["connection"],
    flags: Flags::ANYTIME.and(Flags::FAST),
    ..CommandSpec::BASE
};

/// Flags of what is allowed before AUTH.
const BEFORE_AUTH: Flags = Flags::ANYTIME.and(Flags::FAST).and(Flags::NOSCRIPT).and(Flags::NO_AUTH);

/// A name that CLIENT LIST can show: no blanks, no control characters.
fn name(word: &[u8]) -> Result<&[u8], Refusal> {
    const RULE: Refusal = Refusal::fixed("ERR Client names cannot contain spaces, newlines or special characters.");
    if word.len() > NAME_LEN_MAX {
        return Err(Refusal::fixed("ERR Client names cannot be longer than 256 bytes."));
    }
    if word.iter().all(u8::is_ascii_graphic) { Ok(word) } else { Err(RULE) }
}
