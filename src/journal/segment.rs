//! A segment file mapped for storing: the only `unsafe` of the crate.
//!
//! Raw pointers, never a `&mut [u8]` into memory that a file shares: the kernel and readers see it too. Stores are
//! bounded by an assert. The file is never truncated while it is mapped, and it was filled with zeros before, so a
//! store can only fail if the device does; then the kernel raises SIGBUS and [`exit_on_bus_error`] ends the process.
#![allow(unsafe_code, reason = "stores into a mapped file, and a signal handler: there is no safe way to either")]

use std::fs::File;
use std::io;
use std::os::fd::BorrowedFd;

use memmap2::{Advice, MmapOptions, MmapRaw};

/// Exit code of a process that met SIGBUS.
const EXIT_BUS_ERROR: i32 = 71;

const BUS_ERROR_TEXT: &[u8] = b"FATAL creditd: SIGBUS: the device under the journal failed while a mapped page was \
    touched; what was not acknowledged is unknown; exit 71. next: read the kernel log, check the disk, start again\n";

/// A file and its shared mapping. Dropping it unmaps.
pub struct MappedSegment {
    file: File,
    map: MmapRaw,
}

impl MappedSegment {
    /// Maps the first `len` bytes of `file`, which has them.
    ///
    /// Random access: no read-ahead into pages that are to be overwritten. Not in forks, not in core dumps.
    ///
    /// # Errors
    /// The system's.
    pub fn map(file: File, len: u64) -> io::Result<Self> {
        let len = usize::try_from(len).map_err(|_| io::Error::from(io::ErrorKind::FileTooLarge))?;
        let map = MmapOptions::new().len(len).map_raw(&file)?;
        for advice in [Advice::Random, Advice::DontFork, Advice::DontDump] {
            map.advise(advice)?;
        }
        Ok(Self { file, map })
    }

    /// Copies `bytes` to `offset`. Not durable before [`Self::sync`].
    ///
    /// # Panics
    /// If they do not fit the mapping.
    pub fn store(&mut self, offset: u64, bytes: &[u8]) {
        let offset = usize::try_from(offset).expect("an offset in a mapping");
        assert!(
            bytes.len() <= self.map.len() && offset <= self.map.len() - bytes.len(),
            "a store stays in its segment"
        );
        // SAFETY: the target range lies in the mapping (assert above), which is writable and lives as long as `self`;
        // `bytes` is private memory, so the ranges do not overlap; `&mut self` makes this the only store, and nobody
        // holds a reference into the mapping, because none is ever made.
        unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), self.map.as_mut_ptr().add(offset), bytes.len()) }
    }

    /// Makes every store durable. An error is final (journal.md 1): a later success would mean nothing.
    ///
    /// # Errors
    /// The system's.
    pub fn sync(&self) -> io::Result<()> {
        Ok(rustix::fs::fdatasync(&self.file)?)
    }
}

/// Makes SIGBUS end the process with code 71 and a line on standard error. Call once, before the first segment.
///
/// Only segments are mapped for writing, so any SIGBUS is one of the log.
///
/// # Errors
/// The system's.
pub fn exit_on_bus_error() -> io::Result<()> {
    let action = || {
        // SAFETY: descriptor 2 is never closed by this process, and is only borrowed for this write.
        let stderr = unsafe { BorrowedFd::borrow_raw(2) };
        let _ = rustix::io::write(stderr, BUS_ERROR_TEXT);
        signal_hook::low_level::exit(EXIT_BUS_ERROR);
    };
    // SAFETY: the action only calls write and _exit, which are async-signal-safe; it neither allocates nor locks.
    unsafe { signal_hook::low_level::register(signal_hook::consts::SIGBUS, action) }.map(|_id| ())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::FileExt;

    use super::*;

    fn mapped(len: u64) -> MappedSegment {
        let file = tempfile::tempfile().expect("a file");
        file.set_len(len).expect("room");
        MappedSegment::map(file, len).expect("a mapping")
    }

    #[test]
    fn what_is_stored_is_in_the_file() {
        let mut segment = mapped(8192);
        segment.store(8190, b"ab");
        segment.sync().expect("a sync");
        let mut read = [0; 3];
        segment.file.read_exact_at(&mut read, 8189).expect("a read");
        assert_eq!(&read, b"\0ab");
    }

    #[test]
    fn a_bus_error_ends_the_process_with_71() {
        const CHILD: &str = "CREDITD_TEST_BUS_ERROR";
        if std::env::var_os(CHILD).is_some() {
            exit_on_bus_error().expect("a handler");
            let mut segment = mapped(8192);
            segment.file.set_len(0).expect("the page is gone, as on a device that failed");
            segment.store(4096, b"x");
            return;
        }
        let mut child = std::process::Command::new(std::env::current_exe().expect("this test"));
        let name = "journal::segment::tests::a_bus_error_ends_the_process_with_71";
        let output = child.args(["--exact", name, "--nocapture"]).env(CHILD, "1").output().expect("runs");
        assert_eq!(output.status.code(), Some(EXIT_BUS_ERROR));
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(text.contains("FATAL creditd: SIGBUS"), "{text}");
    }

    #[test]
    #[should_panic(expected = "stays in its segment")]
    fn a_store_past_the_end_is_a_bug() {
        mapped(8192).store(8191, b"ab");
    }

    #[test]
    #[should_panic(expected = "stays in its segment")]
    fn a_store_far_past_the_end_is_a_bug() {
        mapped(8192).store(u64::MAX, b"ab");
    }
}
