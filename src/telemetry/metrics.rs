//! The text of /metrics: OpenMetrics, made anew from the facts at each scrape.
//!
//! ```text
//! Scrape ──► View (sums) ──► each Family of the tables writes its samples ──► text
//! ```
//! The tables are the single source: docs/operate/metrics.md shows [`catalog`], and a test compares them. Labels are
//! words of ours and numbers. Absent on purpose: a registry that lives between scrapes, atomics, and ids of accounts,
//! leads or clients.

mod disk;
mod feed;
mod money;
mod process;
mod work;

use super::durations::Durations;
use super::facts::{CoreFacts, ServerFacts, ShardFacts};
use super::info::View;
use super::system::SystemFigures;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{DescriptorEncoder, EncodeCounterValue, EncodeGaugeValue, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::{Registry, Unit};
use std::fmt;

/// All that a scrape shows.
#[derive(Clone, Debug, Default)]
pub struct Scrape {
    /// The server's own facts.
    pub server: ServerFacts,
    /// Those of the cores, in order; of a core that is silent, its last ones, if it has ever answered.
    pub cores: Vec<CoreFacts>,
    /// Cores that have not answered in time.
    pub silent_cores: u64,
    /// The system's figures.
    pub system: SystemFigures,
    /// Bytes that the data directory's file system has left for us.
    pub disk_free_bytes: u64,
    /// Bytes of that file system.
    pub disk_bytes: u64,
    /// Seconds until nothing is left, at the log's pace.
    pub disk_full_in_s: f64,
}

/// Metrics of one name.
struct Family {
    name: &'static str,
    unit: Option<Unit>,
    kind: MetricType,
    /// Names of its labels, for the catalog.
    labels: &'static str,
    /// A sentence without a full stop.
    help: &'static str,
    write: fn(&Looked<'_>, &mut Samples<'_>) -> fmt::Result,
}

const fn family(
    name: &'static str,
    unit: Option<Unit>,
    kind: MetricType,
    labels: &'static str,
    help: &'static str,
    write: fn(&Looked<'_>, &mut Samples<'_>) -> fmt::Result,
) -> Family {
    Family { name, unit, kind, labels, help, write }
}

/// A scrape with its sums.
struct Looked<'a> {
    scrape: &'a Scrape,
    view: View<'a>,
}

/// Where a family's samples go.
struct Samples<'a>(MetricEncoder<'a>);

/// Label names and values.
type Labels<'a, 'b> = &'a [(&'b str, &'b str)];

impl Samples<'_> {
    fn counter(&mut self, labels: Labels<'_, '_>, value: impl EncodeCounterValue) -> fmt::Result {
        match labels {
            [] => self.0.encode_counter::<NoLabelSet, _, f64>(&value, None),
            labels => self.0.encode_family(&labels)?.encode_counter::<NoLabelSet, _, f64>(&value, None),
        }
    }

    fn gauge(&mut self, labels: Labels<'_, '_>, value: impl EncodeGaugeValue) -> fmt::Result {
        match labels {
            [] => self.0.encode_gauge(&value),
            labels => self.0.encode_family(&labels)?.encode_gauge(&value),
        }
    }

    /// A gauge of every shard.
    fn by_shard<V: EncodeGaugeValue>(&mut self, looked: &Looked<'_>, figure: impl Fn(&ShardFacts) -> V) -> fmt::Result {
        let mut shards = looked.view.shards.iter();
        shards.try_for_each(|(_, shard)| self.gauge(&[("shard", &shard.shard.to_string())], figure(shard)))
    }

    /// A counter of every shard.
    fn count_by_shard<V: EncodeCounterValue>(
        &mut self,
        looked: &Looked<'_>,
        figure: impl Fn(&ShardFacts) -> V,
    ) -> fmt::Result {
        let mut shards = looked.view.shards.iter();
        shards.try_for_each(|(_, shard)| self.counter(&[("shard", &shard.shard.to_string())], figure(shard)))
    }

    fn info(&mut self, labels: Labels<'_, '_>) -> fmt::Result {
        self.0.encode_info(&labels)
    }

    fn histogram(&mut self, labels: Labels<'_, '_>, durations: &Durations) -> fmt::Result {
        let buckets: Vec<_> = durations.buckets().collect();
        let sum_s = seconds(durations.sum_ns());
        self.0.encode_family(&labels)?.encode_histogram::<NoLabelSet>(sum_s, durations.count(), &buckets, None)
    }
}

/// Nanoseconds in seconds.
fn seconds(ns: u128) -> f64 {
    ns as f64 / 1e9
}

fn families() -> impl Iterator<Item = &'static Family> {
    [work::FAMILIES, money::FAMILIES, disk::FAMILIES, feed::FAMILIES, process::FAMILIES].into_iter().flatten()
}

impl Family {
    /// As its samples are called; those of a histogram have a suffix more.
    fn full_name(&self) -> String {
        let unit = self.unit.as_ref().map_or(String::new(), |unit| format!("_{}", unit.as_str()));
        let suffix = match self.kind {
            MetricType::Counter => "_total",
            MetricType::Info => "_info",
            _ => "",
        };
        format!("{}{unit}{suffix}", self.name)
    }
}

impl Collector for Scrape {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let looked = Looked { scrape: self, view: View::new(&self.server, &self.cores) };
        for family in families() {
            let samples = encoder.encode_descriptor(family.name, family.help, family.unit.as_ref(), family.kind)?;
            (family.write)(&looked, &mut Samples(samples))?;
        }
        Ok(())
    }
}

/// The exposition of a scrape, `# EOF` included.
pub fn openmetrics(scrape: Scrape) -> String {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(scrape));
    let mut text = String::with_capacity(64 * 1024);
    encode(&mut text, &registry).expect("a string takes every write");
    text
}

/// The rows of the table of metrics in docs/operate/metrics.md.
pub fn catalog() -> String {
    let row = |family: &Family| {
        let (name, kind) = (family.full_name(), family.kind.as_str());
        let labels = family.labels.split_whitespace().map(|label| format!("`{label}`")).collect::<Vec<_>>().join(", ");
        format!("| `{name}` | {kind} | {labels} | {} |\n", family.help)
    };
    families().map(row).collect()
}

#[cfg(test)]
mod tests;
