//! What is told at the end, and kept as JSON.

use std::fmt;

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

use super::check::Check;
use super::machine::Machine;
use super::run::{Measured, Second};
use super::tally::{LATE_NS, Tally};
use super::target::Target;
use super::workload::Workload;

/// Points of a curve of latency by percentile: ten to each nine, five nines.
const CURVE_POINTS: u32 = 50;

/// Everything that was found out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Report {
    pub(super) setup: Setup,
    /// One, or one for each rate of a sweep.
    pub(super) runs: Vec<Run>,
    pub(super) check: Check,
}

/// What was run, against what, on what.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Setup {
    /// creditd's version that ran the test.
    pub(super) version: String,
    pub(super) target: Target,
    pub(super) address: String,
    /// What the server says of itself.
    pub(super) server: std::collections::BTreeMap<String, String>,
    pub(super) workload: Workload,
    pub(super) accounts: u32,
    pub(super) connections: usize,
    pub(super) pipeline: usize,
    pub(super) threads: usize,
    pub(super) seconds: f64,
    pub(super) machine: Machine,
}

/// One run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Run {
    /// Operations a second that were offered; `None`: as many as were answered.
    pub(super) rate: Option<f64>,
    pub(super) elapsed_s: f64,
    pub(super) ops_per_s: f64,
    /// Of all commands that were due: those done, without an error, within [`LATE_NS`].
    pub(super) success_percent: f64,
    /// Commands that were due and never left.
    pub(super) unsent: u64,
    pub(super) reconnects: u64,
    /// The delay of the test itself that 99 % of the commands of an open loop stayed within: part of their latency, and
    /// not the server's.
    pub(super) lag_p99_us: Option<f64>,
    pub(super) client_cpu_us_per_op: f64,
    /// By the server's own account, everything it did meanwhile included; `None`: it does not say.
    pub(super) server_cpu_us_per_op: Option<f64>,
    /// CPU time of this machine that neighbours on the same host had.
    pub(super) steal_percent: f64,
    /// Everything together first, then each kind of command.
    pub(super) summaries: Vec<Summary>,
    pub(super) seconds: Vec<Second>,
}

/// Figures that are known when a run is over and are not the answers'.
pub(super) struct Costs {
    pub(super) client_cpu_us: f64,
    pub(super) server_cpu_us: Option<f64>,
    pub(super) steal_percent: f64,
}

impl Run {
    /// Sums a run up.
    pub(super) fn of(rate: Option<f64>, measured: &Measured, costs: &Costs) -> Self {
        let Measured { answers, seconds, elapsed_s, left } = measured;
        let all = answers.all();
        let asked = all.answers() + left.unanswered + left.unsent;
        let per_op = |us: f64| us / all.answers().max(1) as f64;
        let by_op = answers.by_op().map(|(op, tally)| Summary::of(op.name(), tally));
        Self {
            rate,
            elapsed_s: *elapsed_s,
            ops_per_s: all.answers() as f64 / elapsed_s,
            // What was late may have been an error as well: the worse of both readings.
            success_percent: 100.0 * all.done.saturating_sub(all.late()) as f64 / asked.max(1) as f64,
            unsent: left.unsent,
            reconnects: answers.reconnects,
            lag_p99_us: answers.lag_p99_ns().map(|ns| ns as f64 / 1e3),
            client_cpu_us_per_op: per_op(costs.client_cpu_us),
            server_cpu_us_per_op: costs.server_cpu_us.map(per_op),
            steal_percent: costs.steal_percent,
            summaries: std::iter::once(Summary::of("all", &all)).chain(by_op).collect(),
            seconds: seconds.clone(),
        }
    }

    /// Everything together.
    pub(super) fn all(&self) -> &Summary {
        self.summaries.first().expect("the first one is always there")
    }
}

/// The latencies of one kind of command, in microseconds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Summary {
    pub(super) name: String,
    pub(super) answers: u64,
    pub(super) errors: Vec<(String, u64)>,
    pub(super) p50_us: f64,
    pub(super) p90_us: f64,
    pub(super) p99_us: f64,
    pub(super) p999_us: f64,
    pub(super) p9999_us: f64,
    pub(super) max_us: f64,
    /// (percentile, latency) as far as there are answers enough.
    pub(super) curve: Vec<(f64, f64)>,
}

impl Summary {
    fn of(name: &str, tally: &Tally) -> Self {
        let us = |quantile| tally.latency.value_at_quantile(quantile) as f64 / 1e3;
        let quantiles = (0..=CURVE_POINTS).map(|point| 1.0 - 10f64.powf(-f64::from(point) / 10.0));
        let is_known = |quantile: &f64| (1.0 - quantile) * tally.answers() as f64 >= 1.0;
        Self {
            name: name.to_owned(),
            answers: tally.answers(),
            errors: tally.refused.clone(),
            p50_us: us(0.5),
            p90_us: us(0.9),
            p99_us: us(0.99),
            p999_us: us(0.999),
            p9999_us: us(0.9999),
            max_us: us(1.0),
            curve: quantiles.filter(is_known).map(|quantile| (100.0 * quantile, us(quantile))).collect(),
        }
    }
}

