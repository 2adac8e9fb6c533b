//! `QUIT`; more words are ignored, as in Redis.

use super::ConnectionRequest;
use crate::commands::Request;
use crate::commands::spec::CommandSpec;

/// The table entry.
pub static SPEC: CommandSpec = CommandSpec {
    name: "quit",
    arity: -1,
    flags: super::BEFORE_AUTH,
    summary: "Closes the connection",
    parse: |_, _| Ok(Request::Connection(ConnectionRequest::Quit)),
    ..super::BASE
};
