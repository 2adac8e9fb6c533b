//! The command line of `creditd bench`.

use std::net::{SocketAddr, ToSocketAddrs};
use std::path::PathBuf;

use clap::builder::PossibleValuesParser;
use clap::{Arg, ArgMatches, Command, value_parser};

use super::machine;
use super::target::{FUNDS, Target};
use super::workload::Workload;

/// A test, as it was asked for.
pub(super) struct Options {
    pub(super) target: Target,
    pub(super) address: SocketAddr,
    pub(super) pass: Option<String>,
    pub(super) workload: Workload,
    pub(super) accounts: u32,
    /// Whether to end when the accounts are funded.
    pub(super) only_fund: bool,
    pub(super) connections: usize,
    pub(super) pipeline: usize,
    pub(super) threads: usize,
    pub(super) seconds: f64,
    /// A run for each; `None`: a closed loop.
    pub(super) rates: Vec<Option<f64>>,
    pub(super) json: Option<PathBuf>,
    pub(super) hdr: Option<PathBuf>,
    pub(super) html: Option<PathBuf>,
}

/// The grammar and the help.
pub(in crate::cli) fn command() -> Command {
    let workloads = Workload::OFFERED.map(|(name, _, what)| format!("  {name:<16} {what}")).join("\n");
    Command::new("bench")
        .about("Load a server, show throughput and latency, and prove that no money was made or lost")
        .long_about(format!(
            "Load a server, show throughput and latency, and prove that no money was made or lost.\n\n\
             Workloads:\n{workloads}\n\n\
             Writes real transactions of one credit to accounts acct:000000000000 and so on: never point it at \
             accounts that matter. Accounts without credits are funded first, with {FUNDS} each.\n\n\
             Closed loop: each connection keeps --pipeline commands in flight and asks the next ones when all are \
             answered, so a slow server is asked less. Open loop (--rate): commands are due by the clock, and their \
             latency counts from then, whenever they could be sent."
        ))
        .after_help(
            "The check reads the server's sums before and after: nobody else may write meanwhile. A connection that is \
             lost is opened again and its commands are sent again with the same ids.\n\
             Ctrl-C ends the load and shows the report so far.\n\
             Exit codes: 0 done; 1 money was made or lost, or an answer never came; 64 wrong command line, no server, \
             or one that refuses.\nHow to read the figures: docs/operate/bench.md",
        )
        .args(at())
        .args(load())
        .args(output())
}

fn at() -> [Arg; 4] {
    let names = Target::NAMES.map(|(name, _)| name);
    [
        Arg::new("target")
            .long("target")
            .value_name("WORD")
            .value_parser(PossibleValuesParser::new(names))
            .default_value(names[0])
            .help("What the server is; redis-functions: a Redis, into which Lua functions for the same job are loaded"),
        Arg::new("host").long("host").value_name("HOST").default_value("127.0.0.1").help("The server's host"),
        Arg::new("port")
            .long("port")
            .short('p')
            .value_name("N")
            .value_parser(value_parser!(u16))
            .default_value("7379")
            .help("The server's port"),
        Arg::new("pass")
            .long("pass")
            .value_name("PASSWORD")
            .env("REDISCLI_AUTH")
            .hide_env_values(true)
            .help("The server's password; better given as the variable: other users see command lines"),
    ]
}

fn load() -> [Arg; 9] {
    let number = |name: &'static str, placeholder: &'static str| Arg::new(name).long(name).value_name(placeholder);
    [
        number("workload", "WORD")
            .short('w')
            .value_parser(PossibleValuesParser::new(Workload::OFFERED.map(|(name, _, _)| name)))
            .hide_possible_values(true)
            .default_value("debit")
            .help("What is asked: debit, reserve-capture, balance, mixed, hot, peak"),
        number("accounts", "N").value_parser(count).default_value("100k").help("Accounts that are asked"),
        number("prepare", "N")
            .value_parser(count)
            .conflicts_with("accounts")
            .help("Fund N accounts, and end; repeating it changes nothing while the server remembers its ids"),
        number("connections", "N").short('c').value_parser(count).default_value("50").help("Connections in all"),
        number("pipeline", "N")
            .short('P')
            .value_parser(count)
            .default_value("1")
            .help("Commands in flight on a connection, at most"),
        number("threads", "N").value_parser(count).help("Threads [default: one for each CPU but one, at least one]"),
        number("seconds", "S").short('t').value_parser(positive).default_value("10").help("How long a run takes"),
        number("rate", "OPS").value_parser(positive).help("Operations a second, as in 20k: an open loop"),
        number("sweep", "OPS,...")
            .value_parser(positive)
            .value_delimiter(',')
            .conflicts_with("rate")
            .help("A run for each of these rates"),
    ]
}

