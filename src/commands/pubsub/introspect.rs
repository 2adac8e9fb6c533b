//! `PUBSUB CHANNELS [pattern]`, `PUBSUB NUMSUB [channel ...]`, `PUBSUB NUMPAT`, `PUBSUB HELP`

use crate::commands::Request;
use crate::commands::server::ServerRequest;
use crate::commands::spec::{ArgKind, ArgSpec, CommandSpec, Flags};

const BASE: CommandSpec = CommandSpec { since: "2.8.0", ..super::BASE };

/// The table entry.
pub static SPEC: CommandSpec = CommandSpec {
    name: "pubsub",
    arity: -2,
    flags: Flags::NONE,
    summary: "A container for commands about channels",
    complexity: "Depends on subcommand.",
    subcommands: &[
        CommandSpec {
            name: "pubsub|channels",
            arity: -2,
            summary: "Tells the channels that somebody listens to",
            complexity: "O(N) where N is the number of channels",
            args: &[ArgSpec::new("pattern", ArgKind::Pattern).optional()],
            parse: |args, _| {
                args.at_most(1)?;
                let pattern = args.next_if_any().map(super::channel).transpose()?;
                Ok(Request::Server(ServerRequest::PubSubChannels(pattern)))
            },
            ..BASE
        },
        CommandSpec {
            name: "pubsub|numsub",
            arity: -2,
            summary: "Tells how many connections listen to channels by their names",
            complexity: "O(N) where N is the number of channels asked for",
            args: &[ArgSpec::new("channel", ArgKind::String).optional().multiple()],
            parse: |args, _| Ok(Request::Server(ServerRequest::PubSubNumSub(super::channels(args)?))),
            ..BASE
        },
        CommandSpec {
            name: "pubsub|numpat",
            arity: 2,
            summary: "Tells how many patterns somebody listens to",
            parse: |_, _| Ok(Request::Server(ServerRequest::PubSubNumPat)),
            ..BASE
        },
        CommandSpec {
            name: "pubsub|help",
            arity: 2,
            flags: Flags::ANYTIME,
            summary: "Shows the subcommands",
            since: "6.2.0",
            parse: |_, _| Ok(Request::Help(HELP)),
            ..BASE
        },
    ],
    ..BASE
};

const HELP: &[&str] = &[
    "PUBSUB <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
    "CHANNELS [<pattern>]",
    "    Return the currently active channels matching a <pattern> (default: '*').",
    "NUMPAT",
    "    Return number of subscriptions to patterns.",
    "NUMSUB [<channel> ...]",
    "    Return the number of subscribers for the specified channels, excluding",
    "    pattern subscriptions(default: no channels).",
    "HELP",
    "    Print this help.",
];
