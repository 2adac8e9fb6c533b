//! A scraper: one request to the admin port, and what OpenMetrics makes of the answer.

use std::collections::{BTreeMap, BTreeSet};

use crate::wire::Wire;

/// An answer of the admin port.
pub struct Page {
    /// 200 and so on; 0: no answer.
    pub status: u16,
    /// Lower case, a line each.
    pub head: String,
    pub body: String,
}

/// Asks for `path` with these lines of the head more, each with its CRLF.
pub fn get(port: u16, path: &str, lines: &str) -> Page {
    answer(port, format!("GET {path} HTTP/1.1\r\nHost: creditd\r\n{lines}\r\n").as_bytes())
}

/// What comes back for these bytes.
pub fn answer(port: u16, request: &[u8]) -> Page {
    let mut wire = Wire::connect(port);
    let _ = wire.try_send(request); // it may be refused before its end
    let text = String::from_utf8(wire.rest()).expect("answers are text");
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let status = head.split(' ').nth(1).map_or(0, |status| status.parse().expect("a status"));
    Page { status, head: head.to_ascii_lowercase(), body: body.to_owned() }
}

/// The samples of /metrics, by name and labels as they stand there.
pub fn scrape(port: u16) -> BTreeMap<String, f64> {
    let page = get(port, "/metrics", "");
    assert_eq!(page.status, 200, "{}", page.body);
    samples(&page.body)
}

/// The sample of this name and these labels.
#[track_caller]
pub fn sample(samples: &BTreeMap<String, f64>, key: &str) -> f64 {
    *samples.get(key).unwrap_or_else(|| panic!("no {key} in {samples:#?}"))
}

/// Reads an exposition, strictly: each line is of OpenMetrics 1.0 and stands where it may.
pub fn samples(text: &str) -> BTreeMap<String, f64> {
    let lines = text.strip_suffix("# EOF\n").expect("it ends with # EOF");
    assert!(lines.ends_with('\n') && !lines.contains("\n\n") && !lines.contains('\r'), "whole lines");
    let mut all = BTreeMap::new();
    let (mut families, mut family, mut kind) = (BTreeSet::new(), "", "");
    for line in lines.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            (family, _) = rest.split_once(' ').expect("a name and a sentence");
            assert!(is_name(family) && families.insert(family), "{line}: one family a name");
            kind = "";
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, of) = rest.split_once(' ').expect("a name and a type");
            assert!(name == family && kind.is_empty(), "{line}");
            assert!(["counter", "gauge", "histogram", "info"].contains(&of), "{line}");
            kind = of;
        } else if let Some(rest) = line.strip_prefix("# UNIT ") {
            let (name, unit) = rest.split_once(' ').expect("a name and a unit");
            assert!(name == family && name.ends_with(&format!("_{unit}")), "{line}");
        } else {
            let (key, value) = line.rsplit_once(' ').expect("a sample and its value");
            let value: f64 = value.parse().unwrap_or_else(|_| panic!("{line}: no number"));
            check_sample(family, kind, key, value);
            assert!(all.insert(key.to_owned(), value).is_none(), "{line}: stands once");
        }
    }
    check_histograms(&all);
    all
}

/// Whether a sample may stand below its family.
fn check_sample(family: &str, kind: &str, key: &str, value: f64) {
    let (name, labels) = key.split_once('{').map_or((key, ""), |(name, rest)| (name, rest));
    let suffixes: &[&str] = match kind {
        "counter" => &["_total"],
        "histogram" => &["_sum", "_count", "_bucket"],
        "info" => &["_info"],
        _ => &[""],
    };
    assert!(name.strip_prefix(family).is_some_and(|suffix| suffixes.contains(&suffix)), "{key} below {kind} {family}");
    assert!(value.is_finite() && value >= 0.0, "{key} {value}");
    if !labels.is_empty() {
        let labels = labels.strip_suffix('}').unwrap_or_else(|| panic!("{key}: labels end"));
        for label in labels.split(',') {
            let (name, value) = label.split_once('=').unwrap_or_else(|| panic!("{key}: a label and its value"));
            let value = value.strip_prefix('"').and_then(|value| value.strip_suffix('"'));
            let is_word = |value: &str| value.bytes().all(|b| b.is_ascii_alphanumeric() || b"._+-".contains(&b));
            assert!(is_name(name) && value.is_some_and(|value| !value.is_empty() && is_word(value)), "{key}: {label}");
        }
    }
}

/// Buckets never fall, and the last one has everything.
fn check_histograms(all: &BTreeMap<String, f64>) {
    let mut of_series: BTreeMap<(&str, &str), Vec<(f64, f64)>> = BTreeMap::new();
    for (key, count) in all {
        let Some((name, rest)) = key.split_once("_bucket{le=\"") else { continue };
        let (bound, labels) = rest.split_once("\",").expect("other labels follow");
        let bound = if bound == "+Inf" { f64::INFINITY } else { bound.parse().expect("a bound") };
        of_series.entry((name, labels)).or_default().push((bound, *count));
    }
    assert!(!of_series.is_empty(), "there are histograms");
    for ((name, labels), mut buckets) in of_series {
        buckets.sort_by(|a, b| a.0.total_cmp(&b.0));
        assert!(buckets.is_sorted_by(|a, b| a.1 <= b.1), "{name}{{{labels} {buckets:?}");
        let last = buckets.last().expect("there is one");
        assert_eq!(*last, (f64::INFINITY, sample(all, &format!("{name}_count{{{labels}"))), "{name}{{{labels}");
    }
}

fn is_name(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_') && !text.is_empty()
}
