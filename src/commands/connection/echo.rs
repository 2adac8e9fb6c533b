//! `ECHO message`

use super::ConnectionRequest;
use crate::commands::Request;
use crate::commands::spec::{ArgKind, ArgSpec, CommandSpec};

/// The table entry.
pub static SPEC: CommandSpec = CommandSpec {
    name: "echo",
    arity: 2,
    summary: "Answers the message",
    args: &[ArgSpec::new("message", ArgKind::String)],
    parse: |args, _| Ok(Request::Connection(ConnectionRequest::Echo(args.word()?))),
    ..super::BASE
};
