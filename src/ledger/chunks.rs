//! A vector that grows without moving what it holds.
//!
//! Doubling one vector of ten million accounts copies a gigabyte while the shard stands still. Here growth allocates
//! one chunk, and a number, once given, is an address for life. Absent on purpose: removal (owners keep free lists).

/// Entries per chunk: a few hundred KiB, allocated in microseconds.
const CHUNK_LEN: usize = 4096;

/// Numbered values; numbers are dense from 0.
#[derive(Debug)]
pub(crate) struct Chunks<T> {
    chunks: Vec<Vec<T>>,
    len: u32,
}

impl<T> Chunks<T> {
    /// No values, no memory.
    pub(crate) fn new() -> Self {
        Self { chunks: Vec::new(), len: 0 }
    }

    /// How many values there are; they are numbered below this.
    pub(crate) fn len(&self) -> u32 {
        self.len
    }

    /// Adds a value and gives its number.
    pub(crate) fn push(&mut self, value: T) -> u32 {
        let number = self.len;
        if (number as usize).is_multiple_of(CHUNK_LEN) {
            self.chunks.push(Vec::with_capacity(CHUNK_LEN));
        }
        self.chunks[number as usize / CHUNK_LEN].push(value);
        self.len = number.checked_add(1).expect("owners limit their numbers below 2^31");
        number
    }

    /// Memory of the chunks.
    pub(crate) fn bytes(&self) -> usize {
        self.chunks.len() * CHUNK_LEN * size_of::<T>()
    }

    /// The value of a number that [`Chunks::push`] gave.
    pub(crate) fn get(&self, number: u32) -> &T {
        &self.chunks[number as usize / CHUNK_LEN][number as usize % CHUNK_LEN]
    }

    /// As [`Chunks::get`], to change it.
    pub(crate) fn get_mut(&mut self, number: u32) -> &mut T {
        &mut self.chunks[number as usize / CHUNK_LEN][number as usize % CHUNK_LEN]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_keep_their_number_and_their_place() {
        let mut values = Chunks::new();
        for n in 0..CHUNK_LEN as u32 + 10 {
            assert_eq!(values.push(n * 3), n);
        }
        let first: *const u32 = values.get(0);
        for _ in 0..3 * CHUNK_LEN {
            values.push(0);
        }
        assert!(std::ptr::eq(first, values.get(0)));
        *values.get_mut(CHUNK_LEN as u32) += 1;
        assert_eq!(*values.get(CHUNK_LEN as u32), CHUNK_LEN as u32 * 3 + 1);
    }
}
