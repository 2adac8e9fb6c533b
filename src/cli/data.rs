//! The directory or segment that a tool is given: opened to be read, or a plain word why not.

use std::io;
use std::path::{Path, PathBuf};

use clap::{Arg, ArgMatches, value_parser};

use crate::archive::{self, Backup, Failure};
use crate::config::Exit;
use crate::journal::{JournalError, RestingDir};

/// The argument that names it.
pub(super) fn arg(name: &'static str, help: &'static str) -> Arg {
    Arg::new(name).required(true).value_name(name).value_parser(value_parser!(PathBuf)).help(help)
}

/// The path that was given for `name`.
pub(super) fn path<'a>(matches: &'a ArgMatches, name: &str) -> &'a Path {
    matches.get_one::<PathBuf>(name).expect("it is required")
}

/// Opens the directory that DATA_DIR names.
///
/// # Errors
/// How to end, after it was said why.
pub(super) fn open(matches: &ArgMatches) -> Result<RestingDir, Exit> {
    let path = path(matches, "DATA_DIR");
    match RestingDir::open(path) {
        Ok(Some(dir)) => Ok(dir),
        Ok(None) => {
            let path = path.display();
            super::say(&format!("creditd: {path} is no data directory: it holds neither a MANIFEST nor a segment\n"));
            Err(Exit::Usage)
        }
        Err(error) => Err(failed(&error)),
    }
}

/// Says why a tool did nothing, and how to end.
pub(super) fn told(failure: &Failure) -> Exit {
    match failure {
        Failure::System(error) => failed(error),
        Failure::Asked(how) => {
            super::say(&format!("creditd: {how}\n"));
            Exit::Usage
        }
        Failure::Found(findings) => {
            findings.iter().for_each(|finding| super::say(&finding.to_string()));
            Exit::Data
        }
    }
}

/// What a backup has of each shard, a line each.
pub(super) fn extents(made: &Backup) -> String {
    let line = |shard: &archive::Extent| {
        let head = &shard.head;
        format!("shard {}: lsn {}..{}, chain {}\n", head.shard, shard.from_lsn, head.lsn, head.chain)
    };
    made.shards.iter().map(line).collect()
}

/// Says what failed, and how to end.
pub(super) fn failed(error: &JournalError) -> Exit {
    super::say(&format!("creditd: {error}\n"));
    match error {
        JournalError::Io { source, .. } if source.kind() == io::ErrorKind::NotFound => Exit::Usage,
        JournalError::Io { source, .. } if source.kind() == io::ErrorKind::AlreadyExists => Exit::Usage,
        error => Exit::from_code(error.exit_code()),
    }
}
