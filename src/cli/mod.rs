//! The command line: one file per subcommand, flags made from the table of knobs.
//!
//! ```text
//! creditd [FLAGS]                  = creditd serve
//! creditd serve [FLAGS]            serve.rs
//! creditd config explain [FLAGS]   explain.rs
//! creditd bench                  bench.rs: the load test
//! creditd verify | inspect | export | head      a file each: the data directory at rest, without flags of the server
//! creditd backup | restore | archive | repair   the same; the last two take the directory's lock
//! ```
//!
//! Standard output carries what was asked for (the banner, the explanation), standard error everything else. Absent on
//! purpose: a flag that is no knob, so that whatever can be given here can stand in the file and the environment too.

mod archive;
mod backup;
mod bench;
mod data;
mod explain;
mod export;
mod head;
mod inspect;
mod progress;
mod repair;
mod restore;
mod serve;
mod verify;

use std::ffi::OsString;
use std::io::Write;

use clap::builder::ValueParser;
use clap::error::ErrorKind;
use clap::{Arg, ArgMatches, Command};

use crate::config::knobs::{KNOBS, Kind, Knob};
use crate::config::{Config, Exit};

/// Does what the command line says and returns how the process ends.
pub fn run(
    args: impl IntoIterator<Item = OsString>,
    variables: impl IntoIterator<Item = (OsString, OsString)>,
) -> Exit {
    let matches = match command().try_get_matches_from(args) {
        Ok(matches) => matches,
        Err(asked) if matches!(asked.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) => {
            return print(&asked.to_string());
        }
        Err(err) => {
            say(&err.to_string());
            return Exit::Usage;
        }
    };
    match matches.subcommand() {
        Some(("bench", given)) => return bench::run(given),
        Some(("verify", given)) => return verify::run(given),
        Some(("inspect", given)) => return inspect::run(given),
        Some(("export", given)) => return export::run(given),
        Some(("head", given)) => return head::run(given),
        Some(("backup", given)) => return backup::run(given),
        Some(("restore", given)) => return restore::run(given),
        Some(("archive", given)) => return archive::run(given),
        Some(("repair", given)) => return repair::run(given),
        _ => {}
    }
    let variables = match ours(variables) {
        Ok(variables) => variables,
        Err(name) => {
            say(&format!("creditd: {name} is not UTF-8 text\n"));
            return Exit::Config;
        }
    };
    let config = match Config::load(flags(&matches), variables) {
        Ok(config) => config,
        Err(err) => {
            say(&format!("creditd: {err}\n"));
            return if err.is_usage() { Exit::Usage } else { Exit::Config };
        }
    };
    match matches.subcommand() {
        Some(("config", _)) => print(&explain::explain(&config)),
        _ => serve::serve(config),
    }
}

/// The grammar. The server's flags may stand before or behind its subcommands; tools have their own.
fn command() -> Command {
    Command::new("creditd")
        .version(env!("CARGO_PKG_VERSION"))
        .about(env!("CARGO_PKG_DESCRIPTION"))
        .after_help("Every flag is also a CREDITD_* variable and a key of the TOML file that --config names.")
        .max_term_width(120)
        .subcommand_precedence_over_arg(true)
        .args(KNOBS.iter().map(flag))
        .subcommand(
            Command::new("serve").about("Serve; what creditd does without a subcommand").args(KNOBS.iter().map(flag)),
        )
        .subcommand(
            Command::new("config")
                .about("Show the configuration")
                .subcommand_required(true)
                .arg_required_else_help(true)
                .subcommand(
                    Command::new("explain")
                        .about("Print each setting with its value, its source and its purpose")
                        .args(KNOBS.iter().map(flag)),
                ),
        )
        .subcommands([bench::command(), verify::command(), inspect::command(), export::command(), head::command()])
        .subcommands([backup::command(), restore::command(), archive::command(), repair::command()])
}

fn flag(knob: &'static Knob) -> Arg {
    let mut help = knob.help.to_string();
    if let Kind::Choice(words) = knob.kind {
        help += &format!(" [{}]", words.join(", "));
    }
    if !knob.default.is_empty() {
        help += &format!(" [default: {}]", knob.default);
    }
    let arg = Arg::new(knob.name)
        .long(knob.name)
        .value_name(placeholder(knob.kind))
        .help(help)
        .value_parser(ValueParser::string());
    // A switch may stand alone.
    if knob.kind == Kind::Switch { arg.num_args(0..=1).default_missing_value("yes") } else { arg.num_args(1) }
}

