//! What the system says about this process, from /proc/self.

use std::fs;

/// Figures of the whole process. A figure that the system does not give is 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ProcessFigures {
    /// Resident memory in bytes.
    pub rss_bytes: u64,
    /// Largest resident memory so far, in bytes.
    pub rss_peak_bytes: u64,
    /// Memory of the machine in bytes.
    pub machine_bytes: u64,
    /// CPU time in user mode, in microseconds, to the kernel's tick of 10 ms.
    pub cpu_user_us: u64,
    /// CPU time in the kernel, in microseconds, to the kernel's tick of 10 ms.
    pub cpu_system_us: u64,
    /// Bytes that the process caused to be written to storage. Written pages count whole, so does zeroing of segments.
    pub device_write_bytes: u64,
}

impl ProcessFigures {
    /// Reads the figures now. A few small reads of kernel memory, no disk.
    pub fn now() -> Self {
        let text = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let mut figures = Self::default();
        figures.take_status(&text("/proc/self/status"));
        figures.take_stat(&text("/proc/self/stat"), rustix::param::clock_ticks_per_second());
        figures.device_write_bytes = field(&text("/proc/self/io"), "write_bytes:");
        figures.machine_bytes = field(&text("/proc/meminfo"), "MemTotal:") * 1024;
        figures
    }

    fn take_status(&mut self, status: &str) {
        self.rss_bytes = field(status, "VmRSS:") * 1024;
        self.rss_peak_bytes = field(status, "VmHWM:") * 1024;
    }

    fn take_stat(&mut self, stat: &str, ticks_per_second: u64) {
        [self.cpu_user_us, self.cpu_system_us] = cpu_us(stat, ticks_per_second);
    }
}

/// CPU time of a process or a thread, in user mode and in the kernel, in microseconds, from its `stat`.
pub(super) fn cpu_us(stat: &str, ticks_per_second: u64) -> [u64; 2] {
    // The name, in parentheses, may hold spaces and parentheses.
    let behind_name = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    let mut fields = behind_name.split_ascii_whitespace();
    let mut next_us = |skip| {
        let ticks: u64 = fields.nth(skip).and_then(|text| text.parse().ok()).unwrap_or(0);
        ticks * 1_000_000 / ticks_per_second.max(1)
    };
    // proc(5): state is field 3, utime field 14, stime field 15.
    [next_us(11), next_us(0)]
}

/// The number behind `name` at the start of a line, 0 if there is none.
fn field(text: &str, name: &str) -> u64 {
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|rest| rest.split_ascii_whitespace().next()?.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_found_where_the_kernel_puts_them() {
        let mut figures = ProcessFigures::default();
        figures.take_status("Name:\tcreditd\nVmHWM:\t  2048 kB\nVmRSS:\t  1024 kB\n");
        figures.take_stat("7 (a) b) S 1 2 3 4 5 6 7 8 9 10 250 50 0 0 20 0 1\n", 100);
        assert_eq!((figures.rss_bytes, figures.rss_peak_bytes), (1 << 20, 2 << 20));
        assert_eq!((figures.cpu_user_us, figures.cpu_system_us), (2_500_000, 500_000));
        assert_eq!(field("rchar: 1\nwrite_bytes: 4096\ncancelled_write_bytes: 9\n", "write_bytes:"), 4096);
        assert_eq!(field("", "VmRSS:"), 0);
    }

    #[test]
    fn this_process_has_memory() {
        let figures = ProcessFigures::now();
        assert!(figures.rss_bytes > 0 && figures.rss_bytes <= figures.machine_bytes);
        assert!(figures.rss_peak_bytes >= figures.rss_bytes);
    }
}
