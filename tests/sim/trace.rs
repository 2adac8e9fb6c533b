//! Everything that happens, as one number: two lives of a seed must leave the same.

use std::fmt::{Arguments, Write};

/// FNV-1a over the words in which events are told.
pub struct Trace {
    hash: u64,
    loud: bool,
}

impl Trace {
    /// Nothing has happened. `loud`: tell the events on stderr too.
    pub fn new(loud: bool) -> Self {
        Self { hash: 0xcbf2_9ce4_8422_2325, loud }
    }

    /// Something happens.
    pub fn note(&mut self, event: Arguments<'_>) {
        if self.loud {
            eprintln!("{event}");
        }
        self.write_fmt(event).expect("hashing does not fail");
    }

    /// The number.
    pub fn hash(&self) -> u64 {
        self.hash
    }
}

impl Write for Trace {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        for byte in text.bytes() {
            self.hash = (self.hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
        Ok(())
    }
}
