//! `creditd bench`: what a machine does, and what that does to latency.
//!
//! ```text
//! options ─▶ fund accounts ─▶ books ─▶ run (threads, epoll) ─▶ books ─▶ check ─▶ table, JSON, HTML
//!                                       └ a line a second
//! ```
//!
//! The load is made of real commands with real consequences, so it ends with a proof: the server's books must have
//! moved by what the test was answered. Absent on purpose: starting servers, and any opinion on the figures.

mod chart;
mod check;
mod compare;
mod connection;
mod dialogue;
mod machine;
mod options;
mod pace;
mod page;
mod report;
mod run;
mod tally;
mod target;
mod wire;
mod worker;
mod workload;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use clap::ArgMatches;
use signal_hook::consts::SIGINT;
use signal_hook::flag;

use self::check::Check;
use self::dialogue::{Dialogue, Trouble};
use self::machine::{Machine, Ticks};
use self::options::Options;
pub(super) use self::options::command;
use self::report::{Costs, Report, Run, Setup};
use self::tally::Slice;
use self::target::{Requests, Target};
use self::worker::{Left, Load};
use self::workload::{Op, Workload};
use crate::clock::{Clock, SystemClock};
use crate::config::Exit;

/// Connections and pipeline that fund fast without a queue that fills buffers.
const FUNDING: (usize, usize) = (16, 128);

pub(super) fn run(matches: &ArgMatches) -> Exit {
    if let Some(files) = matches.get_many::<PathBuf>("compare") {
        let files: Vec<_> = files.collect();
        return told(compare::compare(files[0], files[1]).map(|table| super::print(&table)));
    }
    told(Options::from(matches).and_then(|options| bench(&options).map_err(|trouble| trouble.to_string())))
}

/// Why there is nothing to show, if so.
fn told(done: Result<Exit, String>) -> Exit {
    done.unwrap_or_else(|message| {
        super::say(&format!("creditd bench: {message}\n"));
        Exit::Usage
    })
}

fn bench(options: &Options) -> Result<Exit, Trouble> {
    let stop = Arc::new(AtomicBool::new(false));
    // The first Ctrl-C ends the load and brings the report, the second one ends it all.
    let caught = flag::register_conditional_shutdown(SIGINT, 130, stop.clone());
    caught.and_then(|_| flag::register(SIGINT, stop.clone())).expect("SIGINT may be caught");
    let mut server = dial(options)?;
    options.target.teach(&mut server)?;
    if options.only_fund || !options.target.is_funded(&mut server, options.accounts)? {
        fund(options, &stop)?;
        if options.only_fund {
            return Ok(Exit::Ok);
        }
    }
    let setup = setup(options, &mut server)?;
    let before = options.target.books(&mut server, options.accounts)?;
    let (mut runs, mut answers, mut left) = (Vec::new(), Slice::default(), Left::default());
    for &rate in &options.rates {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let (run, of_one, left_over) = measure(options, rate, &stop)?;
        super::print(&run.to_string());
        answers.add(&of_one);
        left.unanswered += left_over.unanswered;
        runs.push(run);
    }
    // Anew: the server may be another process by now.
    let after = options.target.books(&mut dial(options)?, options.accounts)?;
    let check = Check::of(&before, &after, &answers, left);
    super::print(&check.to_string());
    let report = Report { setup, runs, check };
    if let Some(path) = &options.json {
        write(path, &(serde_json::to_string_pretty(&report).expect("a report is JSON") + "\n"))?;
    }
    if let Some(path) = &options.html {
        write(path, &page::html(&report))?;
    }
    Ok(if report.check.ok { Exit::Ok } else { Exit::Failed })
}

