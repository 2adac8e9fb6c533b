//! Users at work: logins, changes, the aclfile.
//!
//! ```text
//!  AUTH ─▶ Engine::log_in ─┬ right, by a token ──────────────────────────▶ at once
//!                          ├ wrong ── after WRONG_AFTER_MS ─────────────▶ refused
//!                          └ by argon2id ──▶ thread `access` ──▶ Fed ───▶ either, by the users of then
//!  ACL SETUSER, LOAD ... ──────────────────▶ thread `access`: the single writer ──▶ Users, by version ──▶ every core
//! ```
//! A core keeps the users that it has seen last and looks at their version, one atomic, whenever it reads its clock.
//! A wrong name and a wrong password look the same: both are refused after the same time, which is longer than argon2id
//! takes. A peer that was wrong too often is not looked at for a while; on loopback, where a proxy may speak for everybody,
//! all are looked at. When too many logins wait for the thread, all but right tokens are told to try again: which names
//! are users does not show.

mod log;
mod peers;

use super::engine::Engine;
use super::mailbox::Mailbox;
use super::streams::Fed;
use crate::access::{Checked, Denials, Login, Password, User, Users};
use crate::commands::acl::AclRequest;
use crate::commands::connection::Credentials;
use crate::commands::reply::{Encoder, Proto};
use crate::config::Config;
use crate::net::connection::Verdict;
use crate::net::replies::Answer;
use crate::shard::batch::Ticket;
use crossbeam_channel::{Receiver, Sender, bounded};
use peers::Peers;
use std::fs::{self, OpenOptions};
use std::io::{Read, Write};
use std::net::IpAddr;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use zeroize::Zeroizing;

/// After how long a wrong login is refused (security.md 2).
const WRONG_AFTER_MS: u64 = 100;

/// Logins and changes that wait for the thread. Far more than connections that may be there without a login.
const JOBS_MAX: usize = 1024;

/// Largest aclfile that is read.
const FILE_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// Users, as all cores see them.
pub(super) struct Access {
    current: Mutex<Arc<Users>>,
    version: AtomicU64,
    jobs: Sender<Job>,
    peers: Peers,
    denials: Mutex<Denials>,
}

/// A login or a change of this core's connections.
pub(super) enum Heard {
    /// What a login has come to: who that was when it was made, and by which password.
    Verified(Ticket, Option<(Arc<User>, Password)>),
    /// The reply to an ACL command.
    Changed(Ticket, Answer),
}

struct Job {
    ticket: Ticket,
    task: Task,
}

enum Task {
    Verify(Arc<User>, Login),
    Set(String, Vec<Zeroizing<String>>),
    Delete(Vec<String>),
    Save,
    Load,
}

impl Access {
    /// Starts the thread that changes `users`.
    pub(super) fn start(config: &Config, users: Users, mailboxes: &[Arc<Mailbox>]) -> std::io::Result<Arc<Self>> {
        let (jobs, jobs_out) = bounded(JOBS_MAX);
        let version = AtomicU64::new(users.version());
        let access = Arc::new(Self {
            current: Mutex::new(Arc::new(users)),
            version,
            jobs,
            peers: Peers::default(),
            denials: Mutex::new(Denials::new(config.acllog_len_max)),
        });
        let writer = Writer {
            access: access.clone(),
            file: config.aclfile.clone(),
            password: password(config),
            mailboxes: mailboxes.to_vec(),
        };
        std::thread::Builder::new().name("access".to_owned()).spawn(move || writer.serve(&jobs_out))?;
        Ok(access)
    }

    /// All users as they are now.
    pub(super) fn current(&self) -> Arc<Users> {
        self.current.lock().expect("a thread that panics ends the process").clone()
    }

    /// Whether `users` are those of now.
    pub(super) fn is_current(&self, users: &Users) -> bool {
        self.version.load(Ordering::Acquire) == users.version()
    }

    /// Whether there was room.
    fn send(&self, ticket: Ticket, task: Task) -> bool {
        self.jobs.try_send(Job { ticket, task }).is_ok()
    }
}

/// The users of the configuration.
///
/// # Errors
/// What is wrong with the aclfile, and what to do.
pub(super) fn load(config: &Config) -> Result<Users, String> {
    match &config.aclfile {
        Some(path) => read(path, password(config)),
        None => Ok(Users::load("", password(config)).expect("nothing is right")),
    }
}

fn password(config: &Config) -> Option<Password> {
    config.requirepass.as_ref().map(|password| Password::token(password.reveal()))
}

/// The thread.
struct Writer {
    access: Arc<Access>,
    file: Option<PathBuf>,
    password: Option<Password>,
    mailboxes: Vec<Arc<Mailbox>>,
}

