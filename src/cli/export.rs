//! `creditd export`: the trail as CSV or JSON lines.

use std::collections::BTreeSet;
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

use clap::builder::PossibleValuesParser;
use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};

use super::data;
use super::progress::Progress;
use crate::archive::{self, Exported, Filter, Format};
use crate::config::Exit;
use crate::journal::JournalError;
use crate::ledger::event::EntryType;

pub(super) fn command() -> Command {
    let moment = |name: &'static str, help: &'static str| {
        let parse = |text: &str| archive::parse_moment(text).ok_or("neither unix milliseconds nor RFC 3339");
        Arg::new(name).long(name).value_name("TIME").value_parser(parse).help(help)
    };
    let many =
        |name: &'static str, value: &'static str| Arg::new(name).long(name).value_name(value).action(ArgAction::Append);
    let id = |text: &str| archive::unescaped(text).ok_or("a backslash must be followed by xNN or a backslash");
    Command::new("export")
        .about("Write the trail as CSV or JSON lines")
        .long_about(
            "Write every entry of the trail, or those of some accounts, leads, times and types, with the balance after \
             each. Entries of an account stand in their order, and so does what happened to a lead.\n\nReads only: works on a copy, on copied segments, and on \
             the directory of a running server.",
        )
        .after_help(
            "TIME is unix milliseconds, a date, or RFC 3339: 2026-11-23T02:00:00Z. Ids are shown as text; a byte that \
             is no text is \\xNN and a backslash \\\\, here, in --account and in --lead.\n\nExit codes: 0 written; 65 written, but \
             the log is damaged and entries may be missing; 28 disk full; 64 wrong command line, no data directory, or \
             FILE exists; 77 not allowed.\nThe columns: docs/operate/export.md",
        )
        .arg(data::arg("DATA_DIR", "Data directory, directory of segments, or one segment"))
        .arg(
            Arg::new("format")
                .long("format")
                .required(true)
                .value_name("FORMAT")
                .value_parser(PossibleValuesParser::new(["csv", "jsonl"]))
                .help("csv: RFC 4180 with a line of names; jsonl: an object a line"),
        )
        .arg(many("account", "ACCOUNT").value_parser(id).help("Only the trail of this account; may be given again"))
        .arg(many("lead", "LEAD").value_parser(id).help("Only what names this lead; may be given again"))
        .arg(moment("from", "Only entries at or after this moment"))
        .arg(moment("to", "Only entries before this moment"))
        .arg(
            many("type", "TYPE")
                .value_parser(PossibleValuesParser::new(types()))
                .ignore_case(true)
                .help("Only of this type; may be given again"),
        )
        .arg(
            Arg::new("output")
                .long("output")
                .value_name("FILE")
                .value_parser(value_parser!(PathBuf))
                .help("Write to a new file, mode 0600, instead of standard output"),
        )
}

pub(super) fn run(matches: &ArgMatches) -> Exit {
    let dir = match data::open(matches) {
        Ok(dir) => dir,
        Err(exit) => return exit,
    };
    let path = matches.get_one::<PathBuf>("output");
    let mut out: Box<dyn Write> = match path {
        None => Box::new(io::stdout().lock()),
        Some(path) => match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
            Ok(file) => Box::new(file),
            Err(error) => return data::failed(&JournalError::io("create", path, error)),
        },
    };
    let word = matches.get_one::<String>("format").expect("it is required");
    let format = if word == "csv" { Format::Csv } else { Format::Jsonl };
    let progress = Progress::new("export", dir.len());
    let result = archive::export(&dir, &filter(matches), format, &mut out, &|bytes| progress.add(bytes));
    progress.finish();
    match result {
        Ok(exported) => told(&exported),
        // The reader has what it wanted.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Exit::Ok,
        Err(error) => {
            let path = path.cloned().unwrap_or_else(|| "standard output".into());
            data::failed(&JournalError::io("write", path, error))
        }
    }
}

fn filter(matches: &ArgMatches) -> Filter {
    let words: Vec<&String> = matches.get_many("type").unwrap_or_default().collect();
    let types = types().filter(|word| words.iter().any(|wanted| wanted.eq_ignore_ascii_case(word))).collect();
    let ids = |name| matches.get_many::<Vec<u8>>(name).unwrap_or_default().cloned().collect::<BTreeSet<_>>();
    let moment = |name: &str, default| matches.get_one(name).copied().unwrap_or(default);
    let times_ms = moment("from", 0)..moment("to", u64::MAX);
    Filter { accounts: ids("account"), leads: ids("lead"), times_ms, types }
}

/// The words of all types.
fn types() -> impl Iterator<Item = &'static str> {
    EntryType::ALL.into_iter().map(EntryType::word).chain(archive::LEAD_TYPES)
}

fn told(exported: &Exported) -> Exit {
    super::say(&format!("export: {} entries\n", exported.rows));
    if exported.findings.is_empty() {
        return Exit::Ok;
    }
    exported.findings.iter().for_each(|finding| super::say(&finding.to_string()));
    super::say("export: the log is damaged, entries may be missing; run `creditd verify` for the whole report\n");
    Exit::Data
}
