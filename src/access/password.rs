//! What is kept of a password: a digest.
//!
//! A token made by a machine has more to guess than anyone can try: SHA-256 is enough for it, and fast. What people think
//! up is kept as argon2id, which takes some 20 ms and 19 MiB to try once, and is therefore never tried on a core thread.

use argon2::password_hash::{PasswordHash, PasswordHasher, PasswordVerifier, SaltString};
use argon2::{Argon2, Params};
use sha2::{Digest, Sha256};
use std::fmt;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// From this length on a password is taken for a token. 32 hexadecimal digits are 128 bits.
pub const TOKEN_LEN_MIN: usize = 32;

/// How an argon2id digest begins (PHC string format).
const ARGON2: &str = "$argon2id$";

/// Longest argon2id digest.
const PHC_LEN_MAX: usize = 256;

/// Most memory and passes that a digest made elsewhere may ask for: a login is this dear.
const ARGON2_KIB_MAX: u32 = 64 * 1024;
const ARGON2_PASSES_MAX: u32 = 16;

/// The digest of a password.
#[derive(Clone, PartialEq, Eq)]
pub enum Password {
    /// SHA-256.
    Token([u8; 32]),
    /// argon2id, as a PHC string.
    Human(Box<str>),
}

impl Password {
    /// The SHA-256 of `plain`, whatever its length.
    pub fn token(plain: &[u8]) -> Self {
        Self::Token(Sha256::digest(plain).into())
    }

    /// The digest that `plain` deserves. Slow for what is no token; `salt`: random.
    pub fn of(plain: &[u8], salt: &[u8; 16]) -> Self {
        if plain.len() >= TOKEN_LEN_MIN {
            return Self::token(plain);
        }
        let salt = SaltString::encode_b64(salt).expect("16 bytes are a salt");
        let digest = Argon2::default().hash_password(plain, &salt).expect("the parameters are the defaults");
        Self::Human(digest.to_string().into())
    }

    /// The digest that `word` of an aclfile tells: `#` and 64 hexadecimal digits, or a PHC string.
    pub fn parse(word: &str) -> Option<Self> {
        if let Some(digits) = word.strip_prefix('#') {
            return digest(digits).map(Self::Token);
        }
        if !word.starts_with(ARGON2) || word.len() > PHC_LEN_MAX {
            return None;
        }
        let digest = PasswordHash::new(word).ok().filter(|digest| digest.salt.is_some() && digest.hash.is_some())?;
        let cost = Params::try_from(&digest).ok()?;
        let is_bounded = cost.m_cost() <= ARGON2_KIB_MAX && cost.t_cost() * cost.p_cost() <= ARGON2_PASSES_MAX;
        is_bounded.then(|| Self::Human(word.into()))
    }

    /// Whether it is the digest of `plain`. Slow if it is argon2id.
    pub(super) fn is_of(&self, plain: &[u8]) -> bool {
        match self {
            Self::Token(_) => self.matches_fast(&Self::token(plain)),
            Self::Human(digest) => is_argon2_of(digest, plain),
        }
    }

    /// Whether it is that of `given`, if that can be told at once; in constant time.
    pub(super) fn matches_fast(&self, given: &Self) -> bool {
        match (self, given) {
            (Self::Token(mine), Self::Token(given)) => mine.ct_eq(given).into(),
            _ => false,
        }
    }
}

impl fmt::Display for Password {
    /// As [`Password::parse`] reads it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Token(digest) => {
                f.write_str("#")?;
                digest.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
            Self::Human(digest) => f.write_str(digest),
        }
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(digest)")
    }
}

/// A password given, and the digests that it may be of.
pub struct Login {
    pub(super) given: Zeroizing<Vec<u8>>,
    pub(super) digests: Vec<Box<str>>,
}

impl Login {
    /// The one of which it is, if any. Takes some 20 ms for each.
    pub fn proof(self) -> Option<Password> {
        self.digests.into_iter().find(|digest| is_argon2_of(digest, &self.given)).map(Password::Human)
    }
}

fn is_argon2_of(digest: &str, plain: &[u8]) -> bool {
    let digest = PasswordHash::new(digest).expect("it was parsed when it was taken");
    Argon2::default().verify_password(plain, &digest).is_ok()
}

fn digest(digits: &str) -> Option<[u8; 32]> {
    let digits = digits.as_bytes();
    if digits.len() != 64 || !digits.iter().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f')) {
        return None;
    }
    let value = |digit: u8| if digit <= b'9' { digit - b'0' } else { digit - b'a' + 10 };
    let mut bytes = [0; 32];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = value(pair[0]) << 4 | value(pair[1]);
    }
    Some(bytes)
}
