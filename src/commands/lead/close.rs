//! `LEAD.CLOSE lead [REASON s]`: no more claims; those that are there stand.

use crate::commands::args::Args;
use crate::commands::refusal::Refusal;
use crate::commands::spec::{Class, CommandSpec, KeyUse};
use crate::commands::{Defaults, Request};
use crate::ledger::command::{Command, LeadOp, Op};

/// The table entry.
pub static SPEC: CommandSpec = CommandSpec {
    name: "lead.close",
    arity: -2,
    flags: super::GROWING_WRITE,
    key: Some(KeyUse::Update),
    class: Class::Granter,
    summary: "Ends a lead: nobody can claim it any more; its claims stand",
    errors: &["NOLEAD"],
    args: &[super::LEAD, super::REASON],
    parse,
    ..super::BASE
};

fn parse<'a>(args: &mut Args<'a>, _: &Defaults) -> Result<Request<'a>, Refusal> {
    let lead = args.lead()?;
    let mut reason = &b""[..];
    while args.option(&["REASON"])?.is_some() {
        reason = args.reason()?;
    }
    let command = Command { reason, ..Command::of_lead(lead, Op::Lead(LeadOp::Close)) };
    Ok(Request::Ledger { command, made_tx: false })
}
