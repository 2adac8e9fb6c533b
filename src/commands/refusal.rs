//! A request that is not executed: the reply's text, code word first.
//!
//! Texts name the argument, the rule and the way out. Those that repeat a client's bytes are neutralised, so that no
//! reply can be forged (CR, LF) and no terminal be played with.

use std::borrow::Cow;

use super::arguments::Arguments;

/// The text of an error reply, without `-` and CRLF. One printable line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal(Cow<'static, str>);

/// How much of a client's words an error repeats, bytes, as in Redis.
const ECHO_LEN_MAX: usize = 128;

impl Refusal {
    /// Grammar that needs no more words: an unknown option, one given twice, one without its value.
    pub const SYNTAX: Self = Self::fixed("ERR syntax error");

    /// A text known at build time.
    pub const fn fixed(text: &'static str) -> Self {
        Self(Cow::Borrowed(text))
    }

    /// A text made now, of printable characters.
    pub fn made(text: String) -> Self {
        assert!(text.bytes().all(|byte| (b' '..=b'~').contains(&byte)), "unprintable error text {text:?}");
        Self(Cow::Owned(text))
    }

    /// No such command; repeats the name and the first arguments as Redis does.
    pub fn unknown_command(arguments: Arguments<'_>) -> Self {
        let mut words = String::new();
        for word in arguments.skip(1).iter() {
            if words.len() >= ECHO_LEN_MAX {
                break;
            }
            words.push_str(&format!("'{}' ", printable(word, ECHO_LEN_MAX - words.len())));
        }
        let name = printable(arguments.get(0).unwrap_or_default(), ECHO_LEN_MAX);
        Self::made(format!("ERR unknown command '{name}', with args beginning with: {words}"))
    }

    /// No such subcommand of `container` (lower case).
    pub fn unknown_subcommand(container: &str, word: &[u8]) -> Self {
        let (word, container) = (printable(word, ECHO_LEN_MAX), container.to_ascii_uppercase());
        Self::made(format!("ERR unknown subcommand '{word}'. Try {container} HELP."))
    }

    /// Too few or too many arguments for `name` (lower case, `container|sub`).
    pub fn wrong_arity(name: &str) -> Self {
        Self::made(format!("ERR wrong number of arguments for '{name}' command"))
    }

    /// The whole text, code word first.
    pub fn text(&self) -> &str {
        &self.0
    }
}

/// The first `len_max` bytes of a client's `word`, one character each: as in Redis line breaks are spaces; what else
/// is not printable ASCII is `?`.
pub fn printable(word: &[u8], len_max: usize) -> String {
    word.iter()
        .take(len_max)
        .map(|&byte| match byte {
            b'\r' | b'\n' => ' ',
            b' '..=b'~' => char::from(byte),
            _ => '?',
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::arguments::OwnedArguments;

    fn unknown(words: &[&[u8]]) -> String {
        let owned: OwnedArguments = words.iter().copied().collect();
        Refusal::unknown_command(owned.borrow()).text().to_owned()
    }

    #[test]
    fn unknown_commands_are_repeated_as_redis_does() {
        assert_eq!(unknown(&[b"FOO", b"a", b"b"]), "ERR unknown command 'FOO', with args beginning with: 'a' 'b' ");
        assert_eq!(unknown(&[b""]), "ERR unknown command '', with args beginning with: ");
    }

    #[test]
    fn repeated_bytes_cannot_forge_a_reply() {
        assert_eq!(
            unknown(&[b"X\r\n+OK\r\n", b"\x1b[2J\xff\0"]),
            "ERR unknown command 'X  +OK  ', with args beginning with: '?[2J??' "
        );
    }

    #[test]
    fn repetition_is_bounded() {
        let long = [b'a'; 1000];
        let text = unknown(&[&long, &long, &long]);
        let (name, words) = ("a".repeat(128), "a".repeat(128));
        assert_eq!(text, format!("ERR unknown command '{name}', with args beginning with: '{words}' "));
    }
}
