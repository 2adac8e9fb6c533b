//! The parts of replies about streams (commands.md C.5).

use super::{Encoder, Proto};

impl Encoder<'_> {
    /// Nothing, where an array could be: an XREAD that found no entry.
    pub fn null_array(&mut self) {
        self.out.extend_from_slice(match self.proto {
            Proto::Resp2 => b"*-1\r\n",
            Proto::Resp3 => b"_\r\n",
        });
    }

    /// Starts the streams of an XREAD: as many times [`Self::stream`] and its entries follow.
    pub fn streams(&mut self, len: usize) {
        match self.proto {
            Proto::Resp2 => self.array(len),
            Proto::Resp3 => self.map(len),
        }
    }

    /// The key of a stream; an array of entries follows.
    pub fn stream(&mut self, key: &[u8]) {
        if self.proto == Proto::Resp2 {
            self.array(2);
        }
        self.bulk(key);
    }

    /// Values that are encoded already, the same in both protocols.
    pub fn encoded(&mut self, bytes: &[u8]) {
        self.out.extend_from_slice(bytes);
    }
}
