//! What one client may do to others.

use super::*;
use crate::commands::connection::control::{ClientMatch, ReplyMode};

fn killed(line: &str) -> (ClientMatch, bool) {
    with_line(line, |request| match request {
        Ok(Request::Server(ServerRequest::ClientKill(request))) => {
            request.matching().expect("checked when it was parsed")
        }
        other => panic!("{line}: {other:?}"),
    })
}

#[test]
fn whom_a_kill_means() {
    let bytes = |text: &str| Some(Box::from(text.as_bytes()));
    let old = ClientMatch { peer: bytes("127.0.0.1:7"), ..ClientMatch::default() };
    assert_eq!(killed("CLIENT KILL 127.0.0.1:7"), (old, true));
    let meant = ClientMatch {
        id: Some(7),
        user: bytes("me"),
        peer: bytes("a:1"),
        local: bytes("b:2"),
        listening: Some(true),
        ..ClientMatch::default()
    };
    assert_eq!(killed("client kill id 7 USER me ADDR a:1 LADDR b:2 TYPE pubsub SKIPME no"), (meant, false));
    assert!(killed("CLIENT KILL ID 7").0.skip_me && killed("CLIENT KILL TYPE master").0.nobody);
    refused("CLIENT KILL ID 0", "ERR client-id should be greater than 0");
    refused("CLIENT KILL ID x", "ERR client-id should be greater than 0");
    refused("CLIENT KILL TYPE x", "ERR Unknown client type 'x'");
    refused("CLIENT KILL ID 7 USER", SYNTAX);
    refused("CLIENT KILL SKIPME maybe", SYNTAX);
    refused("CLIENT KILL a b", SYNTAX);
}

#[test]
fn pauses_waits_and_silence() {
    let server = |request| Request::Server(request);
    accepted("CLIENT PAUSE 100", server(ServerRequest::Pause { ms: 100, writes_only: false }));
    accepted("CLIENT PAUSE 100 write", server(ServerRequest::Pause { ms: 100, writes_only: true }));
    accepted("CLIENT PAUSE 100 ALL", server(ServerRequest::Pause { ms: 100, writes_only: false }));
    accepted("CLIENT UNPAUSE", server(ServerRequest::Pause { ms: 0, writes_only: false }));
    refused("CLIENT PAUSE x", "ERR timeout is not an integer or out of range");
    refused("CLIENT PAUSE 1 some", SYNTAX);
    accepted("CLIENT UNBLOCK 7", server(ServerRequest::Unblock { id: 7, by_error: false }));
    accepted("CLIENT UNBLOCK 7 error", server(ServerRequest::Unblock { id: 7, by_error: true }));
    refused("CLIENT UNBLOCK x", "ERR value is not an integer or out of range");
    accepted("CLIENT REPLY skip", Request::Connection(ConnectionRequest::Reply(ReplyMode::Skip)));
    refused("CLIENT REPLY x", SYNTAX);
    accepted("CLIENT TRACKING off", Request::Accepted);
    refused("CLIENT TRACKING on", "ERR client-side caching is not supported: credits are never read from a cache");
    accepted("CLIENT GETREDIR", Request::Number(-1));
    accepted("CLIENT TRACKINGINFO", Request::Connection(ConnectionRequest::TrackingInfo));
}
