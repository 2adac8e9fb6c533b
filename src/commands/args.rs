//! The one argument cursor: every command reads its words through it, so every limit has one place and one text.

use crate::ledger::credits::{CREDITS_MAX, TTL_MS_MAX, TTL_MS_MIN};
use crate::ledger::event::EntryId;
use crate::ledger::id::{ACCOUNT_LEN_MAX, META_LEN_MAX, REASON_LEN_MAX, TX_LEN_MAX};
use crate::ledger::lead::MAX_CLAIMS;

use super::Defaults;
use super::arguments::Arguments;
use super::refusal::Refusal;
use super::spec::CommandSpec;

/// Walks over the words of one request, after the command's name (and its subcommand's).
#[derive(Debug)]
pub struct Args<'a> {
    spec: &'static CommandSpec,
    rest: Arguments<'a>,
    /// Bit n: option n of the command's list was given.
    options_seen: u8,
}

impl<'a> Args<'a> {
    /// The words after the name of `spec`; `spec` is named where their number is wrong.
    pub fn new(spec: &'static CommandSpec, rest: Arguments<'a>) -> Self {
        Self { spec, rest, options_seen: 0 }
    }

    /// How many words are left.
    pub fn left(&self) -> usize {
        self.rest.len()
    }

    /// All words that are left, as they are.
    pub fn rest(&self) -> Arguments<'a> {
        self.rest
    }

    /// The next word, if there is one.
    pub fn next_if_any(&mut self) -> Option<&'a [u8]> {
        let word = self.rest.get(0)?;
        self.rest = self.rest.skip(1);
        Some(word)
    }

    /// The next word, left where it is.
    pub fn peek(&self) -> Option<&'a [u8]> {
        self.rest.get(0)
    }

    /// The next word.
    ///
    /// # Errors
    /// Syntax error at the end: after the arity check that is an option without its value.
    pub fn word(&mut self) -> Result<&'a [u8], Refusal> {
        self.next_if_any().ok_or(Refusal::SYNTAX)
    }

    /// Nothing may be left.
    ///
    /// # Errors
    /// Syntax error.
    pub fn end(&self) -> Result<(), Refusal> {
        if self.rest.is_empty() { Ok(()) } else { Err(Refusal::SYNTAX) }
    }

    /// At most `count` words may be left: for commands whose optional words have no name.
    ///
    /// # Errors
    /// Wrong number of arguments.
    pub fn at_most(&self, count: usize) -> Result<(), Refusal> {
        if self.left() <= count { Ok(()) } else { Err(Refusal::wrong_arity(self.spec.name)) }
    }

    /// The next option's name, one of `names` (upper case, the same list at every call); `None` at the end.
    ///
    /// # Errors
    /// Syntax error for any other word, and for an option given twice.
    pub fn option(&mut self, names: &'static [&'static str]) -> Result<Option<&'static str>, Refusal> {
        assert!(names.len() <= 8, "options_seen has eight bits");
        let Some(word) = self.next_if_any() else { return Ok(None) };
        let found = names.iter().position(|name| word.eq_ignore_ascii_case(name.as_bytes()));
        let index = found.ok_or(Refusal::SYNTAX)?;
        if self.options_seen >> index & 1 == 1 {
            return Err(Refusal::SYNTAX);
        }
        self.options_seen |= 1 << index;
        Ok(Some(names[index]))
    }

    /// An account id.
    ///
    /// # Errors
    /// Empty or too long.
    pub fn account(&mut self) -> Result<&'a [u8], Refusal> {
        let account = self.word()?;
        if account.is_empty() {
            return Err(Refusal::fixed("ERR account is empty"));
        }
        at_most(account, ACCOUNT_LEN_MAX, "ERR account is longer than 128 bytes")
    }

    /// A lead's name.
    ///
    /// # Errors
    /// Empty or too long.
    pub fn lead(&mut self) -> Result<&'a [u8], Refusal> {
        let lead = self.word()?;
        if lead.is_empty() {
            return Err(Refusal::fixed("ERR lead is empty"));
        }
        at_most(lead, ACCOUNT_LEN_MAX, "ERR lead is longer than 128 bytes")
    }

    /// The id of a transaction that is there already: never `*`.
    ///
    /// # Errors
    /// Empty, too long, or `*`.
    pub fn tx(&mut self) -> Result<&'a [u8], Refusal> {
        match self.any_tx()? {
            b"*" => Err(Refusal::fixed("ERR tx * starts something new; name the tx that you mean")),
            tx => Ok(tx),
        }
    }

    /// The transaction id of a command that starts something, and whether the server is to make it (`*`).
    ///
    /// # Errors
    /// Empty, too long, or `*` where that is switched off.
    pub fn starting_tx(&mut self, defaults: &Defaults) -> Result<(&'a [u8], bool), Refusal> {
        let tx = self.any_tx()?;
        let made = tx == b"*";
        if made && !defaults.allow_auto_tx {
            return Err(Refusal::fixed(
                "ERR tx * is off here (allow-auto-tx no); choose an id and keep it for retries",
            ));
        }
        Ok((tx, made))
    }

    fn any_tx(&mut self) -> Result<&'a [u8], Refusal> {
        let tx = self.word()?;
        if tx.is_empty() {
            return Err(Refusal::fixed("ERR tx is empty"));
        }
        at_most(tx, TX_LEN_MAX, "ERR tx is longer than 64 bytes")
    }

    /// Credits to move or hold, `1..=CREDITS_MAX`.
    ///
    /// # Errors
    /// Anything but a canonical whole number in range.
    pub fn amount(&mut self) -> Result<u64, Refusal> {
        const RULE: Refusal = Refusal::fixed(
            "ERR amount must be a whole number from 1 to 9007199254740991, without sign or leading zero",
        );
        whole(self.word()?, 1, CREDITS_MAX).ok_or(RULE)
    }

    /// The value of CAPTURE's AMOUNT.
    ///
    /// # Errors
    /// As [`Self::amount`].
    pub fn captured_amount(&mut self) -> Result<u64, Refusal> {
        const RULE: Refusal = Refusal::fixed(
            "ERR AMOUNT must be a whole number from 1 to 9007199254740991, without sign or leading zero; \
             to take nothing use CREDIT.RELEASE",
        );
        whole(self.word()?, 1, CREDITS_MAX).ok_or(RULE)
    }

    /// The value of REFUND's AMOUNT.
    ///
    /// # Errors
    /// As [`Self::amount`].
    pub fn refunded_amount(&mut self) -> Result<u64, Refusal> {
        const RULE: Refusal = Refusal::fixed(
            "ERR AMOUNT must be a whole number from 1 to 9007199254740991, without sign or leading zero; \
             to refund all that is left leave it out",
        );
        whole(self.word()?, 1, CREDITS_MAX).ok_or(RULE)
    }

    /// Credits that a claim costs, `0..=CREDITS_MAX`.
    ///
    /// # Errors
    /// Anything but a canonical whole number in range.
    pub fn cost(&mut self) -> Result<u64, Refusal> {
        const RULE: Refusal =
            Refusal::fixed("ERR cost must be a whole number from 0 to 9007199254740991, without sign or leading zero");
        whole(self.word()?, 0, CREDITS_MAX).ok_or(RULE)
    }

    /// Slots of a lead, `1..=MAX_CLAIMS`.
    ///
    /// # Errors
    /// Anything but a canonical whole number in range.
    pub fn max_claims(&mut self) -> Result<u32, Refusal> {
        const RULE: Refusal =
            Refusal::fixed("ERR maxclaims must be a whole number from 1 to 10000, without sign or leading zero");
        Ok(whole(self.word()?, 1, MAX_CLAIMS.into()).ok_or(RULE)? as u32)
    }

    /// The value of FROM, the number of a claim. No lead has so many that a greater number would matter.
    ///
    /// # Errors
    /// Anything but a canonical whole number from 1.
    pub fn claim_number(&mut self) -> Result<u32, Refusal> {
        const RULE: Refusal = Refusal::fixed(
            "ERR FROM must be the number of a claim, a whole number from 1, without sign or leading zero",
        );
        Ok(whole(self.word()?, 1, u64::MAX).ok_or(RULE)?.min(u32::MAX.into()) as u32)
    }

    /// The value of COUNT: how much is shown, `max` at most.
    ///
    /// # Errors
    /// Anything but a canonical whole number from 1.
    pub fn count(&mut self, max: u16) -> Result<u16, Refusal> {
        let count = whole(self.word()?, 1, u64::MAX).ok_or_else(|| {
            Refusal::made(format!(
                "ERR COUNT must be a whole number from 1, without sign or leading zero; above {max} means {max}"
            ))
        })?;
        Ok(count.min(max.into()) as u16)
    }

    /// The value of TTL, milliseconds.
    ///
    /// # Errors
    /// Anything but a canonical whole number in range.
    pub fn ttl_ms(&mut self) -> Result<u64, Refusal> {
        const RULE: Refusal = Refusal::fixed(
            "ERR TTL must be a whole number of milliseconds from 1 to 2592000000 (30 days), \
             without sign or leading zero",
        );
        whole(self.word()?, TTL_MS_MIN, TTL_MS_MAX).ok_or(RULE)
    }

    /// The value of REASON; may be empty, which is none.
    ///
    /// # Errors
    /// Too long.
    pub fn reason(&mut self) -> Result<&'a [u8], Refusal> {
        at_most(self.word()?, REASON_LEN_MAX, "ERR REASON is longer than 64 bytes")
    }

    /// The value of META; may be empty, which is none.
    ///
    /// # Errors
    /// Too long.
    pub fn meta(&mut self) -> Result<&'a [u8], Refusal> {
        at_most(self.word()?, META_LEN_MAX, "ERR META is longer than 1024 bytes")
    }

    /// `[REASON s] [META s]`, where no other option can stand.
    ///
    /// # Errors
    /// Syntax error for anything else; too long.
    #[inline]
    pub fn reason_and_meta(&mut self) -> Result<(&'a [u8], &'a [u8]), Refusal> {
        let (mut reason, mut meta) = (&b""[..], &b""[..]);
        while let Some(option) = self.option(&["REASON", "META"])? {
            match option {
                "REASON" => reason = self.reason()?,
                _ => meta = self.meta()?,
            }
        }
        Ok((reason, meta))
    }
}

