//! What connections need the server for: the core's [`Engine`] as their [`Host`].

use super::engine::Engine;
use super::inquiry::{Listened, Question, Wanted};
use super::mailbox::Phase;
use super::shared::REDIS_VERSION;
use super::slow;
use super::streams::readings::ShardCommand;
use super::ulid;
use crate::access::{Denial, User, Users};
use crate::commands::Defaults;
use crate::commands::connection::Credentials;
use crate::commands::reply::{Encoder, Proto, error_code};
use crate::commands::server::ServerRequest;
use crate::commands::server::flush::Flush;
use crate::commands::server::latency::LatencyRequest;
use crate::commands::spec::CommandSpec;
use crate::commands::streams::StreamRequest;
use crate::commands::table;
use crate::feed::Name;
use crate::ledger::command::Command;
use crate::net::connection::{Host, Limits, Verdict};
use crate::net::replies::{Answer, Failure, MadeTx};
use crate::shard::batch::Ticket;
use std::net::IpAddr;
use std::ops::Range;
use std::sync::Arc;

impl Host for Engine {
    fn submit(&mut self, ticket: Ticket, command: &Command<'_>) {
        Engine::submit(self, ticket, command);
    }

    fn ask(&mut self, ticket: Ticket, proto: Proto, user: &Arc<User>, request: &ServerRequest<'_>) -> Option<Answer> {
        let encoded = |encode: &dyn Fn(&mut Encoder<'_>)| {
            let mut bytes = Vec::new();
            encode(&mut Encoder::new(&mut bytes, proto));
            Some(Answer::Encoded(bytes))
        };
        match request {
            ServerRequest::Info(sections) => {
                let sections = sections.words().map(|word| String::from_utf8_lossy(word).into_owned()).collect();
                self.inquire(ticket, Wanted::Info { sections })
            }
            ServerRequest::ClientList(filter) => {
                self.inquire(ticket, Wanted::Clients { ids: filter.ids(), listening: filter.listening() })
            }
            ServerRequest::ClientKill(request) => match request.matching() {
                Ok((meant, is_old_form)) => {
                    self.inquire(ticket, Wanted::Kill { meant: Arc::new(meant), asker: ticket, is_old_form })
                }
                Err(refusal) => Some(Answer::Error(refusal.text().to_owned())),
            },
            ServerRequest::Unblock { id, by_error } => {
                self.inquire(ticket, Wanted::Unblock { id: *id, by_error: *by_error })
            }
            ServerRequest::Pause { ms, writes_only } => {
                let until_ms = if *ms == 0 { 0 } else { Engine::now_ms(self) + ms };
                self.shared.overseers.pause(until_ms, *writes_only);
                self.inquire(ticket, Wanted::Pause)
            }
            ServerRequest::DbSize => self.inquire(ticket, Wanted::DbSize),
            ServerRequest::Scan(scan) => self.begin_scan(ticket, proto, user, scan),
            ServerRequest::ConfigGet(patterns) => {
                let pairs = self.shared.parameters(|name| patterns.want(name));
                encoded(&|e| {
                    e.map(pairs.len());
                    for (name, value) in &pairs {
                        e.bulk(name.as_bytes());
                        e.bulk(value.as_bytes());
                    }
                })
            }
            ServerRequest::ConfigSet(assignments) => match self.shared.set_parameters(assignments) {
                Ok(()) => encoded(&|e| e.ok()),
                Err(why) => Some(Answer::Error(why)),
            },
            ServerRequest::ResetStat => self.inquire(ticket, Wanted::ResetStat),
            ServerRequest::Flush(_) if !self.shared.config.enable_test_commands => Some(Answer::Error(
                "ERR accounts are never deleted: this is for tests of servers started with --enable-test-commands yes"
                    .to_owned(),
            )),
            ServerRequest::Flush(Flush::Functions) => encoded(&|e| e.ok()),
            ServerRequest::Flush(Flush::Accounts) => self.inquire(ticket, Wanted::Flush),
            ServerRequest::Role => self.inquire(ticket, Wanted::Role(proto)),
            ServerRequest::Time => {
                let now_ms = self.shared.clock.wall_ms();
                encoded(&|e| {
                    e.array(2);
                    e.bulk((now_ms / 1000).to_string().as_bytes());
                    e.bulk((now_ms % 1000 * 1000).to_string().as_bytes());
                })
            }
            ServerRequest::LastSave => Some(Answer::Integer(self.shared.last_save_ms() / 1000)),
            ServerRequest::Save => {
                self.shared.saves.ask();
                self.inquire(ticket, Wanted::Save)
            }
            ServerRequest::BgSave { schedule } => {
                if *schedule {
                    self.shared.saves.ask();
                } else if !self.shared.saves.ask_if_idle() {
                    return Some(Answer::Error("ERR Background save already in progress".to_owned()));
                }
                self.ask(self.all_cores(), 0, Question::Save { wait: false });
                encoded(&|e| {
                    e.simple(if *schedule { "Background saving scheduled" } else { "Background saving started" })
                })
            }
            ServerRequest::Publish { channel, .. }
                if Name::ALL.iter().any(|name| name.word().as_bytes() == *channel) =>
            {
                Some(Answer::Error("ERR only creditd publishes events on the channels of their names".to_owned()))
            }
            ServerRequest::Publish { channel, message } => {
                let [channel, message] = [*channel, *message].map(Arc::from);
                self.inquire(ticket, Wanted::Publish { channel, message })
            }
            ServerRequest::PubSubChannels(pattern) => {
                self.inquire(ticket, Wanted::Listened(Listened::Channels(pattern.map(Box::from)), proto))
            }
            ServerRequest::PubSubNumSub(channels) => self
                .inquire(ticket, Wanted::Listened(Listened::Counts(channels.iter().map(Box::from).collect()), proto)),
            ServerRequest::PubSubNumPat => self.inquire(ticket, Wanted::Listened(Listened::Patterns, proto)),
            ServerRequest::SlowLogGet(count) => {
                let entries = self.shared.slow.log().newest(*count);
                encoded(&|e| slow::encode_log(&entries, e))
            }
            ServerRequest::SlowLogLen => Some(Answer::Integer(self.shared.slow.log().len() as u64)),
            ServerRequest::SlowLogReset => {
                self.shared.slow.log().reset();
                encoded(&|e| e.ok())
            }
            ServerRequest::Latency(LatencyRequest::Histogram(names)) => {
                let names = names.iter().map(Box::from).collect();
                self.inquire(ticket, Wanted::Histogram { names, proto })
            }
            ServerRequest::Latency(request) => Some(slow::answer_latency(&self.shared.slow, request, proto)),
            ServerRequest::Acl(request) => self.ask_access(ticket, proto, request),
            ServerRequest::Shutdown => {
                self.shared.request_stop();
                None // the connection closes without a reply, as in Redis
            }
        }
    }

