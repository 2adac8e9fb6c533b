//! Everything that can go wrong with a log, and the exit code that goes with it (journal.md 6).
//!
//! Messages are for the operator: lower case, with the facts, and what to do next. Absent on purpose: logging; who
//! handles an error logs it.

use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};

use super::Lsn;
use super::storage::SegmentName;

/// A fault of the journal or its files.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// A call to the system failed.
    #[error("cannot {op} {}: {source}", path.display())]
    Io {
        /// What was tried: a verb.
        op: &'static str,
        /// On what.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// No room for a file.
    #[error("disk full: cannot {op} {}: {source}; free space and start again", path.display())]
    Full {
        /// What was tried: a verb.
        op: &'static str,
        /// On what.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// The file system takes no writes (case 14).
    #[error(
        "{} is on a read-only file system, often the result of an earlier i/o error: read the kernel log, repair the \
         file system, mount it writable and start again", path.display()
    )]
    ReadOnly {
        /// What was to be written.
        path: PathBuf,
    },
    /// A block could not be made durable: the process must end without a reply to what it holds.
    #[error(
        "journal sync failed: shard {shard} segment {segment} offset {offset}: lsn {}..{} is not acknowledged and its \
         outcome is unknown: {source}", lost.start, lost.end
    )]
    Commit {
        /// Whose log.
        shard: u16,
        /// Segment of the block.
        segment: SegmentName,
        /// Byte in the segment where the block starts.
        offset: u64,
        /// Positions that the block covers.
        lost: Range<Lsn>,
        /// What failed.
        source: Box<JournalError>,
    },
    /// A commit was asked for after one had failed.
    #[error("the journal of shard {shard} stopped at its first failed sync")]
    Poisoned {
        /// Whose log.
        shard: u16,
    },
    /// Recovery found what must not be started on.
    #[error(transparent)]
    Refused(#[from] Box<Refusal>),
    /// A checksum holds, but the format is not one that this version knows (case 11).
    #[error(
        "{what} is written by a newer version of creditd: format {found}, this version reads format {known}; next: \
        start the version that wrote it"
    )]
    Format {
        /// The file, or the block in it.
        what: String,
        /// Its format.
        found: u16,
        /// The format of this version.
        known: u16,
    },
    /// Another process has the directory.
    #[error("{} is held by another creditd: stop that one first, or choose another --data-dir", path.display())]
    Locked {
        /// The data directory.
        path: PathBuf,
    },
    /// Others than the owner can enter the directory.
    #[error(
        "{} can be entered by group or others (mode {mode:04o}): run `chmod 700 {}`", path.display(), path.display()
    )]
    Exposed {
        /// The data directory.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
}

impl JournalError {
    /// The error for a failed call: a full disk and a read-only file system have their own.
    pub fn io(op: &'static str, path: impl AsRef<Path>, source: io::Error) -> Self {
        let path = path.as_ref().to_path_buf();
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::Full { op, path, source },
            io::ErrorKind::ReadOnlyFilesystem => Self::ReadOnly { path },
            _ => Self::Io { op, path, source },
        }
    }

    /// The exit code of a process that ends with this error.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Full { .. } | Self::ReadOnly { .. } => 28,
            Self::Refused(_) | Self::Format { .. } => 65,
            Self::Commit { .. } | Self::Poisoned { .. } => 70,
            Self::Locked { .. } => 73,
            Self::Exposed { .. } => 77,
            Self::Io { source, .. } if source.kind() == io::ErrorKind::PermissionDenied => 77,
            Self::Io { .. } => 70,
        }
    }
}

/// Which case of journal.md 6 a refusal is. All of them exit with 65.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Case {
    /// 4: acknowledged data is damaged.
    Damaged,
    /// 5: a valid block at a wrong place, or with a wrong chain.
    Altered,
    /// 6: segments do not follow each other.
    Hole,
    /// 7: the log ends before what a super or a snapshot proves.
    Lost,
    /// 8: no snapshot is whole, and the log does not reach back to its start.
    Snapshots,
    /// 9: no super is readable.
    Supers,
    /// 10: the device cannot read it.
    Unreadable,
    /// 12: a file of another instance or shard.
    Foreign,
    /// 13: the replay breaks a rule.
    Invariant,
    /// The manifest is gone or damaged.
    Manifest,
}

impl Case {
    /// What it is, in words.
    pub fn what(self) -> &'static str {
        match self {
            Self::Damaged => "acknowledged data is damaged",
            Self::Altered => "the log was edited or its blocks swapped",
            Self::Hole => "hole between segments",
            Self::Lost => "part of the log is missing, or an older backup was mixed in",
            Self::Snapshots => "there is nothing to start from",
            Self::Supers => "both supers are bad",
            Self::Unreadable => "bad sector",
            Self::Foreign => "a file of another instance or shard",
            Self::Invariant => "replay breaks an invariant, which is a bug in creditd",
            Self::Manifest => "the manifest is gone or damaged",
        }
    }
}

/// Why a start was refused: facts for the operator. Nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Which case.
    pub case: Case,
    /// Whose log; `None` where it concerns the whole directory.
    pub shard: Option<u16>,
    /// Where, if in a segment.
    pub segment: Option<SegmentName>,
    /// Byte in the segment.
    pub offset: u64,
    /// Positions that are lost or in doubt, as far as known.
    pub lost: Option<Range<Lsn>>,
    /// What was found.
    pub detail: String,
}

impl std::error::Error for Refusal {}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "refused to start: ")?;
        if let Some(shard) = self.shard {
            write!(f, "shard {shard} ")?;
        }
        if let Some(segment) = self.segment {
            write!(f, "segment {segment} offset {}: ", self.offset)?;
        }
        write!(f, "{}: {}", self.case.what(), self.detail)?;
        if let Some(lost) = &self.lost {
            write!(f, "; lost lsn {}..{}", lost.start, lost.end)?;
        }
        let repair = self.shard.map_or_else(String::new, |shard| format!("`creditd repair DATA_DIR --shard {shard}`"));
        let next = match self.case {
            Case::Supers => format!("nothing was changed: run {repair}, which can rebuild them from the segments"),
            Case::Snapshots => "put copies of the archived segments back, or `creditd restore` a backup".to_owned(),
            Case::Invariant => "copy the data directory away and report this message".to_owned(),
            Case::Foreign => "put the right file back, or start on the directory it came from".to_owned(),
            Case::Manifest => "nothing was changed: put MANIFEST back from a backup of this directory".to_owned(),
            _ => format!(
                "nothing was changed: copy the data directory away and check the disk; then `creditd restore` a backup, \
                 or see with {repair} what a cut would cost"
            ),
        };
        write!(f, "; next: {next}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_system_s_answer_decides_the_exit_code() {
        let code = |errno| JournalError::io("write", "x", io::Error::from_raw_os_error(errno)).exit_code();
        let (eio, eacces, enospc, erofs, edquot) = (5, 13, 28, 30, 122);
        assert_eq!([eio, eacces, enospc, erofs, edquot].map(code), [70, 77, 28, 28, 28]);
    }
}
