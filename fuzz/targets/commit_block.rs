//! A block of the log: what is accepted re-encodes to the same bytes, block and records; what the ledger then takes
//! leaves it whole. Nothing panics.
//!
//! ```text
//! input   flags u8 (1 = make magic, length and checksum right)   block: header, records
//! ```

#![no_main]

use creditd::journal::block::BLOCK_MAGIC;
use creditd::journal::{BLOCK_HEADER_LEN, Entry, RECORD_LEN_MAX, fuzzing};
use creditd::ledger::{Limits, Seeds, codec, lead};
use creditd::shard::Rebuild;
use libfuzzer_sys::fuzz_target;

/// Of the segment that the blocks are in.
const SALT: u32 = 0x5a17_5a17;

const LIMITS: Limits = Limits {
    holds_per_account_max: 8,
    accounts_max: 1000,
    leads_max: 100,
    lead_slots_max: 1000,
    tx_index_bytes_max: 1 << 20,
    tx_retention_ms: 86_400_000,
};

fuzz_target!(|input: &[u8]| {
    let Some((flags, block)) = input.split_first() else { return };
    let mut block = block.to_vec();
    if flags & 1 == 1 && block.len() >= BLOCK_HEADER_LEN {
        make_right(&mut block);
    }
    let Some((header, again)) = fuzzing::block(&block, SALT) else { return };
    assert_eq!(again, block, "{header:?}");
    // A real log's positions stay far below the end of their type.
    if header.first_lsn < 1 << 62 {
        replay(header.first_lsn, header.now_ms, &block[BLOCK_HEADER_LEN..]);
    }
});

fn make_right(block: &mut [u8]) {
    let body_len = (block.len() - BLOCK_HEADER_LEN) as u32;
    block[0..4].copy_from_slice(&BLOCK_MAGIC.to_le_bytes());
    block[16..20].copy_from_slice(&body_len.to_le_bytes());
    let crc = crc32c::crc32c_append(SALT, &block[8..]);
    block[4..8].copy_from_slice(&crc.to_le_bytes());
}

/// The ledger reads the records as recovery has it do, if they can be told apart.
fn replay(lsn: u64, now_ms: u64, records: &[u8]) {
    let mut rebuild = Rebuild::new(LIMITS, Seeds { index_key: [1, 2], map_seed: 3 });
    let all: Vec<_> = codec::records(records).collect();
    let whole = |record: &&[u8]| (8..=RECORD_LEN_MAX).contains(&record.len()) && record.len() % 8 == 0;
    if !all.iter().all(whole) || all.iter().map(|record| record.len()).sum::<usize>() != records.len() {
        return;
    }
    let mut at = lsn + BLOCK_HEADER_LEN as u64;
    let mut taken = rebuild.take(Entry::Block { lsn, now_ms, records });
    for bytes in all {
        if let Ok(record) = codec::decode_any(bytes) {
            let mut again = Vec::new();
            match record {
                codec::Record::Entry(event) => codec::encode(&event, &mut again),
                codec::Record::Lead(event) => lead::codec::encode(&event, &mut again),
            };
            assert_eq!(again, bytes, "one event has one encoding");
        }
        taken = taken.and_then(|()| rebuild.take(Entry::Record { lsn: at, bytes }));
        at += bytes.len() as u64;
    }
    if taken.is_ok() {
        rebuild.take(Entry::End { lsn: at, now_ms }).unwrap_or_else(|what| panic!("what was judged adds up: {what}"));
        let ledger = rebuild.into_ledger();
        ledger.check().unwrap_or_else(|violation| panic!("{violation}"));
    }
}
