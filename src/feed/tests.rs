//! Events of hand-made logs: what they show, and which of them a page has.

use redis_protocol::resp2::decode::decode as decode_resp;
use redis_protocol::resp2::types::OwnedFrame;

use super::*;
use crate::journal::chance::Chance;
use crate::journal::storage::SegmentSource;
use crate::journal::{
    BlockReader, Entry, LogId, Opened, PAGE, RecoveryOptions, SimDisk, SimStorage, SyncPolicy, recover,
};
use crate::ledger::codec::{self, Record};
use crate::ledger::event::{Change, DeclineCode, DeclinedOp, EntryId, Event, NEVER_MS};
use crate::ledger::lead::{self, LeadChange, LeadEvent, Refusal};

const ID: LogId = LogId { instance: [7; 16], shard: 3 };

fn open(disk: &SimDisk) -> Opened<SimStorage> {
    let segment_len = (1 << 20) + 16 * PAGE as u64;
    let options =
        RecoveryOptions { id: ID, policy: SyncPolicy::Always, segment_len, salt_seed: 1, now_ms: 1, recent_len: 1 };
    recover(disk.storage(), &options, &mut |_: Entry<'_>| Ok(()), &mut |_, _| {}).expect("a log")
}

/// Appends a record to the open block.
fn put(opened: &mut Opened<SimStorage>, now_ms: u64, record: &Record<'_>) -> Lsn {
    opened.log.append(now_ms, |out| match record {
        Record::Entry(event) => codec::encode(event, out),
        Record::Lead(event) => lead::codec::encode(event, out),
    })
}

/// Makes the open block durable; gives its time.
fn commit(opened: &mut Opened<SimStorage>) -> u64 {
    let mut now_ms = 0;
    while let Some(block) = opened.log.take() {
        now_ms = block.now_ms();
        let durable = opened.committer.commit(&block).expect("committed");
        drop(block);
        opened.log.committed(durable);
    }
    now_ms
}

fn entry(change: Change<'_>) -> Record<'_> {
    Record::Entry(Event {
        account: b"tradie:1",
        tx: b"t-7",
        reason: b"",
        meta: b"",
        time_ms: 1_000,
        seq: 4,
        amount: 30,
        balance: 100,
        reserved: 40,
        prev_lsn: 4168,
        skip_lsn: 0,
        change,
    })
}

fn of_lead(claims: u32, change: LeadChange<'_>) -> Record<'_> {
    let (lead, max) = (&b"lead:9"[..], 3);
    Record::Lead(LeadEvent { lead, reason: b"", meta: b"", time_ms: 1_000, seq: 2, prev_lsn: 0, max, claims, change })
}

fn all() -> Query {
    Query { start: EntryId::MIN, end: EntryId::MAX, count: 1_000, bytes_max: usize::MAX, newest_first: false }
}

/// The entries of a page as `id name=value ..`.
fn lines(page: &Page) -> Vec<String> {
    let text = |frame: &OwnedFrame| match frame {
        OwnedFrame::BulkString(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        other => panic!("{other:?}"),
    };
    let mut rest = &page.bytes[..];
    let mut found = Vec::new();
    while let Some((frame, len)) = decode_resp(rest).expect("RESP") {
        let OwnedFrame::Array(parts) = frame else { panic!("an array") };
        let [id, OwnedFrame::Array(fields)] = &parts[..] else { panic!("id and fields") };
        let fields: Vec<_> = fields.iter().map(text).collect();
        let pairs: Vec<_> = fields.chunks(2).map(|pair| pair.join("=")).collect();
        found.push(format!("{} {}", text(id), pairs.join(" ")));
        rest = &rest[len..];
    }
    assert_eq!(found.len(), page.entries);
    assert!(rest.is_empty());
    found
}

#[test]
fn every_record_is_its_events_and_no_field_is_shown_that_does_not_apply() {
    let (lead, opened_lsn) = (&b"lead:9"[..], 4168);
    let a = "account=tradie:1 tx=t-7";
    let sums = "balance=100 reserved=40 available=60 seq=4 time=1000";
    let refund = Change::Refund { of: b"t-1", opened_lsn, refunded_total: 30, refundable: 0 };
    let refused = Change::Refused { opened_lsn, lead, refusal: Refusal::Full { max: 3 } };
    let claim = LeadChange::Claim { account: b"tradie:1", tx: b"t-7", cost: 30, account_seq: 4 };
    let (op, code) = (DeclinedOp::Refund, DeclineCode::Overflow);
    let (claim_op, poor) = (DeclinedOp::Claim, DeclineCode::Insufficient);
    let Record::Entry(event) = entry(Change::Void) else { unreachable!("an entry") };
    let void = Record::Entry(Event { amount: 0, ..event });
    let story = [
        (entry(Change::Grant), format!("credit.granted {a} amount=30 {sums}")),
        (entry(Change::Debit), format!("credit.debited {a} amount=30 {sums} via=debit")),
        (
            entry(Change::Reserve { expires_at_ms: 9_000, lead: b"" }),
            format!("credit.reserved {a} amount=30 {sums} expires=9000"),
        ),
        (
            entry(Change::Reserve { expires_at_ms: NEVER_MS, lead }),
            format!("credit.reserved {a} amount=30 {sums} lead=lead:9"),
        ),
        (
            entry(Change::Capture { captured: 20, opened_lsn, lead: b"" }),
            format!("credit.debited {a} amount=20 {sums} via=capture returned=10"),
        ),
        (
            entry(Change::Claimed { opened_lsn, lead, claim: 3, remaining: 0 }),
            format!("credit.debited {a} amount=30 {sums} via=claim lead=lead:9 claim=3 remaining=0"),
        ),
        (
            entry(Change::Release { opened_lsn, lead: b"" }),
            format!("credit.released {a} amount=30 {sums} cause=client"),
        ),
        (entry(Change::Expire { opened_lsn }), format!("credit.released {a} amount=30 {sums} cause=expired")),
        (entry(refused), format!("credit.released {a} amount=30 {sums} lead=lead:9 cause=lead code=LEADFULL")),
        (void, format!("credit.released {a} amount=0 {sums} cause=client")),
        (entry(refund), format!("credit.refunded {a} amount=30 {sums} of=t-1")),
        (
            entry(Change::Decline { op, code, of: b"t-1", lead: b"" }),
            format!("credit.declined {a} amount=30 {sums} code=OVERFLOW of=t-1"),
        ),
        (
            entry(Change::Decline { op: claim_op, code: poor, of: b"", lead }),
            format!("credit.declined {a} amount=30 {sums} lead=lead:9 code=INSUFFICIENT"),
        ),
        (
            of_lead(0, LeadChange::Open { expires_at_ms: 9_000 }),
            "lead.opened seq=2 time=1000 lead=lead:9 max=3 expires=9000".into(),
        ),
        (
            of_lead(0, LeadChange::Open { expires_at_ms: NEVER_MS }),
            "lead.opened seq=2 time=1000 lead=lead:9 max=3".into(),
        ),
        (
            of_lead(2, claim),
            format!("lead.claimed {a} amount=30 seq=2 time=1000 lead=lead:9 claim=2 max=3 remaining=1"),
        ),
        (
            of_lead(3, claim),
            format!("lead.claimed {a} amount=30 seq=2 time=1000 lead=lead:9 claim=3 max=3 remaining=0"),
        ),
        (of_lead(1, LeadChange::Close), "lead.closed seq=2 time=1000 lead=lead:9 max=3".into()),
        (of_lead(1, LeadChange::Expire), "lead.expired seq=2 time=1000 lead=lead:9 max=3 cause=expired".into()),
    ];
    let disk = SimDisk::new(1, ID);
    let mut opened = open(&disk);
    let mut expected = Vec::new();
    for (record, event) in &story {
        let lsn = put(&mut opened, 2_000, record);
        expected.push(format!("2000-{lsn} event={event}"));
        if event.contains("claim=3 max=3") {
            expected.push(format!("2000-{} event=lead.full seq=2 time=1000 lead=lead:9 max=3", lsn + 1));
        }
    }
    commit(&mut opened);
    let page = page(&mut opened.reader().blocks(), opened.log.durable_lsn(), &all()).expect("read");
    assert_eq!(lines(&page), expected);
    assert_eq!(Name::ALL.len(), 11);
    for name in Name::ALL {
        assert!(expected.iter().any(|line| line.contains(&format!("event={} ", name.word()))), "{name:?}");
    }
}

#[test]
fn a_message_is_one_object_and_shows_bytes_that_are_no_text() {
    let Record::Entry(event) = entry(Change::Debit) else { unreachable!("an entry") };
    let id = EntryId { time_ms: 2_000, seq: 4168 };
    let message = |event: Event<'_>| {
        let mut out = b"> ".to_vec();
        json(3, id, Name::CreditDebited, &Record::Entry(event), &mut out);
        String::from_utf8(out).expect("text")
    };
    let rest = r#""amount":30,"balance":100,"reserved":40,"available":60,"seq":4,"time":1000,"via":"debit""#;
    let head = r#"> {"stream":"credit:events:3","id":"2000-4168","event":"credit.debited""#;
    let said = message(Event { tx: "zażółć \"%\n".as_bytes(), ..event });
    assert_eq!(said, format!(r#"{head},"account":"tradie:1","tx":"zażółć \"%\n",{rest}}}"#));
    let said = message(Event { account: b"a%\"\xff\n", meta: b"{}", ..event });
    assert_eq!(said, format!(r#"{head},"account":"a%25\"%FF%0A","tx":"t-7",{rest},"meta":"{{}}"}}"#));
}

#[test]
fn names_are_kept_in_sets() {
    let odd: Vec<_> = Name::ALL.into_iter().step_by(2).collect();
    let names = odd.iter().fold(Names::NONE, |names, name| names.with(*name));
    assert!(Name::ALL.into_iter().all(|name| names.has(name) == odd.contains(&name)));
    assert_eq!(Names::from_bits(names.bits() | 1 << 15), names);
    assert!(Names::NONE.is_empty() && !names.is_empty());
}

/// A log with all that its stream should show: the id and the name of every event.
struct Life {
    disk: SimDisk,
    opened: Opened<SimStorage>,
    events: Vec<(EntryId, Name)>,
}

impl Life {
    /// Blocks of some records each, some of the same time; an epoch now and then.
    fn new(chance: &mut Chance) -> Self {
        let disk = SimDisk::new(chance.number(), ID);
        let mut life = Self { opened: open(&disk), disk, events: Vec::new() };
        let mut now_ms = 1_000;
        for _ in 0..60 {
            now_ms += chance.below(3);
            let mut block = Vec::new();
            for _ in 0..=chance.below(40) {
                let claim = LeadChange::Claim { account: b"tradie:1", tx: b"t-7", cost: 30, account_seq: 4 };
                let (record, name) = match chance.below(3) {
                    0 => (entry(Change::Grant), Name::CreditGranted),
                    1 => (of_lead(1, LeadChange::Close), Name::LeadClosed),
                    _ => (of_lead(3, claim), Name::LeadClaimed),
                };
                let lsn = put(&mut life.opened, now_ms, &record);
                block.push((lsn, name));
                block.extend((name == Name::LeadClaimed).then_some((lsn + 1, Name::LeadFull)));
            }
            let time_ms = commit(&mut life.opened);
            life.events.extend(block.into_iter().map(|(seq, name)| (EntryId { time_ms, seq }, name)));
            if chance.percent(10) {
                life.disk.kill();
                life.opened = open(&life.disk);
            }
        }
        life
    }

    fn blocks(&self) -> BlockReader<SimStorage> {
        self.opened.reader().blocks()
    }

    /// What `query` should give of what is below `durable`.
    fn expected(&self, durable: Lsn, query: &Query) -> Vec<String> {
        let wanted = |(id, _): &&(EntryId, Name)| query.start <= *id && *id <= query.end && id.seq < durable;
        let mut events: Vec<_> = self.events.iter().filter(wanted).collect();
        if query.newest_first {
            events.reverse();
        }
        let said = |(id, name): &(EntryId, Name)| format!("{}-{} event={}", id.time_ms, id.seq, name.word());
        events.into_iter().take(query.count).map(said).collect()
    }

    /// Somewhere in the stream, or beside it.
    fn id(&self, chance: &mut Chance) -> EntryId {
        let (id, _) = self.events[chance.below(self.events.len() as u64) as usize];
        match chance.below(8) {
            0 => EntryId::MIN,
            1 => EntryId::MAX,
            2 => EntryId { seq: 0, ..id },
            3 => EntryId { seq: u64::MAX, ..id },
            4 => EntryId { time_ms: id.time_ms - chance.below(2), seq: id.seq + chance.below(9_000) },
            5 => id.after(),
            _ => id,
        }
    }
}

/// Id and name of every entry.
fn heads<R: SegmentSource>(blocks: &mut BlockReader<R>, durable: Lsn, query: &Query) -> Vec<String> {
    let page = page(blocks, durable, query).expect("read");
    let heads: Vec<_> = lines(&page).iter().map(|line| line.split(' ').take(2).collect::<Vec<_>>().join(" ")).collect();
    let last = page.last.map(|id| format!("{}-{}", id.time_ms, id.seq));
    assert_eq!(last.as_deref(), heads.last().map(|line| line.split(' ').next().expect("an id")));
    heads
}

#[test]
fn a_page_has_what_is_asked_for_in_both_directions_and_nothing_that_is_not_durable() {
    for seed in 0..20 {
        let chance = &mut Chance::new(seed);
        let life = Life::new(chance);
        let mut blocks = life.blocks();
        let ends: Vec<Lsn> = life.events.iter().map(|(id, _)| id.seq).collect();
        for _ in 0..200 {
            let (count, newest_first) = (chance.below(50) as usize, chance.percent(50));
            let (start, end) = (life.id(chance), life.id(chance));
            let query = Query { start, end, count, newest_first, ..all() };
            let somewhere = ends[chance.below(ends.len() as u64) as usize];
            let durable = match chance.below(4) {
                0 => blocks.at(somewhere, life.opened.log.durable_lsn()).expect("a block").first_lsn,
                _ => life.opened.log.durable_lsn(),
            };
            assert_eq!(heads(&mut blocks, durable, &query), life.expected(durable, &query), "{query:?} of {durable}");
        }
    }
}

#[test]
fn a_consumer_that_keeps_its_last_id_sees_all_whatever_the_pages() {
    let chance = &mut Chance::new(5);
    let life = Life::new(chance);
    let (mut blocks, durable) = (life.blocks(), life.opened.log.durable_lsn());
    let whole = life.expected(durable, &Query { count: usize::MAX, ..all() });
    for bytes_max in [0, 1_000, 20_000] {
        let (mut seen, mut query) = (Vec::new(), Query { bytes_max, ..all() });
        loop {
            query.count = 1 + chance.below(5) as usize;
            let page = page(&mut blocks, durable, &query).expect("read");
            let Some(last) = page.last else { break };
            assert!(page.entries == 1 || page.bytes.len() <= bytes_max, "{} bytes", page.bytes.len());
            seen.extend(heads(&mut blocks, durable, &query));
            query.start = last.after();
        }
        assert!(seen == whole, "{} of {}", seen.len(), whole.len());
    }
    let mut followed = Vec::new();
    let middle = life.events[life.events.len() / 2].0.seq;
    for (from, to) in [(0, middle.next_multiple_of(PAGE as u64)), (middle.next_multiple_of(PAGE as u64), durable)] {
        let end = follow(&mut blocks, from, to, |id, record| {
            let (first, second) = names_of(record);
            followed.push((id, first));
            followed.extend(second.map(|name| (id.after(), name)));
        });
        assert_eq!(end.expect("followed"), to);
    }
    assert!(followed == life.events);
}

#[test]
fn what_was_let_go_of_is_not_there_and_the_first_id_tells() {
    let chance = &mut Chance::new(6);
    let mut life = Life::new(chance);
    let mut blocks = life.blocks();
    let durable = life.opened.log.durable_lsn();
    let first = page(&mut blocks, durable, &Query { count: 1, ..all() }).expect("read").last.expect("an event");
    let gone = life.opened.committer.let_go(durable / 2).expect("let go");
    assert!(!gone.is_empty());
    let draft = life.opened.committer.draft();
    gone.iter().for_each(|name| crate::journal::Draft::remove_segment(&draft, *name).expect("removed"));
    let oldest = blocks.oldest_lsn();
    life.events.retain(|(id, _)| id.seq >= oldest);
    for start in [EntryId::MIN, first, first.after(), EntryId { seq: oldest, ..first }] {
        for newest_first in [false, true] {
            let query = Query { start, newest_first, ..all() };
            assert_eq!(heads(&mut blocks, durable, &query), life.expected(durable, &query), "{query:?}");
        }
    }
    let before = Query { end: life.events[0].0.before(), ..all() };
    for query in [before, Query { newest_first: true, ..before }] {
        assert_eq!(page(&mut blocks, durable, &query).expect("read"), Page::default());
    }
    let lost = follow(&mut blocks, 0, durable, |_, _| {});
    assert!(matches!(lost, Err(FeedError::Read(ReadError::Gone { lsn: 0 }))));
}
