//! MULTI, EXEC, DISCARD, UNWATCH; WATCH is refused. A queue that runs in order, each command atomic alone: client
//! libraries wrap pipelines in it (commands.md C.10, C.11 17).

use super::ConnectionRequest;
use crate::commands::Request;
use crate::commands::refusal::Refusal;
use crate::commands::spec::{ArgKind, ArgSpec, Class, CommandSpec, Flags};

const BASE: CommandSpec = CommandSpec {
    group: "transactions",
    class: Class::Open,
    categories: &["transaction"],
    flags: Flags::ANYTIME.and(Flags::FAST).and(Flags::NOSCRIPT),
    ..CommandSpec::BASE
};

/// MULTI
pub static MULTI: CommandSpec = CommandSpec {
    name: "multi",
    summary: "Starts a queue of commands",
    since: "1.2.0",
    parse: |_, _| Ok(Request::Connection(ConnectionRequest::Multi)),
    ..BASE
};

/// EXEC
pub static EXEC: CommandSpec = CommandSpec {
    name: "exec",
    flags: Flags::ANYTIME.and(Flags::NOSCRIPT),
    summary: "Runs the queued commands in order, each atomic alone",
    since: "1.2.0",
    complexity: "Depends on commands in the queue",
    parse: |_, _| Ok(Request::Connection(ConnectionRequest::Exec)),
    ..BASE
};

/// DISCARD
pub static DISCARD: CommandSpec = CommandSpec {
    name: "discard",
    summary: "Forgets the queued commands",
    since: "2.0.0",
    complexity: "O(N) where N is the number of queued commands",
    parse: |_, _| Ok(Request::Connection(ConnectionRequest::Discard)),
    ..BASE
};

/// WATCH: accepting it would be a lie about money.
pub static WATCH: CommandSpec = CommandSpec {
    name: "watch",
    arity: -2,
    summary: "Not supported: nothing makes EXEC depend on an account",
    since: "2.2.0",
    args: &[ArgSpec::new("key", ArgKind::String).multiple()],
    parse: |_, _| {
        Err(Refusal::fixed("ERR WATCH is not supported: every command is atomic, and its tx makes a retry safe"))
    },
    ..BASE
};

/// UNWATCH: nothing is ever watched.
pub static UNWATCH: CommandSpec = CommandSpec {
    name: "unwatch",
    summary: "Does nothing, as nothing can be watched",
    since: "2.2.0",
    parse: |_, _| Ok(Request::Accepted),
    ..BASE
};
