//! Texts to values and back: numbers, sizes, durations, words.

use std::net::IpAddr;
use std::path::PathBuf;

use super::knobs::{Kind, PASSWORD_LEN_MAX};
use super::secret::Secret;

/// A parsed value of a knob.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// A count, bytes or microseconds, by the knob's [`Kind`].
    Number(u64),
    /// A duration without end.
    Forever,
    /// yes or no.
    Switch(bool),
    /// One word of the knob's list.
    Word(&'static str),
    /// At least one address.
    Addresses(Vec<IpAddr>),
    /// A path; empty = none.
    Path(PathBuf),
    /// A password, if one is set.
    Secret(Option<Secret>),
}

const SIZE_UNITS: &[(&str, u64)] = &[
    ("gib", 1 << 30),
    ("gb", 1 << 30),
    ("mib", 1 << 20),
    ("mb", 1 << 20),
    ("kib", 1 << 10),
    ("kb", 1 << 10),
    ("b", 1),
];

/// In microseconds. Longest suffix first, so that `ms` is not read as `s`.
const DURATION_UNITS: &[(&str, u64)] =
    &[("us", 1), ("ms", 1_000), ("d", 86_400_000_000), ("h", 3_600_000_000), ("m", 60_000_000), ("s", 1_000_000)];

impl Value {
    /// Reads `text` as `kind`; `None` if it is none or out of range. [`expected`] says what would be one.
    pub(super) fn parse(kind: Kind, text: &str) -> Option<Self> {
        // A password may begin or end with a space on purpose.
        let text = if kind == Kind::Secret { text } else { text.trim() };
        match kind {
            Kind::Count { min, max } => within(whole(text)?, min, max).map(Self::Number),
            Kind::CountOrAuto { max, power_of_two } => {
                let n = if text.eq_ignore_ascii_case("auto") { 0 } else { whole(text)? };
                (n <= max && (n == 0 || !power_of_two || n.is_power_of_two())).then_some(Self::Number(n))
            }
            Kind::Size { min, max, step } => {
                let bytes = within(with_unit(text, SIZE_UNITS, 1)?, min, max)?;
                bytes.is_multiple_of(step).then_some(Self::Number(bytes))
            }
            Kind::SizeOrAuto { .. } if text.eq_ignore_ascii_case("auto") => Some(Self::Number(0)),
            Kind::SizeOrAuto { min, max } => Self::parse(Kind::Size { min, max, step: 1 }, text),
            Kind::Duration { forever: true, .. } if text.eq_ignore_ascii_case("forever") => Some(Self::Forever),
            Kind::Duration { min_us, max_us, bare_us, .. } => {
                within(with_unit(text, DURATION_UNITS, bare_us)?, min_us, max_us).map(Self::Number)
            }
            Kind::Port { zero } => match text.to_ascii_lowercase().as_str() {
                "any" => Some(Self::Word("any")),
                "off" => Some(Self::Word("off")),
                digits => match within(whole(digits)?, 0, u64::from(u16::MAX))? {
                    0 => Some(Self::Word(zero)),
                    port => Some(Self::Number(port)),
                },
            },
            Kind::Switch => match text.to_ascii_lowercase().as_str() {
                "yes" | "true" | "on" | "1" => Some(Self::Switch(true)),
                "no" | "false" | "off" | "0" => Some(Self::Switch(false)),
                _ => None,
            },
            Kind::Choice(words) => words.iter().find(|word| word.eq_ignore_ascii_case(text)).map(|w| Self::Word(w)),
            Kind::Addresses => addresses(text).map(Self::Addresses),
            Kind::Directory => (!text.is_empty()).then(|| Self::Path(text.into())),
            Kind::Path | Kind::File => Some(Self::Path(text.into())),
            Kind::Secret if text.len() > PASSWORD_LEN_MAX => None,
            Kind::Secret => Some(Self::Secret((!text.is_empty()).then(|| Secret::new(text)))),
        }
    }

