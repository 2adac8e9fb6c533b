//! The segment file that blocks are written to.
//!
//! Written by `pwrite` of whole pages into the page cache, not by stores into a mapping (decision 0007): a page that is
//! overwritten whole is never read first, there is no fault to take, and a device that fails is an error, not a signal.
//! Absent on purpose: reading (readers and recovery open the file themselves), making the file ([`super::spare`]).

use std::fs::File;
use std::io::{self, IoSlice};

use super::block::PAGE;

const ZEROS: [u8; PAGE] = [0; PAGE];

/// A segment's file, made before: allocated, and zeros.
pub(super) struct Segment {
    file: File,
    len: u64,
}

impl Segment {
    /// The first `len` bytes of `file`, which has them.
    pub(super) fn new(file: File, len: u64) -> Self {
        Self { file, len }
    }

    /// Writes a block's header and body to `offset`, a page boundary, and zeros behind them up to the next one. Not
    /// durable before [`Self::sync`].
    ///
    /// # Errors
    /// The system's. What was written then is unknown.
    ///
    /// # Panics
    /// If they do not fit the segment.
    pub(super) fn store(&self, mut offset: u64, header: &[u8], body: &[u8]) -> io::Result<()> {
        let len = header.len() + body.len();
        let padded = len.next_multiple_of(PAGE);
        assert!(offset.is_multiple_of(PAGE as u64), "blocks start at pages");
        assert!(offset <= self.len && padded as u64 <= self.len - offset, "a store stays in its segment");
        let mut parts = [header, body, &ZEROS[..padded - len]].map(IoSlice::new);
        let mut parts = &mut parts[..];
        while !parts.is_empty() {
            match rustix::io::pwritev(&self.file, parts, offset) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => {
                    offset += written as u64;
                    IoSlice::advance_slices(&mut parts, written);
                }
                Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Makes every store durable. An error is final (journal.md 1): a later success would mean nothing.
    ///
    /// # Errors
    /// The system's.
    pub(super) fn sync(&self) -> io::Result<()> {
        Ok(rustix::fs::fdatasync(&self.file)?)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::FileExt;

    use super::*;

    fn segment(pages: u64) -> Segment {
        let file = tempfile::tempfile().expect("a file");
        file.set_len(pages * PAGE as u64).expect("room");
        Segment::new(file, pages * PAGE as u64)
    }

    #[test]
    fn a_store_fills_its_pages_and_no_other() {
        let segment = segment(4);
        segment.file.write_all_at(&[9; 4 * PAGE], 0).expect("written");
        segment.store(4096, b"head", &[7; PAGE]).expect("stored");
        segment.sync().expect("a sync");
        let mut read = vec![0; 4 * PAGE];
        segment.file.read_exact_at(&mut read, 0).expect("a read");
        assert_eq!(read[..PAGE], [9; PAGE]);
        assert_eq!((&read[PAGE..PAGE + 4], &read[PAGE + 4..2 * PAGE + 4]), (&b"head"[..], &[7; PAGE][..]));
        assert!(read[2 * PAGE + 4..3 * PAGE].iter().all(|byte| *byte == 0), "padded with zeros");
        assert_eq!(read[3 * PAGE..], [9; PAGE]);
    }

    #[test]
    fn a_device_that_takes_nothing_is_an_error() {
        let full = File::options().write(true).open("/dev/full").expect("the system has it");
        let error = Segment::new(full, 8192).store(0, b"head", b"body").expect_err("full");
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
    }

    #[test]
    #[should_panic(expected = "stays in its segment")]
    fn a_store_past_the_end_is_a_bug() {
        let _ = segment(2).store(4096, b"head", &[0; PAGE]);
    }

    #[test]
    #[should_panic(expected = "start at pages")]
    fn a_store_within_a_page_is_a_bug() {
        let _ = segment(2).store(8, b"head", b"");
    }
}