fn placeholder(kind: Kind) -> &'static str {
    match kind {
        Kind::Count { .. } | Kind::CountOrAuto { .. } => "N",
        Kind::Size { .. } | Kind::SizeOrAuto { .. } => "SIZE",
        Kind::Duration { .. } => "TIME",
        Kind::Port { .. } => "PORT",
        Kind::Switch => "yes|no",
        Kind::Choice(_) => "WORD",
        Kind::Addresses => "IP,...",
        Kind::Directory => "DIR",
        Kind::Path | Kind::File => "FILE",
        Kind::Secret => "PASSWORD",
    }
}

/// What the command line sets, by knob; behind a subcommand after what stands before it.
fn flags(matches: &ArgMatches) -> Vec<(&'static str, String)> {
    let mut found = Vec::new();
    let mut level = Some(matches);
    while let Some(matches) = level {
        let given = |knob: &&Knob| matches!(matches.try_contains_id(knob.name), Ok(true));
        let text = |knob: &Knob| matches.get_one::<String>(knob.name).expect("it was given").clone();
        found.extend(KNOBS.iter().filter(given).map(|knob| (knob.name, text(knob))));
        level = matches.subcommand().map(|(_, matches)| matches);
    }
    found
}

/// To standard output. A reader that has gone away is no fault of ours.
fn print(text: &str) -> Exit {
    let mut out = std::io::stdout().lock();
    let _gone = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    Exit::Ok
}

/// To standard error.
fn say(text: &str) {
    let _gone = std::io::stderr().lock().write_all(text.as_bytes());
}

/// The variables that are meant for creditd, as text; the name of one that is no text.
fn ours(all: impl IntoIterator<Item = (OsString, OsString)>) -> Result<Vec<(String, String)>, String> {
    all.into_iter()
        .map(|(name, text)| (name.to_string_lossy().into_owned(), text))
        .filter(|(name, _)| name.starts_with("CREDITD_"))
        .map(|(name, text)| text.into_string().map(|text| (name.clone(), text)).map_err(|_| name))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(line: &str) -> Result<Vec<(&'static str, String)>, ErrorKind> {
        let words = std::iter::once("creditd").chain(line.split_whitespace());
        command().try_get_matches_from(words).map(|matches| flags(&matches)).map_err(|err| err.kind())
    }

    fn ends(line: &str) -> Exit {
        let words = std::iter::once("creditd").chain(line.split_whitespace()).map(OsString::from);
        run(words, [("CREDITD_LOG_LEVEL".into(), "error".into())])
    }

    #[test]
    fn the_grammar_holds_together() {
        command().debug_assert();
    }

    #[test]
    fn every_knob_is_a_flag_before_and_behind_the_subcommand() {
        for knob in KNOBS {
            let expected = Ok(vec![(knob.name, "7".to_string())]);
            for line in
                [format!("--{} 7", knob.name), format!("serve --{}=7", knob.name), format!("--{}=7 serve", knob.name)]
            {
                assert_eq!(given(&line), expected, "{line}");
            }
        }
    }

    #[test]
    fn switches_stand_alone_or_with_a_word() {
        assert_eq!(given("--accept-clock-jump serve"), Ok(vec![("accept-clock-jump", "yes".into())]));
        assert_eq!(given("--accept-clock-jump --port 1").unwrap().len(), 2);
        assert_eq!(given("--allow-auto-tx no"), Ok(vec![("allow-auto-tx", "no".into())]));
    }

    #[test]
    fn a_wrong_line_is_usage_and_a_wrong_setting_is_configuration() {
        assert_eq!(given(""), Ok(vec![]));
        for line in ["--prot 1", "sreve", "serve now", "config", "config explain please", "--port", "--port 1 --port 2"]
        {
            assert_eq!(ends(line), Exit::Usage, "{line}");
        }
        assert_eq!(ends("--port 70000"), Exit::Usage);
        assert_eq!(ends("--bind 0.0.0.0"), Exit::Config);
        assert_eq!(ends("--config /nonexistent/c.toml"), Exit::Config);
        assert_eq!(ends("--version"), Exit::Ok);
        assert_eq!(ends("config explain"), Exit::Ok);
        let no_text = std::os::unix::ffi::OsStringExt::from_vec(vec![0xff]);
        let variables = [("CREDITD_DATA_DIR".into(), no_text)];
        assert_eq!(run(["creditd", "config", "explain"].map(OsString::from), variables), Exit::Config);
    }
}