/// The canonical decimal number `word` if it lies in `min..=max`: digits only, no leading zero.
pub fn whole(word: &[u8], min: u64, max: u64) -> Option<u64> {
    if word.is_empty() || word.len() > 20 || (word[0] == b'0' && word.len() > 1) {
        return None;
    }
    let value = word.iter().try_fold(0_u64, |value, byte| {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 { None } else { value.checked_mul(10)?.checked_add(u64::from(digit)) }
    })?;
    (min..=max).contains(&value).then_some(value)
}

/// The canonical decimal number `word`, which may be below zero: where Redis takes any number.
pub fn signed(word: &[u8]) -> Option<i64> {
    match word {
        [b'-', digits @ ..] => whole(digits, 1, i64::MAX as u64).map(|value| -(value as i64)),
        digits => whole(digits, 0, i64::MAX as u64).map(|value| value as i64),
    }
}

/// The id of an entry, `<ms>` or `<ms>-<seq>`; `seq`: where none is given.
pub fn entry_id(word: &[u8], seq: u64) -> Option<EntryId> {
    let number = |word| whole(word, 0, u64::MAX);
    match word.iter().position(|&byte| byte == b'-') {
        None => Some(EntryId { time_ms: number(word)?, seq }),
        Some(dash) => Some(EntryId { time_ms: number(&word[..dash])?, seq: number(&word[dash + 1..])? }),
    }
}

