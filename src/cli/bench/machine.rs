//! What the machine did meanwhile: CPU time of this process, CPU time that neighbours took.

use std::fs;

use serde::{Deserialize, Serialize};

use crate::telemetry::ProcessFigures;

/// Counters of the machine and this process at one moment.
pub(super) struct Ticks {
    stolen: u64,
    all: u64,
    own_us: u64,
}

impl Ticks {
    /// Now.
    pub(super) fn now() -> Self {
        let stat = fs::read_to_string("/proc/stat").unwrap_or_default();
        // proc(5): user nice system idle iowait irq softirq steal; what follows is part of user and nice.
        let first = stat.lines().next().unwrap_or_default();
        let ticks: Vec<u64> = first.split_whitespace().skip(1).take(8).filter_map(|text| text.parse().ok()).collect();
        let process = ProcessFigures::now();
        Self {
            stolen: ticks.get(7).copied().unwrap_or(0),
            all: ticks.iter().sum(),
            own_us: process.cpu_user_us + process.cpu_system_us,
        }
    }

    /// Per cent of the machine's CPU time since `before` that neighbours on the same host had.
    pub(super) fn steal_percent(&self, before: &Self) -> f64 {
        100.0 * (self.stolen - before.stolen) as f64 / (self.all - before.all).max(1) as f64
    }

    /// CPU time of this process since `before`, in microseconds, to the kernel's tick of 10 ms.
    pub(super) fn own_us(&self, before: &Self) -> f64 {
        (self.own_us - before.own_us) as f64
    }
}

/// Which machine it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Machine {
    cpu: String,
    cpus: usize,
    kernel: String,
}

impl Machine {
    /// This one.
    pub(super) fn this() -> Self {
        let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let model = info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
        let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
        Self { cpu: model.map_or("?", |(_, name)| name).to_owned(), cpus: cpus(), kernel: kernel.trim().to_owned() }
    }
}

/// CPUs that this process may use.
pub(super) fn cpus() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}
