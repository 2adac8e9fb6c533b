//! `HELLO [protover [AUTH username password] [SETNAME clientname]]`

use super::{ConnectionRequest, Credentials, Secret};
use crate::commands::args::{Args, whole};
use crate::commands::refusal::{Refusal, printable};
use crate::commands::reply::Proto;
use crate::commands::spec::{ArgKind, ArgSpec, CommandSpec};
use crate::commands::{Defaults, Request};

/// The table entry.
pub static SPEC: CommandSpec = CommandSpec {
    name: "hello",
    arity: -1,
    flags: super::BEFORE_AUTH,
    summary: "Chooses the protocol's version and tells about the server",
    since: "6.0.0",
    args: &[ArgSpec {
        parts: &[
            ArgSpec::new("protover", ArgKind::Integer),
            ArgSpec {
                token: Some("AUTH"),
                parts: &[ArgSpec::new("username", ArgKind::String), ArgSpec::new("password", ArgKind::String)],
                ..ArgSpec::new("username_password", ArgKind::Block)
            }
            .optional(),
            ArgSpec::option("SETNAME", "clientname", ArgKind::String),
        ],
        ..ArgSpec::new("arguments", ArgKind::Block)
    }
    .optional()],
    parse,
    ..super::BASE
};

fn parse<'a>(args: &mut Args<'a>, _: &Defaults) -> Result<Request<'a>, Refusal> {
    let (mut proto, mut auth, mut name) = (None, None, None);
    if let Some(version) = args.next_if_any() {
        proto = Some(match whole(version, 0, i64::MAX as u64) {
            Some(2) => Proto::Resp2,
            Some(3) => Proto::Resp3,
            Some(_) => return Err(Refusal::fixed("NOPROTO unsupported protocol version")),
            None => return Err(Refusal::fixed("ERR Protocol version is not an integer or out of range")),
        });
    }
    while let Some(option) = args.next_if_any() {
        if option.eq_ignore_ascii_case(b"AUTH") && args.left() >= 2 {
            auth = Some(Credentials { user: args.word()?, password: Secret(args.word()?) });
        } else if option.eq_ignore_ascii_case(b"SETNAME") && args.left() >= 1 {
            name = Some(super::name(args.word()?)?);
        } else {
            return Err(Refusal::made(format!("ERR Syntax error in HELLO option '{}'", printable(option, 128))));
        }
    }
    Ok(Request::Connection(ConnectionRequest::Hello { proto, auth, name }))
}
