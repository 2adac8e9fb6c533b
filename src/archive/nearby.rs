//! Whose entries stand next to a damage: what an operator is asked first.

use std::ops::Range;
use std::path::Path;

use crate::journal::{BLOCK_LEN_MAX, RestingDir, Sight};
use crate::ledger::codec;
use crate::ledger::id::Lsn;

use super::notation::escaped;
use super::report::ACCOUNTS_NAMED_MAX;

/// How far before and behind the damage blocks are looked at: as far as the longest block reaches.
const NEAR: u64 = BLOCK_LEN_MAX as u64;

/// Some accounts with entries in the blocks next to `lost` in the log of a shard, escaped. As many as can be read: none is
/// no sign that nobody is concerned.
pub fn accounts_near(data_dir: &Path, shard: u16, lost: &Range<Lsn>) -> Vec<String> {
    let Ok(Some(dir)) = RestingDir::open(data_dir) else { return Vec::new() };
    let (from, to) = (lost.start.saturating_sub(NEAR), lost.end.saturating_add(NEAR));
    let mut names = Vec::new();
    for log in dir.logs.iter().flatten().filter(|log| log.id().shard == shard) {
        log.between(from, to).survey(&[], &mut |sight| {
            let Sight::Block(block) = sight else { return };
            let records = block.records().filter(|(lsn, _)| (from..to).contains(lsn));
            for event in records.filter_map(|(_, record)| codec::decode(record).ok()) {
                let name = escaped(event.account);
                if names.len() < ACCOUNTS_NAMED_MAX && !names.contains(&name) {
                    names.push(name);
                }
            }
        });
    }
    names
}
