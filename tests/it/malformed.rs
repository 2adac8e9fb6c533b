//! Requests that are none: right ones of every command, spoiled in every way that a seeded generator knows.
//!
//! None may be executed, not even in part: wherever an account is named it is [`FUNDED`], and each would change it were
//! it taken for the request that it was made of.

use std::collections::BTreeSet;

use creditd::commands::table;

use crate::chance::{self, Chance};
use crate::wire::{encode, request};

/// The account that all of them are after.
pub const FUNDED: &str = "funded";

/// What becomes of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fate {
    /// Never complete: no reply.
    Half,
    /// An error, and the connection goes on.
    Refused,
    /// The stream is lost: an error or nothing, and the end. What comes behind it is not executed.
    Broken,
}

/// Numbers that are none.
const NUMBERS: &[&str] = &[
    "",
    "+1",
    "01",
    " 1",
    "1 ",
    "1.0",
    "1e3",
    "0x10",
    "1234567890123456789012345",
    "ten",
    "1\0",
    "\u{ff}",
    "--1",
    "1,0",
    "١",
];

/// Requests whose frame is right and whose words are not; `?` is any of [`NUMBERS`].
const WRONG_WORDS: &str = include_str!("malformed.txt");

/// What the lengths of a header may not be.
const LENGTHS: &[&str] = &[
    "",
    "+1",
    "01",
    "-0",
    "--1",
    " 1",
    "1 ",
    "1x",
    "x",
    "0x1",
    "1e1",
    "1.0",
    "2147483648",
    "4294967296",
    "1048577",
    "9223372036854775807",
    "18446744073709551616",
    "1234567890123456789012345",
    "0000000000000000000000000",
];

/// What stands before an argument instead of `$`: the types of both protocols and what never was one.
const TYPES: &[u8] = b"*:+-%~_#,(=!|>^&;'\" \0\r\n\x1b\x7f\x80\xff0aZ";

/// Lines of other protocols, and lines whose quotes do not close.
const LINES: &[&str] = &[
    "GET / HTTP/1.1",
    "PUT /x HTTP/1.0",
    "OPTIONS * HTTP/1.1",
    "POST / HTTP/1.1",
    "post",
    "Host: localhost",
    "PRI * HTTP/2.0",
    "PING \"half",
    "PING 'half",
    "PING \"a\"b",
    "PING 'a'b",
    "PING \"\\",
    "PING a\"b",
    "'PING",
    "\"PING\\\"",
];

/// All of them, none twice.
pub fn inputs(seed: u64) -> BTreeSet<(Vec<u8>, Fate)> {
    let mut chance = Chance::new(seed);
    let mut found = BTreeSet::new();
    for words in commands() {
        let words: Vec<&[u8]> = words.iter().map(|word| word.as_bytes()).collect();
        spoil_the_frame(&words, &mut chance, &mut found);
        spoil_the_words(&words, &mut found);
    }
    for line in WRONG_WORDS.lines() {
        for number in if line.contains('?') { NUMBERS } else { &[""] } {
            let words: Vec<_> =
                line.split(' ').map(|word| if word == "?" { number } else { word }.as_bytes()).collect();
            found.insert((encode(&words), Fate::Refused));
        }
    }
    for line in LINES {
        found.insert((behind(format!("{line}\r\n").into_bytes()), Fate::Broken));
    }
    for first in (0..=u8::MAX).filter(|first| !first.is_ascii_alphabetic() && !b"*\"' \t\r\n".contains(first)) {
        for len in [0, 2, 30, 300] {
            let noise = (0..len).map(|_| chance.below(256) as u8);
            found.insert((behind([first].into_iter().chain(noise).collect()), Fate::Broken));
        }
    }
    for depth in [2, 3, 1_000, 30_000] {
        found.insert((b"*1\r\n".repeat(depth), Fate::Broken));
    }
    for version in 0..=4 {
        found.insert((vec![0x16, 3, version, 2, 0, 1, 0, 1, 0xfc, 3, 3], Fate::Broken)); // the hello of a client of TLS
    }
    found
}

/// A request of every command and subcommand, as short as it may be.
fn commands() -> Vec<Vec<String>> {
    let mut made = Vec::new();
    for (ordinal, spec) in table::entries() {
        let mut words: Vec<String> = spec.name.to_ascii_uppercase().split('|').map(str::to_owned).collect();
        while words.len() < spec.arity.unsigned_abs() as usize {
            words.push(match words.len() {
                1 => FUNDED.to_owned(),
                2 => format!("t{ordinal}"),
                _ => "1".to_owned(),
            });
        }
        made.push(words);
    }
    made
}

