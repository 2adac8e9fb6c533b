//! Each call of the story fails, with each error, once and from then on.

use super::story::Story;
use creditd::journal::sim::SimFault;
use creditd::journal::{JournalError, SimDisk};

/// EIO, ENOSPC, EROFS, EACCES, EMFILE. After the first, anything may have happened: it comes half-way, too.
const ERRNOS: [(i32, bool); 6] = [(5, false), (5, true), (28, false), (30, false), (13, false), (24, false)];

#[test]
fn each_call_may_fail_and_nothing_acknowledged_is_lost() {
    let mut story = Story::new(1);
    story.tell().expect("a healthy disk");
    let calls = story.disk.calls();
    let (mut lives, mut ended, mut refused) = (0, 0, 0);
    for call in 1..=calls {
        for (errno, half_way) in ERRNOS {
            for lasting in [false, true] {
                let told = suffer(SimFault { call, lasting, errno, half_way });
                lives += 1;
                ended += u64::from(told.ended);
                refused += told.refused;
            }
        }
    }
    eprintln!(
        "{calls} calls, {lives} lives with a fault: {ended} ended by it, {refused} starts refused while it lasted"
    );
    assert!(calls > 100 && ended * 2 > lives && refused * 3 > lives);
}

/// What a fault did.
struct Told {
    /// The story did not come to its end.
    ended: bool,
    /// Starts that met it too.
    refused: u64,
}

fn suffer(fault: SimFault) -> Told {
    let mut story = Story::new(1);
    story.disk.set_fault(Some(fault));
    let told = story.tell();
    let ended = told.as_ref().err().inspect(|error| expect_words(fault, error)).is_some();
    let acknowledged = story.acknowledged(u64::MAX);
    let mut refused = 0;
    // The process is gone, or the machine.
    let ends: [fn(&SimDisk); 2] = [SimDisk::kill, SimDisk::crash];
    for end in ends {
        let disk = story.disk.copy();
        end(&disk);
        let again = story.judge(&disk, acknowledged);
        refused += u64::from(again.as_ref().err().inspect(|error| expect_words(fault, error)).is_some());
        disk.set_fault(None);
        disk.kill();
        let found = story.judge(&disk, acknowledged);
        let found = found.unwrap_or_else(|error| panic!("{fault:?}: refused for ever: {error}"));
        assert_eq!(found.bad_snapshots, [], "{fault:?}");
    }
    Told { ended, refused }
}

/// The error says what cannot be done, and its exit code what kind it is.
fn expect_words(fault: SimFault, error: &JournalError) {
    let code = match fault.errno {
        28 => &[28, 70][..],
        30 => &[28, 70],
        13 => &[77, 70],
        // A sector that cannot be read may be all that is wrong.
        _ => &[70, 65],
    };
    let said = error.to_string();
    assert!(code.contains(&error.exit_code()), "{fault:?}: exit code {}: {said}", error.exit_code());
    assert!(
        ["cannot ", "disk full", "read-only", "sync failed", "refused to start"].iter().any(|word| said.contains(word)),
        "{fault:?}: {said}"
    );
}
