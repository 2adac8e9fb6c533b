//! The thread `snapshot`: checksums and writes what cores have encoded, and removes what that makes needless.
//!
//! ```text
//!  core ── Begin, Part, .., Finish, Publish, Remove ──▶ snapshot ──▶ snapshot.tmp ──▶ <end>.snap
//!  core ◀─mailbox── buffers to fill again, how it went ─┘
//! ```
//! One for the server, for one shard at a time: memory and disk are used once. A failure here concerns the snapshot, never
//! the log. The thread ends with the last core.

use super::super::mailbox::Mailbox;
use crate::clock::{Clock, SystemClock};
use crate::journal::snapshot::{SnapshotEnd, SnapshotHead, SnapshotWriter};
use crate::journal::storage::Draft;
use crate::journal::{FileStorage, JournalError, Lsn, Reader, SegmentName, Storage};
use crossbeam_channel::{Receiver, Sender, bounded};
use std::sync::Arc;
use std::time::Duration;

/// Buffers that are being filled and written at a time.
pub(super) const BUFFERS: usize = 4;

/// Work that can stand before the thread: of a save every buffer, the begin and the steps that follow the last; and as
/// much of the one before it, if that failed and the thread has not run since. Of an earlier one nothing is left: the
/// thread begins one only when it has passed over the one before.
const WORK_MAX: usize = 2 * (BUFFERS + 4);

/// Answers that can stand before a core, for as much work.
pub(in crate::server) const SAVED_MAX: usize = WORK_MAX;

type FileDraft = <FileStorage as Storage>::Draft;
type FileReader = Reader<<FileStorage as Storage>::Source>;

/// What the thread is told, in this order.
pub(super) enum Work {
    /// A snapshot begins; answers go to `mailbox`.
    Begin { mailbox: Arc<Mailbox>, draft: FileDraft, head: SnapshotHead },
    /// Items of a section. Answer: [`Saved::Buffer`].
    Part { section: u8, count: u32, bytes: Vec<u8> },
    /// The end, with the ledger's part of it. Answer: [`Saved::Finished`].
    Finish { end: SnapshotEnd, ledger: Vec<u8> },
    /// The log is durable past the end: name the file. Answer: [`Saved::Published`].
    Publish { trim: Option<Trim> },
    /// Remove segments that the log has let go of. Answer: [`Saved::Removed`].
    Remove(Vec<SegmentName>),
    /// Instead of [`Work::Publish`]: remove the file. Answer: [`Saved::Failed`].
    Abandon,
}

/// What of the log may go.
pub(super) struct Trim {
    pub(super) reader: FileReader,
    /// Nothing from here on: the older snapshot needs it.
    pub(super) floor: Lsn,
    /// Nothing that was written since (unix milliseconds).
    pub(super) before_ms: u64,
}

/// What the thread tells the core whose shard it is.
pub(in crate::server) enum Saved {
    /// A buffer was written and is free.
    Buffer(Vec<u8>),
    /// The file is whole and synced.
    Finished,
    /// The file has its name.
    Published {
        /// Bytes of it.
        bytes: u64,
        /// Where the log may begin now, if something of it may go.
        trim_below: Option<Lsn>,
    },
    /// The segments are gone, or it was said why not.
    Removed,
    /// There will be no snapshot this time, and no file is left. Nothing more comes.
    Failed(String),
}

/// The way to the thread; clones lead to the same.
#[derive(Clone)]
pub(in crate::server) struct Saver {
    work: Sender<Work>,
}

impl Saver {
    /// Starts the thread.
    pub(in crate::server) fn start() -> std::io::Result<Self> {
        let (work, inbox) = bounded(WORK_MAX);
        std::thread::Builder::new().name("snapshot".to_owned()).spawn(move || run(&inbox))?;
        Ok(Self { work })
    }

    pub(super) fn send(&self, work: Work) {
        self.work.try_send(work).expect("one save at a time, with so many buffers");
    }
}

