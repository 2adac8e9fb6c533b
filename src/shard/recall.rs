//! What an id means already, read back from the records that the index (or a walk) points to.

use super::Fault;
use super::trail::{Source, Stop, decode, event_at};
use crate::ledger::codec;
use crate::ledger::command::Op;
use crate::ledger::event::{Change, EntryType, Event};
use crate::ledger::id::{Lsn, NO_LSN};
use crate::ledger::outcome::TxView;
use crate::ledger::{Past, Recorded, tx_view};

/// The records behind an id: at most three are read (REFUND of it, its CAPTURE, the RESERVE behind that). The buffers
/// are used again and again: on the way of a replay nothing is allocated.
#[derive(Debug, Default)]
pub(super) struct Recalled {
    /// Where `event` stands; [`NO_LSN`]: the id is unknown.
    lsn: Lsn,
    event: Vec<u8>,
    /// Empty: not needed, or there is none.
    opened: Vec<u8>,
    refunded: u64,
}

impl Recalled {
    /// Reads what stands behind `tx` of `account` and an `op` needs, the newest record of it being at `lsn`. A record of
    /// another id (a hash collision) makes it unknown.
    pub(super) fn read(
        &mut self,
        source: &mut impl Source,
        account: &[u8],
        tx: &[u8],
        lsn: Lsn,
        op: &Op,
    ) -> Result<(), Stop> {
        self.forget();
        let newest = event_at(source, lsn)?;
        if newest.account != account {
            return Ok(());
        }
        let (mut place, mut refunded) = (lsn, 0);
        if let Change::Refund { of, opened_lsn, refunded_total, .. } = newest.change
            && of == tx
        {
            (place, refunded) = (opened_lsn, if planted!("sum of refunds forgotten") { 0 } else { refunded_total });
        }
        let record = source.record(place)?;
        let event = decode(place, record)?;
        if event.account != account || event.tx != tx {
            return if place == lsn { Ok(()) } else { Err(Stop::Broken(Fault::Foreign { lsn: place })) };
        }
        self.event.extend_from_slice(record);
        if let Some(opened_lsn) = reserve_needed(op, &event) {
            match source.record(opened_lsn) {
                // CREDIT.TX shows what is left.
                Err(Stop::Gone) if matches!(op, Op::Tx) => {}
                record => {
                    let record = record?;
                    let opened = decode(opened_lsn, record)?;
                    if opened.account != account || opened.tx != tx || opened.entry_type() != EntryType::Reserve {
                        return Err(Stop::Broken(Fault::Foreign { lsn: opened_lsn }));
                    }
                    self.opened.extend_from_slice(record);
                }
            }
        }
        (self.lsn, self.refunded) = (place, refunded);
        Ok(())
    }

    /// Makes the id unknown.
    pub(super) fn forget(&mut self) {
        self.lsn = NO_LSN;
        self.event.clear();
        self.opened.clear();
    }

    /// Makes the id unknown if its record stands below `floor`.
    pub(super) fn forget_below(&mut self, floor: Lsn) {
        if self.lsn < floor {
            self.forget();
        }
    }

    /// Whether the id means something.
    pub(super) fn is_known(&self) -> bool {
        self.lsn != NO_LSN
    }

    /// What was read, for a decision.
    pub(super) fn past(&self) -> Past<'_> {
        if !self.is_known() {
            return Past::Unknown;
        }
        let (event, opened) = self.events();
        Past::Recorded(Recorded { event, lsn: self.lsn, opened, refunded: self.refunded })
    }

    /// What was read, for CREDIT.TX. `None`: the id is unknown.
    pub(super) fn view(&self) -> Option<TxView> {
        self.is_known().then(|| {
            let (event, opened) = self.events();
            tx_view(&event, opened.as_ref(), self.refunded)
        })
    }

    fn events(&self) -> (Event<'_>, Option<Event<'_>>) {
        let decode = |record| codec::decode(record).expect("it was read, and decoded then");
        (decode(&self.event), (!self.opened.is_empty()).then(|| decode(&self.opened)))
    }
}

/// Where the RESERVE stands, if `op` needs it beside the entry that ended it.
fn reserve_needed(op: &Op, event: &Event<'_>) -> Option<Lsn> {
    match (op, event.change) {
        (Op::Tx | Op::Reserve { .. }, Change::Capture { opened_lsn, .. }) => Some(opened_lsn),
        (Op::Tx, _) if event.ends_hold() => event.opened_lsn(),
        _ => None,
    }
}
