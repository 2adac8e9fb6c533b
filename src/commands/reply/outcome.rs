//! Answers of the ledger, byte for byte as in commands.md C.1 and C.3. What reads the trail is [`trail`](super::trail)'s,
//! a "no" is [`rejection`](super::rejection)'s.

use super::{Encoder, Proto};
use crate::ledger::outcome::{Detail, Figures, HoldsView, Outcome, Receipt, Status};

impl Encoder<'_> {
    /// Answers a ledger command; `made_tx` is the id that the server made for it (`*`), if it did.
    pub fn outcome(&mut self, outcome: &Outcome, made_tx: Option<&[u8]>) {
        match outcome {
            Outcome::Written(receipt) => self.receipt(receipt, made_tx),
            Outcome::Balance(figures) => {
                self.out.reserve(176);
                self.small_map(5);
                self.figures(figures);
            }
            Outcome::Holds(view) => self.holds(view),
            Outcome::Tx(None) => self.null(),
            Outcome::Tx(Some(view)) => self.tx(view),
            Outcome::History(entries) => self.history(entries),
            Outcome::Audit(view) => self.audit(view),
            Outcome::Lead(None) => self.null(),
            Outcome::Lead(Some(view)) => self.lead(view),
            Outcome::Claims(claims) => self.claims(claims),
            Outcome::EventCount(count) => self.integer(*count),
            Outcome::Step(step) => panic!("a step of a claim is no reply: {step:?}"),
            Outcome::Rejected(rejection) => self.rejection(rejection),
        }
    }

    fn receipt(&mut self, receipt: &Receipt, made_tx: Option<&[u8]>) {
        let detail_fields = match receipt.detail {
            Detail::None => 0,
            Detail::Expires(_) | Detail::Refundable(_) => 1,
            Detail::Captured { .. } | Detail::Claim { .. } => 2,
        };
        let fields = 4 + detail_fields + usize::from(made_tx.is_some()) + usize::from(receipt.replayed);
        self.out.reserve(224 + made_tx.map_or(0, <[u8]>::len));
        self.small_map(fields);
        self.out.extend_from_slice(status(receipt.status));
        self.out.extend_from_slice(itoa::Buffer::new().format(receipt.balance).as_bytes());
        self.fact(b"\r\n$9\r\navailable\r\n:", receipt.available);
        self.fact(b"\r\n$3\r\nseq\r\n:", receipt.seq);
        match receipt.detail {
            Detail::None => {}
            Detail::Expires(at_ms) => self.fact(b"\r\n$7\r\nexpires\r\n:", at_ms),
            Detail::Refundable(refundable) => self.fact(b"\r\n$10\r\nrefundable\r\n:", refundable),
            Detail::Captured { captured, returned } => {
                self.fact(b"\r\n$8\r\ncaptured\r\n:", captured);
                self.fact(b"\r\n$8\r\nreturned\r\n:", returned);
            }
            Detail::Claim { claim, remaining } => {
                self.fact(b"\r\n$5\r\nclaim\r\n:", claim.into());
                self.fact(b"\r\n$9\r\nremaining\r\n:", remaining.into());
            }
        }
        self.out.extend_from_slice(b"\r\n");
        if let Some(tx) = made_tx {
            self.text("tx");
            self.bulk(tx);
        }
        if receipt.replayed {
            self.out.extend_from_slice(b"$8\r\nreplayed\r\n:1\r\n");
        }
    }

    fn figures(&mut self, figures: &Figures) {
        let available = figures.balance.checked_sub(figures.reserved).expect("reserved is part of the balance (I1)");
        self.fact(b"$7\r\nbalance\r\n:", figures.balance);
        self.fact(b"\r\n$8\r\nreserved\r\n:", figures.reserved);
        self.fact(b"\r\n$9\r\navailable\r\n:", available);
        self.fact(b"\r\n$3\r\nseq\r\n:", figures.seq);
        self.fact(b"\r\n$4\r\ntime\r\n:", figures.time_ms);
        self.out.extend_from_slice(b"\r\n");
    }

    fn holds(&mut self, view: &HoldsView) {
        self.map(6);
        self.figures(&view.figures);
        self.text("holds");
        self.array(view.holds.len());
        for hold in &view.holds {
            self.map(3 + usize::from(hold.expires_at_ms.is_some()) + usize::from(!hold.lead.is_empty()));
            self.text("tx");
            self.bulk(&hold.tx);
            self.number("amount", hold.amount);
            self.number("created", hold.created_at_ms);
            if let Some(at_ms) = hold.expires_at_ms {
                self.number("expires", at_ms);
            }
            if !hold.lead.is_empty() {
                self.text("lead");
                self.bulk(&hold.lead);
            }
        }
    }

    /// A key, encoded with the line end before it and the `:` of its value, and the value without its line end.
    #[inline]
    fn fact<const LEN: usize>(&mut self, key: &[u8; LEN], value: u64) {
        self.out.extend_from_slice(key);
        self.out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
    }

    /// Starts a map of four to eight fields.
    fn small_map(&mut self, fields: usize) {
        let template: [&[u8]; 5] = match self.proto {
            Proto::Resp2 => [b"*8\r\n", b"*10\r\n", b"*12\r\n", b"*14\r\n", b"*16\r\n"],
            Proto::Resp3 => [b"%4\r\n", b"%5\r\n", b"%6\r\n", b"%7\r\n", b"%8\r\n"],
        };
        self.out.extend_from_slice(template[fields - 4]);
    }
}

/// The first field of a receipt and the key of the second, encoded.
fn status(status: Status) -> &'static [u8] {
    match status {
        Status::Granted => b"$6\r\nstatus\r\n$7\r\ngranted\r\n$7\r\nbalance\r\n:",
        Status::Debited => b"$6\r\nstatus\r\n$7\r\ndebited\r\n$7\r\nbalance\r\n:",
        Status::Active => b"$6\r\nstatus\r\n$6\r\nactive\r\n$7\r\nbalance\r\n:",
        Status::Captured => b"$6\r\nstatus\r\n$8\r\ncaptured\r\n$7\r\nbalance\r\n:",
        Status::Released => b"$6\r\nstatus\r\n$8\r\nreleased\r\n$7\r\nbalance\r\n:",
        Status::Expired => b"$6\r\nstatus\r\n$7\r\nexpired\r\n$7\r\nbalance\r\n:",
        Status::Refunded => b"$6\r\nstatus\r\n$8\r\nrefunded\r\n$7\r\nbalance\r\n:",
        Status::Claimed => b"$6\r\nstatus\r\n$7\r\nclaimed\r\n$7\r\nbalance\r\n:",
        Status::Void => b"$6\r\nstatus\r\n$4\r\nvoid\r\n$7\r\nbalance\r\n:",
    }
}