    /// The value in the words of the knob, as `config explain` and CONFIG GET show it. Secrets stay hidden.
    pub fn display(&self, kind: Kind) -> String {
        match self {
            Self::Number(n) => match kind {
                Kind::CountOrAuto { .. } | Kind::SizeOrAuto { .. } if *n == 0 => "auto".into(),
                Kind::Size { .. } | Kind::SizeOrAuto { .. } => {
                    shortest(*n, &[("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)], "")
                }
                Kind::Duration { .. } => shortest(
                    *n,
                    &[("d", 86_400_000_000), ("h", 3_600_000_000), ("m", 60_000_000), ("s", 1_000_000), ("ms", 1_000)],
                    "us",
                ),
                _ => n.to_string(),
            },
            Self::Forever => "forever".into(),
            Self::Switch(on) => if *on { "yes" } else { "no" }.into(),
            Self::Word(word) => (*word).into(),
            Self::Addresses(list) => list.iter().map(IpAddr::to_string).collect::<Vec<_>>().join(" "),
            Self::Path(path) => path.display().to_string(),
            Self::Secret(secret) => if secret.is_some() { "(set)" } else { "" }.into(),
        }
    }
}

/// What a value of `kind` looks like, for error texts: "give ...".
pub(super) fn expected(kind: Kind) -> String {
    let show = |n: u64| Value::Number(n).display(kind);
    match kind {
        Kind::Count { min, max } => format!("a whole number from {min} to {max}"),
        Kind::CountOrAuto { max, power_of_two: false } => format!("a whole number from 1 to {max}, or auto"),
        Kind::CountOrAuto { max, power_of_two: true } => format!("a power of two from 1 to {max}, or auto"),
        Kind::Size { min, max, step: 1 } => format!("a size from {} to {}", show(min), show(max)),
        Kind::SizeOrAuto { min, max } => format!("a size from {} to {}, or auto", show(min), show(max)),
        Kind::Size { min, max, step } => {
            format!("a size from {} to {}, a multiple of {}, such as 64MiB", show(min), show(max), show(step))
        }
        Kind::Duration { min_us, max_us, forever, .. } => {
            let or = if forever { ", or forever" } else { "" };
            format!("a duration from {} to {}, such as 90s, 5m or 24h{or}", show(min_us), show(max_us))
        }
        Kind::Port { zero } => format!("a port from 1 to 65535, any (a free one), off, or 0 (= {zero})"),
        Kind::Switch => "yes or no".into(),
        Kind::Choice(words) => words.join(" or "),
        Kind::Addresses => "IP addresses separated by commas, such as 127.0.0.1,::1".into(),
        Kind::Directory => "the path of a directory".into(),
        Kind::Path | Kind::File => "the path of a file".into(),
        Kind::Secret => format!("at most {PASSWORD_LEN_MAX} bytes"),
    }
}

fn within(n: u64, min: u64, max: u64) -> Option<u64> {
    (min..=max).contains(&n).then_some(n)
}

/// Digits and nothing else: no sign, no point. Underscores group, as in TOML.
fn whole(text: &str) -> Option<u64> {
    let digits = text.replace('_', "");
    (!digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit())).then_some(())?;
    digits.parse().ok()
}

/// A whole number with one of `units` behind it, or without one.
fn with_unit(text: &str, units: &[(&str, u64)], bare: u64) -> Option<u64> {
    let text = text.to_ascii_lowercase();
    for (unit, factor) in units {
        if let Some(number) = text.strip_suffix(unit) {
            return whole(number.trim_end())?.checked_mul(*factor);
        }
    }
    whole(&text)?.checked_mul(bare)
}

/// `n` in the largest of `units` (largest first) that divides it; 0 and the rest in `base`.
fn shortest(n: u64, units: &[(&str, u64)], base: &str) -> String {
    let unit = units.iter().find(|(_, factor)| n > 0 && n.is_multiple_of(*factor));
    match unit {
        Some((unit, factor)) => format!("{}{unit}", n / factor),
        None if n == 0 => "0".into(),
        None => format!("{n}{base}"),
    }
}

fn addresses(text: &str) -> Option<Vec<IpAddr>> {
    let words = text.split([',', ' ']).filter(|word| !word.is_empty());
    let list = words.map(|word| word.parse().ok()).collect::<Option<Vec<IpAddr>>>()?;
    (!list.is_empty()).then_some(list)
}
