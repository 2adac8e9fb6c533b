//! `LEAD.CLAIMS lead [COUNT n] [FROM k]`: who has claimed a lead.

use crate::commands::args::Args;
use crate::commands::refusal::Refusal;
use crate::commands::spec::{ArgKind, ArgSpec, Class, CommandSpec, Flags, KeyUse};
use crate::commands::{Defaults, Request};
use crate::ledger::command::{CLAIMS_COUNT_MAX, Command, LeadOp, Op};

/// Claims of an answer if COUNT is not given (commands.md C.11, 13).
const COUNT_DEFAULT: u16 = 100;

/// The table entry.
pub static SPEC: CommandSpec = CommandSpec {
    name: "lead.claims",
    arity: -2,
    flags: Flags::READONLY,
    key: Some(KeyUse::Read),
    class: Class::Reader,
    summary: "Shows the claims of a lead, first to last",
    complexity: "O(N) where N is the number of claims shown",
    args: &[
        super::LEAD,
        ArgSpec::option("COUNT", "count", ArgKind::Integer),
        ArgSpec::option("FROM", "claim", ArgKind::Integer),
    ],
    parse,
    ..super::BASE
};

fn parse<'a>(args: &mut Args<'a>, _: &Defaults) -> Result<Request<'a>, Refusal> {
    let lead = args.lead()?;
    let (mut from, mut count) = (1, COUNT_DEFAULT);
    while let Some(option) = args.option(&["COUNT", "FROM"])? {
        match option {
            "COUNT" => count = args.count(CLAIMS_COUNT_MAX)?,
            _ => from = args.claim_number()?,
        }
    }
    let command = Command::of_lead(lead, Op::Lead(LeadOp::Claims { from, count }));
    Ok(Request::Ledger { command, made_tx: false })
}
