//! `OBJECT ENCODING|FREQ|IDLETIME|REFCOUNT|HELP`: what tools show beside a key.

use super::{KeyView, show};
use crate::commands::Request;
use crate::commands::spec::{Class, CommandSpec, Flags};

const BASE: CommandSpec =
    CommandSpec { arity: 3, flags: Flags::READONLY, group: "generic", since: "2.2.3", ..super::BASE };

/// The table entry.
pub static SPEC: CommandSpec = CommandSpec {
    name: "object",
    arity: -2,
    flags: Flags::NONE,
    key: None,
    categories: &[],
    args: &[],
    summary: "A container for commands about how a key is kept",
    complexity: "Depends on subcommand.",
    subcommands: &[
        CommandSpec {
            name: "object|encoding",
            summary: "Tells how a key is kept: hashtable (an account) or stream",
            parse: |args, _| show(args, KeyView::Encoding),
            ..BASE
        },
        CommandSpec {
            name: "object|freq",
            since: "4.0.0",
            summary: "Refused: how often a key is used is not counted",
            parse: |args, _| show(args, KeyView::Frequency),
            ..BASE
        },
        CommandSpec {
            name: "object|idletime",
            summary: "Answers 0: accounts are never moved out of memory for being idle",
            parse: |args, _| show(args, KeyView::Constant(0)),
            ..BASE
        },
        CommandSpec {
            name: "object|refcount",
            summary: "Answers 1",
            parse: |args, _| show(args, KeyView::Constant(1)),
            ..BASE
        },
        CommandSpec {
            name: "object|help",
            arity: 2,
            class: Class::Open,
            flags: Flags::ANYTIME,
            key: None,
            args: &[],
            summary: "Shows the subcommands",
            since: "6.2.0",
            parse: |_, _| Ok(Request::Help(HELP)),
            ..BASE
        },
    ],
    ..BASE
};

const HELP: &[&str] = &[
    "OBJECT <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
    "ENCODING <key>",
    "    Return the kind of internal representation used in order to store the value",
    "    associated with a <key>.",
    "FREQ <key>",
    "    Refused: how often a key is used is not counted.",
    "IDLETIME <key>",
    "    Return 0.",
    "REFCOUNT <key>",
    "    Return 1.",
    "HELP",
    "    Print this help.",
];
