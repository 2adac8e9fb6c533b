//! `AUTH [username] password`

use super::super::args::Args;
use super::super::refusal::Refusal;
use super::super::spec::{ArgKind, ArgSpec, CommandSpec};
use super::super::{Defaults, Request};
use super::{ConnectionRequest, Credentials, Secret};

/// The table entry.
pub static SPEC: CommandSpec = CommandSpec {
    name: "auth",
    arity: -2,
    flags: super::BEFORE_AUTH,
    summary: "Shows that the client may be here",
    args: &[ArgSpec::new("username", ArgKind::String).optional(), ArgSpec::new("password", ArgKind::String)],
    parse,
    ..super::BASE
};

fn parse<'a>(args: &mut Args<'a>, _: &Defaults) -> Result<Request<'a>, Refusal> {
    let first = args.word()?;
    let (user, password) = match args.next_if_any() {
        Some(second) => (first, second),
        None => (&b"default"[..], first),
    };
    args.end()?;
    Ok(Request::Connection(ConnectionRequest::Auth(Credentials { user, password: Secret(password) })))
}
