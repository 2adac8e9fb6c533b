//! `creditd backup`: a copy of a data directory that a server is using, proved before it gets its name.

use clap::{ArgMatches, Command};

use super::data;
use super::progress::Progress;
use crate::archive;
use crate::clock::{Clock, SystemClock};
use crate::config::Exit;

pub(super) fn command() -> Command {
    Command::new("backup")
        .about("Make a backup of a data directory, also of a running server's")
        .long_about(
            "Make a backup of a data directory. The server may be running: everything that it acknowledged before the \
             backup began is in it.\n\nDEST must be a new name. What does not change any more is hard-linked if DEST is \
             on the same file system, and copied if not; all of it is verified. A backup that was interrupted is called \
             DEST.tmp and is none: remove it.",
        )
        .after_help(
            "Exit codes: 0 made and verified; 65 the data directory is damaged, nothing was made; 28 disk full, nothing \
             was left; 64 wrong command line, no data directory, or DEST exists; 77 not allowed.\nHow to back up, and a \
             drill: docs/operate/backup.md",
        )
        .arg(data::arg("DATA_DIR", "Data directory"))
        .arg(data::arg("DEST", "Directory to make"))
}

pub(super) fn run(matches: &ArgMatches) -> Exit {
    let (source, dest) = (data::path(matches, "DATA_DIR"), data::path(matches, "DEST"));
    let dir = match data::open(matches) {
        Ok(dir) => dir,
        Err(exit) => return exit,
    };
    let progress = Progress::new("backup", dir.len() * 2);
    let created = archive::moment(SystemClock.wall_ms());
    let made = archive::backup(source, dest, created, &|bytes| progress.add(bytes));
    progress.finish();
    let made = match made {
        Ok(made) => made,
        Err(failure) => return data::told(&failure),
    };
    let mut text = data::extents(&made);
    text += &format!("{}: {} files, {} bytes, verified\n", dest.display(), made.file_count(), made.len());
    super::print(&text)
}
