//! `PUBLISH channel message`

use crate::commands::Request;
use crate::commands::server::ServerRequest;
use crate::commands::spec::{ArgKind, ArgSpec, CommandSpec, Flags};

/// The table entry.
pub static SPEC: CommandSpec = CommandSpec {
    name: "publish",
    arity: 3,
    flags: super::BASE.flags.and(Flags::FAST),
    summary: "Sends a message to whoever listens to the channel",
    complexity: "O(N+M) where N is the number of connections that listen to the channel and M that of all patterns",
    args: &[ArgSpec::new("channel", ArgKind::String), ArgSpec::new("message", ArgKind::String)],
    parse: |args, _| {
        let channel = super::channel(args.word()?)?;
        Ok(Request::Server(ServerRequest::Publish { channel, message: args.word()? }))
    },
    ..super::BASE
};
