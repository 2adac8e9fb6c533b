//! The arguments of one request, as places in a buffer.
//!
//! ```text
//! bytes  *3 CRLF $12 CRLF CREDIT.DEBIT CRLF $2 CRLF t1 CRLF ...
//! spans                   ^----------^              ^^
//! ```
//! Two borrowed slices, so that a request costs no allocation and a subrange (the names of COMMAND INFO) is another
//! `Arguments`. Absent on purpose: ownership; whoever keeps a request (a MULTI queue) keeps bytes and spans.

/// Where one argument stands: `start..end` in the buffer that belongs to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// First byte.
    pub start: u32,
    /// One past the last byte.
    pub end: u32,
}

impl Span {
    /// The span `start..end`.
    ///
    /// # Panics
    /// If it ends past 4 GiB: a frame is limited to far less (security.md 2).
    pub fn new(start: usize, end: usize) -> Self {
        let place = |at: usize| u32::try_from(at).expect("a frame is far smaller than 4 GiB");
        Self { start: place(start), end: place(end) }
    }
}

/// The words of one request: the command's name first.
#[derive(Clone, Copy, Debug)]
pub struct Arguments<'a> {
    bytes: &'a [u8],
    spans: &'a [Span],
}

impl<'a> Arguments<'a> {
    /// The words that `spans` marks in `bytes`.
    pub fn new(bytes: &'a [u8], spans: &'a [Span]) -> Self {
        Self { bytes, spans }
    }

    /// How many words.
    pub fn len(&self) -> usize {
        self.spans.len()
    }

    /// Whether there is no word.
    pub fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }

    /// The word at `index`, 0 being the command's name; `None` past the end.
    pub fn get(&self, index: usize) -> Option<&'a [u8]> {
        self.spans.get(index).map(|span| &self.bytes[span.start as usize..span.end as usize])
    }

    /// All words but the first `count`.
    pub fn skip(&self, count: usize) -> Self {
        Self { bytes: self.bytes, spans: &self.spans[count.min(self.spans.len())..] }
    }

    /// The first `count` words, or all if there are fewer.
    pub fn first(&self, count: usize) -> Self {
        Self { bytes: self.bytes, spans: &self.spans[..count.min(self.spans.len())] }
    }

    /// The words in order.
    pub fn iter(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let Self { bytes, spans } = *self;
        spans.iter().map(move |span| &bytes[span.start as usize..span.end as usize])
    }
}

impl PartialEq for Arguments<'_> {
    /// The same words, wherever they stand.
    fn eq(&self, other: &Self) -> bool {
        self.len() == other.len() && self.iter().eq(other.iter())
    }
}

impl Eq for Arguments<'_> {}

/// One request in memory of its own: what a MULTI queue keeps, and what tests and tools start from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OwnedArguments {
    bytes: Vec<u8>,
    spans: Vec<Span>,
}

impl OwnedArguments {
    /// The words, borrowed.
    pub fn borrow(&self) -> Arguments<'_> {
        Arguments::new(&self.bytes, &self.spans)
    }

    /// Bytes that the words take: what a queue counts against its limit.
    pub fn size_bytes(&self) -> usize {
        self.bytes.len() + size_of_val(self.spans.as_slice())
    }
}

impl<'w> FromIterator<&'w [u8]> for OwnedArguments {
    fn from_iter<I: IntoIterator<Item = &'w [u8]>>(words: I) -> Self {
        let mut owned = Self::default();
        for word in words {
            let start = owned.bytes.len();
            owned.bytes.extend_from_slice(word);
            owned.spans.push(Span::new(start, owned.bytes.len()));
        }
        owned
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_read_by_index_in_order_and_from_a_subrange() {
        let owned: OwnedArguments = [&b"PING"[..], b"", b"a\r\nb"].into_iter().collect();
        let words = owned.borrow();
        assert_eq!((words.len(), words.is_empty()), (3, false));
        assert_eq!((words.get(2), words.get(3)), (Some(&b"a\r\nb"[..]), None));
        assert_eq!(words.skip(1).iter().collect::<Vec<_>>(), [&b""[..], b"a\r\nb"]);
        assert_eq!(words.first(2).iter().collect::<Vec<_>>(), [&b"PING"[..], b""]);
        assert!(words.skip(9).is_empty() && words.first(9) == words);
    }
}