fn output() -> [Arg; 4] {
    let file = |name: &'static str, placeholder: &'static str| {
        Arg::new(name).long(name).value_name(placeholder).value_parser(value_parser!(PathBuf))
    };
    [
        file("json", "FILE").help("Write the report as JSON"),
        file("hdr", "DIR").help("Write latencies by percentile, a file for each kind of command, as HdrHistogram does"),
        file("html", "FILE").help("Write the report as one page with plots"),
        file("compare", "JSON")
            .num_args(2)
            .exclusive(true)
            .help("Load nothing: show the ratios of two reports, and in what their set-ups differ"),
    ]
}

impl Options {
    /// What `matches` ask for, or what is wrong with it.
    pub(super) fn from(matches: &ArgMatches) -> Result<Self, String> {
        let text = |name: &str| matches.get_one::<String>(name).expect("it has a default").as_str();
        let count = |name: &str| *matches.get_one::<u32>(name).expect("it has a default");
        let file = |name: &str| matches.get_one::<PathBuf>(name).cloned();
        let (host, port) = (text("host"), *matches.get_one::<u16>("port").expect("it has a default"));
        let found = (host, port).to_socket_addrs().map_err(|error| format!("{host}: {error}"))?.next();
        let workload = text("workload");
        let workload = Workload::OFFERED.into_iter().find(|(name, ..)| *name == workload).expect("one of them").1;
        let target = Target::NAMES.into_iter().find(|(name, _)| *name == text("target")).expect("one of them").1;
        let sweep: Vec<f64> = matches.get_many("sweep").into_iter().flatten().copied().collect();
        let rates: Vec<Option<f64>> = match matches.get_one::<f64>("rate") {
            None if !sweep.is_empty() => sweep.into_iter().map(Some).collect(),
            rate => vec![rate.copied()],
        };
        if workload == Workload::Peak && rates[0].is_none() {
            return Err("the workload peak needs --rate or --sweep".to_owned());
        }
        if target != Target::Creditd && matches!(workload, Workload::Claim | Workload::Race) {
            return Err("only creditd has leads".to_owned());
        }
        let prepare = matches.get_one::<u32>("prepare").copied();
        let connections = count("connections") as usize;
        let threads = matches.get_one::<u32>("threads").map_or(machine::cpus().saturating_sub(1), |n| *n as usize);
        Ok(Self {
            target,
            address: found.ok_or_else(|| format!("{host}: no such host"))?,
            pass: matches.get_one::<String>("pass").cloned(),
            workload,
            accounts: prepare.unwrap_or_else(|| count("accounts")),
            only_fund: prepare.is_some(),
            connections,
            pipeline: count("pipeline") as usize,
            threads: threads.clamp(1, connections),
            seconds: *matches.get_one::<f64>("seconds").expect("it has a default"),
            rates,
            json: file("json"),
            hdr: file("hdr"),
            html: file("html"),
        })
    }
}

/// A positive whole number, as in 100k.
fn count(text: &str) -> Result<u32, String> {
    let number = positive(text)?;
    let is_whole = number.fract() == 0.0 && number <= f64::from(u32::MAX);
    if is_whole { Ok(number as u32) } else { Err("a whole number from 1 to 4294967295".to_owned()) }
}

/// A positive number, as in 0.5, 20k or 1.5M.
fn positive(text: &str) -> Result<f64, String> {
    let (digits, unit) = match text.strip_suffix('k').map(|digits| (digits, 1e3)) {
        Some(found) => found,
        None => text.strip_suffix('M').map_or((text, 1.0), |digits| (digits, 1e6)),
    };
    let number = digits.parse::<f64>().ok().map(|number| number * unit);
    number.filter(|number| number.is_finite() && *number > 0.0).ok_or_else(|| "a positive number, as in 20k".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(line: &str) -> Result<Options, String> {
        let words = std::iter::once("bench").chain(line.split_whitespace());
        Options::from(&command().try_get_matches_from(words).map_err(|error| error.to_string())?)
    }

    #[test]
    fn numbers_have_units() {
        let options = options("-w mixed --accounts 1.5M --sweep 500,20k -t 0.5 -c 3 --threads 9").ok().unwrap();
        assert_eq!((options.accounts, options.seconds, options.threads), (1_500_000, 0.5, 3));
        assert_eq!(options.rates, [Some(500.0), Some(20_000.0)]);
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        assert!(options("").is_ok());
        for line in [
            "-w claim --target redis-functions",
            "-w peak",
            "-w sleep",
            "--accounts 0",
            "--accounts 1.5",
            "--rate 0",
            "--rate 1 --sweep 2",
            "-t -1",
        ] {
            assert!(options(line).is_err(), "{line}");
        }
        assert!(options("-w peak --rate 2k").is_ok());
    }
}
