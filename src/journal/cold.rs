//! Cold structs on disk: one page each, checksummed, versioned. The only user of bincode.
//!
//! ```text
//! 0 magic u32  4 crc32c u32 (of bytes 8..16 + len)  8 format u16  10 zero u16  12 len u32
//! 16 bincode, integers of fixed width, little-endian
//! ```
//!
//! Golden bytes in the tests of each struct hold the format still: bincode is pinned and may be replaced one day.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::block::{PAGE, u16_at, u32_at};
use super::storage::Page;

const HEAD_LEN: usize = 16;

/// Why a page is not the struct that was looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ColdFault {
    /// Not written completely, overwritten, or never written.
    Damaged,
    /// The checksum holds, the format is another.
    Format(u16),
}

/// The page that holds `value`.
pub(super) fn to_page<T: Serialize>(magic: u32, format: u16, value: &T) -> Box<Page> {
    let mut page = Box::new([0; PAGE]);
    let len = bincode::serde::encode_into_slice(value, &mut page[HEAD_LEN..], bincode::config::legacy())
        .expect("a cold struct is bounded so that it fits one page");
    page[0..4].copy_from_slice(&magic.to_le_bytes());
    page[8..10].copy_from_slice(&format.to_le_bytes());
    page[12..16].copy_from_slice(&(len as u32).to_le_bytes());
    let crc = crc32c::crc32c(&page[8..HEAD_LEN + len]);
    page[4..8].copy_from_slice(&crc.to_le_bytes());
    page
}

/// The struct on `page`.
///
/// # Errors
/// [`ColdFault`].
pub(super) fn from_page<T: DeserializeOwned>(magic: u32, format: u16, page: &Page) -> Result<T, ColdFault> {
    let len = u32_at(page, 12) as usize;
    if u32_at(page, 0) != magic || len > PAGE - HEAD_LEN || u16_at(page, 10) != 0 {
        return Err(ColdFault::Damaged);
    }
    if crc32c::crc32c(&page[8..HEAD_LEN + len]) != u32_at(page, 4) {
        return Err(ColdFault::Damaged);
    }
    if u16_at(page, 8) != format {
        return Err(ColdFault::Format(u16_at(page, 8)));
    }
    let body = &page[HEAD_LEN..HEAD_LEN + len];
    match bincode::serde::decode_from_slice(body, bincode::config::legacy()) {
        Ok((value, used)) if used == len => Ok(value),
        _ => Err(ColdFault::Damaged),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_whole_or_nothing() {
        let mut page = to_page(7, 1, &(1u32, 2u64));
        assert_eq!(from_page::<(u32, u64)>(7, 1, &page), Ok((1, 2)));
        assert_eq!(from_page::<(u32, u64)>(8, 1, &page), Err(ColdFault::Damaged), "another kind of page");
        assert_eq!(from_page::<(u32, u64)>(7, 2, &page), Err(ColdFault::Format(1)));
        for bit in 0..(HEAD_LEN + 12) * 8 {
            page[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(from_page::<(u32, u64)>(7, 1, &page), Err(ColdFault::Damaged), "bit {bit}");
            page[bit / 8] ^= 1 << (bit % 8);
        }
        assert_eq!(from_page::<(u32, u64)>(7, 1, &[0; PAGE]), Err(ColdFault::Damaged));
    }
}
