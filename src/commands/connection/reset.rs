//! `RESET`

use super::super::Request;
use super::super::spec::CommandSpec;
use super::ConnectionRequest;

/// The table entry.
pub static SPEC: CommandSpec = CommandSpec {
    name: "reset",
    flags: super::BEFORE_AUTH,
    summary: "Puts the connection back to how it started",
    since: "6.2.0",
    parse: |_, _| Ok(Request::Connection(ConnectionRequest::Reset)),
    ..super::BASE
};
