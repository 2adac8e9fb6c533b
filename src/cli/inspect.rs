//! `creditd inspect`: what stands in a segment, block by block.

use std::io;

use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};

use super::data;
use crate::archive::{self, Inspection};
use crate::config::Exit;
use crate::journal::{JournalError, RestingLog};

pub(super) fn command() -> Command {
    Command::new("inspect")
        .about("Show a segment: its header, its blocks, its records")
        .long_about(
            "Show a segment (a .wal file, or the copy of one under any name): its header, a line for each block, and \
             with --records a line for each record. Of a damaged one it shows what is whole, and where the rest is.",
        )
        .after_help(
            "Exit codes: 0 shown; 65 something in it is damaged; 64 wrong command line or no segment; 77 not allowed \
             to read.\nWhat the fields mean: docs/operate/inspect.md",
        )
        .arg(data::arg("SEGMENT", "The file"))
        .arg(
            Arg::new("block")
                .long("block")
                .value_name("N")
                .value_parser(value_parser!(u32))
                .help("Show block number N alone; numbers count the blocks of an epoch"),
        )
        .arg(Arg::new("records").long("records").action(ArgAction::SetTrue).help("Show the records too"))
        .arg(Arg::new("json").long("json").action(ArgAction::SetTrue).help("Print JSON lines"))
}

pub(super) fn run(matches: &ArgMatches) -> Exit {
    let path = data::path(matches, "SEGMENT");
    let log = match RestingLog::of_segment(path) {
        Ok(Some(log)) => log,
        Ok(None) => {
            super::say(&format!("creditd: {} is no segment\n", path.display()));
            return Exit::Usage;
        }
        Err(error) => return data::failed(&error),
    };
    let how = Inspection {
        block_no: matches.get_one("block").copied(),
        records: matches.get_flag("records"),
        json: matches.get_flag("json"),
    };
    match archive::inspect(&log, how, &mut io::stdout().lock()) {
        Ok(0) => Exit::Ok,
        Ok(_) => Exit::Data,
        // The reader has what it wanted.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Exit::Ok,
        Err(error) => data::failed(&JournalError::io("write", "standard output", error)),
    }
}
