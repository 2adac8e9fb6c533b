//! Heads: where each log ends and the chain there, kept elsewhere as a proof of all that stands before.
//!
//! A head is a position that is proven to be on disk, not the newest block: a crash may still take that one away, and
//! an honest log must not fail its proof. Kept as JSON or as four words a line: instance, shard, lsn, chain.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::journal::{RestingLog, Sight};

use super::report::Finding;

/// The head of one log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// Of the data directory: 32 hexadecimal digits.
    pub instance: Hex,
    /// Whose log.
    pub shard: u16,
    /// A block ends here.
    pub lsn: u64,
    /// What the next block names as its predecessor: 32 hexadecimal digits.
    pub chain: Hex,
}

/// Sixteen bytes, shown as hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Hex(pub [u8; 16]);

/// Why a text is no list of heads.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line} is no head: {what}; expected what `creditd head` prints")]
pub struct HeadError {
    /// From 1.
    pub line: usize,
    /// What is wrong with it.
    pub what: String,
}

/// The head of a log.
///
/// # Errors
/// The first fault of its newest segment: then no head should be trusted before `verify` has passed.
pub fn head(log: RestingLog) -> Result<Head, Finding> {
    let id = log.id();
    let mut fault = None;
    let found = log.newest().survey(&[], &mut |sight| {
        if let Sight::Fault(found) = sight {
            fault.get_or_insert(Finding::of(&found, None));
        }
    });
    let (lsn, chain) = found.durable;
    fault.map_or(Ok(Head { instance: Hex(id.instance), shard: id.shard, lsn, chain: Hex(chain) }), Err)
}

/// The heads in a text, a line each; empty lines and those that begin with `#` are skipped.
///
/// # Errors
/// [`HeadError`].
pub fn parse_heads(text: &str) -> Result<Vec<Head>, HeadError> {
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty() && !line.starts_with('#'));
    lines.map(|(i, line)| parse(line.trim()).map_err(|what| HeadError { line: i + 1, what })).collect()
}

fn parse(line: &str) -> Result<Head, String> {
    if line.starts_with('{') {
        return serde_json::from_str(line).map_err(|error| error.to_string());
    }
    let words: Vec<&str> = line.split_whitespace().collect();
    let [instance, shard, lsn, chain] = words[..] else { return Err(format!("{} words, not 4", words.len())) };
    let number = |what: &str| format!("{what} is no number");
    Ok(Head {
        instance: instance.to_owned().try_into()?,
        shard: shard.parse().map_err(|_| number("the shard"))?,
        lsn: lsn.parse().map_err(|_| number("the lsn"))?,
        chain: chain.to_owned().try_into()?,
    })
}

impl fmt::Display for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {} {}", self.instance, self.shard, self.lsn, self.chain)
    }
}

impl fmt::Display for Hex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl From<Hex> for String {
    fn from(hex: Hex) -> Self {
        hex.to_string()
    }
}

impl TryFrom<String> for Hex {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let wrong = || format!("{text:?} is not 32 hexadecimal digits");
        if text.len() != 32 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(wrong());
        }
        let mut bytes = [0; 16];
        for (i, byte) in bytes.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&text[i * 2..i * 2 + 2], 16).map_err(|_| wrong())?;
        }
        Ok(Self(bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_are_read_back_from_both_forms() {
        let head = Head { instance: Hex([7; 16]), shard: 3, lsn: 4096, chain: Hex([0xab; 16]) };
        let json = serde_json::to_string(&head).expect("JSON");
        let both = format!("# kept elsewhere\n{head}\n\n{json}\n");
        assert_eq!(parse_heads(&both), Ok(vec![head.clone(), head]));
        for (bad, line) in [("1 2 3", 1), ("\nzz 1 2 3", 2), ("{\"lsn\":1}", 1)] {
            assert_eq!(parse_heads(bad).expect_err("no head").line, line);
        }
    }
}
