//! Logins, and what users may do.

use super::*;
use crate::access::Password;

/// Says what the password that is being looked at has come to.
fn tell(connection: &mut Connection, desk: &mut Desk, verdict: Verdict) {
    let ticket = desk.logins.pop().expect("a login");
    assert!(desk.logins.is_empty(), "nothing is executed behind a login");
    connection.verified(ticket.slot, verdict, desk);
    connection.receive(b"", desk);
}

fn desk_with_users(text: &str) -> Desk {
    Desk { users: Arc::new(Users::load(text, Some(Password::token(b"secret"))).expect(text)), ..Desk::new() }
}

#[test]
fn three_wrong_passwords_end_it_after_their_replies() {
    let mut desk = desk_with_users("");
    let mut connection = connect_to(&desk);
    connection.receive(b"PING\r\nAUTH a\r\nAUTH b\r\nHELLO 3 AUTH default c\r\nAUTH secret\r\n", &mut desk);
    assert_eq!(told(&mut connection), "-NOAUTH Authentication required. ");
    for left in [2, 1, 0] {
        assert!(!connection.must_shut(), "{left}");
        tell(&mut connection, &mut desk, Verdict::Wrong);
        assert_eq!(told(&mut connection), format!("-{WRONG} "));
    }
    assert!(connection.must_shut() && !connection.is_authenticated());
    let mut connection = connect_to(&desk);
    connection.receive(b"AUTH secret\r\nPING\r\nRESET\r\nPING\r\n", &mut desk);
    assert_eq!(told(&mut connection), "+OK +PONG +RESET -NOAUTH Authentication required. ");
}

const WRONG: &str = "WRONGPASS invalid username-password pair or user is disabled.";

#[test]
fn a_wrong_hello_leaves_the_protocol_and_a_right_one_answers_in_the_new() {
    let mut desk = desk_with_users("");
    let mut connection = connect_to(&desk);
    connection.receive(b"HELLO 3 AUTH default no SETNAME x\r\nAUTH secret\r\nCLIENT GETNAME\r\n", &mut desk);
    tell(&mut connection, &mut desk, Verdict::Wrong);
    assert_eq!(told(&mut connection), format!("-{WRONG} +OK $-1 "));
    connection.receive(b"HELLO 3 AUTH default secret SETNAME x\r\nCLIENT GETNAME\r\n", &mut desk);
    let text = told(&mut connection);
    assert!(text.starts_with("%7 $6 server") && text.ends_with(" $1 x "), "{text}");
}

#[test]
fn a_command_has_the_rights_of_the_moment_when_it_runs() {
    let mut desk = desk_with_users("user u on nopass ~a* +@reader");
    let mut connection = connect_to(&desk);
    connection.receive(b"AUTH u x\r\nMULTI\r\nCREDIT.BALANCE a1\r\nCREDIT.BALANCE b\r\n", &mut desk);
    let refused = "-NOPERM No permissions to access a key";
    assert_eq!(told(&mut connection), format!("+OK +OK +QUEUED {refused} "), "refused when it is queued");
    connection.receive(b"DISCARD\r\nMULTI\r\nCREDIT.BALANCE a1\r\n", &mut desk);
    desk.users = Arc::new(desk.users.with("u", &["resetkeys"], || [0; 16]).expect("a rule"));
    told(&mut connection);
    connection.receive(b"EXEC\r\nPING\r\n", &mut desk);
    assert_eq!(told(&mut connection), format!("*1 {refused} +PONG "), "and again when it runs");
    assert!(desk.submitted.is_empty());
    desk.users = Arc::new(desk.users.without(&["u"]).0);
    connection.receive(b"PING\r\n", &mut desk);
    assert_eq!((told(&mut connection).as_str(), connection.need()), ("", Need::End), "its user is gone");
}

#[test]
fn who_listens_is_cut_off_when_its_rights_change_and_not_when_its_password_does() {
    for (rule, is_over) in [("-@feed", true), ("nopass", false)] {
        let mut desk = desk_with_users("user u on nopass ~* +@feed");
        let mut connection = connect_to(&desk);
        connection.receive(b"AUTH u x\r\nSUBSCRIBE c\r\n", &mut desk);
        desk.users = Arc::new(desk.users.with("u", &[rule], || [0; 16]).expect(rule));
        connection.refresh(&desk.users);
        assert_eq!(connection.is_over(), is_over, "{rule}");
    }
}

#[test]
fn who_was_not_looked_at_has_lost_no_try() {
    let mut desk = desk_with_users("");
    let mut connection = connect_to(&desk);
    for _ in 0..9 {
        connection.receive(b"AUTH a\r\n", &mut desk);
        tell(&mut connection, &mut desk, Verdict::Busy);
        assert_eq!(told(&mut connection), "-TRYAGAIN too many logins at once: this one was not looked at ");
    }
    connection.receive(b"AUTH secret\r\n", &mut desk);
    assert_eq!((told(&mut connection).as_str(), connection.is_authenticated()), ("+OK ", true));
    assert!(desk.denied.is_empty());
}

#[test]
fn what_is_denied_is_told_without_names_that_may_be_passwords() {
    let mut desk = desk_with_users("user u on nopass ~a* +@reader\nuser v on");
    let mut connection = connect_to(&desk);
    connection.receive(b"CREDIT.BALANCE a1\r\n", &mut desk);
    for line in ["AUTH v hunter2\r\n", "HELLO 3 AUTH hunter2 x\r\n"] {
        connection.receive(line.as_bytes(), &mut desk);
        tell(&mut connection, &mut desk, Verdict::Wrong);
    }
    connection.receive(b"AUTH u x\r\nCREDIT.BALANCE a1\r\nCREDIT.BALANCE b\r\nSAVE\r\n", &mut desk);
    connection.fill(desk.submitted[0].0.slot, balance(1), |_| {});
    connection.receive(b"MULTI\r\nEXISTS a c\r\nDISCARD\r\nMULTI\r\nCREDIT.BALANCE a1\r\n", &mut desk);
    desk.users = Arc::new(desk.users.with("u", &["-@reader"], || [0; 16]).expect("a rule"));
    connection.receive(b"EXEC\r\n", &mut desk);
    let wanted = [
        "v: auth AUTH",
        "(unknown): auth HELLO",
        "u: key b",
        "u: command save",
        "u: key c in MULTI",
        "u: command credit.balance in MULTI",
    ];
    assert_eq!(desk.denied, wanted, "nobody who has not logged in is denied anything: NOAUTH is no news");
}
