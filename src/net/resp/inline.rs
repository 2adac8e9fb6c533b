//! Inline requests: a line typed at telnet, split into words by the rules of Redis' `sdssplitargs`.
//!
//! Words stand between blanks. `"..."` knows `\n \r \t \a \b \xHH` and takes other escaped letters as they are;
//! `'...'` knows `\'`. A quote may open inside of a word; after the closing one the word ends.

use super::{Limits, ProtocolError};
use crate::commands::arguments::Span;

/// Splits `line` (without its `\n`) into words: bytes go to `unquoted`, places to `spans`.
///
/// # Errors
/// Unbalanced quotes; too many or too long words.
pub(super) fn split(
    line: &[u8],
    limits: &Limits,
    unquoted: &mut Vec<u8>,
    spans: &mut Vec<Span>,
) -> Result<(), ProtocolError> {
    let mut rest = line.trim_ascii_start();
    while !rest.is_empty() {
        let start = unquoted.len();
        rest = word(rest, unquoted)?.trim_ascii_start();
        spans.push(Span::new(start, unquoted.len()));
        if spans.len() > limits.args_max {
            return Err(if limits.authenticated {
                ProtocolError::TooBigInlineRequest
            } else {
                ProtocolError::UnauthenticatedMultibulkLength
            });
        }
        if unquoted.len() - start > limits.bulk_len_max {
            return Err(if limits.authenticated {
                ProtocolError::TooBigInlineRequest
            } else {
                ProtocolError::UnauthenticatedBulkLength
            });
        }
    }
    Ok(())
}

/// Appends the first word of `text` and returns what follows it.
fn word<'t>(text: &'t [u8], unquoted: &mut Vec<u8>) -> Result<&'t [u8], ProtocolError> {
    let mut at = 0;
    while let Some(&byte) = text.get(at) {
        match byte {
            _ if is_blank(byte) => break,
            b'"' | b'\'' => {
                let after = if byte == b'"' { double_quoted } else { single_quoted }(&text[at + 1..], unquoted)?;
                return match after.first() {
                    Some(&next) if !is_blank(next) => Err(ProtocolError::UnbalancedQuotes),
                    _ => Ok(after),
                };
            }
            _ => unquoted.push(byte),
        }
        at += 1;
    }
    Ok(&text[at..])
}

fn double_quoted<'t>(mut text: &'t [u8], unquoted: &mut Vec<u8>) -> Result<&'t [u8], ProtocolError> {
    loop {
        match text {
            [] => return Err(ProtocolError::UnbalancedQuotes),
            [b'"', rest @ ..] => return Ok(rest),
            [b'\\', b'x', high, low, rest @ ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                unquoted.push(nibble(*high) << 4 | nibble(*low));
                text = rest;
            }
            [b'\\', escaped, rest @ ..] => {
                unquoted.push(match escaped {
                    b'n' => b'\n',
                    b'r' => b'\r',
                    b't' => b'\t',
                    b'b' => 0x08,
                    b'a' => 0x07,
                    other => *other,
                });
                text = rest;
            }
            [byte, rest @ ..] => {
                unquoted.push(*byte);
                text = rest;
            }
        }
    }
}

fn single_quoted<'t>(mut text: &'t [u8], unquoted: &mut Vec<u8>) -> Result<&'t [u8], ProtocolError> {
    loop {
        let (byte, rest) = match text {
            [] => return Err(ProtocolError::UnbalancedQuotes),
            [b'\'', rest @ ..] => return Ok(rest),
            [b'\\', b'\'', rest @ ..] => (b'\'', rest),
            [byte, rest @ ..] => (*byte, rest),
        };
        unquoted.push(byte);
        text = rest;
    }
}

/// The blanks of `u8::trim_ascii`, so that a trimmed word is never empty; C's `isspace` has vertical tab too.
fn is_blank(byte: u8) -> bool {
    byte.is_ascii_whitespace()
}

fn nibble(hex: u8) -> u8 {
    match hex {
        b'0'..=b'9' => hex - b'0',
        _ => (hex | 0x20) - b'a' + 10,
    }
}
