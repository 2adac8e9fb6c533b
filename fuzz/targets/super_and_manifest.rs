//! The one-page files: what is accepted re-encodes to the same bytes; a start on any super is refused or goes on.
//! Nothing panics.
//!
//! ```text
//! input   flags u8 (1 = make length and checksum right, 2 = a manifest, else a super)   page: magic, crc, format ...
//! ```

#![no_main]

use creditd::journal::storage::Page;
use creditd::journal::{LogId, RecoveryOptions, SimDisk, SyncPolicy, fuzzing, recover};
use libfuzzer_sys::fuzz_target;

const HEAD_LEN: usize = 16;

const ID: LogId = LogId { instance: [7; 16], shard: 3 };

fuzz_target!(|input: &[u8]| {
    let Some((flags, bytes)) = input.split_first() else { return };
    let mut page: Page = [0; 4096];
    let given = bytes.len().min(page.len());
    page[..given].copy_from_slice(&bytes[..given]);
    if flags & 1 == 1 && given >= HEAD_LEN {
        page[12..16].copy_from_slice(&((given - HEAD_LEN) as u32).to_le_bytes());
        let crc = crc32c::crc32c(&page[8..given]);
        page[4..8].copy_from_slice(&crc.to_le_bytes());
    }
    if flags & 2 == 2 {
        let Some((manifest, again)) = fuzzing::manifest(&page) else { return };
        same(&page, &again);
        let slots = manifest.slot_map();
        assert!(
            slots.len() == 16_384 && slots.iter().all(|shard| *shard < manifest.shards),
            "every slot has its shard"
        );
    } else if let Some(again) = fuzzing::super_page(&page) {
        same(&page, &again);
        start(&page);
    }
});

/// What the checksum covers is the same.
fn same(page: &Page, again: &Page) {
    let len = u32::from_le_bytes(*page[12..].first_chunk().expect("a page is longer")) as usize;
    assert_eq!(page[..HEAD_LEN + len], again[..HEAD_LEN + len]);
}

/// A start on a directory that has this super and no segment.
fn start(page: &Page) {
    let disk = SimDisk::new(1, ID);
    disk.patch("super.0", 0, page);
    disk.set_read_only(true);
    let options = RecoveryOptions {
        id: ID,
        policy: SyncPolicy::Always,
        segment_len: (1 << 20) + 4096,
        salt_seed: 1,
        now_ms: 1,
        recent_len: 1 << 16,
    };
    let Err(error) = recover(disk.storage(), &options, &mut |_| Ok(()), &mut |_, _| {}) else {
        panic!("a start writes, which this disk does not take")
    };
    assert!([28, 65].contains(&error.exit_code()), "accepted, or refused: {error}");
}
