//! Reads a snapshot's file: every frame is checked before it is handed on, and all of them by the footer.

use std::ops::Range;

use super::super::LogId;
use super::super::block::{PAGE, u32_at, u64_at};
use super::super::cold::ColdFault;
use super::super::error::{Case, JournalError, Refusal};
use super::super::scan::READ_TRIES;
use super::super::storage::{Page, PageBuf, SnapshotFile, snapshot_name};
use super::{
    END_LEN, FOOTER, FRAME_HEADER_LEN, FrameHeader, SNAPSHOT_CONTENT, SNAPSHOT_FORMAT, Sequence, SnapshotEnd,
    SnapshotHead,
};

/// Bytes that are read at a time, or as many as a frame has.
const WINDOW_LEN: usize = 2 << 20;

/// Why a snapshot cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// Damaged, cut short, or its content contradicts itself: another snapshot, or the log alone, may do.
    #[error("offset {offset}: {what}")]
    Bad {
        /// Byte in the file.
        offset: u64,
        /// What was found.
        what: String,
    },
    /// It is whole, but not ours: another instance's, or a newer version's.
    #[error(transparent)]
    Refused(#[from] JournalError),
}

/// A frame of a snapshot whose checksum is right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// Byte in the file where it starts.
    pub offset: u64,
    /// What it holds; [`FOOTER`] for the last one.
    pub section: u8,
    /// How many items.
    pub count: u32,
    /// Number of the first of them in the section.
    pub first: u64,
    /// The items; of the footer, what stands behind the journal's part.
    pub bytes: &'a [u8],
}

/// Fills a buffer of whole pages, at a page boundary of memory, from an offset in the file.
type ReadPages<'a> = Box<dyn FnMut(u64, &mut [u8]) -> Result<(), JournalError> + 'a>;

/// Reads a snapshot, frame by frame. Believe it when [`Self::end`] is there, not before.
pub struct SnapshotReader<'a> {
    read: ReadPages<'a>,
    file: SnapshotFile,
    window: PageBuf,
    /// Bytes of the file that the window holds.
    loaded: Range<u64>,
    head: SnapshotHead,
    seed: u32,
    next: Sequence,
    offset: u64,
    end: Option<SnapshotEnd>,
}

impl<'a> SnapshotReader<'a> {
    /// Opens a snapshot of the log `id`. `read` fills a buffer of whole pages from an offset; both lie in the file.
    ///
    /// # Errors
    /// [`SnapshotError`].
    pub fn open(
        file: SnapshotFile,
        id: LogId,
        read: impl FnMut(u64, &mut [u8]) -> Result<(), JournalError> + 'a,
    ) -> Result<Self, SnapshotError> {
        let mut page = PageBuf::new(PAGE);
        let mut read: ReadPages<'a> = Box::new(read);
        if file.len < PAGE as u64 {
            return Err(bad(0, "the file is shorter than a page"));
        }
        read_pages(&mut read, 0, page.bytes_mut())?;
        let page: &Page = page.bytes().first_chunk().expect("a page");
        let newer = |what: &str, found, known| {
            let what = format!("shard {} {what} {}", id.shard, snapshot_name(file.end));
            SnapshotError::Refused(JournalError::Format { what, found, known })
        };
        let head = match SnapshotHead::from_page(page) {
            Ok(head) => head,
            Err(ColdFault::Damaged) => return Err(bad(0, "its first page is damaged")),
            Err(ColdFault::Format(found)) => return Err(newer("snapshot", found, SNAPSHOT_FORMAT)),
        };
        if head.id != id {
            let detail = format!("snapshot {} names another instance or shard", snapshot_name(file.end));
            let (case, shard) = (Case::Foreign, Some(id.shard));
            let refusal = Refusal { case, shard, segment: None, offset: 0, lost: None, detail };
            return Err(SnapshotError::Refused(Box::new(refusal).into()));
        }
        if !(1..=SNAPSHOT_CONTENT).contains(&head.content) {
            return Err(newer("the content of snapshot", head.content, SNAPSHOT_CONTENT));
        }
        let (window, loaded, seed) = (PageBuf::new(WINDOW_LEN), 0..0, u32_at(page, 4));
        let (next, offset) = (Sequence::default(), PAGE as u64);
        Ok(Self { read, file, window, loaded, head, seed, next, offset, end: None })
    }

    /// What it begins with.
    pub fn head(&self) -> &SnapshotHead {
        &self.head
    }

