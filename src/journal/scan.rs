//! Reads one segment, at recovery and at rest: header, blocks at their expected places, and what is left behind the last one.
//!
//! Reads go through a window of up to 2 MiB of private memory, of which a segment that holds little takes little; a block
//! is checked completely before a record of it is handed on. A read that fails is tried three times (case 10).

use std::ops::Range;

use super::LogId;
use super::block::{BLOCK_FORMAT_MAX, BLOCK_MAGIC};
use super::block::{BLOCK_HEADER_LEN, BLOCK_LEN_MAX, BlockFault, BlockHeader, PAGE, chain_of_whole};
use super::error::{Case, JournalError, Refusal};
use super::segment_header::{HeaderFault, SEGMENT_FORMAT, SegmentHeader};
use super::storage::{PageBuf, Pages, SegmentFile};
use super::{Chain, Lsn};

pub(super) const WINDOW_LEN: usize = 2 * BLOCK_LEN_MAX;
/// How much of a segment is read at first. Each further read is twice as long: a segment that a start has ended early
/// costs one short read, a full one is read by the window.
const READ_LEN_MIN: usize = 64 << 10;
pub(super) const READ_TRIES: usize = 3;

/// A block as found, with its header's chain value.
pub(super) struct Found<'a> {
    pub header: BlockHeader,
    pub chain: Chain,
    pub body: &'a [u8],
}

/// What lies behind the last good block of a segment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Rest {
    /// Bytes up to and including the last page that is not all zeros.
    pub garbage_len: u64,
    /// Highest `durable_lsn` that a valid block there claims, 0 if there is none.
    pub proven_lsn: Lsn,
}

/// One segment, read piece by piece.
pub(super) struct Scan<'a, P: Pages> {
    pages: &'a mut P,
    window: &'a mut PageBuf,
    /// Bytes of the file that the window holds.
    loaded: Range<u64>,
    /// How much the next read takes.
    read_len: usize,
    pub file: SegmentFile,
    pub header: SegmentHeader,
}

/// The buffer that scans share.
pub(super) fn window() -> PageBuf {
    PageBuf::new(WINDOW_LEN)
}

impl<'a, P: Pages> Scan<'a, P> {
    /// Opens a segment: its header must be whole and be the one that the name promises (cases 6, 11, 12).
    pub fn open(pages: &'a mut P, window: &'a mut PageBuf, file: SegmentFile, id: LogId) -> Result<Self, JournalError> {
        let name = file.name;
        let refuse = |case, detail: &str| -> JournalError {
            let detail = detail.to_owned();
            Box::new(Refusal { case, shard: Some(id.shard), segment: Some(name), offset: 0, lost: None, detail }).into()
        };
        if file.len < PAGE as u64 {
            return Err(refuse(Case::Damaged, "the file is shorter than a header"));
        }
        read(pages, file, id, 0, &mut window.bytes_mut()[..PAGE])?;
        let header = match SegmentHeader::from_page(&window.bytes()[..PAGE]) {
            Ok(header) => header,
            Err(HeaderFault::Damaged) => return Err(refuse(Case::Damaged, "the segment header is damaged")),
            Err(HeaderFault::Format(found)) => {
                let what = format!("shard {} segment {name}", id.shard);
                return Err(JournalError::Format { what, found, known: SEGMENT_FORMAT });
            }
        };
        if header.id != id {
            return Err(refuse(Case::Foreign, "the segment header names another instance or shard"));
        }
        if header.name != name {
            return Err(refuse(Case::Foreign, &format!("the header is that of segment {}", header.name)));
        }
        Ok(Self { pages, window, loaded: 0..0, read_len: READ_LEN_MIN, file, header })
    }

