//! `AUTH [username] password`

use super::{ConnectionRequest, Credentials, Secret};
use crate::commands::args::Args;
use crate::commands::refusal::Refusal;
use crate::commands::spec::{ArgKind, ArgSpec, CommandSpec};
use crate::commands::{Defaults, Request};

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
