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
            number("truncate-at", "LSN", "Give up everything from this position on")
                .value_parser(value_parser!(u64))
                .requires("accept-loss"),
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
    let now = archive::moment(SystemClock.wall_ms());
    let acted = if let Some(at) = matches.get_one::<u64>("truncate-at") {
        let reason = matches.get_one::<String>("accept-loss").expect("it is required with truncate-at");
        patient()
            .and_then(|patient| with_bar(patient, |patient, tell| patient.truncate(*at, reason, &now, tell)))
            .map(|cut| super::say(&format!("shard {shard}: cut. {}\n", loss(&cut))))
    } else if matches.get_flag("rebuild-supers") {
        patient()
            .and_then(|patient| with_bar(patient, |patient, tell| patient.rebuild_supers(&now, tell)))
            .map(|()| super::say(&format!("shard {shard}: supers rebuilt\n")))
    } else {
        Ok(())
    };
    let name = path.display().to_string();
    let diagnosis =
        acted.and_then(|()| patient()).map(|patient| with_bar(patient, |patient, tell| patient.diagnose(name, tell)));
    match diagnosis {
        Ok(diagnosis) => told(&diagnosis, &format!("creditd repair {} --shard {shard}", path.display())),
        Err(failure) => data::told(&failure),
    }
}

fn told(found: &Diagnosis, command: &str) -> Exit {
    super::print(&found.report.to_string());
    let next = match &found.cut {
        Some(cut) => format!(
            "repair: a cut at lsn {} makes the shard whole. {}\nnext: copy the data directory away; a backup may hold \
             more; then\n  {command} --truncate-at {} --accept-loss \"why\"\n",
            cut.at,
            loss(cut),
            cut.at
        ),
        None if found.supers_bad => {
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