    /// What it ends with, after the last frame: then everything was there, and whole.
    pub fn end(&self) -> Option<SnapshotEnd> {
        self.end
    }

    /// The next frame, the footer too; `None` after that.
    ///
    /// # Errors
    /// [`SnapshotError`].
    pub fn frame(&mut self) -> Result<Option<Frame<'_>>, SnapshotError> {
        if self.end.is_some() {
            return Ok(None);
        }
        let (offset, left) = (self.offset, self.file.len - self.offset);
        if left < PAGE as u64 {
            return Err(bad(offset, "the file ends without a footer"));
        }
        let header =
            FrameHeader::claimed(self.bytes(offset, PAGE)?).ok_or_else(|| bad(offset, "no frame begins here"))?;
        let len = header.padded_len();
        if len as u64 > left {
            return Err(bad(offset, "the file ends in the middle of a frame"));
        }
        let seed = self.seed;
        if crc32c::crc32c_append(seed, &self.bytes(offset, len)?[8..]) != header.crc && !planted!("snapshot unchecked")
        {
            return Err(bad(offset, "the checksum of a frame is wrong"));
        }
        if header.frame_no != self.next.frames || header.first != self.next.first(header.section) {
            return Err(bad(offset, "a frame that belongs elsewhere"));
        }
        if header.section == FOOTER {
            self.end = Some(self.footer(offset, &header, left)?);
        }
        self.next.advance(&header);
        self.offset += len as u64;
        let skip = FRAME_HEADER_LEN + if header.section == FOOTER { END_LEN } else { 0 };
        let FrameHeader { section, count, first, body_len, .. } = header;
        let bytes = &self.bytes(offset, len)?[skip..FRAME_HEADER_LEN + body_len];
        Ok(Some(Frame { offset, section, count, first, bytes }))
    }

    /// Reads the journal's part of the footer, which ends the file and counts the frames before it.
    fn footer(&mut self, offset: u64, header: &FrameHeader, left: u64) -> Result<SnapshotEnd, SnapshotError> {
        if header.body_len < END_LEN {
            return Err(bad(offset, "the footer is too short"));
        }
        if header.padded_len() as u64 != left {
            return Err(bad(offset, "the file goes on behind its footer"));
        }
        let Sequence { frames, crcs, .. } = self.next;
        let (begin, name) = (self.head.begin.lsn, self.file.end);
        let body = &self.bytes(offset, PAGE)?[FRAME_HEADER_LEN..];
        let end = SnapshotEnd { end: u64_at(body, 8), now_ms: u64_at(body, 16), needed: u64_at(body, 24) };
        if (u32_at(body, 0), u32_at(body, 4)) != (frames, crcs) {
            return Err(bad(offset, "the footer counts other frames"));
        }
        if end.end != name || end.end < begin {
            let what = format!("it goes from lsn {begin} to lsn {}, as its footer says", end.end);
            return Err(bad(offset, &what));
        }
        Ok(end)
    }

    /// `len` bytes at `offset` (both made of pages), which lie in the file.
    fn bytes(&mut self, offset: u64, len: usize) -> Result<&[u8], SnapshotError> {
        if offset < self.loaded.start || offset + len as u64 > self.loaded.end {
            self.loaded = 0..0;
            if len > self.window.bytes().len() {
                self.window = PageBuf::new(len);
            }
            let pages = (self.file.len - offset) / PAGE as u64 * PAGE as u64;
            let fill = pages.min(self.window.bytes().len() as u64);
            read_pages(&mut self.read, offset, &mut self.window.bytes_mut()[..fill as usize])?;
            self.loaded = offset..offset + fill;
        }
        let start = (offset - self.loaded.start) as usize;
        Ok(&self.window.bytes()[start..start + len])
    }
}

/// Fills `buf`, or gives the snapshot up after three failures (case 10).
fn read_pages(read: &mut ReadPages<'_>, offset: u64, buf: &mut [u8]) -> Result<(), SnapshotError> {
    let mut result = Ok(());
    for _ in 0..READ_TRIES {
        result = read(offset, buf);
        if result.is_ok() {
            break;
        }
    }
    result.map_err(|error| match error.exit_code() {
        70 => bad(offset, &format!("{READ_TRIES} reads of {} bytes failed: {error}", buf.len())),
        _ => error.into(),
    })
}

fn bad(offset: u64, what: &str) -> SnapshotError {
    SnapshotError::Bad { offset, what: what.to_owned() }
}
