//! `SELECT index`: there is one database, 0.

use crate::commands::args::{Args, whole};
use crate::commands::refusal::Refusal;
use crate::commands::spec::{ArgKind, ArgSpec, CommandSpec};
use crate::commands::{Defaults, Request};

/// The table entry.
pub static SPEC: CommandSpec = CommandSpec {
    name: "select",
    arity: 2,
    summary: "Chooses the database, of which there is one: 0",
    args: &[ArgSpec::new("index", ArgKind::Integer)],
    parse,
    ..super::BASE
};

fn parse<'a>(args: &mut Args<'a>, _: &Defaults) -> Result<Request<'a>, Refusal> {
    let word = args.word()?;
    match whole(word.strip_prefix(b"-").unwrap_or(word), 0, i32::MAX as u64) {
        Some(0) if word == b"0" => Ok(Request::Accepted),
        Some(_) => Err(Refusal::fixed("ERR DB index is out of range")),
        None => Err(Refusal::fixed("ERR value is not an integer or out of range")),
    }
}
