//! CLUSTER, READONLY, READWRITE: one machine is no cluster, and clients are told so in Redis' words.

use crate::commands::refusal::Refusal;
use crate::commands::spec::{ArgKind, ArgSpec, Class, CommandSpec, Flags};

const DISABLED: Refusal = Refusal::fixed("ERR This instance has cluster support disabled");

const BASE: CommandSpec = CommandSpec {
    group: "cluster",
    class: Class::Open,
    flags: Flags::ANYTIME.and(Flags::FAST),
    since: "3.0.0",
    parse: |_, _| Err(DISABLED),
    ..CommandSpec::BASE
};

/// CLUSTER
pub static CLUSTER: CommandSpec = CommandSpec {
    name: "cluster",
    arity: -2,
    flags: Flags::ANYTIME,
    summary: "Answers that this server is not part of a cluster",
    args: &[
        ArgSpec::new("subcommand", ArgKind::String),
        ArgSpec::new("argument", ArgKind::String).optional().multiple(),
    ],
    ..BASE
};

/// READONLY
pub static READONLY: CommandSpec = CommandSpec {
    name: "readonly",
    categories: &["connection"],
    summary: "Answers that this server is not part of a cluster",
    ..BASE
};

/// READWRITE
pub static READWRITE: CommandSpec = CommandSpec {
    name: "readwrite",
    categories: &["connection"],
    summary: "Answers that this server is not part of a cluster",
    ..BASE
};
