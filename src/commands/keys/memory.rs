//! `MEMORY USAGE|DOCTOR|HELP`.

use super::{KEY, Key, KeyRequest, KeyView};
use crate::commands::args::{Args, whole};
use crate::commands::refusal::Refusal;
use crate::commands::spec::{ArgKind, ArgSpec, Class, CommandSpec, Flags};
use crate::commands::{Defaults, Request};

const BASE: CommandSpec =
    CommandSpec { flags: Flags::READONLY, group: "server", categories: &[], since: "4.0.0", ..super::BASE };

/// The table entry.
pub static SPEC: CommandSpec = CommandSpec {
    name: "memory",
    arity: -2,
    flags: Flags::NONE,
    key: None,
    args: &[],
    summary: "A container for commands about memory",
    complexity: "Depends on subcommand.",
    subcommands: &[
        CommandSpec {
            name: "memory|usage",
            arity: -3,
            summary: "Tells the memory of an account, its name and active reservations included, in bytes",
            complexity: "O(N) where N is the number of active reservations",
            args: &[KEY, ArgSpec::option("SAMPLES", "count", ArgKind::Integer)],
            parse: usage,
            ..BASE
        },
        CommandSpec {
            name: "memory|doctor",
            summary: "Points to the figures of INFO memory",
            parse: |_, _| Ok(Request::Text(DOCTOR)),
            ..KEYLESS
        },
        CommandSpec {
            name: "memory|help",
            summary: "Shows the subcommands",
            parse: |_, _| Ok(Request::Help(HELP)),
            ..KEYLESS
        },
    ],
    ..BASE
};

const KEYLESS: CommandSpec =
    CommandSpec { arity: 2, class: Class::Open, flags: Flags::ANYTIME, key: None, args: &[], ..BASE };

const DOCTOR: &str = "Accounts, transaction ids and leads have limits of their own and are never evicted. \
    INFO memory tells what each takes.\n";

const HELP: &[&str] = &[
    "MEMORY <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
    "DOCTOR",
    "    Return where the figures about memory are.",
    "USAGE <key> [SAMPLES <count>]",
    "    Return memory in bytes used by <key> and its active reservations. Nothing is",
    "    sampled: all are counted.",
    "HELP",
    "    Print this help.",
];

fn usage<'a>(args: &mut Args<'a>, _: &Defaults) -> Result<Request<'a>, Refusal> {
    let key = Key::of(args.word()?);
    while args.option(&["SAMPLES"])?.is_some() {
        whole(args.word()?, 0, i64::MAX as u64).ok_or(Refusal::fixed("ERR value is not an integer or out of range"))?;
    }
    let name_len = if let Key::Account(name) = key { name.len() as u8 } else { 0 };
    Ok(Request::Keys(KeyRequest::Show(key, KeyView::Memory { name_len })))
}
