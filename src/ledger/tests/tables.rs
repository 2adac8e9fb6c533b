//! Every cell of the state machine (commands.md C.7), every error of C.9 that applies, and the fine print of C.11.

use super::script::check;

#[test]
fn unknown_ids() {
    check(
        "grant   t1 g1 100         -> granted balance=100 available=100 seq=1
         capture t1 r1             -> NORESERVATION bare
         capture t1 r1 5           -> NORESERVATION bare
         balance t1                -> balance=100 reserved=0 available=100 seq=1 time=0
         reserve t1 r1 40 ttl=5m   -> active balance=100 available=60 seq=2 expires=300000
         release t1 r2             -> void balance=100 available=60 seq=3
         debit   t1 d1 60          -> debited balance=40 available=0 seq=4",
    );
}

#[test]
fn active_reservations() {
    check(
        "grant   t1 g1 100         -> granted
         reserve t1 r1 40 ttl=5m   -> active balance=100 available=60 seq=2 expires=300000
         tick    1m
         debit   t1 d1 10          -> debited balance=90 available=50 seq=3
         reserve t1 r1 40 ttl=9m   -> active balance=100 available=60 seq=2 expires=300000 replayed
         reserve t1 r1 41          -> TXCONFLICT field=amount have=40 given=41
         capture t1 r1 41          -> EXCEEDS limit=40 given=41
         holds   t1                -> balance=90 reserved=40 available=50 seq=3 time=60000 r1=40@0..300000
         capture t1 r1 15          -> captured balance=75 available=75 seq=4 captured=15 returned=25
         reserve t1 r2 40          -> active seq=5
         release t1 r2             -> released balance=75 available=75 seq=6
         reserve t1 r3 75          -> active balance=75 available=0
         capture t1 r3             -> captured balance=0 available=0 captured=75 returned=0",
    );
}

#[test]
fn captured_reservations() {
    check(
        "grant   t1 g1 100         -> granted
         reserve t1 r1 40          -> active balance=100 available=60 seq=2
         capture t1 r1 15          -> captured balance=85 available=85 seq=3
         grant   t1 g2 1           -> granted seq=4
         reserve t1 r1 40          -> captured balance=100 available=60 seq=2 expires=300000 replayed
         reserve t1 r1 15          -> TXCONFLICT field=amount have=40 given=15
         capture t1 r1 15          -> captured balance=85 available=85 seq=3 captured=15 returned=25 replayed
         capture t1 r1 40          -> TXCONFLICT field=amount have=15 given=40
         capture t1 r1             -> TXCONFLICT field=amount have=15 given=40
         capture t1 r1 41          -> TXCONFLICT field=amount have=15 given=41
         release t1 r1             -> CAPTURED amount=15 seq=3
         tick    30d
         reserve t1 r1 40          -> captured replayed
         reserve t1 r2 10          -> active
         capture t1 r2             -> captured balance=76 seq=6
         capture t1 r2             -> captured balance=76 seq=6 captured=10 returned=0 replayed
         capture t1 r2 10          -> captured balance=76 seq=6 replayed
         trail   t1                -> grant@0 reserve@0 capture@0 reserve@2592000000 capture@2592000000",
    );
}

#[test]
fn released_reservations() {
    check(
        "grant   t1 g1 100         -> granted
         reserve t1 r1 40          -> active seq=2
         release t1 r1             -> released balance=100 available=100 seq=3
         debit   t1 d1 1           -> debited seq=4
         reserve t1 r1 40          -> RELEASED amount=40 seq=3
         reserve t1 r1 41          -> TXCONFLICT field=amount have=40 given=41
         capture t1 r1             -> RELEASED amount=40 seq=3
         release t1 r1             -> released balance=100 available=100 seq=3 replayed
         tick    30d
         release t1 r1             -> released seq=3 replayed
         balance t1                -> balance=99 seq=4",
    );
}

