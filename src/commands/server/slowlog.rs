//! `SLOWLOG GET [count]`, `SLOWLOG LEN`, `SLOWLOG RESET`, `SLOWLOG HELP`: commands that took long, with where the time went.

use super::ServerRequest;
use crate::commands::Request;
use crate::commands::args::{Args, signed};
use crate::commands::refusal::Refusal;
use crate::commands::spec::{ArgKind, ArgSpec, CommandSpec, Flags};

/// Entries of a GET that names no number, as in Redis.
const COUNT: usize = 10;

const BASE: CommandSpec = CommandSpec {
    arity: 2,
    flags: Flags::ANYTIME.and(Flags::ADMIN),
    since: "2.2.12",
    complexity: "O(N) where N is the number of entries",
    ..CommandSpec::BASE
};

/// The table entry.
pub static SPEC: CommandSpec = CommandSpec {
    name: "slowlog",
    arity: -2,
    flags: Flags::NONE,
    summary: "A container for commands about slow commands",
    complexity: "Depends on subcommand.",
    subcommands: &[
        CommandSpec {
            name: "slowlog|get",
            arity: -2,
            summary: "Shows the newest slow commands: time before they ran, on the shard, until they were on disk",
            args: &[ArgSpec::new("count", ArgKind::Integer).optional()],
            parse: get,
            ..BASE
        },
        CommandSpec {
            name: "slowlog|len",
            summary: "Tells how many slow commands are kept",
            complexity: "O(1)",
            parse: |_, _| Ok(Request::Server(ServerRequest::SlowLogLen)),
            ..BASE
        },
        CommandSpec {
            name: "slowlog|reset",
            summary: "Forgets all slow commands",
            parse: |_, _| Ok(Request::Server(ServerRequest::SlowLogReset)),
            ..BASE
        },
        CommandSpec {
            name: "slowlog|help",
            flags: Flags::ANYTIME,
            summary: "Shows the subcommands",
            since: "6.2.0",
            parse: |_, _| Ok(Request::Help(HELP)),
            ..BASE
        },
    ],
    ..BASE
};

fn get<'a>(args: &mut Args<'a>, _: &super::super::Defaults) -> Result<Request<'a>, Refusal> {
    args.at_most(1)?;
    let count = match args.next_if_any().map(signed) {
        None => COUNT,
        Some(Some(-1)) => usize::MAX,
        Some(Some(count)) => {
            usize::try_from(count).map_err(|_| Refusal::fixed("ERR count should be greater than or equal to -1"))?
        }
        Some(None) => return Err(Refusal::fixed("ERR value is not an integer or out of range")),
    };
    Ok(Request::Server(ServerRequest::SlowLogGet(count)))
}

const HELP: &[&str] = &[
    "SLOWLOG <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
    "GET [<count>]",
    "    Return top <count> entries from the slowlog (default: 10, -1 mean all).",
    "    Entries are made of:",
    "    id, timestamp, time in microseconds, arguments array, client IP and port,",
    "    client name. Behind the arguments stands where the time went: in the queue,",
    "    on the shard, until the disk had it; and how many commands shared that.",
    "LEN",
    "    Return the length of the slowlog.",
    "RESET",
    "    Reset the slowlog.",
    "HELP",
    "    Print this help.",
];
