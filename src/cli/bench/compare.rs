//! Two reports beside each other: what differs in the set-up, and the ratios of the figures.

use std::fs;
use std::path::Path;

use serde_json::Value;

use super::report::{Report, Run};

/// A figure of a run with its name.
type Figure = (&'static str, fn(&Run) -> Option<f64>);

const FIGURES: [Figure; 9] = [
    ("ops/s", |run| Some(run.ops_per_s)),
    ("success %", |run| Some(run.success_percent)),
    ("p50 us", |run| Some(run.all().p50_us)),
    ("p90 us", |run| Some(run.all().p90_us)),
    ("p99 us", |run| Some(run.all().p99_us)),
    ("p99.9 us", |run| Some(run.all().p999_us)),
    ("p99.99 us", |run| Some(run.all().p9999_us)),
    ("max us", |run| Some(run.all().max_us)),
    ("server CPU us/op", |run| run.server_cpu_us_per_op),
];

/// The table of the reports in two files.
pub(super) fn compare(a: &Path, b: &Path) -> Result<String, String> {
    let read = |path: &Path| {
        let text = fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
        serde_json::from_str::<Report>(&text).map_err(|error| format!("{}: no report: {error}", path.display()))
    };
    Ok(table(&read(a)?, &read(b)?))
}

fn table(a: &Report, b: &Report) -> String {
    let setup = |report: &Report| serde_json::to_value(&report.setup).expect("a set-up is JSON");
    let mut text = String::new();
    differences("", &setup(a), &setup(b), &mut text);
    if text.is_empty() {
        text = "the same set-up\n".to_owned();
    }
    for (a, b) in a.runs.iter().zip(&b.runs) {
        text += &format!("\n{:<18} {:>14} {:>14} {:>8}\n", "", "a", "b", "b / a");
        for (name, figure) in [("offered ops/s", (|run| run.rate) as fn(&Run) -> Option<f64>)].iter().chain(&FIGURES) {
            if let (Some(a), Some(b)) = (figure(a), figure(b)) {
                text += &format!("{name:<18} {a:>14.2} {b:>14.2} {:>8.2}\n", b / a);
            }
        }
        let (a, b) = (a.steal_percent, b.steal_percent);
        text += &format!("{:<18} {a:>14.2} {b:>14.2}\n", "steal %");
    }
    if a.runs.len() != b.runs.len() {
        text += &format!("\na has {} runs, b has {}: the others are left out\n", a.runs.len(), b.runs.len());
    }
    for (name, report) in [("a", a), ("b", b)] {
        if !report.check.ok {
            text += &format!("\n{name}: THE BOOKS DID NOT BALANCE, its figures mean nothing\n");
        }
    }
    text
}

/// Lines for everything in which two set-ups differ.
fn differences(name: &str, a: &Value, b: &Value, text: &mut String) {
    let (Value::Object(of_a), Value::Object(of_b)) = (a, b) else {
        if a != b {
            *text += &format!("{name}: {a} in a, {b} in b\n");
        }
        return;
    };
    let only_in_b = of_b.keys().filter(|key| !of_a.contains_key(*key));
    for key in of_a.keys().chain(only_in_b) {
        let name = if name.is_empty() { key.clone() } else { format!("{name}.{key}") };
        let value = |of: &serde_json::Map<String, Value>| of.get(key).cloned().unwrap_or(Value::Null);
        differences(&name, &value(of_a), &value(of_b), text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_is_named() {
        let a = serde_json::json!({ "pipeline": 1, "server": { "cores": "1", "shards": "2" } });
        let b = serde_json::json!({ "pipeline": 1, "server": { "cores": "2", "redis_version": "7" } });
        let mut text = String::new();
        differences("", &a, &b, &mut text);
        let expected = "server.cores: \"1\" in a, \"2\" in b\n\
                        server.shards: \"2\" in a, null in b\n\
                        server.redis_version: null in a, \"7\" in b\n";
        assert_eq!(text, expected);
    }
}
