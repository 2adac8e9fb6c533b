//! Readings, without threads: what they ask, when they wait, what they answer.

use super::follower::{Awaited, Notice};
use super::pages::Asked;
use super::readings::Readings;
use super::{Interests, Streams, Tails};
use crate::commands::arguments::OwnedArguments;
use crate::commands::reply::Proto;
use crate::commands::{Defaults, Request, parse};
use crate::feed::Page;
use crate::journal::manifest::Manifest;
use crate::ledger::event::EntryId;
use crate::ledger::outcome::{Entries, Outcome};
use crate::net::replies::Answer;
use crate::server::mailbox::Mailbox;
use crate::server::router::Router;
use crate::shard::batch::Ticket;
use crossbeam_channel::{Receiver, bounded};
use std::sync::Arc;

const TICKET: Ticket = Ticket { core: 0, connection: 3, generation: 1, slot: 9 };

/// Readings of one core, two shards, and what they say to the threads.
struct Desk {
    readings: Readings,
    asked: Receiver<Asked>,
    notices: Receiver<Notice>,
}

impl Desk {
    fn new(notices_max: usize) -> Self {
        let ((asked, asked_out), (notices, notices_out)) = (bounded(8), bounded(notices_max));
        let (tails, interests) = (Arc::new(Tails::new(2)), Arc::new(Interests::new(1)));
        let streams = Arc::new(Streams { tails, interests, asked, notices });
        let router = Router::new(&Manifest::new([1; 16], 2, [0; 2]), 1);
        let readings = Readings::new(0, Arc::new(Mailbox::new(1, 2)), router, streams);
        Self { readings, asked: asked_out, notices: notices_out }
    }

    /// Begins a request at 1,000 ms. Returns its number.
    fn begin(&mut self, line: &str) -> u32 {
        let words: OwnedArguments = line.split(' ').map(str::as_bytes).collect();
        let defaults = Defaults { reserve_ttl_ms: 1, allow_auto_tx: true };
        match parse(words.borrow(), &defaults) {
            Ok(Request::Stream(request)) => self.readings.begin(TICKET, Proto::Resp2, &request, true, 1_000),
            other => panic!("{line}: {other:?}"),
        }
        let (commands, stuck) = self.readings.send();
        assert!(!stuck);
        let of_command = commands.first().map(|command| command.ticket.reading().expect("of a reading").0);
        of_command.unwrap_or(1)
    }

    fn hear(&mut self, reading: u32, pages: &[(usize, &str)]) {
        let page = |(index, ids): &(usize, &str)| (*index, Ok(Arc::new(page(ids))));
        self.readings.heard(reading, pages.iter().map(page).collect());
    }

    /// The answers so far, as text without line ends.
    fn answers(&mut self) -> Vec<String> {
        let text = |answer| match answer {
            Answer::Encoded(bytes) => {
                String::from_utf8(bytes).expect("text").replace("\r\n", " ").trim_end().to_owned()
            }
            other => format!("{other:?}"),
        };
        let answers = self.readings.take_answers().into_iter();
        answers.inspect(|(ticket, _)| assert_eq!(*ticket, TICKET)).map(|(_, answer)| text(answer)).collect()
    }

    /// What the thread `tail` is told.
    fn told(&mut self) -> Vec<String> {
        assert!(self.readings.send().0.is_empty(), "no commands");
        let told = |notice| match notice {
            Notice::Wait { waits, .. } => waits.iter().fold("wait".to_owned(), |line, wait| {
                line + &match &wait.awaited {
                    Awaited::Events(query) => {
                        format!(" {}:{}-{}", wait.index, query.start.time_ms, query.start.seq)
                    }
                    Awaited::Account { account, from } => {
                        format!(" {}:{}>={from}", wait.index, String::from_utf8_lossy(account))
                    }
                }
            }),
            Notice::Cancel { .. } => "cancel".to_owned(),
            Notice::Grown | Notice::Listen { .. } => panic!("nobody has"),
        };
        self.notices.try_iter().map(told).collect()
    }
}

/// A page of entries, of which only the ids matter: `5-7 5-9`.
fn page(ids: &str) -> Page {
    let ids: Vec<_> = ids.split_whitespace().collect();
    let last = ids
        .last()
        .and_then(|id| id.split_once('-'))
        .map(|(ms, seq)| EntryId { time_ms: ms.parse().expect("a number"), seq: seq.parse().expect("a number") });
    let bytes = ids.iter().map(|id| format!("*2\r\n+{id}\r\n*0\r\n")).collect::<String>().into_bytes();
    Page { entries: ids.len(), bytes, last }
}

