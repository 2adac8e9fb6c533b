//! Writes a snapshot's file, in pieces that are synced one by one, so that commits beside it do not feel it.

use super::super::Lsn;
use super::super::block::{PAGE, u32_at};
use super::super::error::JournalError;
use super::super::storage::{Draft, PageBuf};
use super::{
    END_LEN, FOOTER, FRAME_BODY_LEN_MAX, FrameHeader, SNAPSHOTS_KEPT, Sequence, SnapshotEnd, SnapshotHead, padding_of,
};

/// Bytes that are written and synced in one step.
const PIECE_LEN: usize = 1 << 20;

/// Writes one snapshot, from its first page to its name. Dropped without [`Self::abandon`], it leaves an unfinished file
/// that the next one, or the next start, removes.
pub struct SnapshotWriter<D: Draft> {
    draft: D,
    seed: u32,
    next: Sequence,
    /// Pages that wait to be written at `offset`.
    piece: PageBuf,
    filled: usize,
    offset: u64,
    end: Option<Lsn>,
}

impl<D: Draft> SnapshotWriter<D> {
    /// Begins a snapshot. What an unfinished one left is gone.
    ///
    /// # Errors
    /// Those of [`Draft`], as in every method here: the log is not concerned; abandon this one and try later.
    pub fn begin(draft: D, head: &SnapshotHead) -> Result<Self, JournalError> {
        draft.begin()?;
        let page = head.to_page();
        let piece = PageBuf::new(PIECE_LEN);
        let seed = u32_at(&page[..], 4);
        let mut writer = Self { draft, seed, next: Sequence::default(), piece, filled: 0, offset: 0, end: None };
        writer.put(&page[..])?;
        Ok(writer)
    }

    /// Adds a frame: `count` items of `section`.
    ///
    /// # Errors
    /// As [`Self::begin`].
    ///
    /// # Panics
    /// If `bytes` is longer than [`FRAME_BODY_LEN_MAX`], or the snapshot is finished.
    pub fn part(&mut self, section: u8, count: u32, bytes: &[u8]) -> Result<(), JournalError> {
        assert!(section != FOOTER && self.end.is_none(), "the footer is the last frame");
        self.frame(section, count, bytes)
    }

    /// Adds the footer, with `content` behind the journal's part, and syncs the file.
    ///
    /// # Errors
    /// As [`Self::begin`].
    pub fn finish(&mut self, end: SnapshotEnd, content: &[u8]) -> Result<(), JournalError> {
        assert!(self.end.is_none(), "finished once");
        let mut body = Vec::with_capacity(END_LEN + content.len());
        body.extend_from_slice(&self.next.frames.to_le_bytes());
        body.extend_from_slice(&self.next.crcs.to_le_bytes());
        for number in [end.end, end.now_ms, end.needed] {
            body.extend_from_slice(&number.to_le_bytes());
        }
        body.extend_from_slice(content);
        self.frame(FOOTER, 1, &body)?;
        self.end = Some(end.end);
        self.flush()
    }

    /// Gives the finished snapshot its name, then removes all but the [`SNAPSHOTS_KEPT`] newest. To be called when the
    /// log is durable up to its end, and a super says so ([`crate::journal::Committer::note`]).
    ///
    /// # Errors
    /// As [`Self::begin`]. If this is only about the removal of old ones, the new one is there all the same.
    ///
    /// # Panics
    /// If it is not finished.
    pub fn publish(self) -> Result<(), JournalError> {
        self.draft.publish(self.end.expect("a snapshot is finished before it is published"))?;
        let kept = self.draft.snapshots()?;
        for old in &kept[..kept.len().saturating_sub(SNAPSHOTS_KEPT)] {
            self.draft.remove_snapshot(old.end)?;
        }
        self.draft.sync_dir()
    }

    /// Removes what was written.
    pub fn abandon(self) {
        self.draft.abandon();
    }

    /// Length of the file so far, in bytes.
    pub fn written(&self) -> u64 {
        self.offset + self.filled as u64
    }

    fn frame(&mut self, section: u8, count: u32, body: &[u8]) -> Result<(), JournalError> {
        assert!(body.len() <= FRAME_BODY_LEN_MAX, "a frame is at most {FRAME_BODY_LEN_MAX} bytes");
        let (frame_no, first) = (self.next.frames, self.next.first(section));
        let mut header = FrameHeader { crc: 0, section, frame_no, count, body_len: body.len(), first };
        let bytes = header.encode(self.seed, body);
        self.put(&bytes)?;
        self.put(body)?;
        self.put(&[0; PAGE][..padding_of(body.len())])?;
        self.next.advance(&header);
        Ok(())
    }

    /// Adds bytes to the piece at hand, and writes it whenever it is full.
    fn put(&mut self, mut bytes: &[u8]) -> Result<(), JournalError> {
        while !bytes.is_empty() {
            let (now, later) = bytes.split_at(bytes.len().min(PIECE_LEN - self.filled));
            self.piece.bytes_mut()[self.filled..self.filled + now.len()].copy_from_slice(now);
            self.filled += now.len();
            bytes = later;
            if self.filled == PIECE_LEN {
                self.flush()?;
            }
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), JournalError> {
        if self.filled > 0 {
            self.draft.append(self.offset, &self.piece.bytes()[..self.filled])?;
            self.offset += self.filled as u64;
            self.filled = 0;
        }
        Ok(())
    }
}
