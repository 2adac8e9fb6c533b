//! `creditd archive`: closed segments moved elsewhere.

use clap::{Arg, ArgMatches, Command};

use super::data;
use super::progress::Progress;
use crate::archive::{self, Archived};
use crate::config::Exit;
use crate::journal::{DataDir, JournalError};

pub(super) fn command() -> Command {
    Command::new("archive")
        .about("Copy closed segments to an archive, and remove those that are old enough")
        .long_about(
            "Copy every closed segment that DEST lacks, and prove it there. The server may be running.\n\nWith \
             --before, and no server on the directory, segments that are in DEST, that no start needs, and whose \
             entries are all older are removed from DATA_DIR. A running server does that itself: see the setting \
             history-retention.",
        )
        .after_help(
            "Exit codes: 0 archived; 65 a segment is damaged, DEST has another file of its name, or segments are \
             missing in DEST; 28 disk full; 64 wrong command line or no data directory; 77 not allowed.\nHow and how \
             often: docs/operate/archive.md",
        )
        .arg(data::arg("DATA_DIR", "Data directory"))
        .arg(data::arg("DEST", "Directory of the archive; made if it is not there"))
        .arg(
            Arg::new("before")
                .long("before")
                .value_name("TIME")
                .value_parser(|text: &str| archive::parse_moment(text).ok_or("neither unix milliseconds nor RFC 3339"))
                .help("Remove from DATA_DIR what is archived and older; TIME as in `creditd export --help`"),
        )
}

pub(super) fn run(matches: &ArgMatches) -> Exit {
    let dir = match data::open(matches) {
        Ok(dir) => dir,
        Err(exit) => return exit,
    };
    let (source, dest) = (data::path(matches, "DATA_DIR"), data::path(matches, "DEST"));
    let mut before_ms: Option<u64> = matches.get_one("before").copied();
    // Held to the end, if it is to be had.
    let lock = before_ms.map(|_| DataDir::open(source)).transpose();
    match &lock {
        Ok(_) => {}
        Err(JournalError::Locked { .. }) => {
            super::say("archive: a server runs here: nothing is removed, it does that itself by history-retention\n");
            before_ms = None;
        }
        Err(error) => return data::failed(error),
    }
    let Some(manifest) = &dir.manifest else {
        return data::told(&archive::Failure::Asked(format!(
            "{} holds no MANIFEST that can be read",
            source.display()
        )));
    };
    let progress = Progress::new("archive", dir.len());
    let done = archive::archive(source, manifest, dest, before_ms, &|bytes| progress.add(bytes));
    progress.finish();
    match done {
        Ok(done) => super::print(&done.iter().map(line).collect::<String>()),
        Err(failure) => data::told(&failure),
    }
}

fn line(done: &Archived) -> String {
    let Archived { shard, copied, to_lsn, removed, first_lsn } = done;
    format!(
        "shard {shard}: {copied} segments copied, all below lsn {to_lsn} is archived; {removed} removed, the log here \
         begins at lsn {first_lsn}\n"
    )
}
