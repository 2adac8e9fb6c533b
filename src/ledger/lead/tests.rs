//! Leads by themselves: rules, records, states.
