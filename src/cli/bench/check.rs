//! No money made, no money lost: the server's books before and after, against what the test was answered.
//!
//! Every command moved one credit or none, and a lost answer was asked for again until it came, so the books must have
//! moved by exactly the number of commands that were done.

use serde::{Deserialize, Serialize};

use super::tally::Slice;
use super::target::Books;
use super::worker::Left;
use super::workload::Op;

/// One figure of the books.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Figure {
    name: String,
    /// By how many credits it changed.
    changed: i64,
    /// By how many it had to, given the answers.
    expected: i64,
}

/// The verdict.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Check {
    /// Whether everything fits.
    pub(super) ok: bool,
    /// Commands without an answer; with any, the books prove nothing.
    unanswered: u64,
    figures: Vec<Figure>,
}

impl Check {
    /// Compares the books `before` and `after` the answers `answers`.
    pub(super) fn of(before: &Books, after: &Books, answers: &Slice, left: Left) -> Self {
        let done = |op| i64::try_from(answers.done(op)).expect("fewer commands than 2^63");
        let claimed = done(Op::Claim) + done(Op::Race);
        let (reserved, ended) = (done(Op::Reserve), done(Op::Capture));
        let captured = ended + claimed;
        let taken = done(Op::Debit) + captured;
        let expected = |name: &str| match name {
            "balance" => -taken,
            "debited" => done(Op::Debit),
            "captured" => captured,
            "reserved" => reserved - ended,
            _ => 0,
        };
        let change = |from: i128, to: i128| i64::try_from(to - from).unwrap_or(i64::MAX);
        let mut figures: Vec<Figure> = after
            .iter()
            .map(|(name, &sum)| {
                let changed = change(before.get(name).copied().unwrap_or(0), sum);
                Figure { name: name.clone(), changed, expected: expected(name) }
            })
            .collect();
        if let (Some(balance), Some(owed)) = (after.get("balance"), balance_by_flows(after)) {
            let name = "balance - (granted + refunded - debited - captured)".to_owned();
            figures.push(Figure { name, changed: change(owed, *balance), expected: 0 });
        }
        let ok = left.unanswered == 0 && figures.iter().all(|figure| figure.changed == figure.expected);
        Self { ok, unanswered: left.unanswered, figures }
    }
}

/// What the balance must be; `None`: the server keeps no such sums.
fn balance_by_flows(books: &Books) -> Option<i128> {
    let sum = |name: &str| books.get(name);
    Some(sum("granted")? + sum("refunded")? - sum("debited")? - sum("captured")?)
}

impl std::fmt::Display for Check {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.ok {
            return writeln!(f, "books: every credit is accounted for");
        }
        if self.unanswered > 0 {
            writeln!(f, "BOOKS: {} commands were never answered: what they did is unknown", self.unanswered)?;
        }
        for Figure { name, changed, expected } in self.figures.iter().filter(|figure| figure.changed != figure.expected)
        {
            writeln!(f, "BOOKS: {name} changed by {changed} credits, by the answers it had to by {expected}")?;
        }
        writeln!(f, "BOOKS: money was made or lost, unless somebody else wrote to the server meanwhile")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn books(figures: &[(&str, i128)]) -> Books {
        figures.iter().map(|(name, sum)| ((*name).to_owned(), *sum)).collect()
    }

    #[test]
    fn a_credit_too_many_or_too_few_is_found() {
        let mut answers = Slice::default();
        answers.tally(Op::Debit).add_done(1_000, 5);
        answers.tally(Op::Debit).add_refused(1_000, b"INSUFFICIENT available=0 required=1");
        answers.tally(Op::Reserve).add_done(1_000, 4);
        answers.tally(Op::Capture).add_done(1_000, 3);
        let (granted, refunded) = (("granted", 100), ("refunded", 0));
        let before = books(&[granted, refunded, ("debited", 4), ("captured", 6), ("balance", 90), ("reserved", 2)]);
        let after = books(&[granted, refunded, ("debited", 9), ("captured", 9), ("balance", 82), ("reserved", 3)]);
        let none = Left::default();
        assert!(Check::of(&before, &after, &answers, none).ok);
        for (name, sum) in [("balance", 83), ("debited", 8), ("captured", 8), ("granted", 101), ("reserved", 2)] {
            let mut wrong = after.clone();
            wrong.insert(name.to_owned(), sum);
            let check = Check::of(&before, &wrong, &answers, none);
            assert!(!check.ok && check.to_string().contains(&format!("BOOKS: {name} changed")), "{check}");
        }
        let check = Check::of(&before, &after, &answers, Left { unanswered: 1, unsent: 0 });
        assert!(!check.ok && check.to_string().contains("1 commands were never answered"), "{check}");
    }
}
