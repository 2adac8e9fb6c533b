//! `creditd head`: where each log ends, to be kept elsewhere as a proof.

use clap::{Arg, ArgAction, ArgMatches, Command};

use super::data;
use crate::archive;
use crate::config::Exit;

pub(super) fn command() -> Command {
    Command::new("head")
        .about("Print where each log ends: instance, shard, lsn, chain")
        .long_about(
            "Print the head of each log, a line for each shard: instance, shard, lsn, chain. All that stands below \
             the lsn goes into the chain: a head that is kept elsewhere proves with `verify --head` that nothing of \
             it was edited, swapped or cut off.",
        )
        .after_help(
            "Exit codes: 0 printed; 65 a newest segment is damaged; 64 wrong command line or no data directory; \
             77 not allowed to read.\nHow to keep heads: docs/operate/head.md",
        )
        .arg(data::arg("DATA_DIR", "Data directory, directory of segments, or one segment"))
        .arg(Arg::new("json").long("json").action(ArgAction::SetTrue).help("Print JSON lines"))
}

pub(super) fn run(matches: &ArgMatches) -> Exit {
    let dir = match data::open(matches) {
        Ok(dir) => dir,
        Err(exit) => return exit,
    };
    let mut exit = Exit::Ok;
    let mut fail = |text: String| {
        super::say(&text);
        exit = Exit::Data;
    };
    if let Some(fault) = &dir.manifest_fault {
        fail(format!("creditd: {fault}\n"));
    }
    let mut text = String::new();
    for log in dir.logs {
        match log.map(archive::head) {
            Ok(Ok(head)) if matches.get_flag("json") => {
                text += &(serde_json::to_string(&head).expect("a head is JSON") + "\n");
            }
            Ok(Ok(head)) => text += &format!("{head}\n"),
            Ok(Err(finding)) => fail(finding.to_string()),
            Err(fault) => fail(format!("creditd: {fault}\n")),
        }
    }
    super::print(&text);
    exit
}
