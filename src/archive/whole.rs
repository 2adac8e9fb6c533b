//! A log that is whole, or its faults: what makes or removes files takes nothing less.

use crate::journal::{RestingLog, Sight, Surveyed};

use super::failure::Failure;
use super::report::Finding;

/// Walks all of `log` and gives `each` what is met.
///
/// # Errors
/// [`Failure::Found`] with all that is wrong.
pub(super) fn survey(log: &RestingLog, each: &mut dyn FnMut(Sight<'_>)) -> Result<Surveyed, Failure> {
    let mut findings = Vec::new();
    let found = log.survey(&[], &mut |sight| match sight {
        Sight::Fault(fault) => findings.push(Finding::of(&fault, Some(log.id().shard))),
        sight => each(sight),
    });
    if findings.is_empty() { Ok(found) } else { Err(Failure::Found(findings)) }
}