fn at_most<'a>(word: &'a [u8], len_max: usize, text: &'static str) -> Result<&'a [u8], Refusal> {
    if word.len() <= len_max { Ok(word) } else { Err(Refusal::fixed(text)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_numbers_are_canonical_and_in_range() {
        for (word, expected) in [
            ("0", Some(0)),
            ("7", Some(7)),
            ("9007199254740991", Some(CREDITS_MAX)),
            ("18446744073709551615", Some(u64::MAX)),
            ("18446744073709551616", None),
            ("99999999999999999999", None),
            ("100000000000000000000", None),
            ("", None),
            ("00", None),
            ("05", None),
            ("+5", None),
            ("-1", None),
            ("-0", None),
            ("1.5", None),
            ("1e3", None),
            (" 1", None),
            ("1 ", None),
            ("0x1", None),
            ("\u{661}", None),
        ] {
            assert_eq!(whole(word.as_bytes(), 0, u64::MAX), expected, "{word:?}");
        }
        for (word, expected) in [
            ("0", Some(0)),
            ("-1", Some(-1)),
            ("9223372036854775807", Some(i64::MAX)),
            ("9223372036854775808", None),
            ("-0", None),
            ("-", None),
            ("--1", None),
            ("+1", None),
            ("01", None),
            ("", None),
        ] {
            assert_eq!(signed(word.as_bytes()), expected, "{word:?}");
        }
        assert_eq!((whole(b"0", 1, 9), whole(b"9", 1, 9), whole(b"10", 1, 9)), (None, Some(9), None));
    }
}
