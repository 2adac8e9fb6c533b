//! Text that must not be seen.

use std::fmt;

use subtle::ConstantTimeEq;

/// A password. `Debug` and logs show that it is there, never what it is.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Box<str>);

impl Secret {
    /// Wraps `text`.
    pub fn new(text: &str) -> Self {
        Self(text.into())
    }

    /// What it is, to be hashed.
    pub fn reveal(&self) -> &[u8] {
        self.0.as_bytes()
    }

    /// Whether `given` is the password. The time it takes does not tell how much of it is right; only its length
    /// can be learned.
    pub fn matches(&self, given: &[u8]) -> bool {
        self.0.as_bytes().ct_eq(given).into()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(set)")
    }
}
