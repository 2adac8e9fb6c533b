//! THE RULES. Pure: no I/O, no clock, no threads, no randomness.
pub mod command;
pub mod credits;
pub mod event;
pub mod id;
pub mod outcome;
pub mod rejection;
