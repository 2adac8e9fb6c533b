//! Answers that tell of leads, as commands.md C.4 has them.

use super::Encoder;
use crate::ledger::lead::{ClaimView, LeadView};

impl Encoder<'_> {
    pub(super) fn lead(&mut self, view: &LeadView) {
        self.map(6 + usize::from(view.expires_at_ms.is_some()) + usize::from(view.replayed));
        self.text("lead");
        self.bulk(&view.lead);
        self.text("state");
        self.text(view.state.word());
        self.number("max", view.max.into());
        self.number("claims", view.claims.into());
        self.number("remaining", (view.max - view.claims).into());
        self.number("opened", view.opened_at_ms);
        if let Some(at_ms) = view.expires_at_ms {
            self.number("expires", at_ms);
        }
        if view.replayed {
            self.number("replayed", 1);
        }
    }

    pub(super) fn claims(&mut self, claims: &[ClaimView]) {
        self.array(claims.len());
        for claim in claims {
            self.map(5);
            self.number("claim", claim.claim.into());
            self.text("account");
            self.bulk(&claim.account);
            self.text("tx");
            self.bulk(&claim.tx);
            self.number("cost", claim.cost);
            self.number("time", claim.time_ms);
        }
    }
}
