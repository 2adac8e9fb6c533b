//! The items of a snapshot, byte by byte: docs/snapshot-format.md. Little-endian, without gaps.

use crate::ledger::id::Lsn;

/// Bytes of a transactions item.
pub(super) const TRANSACTION_LEN: usize = 24;

/// Appends words.
pub(super) fn put(words: &[u64], out: &mut Vec<u8>) {
    words.iter().for_each(|word| out.extend_from_slice(&word.to_le_bytes()));
}

/// Appends a sum.
pub(super) fn put_sum(sum: u128, out: &mut Vec<u8>) {
    out.extend_from_slice(&sum.to_le_bytes());
}

/// Appends what an id answers: its key's two words and the record.
pub(super) fn put_transaction(key: [u64; 2], lsn: Lsn, out: &mut Vec<u8>) {
    put(&[key[0], key[1], lsn], out);
}

/// The bytes of a part that are not read yet. Reading beyond them gives `None`.
pub(super) struct Items<'a>(pub(super) &'a [u8]);

impl<'a> Items<'a> {
    /// The next bytes, as many as the array has.
    pub(super) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (array, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*array)
    }

    /// The next words.
    pub(super) fn words<const N: usize>(&mut self) -> Option<[u64; N]> {
        let (bytes, rest) = self.0.split_at_checked(N * 8)?;
        self.0 = rest;
        let (words, _) = bytes.as_chunks();
        Some(std::array::from_fn(|at| u64::from_le_bytes(words[at])))
    }

    /// The next sum.
    pub(super) fn sum(&mut self) -> Option<u128> {
        self.array().map(u128::from_le_bytes)
    }

    /// The next `len` bytes.
    pub(super) fn text(&mut self, len: u8) -> Option<&'a [u8]> {
        let (text, rest) = self.0.split_at_checked(len.into())?;
        self.0 = rest;
        Some(text)
    }
}
