//! A data directory's files as bytes: what is in them, and how an accident, a forger or a newer version changes them.
//!
//! Knows docs/log-format.md, not the server's code. Absent on purpose: anything that a running server could notice.

use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};

use crate::server::Site;

/// A page, in bytes.
pub const PAGE: usize = 4096;

/// A file that is changed in memory, then written back by [`FileBytes::save`].
pub struct FileBytes {
    path: PathBuf,
    /// The content.
    pub bytes: Vec<u8>,
}

/// Where a block stands in its segment, and what its header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Block {
    /// Its first byte in the file.
    pub offset: usize,
    /// Header and body, without padding, in bytes.
    pub len: usize,
    /// 1 DATA, 2 FENCE, 3 CLEAN_STOP.
    pub kind: u8,
    /// Its position in the log.
    pub lsn: u64,
}

impl Block {
    /// Its bytes in the file.
    pub fn range(&self) -> Range<usize> {
        self.offset..self.offset + self.len
    }
}

impl FileBytes {
    /// Reads the file.
    pub fn load(path: &Path) -> Self {
        Self { path: path.to_path_buf(), bytes: fs::read(path).expect("a file of the data directory") }
    }

    /// The file's name.
    pub fn name(&self) -> String {
        self.path.file_name().and_then(|name| name.to_str()).expect("names are text").to_owned()
    }

    /// Writes it back.
    pub fn save(&self) {
        fs::write(&self.path, &self.bytes).expect("the file is ours");
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The blocks of a segment, in order.
    pub fn blocks(&self) -> Vec<Block> {
        let mut found: Vec<Block> = Vec::new();
        while let Some(head) = self.bytes.get(found.last().map_or(PAGE, end)..).filter(|rest| rest.starts_with(b"crBK"))
        {
            let (body_len, lsn) = (u32_at(head, 16) as usize, u64_at(head, 32));
            found.push(Block { offset: self.bytes.len() - head.len(), len: 72 + body_len, kind: head[10], lsn });
        }
        found
    }

    /// Where the log of a segment ends, as an offset in the file.
    pub fn log_end(&self) -> usize {
        self.blocks().last().map_or(PAGE, end)
    }

    /// Makes a block's checksum right again.
    pub fn seal_block(&mut self, block: Block) {
        let salt = u32_at(&self.bytes, 12);
        let crc = crc32c::crc32c_append(salt, &self.bytes[block.range()][8..]);
        self.bytes[block.offset + 4..][..4].copy_from_slice(&crc.to_le_bytes());
    }

    /// Makes the checksum of a segment's header right again.
    pub fn seal_segment_header(&mut self) {
        let crc = crc32c::crc32c(&self.bytes[8..112]);
        self.bytes[4..8].copy_from_slice(&crc.to_le_bytes());
    }

    /// Makes the checksum of every page with a struct right again: a super, a MANIFEST.
    pub fn seal_pages(&mut self) {
        for page in self.bytes.chunks_exact_mut(PAGE) {
            let len = u32_at(page, 12) as usize;
            let crc = crc32c::crc32c(&page[8..16 + len]);
            page[4..8].copy_from_slice(&crc.to_le_bytes());
        }
    }
}

/// The shard's files with this ending, in order.
pub fn files(site: &Site, shard: u16, ending: &str) -> Vec<PathBuf> {
    let dir = site.data_dir().join(format!("shard-{shard:03}"));
    let paths = fs::read_dir(dir).expect("the shard's directory").map(|entry| entry.expect("an entry").path());
    let mut found: Vec<_> = paths.filter(|path| path.to_str().is_some_and(|path| path.ends_with(ending))).collect();
    found.sort();
    found
}

/// The segments of the first shard, in order.
pub fn segments(site: &Site) -> Vec<FileBytes> {
    files(site, 0, ".wal").iter().map(|path| FileBytes::load(path)).collect()
}

/// Both supers of the first shard.
pub fn supers(site: &Site) -> [FileBytes; 2] {
    ["super.0", "super.1"].map(|name| FileBytes::load(&site.data_dir().join("shard-000").join(name)))
}

/// Every file with its content, but for those that mean nothing after the process that made them (`.tmp`).
pub fn image(dir: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).expect("a directory").map(|entry| entry.expect("an entry").path()) {
        if entry.is_dir() {
            found.extend(image(&entry));
        } else if entry.extension().is_none_or(|ending| ending != "tmp") {
            found.push((entry.clone(), fs::read(&entry).expect("a file")));
        }
    }
    found.sort();
    found
}

/// First byte after a block and its padding.
fn end(block: &Block) -> usize {
    block.offset + block.len.next_multiple_of(PAGE)
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"))
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"))
}
