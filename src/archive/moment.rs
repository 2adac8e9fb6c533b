//! One moment for all shards of a backup whose logs were copied one after the other.
//!
//! ```text
//!   account's shard   RESERVE ─────────────▶ Claimed          a copy must not hold an arrow's end without
//!   lead's shard          └────▶ CLAIM ────────┘              its beginning: it is cut before the end, then
//! ```
//! Where a cut of one shard takes a beginning away, another shard is cut too, until nothing changes. The ends of all logs at
//! any one moment would do; so what is left is at least what was durable when the first copy was begun.
//!
//! Where beginnings stand is looked up in the logs as they are after the copies: what is not found behind the position that
//! was durable before all copies stands before it, and is in every copy.
//! Absent on purpose: files.

use std::collections::BTreeMap;

use super::claims::{Kind, Mark};
use crate::journal::{Head, RestingLog, Sight};
use crate::ledger::codec::decode_any;
use crate::ledger::id::Lsn;

/// What the end of one shard's log says of claims.
#[derive(Debug, Default)]
pub(super) struct Tail {
    /// Records of claims, and the block that each stands in.
    marks: Vec<(Mark, Head)>,
}

impl Tail {
    /// Reads a log from `begin` on. Faults are for others to name.
    pub fn read(log: &RestingLog, begin: Lsn) -> Self {
        let mut marks = Vec::new();
        log.between(begin, Lsn::MAX).survey(&[], &mut |sight| {
            let Sight::Block(block) = sight else { return };
            let head = (block.header.first_lsn, block.header.prev_chain);
            for (_, record) in block.records() {
                let mark = decode_any(record).ok().and_then(|record| Mark::of(&record));
                marks.extend(mark.map(|mark| (mark, head)));
            }
        });
        Self { marks }
    }
}

/// Takes back the `ends` of copies, by shard, to the latest moment that they have in common. Each end that moves is one at
/// which a block begins.
pub(super) fn agree(tails: &[Tail], ends: &mut [Head]) {
    let of_kind = |wanted: Kind| {
        let all = tails.iter().enumerate().flat_map(|(shard, tail)| tail.marks.iter().map(move |mark| (shard, mark)));
        all.filter(move |(_, (mark, _))| mark.kind == wanted)
    };
    let places = |kind| of_kind(kind).map(|(shard, (mark, head))| (mark.claim, (shard, head.0)));
    let held: BTreeMap<_, _> = places(Kind::Held).collect();
    let taken: BTreeMap<_, _> = places(Kind::Taken).collect();
    let arrows = of_kind(Kind::Taken).map(|end| (end, &held)).chain(of_kind(Kind::Paid).map(|end| (end, &taken)));
    let arrows: Vec<_> = arrows
        .filter_map(|((shard, (mark, head)), begins)| Some(((shard, *head), *begins.get(&mark.claim)?)))
        .collect();
    let mut moved = true;
    while std::mem::take(&mut moved) {
        for ((shard, head), (from_shard, from_lsn)) in &arrows {
            if head.0 < ends[*shard].0 && *from_lsn >= ends[*from_shard].0 {
                (ends[*shard], moved) = (*head, true);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A tail with a block for each mark, a page each, the first at `first`.
    fn tail(first: Lsn, marks: &[(Kind, u8)]) -> Tail {
        let mark = |(n, (kind, claim)): (u64, &(Kind, u8))| {
            let names: [&[u8]; 3] = [&[*claim], b"t", b"l"];
            (Mark::new(*kind, names, 5, 0, 0), (first + 4096 * n, chain(first + 4096 * n)))
        };
        Tail { marks: (0..).zip(marks).map(mark).collect() }
    }

    fn chain(lsn: Lsn) -> [u8; 16] {
        (u128::from(lsn) + 1).to_le_bytes()
    }

    /// Cuts copies of an account's shard and a lead's, both with logs from 8192 on, that end at these blocks.
    fn cut(account: &[(Kind, u8)], lead: &[(Kind, u8)], ends: [u64; 2]) -> [u64; 2] {
        let at = |blocks| 8192 + 4096 * blocks;
        let mut heads = ends.map(|blocks| (at(blocks), [0; 16]));
        agree(&[tail(8192, account), tail(8192, lead)], &mut heads);
        for (head, blocks) in heads.iter().zip(ends) {
            assert_eq!(
                head.1,
                if head.0 == at(blocks) { [0; 16] } else { chain(head.0) },
                "the chain before the block"
            );
        }
        heads.map(|(lsn, _)| (lsn - 8192) / 4096)
    }

    #[test]
    fn no_end_is_kept_without_its_beginning() {
        use Kind::{Held, Paid, Taken};
        let account = [(Held, 1), (Held, 2), (Paid, 1), (Paid, 2)];
        let lead = [(Taken, 1), (Taken, 2)];
        assert_eq!(cut(&account, &lead, [4, 2]), [4, 2], "all of it");
        assert_eq!(cut(&account, &lead, [1, 2]), [1, 1], "the second slot has no hold");
        assert_eq!(cut(&account, &lead, [0, 2]), [0, 0], "none has");
        assert_eq!(cut(&account, &lead, [4, 1]), [3, 1], "the second is paid for and not there");
        assert_eq!(cut(&account, &lead, [4, 0]), [2, 0], "holds without ends are claims that run");
        assert_eq!(cut(&[(Paid, 1)], &[(Taken, 1)], [1, 1]), [1, 1], "its hold stands before all that was read");
    }

    #[test]
    fn one_cut_may_ask_for_another() {
        use Kind::{Held, Paid, Taken};
        let account = [(Held, 1), (Paid, 1), (Held, 2), (Paid, 2)];
        let lead = [(Taken, 1), (Taken, 2)];
        assert_eq!(cut(&account, &lead, [3, 2]), [3, 2]);
        // Without the first slot there is no payment of it, so no second hold, so no second slot.
        assert_eq!(cut(&account, &[(Taken, 2), (Taken, 1)], [4, 1]), [1, 0]);
    }
}