    /// The block at `offset`; `None` if there is no valid one.
    pub fn block(&mut self, offset: u64) -> Result<Option<Found<'_>>, JournalError> {
        let left = self.pages_len().saturating_sub(offset);
        if left < PAGE as u64 {
            return Ok(None);
        }
        let Some(body_len) = BlockHeader::claimed_body_len(self.bytes(offset, PAGE)?) else { return Ok(None) };
        let len = BLOCK_HEADER_LEN + body_len;
        if len as u64 > left {
            return Ok(None);
        }
        let (salt, id, name) = (self.header.salt, self.header.id, self.file.name);
        let bytes = self.bytes(offset, len)?;
        match BlockHeader::decode(bytes, salt) {
            Ok(header) => Ok(Some(Found { header, chain: chain_of_whole(bytes), body: &bytes[BLOCK_HEADER_LEN..] })),
            Err(BlockFault::Invalid) => Ok(None),
            Err(BlockFault::Format(found)) => {
                let what = format!("shard {} segment {name} block at offset {offset}", id.shard);
                Err(JournalError::Format { what, found, known: BLOCK_FORMAT_MAX })
            }
        }
    }

    /// Looks at all that lies at and behind `offset`, page by page, for bytes and for blocks of this segment.
    pub fn rest(&mut self, offset: u64) -> Result<Rest, JournalError> {
        const ZEROS: [u8; PAGE] = [0; PAGE];
        let mut rest = Rest::default();
        let mut at = offset;
        while at < self.pages_len() {
            let page = self.bytes(at, PAGE)?;
            if page != ZEROS {
                rest.garbage_len = at + PAGE as u64 - offset;
                if page.starts_with(&BLOCK_MAGIC.to_le_bytes()) {
                    rest.proven_lsn = rest.proven_lsn.max(self.claim_at(at)?);
                }
            }
            at += PAGE as u64;
        }
        Ok(rest)
    }

    /// The first block behind `offset` (a page boundary) that is valid and belongs where it stands.
    pub fn next_block(&mut self, offset: u64) -> Result<Option<BlockHeader>, JournalError> {
        let mut at = offset + PAGE as u64;
        while at < self.pages_len() {
            if self.bytes(at, PAGE)?.starts_with(&BLOCK_MAGIC.to_le_bytes())
                && let Some(header) = self.at_home(at)?
            {
                return Ok(Some(header));
            }
            at += PAGE as u64;
        }
        Ok(None)
    }

    /// Forgets what was read: the file may have grown since.
    pub fn look_again(&mut self) {
        self.loaded = 0..0;
    }

    /// What the block at `offset` says is durable, if it is a valid one. Also if it belongs elsewhere: only this segment's
    /// salt makes it valid, so it was written to be durable, and something has put it here since.
    fn claim_at(&mut self, offset: u64) -> Result<Lsn, JournalError> {
        let epoch = self.file.name.epoch;
        Ok(self.block(offset)?.filter(|found| found.header.epoch == epoch).map_or(0, |found| found.header.durable_lsn))
    }

    /// The header of the block at `offset`, if it is a valid one that belongs there.
    fn at_home(&mut self, offset: u64) -> Result<Option<BlockHeader>, JournalError> {
        let name = self.file.name;
        let Some(found) = self.block(offset)? else { return Ok(None) };
        let in_segment = found.header.first_lsn.checked_sub(name.base);
        Ok((in_segment == Some(offset - PAGE as u64) && found.header.epoch == name.epoch).then_some(found.header))
    }

    /// Length of the file without a last page that somebody cut.
    fn pages_len(&self) -> u64 {
        self.file.len / PAGE as u64 * PAGE as u64
    }

    /// `len` bytes at `offset` (a page boundary), which lie in the file's whole pages.
    fn bytes(&mut self, offset: u64, len: usize) -> Result<&[u8], JournalError> {
        assert!(offset.is_multiple_of(PAGE as u64) && len <= WINDOW_LEN, "a piece that fits the window");
        if offset < self.loaded.start || offset + len as u64 > self.loaded.end {
            self.loaded = 0..0;
            let fill = (self.pages_len() - offset).min(self.read_len.max(len.next_multiple_of(PAGE)) as u64);
            self.read_len = (self.read_len * 2).min(P::READ_LEN_MAX);
            let target = &mut self.window.bytes_mut()[..fill as usize];
            read(self.pages, self.file, self.header.id, offset, target)?;
            self.loaded = offset..offset + fill;
            assert!(offset + len as u64 <= self.loaded.end, "the caller stays in the file");
        }
        let start = (offset - self.loaded.start) as usize;
        Ok(&self.window.bytes()[start..start + len])
    }
}

/// Fills `buf` from the device, or refuses after three failures (case 10).
fn read<P: Pages>(
    pages: &mut P,
    file: SegmentFile,
    id: LogId,
    offset: u64,
    buf: &mut [u8],
) -> Result<(), JournalError> {
    let mut result = Ok(());
    for _ in 0..READ_TRIES {
        result = pages.read_pages(file.name, offset, buf);
        if result.is_ok() {
            return Ok(());
        }
    }
    let Err(error) = result else { return Ok(()) };
    if error.exit_code() != 70 {
        return Err(error);
    }
    let (case, shard, segment) = (Case::Unreadable, Some(id.shard), Some(file.name));
    let detail = format!("{READ_TRIES} reads of {} bytes failed: {error}", buf.len());
    Err(Box::new(Refusal { case, shard, segment, offset, lost: None, detail }).into())
}