impl Writer {
    fn serve(&self, jobs: &Receiver<Job>) {
        while let Ok(Job { ticket, task }) = jobs.recv() {
            let done = |result: Result<Answer, String>| Heard::Changed(ticket, result.unwrap_or_else(Answer::Error));
            let heard = match task {
                Task::Verify(user, login) => Heard::Verified(ticket, login.proof().map(|password| (user, password))),
                Task::Set(name, rules) => done(self.set(&name, &rules)),
                Task::Delete(names) => {
                    let names: Vec<_> = names.iter().map(String::as_str).collect();
                    let (users, gone) = self.access.current().without(&names);
                    self.publish(users);
                    done(Ok(Answer::Integer(gone)))
                }
                Task::Save => done(
                    self.file()
                        .and_then(|path| save(path, &self.access.current().text(self.password.as_ref())))
                        .map(|()| ok()),
                ),
                Task::Load => done(self.file().and_then(|path| self.load(path)).map(|()| ok())),
            };
            self.mailboxes[usize::from(ticket.core)].fed(Fed::Access(heard));
        }
    }

    fn set(&self, name: &str, rules: &[Zeroizing<String>]) -> Result<Answer, String> {
        let rules: Vec<_> = rules.iter().map(|rule| rule.as_str()).collect();
        let salt = || {
            let mut salt = [0; 16];
            getrandom::fill(&mut salt).expect("the system has random bytes");
            salt
        };
        self.publish(self.access.current().with(name, &rules, salt)?);
        Ok(ok())
    }

    fn load(&self, path: &Path) -> Result<(), String> {
        let users = read(path, self.password.clone()).map_err(|error| format!("ERR {error}"))?;
        self.publish(users.after(&self.access.current()));
        Ok(())
    }

    fn file(&self) -> Result<&Path, String> {
        let text = "ERR creditd was started without aclfile: users made by ACL SETUSER live until it stops";
        self.file.as_deref().ok_or_else(|| text.to_owned())
    }

    fn publish(&self, users: Users) {
        let version = users.version();
        *self.access.current.lock().expect("a thread that panics ends the process") = Arc::new(users);
        self.access.version.store(version, Ordering::Release);
    }
}

fn ok() -> Answer {
    Answer::Encoded(b"+OK\r\n".to_vec())
}

fn read(path: &Path, password: Option<Password>) -> Result<Users, String> {
    let shown = path.display();
    let failed = |error: std::io::Error| {
        format!("cannot read aclfile {shown}: {error}; to begin with no users: install -m 600 /dev/null {shown}")
    };
    let file = fs::File::open(path).map_err(failed)?;
    let mode = file.metadata().map_err(failed)?.mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(format!("aclfile {shown} has mode {mode:04o}: others could read or change it; chmod 600 {shown}"));
    }
    let mut text = String::new();
    file.take(FILE_BYTES_MAX + 1).read_to_string(&mut text).map_err(failed)?;
    if text.len() as u64 > FILE_BYTES_MAX {
        return Err(format!("aclfile {shown} is longer than {FILE_BYTES_MAX} bytes"));
    }
    Users::load(&text, password).map_err(|error| format!("aclfile {shown} {error}"))
}

/// The old file or the new one, whatever happens.
fn save(path: &Path, text: &str) -> Result<(), String> {
    let mut fresh = path.as_os_str().to_owned();
    fresh.push(".new");
    let written = || {
        let _ = fs::remove_file(&fresh); // of a save that was cut short; its mode and its place are not to be trusted
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&fresh)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&fresh, path)?;
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        fs::File::open(parent)?.sync_all()
    };
    written().map_err(|error| format!("ERR cannot write aclfile {}: {error}", path.display()))
}

impl Engine {
    /// Takes the users of now, if these are older.
    pub(super) fn renew_users(&mut self) {
        if !self.shared.access.is_current(&self.users) {
            self.users = self.shared.access.current();
        }
    }

    /// Looks at a login; see [`crate::net::connection::Host::log_in`].
    pub(super) fn look_at_login(
        &mut self,
        ticket: Ticket,
        peer: IpAddr,
        credentials: &Credentials<'_>,
    ) -> Option<Verdict> {
        let (now_ms, access) = (self.now_ms(), &self.shared.access);
        let checked = if access.peers.is_shut_out(peer, now_ms) {
            Checked::Wrong
        } else {
            self.users.check(credentials.user, credentials.password.reveal())
        };
        let refuse_at_ms = now_ms + WRONG_AFTER_MS;
        let (refuse_at_ms, is_wrong, is_busy) = match checked {
            Checked::Right(user) => return Some(Verdict::Right(user)),
            Checked::Wrong => (refuse_at_ms, true, access.jobs.is_full()),
            Checked::Slow(user, login) => match access.send(ticket, Task::Verify(user, login)) {
                true => (u64::MAX, true, false),
                false => (refuse_at_ms, false, true),
            },
        };
        self.logins.push(Waiting { ticket, peer, since_ms: now_ms, refuse_at_ms, is_wrong, is_busy });
        None
    }

