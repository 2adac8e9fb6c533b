//! `DBSIZE`

use super::ServerRequest;
use crate::commands::Request;
use crate::commands::spec::{Class, CommandSpec, Flags};

/// The table entry.
pub static SPEC: CommandSpec = CommandSpec {
    name: "dbsize",
    flags: Flags::READONLY.and(Flags::FAST),
    class: Class::Open,
    categories: &["keyspace"],
    tips: &["request_policy:all_shards", "response_policy:agg_sum"],
    summary: "Tells how many accounts there are",
    parse: |_, _| Ok(Request::Server(ServerRequest::DbSize)),
    ..CommandSpec::BASE
};
