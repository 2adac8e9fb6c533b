//! What the system lets the process have: file descriptors for as many connections as are allowed, and no core dump.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Descriptors beside the connections': log segments, listeners, the runtimes' own, and sockets before their handshake.
const OWN: u64 = 256 + super::tls::HELD_MAX as u64;

/// Raises the soft limit so that `maxclients` connections fit; warns if the hard limit is below that.
pub(super) fn provide(maxclients: usize) {
    let wanted = maxclients as u64 + OWN;
    let limit = getrlimit(Resource::Nofile);
    let Some(raised) = raised(limit.current, limit.maximum, wanted) else { return };
    let set = setrlimit(Resource::Nofile, Rlimit { current: Some(raised), maximum: limit.maximum });
    let have = if set.is_ok() { raised } else { limit.current.unwrap_or(0) };
    if have < wanted {
        let connections = have.saturating_sub(OWN);
        tracing::warn!(
            maxclients,
            connections,
            "fewer file descriptors than maxclients needs: raise the limit (ulimit -n)"
        );
    }
}

/// A core limit of one byte: no file is that small, and the kernel starts no program of `core_pattern` for it, which a
/// limit of zero does not keep it from.
const NO_CORE_BYTES: u64 = 1;

/// Keeps the kernel from writing the memory to disk when the process crashes: passwords are in it.
pub(super) fn forbid_core_dumps() {
    let maximum = getrlimit(Resource::Core).maximum;
    if let Err(error) =
        setrlimit(Resource::Core, Rlimit { current: Some(NO_CORE_BYTES.min(maximum.unwrap_or(1))), maximum })
    {
        tracing::warn!(%error, "core dumps could not be turned off");
    }
}

/// The soft limit to ask for; `None` if the present one will do (`None` inside = no limit).
fn raised(soft: Option<u64>, hard: Option<u64>, wanted: u64) -> Option<u64> {
    let soft = soft?;
    let best = hard.map_or(wanted, |hard| hard.min(wanted));
    (soft < wanted).then_some(best.max(soft))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_soft_limit_is_raised_as_far_as_needed_and_allowed() {
        assert_eq!(raised(Some(1024), Some(4096), 2000), Some(2000));
        assert_eq!(raised(Some(1024), None, 2000), Some(2000));
        assert_eq!(raised(Some(1024), Some(1500), 2000), Some(1500), "then a warning says so");
        assert_eq!(raised(Some(4096), Some(4096), 2000), None);
        assert_eq!(raised(None, None, 2000), None);
    }
}
