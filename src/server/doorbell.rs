//! Wakes a core that sleeps, and only one that sleeps.
//!
//! A wake from another thread costs a system call, so a sender rings only if the core has said that it is about to sleep:
//!
//! ```text
//!  core, about to sleep               sender
//!  ------------------------           ------------------------
//!  parked = true                      push the message
//!  fence                              fence
//!  look at the inbox once more        parked.swap(false)? ring : nothing
//! ```
//!
//! The two fences make it impossible that the core misses the message *and* the sender misses the flag: in the single
//! order of the fences one comes first, and the other side sees what was written before it. Checked exhaustively by loom:
//! `RUSTFLAGS="--cfg creditd_loom" cargo test --release --lib doorbell`.

#[cfg(creditd_loom)]
use loom::sync::atomic::{AtomicBool, Ordering, fence};
#[cfg(not(creditd_loom))]
use std::sync::atomic::{AtomicBool, Ordering, fence};

/// One per core; shared with all who send to it.
#[derive(Debug)]
pub struct Doorbell {
    parked: AtomicBool,
}

impl Doorbell {
    /// A doorbell of a core that is awake.
    pub fn new() -> Self {
        Self { parked: AtomicBool::new(false) }
    }

    /// Sender, after its message is in the inbox: whether the core must be woken. True for one sender per sleep.
    pub fn must_ring(&self) -> bool {
        fence(Ordering::SeqCst);
        self.parked.load(Ordering::Relaxed) && self.parked.swap(false, Ordering::Relaxed)
    }

    /// Core, before it sleeps: whether it may. `is_empty` looks at the inbox.
    pub fn may_sleep(&self, is_empty: impl FnOnce() -> bool) -> bool {
        self.parked.store(true, Ordering::Relaxed);
        fence(Ordering::SeqCst);
        let empty = is_empty();
        if !empty {
            self.parked.store(false, Ordering::Relaxed);
        }
        empty
    }

    /// Core, awake again, whoever woke it.
    pub fn awake(&self) {
        self.parked.store(false, Ordering::Relaxed);
    }
}

#[cfg(all(test, creditd_loom))]
mod tests {
    use super::*;
    use loom::sync::Arc;
    use loom::sync::atomic::AtomicUsize;
    use loom::thread;

    /// Two senders, one core: if the core sleeps, a message that it did not see has rung.
    #[test]
    fn no_message_is_slept_over() {
        loom::model(|| {
            let bell = Arc::new(Doorbell::new());
            let inbox = Arc::new(AtomicUsize::new(0));
            let rings = Arc::new(AtomicUsize::new(0));
            let senders: Vec<_> = (0..2)
                .map(|_| {
                    let (bell, inbox, rings) = (bell.clone(), inbox.clone(), rings.clone());
                    thread::spawn(move || {
                        inbox.fetch_add(1, Ordering::Relaxed);
                        if bell.must_ring() {
                            rings.fetch_add(1, Ordering::Relaxed);
                        }
                    })
                })
                .collect();
            let mut seen = 0;
            let sleeps = bell.may_sleep(|| {
                seen = inbox.load(Ordering::Relaxed);
                seen == 0
            });
            for sender in senders {
                sender.join().expect("a sender does not panic");
            }
            if sleeps {
                assert!(rings.load(Ordering::Relaxed) >= 1, "asleep with messages and nobody rang");
            }
        });
    }
}
