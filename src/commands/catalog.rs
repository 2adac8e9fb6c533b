//! COMMAND and its subcommands: the table, told in the shapes of Redis 7.
//!
//! redis-cli 7 builds its hints and `help @credit` from DOCS, cluster clients route by the key positions of COMMAND.

use super::arguments::Arguments;
use super::glob;
use super::refusal::{Refusal, printable};
use super::reply::Encoder;
use super::spec::{ArgKind, ArgSpec, CommandSpec, KeyUse};
use super::table::{self, TABLE, find_full};
use std::collections::BTreeSet;

/// What is asked of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CatalogRequest<'a> {
    /// COMMAND
    All,
    /// COMMAND COUNT
    Count,
    /// COMMAND LIST
    List(ListFilter<'a>),
    /// COMMAND INFO of these, null for an unknown name; none: of all.
    Info(Arguments<'a>),
    /// COMMAND DOCS of these, unknown names left out; none: of all.
    Docs(Arguments<'a>),
    /// ACL CAT: all classes and categories; or the commands of one.
    Category(Option<&'a [u8]>),
    /// COMMAND GETKEYS, found already.
    Keys(Arguments<'a>),
    /// COMMAND GETKEYSANDFLAGS, found already, with how they are used.
    KeysAndUse(Arguments<'a>, KeyUse),
}

/// What COMMAND LIST is to show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListFilter<'a> {
    /// All commands.
    All,
    /// FILTERBY MODULE: there is none.
    Module,
    /// FILTERBY ACLCAT, case ignored.
    Category(&'a [u8]),
    /// FILTERBY PATTERN
    Pattern(&'a [u8]),
}

/// Writes the reply to `request`.
pub fn answer(request: CatalogRequest<'_>, out: &mut Encoder<'_>) {
    match request {
        CatalogRequest::Count => out.integer(TABLE.len() as u64),
        CatalogRequest::List(filter) => list(filter, out),
        CatalogRequest::Category(None) => {
            let names: BTreeSet<_> = table::entries().flat_map(|(_, spec)| spec.all_categories()).collect();
            out.array(names.len());
            names.into_iter().for_each(|name| out.text(name));
        }
        CatalogRequest::Category(Some(word)) => category(word, out),
        CatalogRequest::Keys(keys) => {
            out.array(keys.len());
            keys.iter().for_each(|key| out.bulk(key));
        }
        CatalogRequest::KeysAndUse(keys, how) => {
            out.array(keys.len());
            for key in keys.iter() {
                out.array(2);
                out.bulk(key);
                key_flags(how, out);
            }
        }
        CatalogRequest::Info(names) if !names.is_empty() => {
            out.array(names.len());
            for name in names.iter() {
                match find_full(name) {
                    Some(spec) => info(spec, out),
                    None => out.null(),
                }
            }
        }
        CatalogRequest::All | CatalogRequest::Info(_) => {
            out.array(TABLE.len());
            TABLE.iter().for_each(|spec| info(spec, out));
        }
        CatalogRequest::Docs(names) if !names.is_empty() => {
            let found: Vec<_> = names.iter().filter_map(find_full).collect();
            out.map(found.len());
            found.iter().for_each(|spec| docs(spec, out));
        }
        CatalogRequest::Docs(_) => {
            out.map(TABLE.len());
            TABLE.iter().for_each(|spec| docs(spec, out));
        }
    }
}

/// The commands of a class or category, by name.
fn category(word: &[u8], out: &mut Encoder<'_>) {
    let word = String::from_utf8_lossy(word).to_ascii_lowercase();
    let names: Vec<_> =
        table::entries().filter(|(_, spec)| spec.is_in_category(&word)).map(|(_, spec)| spec.name).collect();
    if names.is_empty() {
        return out.refusal(&Refusal::made(format!("ERR Unknown category '{}'", printable(word.as_bytes(), 128))));
    }
    out.array(names.len());
    names.into_iter().for_each(|name| out.text(name));
}

/// Names, those of subcommands too, as a set.
fn list(filter: ListFilter<'_>, out: &mut Encoder<'_>) {
    let listed = |spec: &&CommandSpec| match filter {
        ListFilter::All => true,
        ListFilter::Module => false,
        ListFilter::Category(word) => {
            str::from_utf8(word).is_ok_and(|word| spec.is_in_category(&word.to_ascii_lowercase()))
        }
        ListFilter::Pattern(pattern) => glob::matches(pattern, spec.name.as_bytes()),
    };
    let all = TABLE.iter().flat_map(|&spec| std::iter::once(spec).chain(spec.subcommands));
    let names: Vec<_> = all.filter(listed).map(|spec| spec.name).collect();
    out.array(names.len());
    names.iter().for_each(|name| out.text(name));
}

/// The ten elements of COMMAND INFO.
fn info(spec: &CommandSpec, out: &mut Encoder<'_>) {
    out.array(10);
    out.text(spec.name);
    out.signed(i64::from(spec.arity));
    out.set(spec.flags.names().count());
    spec.flags.names().for_each(|name| out.simple(name));
    let position = spec.key_position() as i64;
    let last = if spec.key == Some(KeyUse::ReadAll) { -1 } else { position };
    [position, last, position.min(1)].into_iter().for_each(|number| out.signed(number));
    out.set(spec.all_categories().count());
    spec.all_categories().for_each(|name| out.simple(&format!("@{name}")));
    out.set(spec.tips.len());
    spec.tips.iter().for_each(|tip| out.text(tip));
    out.set(usize::from(spec.key.is_some()));
    if let Some(key) = spec.key {
        key_spec(key, spec.key_position() as u64, out);
    }
    out.set(spec.subcommands.len());
    spec.subcommands.iter().for_each(|subcommand| info(subcommand, out));
}

/// "One key, at `position`", or "half of the words behind STREAMS", as Redis writes it.
fn key_spec(key: KeyUse, position: u64, out: &mut Encoder<'_>) {
    out.map(3);
    out.text("flags");
    key_flags(key, out);
    out.text("begin_search");
    out.map(2);
    let (last_key, limit) = if key == KeyUse::Streams {
        out.field("type", "keyword");
        out.text("spec");
        out.map(2);
        out.field("keyword", "STREAMS");
        out.number("startfrom", 1);
        (-1, 2)
    } else {
        out.field("type", "index");
        out.text("spec");
        out.map(1);
        out.number("index", position);
        (if key == KeyUse::ReadAll { -1 } else { 0 }, 0)
    };
    out.text("find_keys");
    out.map(2);
    out.field("type", "range");
    out.text("spec");
    out.map(3);
    out.text("lastkey");
    out.signed(last_key);
    out.number("keystep", 1);
    out.number("limit", limit);
}

fn key_flags(key: KeyUse, out: &mut Encoder<'_>) {
    let flags: &[&str] = match key {
        KeyUse::Read | KeyUse::ReadAll | KeyUse::Streams => &["RO", "access"],
        KeyUse::Update => &["RW", "access", "update"],
    };
    out.set(flags.len());
    flags.iter().for_each(|flag| out.simple(flag));
}

/// One name with its map of COMMAND DOCS.
fn docs(spec: &CommandSpec, out: &mut Encoder<'_>) {
    out.text(spec.name);
    out.map(4 + usize::from(!spec.args.is_empty()) + usize::from(!spec.subcommands.is_empty()));
    out.field("summary", spec.summary);
    out.field("since", spec.since);
    out.field("group", spec.group);
    out.field("complexity", spec.complexity);
    if !spec.args.is_empty() {
        out.text("arguments");
        arguments(spec.args, out);
    }
    if !spec.subcommands.is_empty() {
        out.text("subcommands");
        out.map(spec.subcommands.len());
        spec.subcommands.iter().for_each(|subcommand| docs(subcommand, out));
    }
}

fn arguments(args: &[ArgSpec], out: &mut Encoder<'_>) {
    out.array(args.len());
    for arg in args {
        let is_key = arg.kind == ArgKind::Key;
        let flags: Vec<_> =
            [(arg.optional, "optional"), (arg.multiple, "multiple")].into_iter().filter(|(has, _)| *has).collect();
        let optional_fields = [is_key, arg.token.is_some(), !flags.is_empty(), !arg.parts.is_empty()];
        out.map(2 + optional_fields.into_iter().filter(|has| *has).count());
        out.field("name", arg.name);
        out.field("type", arg.kind.word());
        if is_key {
            out.number("key_spec_index", 0);
        }
        if let Some(token) = arg.token {
            out.field("token", token);
        }
        if !flags.is_empty() {
            out.text("flags");
            out.set(flags.len());
            flags.iter().for_each(|(_, name)| out.simple(name));
        }
        if !arg.parts.is_empty() {
            out.text("arguments");
            arguments(arg.parts, out);
        }
    }
}
