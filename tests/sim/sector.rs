//! A record that cannot be read any more: whoever needs it is refused and has changed nothing; all others go on.

use super::desk::{ACCOUNT, Desk, receipt};
use creditd::journal::SegmentName;
use creditd::ledger::command::{HistoryQuery, Op};
use creditd::ledger::event::{EntryId, EntryTypes};
use creditd::ledger::outcome::{Outcome, Status};
use creditd::ledger::rejection::Rejection;

#[test]
fn a_lost_record_refuses_those_who_need_it_and_nobody_else() {
    let mut desk = Desk::new();
    desk.ask(Op::Grant { amount: 100 }, "g");
    desk.ask(Op::Debit { amount: 10 }, "d");
    let ledger = desk.shard.ledger();
    let lsn = ledger.last_lsn(ledger.locate(ACCOUNT));
    desk.ask(Op::Grant { amount: 1 }, "h");

    let right = desk.damage(lsn);
    let lost = Outcome::Rejected(Rejection::Unreadable { lsn });
    assert_eq!(desk.ask(Op::Debit { amount: 10 }, "d"), lost, "a retry is not executed again");
    assert_eq!(desk.refund("f", "d", None), lost);
    assert_eq!(desk.ask(Op::Tx, "d"), lost);
    assert_eq!(desk.ask(Op::Audit, ""), lost);
    let query = |count| HistoryQuery {
        start: EntryId::MIN,
        end: EntryId::MAX,
        count,
        newest_first: true,
        types: EntryTypes::ALL,
    };
    assert_eq!(desk.ask(Op::History(query(2)), ""), lost);
    let Outcome::History(newest) = desk.ask(Op::History(query(1)), "") else {
        panic!("the entry before it is not needed")
    };
    assert_eq!(newest.len(), 1);
    assert_eq!(receipt(&desk.ask(Op::Debit { amount: 1 }, "e")).balance, 90, "nothing else has happened");

    desk.repair(lsn, right);
    let refund = desk.refund("f", "d", None);
    assert_eq!((receipt(&refund).status, receipt(&refund).balance), (Status::Refunded, 100));
    assert!(receipt(&desk.ask(Op::Debit { amount: 10 }, "d")).replayed);
}

impl Desk {
    /// Takes the length of the record at `lsn` away, and gives it.
    fn damage(&mut self, lsn: u64) -> [u8; 2] {
        let (name, offset) = self.place(lsn);
        let right = self.disk.contents(&name, offset, 2);
        self.disk.patch(&name, offset, &[0, 0]);
        right.try_into().expect("two bytes")
    }

    fn repair(&mut self, lsn: u64, right: [u8; 2]) {
        let (name, offset) = self.place(lsn);
        self.disk.patch(&name, offset, &right);
    }

    fn place(&self, lsn: u64) -> (String, u64) {
        let names = self.disk.file_names();
        let segment = names.iter().filter_map(|name| SegmentName::parse(name)).rfind(|segment| segment.base <= lsn);
        let segment = segment.expect("it is in some segment");
        (segment.to_string(), segment.offset_of(lsn))
    }
}
