//! `COMMAND [COUNT|LIST|INFO|DOCS|GETKEYS|HELP]`: the grammar; the answers are [`catalog`](super::super::catalog)'s.

use crate::commands::args::Args;
use crate::commands::arguments::Arguments;
use crate::commands::catalog::{CatalogRequest, ListFilter};
use crate::commands::refusal::Refusal;
use crate::commands::spec::{ArgKind, ArgSpec, Class, CommandSpec, Flags, KeyUse};
use crate::commands::{Defaults, Request, table};

const BASE: CommandSpec = CommandSpec {
    flags: Flags::ANYTIME,
    class: Class::Open,
    categories: &["connection"],
    since: "2.8.13",
    complexity: "O(N) where N is the number of commands",
    ..CommandSpec::BASE
};

const NAMES: &[ArgSpec] = &[ArgSpec::new("command-name", ArgKind::String).optional().multiple()];

const WHOLE: &[ArgSpec] =
    &[ArgSpec::new("command", ArgKind::String), ArgSpec::new("arg", ArgKind::String).optional().multiple()];

/// The table entry.
pub static SPEC: CommandSpec = CommandSpec {
    name: "command",
    arity: -1,
    tips: &["nondeterministic_output_order"],
    summary: "Tells about all commands",
    parse: |_, _| Ok(Request::Catalog(CatalogRequest::All)),
    subcommands: &[
        CommandSpec {
            name: "command|count",
            arity: 2,
            summary: "Tells how many commands there are",
            complexity: "O(1)",
            parse: |_, _| Ok(Request::Catalog(CatalogRequest::Count)),
            ..BASE
        },
        CommandSpec {
            name: "command|list",
            arity: -2,
            tips: &["nondeterministic_output_order"],
            summary: "Tells the names of the commands",
            since: "7.0.0",
            args: &[ArgSpec {
                token: Some("FILTERBY"),
                ..ArgSpec::one_of(
                    "filterby",
                    &[
                        ArgSpec { optional: false, ..ArgSpec::option("MODULE", "module-name", ArgKind::String) },
                        ArgSpec { optional: false, ..ArgSpec::option("ACLCAT", "category", ArgKind::String) },
                        ArgSpec { optional: false, ..ArgSpec::option("PATTERN", "pattern", ArgKind::Pattern) },
                    ],
                )
            }
            .optional()],
            parse: list,
            ..BASE
        },
        CommandSpec {
            name: "command|info",
            arity: -2,
            tips: &["nondeterministic_output_order"],
            summary: "Tells about some or all commands",
            args: NAMES,
            parse: |args, _| Ok(Request::Catalog(CatalogRequest::Info(args.rest()))),
            ..BASE
        },
        CommandSpec {
            name: "command|docs",
            arity: -2,
            tips: &["nondeterministic_output_order"],
            summary: "Tells what some or all commands are for and how they are written",
            since: "7.0.0",
            args: NAMES,
            parse: |args, _| Ok(Request::Catalog(CatalogRequest::Docs(args.rest()))),
            ..BASE
        },
        CommandSpec {
            name: "command|getkeys",
            arity: -3,
            summary: "Tells the keys of a whole command",
            complexity: "O(1)",
            args: WHOLE,
            parse: |args, _| Ok(Request::Catalog(CatalogRequest::Keys(find_keys(args)?.0))),
            ..BASE
        },
        CommandSpec {
            name: "command|getkeysandflags",
            arity: -3,
            summary: "Tells the keys of a whole command, and how it uses them",
            since: "7.0.0",
            complexity: "O(1)",
            args: WHOLE,
            parse: |args, _| {
                let (keys, how) = find_keys(args)?;
                Ok(Request::Catalog(CatalogRequest::KeysAndUse(keys, how)))
            },
            ..BASE
        },
        CommandSpec {
            name: "command|help",
            arity: 2,
            summary: "Shows the subcommands",
            since: "5.0.0",
            complexity: "O(1)",
            parse: |_, _| Ok(Request::Help(HELP)),
            ..BASE
        },
    ],
    ..BASE
};

const HELP: &[&str] = &[
    "COMMAND <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
    "(no subcommand)",
    "    Return details about all commands.",
    "COUNT",
    "    Return the total number of commands in this server.",
    "LIST [FILTERBY (MODULE <name>|ACLCAT <category>|PATTERN <pattern>)]",
    "    Return a list of all commands in this server.",
    "INFO [<command-name> ...]",
    "    Return details about multiple commands, by default all.",
    "DOCS [<command-name> ...]",
    "    Return documentation about multiple commands, by default all.",
    "GETKEYS <full-command>",
    "    Return the keys from a full command.",
    "GETKEYSANDFLAGS <full-command>",
    "    Return the keys and the access flags from a full command.",
    "HELP",
    "    Print this help.",
];

fn list<'a>(args: &mut Args<'a>, _: &Defaults) -> Result<Request<'a>, Refusal> {
    let mut filter = ListFilter::All;
    if args.option(&["FILTERBY"])?.is_some() {
        let (kind, value) = (args.word()?, args.word()?);
        filter = match &kind.to_ascii_uppercase()[..] {
            b"MODULE" => ListFilter::Module,
            b"ACLCAT" => ListFilter::Category(value),
            b"PATTERN" => ListFilter::Pattern(value),
            _ => return Err(Refusal::SYNTAX),
        };
        args.end()?;
    }
    Ok(Request::Catalog(CatalogRequest::List(filter)))
}

/// Where the keys stand is known here, so the answer is.
fn find_keys<'a>(args: &Args<'a>) -> Result<(Arguments<'a>, KeyUse), Refusal> {
    let whole = args.rest();
    let spec = whole.get(0).and_then(table::find).ok_or(Refusal::fixed("ERR Invalid command specified"))?;
    let spec = whole.get(1).and_then(|word| table::find_subcommand(spec, word)).unwrap_or(spec);
    let how = spec.key.ok_or(Refusal::fixed("ERR The command has no key arguments"))?;
    if !spec.accepts(whole.len()) {
        return Err(Refusal::fixed("ERR Invalid number of arguments specified for command"));
    }
    let rest = whole.skip(spec.name.split('|').count());
    let keys = spec.keys(rest).ok_or(Refusal::fixed("ERR Invalid arguments specified for command"))?;
    Ok((keys, how))
}
