//! How much CPU this process may use: its affinity and its cgroup's quota.

use std::fs;

/// CPUs up to which one core does the work of all: the other is busy with the kernel's side of the connections and with
/// the disk, and a hop between cores costs more than it spares (docs/decisions/0002-one-core-on-small-machines.md).
const SMALL_MACHINE_CPUS: usize = 2;

/// Core threads to start when the configuration does not say.
pub(super) fn default_cores(cpus_allowed: usize) -> usize {
    match cpus(cpus_allowed) {
        0..=SMALL_MACHINE_CPUS => 1,
        cpus => cpus,
    }
}

/// What affinity and quota allow, at least one.
fn cpus(cpus_allowed: usize) -> usize {
    let v2 = fs::read_to_string("/sys/fs/cgroup/cpu.max").ok().and_then(|text| parse_v2(&text));
    let v1 = || {
        let read = |name: &str| fs::read_to_string(format!("/sys/fs/cgroup/cpu/{name}")).ok();
        parse_v1(&read("cpu.cfs_quota_us")?, &read("cpu.cfs_period_us")?)
    };
    let quota = v2.or_else(v1).unwrap_or(usize::MAX);
    cpus_allowed.min(quota).max(1)
}

/// `max 100000` or `150000 100000`: whole CPUs, rounded up.
fn parse_v2(text: &str) -> Option<usize> {
    let (quota, period) = text.trim().split_once(' ')?;
    whole_cpus(quota.parse().ok()?, period.parse().ok()?)
}

fn parse_v1(quota: &str, period: &str) -> Option<usize> {
    whole_cpus(quota.trim().parse().ok()?, period.trim().parse().ok()?)
}

fn whole_cpus(quota_us: u64, period_us: u64) -> Option<usize> {
    (quota_us > 0 && period_us > 0).then(|| quota_us.div_ceil(period_us) as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quota_is_rounded_up_and_none_is_no_limit() {
        assert_eq!(parse_v2("150000 100000\n"), Some(2));
        assert_eq!(parse_v2("max 100000\n"), None);
        assert_eq!(parse_v1("-1\n", "100000\n"), None);
        assert_eq!(parse_v1("100000\n", "100000\n"), Some(1));
        assert_eq!(cpus(0), 1);
        assert_eq!([default_cores(0), default_cores(1), default_cores(2)], [1, 1, 1]);
    }
}