impl fmt::Display for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = ["", "answers", "errors", "p50 ms", "p90", "p99", "p99.9", "p99.99", "max"];
        let [name, answers, errors, latencies @ ..] = names;
        write!(f, "\n{name:<8} {answers:>11} {errors:>8}")?;
        latencies.iter().try_for_each(|name| write!(f, " {name:>9}"))?;
        // With one kind of command the sum says nothing more.
        let shown = if self.summaries.len() == 2 { &self.summaries[1..] } else { &self.summaries };
        for summary in shown {
            let errors: u64 = summary.errors.iter().map(|(_, count)| count).sum();
            write!(f, "\n{:<8} {:>11} {errors:>8}", summary.name, summary.answers)?;
            let Summary { p50_us, p90_us, p99_us, p999_us, p9999_us, max_us, .. } = summary;
            for us in [p50_us, p90_us, p99_us, p999_us, p9999_us, max_us] {
                write!(f, " {:>9.3}", us / 1e3)?;
            }
        }
        writeln!(f, "\n")?;
        for (code, count) in &self.all().errors {
            writeln!(f, "error {code}: {count}")?;
        }
        if self.unsent > 0 {
            writeln!(f, "{} commands were due and found no room until the end", self.unsent)?;
        }
        if self.reconnects > 0 {
            writeln!(f, "{} connections were lost and opened again", self.reconnects)?;
        }
        let (ops_per_s, elapsed_s) = (self.ops_per_s, self.elapsed_s);
        write!(f, "{ops_per_s:.0} ops/s over {elapsed_s:.1} s")?;
        if let Some(rate) = self.rate {
            write!(f, ", {rate:.0} offered, {:.3} % done within {} s", self.success_percent, LATE_NS / 1_000_000_000)?;
        }
        if let Some(us) = self.lag_p99_us {
            write!(f, "; the test itself lagged by up to {:.3} ms (p99)", us / 1e3)?;
        }
        write!(f, "; CPU us/op: client {:.2}", self.client_cpu_us_per_op)?;
        if let Some(us) = self.server_cpu_us_per_op {
            write!(f, ", server {us:.2}")?;
        }
        writeln!(f, "; steal {:.1} %", self.steal_percent)
    }
}

impl fmt::Display for Second {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { at_s, ops_per_s, p50_us, p99_us, errors } = self;
        let (p50_ms, p99_ms) = (p50_us / 1e3, p99_us / 1e3);
        write!(f, "{at_s:>4} s {ops_per_s:>10.0} ops/s   p50 {p50_ms:>8.3} ms   p99 {p99_ms:>8.3} ms")?;
        if *errors > 0 { writeln!(f, "   {errors} errors") } else { writeln!(f) }
    }
}

/// A latency distribution in the text format of HdrHistogram, which its plotters read; milliseconds.
pub(super) fn hgrm(latency: &Histogram<u64>) -> String {
    let mut text = format!("{:>12} {:>14} {:>10} {:>14}\n\n", "Value", "Percentile", "TotalCount", "1/(1-Percentile)");
    let mut count = 0;
    for step in latency.iter_quantiles(5) {
        count += step.count_since_last_iteration();
        let (ms, quantile) = (step.value_iterated_to() as f64 / 1e6, step.quantile_iterated_to());
        text += &format!("{ms:>12.3} {quantile:>2.12} {count:>10}");
        text += &if quantile < 1.0 { format!(" {:>14.2}\n", 1.0 / (1.0 - quantile)) } else { "\n".to_owned() };
    }
    let (mean, deviation) = (latency.mean() / 1e6, latency.stdev() / 1e6);
    text += &format!("#[Mean    = {mean:>12.3}, StdDeviation   = {deviation:>12.3}]\n");
    text += &format!("#[Max     = {:>12.3}, Total count    = {:>12}]\n", latency.max() as f64 / 1e6, latency.len());
    let (buckets, sub) = (latency.buckets(), 2 * 10u32.pow(latency.sigfig().into()));
    text + &format!("#[Buckets = {buckets:>12}, SubBuckets     = {:>12}]\n", sub.next_power_of_two())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::bench::tally::Slice;
    use crate::cli::bench::worker::Left;
    use crate::cli::bench::workload::Op;

    #[test]
    fn success_is_what_came_in_time_of_all_that_was_due() {
        let mut answers = Slice::default();
        answers.tally(Op::Debit).add_done(500_000, 90);
        answers.tally(Op::Debit).add_done(3_000_000_000, 4);
        answers.tally(Op::Balance).add_refused(500_000, b"TRYAGAIN busy");
        let left = Left { unanswered: 2, unsent: 3 };
        let measured = Measured { answers, seconds: Vec::new(), elapsed_s: 2.0, left };
        let costs = Costs { client_cpu_us: 190.0, server_cpu_us: None, steal_percent: 0.0 };
        let run = Run::of(Some(50.0), &measured, &costs);
        assert_eq!((run.success_percent, run.ops_per_s, run.client_cpu_us_per_op), (90.0, 47.5, 2.0));
        let text = run.to_string();
        for words in ["error TRYAGAIN: 1", "3 commands were due", "90.000 % done within 1 s", "48 ops/s", "\nall"] {
            assert!(text.contains(words), "{words:?} is not in {text}");
        }
        let json = serde_json::to_string(&run).unwrap();
        assert_eq!(serde_json::from_str::<Run>(&json).unwrap().to_string(), text);
    }

    #[test]
    fn percentiles_are_written_for_the_plotters() {
        let mut tally = Tally::new();
        tally.add_done(1_000_000, 99);
        tally.add_done(9_000_000, 1);
        let text = hgrm(&tally.latency);
        let columns: Vec<Vec<&str>> = text.lines().map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(columns[0], ["Value", "Percentile", "TotalCount", "1/(1-Percentile)"]);
        assert_eq!(&columns[2][..3], ["1.000", "0.000000000000", "99"], "{text}");
        let last = columns.iter().rfind(|line| line.len() == 3).unwrap();
        assert_eq!(last[1..], ["1.000000000000", "100"], "{text}");
    }
}
