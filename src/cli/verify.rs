//! `creditd verify`: is the log what was acknowledged, and do the accounts follow from it?

use std::path::PathBuf;

use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};

use super::data;
use super::progress::Progress;
use crate::archive::{self, Depth, Head};
use crate::config::Exit;
use crate::journal::JournalError;

pub(super) fn command() -> Command {
    Command::new("verify")
        .about("Prove a data directory: checksums, chain, continuity, and every account's trail")
        .long_about(
            "Prove a data directory: every checksum, the chain over all blocks, continuity of segments, and the \
             rules of every account's trail, with the sums.\n\nReads only: works on a copy, on copied segments, and \
             on the directory of a running server, of which it takes what is durable when it comes by.",
        )
        .after_help(
            "Exit codes: 0 nothing is wrong; 65 there are findings; 64 wrong command line or no data directory; \
             77 not allowed to read.\nWhat each finding means: docs/operate/verify.md",
        )
        .arg(data::arg("DATA_DIR", "Data directory, directory of segments, or one segment"))
        .arg(
            Arg::new("head")
                .long("head")
                .value_name("FILE")
                .value_parser(value_parser!(PathBuf))
                .help("Prove that these heads, which `creditd head` printed earlier, are in the log"),
        )
        .arg(
            Arg::new("no-snapshots")
                .long("no-snapshots")
                .action(ArgAction::SetTrue)
                .help("Prove only that snapshots are whole, not that they are what the log says: takes less memory"),
        )
        .arg(Arg::new("json").long("json").action(ArgAction::SetTrue).help("Print the report as JSON"))
}

pub(super) fn run(matches: &ArgMatches) -> Exit {
    let heads = match matches.get_one::<PathBuf>("head").map_or(Ok(Vec::new()), read_heads) {
        Ok(heads) => heads,
        Err(exit) => return exit,
    };
    let dir = match data::open(matches) {
        Ok(dir) => dir,
        Err(exit) => return exit,
    };
    let depth = if matches.get_flag("no-snapshots") { Depth::Files } else { Depth::Replay };
    let progress = Progress::new("verify", if depth == Depth::Replay { dir.replayed_len() } else { dir.len() });
    let path = data::path(matches, "DATA_DIR").display().to_string();
    let report = archive::verify(path, &dir, &heads, depth, &|bytes| progress.add(bytes));
    progress.finish();
    let text = if matches.get_flag("json") {
        serde_json::to_string_pretty(&report).expect("a report is JSON") + "\n"
    } else {
        report.to_string()
    };
    super::print(&text);
    if report.ok { Exit::Ok } else { Exit::Data }
}

fn read_heads(path: &PathBuf) -> Result<Vec<Head>, Exit> {
    let text = std::fs::read_to_string(path);
    let text = text.map_err(|error| data::failed(&JournalError::io("read", path, error)))?;
    archive::parse_heads(&text).map_err(|error| {
        super::say(&format!("creditd: {}: {error}\n", path.display()));
        Exit::Usage
    })
}
