//! `LEAD.OPEN lead maxclaims [TTL ms] [META s]`: creates a lead with so many slots.

use crate::commands::args::Args;
use crate::commands::refusal::Refusal;
use crate::commands::spec::{ArgKind, ArgSpec, Class, CommandSpec, KeyUse};
use crate::commands::{Defaults, Request};
use crate::ledger::command::{Command, LeadOp, Op};

/// The table entry.
pub static SPEC: CommandSpec = CommandSpec {
    name: "lead.open",
    arity: -3,
    flags: super::GROWING_WRITE,
    key: Some(KeyUse::Update),
    class: Class::Granter,
    summary: "Creates a lead that so many accounts can claim, until it is full, closed or the TTL is over",
    errors: &["LEADEXISTS"],
    args: &[
        super::LEAD,
        ArgSpec::new("maxclaims", ArgKind::Integer),
        ArgSpec::option("TTL", "milliseconds", ArgKind::Integer),
        super::META,
    ],
    parse,
    ..super::BASE
};

fn parse<'a>(args: &mut Args<'a>, _: &Defaults) -> Result<Request<'a>, Refusal> {
    let (lead, max) = (args.lead()?, args.max_claims()?);
    let (mut ttl_ms, mut meta) = (None, &b""[..]);
    while let Some(option) = args.option(&["TTL", "META"])? {
        match option {
            "TTL" => ttl_ms = Some(args.ttl_ms()?),
            _ => meta = args.meta()?,
        }
    }
    let command = Command { meta, ..Command::of_lead(lead, Op::Lead(LeadOp::Open { max, ttl_ms })) };
    Ok(Request::Ledger { command, made_tx: false })
}
