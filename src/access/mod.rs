//! Who may come in, and what they may do: users, as an aclfile tells of them.
//!
//! ```text
//!  aclfile, requirepass ─▶ Users ─┬─ check(name, password) ─▶ Right(User) | Wrong | Slow(Login): argon2id, on a thread of its own
//!  ACL SETUSER ─▶ User::apply ────┘                               │
//!                                     each command of a connection: User::denial(command, keys)
//! ```
//! A user has passwords, a set of commands and prefixes of accounts. What a set of commands is called ([`Class`]) stands in
//! the table. Pure: no clock, no threads, no files but their text.
//! Absent on purpose: selectors, patterns other than a prefix, rights to single channels: events are of all accounts.
//!
//! [`Class`]: crate::commands::spec::Class

mod denials;
mod password;
mod rights;
#[cfg(test)]
mod tests;
mod user;
mod users;

pub use denials::{Denial, Denials, Denied};
pub use password::{Login, Password};
pub use rights::Rights;
pub use user::{RuleError, User};
pub use users::{Checked, DEFAULT, FileError, Users};
