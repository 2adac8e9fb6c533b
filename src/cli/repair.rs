//! `creditd repair`: what to do about a shard that no server starts on, and doing it.

use clap::builder::NonEmptyStringValueParser;
use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};

use super::data;
use super::progress::Progress;
use crate::archive::{self, Cut, Diagnosis, Failure, Patient};
use crate::clock::{Clock, SystemClock};
use crate::config::Exit;
use crate::journal::{DataDir, shard_path};

pub(super) fn command() -> Command {
    let number = |name: &'static str, value: &'static str, help: &'static str| {
        Arg::new(name).long(name).value_name(value).help(help)
    };
    Command::new("repair")
        .about("Cut a damaged log, or rebuild supers, so that a server starts again")
        .long_about(
            "Say what is wrong with a shard and what a repair would cost; with --truncate-at or --rebuild-supers do it. \
             The server must not run.\n\nNothing is thrown away: what is cut is kept in the shard's quarantine, and \
             a line in its file REPAIRS says when, what and why.",
        )
        .after_help(
            "Exit codes: 0 nothing is wrong, or it was repaired; 65 something is wrong; 64 wrong command line, or what \
             was asked for does not help; 73 a server runs; 28 disk full or read-only; 77 not allowed.\nHow to decide: \
             docs/operate/repair.md",
        )
        .arg(data::arg("DATA_DIR", "Data directory"))
        .arg(number("shard", "N", "Which shard").required(true).value_parser(value_parser!(u16)))
        .arg(
            number("truncate-at", "LSN", "Give up everything from this position on; alone it says what that is")
                .value_parser(value_parser!(u64)),
        )
        .arg(
            number("accept-loss", "REASON", "Why that may be lost; kept in REPAIRS")
                .value_parser(NonEmptyStringValueParser::new())
                .requires("truncate-at"),
        )
        .arg(
            Arg::new("rebuild-supers")
                .long("rebuild-supers")
                .action(ArgAction::SetTrue)
                .conflicts_with("truncate-at")
                .help("Write super.0 and super.1 anew from the segments; nothing is lost"),
        )
}

pub(super) fn run(matches: &ArgMatches) -> Exit {
    let path = data::path(matches, "DATA_DIR");
    let shard = *matches.get_one::<u16>("shard").expect("it is required");
    let dir = match DataDir::open(path) {
        Ok(dir) => dir,
        Err(error) => return data::failed(&error),
    };
    if shard >= dir.manifest().shards {
        return data::told(&Failure::Asked(format!(
            "there is no shard {shard}: they are 0..{}",
            dir.manifest().shards
        )));
    }
    let (place, id) = (shard_path(path, shard), dir.manifest().log_id(shard));
    let patient = || Patient::new(&place, id);
    let name = path.display().to_string();
    let command = format!("creditd repair {name} --shard {shard}");
    let acted = patient().and_then(|patient| act(matches, patient, &command));
    let diagnosis = match acted {
        Ok(true) => patient().map(|patient| with_bar(patient, |patient, tell| patient.diagnose(name, tell))),
        Ok(false) => return Exit::Data,
        Err(failure) => Err(failure),
    };
    match diagnosis {
        Ok(diagnosis) => told(&diagnosis, &command),
        Err(failure) => data::told(&failure),
    }
}

/// Does what the flags say. Gives whether the shard is to be looked at now.
fn act(matches: &ArgMatches, patient: Patient<'_>, command: &str) -> Result<bool, Failure> {
    let now = archive::moment(SystemClock.wall_ms());
    let (at, reason) = (matches.get_one::<u64>("truncate-at"), matches.get_one::<String>("accept-loss"));
    match (at, reason) {
        (Some(at), Some(reason)) => {
            let cut = with_bar(patient, |patient, tell| patient.truncate(*at, reason, &now, tell))?;
            super::say(&format!("repair: cut. {}\n", loss(&cut)));
        }
        (Some(at), None) => {
            let (cut, _) = with_bar(patient, |patient, tell| patient.weigh(*at, tell))?;
            super::print(&format!(
                "repair: nothing was changed. With a cut there {}\n{}",
                loss(&cut),
                next(command, *at)
            ));
            return Ok(false);
        }
        _ if matches.get_flag("rebuild-supers") => {
            with_bar(patient, |patient, tell| patient.rebuild_supers(&now, tell))?;
            super::say("repair: supers rebuilt\n");
        }
        _ => {}
    }
    Ok(true)
}

/// What to type for a cut.
fn next(command: &str, at: u64) -> String {
    format!(
        "next: copy the data directory away; a backup may hold more; then\n  {command} --truncate-at {at} --accept-loss \
         \"why\"\n"
    )
}

fn told(found: &Diagnosis, command: &str) -> Exit {
    super::print(&found.report.to_string());
    let next = match &found.cut {
        Some(cut) => {
            let at = cut.at;
            format!("repair: a cut at lsn {at} makes the shard whole; with it {}\n{}", loss(cut), next(command, at))
        }
        None if found.supers_bad && found.report.ok => {
            format!("repair: neither super can be read, nothing else is wrong\nnext:\n  {command} --rebuild-supers\n")
        }
        None if found.report.ok => return Exit::Ok,
        None => "repair: a cut does not mend this; do what the finding says\n".to_owned(),
    };
    super::print(&next);
    Exit::Data
}

/// What goes with a cut.
fn loss(cut: &Cut) -> String {
    let Cut { at, to, entries, accounts, .. } = cut;
    let named = match cut.accounts_named.join("\", \"") {
        names if names.is_empty() => String::new(),
        names => format!(", some of them \"{names}\""),
    };
    format!(
        "lsn {at}..{to} is lost: {entries} entries of {accounts} accounts that could be read{named}, and whatever could not"
    )
}

/// Does `work` under a bar.
fn with_bar<T>(patient: Patient<'_>, work: impl FnOnce(Patient<'_>, archive::Tell<'_>) -> T) -> T {
    let progress = Progress::new("repair", patient.len());
    let done = work(patient, &|bytes| progress.add(bytes));
    progress.finish();
    done
}