    /// What the thread says of a login. `Some`: the user.
    pub(super) fn heard_of_login(&mut self, ticket: Ticket, proof: Option<(Arc<User>, Password)>) -> Option<Arc<User>> {
        let at = self.logins.iter().position(|waiting| waiting.ticket == ticket)?;
        self.renew_users(); // by a password that was taken away meanwhile nobody comes in
        let user = proof.and_then(|(user, password)| {
            self.users.get(user.name().as_bytes()).filter(|user| user.comes_in_by(&password)).cloned()
        });
        if user.is_some() {
            self.logins.swap_remove(at);
        } else {
            self.logins[at].refuse_at_ms = self.logins[at].since_ms + WRONG_AFTER_MS;
        }
        user
    }

    /// The logins that are to be refused by now, and how.
    pub(super) fn refused_logins(&mut self) -> Vec<(Ticket, Verdict)> {
        let now_ms = self.now_ms();
        let refused: Vec<_> = self.logins.extract_if(.., |waiting| waiting.refuse_at_ms <= now_ms).collect();
        for Waiting { peer, .. } in refused.iter().filter(|waiting| waiting.is_wrong) {
            self.counters.auth_failures += 1;
            self.shared.access.peers.was_wrong(*peer, now_ms);
            tracing::debug!(%peer, "a login failed: wrong user or password");
        }
        let verdict = |waiting: &Waiting| if waiting.is_busy { Verdict::Busy } else { Verdict::Wrong };
        refused.iter().map(|waiting| (waiting.ticket, verdict(waiting))).collect()
    }

    /// When the next login is to be refused.
    pub(super) fn next_refusal_ms(&self) -> Option<u64> {
        self.logins.iter().map(|waiting| waiting.refuse_at_ms).min().filter(|at_ms| *at_ms != u64::MAX)
    }

    /// Answers what is asked of users, or has it done by the thread.
    pub(super) fn ask_access(&self, ticket: Ticket, proto: Proto, request: &AclRequest<'_>) -> Option<Answer> {
        let text = |word: &[u8]| String::from_utf8_lossy(word).into_owned();
        let task = match *request {
            AclRequest::SetUser(name, rules) => {
                let Some(rules) =
                    rules.iter().map(|rule| Some(Zeroizing::new(str::from_utf8(rule).ok()?.to_owned()))).collect()
                else {
                    return Some(Answer::Error("ERR rules are UTF-8".to_owned()));
                };
                Task::Set(text(name), rules)
            }
            AclRequest::DelUser(names) => Task::Delete(names.iter().map(text).collect()),
            AclRequest::Save => Task::Save,
            AclRequest::Load => Task::Load,
            AclRequest::LogReset => {
                self.shared.access.denials().reset();
                return Some(ok());
            }
            _ => {
                let mut bytes = Vec::new();
                let mut e = Encoder::new(&mut bytes, proto);
                match *request {
                    AclRequest::Log(count) => log::show(&self.shared.access.denials(), count, self.now_ms(), &mut e),
                    _ => show(&self.users, request, &mut e),
                }
                return Some(Answer::Encoded(bytes));
            }
        };
        let is_sent = self.shared.access.send(ticket, task);
        (!is_sent).then(|| Answer::Error("TRYAGAIN too many changes of users and logins at once".to_owned()))
    }
}

/// A login that is not answered yet.
pub(super) struct Waiting {
    ticket: Ticket,
    peer: IpAddr,
    since_ms: u64,
    /// `u64::MAX`: the thread looks at it.
    refuse_at_ms: u64,
    /// Whether it counts against the peer: it was looked at.
    is_wrong: bool,
    /// Whether it is told that there was no room.
    is_busy: bool,
}

fn show(users: &Users, request: &AclRequest<'_>, e: &mut Encoder<'_>) {
    match *request {
        AclRequest::List => {
            e.array(users.iter().len());
            users.iter().for_each(|user| e.text(&user.to_string()));
        }
        AclRequest::Users => {
            e.array(users.iter().len());
            users.iter().for_each(|user| e.text(user.name()));
        }
        AclRequest::GetUser(name) => match users.get(name) {
            Some(user) => show_user(user, e),
            None => e.null(),
        },
        AclRequest::GenPass(digits) => {
            let mut bytes = vec![0; digits.div_ceil(2)];
            getrandom::fill(&mut bytes).expect("the system has random bytes");
            let text: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            e.text(&text[..digits]);
        }
        _ => unreachable!("changes are the thread's, what users were denied is in the log"),
    }
}

/// Redis' fields.
fn show_user(user: &User, e: &mut Encoder<'_>) {
    e.map(6);
    e.text("flags");
    e.set(user.flags().count());
    user.flags().for_each(|flag| e.text(flag));
    e.text("passwords");
    e.array(user.passwords().len());
    user.passwords().iter().for_each(|password| e.text(password.to_string().trim_start_matches('#')));
    e.field("commands", &user.rights().rules());
    e.field("keys", &user.keys());
    e.field("channels", "&*");
    e.text("selectors");
    e.array(0);
}
