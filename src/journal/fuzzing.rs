//! Doors for the fuzz targets, to what the rest of the house does not see: compiled with `--cfg fuzzing` only.
//!
//! Each reads bytes as recovery does and gives what this version would write for the same content.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::block::{BLOCK_HEADER_LEN, BlockHeader};
use super::cold;
use super::manifest::{self, Manifest};
use super::storage::Page;
use super::super_page::{self, Super};

/// Reads `bytes` as a block of a segment with this `salt`; gives its header, and header and body written again.
pub fn block(bytes: &[u8], salt: u32) -> Option<(BlockHeader, Vec<u8>)> {
    let header = BlockHeader::decode(bytes, salt).ok()?;
    let body = &bytes[BLOCK_HEADER_LEN..];
    Some((header, [&header.encode(salt, body)[..], body].concat()))
}

/// Reads a page as a super.
pub fn super_page(page: &Page) -> Option<Box<Page>> {
    rewritten::<Super>(super_page::MAGIC, super_page::FORMAT, page)
}

/// Reads a page as a copy of a manifest. One that makes no sense is none.
pub fn manifest(page: &Page) -> Option<(Manifest, Box<Page>)> {
    let manifest: Manifest = cold::from_page(manifest::MAGIC, manifest::FORMAT, page).ok()?;
    Some((manifest.is_sound().then_some(manifest)?, rewritten::<Manifest>(manifest::MAGIC, manifest::FORMAT, page)?))
}

fn rewritten<T: Serialize + DeserializeOwned>(magic: u32, format: u16, page: &Page) -> Option<Box<Page>> {
    cold::from_page::<T>(magic, format, page).ok().map(|content| cold::to_page(magic, format, &content))
}
