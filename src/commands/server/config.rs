//! `CONFIG GET pattern ...|SET parameter value ...|RESETSTAT|REWRITE|HELP`. What can be set while the server runs is known
//! to it; the rest is set in the file, the environment or the command line.

use super::ServerRequest;
use crate::commands::args::Args;
use crate::commands::arguments::Arguments;
use crate::commands::glob;
use crate::commands::refusal::Refusal;
use crate::commands::spec::{ArgKind, ArgSpec, Class, CommandSpec, Flags};
use crate::commands::{Defaults, Request};

const BASE: CommandSpec =
    CommandSpec { flags: Flags::ANYTIME.and(Flags::ADMIN).and(Flags::NOSCRIPT), since: "2.0.0", ..CommandSpec::BASE };

/// The table entry.
pub static SPEC: CommandSpec = CommandSpec {
    name: "config",
    arity: -2,
    flags: Flags::NONE,
    summary: "A container for commands about the configuration",
    complexity: "Depends on subcommand.",
    subcommands: &[
        CommandSpec {
            name: "config|get",
            arity: -3,
            summary: "Tells the values of the parameters that match",
            complexity: "O(N*M) where N is the number of parameters and M the number of patterns",
            args: &[ArgSpec::new("parameter", ArgKind::Pattern).multiple()],
            parse: |args, _| Ok(Request::Server(ServerRequest::ConfigGet(Patterns(args.rest())))),
            ..BASE
        },
        CommandSpec {
            name: "config|set",
            arity: -4,
            summary: "Sets parameters until the server ends: all that are named, or none",
            complexity: "O(N) where N is the number of parameters",
            args: &[ArgSpec::block(
                "data",
                &[ArgSpec::new("parameter", ArgKind::String), ArgSpec::new("value", ArgKind::String)],
            )
            .multiple()],
            parse: set,
            ..BASE
        },
        CommandSpec {
            name: "config|resetstat",
            arity: 2,
            summary: "Begins the counts of INFO anew; what is told of credits is not a count",
            parse: |_, _| Ok(Request::Server(ServerRequest::ResetStat)),
            ..BASE
        },
        CommandSpec {
            name: "config|rewrite",
            arity: 2,
            summary: "Refused: files are written by people",
            since: "2.8.0",
            parse: |_, _| Err(Refusal::fixed("ERR Rewriting config file: Operation not permitted")),
            ..BASE
        },
        CommandSpec {
            name: "config|help",
            arity: 2,
            class: Class::Open,
            flags: Flags::ANYTIME,
            summary: "Shows the subcommands",
            since: "5.0.0",
            parse: |_, _| Ok(Request::Help(HELP)),
            ..BASE
        },
    ],
    ..BASE
};

const HELP: &[&str] = &[
    "CONFIG <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
    "GET <pattern> [<pattern> ...]",
    "    Return parameters matching the glob-like <pattern> and their values.",
    "SET <directive> <value> [<directive> <value> ...]",
    "    Set the configuration <directive> to <value>, until the server ends.",
    "RESETSTAT",
    "    Reset statistics reported by the INFO command.",
    "REWRITE",
    "    Refused.",
    "HELP",
    "    Print this help.",
];

/// The parameters that a CONFIG GET asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patterns<'a>(Arguments<'a>);

impl Patterns<'_> {
    /// Whether `parameter` is wanted.
    pub fn want(&self, parameter: &str) -> bool {
        self.0.iter().any(|pattern| glob::matches(pattern, parameter.as_bytes()))
    }
}

/// What a CONFIG SET names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Assignments<'a>(Arguments<'a>);

impl<'a> Assignments<'a> {
    /// Parameters and values, in order.
    pub fn pairs(&self) -> impl Iterator<Item = (&'a [u8], &'a [u8])> + use<'a> {
        let words = self.0;
        words.iter().step_by(2).zip(words.skip(1).iter().step_by(2))
    }
}

fn set<'a>(args: &mut Args<'a>, _: &Defaults) -> Result<Request<'a>, Refusal> {
    let words = args.rest();
    if !words.len().is_multiple_of(2) {
        return Err(Refusal::wrong_arity("config|set"));
    }
    Ok(Request::Server(ServerRequest::ConfigSet(Assignments(words))))
}
