//! The options of SCAN and HSCAN.

use crate::commands::args::{Args, signed};
use crate::commands::glob;
use crate::commands::refusal::Refusal;

/// Most names that one SCAN looks at.
pub const SCAN_COUNT_MAX: u16 = 1000;

/// How many it looks at if none is said, as in Redis.
const COUNT_DEFAULT: u16 = 10;

/// Longest MATCH, bytes: with the lengths of names and [`SCAN_COUNT_MAX`] it bounds the work of one step.
const PATTERN_LEN_MAX: usize = 256;

/// What of the names, and how many at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScanOptions<'a> {
    /// Those that match; `None`: all.
    pub pattern: Option<&'a [u8]>,
    /// How many are looked at in one step, 1..=[`SCAN_COUNT_MAX`].
    pub count: u16,
    /// Keys of this type only.
    pub kind: Option<&'a [u8]>,
    /// NOVALUES
    pub no_values: bool,
}

impl<'a> ScanOptions<'a> {
    /// Reads the options `names` up to the end.
    ///
    /// # Errors
    /// Syntax error; a COUNT that is no number; a pattern that is too long.
    pub(super) fn read(args: &mut Args<'a>, names: &'static [&'static str]) -> Result<Self, Refusal> {
        let mut options = Self { pattern: None, count: COUNT_DEFAULT, kind: None, no_values: false };
        while let Some(option) = args.option(names)? {
            match option {
                "MATCH" => options.pattern = Some(pattern(args.word()?)?),
                "COUNT" => options.count = count(args.word()?)?,
                "TYPE" => options.kind = Some(args.word()?),
                _ => options.no_values = true,
            }
        }
        Ok(options)
    }

    /// Whether `name` is one of those.
    pub fn wants(&self, name: &[u8]) -> bool {
        self.pattern.is_none_or(|pattern| glob::matches_exactly(pattern, name))
    }
}

fn pattern(word: &[u8]) -> Result<&[u8], Refusal> {
    if word.len() <= PATTERN_LEN_MAX { Ok(word) } else { Err(Refusal::fixed("ERR MATCH is longer than 256 bytes")) }
}

fn count(word: &[u8]) -> Result<u16, Refusal> {
    let count = signed(word).ok_or(Refusal::fixed("ERR value is not an integer or out of range"))?;
    if count < 1 { Err(Refusal::SYNTAX) } else { Ok(count.min(SCAN_COUNT_MAX.into()) as u16) }
}
