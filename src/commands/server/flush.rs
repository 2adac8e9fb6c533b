//! FLUSHALL, FLUSHDB, FUNCTION FLUSH: what test suites for Redis say before each test. Refused, unless the server was
//! started for tests.

use super::ServerRequest;
use crate::commands::Request;
use crate::commands::args::Args;
use crate::commands::refusal::Refusal;
use crate::commands::spec::{ArgSpec, CommandSpec, Flags};

/// What is to be emptied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flush {
    /// FLUSHALL, FLUSHDB
    Accounts,
    /// FUNCTION FLUSH
    Functions,
}

const BASE: CommandSpec = CommandSpec {
    arity: -1,
    flags: Flags::WRITE,
    categories: &["keyspace", "dangerous"],
    tips: &["request_policy:all_shards", "response_policy:all_succeeded"],
    summary: "Refused, as accounts are never deleted; with enable-test-commands OK while there are none",
    args: &[
        ArgSpec::one_of("flush-type", &[ArgSpec::token("async", "ASYNC"), ArgSpec::token("sync", "SYNC")]).optional()
    ],
    parse: |args, _| flush(args, Flush::Accounts),
    ..CommandSpec::BASE
};

/// FLUSHALL
pub static FLUSHALL: CommandSpec = CommandSpec { name: "flushall", ..BASE };

/// FLUSHDB
pub static FLUSHDB: CommandSpec = CommandSpec { name: "flushdb", ..BASE };

/// FUNCTION
pub static FUNCTION: CommandSpec = CommandSpec {
    name: "function",
    arity: -2,
    flags: Flags::NONE,
    categories: &[],
    tips: &[],
    since: "7.0.0",
    summary: "A container for commands about functions, of which there are none",
    complexity: "Depends on subcommand.",
    args: &[],
    subcommands: &[CommandSpec {
        name: "function|flush",
        arity: -2,
        since: "7.0.0",
        summary: "Refused; with enable-test-commands OK, as there are none",
        parse: |args, _| flush(args, Flush::Functions),
        ..BASE
    }],
    ..BASE
};

fn flush<'a>(args: &mut Args<'a>, what: Flush) -> Result<Request<'a>, Refusal> {
    args.option(&["ASYNC", "SYNC"])?;
    args.end()?;
    Ok(Request::Server(ServerRequest::Flush(what)))
}