#[test]
fn expired_reservations() {
    check(
        "grant   t1 g1 100         -> granted
         reserve t1 r1 40 ttl=5m   -> active seq=2 expires=300000
         tick    301s
         reserve t1 r1 40          -> EXPIRED expires=300000 now=301000
         reserve t1 r1 41          -> TXCONFLICT field=amount have=40 given=41
         capture t1 r1             -> EXPIRED expires=300000 now=301000
         capture t1 r1 99          -> EXPIRED
         debit   t1 d1 100         -> debited balance=0 seq=4
         release t1 r1             -> expired balance=100 available=100 seq=3 replayed
         balance t1                -> balance=0 seq=4
         trail   t1                -> grant@0 reserve@0 expire@300000 debit@301000",
    );
}

#[test]
fn declined_ids() {
    check(
        "grant   t1 g1 100         -> granted
         reserve t1 r1 101         -> INSUFFICIENT available=100 required=101
         debit   t1 d1 102         -> INSUFFICIENT available=100 required=102
         grant   t1 g2 max         -> OVERFLOW balance=100
         balance t1                -> balance=100 seq=4
         grant   t1 g3 50          -> granted balance=150 seq=5
         reserve t1 r1 101         -> INSUFFICIENT available=100 required=101
         reserve t1 r1 100         -> TXCONFLICT field=amount have=101 given=100
         capture t1 r1             -> NORESERVATION bare
         release t1 r1             -> void balance=100 available=100 seq=2 replayed
         reserve t1 r1 101         -> INSUFFICIENT available=100 required=101
         debit   t1 d1 102         -> INSUFFICIENT available=100 required=102
         debit   t1 d1 1           -> TXCONFLICT field=amount have=102 given=1
         release t1 d1             -> NORESERVATION op=debit
         capture t1 d1             -> NORESERVATION op=debit
         grant   t1 g2 max         -> OVERFLOW balance=100
         grant   t1 g2 1           -> TXCONFLICT field=amount
         release t1 g2             -> NORESERVATION op=grant
         capture t1 g2             -> NORESERVATION op=grant
         debit   t1 r1 101         -> TXCONFLICT field=op have=reserve given=debit
         balance t1                -> balance=150 seq=5",
    );
}

#[test]
fn burned_ids() {
    check(
        "grant   t1 g1 100         -> granted
         release t1 r1             -> void balance=100 available=100 seq=2
         debit   t1 d1 30          -> debited seq=3
         reserve t1 r1 40          -> RELEASED amount=0 seq=2
         reserve t1 r1 41          -> RELEASED amount=0 seq=2
         capture t1 r1             -> RELEASED amount=0 seq=2
         capture t1 r1 7           -> RELEASED amount=0 seq=2
         release t1 r1             -> void balance=100 available=100 seq=2 replayed
         grant   t1 r1 5           -> RELEASED amount=0 seq=2
         debit   t1 r1 5           -> RELEASED amount=0 seq=2
         balance t1                -> balance=70 seq=3",
    );
}

#[test]
fn one_namespace_across_all_verbs() {
    check(
        "grant   t1 x 100          -> granted seq=1
         grant   t1 x 100          -> granted balance=100 seq=1 replayed
         grant   t1 x 101          -> TXCONFLICT field=amount have=100 given=101
         debit   t1 x 100          -> TXCONFLICT field=op have=grant given=debit
         reserve t1 x 1            -> TXCONFLICT field=op have=grant given=reserve
         capture t1 x              -> NORESERVATION op=grant
         release t1 x              -> NORESERVATION op=grant
         debit   t1 y 10           -> debited balance=90 seq=2
         debit   t1 y 10           -> debited balance=90 seq=2 replayed
         grant   t1 y 99           -> TXCONFLICT field=op have=debit given=grant
         capture t1 y              -> NORESERVATION op=debit
         release t1 y              -> NORESERVATION op=debit
         reserve t1 z 10           -> active seq=3
         debit   t1 z 10           -> TXCONFLICT field=op have=reserve given=debit
         capture t1 z              -> captured
         grant   t1 z 10           -> TXCONFLICT field=op have=reserve given=grant
         grant   t2 x 1            -> granted balance=1 seq=1",
    );
}

