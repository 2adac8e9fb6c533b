//! `LEAD.GET lead`: what has become of a lead.

use crate::commands::args::Args;
use crate::commands::refusal::Refusal;
use crate::commands::spec::{Class, CommandSpec, Flags, KeyUse};
use crate::commands::{Defaults, Request};
use crate::ledger::command::{Command, LeadOp, Op};

/// The table entry.
pub static SPEC: CommandSpec = CommandSpec {
    name: "lead.get",
    arity: 2,
    flags: Flags::READONLY,
    key: Some(KeyUse::Read),
    class: Class::Reader,
    summary: "Shows a lead: its state, its slots and how many are left; null if it is unknown",
    args: &[super::LEAD],
    parse,
    ..super::BASE
};

fn parse<'a>(args: &mut Args<'a>, _: &Defaults) -> Result<Request<'a>, Refusal> {
    let lead = args.lead()?;
    Ok(Request::Ledger { command: Command::of_lead(lead, Op::Lead(LeadOp::Get)), made_tx: false })
}
