//! `RESET`

use super::ConnectionRequest;
use crate::commands::Request;
use crate::commands::spec::CommandSpec;

/// The table entry.
pub static SPEC: CommandSpec = CommandSpec {
    name: "reset",
    flags: super::BEFORE_AUTH,
    summary: "Puts the connection back to how it started",
    since: "6.2.0",
    parse: |_, _| Ok(Request::Connection(ConnectionRequest::Reset)),
    ..super::BASE
};
