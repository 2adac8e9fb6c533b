//! `LASTSAVE`

use super::ServerRequest;
use crate::commands::Request;
use crate::commands::spec::{CommandSpec, Flags};

/// The table entry.
pub static SPEC: CommandSpec = CommandSpec {
    name: "lastsave",
    flags: Flags::ANYTIME.and(Flags::FAST),
    categories: &["dangerous"],
    tips: &["nondeterministic_output"],
    summary: "Tells when the snapshots were made, in unix seconds: of the shard whose newest is oldest",
    parse: |_, _| Ok(Request::Server(ServerRequest::LastSave)),
    ..CommandSpec::BASE
};