#[test]
fn what_is_there_is_answered_at_once() {
    let mut desk = Desk::new(8);
    let reading = desk.begin("XREAD BLOCK 0 STREAMS credit:events:0 credit:events:1 elsewhere 5-7 0 $");
    let asked = desk.asked.try_recv().expect("pages");
    let starts: Vec<_> = asked.pages.iter().map(|page| (page.shard, page.query.start)).collect();
    assert_eq!(starts, [(0, EntryId { time_ms: 5, seq: 8 }), (1, EntryId { time_ms: 0, seq: 1 })]);
    desk.hear(reading, &[(0, ""), (1, "5-7 5-9")]);
    assert_eq!(desk.answers(), ["*1 *2 $15 credit:events:1 *2 *2 +5-7 *0 *2 +5-9 *0"]);
    assert!(desk.told().is_empty() && desk.readings.waiting() == 0);
    let reading = desk.begin("XREAD STREAMS credit:events:0 $") + 1;
    desk.hear(reading, &[(0, "5-7")]);
    assert_eq!(desk.answers(), ["*-1"], "nothing can be after the end at once");
}

#[test]
fn what_comes_later_is_waited_for_behind_what_was_seen() {
    let mut desk = Desk::new(8);
    let reading = desk.begin("XREAD BLOCK 0 STREAMS credit:events:0 credit:events:1 5-7 $");
    desk.hear(reading, &[(0, ""), (1, "6-4")]);
    assert!(desk.answers().is_empty());
    assert_eq!((desk.told(), desk.readings.waiting()), (vec!["wait 0:5-8 1:6-5".to_owned()], 1));
    desk.hear(reading, &[(1, "7-7")]);
    assert_eq!(desk.answers(), ["*1 *2 $15 credit:events:1 *1 *2 +7-7 *0"]);
    assert_eq!((desk.told(), desk.readings.waiting()), (vec!["cancel".to_owned()], 0));
    desk.hear(reading, &[(0, "7-7")]);
    assert!(desk.answers().is_empty(), "it is answered once");
}

#[test]
fn a_log_is_asked_again_when_it_has_changed() {
    let mut desk = Desk::new(8);
    let reading = desk.begin("XREAD BLOCK 500 STREAMS credit:log:{a} 0");
    let nothing = || Outcome::History(Entries::default());
    desk.readings.heard_shard((reading, 0), nothing());
    assert_eq!(desk.told(), ["wait 0:a>=0"]);
    assert_eq!(desk.readings.next_deadline_ms(), Some(1_500));
    desk.readings.changed(reading, 0);
    assert_eq!(desk.readings.send().0.len(), 1, "a HISTORY");
    desk.readings.heard_shard((reading, 0), nothing());
    assert_eq!(desk.told(), ["wait 0:a>=0"], "an entry that it has seen: it waits on");
    desk.readings.expire(1_499);
    assert!(desk.answers().is_empty());
    desk.readings.expire(1_500);
    assert_eq!((desk.answers(), desk.told()), (vec!["*-1".to_owned()], vec!["cancel".to_owned()]));
    desk.readings.changed(reading, 0);
    desk.readings.heard_shard((reading, 0), nothing());
    assert!(desk.answers().is_empty() && desk.readings.next_deadline_ms().is_none());
}

#[test]
fn who_leaves_is_forgotten_wherever_he_is() {
    let mut desk = Desk::new(8);
    let asking = desk.begin("XREAD BLOCK 0 STREAMS credit:events:0 0");
    desk.readings.give_up(Ticket { slot: 1, ..TICKET });
    desk.hear(asking, &[(0, "1-1")]);
    assert!(desk.answers().is_empty() && desk.told().is_empty());
    desk.begin("XREAD BLOCK 0 STREAMS credit:events:0 0");
    desk.hear(asking + 1, &[(0, "")]);
    desk.readings.give_up(Ticket { generation: 2, ..TICKET });
    assert_eq!(desk.readings.waiting(), 1, "another connection in the same place");
    desk.readings.give_up(TICKET);
    assert_eq!(desk.told(), ["wait 0:0-1", "cancel"]);
}

#[test]
fn a_full_queue_is_tried_again() {
    let mut desk = Desk::new(1);
    let reading = desk.begin("XREAD BLOCK 0 STREAMS credit:events:0 0");
    desk.hear(reading, &[(0, "")]);
    desk.readings.give_up(TICKET);
    assert!(desk.readings.send().1, "there is room for one notice");
    assert_eq!(desk.notices.try_iter().count(), 1);
    assert_eq!(desk.told(), ["cancel"]);
}

#[test]
fn the_lag_is_what_is_durable_and_not_shown_to_those_who_wait() {
    let (tails, (notices, _kept)) = (Tails::new(2), bounded(1));
    tails.publish(1, 4096, &notices);
    assert_eq!(tails.lag_bytes(1), 0, "nobody waits");
    tails.show(1, Some(1024));
    assert_eq!((tails.lag_bytes(1), tails.lag_bytes(0)), (3072, 0));
    tails.show(1, Some(4096));
    assert_eq!(tails.lag_bytes(1), 0);
    tails.publish(1, 8192, &notices);
    tails.show(1, None);
    assert_eq!(tails.lag_bytes(1), 0, "they have gone");
}