/// A few requests of which this one stands in the middle; the one behind it would be seen.
fn behind(broken: Vec<u8>) -> Vec<u8> {
    [request("PING"), broken, request(&format!("CREDIT.DEBIT {FUNDED} behind 1"))].concat()
}

fn spoil_the_frame(words: &[&[u8]], chance: &mut Chance, found: &mut BTreeSet<(Vec<u8>, Fate)>) {
    let whole = encode(words);
    let is_own = words[0].starts_with(b"CREDIT.") || words[0].starts_with(b"LEAD.");
    for cut in 1..whole.len() {
        // Of those that change something, at every byte.
        if is_own || chance.below(8) == 0 {
            found.insert((whole[..cut].to_vec(), Fate::Half));
        }
    }
    let mut broken = |bytes: Vec<u8>| found.insert((behind(bytes), Fate::Broken));
    let headed = |count: &str, rest: &[u8]| [format!("*{count}\r\n").as_bytes(), rest].concat();
    let (arguments, at) = (&whole[4..], chance.below(words.len() as u64) as usize);
    let (before, after) = (encode(&words[..at])[4..].to_vec(), encode(&words[at + 1..])[4..].to_vec());
    let count = words.len();
    // An argument of this header and these bytes instead of the right one.
    let with = |argument: &[u8]| headed(&count.to_string(), &[&before, argument, &after].concat());
    let (word, len) = (words[at], words[at].len());

    broken(headed(chance::of(chance, LENGTHS), arguments));
    if !has_subcommands(words) {
        broken(headed(&(count - 1).to_string(), arguments)); // fewer words than any request of it has
    }
    broken(headed(&(count + 1).to_string(), arguments));
    for length in
        [(len + 1).to_string(), (len - 1).to_string(), format!("0{len}"), format!("-{len}"), format!("+{len}")]
    {
        broken(with(&[format!("${length}\r\n").as_bytes(), word, b"\r\n"].concat()));
    }
    for _ in 0..3 {
        let (length, kind) = (chance::of(chance, LENGTHS), chance::of(chance, TYPES));
        broken(with(&[format!("${length}\r\n").as_bytes(), word, b"\r\n"].concat()));
        broken(with(&[&[kind][..], format!("{len}\r\n").as_bytes(), word, b"\r\n"].concat()));
    }
    for (head_end, end) in
        [("", "\r\n"), ("\n", "\r\n"), ("\r\r", "\r\n"), ("\r\n", ""), ("\r\n", "\n\r"), ("\r\n", "xx")]
    {
        broken(with(&[format!("${len}{head_end}").as_bytes(), word, end.as_bytes()].concat()));
    }
    broken(with(&whole));
    let noise: Vec<u8> = (0..40).map(|_| 0x80 | chance.below(128) as u8).collect();
    broken(with(&noise));
    // The same as a line: a quote opens and does not close.
    let line = words.join(&b' ');
    for quote in ["\"", "'", "\"\\\"", "'\\'", "\"a\"b", "''''"] {
        broken([&line, &b" "[..], quote.as_bytes(), b"\r\n"].concat());
    }
}

fn has_subcommands(words: &[&[u8]]) -> bool {
    table::find(words[0]).is_some_and(|spec| !spec.subcommands.is_empty())
}

fn spoil_the_words(words: &[&[u8]], found: &mut BTreeSet<(Vec<u8>, Fate)>) {
    let mut refused = |words: &[&[u8]]| found.insert((encode(words), Fate::Refused));
    if words.len() > 1 && !has_subcommands(words) {
        refused(&words[..words.len() - 1]);
    }
    if table::find(words[0]).is_some_and(|spec| spec.arity > 0) {
        refused(&[words, &[b"more"]].concat());
    }
    let unknown = [words[0], b"x"].concat();
    refused(&[&[&unknown[..]], &words[1..]].concat());
    if words.len() > 2 && words[0].starts_with(b"CREDIT.") {
        for wrong in [&b""[..], &[b'x'; 129]] {
            refused(&[&words[..1], &[wrong], &words[2..]].concat());
            refused(&[&words[..2], &[wrong], &words[3..]].concat());
        }
    }
}
