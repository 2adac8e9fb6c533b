//! What stands at the other end: how each command is said there, and how its books are read.
//!
//! ```text
//! creditd            CREDIT.DEBIT acct:N tx 1        books: the sums of INFO
//! redis-functions    FCALL debit_list a:N t:N:tx ..  books: every account's hash, added up
//! ```

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::dialogue::{Dialogue, Trouble};
use super::wire::Template;
use super::workload::{Op, Order};

/// Credits of a funded account. `words` says it to the servers.
pub(super) const FUNDS: u64 = 1_000_000_000;

/// What the functions of `redis-functions` are.
const FUNCTIONS: &str = include_str!("../../../bench-scripts/peer_functions.lua");

/// How many accounts are looked at to see whether all are funded.
const PROBES: u32 = 1_000;

/// Sums over all accounts, by name.
pub(super) type Books = BTreeMap<String, i128>;

/// A kind of server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Target {
    Creditd,
    RedisFunctions,
}

impl Target {
    /// By their names on the command line.
    pub(super) const NAMES: [(&'static str, Self); 2] =
        [("creditd", Self::Creditd), ("redis-functions", Self::RedisFunctions)];

    /// The words of a command, with holes; none, where the target has no such command.
    fn words(self, op: Op) -> &'static str {
        match (self, op) {
            (_, Op::Ping) => "PING",
            (Self::Creditd, Op::Fund) => "CREDIT.GRANT acct:{account} bench-funds 1000000000",
            (Self::Creditd, Op::Debit) => "CREDIT.DEBIT acct:{account} {tx} 1",
            (Self::Creditd, Op::Reserve) => "CREDIT.RESERVE acct:{account} {tx} 1 TTL 86400000",
            (Self::Creditd, Op::Capture) => "CREDIT.CAPTURE acct:{account} {tx}",
            (Self::Creditd, Op::Open) => "LEAD.OPEN lead:{tx} 3",
            (Self::Creditd, Op::Claim) => "LEAD.CLAIM acct:{account} {tx} lead:{tx} 1",
            (Self::Creditd, Op::Race) => "LEAD.CLAIM acct:{account} {tx} lead:{first} 1",
            (Self::RedisFunctions, Op::Open | Op::Claim | Op::Race) => "",
            (Self::Creditd, Op::Balance) => "CREDIT.BALANCE acct:{account}",
            (Self::RedisFunctions, Op::Fund) => "HSETNX a:{account} balance 1000000000",
            (Self::RedisFunctions, Op::Debit) => {
                "FCALL debit_list 3 a:{account} t:{account}:{tx} l:{account} 1 {tx} 86400"
            }
            (Self::RedisFunctions, Op::Reserve) => {
                "FCALL reserve 5 a:{account} t:{account}:{tx} l:{account} h:{account}:{tx} x:{account} \
                 1 {tx} 86400 86400000"
            }
            (Self::RedisFunctions, Op::Capture) => {
                "FCALL capture 5 a:{account} t:{account}:{tx} l:{account} h:{account}:{tx} x:{account} \
                 {tx} 86400"
            }
            (Self::RedisFunctions, Op::Balance) => "HMGET a:{account} balance reserved",
        }
    }

    /// Teaches the server what it needs to know.
    pub(super) fn teach(self, server: &mut Dialogue) -> Result<(), Trouble> {
        match self {
            Self::Creditd => Ok(()),
            Self::RedisFunctions => server.ask(&["FUNCTION", "LOAD", "REPLACE", FUNCTIONS]).map(drop),
        }
    }

    /// Whether accounts 0 to `accounts` - 1 have credits, as far as a sample shows, the first and the last included.
    pub(super) fn is_funded(self, server: &mut Dialogue, accounts: u32) -> Result<bool, Trouble> {
        let probes = accounts.min(PROBES);
        let spread = |probe: u32| (u64::from(probe) * u64::from(accounts - 1) / u64::from(probes.max(2) - 1)) as u32;
        let answers = self.balances(server, (0..probes).map(spread))?;
        Ok(answers.iter().all(|(balance, _)| *balance > 0))
    }

    /// What the server says of all money. Nobody else may be writing.
    pub(super) fn books(self, server: &mut Dialogue, accounts: u32) -> Result<Books, Trouble> {
        if self == Self::Creditd {
            let info = server.info()?;
            let names = ["granted", "debited", "captured", "refunded", "balance", "reserved"];
            let sum = |name: &str| info.get(name).and_then(|text| text.parse().ok()).ok_or(Trouble::Garbled);
            return names.iter().map(|name| Ok(((*name).to_owned(), sum(name)?))).collect();
        }
        let (mut balance, mut reserved) = (0, 0);
        for (of_one, held) in self.balances(server, 0..accounts)? {
            balance += of_one;
            reserved += held;
        }
        Ok(Books::from([("balance".to_owned(), balance), ("reserved".to_owned(), reserved)]))
    }

    /// Balance and reserved credits of each account.
    fn balances(
        self,
        server: &mut Dialogue,
        accounts: impl Iterator<Item = u32>,
    ) -> Result<Vec<(i128, i128)>, Trouble> {
        let template = Template::new(self.words(Op::Balance), 0);
        let requests = accounts.map(|account| {
            let mut request = Vec::new();
            template.write(account, 0, &mut request);
            request
        });
        let answers = server.ask_many("the balance", requests)?;
        // creditd names its figures, a hash has them bare.
        let figures = answers.into_iter().map(|answer| {
            let mut numbers = answer.iter().filter_map(|text| text.parse().ok());
            (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
        });
        Ok(figures.collect())
    }
}

/// How a target says the commands of one run.
pub(super) struct Requests([Template; Op::ALL.len()]);

impl Requests {
    /// `run_ms` makes the transaction ids of the run its own.
    pub(super) fn new(target: Target, run_ms: u64) -> Self {
        Self(Op::ALL.map(|op| Template::new(target.words(op), run_ms)))
    }

    /// Appends the command to `out`.
    pub(super) fn write(&self, order: Order, out: &mut Vec<u8>) {
        self.0[order.op as usize].write(order.account, order.number, out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn funds_are_what_is_said() {
        for (_, target) in Target::NAMES {
            assert!(target.words(Op::Fund).ends_with(&format!(" {FUNDS}")), "{target:?}");
        }
    }
}
