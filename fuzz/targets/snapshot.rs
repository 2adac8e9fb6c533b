//! What a snapshot holds: no parts panic, and a ledger that comes of some comes again, the same, of its own copy.
//!
//! ```text
//! input   (section u8, count u16, length u16, items) ...      the container and its checksums: recover.rs
//! ```

#![no_main]

use creditd::journal::Entry;
use creditd::ledger::snapshot::{Copied, Section};
use creditd::ledger::{Ledger, Limits, Seeds};
use creditd::shard::Rebuild;
use libfuzzer_sys::fuzz_target;

const LIMITS: Limits = Limits {
    holds_per_account_max: 8,
    accounts_max: 1000,
    leads_max: 100,
    lead_slots_max: 1000,
    tx_index_bytes_max: 1 << 20,
    tx_retention_ms: 86_400_000,
};

const SEEDS: Seeds = Seeds { index_key: [1, 2], map_seed: 3 };

/// Section, number of items, items.
type Part = (u8, u32, Vec<u8>);

fuzz_target!(|input: &[u8]| {
    let mut parts = Vec::new();
    let mut rest = input;
    while let [section, count_low, count_high, low, high, tail @ ..] = rest {
        let len = usize::from(u16::from_le_bytes([*low, *high])).min(tail.len());
        let count = u32::from(u16::from_le_bytes([*count_low, *count_high]));
        parts.push((*section, count, tail[..len].to_vec()));
        rest = &tail[len..];
    }
    let Some(ledger) = restored(&parts) else { return };
    // What a checksum vouches for need not make sense; then the whole state is not judged.
    if ledger.check().is_ok() {
        let again = restored(&copied(&ledger)).expect("a copy of a sound ledger is a snapshot");
        assert_eq!(again.digest(), ledger.digest(), "a copy is the same ledger");
    }
});

/// Where the log ends.
const END: u64 = 1 << 62;

/// The ledger that the parts make, if they are a snapshot.
fn restored(parts: &[Part]) -> Option<Ledger> {
    let mut rebuild = Rebuild::new(LIMITS, SEEDS);
    rebuild.take(Entry::Fresh).expect("a snapshot begins");
    for (section, count, bytes) in parts {
        rebuild.take(Entry::Part { section: *section, count: *count, bytes }).ok()?;
    }
    let is_whole = parts.last().is_some_and(|(section, ..)| *section == Section::Footer as u8);
    rebuild.take(Entry::End { lsn: END, now_ms: u64::MAX }).ok()?;
    is_whole.then(|| rebuild.into_ledger())
}

fn copied(ledger: &Ledger) -> Vec<Part> {
    let (mut copying, mut parts) = (ledger.copying(END), Vec::new());
    loop {
        let mut bytes = Vec::new();
        match ledger.copy(&mut copying, &mut bytes) {
            Copied::Items { count: 0, .. } => {}
            Copied::Items { section, count } => parts.push((section as u8, count, bytes)),
            Copied::Done => {
                ledger.footer(&copying, END, &mut bytes);
                parts.push((Section::Footer as u8, 1, bytes));
                return parts;
            }
        }
    }
}