#[test]
fn unknown_accounts() {
    check(
        "debit   t1 d1 1           -> NOACCOUNT
         reserve t1 r1 1           -> NOACCOUNT
         capture t1 r1             -> NOACCOUNT
         release t1 r1             -> NOACCOUNT
         balance t1                -> balance=0 reserved=0 seq=0 time=0
         holds   t1                -> balance=0 reserved=0 seq=0
         grant   t1 d1 5           -> granted balance=5 seq=1
         reserve t1 r1 5           -> active",
    );
}

#[test]
fn reason_meta_and_ttl_make_no_conflict() {
    check(
        "grant   t1 g1 5 reason=a meta=b     -> granted
         grant   t1 g1 5 reason=c            -> granted replayed
         reserve t1 r1 5 ttl=1s meta=b       -> active expires=1000
         reserve t1 r1 5 ttl=2s              -> active expires=1000 replayed
         release t1 r1 reason=x              -> released
         release t1 r1                       -> released replayed",
    );
}

#[test]
fn a_hold_is_valid_before_its_deadline_and_gone_at_it() {
    check(
        "grant   t1 g1 100            -> granted
         reserve t1 r1 40 ttl=1000ms  -> active
         reserve t1 r2 30 ttl=1000ms  -> active
         tick    999ms
         balance t1                   -> balance=100 reserved=70 seq=3
         capture t1 r2 1              -> captured seq=4
         tick    1ms
         balance t1                   -> balance=99 reserved=0 seq=5
         capture t1 r1                -> EXPIRED expires=1000 now=1000",
    );
}

#[test]
fn due_holds_expire_by_deadline_then_age_at_their_own_time() {
    check(
        "grant   t1 g1 100         -> granted
         reserve t1 c 1 ttl=3s     -> active
         reserve t1 a 2 ttl=1s     -> active
         reserve t1 b 4 ttl=3s     -> active
         holds   t1                -> balance=100 reserved=7 a=2@0..1000 c=1@0..3000 b=4@0..3000
         tick    1h
         wake
         trail   t1                -> grant@0 reserve@0 expire@1000 expire@3000
         release t1 a              -> expired balance=100 available=95 seq=5 replayed
         release t1 c              -> expired available=96 seq=6 replayed
         release t1 b              -> expired available=100 seq=7 replayed
         grant   t1 g2 1           -> granted seq=8",
    );
}

#[test]
fn the_largest_balance_is_reached_and_not_passed() {
    check(
        "grant   t1 g1 max-1       -> granted balance=9007199254740990
         grant   t1 g2 2           -> OVERFLOW balance=9007199254740990
         grant   t1 g3 1           -> granted balance=9007199254740991
         grant   t1 g4 1           -> OVERFLOW balance=9007199254740991
         reserve t1 r1 max         -> active available=0
         debit   t1 d1 1           -> INSUFFICIENT available=0 required=1
         capture t1 r1             -> captured balance=0 available=0",
    );
}

#[test]
fn the_number_of_holds_is_limited_and_the_refusal_is_bound() {
    check(
        "grant   t1 g1 100         -> granted
         reserve t1 r1 1           -> active
         reserve t1 r2 1           -> active
         reserve t1 r3 1           -> active
         reserve t1 r4 98          -> INSUFFICIENT available=97 required=98
         reserve t1 r5 1           -> LIMIT holds=3
         release t1 r1             -> released
         reserve t1 r5 1           -> LIMIT holds=3
         release t1 r5             -> void replayed
         reserve t1 r6 1           -> active",
    );
}

#[test]
fn the_original_flow_walks_again_from_the_top_after_a_lost_reply() {
    check(
        "grant   t1 pay 20         -> granted balance=20
         reserve t1 s1 5           -> active balance=20 available=15 seq=2
         capture t1 s1             -> captured balance=15 available=15 seq=3
         reserve t1 s1 5           -> captured balance=20 available=15 seq=2 replayed
         capture t1 s1             -> captured balance=15 available=15 seq=3 replayed
         balance t1                -> balance=15 seq=3",
    );
}
