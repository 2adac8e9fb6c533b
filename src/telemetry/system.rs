//! What the system says about this process that takes too long for INFO: a scrape asks for it, on a thread of its own.

use super::process::cpu_us;
use std::fs;

/// Threads of cores have this name and their number.
const CORE_THREAD: &str = "core-";

/// Figures of the system, now. A figure that it does not give is 0.
#[derive(Clone, Debug, Default)]
pub struct SystemFigures {
    /// Open file descriptors.
    pub open_fds: u64,
    /// File descriptors allowed; `u64::MAX` = no limit.
    pub max_fds: u64,
    /// CPU time of each core's thread in microseconds, by core, to the kernel's tick of 10 ms.
    pub core_cpu_us: Vec<(u16, u64)>,
}

impl SystemFigures {
    /// Reads the figures: a few small reads of kernel memory a thread.
    pub fn now() -> Self {
        let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
        let open_fds = fs::read_dir("/proc/self/fd").map_or(0, |entries| entries.count() as u64);
        let ticks_per_second = rustix::param::clock_ticks_per_second();
        let tasks = fs::read_dir("/proc/self/task").into_iter().flatten();
        let stats = tasks.filter_map(|task| fs::read_to_string(task.ok()?.path().join("stat")).ok());
        let mut core_cpu_us: Vec<_> = stats.filter_map(|stat| core_cpu_us(&stat, ticks_per_second)).collect();
        core_cpu_us.sort_unstable();
        Self { open_fds, max_fds: limit.current.unwrap_or(u64::MAX), core_cpu_us }
    }
}

/// The core and the CPU time, if `stat` is that of a core's thread.
fn core_cpu_us(stat: &str, ticks_per_second: u64) -> Option<(u16, u64)> {
    let name = stat.split_once('(')?.1.rsplit_once(')')?.0;
    let core = name.strip_prefix(CORE_THREAD)?.parse().ok()?;
    Some((core, cpu_us(stat, ticks_per_second).iter().sum()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_threads_of_cores_are_taken() {
        let stat = |name: &str| format!("7 ({name}) S 1 2 3 4 5 6 7 8 9 10 250 50 0 0 20 0 1\n");
        assert_eq!(core_cpu_us(&stat("core-12"), 100), Some((12, 3_000_000)));
        for other in ["creditd", "core-", "core-x", "journal-0"] {
            assert_eq!(core_cpu_us(&stat(other), 100), None);
        }
    }

    #[test]
    fn this_process_has_files() {
        let figures = SystemFigures::now();
        assert!(figures.open_fds > 0 && figures.open_fds <= figures.max_fds);
    }
}