    fn read_stream(
        &mut self,
        ticket: Ticket,
        proto: Proto,
        request: &StreamRequest<'_>,
        may_block: bool,
    ) -> Option<Answer> {
        let now_ms = Engine::now_ms(self);
        self.readings.begin(ticket, proto, request, may_block, now_ms);
        None
    }

    fn give_up(&mut self, ticket: Ticket) {
        self.readings.give_up(ticket);
    }

    fn subscribe(&mut self, place: Ticket, channel: &[u8], is_pattern: bool) {
        self.listen(place, channel, is_pattern, true);
    }

    fn unsubscribe(&mut self, place: Ticket, channel: &[u8], is_pattern: bool) {
        self.listen(place, channel, is_pattern, false);
    }

    fn make_tx(&mut self) -> MadeTx {
        ulid::make(self.now_ms())
    }

    fn loading(&self) -> Option<String> {
        if self.phase > Phase::Resuming {
            return None;
        }
        let (percent, seconds) =
            self.shared.loading().map_or((100, 0), |l| (l.loaded_bytes * 100 / l.total_bytes.max(1), l.eta_seconds));
        Some(format!("LOADING creditd is reading its snapshots and log: {percent}% done, about {seconds} s left"))
    }

    fn is_congested(&self) -> bool {
        Engine::is_congested(self) || self.phase > Phase::Serving
    }

    fn users(&self) -> &Arc<Users> {
        &self.users
    }

    fn log_in(&mut self, ticket: Ticket, peer: IpAddr, credentials: &Credentials<'_>) -> Option<Verdict> {
        self.look_at_login(ticket, peer, credentials)
    }

    fn denied(&mut self, user: &str, denial: &Denial<'_>, in_multi: bool, client: impl FnOnce() -> String) {
        self.note_denial(user, denial, in_multi, client);
    }

    fn monitor(&mut self, place: Ticket, begins: bool) {
        self.set_monitor(place, begins);
    }

    fn is_monitored(&self) -> bool {
        self.shared.overseers.is_monitored()
    }

    fn tell_monitors(&mut self, line: &[u8]) {
        self.monitors.push(line);
    }

    fn pauses(&self, is_write: bool) -> bool {
        self.shared.overseers.pauses(is_write, Engine::now_ms(self))
    }

    fn shards(&self) -> u16 {
        self.shared.router.shards()
    }

    fn redis_version(&self) -> &'static str {
        REDIS_VERSION
    }

    fn limits(&self) -> &Limits {
        &self.shared.connection_limits
    }

    fn defaults(&self) -> &Defaults {
        &self.shared.defaults
    }

    fn now_ms(&self) -> u64 {
        Engine::now_ms(self)
    }

    fn called(&mut self, command: u16) {
        self.counters.called(usize::from(command));
    }

    fn refused(&mut self, spec: Option<&'static CommandSpec>, text: &str) {
        let code = error_code(text.as_bytes());
        match spec {
            Some(spec) => self.counters.rejected(table::position(spec), code),
            None => self.counters.error(code),
        }
    }

    fn failed(&mut self, failure: Failure) {
        self.counters.failed(usize::from(failure.command), failure.code);
    }
}

impl Engine {
    pub(super) fn all_cores(&self) -> Range<usize> {
        0..usize::from(self.shared.router.cores())
    }

    fn inquire(&mut self, ticket: Ticket, wanted: Wanted) -> Option<Answer> {
        self.inquire_of(self.all_cores(), ticket, wanted)
    }

    /// Puts a question to these cores; the answer to `ticket` is made when all have told their part.
    pub(super) fn inquire_of(&mut self, cores: Range<usize>, ticket: Ticket, wanted: Wanted) -> Option<Answer> {
        let question = wanted.question();
        let inquiry = self.inquiries.open(ticket, wanted, cores.len());
        self.ask(cores, inquiry, question);
        None
    }

    /// Hands over what readings have to ask. Returns whether something found no room.
    pub(super) fn send_readings(&mut self) -> bool {
        let (asked, stuck) = self.readings.send();
        for ShardCommand { shard, ticket, account, op } in asked {
            self.submit_to(shard, ticket, &Command::new(&account, b"", op));
        }
        stuck
    }

    /// The connection at `place` listens to `word`, or no more.
    pub(super) fn listen(&mut self, place: Ticket, word: &[u8], is_pattern: bool, listens: bool) {
        let changed = if listens {
            self.subscribers.add(place, word, is_pattern)
        } else {
            self.subscribers.remove(place, word, is_pattern)
        };
        if changed {
            self.readings.listen(self.subscribers.names());
        }
    }
}