/// A snapshot that is being made.
struct Save {
    mailbox: Arc<Mailbox>,
    draft: FileDraft,
    /// Until the file has its name.
    writer: Option<SnapshotWriter<FileDraft>>,
}

/// How many times as long as a part took the thread rests after it: a snapshot takes longer, and commits find the disk
/// and the CPU free most of the time.
const RESTS: u32 = 3;

/// How much nicer than a core the thread is: where they share a CPU, commands go first. (On Linux a thread has its own.)
const NICENESS: i32 = 15;

fn run(inbox: &Receiver<Work>) {
    if let Err(error) = rustix::process::setpriority_process(Some(rustix::thread::gettid()), NICENESS) {
        tracing::debug!(%error, "snapshots are written at the priority of cores");
    }
    let mut save = None;
    while let Ok(work) = inbox.recv() {
        if let Work::Begin { mailbox, draft, head } = work {
            match SnapshotWriter::begin(draft.clone(), &head) {
                Ok(writer) => save = Some(Save { mailbox, draft, writer: Some(writer) }),
                Err(error) => fail(&mailbox, draft, &error),
            }
            continue;
        }
        // Without one: it has failed, and this was sent before the core heard of it.
        let Some(Save { mailbox, draft, mut writer }) = save.take() else { continue };
        let began_ns = SystemClock.boot_ns();
        let is_part = matches!(work, Work::Part { .. });
        match step(work, &mut writer, &draft) {
            Ok(saved) => {
                let over = matches!(saved, Saved::Failed(_));
                if is_part {
                    let took = Duration::from_nanos(SystemClock.boot_ns() - began_ns);
                    std::thread::park_timeout(took * RESTS);
                }
                mailbox.saved(saved);
                save = (!over).then_some(Save { mailbox, draft, writer });
            }
            Err(error) => fail(&mailbox, draft, &error),
        }
    }
}

fn fail(mailbox: &Mailbox, draft: FileDraft, error: &JournalError) {
    draft.abandon();
    mailbox.saved(Saved::Failed(error.to_string()));
}

fn step(work: Work, file: &mut Option<SnapshotWriter<FileDraft>>, draft: &FileDraft) -> Result<Saved, JournalError> {
    let writer = file.as_mut();
    Ok(match work {
        Work::Begin { .. } => unreachable!("taken before"),
        Work::Part { section, count, mut bytes } => {
            writer.expect("parts come before the end").part(section, count, &bytes)?;
            bytes.clear();
            Saved::Buffer(bytes)
        }
        Work::Finish { end, ledger } => {
            writer.expect("it ends before it is named").finish(end, &ledger)?;
            Saved::Finished
        }
        Work::Publish { trim } => {
            let writer = file.take().expect("named once");
            let bytes = writer.written();
            writer.publish()?;
            Saved::Published { bytes, trim_below: trim.and_then(|trim| trim.point()) }
        }
        Work::Remove(segments) => {
            if let Err(error) = remove(draft, &segments) {
                tracing::warn!(%error, "old log segments could not be removed; the next start does it");
            }
            Saved::Removed
        }
        Work::Abandon => {
            draft.abandon();
            Saved::Failed("the disk is full".to_owned())
        }
    })
}

fn remove(draft: &FileDraft, segments: &[SegmentName]) -> Result<(), JournalError> {
    segments.iter().try_for_each(|segment| draft.remove_segment(*segment))?;
    draft.sync_dir()
}

impl Trim {
    /// Where the log shall begin; `None`: nothing is to go, or it cannot be told what.
    fn point(&self) -> Option<Lsn> {
        match self.reader.trim_point(self.floor, self.before_ms) {
            Ok(point) => (point > self.reader.oldest_lsn()).then_some(point),
            Err(error) => {
                tracing::warn!(%error, "cannot tell how old log segments are: none is removed");
                None
            }
        }
    }
}
