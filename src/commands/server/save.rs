//! `SAVE`, `BGSAVE [SCHEDULE]`: snapshots of all shards, made beside the traffic either way; SAVE answers when they are there.

use super::ServerRequest;
use crate::commands::args::Args;
use crate::commands::refusal::Refusal;
use crate::commands::spec::{ArgSpec, CommandSpec, Flags};
use crate::commands::{Defaults, Request};

const BASE: CommandSpec = CommandSpec {
    flags: Flags::ADMIN.and(Flags::NOSCRIPT).and(Flags::NO_MULTI),
    complexity: "O(N) where N is the number of accounts, holds and transaction ids",
    ..CommandSpec::BASE
};

/// The table entry of SAVE.
pub static SAVE: CommandSpec = CommandSpec {
    name: "save",
    summary: "Writes a snapshot of every shard and answers when all are on disk; commands of others go on meanwhile",
    parse: |_, _| Ok(Request::Server(ServerRequest::Save)),
    ..BASE
};

/// The table entry of BGSAVE.
pub static BGSAVE: CommandSpec = CommandSpec {
    name: "bgsave",
    arity: -1,
    summary: "Begins to write a snapshot of every shard",
    args: &[ArgSpec::token("schedule", "SCHEDULE").optional()],
    parse: bgsave,
    ..BASE
};

fn bgsave<'a>(args: &mut Args<'a>, _: &Defaults) -> Result<Request<'a>, Refusal> {
    let mut schedule = false;
    while args.option(&["SCHEDULE"])?.is_some() {
        schedule = true;
    }
    Ok(Request::Server(ServerRequest::BgSave { schedule }))
}
