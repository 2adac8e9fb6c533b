//! docs/commands.md is made of the table: `CREDITD_WRITE_DOCS=1 cargo test --lib docs_commands` writes it.

use super::*;
use crate::commands::reply::error_code;
use crate::commands::spec::{ArgKind, ArgSpec, Class};
use std::fmt::Write;

const PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/commands.md");

const HEAD: &str = "# Commands

Made of the server's own table, which also answers COMMAND, COMMAND DOCS and redis-cli's `help`: do not edit it. `[x]`
may be left out, `a|b` is one of both, `...` repeats. Names and options are taken in any case, options in any order.

**Class**: who may run it. `open`: every user; `reader`, `spender`, `granter`, `feed`, `admin`: users with that class;
`stream`: readers and those with the feed.

**Errors**: every command can also answer `ERR` (it is not understood), `NOAUTH`, `NOPERM`, `LOADING` (the log is being
read), writes also `OOM`, `MISCONF` (the disk is full) and `TRYAGAIN`: nothing was executed, the same request may be
sent again.
";

#[test]
fn docs_commands_is_made_of_the_table() {
    let made = document();
    if std::env::var_os("CREDITD_WRITE_DOCS").is_some() {
        std::fs::write(PATH, &made).expect("docs can be written");
    }
    let kept = std::fs::read_to_string(PATH).expect("docs/commands.md is there");
    assert!(kept == made, "docs/commands.md is old: CREDITD_WRITE_DOCS=1 cargo test --lib docs_commands");
}

#[test]
fn errors_of_commands_are_codes_that_are_counted() {
    for spec in TABLE {
        let unknown = spec.errors.iter().find(|code| error_code(code.as_bytes()) != **code);
        assert_eq!(unknown, None, "{}", spec.name);
    }
}

fn document() -> String {
    let mut text = HEAD.to_owned();
    let mut groups: Vec<&str> = Vec::new();
    TABLE.iter().for_each(|spec| {
        if !groups.contains(&spec.group) {
            groups.push(spec.group)
        }
    });
    for group in groups {
        writeln!(text, "\n## {group}").expect("a string takes every write");
        for spec in TABLE.iter().filter(|spec| spec.group == group) {
            describe(spec, &mut text);
            spec.subcommands.iter().for_each(|subcommand| describe(subcommand, &mut text));
        }
    }
    text
}

fn describe(spec: &CommandSpec, text: &mut String) {
    if !spec.subcommands.is_empty() && spec.arity == -2 {
        return; // a container says nothing by itself
    }
    let name = spec.name.replace('|', " ").to_ascii_uppercase();
    let syntax = format!("{name}{}", spec.args.iter().map(written).collect::<String>());
    let flags: Vec<_> = spec.flags.names().collect();
    let mut facts =
        vec![format!("class {}", word(spec.class)), format!("since {}", spec.since), spec.complexity.to_owned()];
    for (title, words) in [("flags", flags), ("errors", spec.errors.to_vec())] {
        if !words.is_empty() {
            facts.push(format!("{title} {}", words.join(" ")));
        }
    }
    let (summary, facts) = (spec.summary, facts.join("; "));
    write!(text, "\n### {name}\n\n`{syntax}`\n\n{summary}.\n\n{facts}.\n").expect("a string takes every write");
}

/// An argument with the blank before it.
fn written(arg: &ArgSpec) -> String {
    let parts =
        |between: &str| arg.parts.iter().map(|part| written(part)[1..].to_owned()).collect::<Vec<_>>().join(between);
    let value = match arg.kind {
        ArgKind::Token => String::new(),
        ArgKind::OneOf => parts("|"),
        ArgKind::Block => parts(" "),
        _ => arg.name.to_owned(),
    };
    let token = arg.token.unwrap_or_default();
    let both = [token, &value].into_iter().filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ");
    let repeated = if arg.multiple { format!("{both} [{value} ...]") } else { both };
    if arg.optional { format!(" [{repeated}]") } else { format!(" {repeated}") }
}

fn word(class: Class) -> String {
    format!("{class:?}").to_ascii_lowercase()
}
