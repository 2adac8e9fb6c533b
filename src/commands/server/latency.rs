//! `LATENCY LATEST|HISTORY|HISTOGRAM|RESET|DOCTOR|HELP`. The events are the stages of a command's life: `queue`,
//! `execute`, `sync`, `reply`. GRAPH is absent: the dashboard draws.

use super::ServerRequest;
use crate::commands::Request;
use crate::commands::arguments::Arguments;
use crate::commands::spec::{ArgKind, ArgSpec, CommandSpec, Flags};

/// What is asked of latencies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LatencyRequest<'a> {
    /// By event with spikes: name, second of the newest, its milliseconds, the longest ever.
    Latest,
    /// Seconds with a spike of an event, and milliseconds.
    History(&'a [u8]),
    /// Cumulative counts by microseconds; of these events, or of all if there are none.
    Histogram(Arguments<'a>),
    /// Forgets the spikes of these events, or of all if there are none: number of events that had any.
    Reset(Arguments<'a>),
    /// Text for people.
    Doctor,
}

const EVENTS: &[ArgSpec] = &[ArgSpec::new("event", ArgKind::String).optional().multiple()];

const BASE: CommandSpec = CommandSpec {
    arity: 2,
    flags: Flags::ANYTIME.and(Flags::ADMIN).and(Flags::NOSCRIPT),
    since: "2.8.13",
    ..CommandSpec::BASE
};

/// The table entry.
pub static SPEC: CommandSpec = CommandSpec {
    name: "latency",
    arity: -2,
    flags: Flags::NONE,
    summary: "A container for commands about how long the stages of commands take",
    complexity: "Depends on subcommand.",
    subcommands: &[
        CommandSpec {
            name: "latency|latest",
            summary: "Shows the newest spike of each stage",
            parse: |_, _| Ok(Request::Server(ServerRequest::Latency(LatencyRequest::Latest))),
            ..BASE
        },
        CommandSpec {
            name: "latency|history",
            arity: 3,
            summary: "Shows the seconds in which a stage had spikes",
            args: &[ArgSpec::new("event", ArgKind::String)],
            parse: |args, _| Ok(Request::Server(ServerRequest::Latency(LatencyRequest::History(args.word()?)))),
            ..BASE
        },
        CommandSpec {
            name: "latency|histogram",
            arity: -2,
            summary: "Shows how long the stages took, as cumulative counts",
            since: "7.0.0",
            complexity: "O(N) where N is the number of cores",
            args: EVENTS,
            parse: |args, _| Ok(Request::Server(ServerRequest::Latency(LatencyRequest::Histogram(args.rest())))),
            ..BASE
        },
        CommandSpec {
            name: "latency|reset",
            arity: -2,
            summary: "Forgets spikes",
            args: EVENTS,
            parse: |args, _| Ok(Request::Server(ServerRequest::Latency(LatencyRequest::Reset(args.rest())))),
            ..BASE
        },
        CommandSpec {
            name: "latency|doctor",
            summary: "Says what was slow and what to look at",
            parse: |_, _| Ok(Request::Server(ServerRequest::Latency(LatencyRequest::Doctor))),
            ..BASE
        },
        CommandSpec {
            name: "latency|help",
            flags: Flags::ANYTIME,
            summary: "Shows the subcommands",
            parse: |_, _| Ok(Request::Help(HELP)),
            ..BASE
        },
    ],
    ..BASE
};

const HELP: &[&str] = &[
    "LATENCY <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
    "DOCTOR",
    "    Return a human readable latency analysis report.",
    "HISTORY <event>",
    "    Return time-latency samples for the <event> class.",
    "LATEST",
    "    Return the latest latency samples for all events.",
    "RESET [<event> ...]",
    "    Reset latency data of one or more <event> classes.",
    "    (default: reset all data for all event classes)",
    "HISTOGRAM [<event> ...]",
    "    Return a cumulative distribution of latencies in the format of a histogram.",
    "    Events are the stages of a command: queue, execute, sync, reply.",
    "HELP",
    "    Print this help.",
];
