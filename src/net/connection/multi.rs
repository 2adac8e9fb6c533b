//! What a connection may say at a time: MULTI keeps requests back, and a RESP2 subscriber may say hardly anything.

use super::{Connection, Limits};
use crate::commands::arguments::{Arguments, OwnedArguments};
use crate::commands::refusal::Refusal;
use crate::commands::spec::{CommandSpec, Flags};
use std::collections::VecDeque;

/// Which requests are executed as they come.
pub(super) enum Mode {
    /// All.
    Free,
    /// Few: between MULTI and EXEC the others wait.
    Queueing(Multi),
    /// Few: a subscriber that speaks RESP2 cannot tell replies from messages.
    Listening,
}

/// Requests between MULTI and EXEC.
#[derive(Default)]
pub(super) struct Multi {
    queue: VecDeque<OwnedArguments>,
    bytes: usize,
    pub(super) failed: bool,
}

/// Whether a command runs at once although a MULTI is open.
pub(super) fn is_for_now(spec: &CommandSpec) -> bool {
    matches!(spec.name, "exec" | "discard" | "multi" | "watch" | "quit" | "reset")
}

impl Mode {
    /// Requests in the queue, if there is one.
    pub(super) fn queued(&self) -> Option<usize> {
        if let Self::Queueing(multi) = self { Some(multi.queue.len()) } else { None }
    }

    /// Bytes in the queue.
    pub(super) fn queued_bytes(&self) -> usize {
        if let Self::Queueing(multi) = self { multi.bytes } else { 0 }
    }

    /// The queue, which is open no more.
    fn end_multi(&mut self) -> Option<Multi> {
        match std::mem::replace(self, Self::Free) {
            Self::Queueing(multi) => Some(multi),
            other => {
                *self = other;
                None
            }
        }
    }
}

impl Multi {
    /// Keeps a request for EXEC.
    pub(super) fn push(
        &mut self,
        spec: &CommandSpec,
        arguments: Arguments<'_>,
        limits: &Limits,
    ) -> Result<(), Refusal> {
        if spec.flags.has(Flags::NO_MULTI) {
            return Err(Refusal::fixed("ERR Command not allowed inside a transaction"));
        }
        let request: OwnedArguments = arguments.iter().collect();
        self.bytes += request.size_bytes();
        if self.queue.len() >= limits.slots_max || self.bytes > limits.frame_bytes_max {
            return Err(Refusal::fixed(
                "ERR transaction too long: slots-per-connection commands, frame-bytes-max bytes",
            ));
        }
        self.queue.push_back(request);
        Ok(())
    }
}

impl Connection {
    pub(super) fn multi(&mut self) {
        if matches!(self.mode, Mode::Queueing(_)) {
            return self.reply(|e| e.error("ERR MULTI calls can not be nested"));
        }
        self.mode = Mode::Queueing(Multi::default());
        self.reply(|e| e.ok());
    }

    /// EXEC: the array's head, then every queued request as if it came now, as far as there is room. Their replies
    /// follow in order.
    pub(super) fn exec(&mut self) {
        let Some(multi) = self.mode.end_multi() else { return self.reply(|e| e.error("ERR EXEC without MULTI")) };
        if multi.failed {
            return self.reply(|e| e.error("EXECABORT Transaction discarded because of previous errors."));
        }
        self.reply(|e| e.array(multi.queue.len()));
        self.exec = multi.queue;
    }

    pub(super) fn discard(&mut self) {
        match self.mode.end_multi() {
            Some(_) => self.reply(|e| e.ok()),
            None => self.reply(|e| e.error("ERR DISCARD without MULTI")),
        }
    }
}
