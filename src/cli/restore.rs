//! `creditd restore`: a data directory from a backup.

use clap::{ArgMatches, Command};

use super::data;
use super::progress::Progress;
use crate::archive::{self, Backup};
use crate::config::Exit;

pub(super) fn command() -> Command {
    Command::new("restore")
        .about("Make a data directory from a backup")
        .long_about(
            "Make a data directory from a backup: every file is copied and compared with the backup's list, and the \
             whole is verified. DATA_DIR must not be there, or be empty: nothing is overwritten.\n\nWhat was \
             executed after the backup is not in it: its transaction ids are unknown, and a client that sends one of \
             them again has it executed again.",
        )
        .after_help(
            "Exit codes: 0 restored and verified; 65 the backup is damaged, nothing was left; 28 disk full, nothing was \
             left; 64 wrong command line, no complete backup, or DATA_DIR is not empty; 77 not allowed.\nA drill: \
             docs/operate/backup.md",
        )
        .arg(data::arg("BACKUP", "Directory that `creditd backup` made, or a copy of it"))
        .arg(data::arg("DATA_DIR", "Data directory to make"))
}

pub(super) fn run(matches: &ArgMatches) -> Exit {
    let (source, dir) = (data::path(matches, "BACKUP"), data::path(matches, "DATA_DIR"));
    let restored = archive::read_backup(source).and_then(|made| {
        let progress = Progress::new("restore", made.work_len());
        let restored = archive::restore(source, &made, dir, &|bytes| progress.add(bytes));
        progress.finish();
        restored.map(|()| made)
    });
    match restored {
        Ok(made) => super::print(&restored_text(&made, &dir.display().to_string())),
        Err(failure) => data::told(&failure),
    }
}

fn restored_text(made: &Backup, dir: &str) -> String {
    let lines = data::extents(made);
    format!(
        "{lines}{dir}: restored as of {}, verified\nwhat was executed later is not in it: a client that repeats one of \
         those transactions has it executed again\n",
        made.created
    )
}
