//! The exit codes, with the meanings of sysexits.h where it has them (journal.md 6).

use std::process::ExitCode;

/// How the process ends, for service managers and scripts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Done, or stopped on request with everything on disk.
    Ok = 0,
    /// A load test found that money was made or lost, or heard no answer.
    Failed = 1,
    /// The disk is full or read-only.
    DiskFull = 28,
    /// The command line is wrong.
    Usage = 64,
    /// Data is damaged, or written by a newer version: a human has to look. Do not restart automatically.
    Data = 65,
    /// The port is in use.
    Unavailable = 69,
    /// A sync failed: what was not acknowledged is unknown.
    Sync = 70,
    /// Another creditd holds the data directory.
    Locked = 73,
    /// The data directory's permissions are too narrow or too wide.
    Permission = 77,
    /// The configuration or the clock is wrong.
    Config = 78,
}

impl Exit {
    const ALL: [Self; 10] = [
        Self::Ok,
        Self::Failed,
        Self::DiskFull,
        Self::Usage,
        Self::Data,
        Self::Unavailable,
        Self::Sync,
        Self::Locked,
        Self::Permission,
        Self::Config,
    ];

    /// The meaning of `code`, which an inner layer that does not know this list chose.
    ///
    /// # Panics
    /// If the list does not have the code: service managers could not know what to do with it.
    pub fn from_code(code: u8) -> Self {
        let exit = Self::ALL.into_iter().find(|exit| *exit as u8 == code);
        exit.unwrap_or_else(|| panic!("{code} is no exit code of creditd"))
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        ExitCode::from(exit as u8)
    }
}
