//! `CONFIG GET pattern ...|HELP`. Values are set in the file, the environment or the command line, not by clients.

use super::ServerRequest;
use crate::commands::Request;
use crate::commands::arguments::Arguments;
use crate::commands::glob;
use crate::commands::spec::{ArgKind, ArgSpec, CommandSpec, Flags};

/// The table entry.
pub static SPEC: CommandSpec = CommandSpec {
    name: "config",
    arity: -2,
    summary: "A container for commands about the configuration",
    since: "2.0.0",
    complexity: "Depends on subcommand.",
    subcommands: &[
        CommandSpec {
            name: "config|get",
            arity: -3,
            flags: Flags::ANYTIME.and(Flags::ADMIN).and(Flags::NOSCRIPT),
            summary: "Tells the values of the parameters that match",
            since: "2.0.0",
            complexity: "O(N*M) where N is the number of parameters and M the number of patterns",
            args: &[ArgSpec::new("parameter", ArgKind::Pattern).multiple()],
            parse: |args, _| Ok(Request::Server(ServerRequest::ConfigGet(Patterns(args.rest())))),
            ..CommandSpec::BASE
        },
        CommandSpec {
            name: "config|help",
            arity: 2,
            flags: Flags::ANYTIME,
            summary: "Shows the subcommands",
            since: "5.0.0",
            parse: |_, _| Ok(Request::Help(HELP)),
            ..CommandSpec::BASE
        },
    ],
    ..CommandSpec::BASE
};

const HELP: &[&str] = &[
    "CONFIG <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
    "GET <pattern> [<pattern> ...]",
    "    Return parameters matching the glob-like <pattern> and their values.",
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
