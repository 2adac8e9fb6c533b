//! How far a save is, and what moves it on.
//!
//! ```text
//!          core          core         thread        log        committer    thread       committer     thread
//!  Starting ─▶ Copying ─▶ Finishing ─▶ Settling ─▶ Noting ─▶ Publishing ─▶ Trimming ─▶ LettingGo ─▶ Removing
//!     │           │           file whole   durable    super says so   file named   history-retention
//!     └───────────┴── Abandoning ◀──┘ (full disk)
//! ```
//!
//! Invariant: a file is named only after a super says that the log is durable past everything the file shows
//! (journal.md 8). Pure: no thread, no file, no clock.

use crate::journal::Lsn;

/// How far a save is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// Waits for the committer to be at home: only then it is known where the log is durable, and in which chain.
    Starting,
    /// The core encodes, a step a turn.
    Copying,
    /// The thread writes what is left, and the end.
    Finishing {
        /// Everything copied was made by records below.
        end: Lsn,
    },
    /// The file is whole; the log has to be durable up to its end.
    Settling {
        /// That end.
        end: Lsn,
    },
    /// The committer is away to say so in a super.
    Noting,
    /// The thread gives the file its name.
    Publishing,
    /// Waits for the committer to be at home, to let go of old segments.
    Trimming {
        /// Where the log shall begin.
        below: Lsn,
    },
    /// The committer is away to say so in a super.
    LettingGo,
    /// The thread removes segments.
    Removing,
    /// The thread removes the file.
    Abandoning,
}

/// What the core is to do for a save.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Act {
    /// Note where the log is and begin the file.
    Begin,
    /// Send the committer to note what is durable.
    Note,
    /// Send the committer to let go of segments.
    LetGo(Lsn),
}

/// What has happened to a save.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum News {
    /// The core has begun it.
    Begun,
    /// The core has copied the last item.
    Copied {
        /// Where the log was then.
        end: Lsn,
    },
    /// The file is whole.
    Finished,
    /// The committer is under way, or has come back.
    Lent,
    /// The super says what is durable.
    Noted,
    /// The file has its name.
    Published {
        /// Where the log shall begin; `None`: where it does.
        below: Option<Lsn>,
    },
    /// The super says where the log begins; `files`: whether there are some to remove.
    LetGo {
        /// Whether there are.
        files: bool,
    },
    /// They are removed.
    Removed,
    /// The core gives it up.
    GivenUp,
}

impl Stage {
    /// What can be done now, before the turn's commit. `at_home`: the committer is; `durable`: the log up to here.
    pub(super) fn act(self, at_home: bool, durable: Lsn) -> Option<Act> {
        match self {
            Self::Starting if at_home => Some(Act::Begin),
            Self::Settling { end } if at_home && durable >= end => Some(Act::Note),
            Self::Trimming { below } if at_home => Some(Act::LetGo(below)),
            _ => None,
        }
    }

    /// Whether a full disk ends the save here: it holds, or will hold, bytes that the log needs more.
    pub(super) fn can_be_given_up(self) -> bool {
        matches!(self, Self::Copying | Self::Settling { .. })
    }

    /// The stage after `news`; `None`: the save has come to its end.
    ///
    /// # Panics
    /// If that cannot happen here.
    pub(super) fn after(self, news: News) -> Option<Self> {
        Some(match (self, news) {
            (Self::Starting, News::Begun) => Self::Copying,
            (Self::Copying, News::Copied { end }) => Self::Finishing { end },
            (Self::Finishing { end }, News::Finished) => Self::Settling { end },
            (Self::Settling { .. }, News::Lent) => Self::Noting,
            (Self::Noting, News::Noted) => Self::Publishing,
            (Self::Publishing, News::Published { below }) => Self::Trimming { below: below? },
            (Self::Trimming { .. }, News::Lent) => Self::LettingGo,
            (Self::LettingGo, News::LetGo { files: true }) => Self::Removing,
            (Self::LettingGo, News::LetGo { files: false }) | (Self::Removing, News::Removed) => return None,
            (stage, News::GivenUp) if stage.can_be_given_up() => Self::Abandoning,
            (stage, news) => panic!("{news:?} in {stage:?}"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_named_after_the_super_says_that_the_log_is_durable_past_it() {
        let mut stage = Stage::Starting;
        let mut go = |news| {
            stage = stage.after(news).expect("it goes on");
            stage
        };
        assert_eq!((Stage::Starting.act(false, 99), Stage::Starting.act(true, 0)), (None, Some(Act::Begin)));
        assert_eq!(go(News::Begun), Stage::Copying);
        assert_eq!(go(News::Copied { end: 50 }), Stage::Finishing { end: 50 });
        let settling = go(News::Finished);
        assert_eq!(settling.act(true, 49), None, "a snapshot must not show what the log may lose");
        assert_eq!((settling.act(false, 50), settling.act(true, 50)), (None, Some(Act::Note)));
        assert_eq!((go(News::Lent), go(News::Noted)), (Stage::Noting, Stage::Publishing));
        assert_eq!(Stage::Publishing.after(News::Published { below: None }), None, "all is kept: that was it");
        let trimming = go(News::Published { below: Some(7) });
        assert_eq!((trimming.act(false, 50), trimming.act(true, 50)), (None, Some(Act::LetGo(7))));
        assert_eq!((go(News::Lent), go(News::LetGo { files: true })), (Stage::LettingGo, Stage::Removing));
        assert_eq!(Stage::LettingGo.after(News::LetGo { files: false }), None);
        assert_eq!(Stage::Removing.after(News::Removed), None);
    }

    #[test]
    fn what_holds_bytes_and_is_not_named_can_be_given_up() {
        for stage in [Stage::Copying, Stage::Settling { end: 1 }] {
            assert_eq!(stage.after(News::GivenUp), Some(Stage::Abandoning));
        }
        for stage in [Stage::Finishing { end: 1 }, Stage::Noting, Stage::Publishing, Stage::Removing] {
            assert!(!stage.can_be_given_up(), "somebody else has it: {stage:?}");
        }
    }
}