/// Gives every account its credits. Repeating it changes nothing.
fn fund(options: &Options, stop: &AtomicBool) -> Result<(), Trouble> {
    let (connections, pipeline) = FUNDING;
    let load = Load { workload: Workload::Fund, connections, pipeline, ..load(options, None) };
    let measured = run::run(&Load { duration_ns: u64::MAX, ..load }, stop, |_| {})?;
    let all = measured.answers.all();
    if let Some((code, count)) = all.refused.first() {
        let reply = format!("{code}, {count} times");
        return Err(Trouble::Refused { request: "the funding of accounts".to_owned(), reply });
    }
    let (funded, elapsed_s) = (measured.answers.done(Op::Fund), measured.elapsed_s);
    let per_s = funded as f64 / elapsed_s;
    super::print(&format!("{funded} accounts funded in {elapsed_s:.1} s, {per_s:.0} a second\n"));
    Ok(())
}

fn load(options: &Options, rate: Option<f64>) -> Load {
    Load {
        address: options.address,
        pass: options.pass.clone(),
        requests: Requests::new(options.target, SystemClock.wall_ms()),
        workload: options.workload,
        accounts: options.accounts,
        threads: options.threads,
        connections: options.connections,
        pipeline: options.pipeline,
        rate,
        duration_ns: (options.seconds * 1e9) as u64,
    }
}

/// One run, with its line a second and its files of latencies.
fn measure(options: &Options, rate: Option<f64>, stop: &AtomicBool) -> Result<(Run, Slice, Left), Trouble> {
    let (ticks, cpu_us) = (Ticks::now(), server_cpu_us(options));
    let measured = run::run(&load(options, rate), stop, |second| {
        super::print(&second.to_string());
    })?;
    let now = Ticks::now();
    let costs = Costs {
        client_cpu_us: now.own_us(&ticks),
        // A process that was started meanwhile counts from nought.
        server_cpu_us: server_cpu_us(options).zip(cpu_us).map(|(after, before)| after - before).filter(|us| *us >= 0.0),
        steal_percent: now.steal_percent(&ticks),
    };
    if let Some(dir) = &options.hdr {
        fs::create_dir_all(dir).map_err(|error| Trouble::File(dir.display().to_string(), error))?;
        let at = rate.map_or(String::new(), |rate| format!("-at-{rate}"));
        for (op, tally) in measured.answers.by_op() {
            write(&dir.join(format!("{}{at}.hgrm", op.name())), &report::hgrm(&tally.latency))?;
        }
    }
    Ok((Run::of(rate, &measured, &costs), measured.answers, measured.left))
}

fn dial(options: &Options) -> Result<Dialogue, Trouble> {
    Dialogue::open(options.address, options.pass.as_deref())
}

/// What the server says of its own CPU time, in microseconds.
fn server_cpu_us(options: &Options) -> Option<f64> {
    let info = dial(options).and_then(|mut server| server.info()).ok()?;
    let seconds = |name: &str| info.get(name)?.parse::<f64>().ok();
    Some((seconds("used_cpu_user")? + seconds("used_cpu_sys")?) * 1e6)
}

fn setup(options: &Options, server: &mut Dialogue) -> Result<Setup, Trouble> {
    let names = ["creditd_version", "redis_version", "cores", "shards", "io_threads_active", "mem_allocator"];
    let info = server.info()?;
    let told = names.iter().filter_map(|name| Some(((*name).to_owned(), info.get(*name)?.clone())));
    let mut facts: BTreeMap<String, String> = told.collect();
    for name in ["appendonly", "appendfsync"] {
        let pair = server.ask(&["CONFIG", "GET", name])?;
        facts.extend(pair.get(1).map(|value| (name.to_owned(), value.clone())));
    }
    if options.target == Target::Creditd && !facts.contains_key("creditd_version") {
        super::say("creditd bench: this server does not say that it is creditd\n");
    }
    Ok(Setup {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        target: options.target,
        address: options.address.to_string(),
        server: facts,
        workload: options.workload,
        accounts: options.accounts,
        connections: options.connections,
        pipeline: options.pipeline,
        threads: options.threads,
        seconds: options.seconds,
        machine: Machine::this(),
    })
}

fn write(path: &Path, text: &str) -> Result<(), Trouble> {
    fs::write(path, text).map_err(|error| Trouble::File(path.display().to_string(), error))
}
