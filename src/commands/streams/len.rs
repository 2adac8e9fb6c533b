//! `XLEN key`

use super::{Stream, StreamRequest};
use crate::commands::Request;
use crate::commands::spec::{ArgKind, ArgSpec, CommandSpec, Flags};

/// The table entry.
pub static SPEC: CommandSpec = CommandSpec {
    name: "xlen",
    arity: 2,
    flags: Flags::READONLY.and(Flags::FAST),
    summary: "Tells how many entries a stream has",
    args: &[ArgSpec::new("key", ArgKind::Key)],
    parse: |args, _| Ok(Request::Stream(StreamRequest::Length(Stream::of(args.word()?)))),
    ..super::BASE
};
