//! Commands: what was asked, how it ended, how long it took, what waits.

use super::super::counters::{CoreCounters, WRITES};
use super::super::latency::{STAGES, Stage};
use super::{Family, Looked, Samples, family, seconds};
use prometheus_client::metrics::MetricType::{Counter, Gauge, Histogram};
use prometheus_client::registry::Unit;
use std::collections::BTreeMap;
use std::fmt;

/// First words of errors that say that nothing was executed. All others are decisions of the rules.
const REFUSALS: [&str; 10] =
    ["ERR", "EXECABORT", "LOADING", "MISCONF", "NOAUTH", "NOPERM", "NOPROTO", "OOM", "TRYAGAIN", "WRONGPASS"];

pub(super) const FAMILIES: &[Family] = &[
    family(
        "credit_transactions",
        None,
        Counter,
        "type status",
        "Writes answered: ok (done and on disk; replays apart), declined by the rules, or refused and not executed",
        transactions,
    ),
    family(
        "credit_declined",
        None,
        Counter,
        "type reason",
        "Writes that the rules declined, by the first word of the error; a replayed decline counts again",
        declined,
    ),
    family(
        "credit_claims",
        None,
        Counter,
        "result",
        "LEAD.CLAIM by result: claimed, or the first word of the error",
        claims,
    ),
    family("credit_replays", None, Counter, "", "Writes answered with what their id had done before", |looked, out| {
        out.counter(&[], looked.view.count(|core| core.replays))
    }),
    family("credit_commands", None, Counter, "command", "Commands executed, with whatever outcome", commands),
    family("credit_errors", None, Counter, "code", "Error replies to whatever request, by their first word", errors),
    family(
        "credit_processing_duration",
        Some(Unit::Seconds),
        Histogram,
        "type",
        "Time that writes took the core that read them: each turn's time in equal parts, without the disk",
        processing,
    ),
    family(
        "credit_processing_duration",
        None,
        Histogram,
        "type",
        "The same as credit_processing_duration_seconds, under its former name; in seconds",
        processing,
    ),
    family(
        "credit_stage_duration",
        Some(Unit::Seconds),
        Histogram,
        "stage",
        "Stages of commands that shards execute: queue (read to executed), execute, sync (the disk), reply (durable to \
         written)",
        stages,
    ),
    family("credit_busy", Some(Unit::Seconds), Counter, "core", "Time spent executing commands of shards", busy),
    family("credit_core_cpu", Some(Unit::Seconds), Counter, "core", "CPU time of the core's thread", |looked, out| {
        let mut cores = looked.scrape.system.core_cpu_us.iter();
        cores.try_for_each(|(core, us)| out.counter(&[("core", &core.to_string())], *us as f64 / 1e6))
    }),
    family(
        "actor_queue_size",
        None,
        Gauge,
        "shard",
        "Commands of the shard that are executed or set aside and wait: for the disk, old records, the end of a claim",
        |looked, out| out.by_shard(looked, |shard| shard.waiting),
    ),
    family("credit_hops", None, Counter, "", "Commands sent to the core of their shard by another", |looked, out| {
        out.counter(&[], looked.view.count(|core| core.hops))
    }),
    family(
        "credit_old_records",
        None,
        Counter,
        "kind",
        "Commands that waited for records on disk: recall (at known places), walk (along a trail)",
        |looked, out| {
            out.counter(&[("kind", "recall")], looked.view.count(|core| core.recalls))?;
            out.counter(&[("kind", "walk")], looked.view.count(|core| core.walks))
        },
    ),
];

/// Error replies to writes: the write's place in [`WRITES`], first word, how many.
fn errors_of_writes(looked: &Looked<'_>) -> BTreeMap<(usize, &'static str), u64> {
    let Some(counters) = &looked.view.counters else { return BTreeMap::new() };
    let write = |command: Option<u16>| {
        let name = counters.commands()[usize::from(command?)].name;
        WRITES.iter().position(|(_, command)| *command == name)
    };
    let errors = counters.errors().iter();
    errors.filter_map(|error| Some(((write(error.command)?, error.code), error.count))).collect()
}

fn is_refusal(code: &str) -> bool {
    REFUSALS.contains(&code)
}

fn transactions(looked: &Looked<'_>, out: &mut Samples<'_>) -> fmt::Result {
    let Some(counters) = &looked.view.counters else { return Ok(()) };
    let errors = errors_of_writes(looked);
    for (place, (word, _)) in WRITES.iter().enumerate() {
        let sum = |refused| {
            let mine = errors.iter().filter(|((write, code), _)| *write == place && is_refusal(code) == refused);
            mine.map(|(_, count)| count).sum()
        };
        for (status, count) in [("ok", counters.written[place]), ("declined", sum(false)), ("refused", sum(true))] {
            out.counter(&[("type", word), ("status", status)], count)?;
        }
    }
    Ok(())
}

fn declined(looked: &Looked<'_>, out: &mut Samples<'_>) -> fmt::Result {
    let errors = errors_of_writes(looked);
    let mut declines = errors.iter().filter(|((_, code), _)| !is_refusal(code));
    declines.try_for_each(|((write, code), count)| {
        out.counter(&[("type", WRITES[*write].0), ("reason", &code.to_ascii_lowercase())], *count)
    })
}

fn claims(looked: &Looked<'_>, out: &mut Samples<'_>) -> fmt::Result {
    let claim = WRITES.len() - 1;
    out.counter(&[("result", "claimed")], looked.view.count(|core| core.written[claim]))?;
    let errors = errors_of_writes(looked);
    let mut errors = errors.iter().filter(|((write, _), _)| *write == claim);
    errors.try_for_each(|((_, code), count)| out.counter(&[("result", &code.to_ascii_lowercase())], *count))
}

fn commands(looked: &Looked<'_>, out: &mut Samples<'_>) -> fmt::Result {
    let mut all = looked.view.counters.iter().flat_map(CoreCounters::commands);
    all.try_for_each(|command| out.counter(&[("command", command.name)], command.calls))
}

fn errors(looked: &Looked<'_>, out: &mut Samples<'_>) -> fmt::Result {
    let mut all = looked.view.counters.iter().flat_map(CoreCounters::errors_by_code);
    all.try_for_each(|(code, count)| out.counter(&[("code", &code.to_ascii_lowercase())], count))
}

fn processing(looked: &Looked<'_>, out: &mut Samples<'_>) -> fmt::Result {
    let Some(counters) = &looked.view.counters else { return Ok(()) };
    for (word, name) in WRITES {
        if let Some(place) = counters.commands().iter().position(|command| command.name == name) {
            out.histogram(&[("type", word)], counters.durations(place))?;
        }
    }
    Ok(())
}

fn stages(looked: &Looked<'_>, out: &mut Samples<'_>) -> fmt::Result {
    let Some(counters) = &looked.view.counters else { return Ok(()) };
    STAGES.iter().try_for_each(|(stage, name)| out.histogram(&[("stage", name)], &counters.latencies.durations(*stage)))
}

fn busy(looked: &Looked<'_>, out: &mut Samples<'_>) -> fmt::Result {
    looked.scrape.cores.iter().try_for_each(|core| {
        let executing_ns = core.counters.latencies.durations(Stage::Execute).sum_ns();
        out.counter(&[("core", &core.core.to_string())], seconds(executing_ns))
    })
}
