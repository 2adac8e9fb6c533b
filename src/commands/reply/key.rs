//! What is shown of a key, in the shapes that Redis gives a hash, a stream, and a key that is not there.

use super::Encoder;
use crate::commands::keys::KeyView;
use crate::commands::keys::hash::{Field, HashView, ScanForm};
use crate::ledger::outcome::{Figures, Outcome};

/// What a stream or an account says to a command that is for another type.
const WRONG_TYPE: &str = "WRONGTYPE Operation against a key holding the wrong kind of value";

const NO_FREQUENCY: &str = "ERR An LFU maxmemory policy is not selected, access frequency not tracked. Please note that \
    when switching between policies at runtime LRU and LFU data will take some time to adjust.";

/// What a key is.
#[derive(Clone, Copy)]
enum Kind<'a> {
    Nothing,
    Stream,
    Account(&'a Figures),
}

impl Encoder<'_> {
    /// Shows `view` of the key whose account answered `outcome`; `is_stream`: the key is its trail, or a shard's events.
    pub fn key(&mut self, view: &KeyView, is_stream: bool, outcome: &Outcome) {
        let figures = match outcome {
            Outcome::Balance(figures) => figures,
            Outcome::Holds(view) => &view.figures,
            other => return self.outcome(other, None),
        };
        let kind = match is_stream {
            _ if figures.seq == 0 => Kind::Nothing,
            true => Kind::Stream,
            false => Kind::Account(figures),
        };
        match (view, kind) {
            (KeyView::Type, Kind::Nothing) => self.simple("none"),
            (KeyView::Type, Kind::Stream) => self.simple("stream"),
            (KeyView::Type, Kind::Account(_)) => self.simple("hash"),
            (KeyView::Expiry, Kind::Nothing) => self.signed(-2),
            (KeyView::Expiry, _) => self.signed(-1),
            (KeyView::TextLen, Kind::Nothing) => self.integer(0),
            (KeyView::Hash(view), Kind::Nothing) => self.no_hash(view),
            (_, Kind::Nothing) => self.null(),
            (KeyView::Encoding, Kind::Stream) => self.text("stream"),
            (KeyView::Encoding, Kind::Account(_)) => self.text("hashtable"),
            (KeyView::Constant(value), _) => self.integer(*value),
            (KeyView::Frequency, _) => self.error(NO_FREQUENCY),
            (KeyView::Memory { name_len }, Kind::Account(_)) => match outcome {
                Outcome::Holds(view) => self.integer(view.memory_bytes((*name_len).into())),
                other => panic!("a look at its holds is not answered by {other:?}"),
            },
            (KeyView::Memory { .. }, Kind::Stream) => self.integer(0),
            (KeyView::Hash(view), Kind::Account(figures)) => self.hash(view, figures),
            (KeyView::Text | KeyView::TextLen, _) | (KeyView::Hash(_), Kind::Stream) => self.error(WRONG_TYPE),
        }
    }

    fn hash(&mut self, view: &HashView, figures: &Figures) {
        let value = |field| itoa::Buffer::new().format(figure(figures, field)).to_owned();
        match view {
            HashView::All => {
                self.map(Field::ALL.len());
                Field::ALL.into_iter().for_each(|field| self.field(field.name(), &value(field)));
            }
            HashView::Names => {
                self.array(Field::ALL.len());
                Field::ALL.into_iter().for_each(|field| self.text(field.name()));
            }
            HashView::Values => {
                self.array(Field::ALL.len());
                Field::ALL.into_iter().for_each(|field| self.text(&value(field)));
            }
            HashView::Len => self.integer(Field::ALL.len() as u64),
            HashView::Has(field) => self.integer(u64::from(field.is_some())),
            HashView::ValueLen(field) => self.integer(field.map_or(0, |field| value(field).len() as u64)),
            HashView::Value(None) => self.null(),
            HashView::Value(Some(field)) => self.text(&value(*field)),
            HashView::Some(fields) => {
                self.array(fields.as_slice().len());
                for field in fields.as_slice() {
                    self.hash(&HashView::Value(*field), figures);
                }
            }
            HashView::Scan(fields, form) => {
                let with_values = *form == ScanForm::Pairs;
                self.array(2);
                self.text("0");
                self.array(fields.as_slice().len() << u8::from(with_values));
                for field in fields.as_slice().iter().flatten() {
                    self.text(field.name());
                    if with_values {
                        self.text(&value(*field));
                    }
                }
            }
        }
    }

    fn no_hash(&mut self, view: &HashView) {
        match view {
            HashView::All => self.map(0),
            HashView::Names | HashView::Values => self.array(0),
            HashView::Len | HashView::Has(_) | HashView::ValueLen(_) => self.integer(0),
            HashView::Value(_) => self.null(),
            HashView::Some(fields) => {
                self.array(fields.as_slice().len());
                fields.as_slice().iter().for_each(|_| self.null());
            }
            HashView::Scan(..) => {
                self.array(2);
                self.text("0");
                self.array(0);
            }
        }
    }
}

fn figure(figures: &Figures, field: Field) -> u64 {
    match field {
        Field::Balance => figures.balance,
        Field::Reserved => figures.reserved,
        Field::Available => {
            figures.balance.checked_sub(figures.reserved).expect("reserved is part of the balance (I1)")
        }
        Field::Seq => figures.seq,
        Field::Time => figures.time_ms,
    }
}
