//! Why a tool that makes or changes files did not do it.

use std::path::Path;

use crate::journal::JournalError;

use super::report::Finding;

/// Nothing was made, or what was made is gone again, unless a doc comment says otherwise.
#[derive(Debug)]
pub enum Failure {
    /// It cannot be done as it was asked for: how it can.
    Asked(String),
    /// What was read is not what it should be.
    Found(Vec<Finding>),
    /// The system said no.
    System(JournalError),
}

impl From<JournalError> for Failure {
    fn from(error: JournalError) -> Self {
        match error {
            JournalError::Refused(_) | JournalError::Format { .. } => Self::Found(vec![Finding::of(&error, None)]),
            error => Self::System(error),
        }
    }
}

impl Failure {
    /// A failed call to the system.
    pub(super) fn io(op: &'static str, path: impl AsRef<Path>) -> impl FnOnce(std::io::Error) -> Self {
        move |error| Self::System(JournalError::io(op, path, error))
    }

    /// A finding about a file.
    pub(super) fn file(kind: &'static str, path: &Path, what: &str) -> Self {
        Self::Found(vec![Finding::new(kind, format!("{}: {what}", path.display()))])
    }
}
