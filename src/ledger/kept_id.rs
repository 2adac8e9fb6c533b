//! Ids that the ledger keeps: short ones inline, long ones boxed.
//!
//! An account or a hold lives long and there are millions of them, so an id of ordinary length must cost no
//! allocation and no pointer to follow. `N` is chosen per use so that the value fills whole words.

use std::fmt;

/// An owned id of at most 255 bytes; up to `N` of them stand inline.
#[derive(Clone)]
pub(crate) enum KeptId<const N: usize> {
    /// `bytes[..len]`.
    Inline { len: u8, bytes: [u8; N] },
    /// Longer than `N`.
    Boxed(Box<[u8]>),
}

impl<const N: usize> KeptId<N> {
    /// The id of no bytes, for free slots.
    pub(crate) const EMPTY: Self = KeptId::Inline { len: 0, bytes: [0; N] };

    /// Copies `id`.
    pub(crate) fn new(id: &[u8]) -> Self {
        assert!(id.len() <= usize::from(u8::MAX), "ids have limits, checked before they come here");
        if id.len() > N {
            return KeptId::Boxed(id.into());
        }
        let mut bytes = [0; N];
        bytes[..id.len()].copy_from_slice(id);
        KeptId::Inline { len: id.len() as u8, bytes }
    }

    /// Memory that an id of `len` bytes takes beside the value itself.
    pub(crate) const fn boxed_bytes(len: usize) -> usize {
        if len > N { len } else { 0 }
    }

    /// The bytes of the id.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        match self {
            KeptId::Inline { len, bytes } => &bytes[..usize::from(*len)],
            KeptId::Boxed(bytes) => bytes,
        }
    }
}

impl<const N: usize> fmt::Debug for KeptId<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.as_bytes().escape_ascii())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_every_length_come_back_and_short_ones_fill_whole_words() {
        assert_eq!((size_of::<KeptId<22>>(), size_of::<KeptId<38>>()), (24, 40));
        let id = [7u8; 128];
        for len in 0..=128 {
            assert_eq!(KeptId::<22>::new(&id[..len]).as_bytes(), &id[..len]);
        }
    }
}
