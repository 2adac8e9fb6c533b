//! Streams and channels: what does not depend on how ids and ranges are written.

use super::*;
use crate::commands::streams::Stream;

#[test]
fn what_is_told_about_streams_and_who_may_write_them() {
    let read_only = "ERR streams are read-only: creditd writes an entry for every change, and nobody else does";
    for line in ["XADD credit:events:0 * a b", "XDEL k 0-1", "XTRIM k MAXLEN 5"] {
        refused(line, read_only);
    }
    let stream = |request| Request::Stream(request);
    accepted("XLEN credit:log:{a}", stream(StreamRequest::Length(Stream::Log(b"a"))));
    accepted("xlen k", stream(StreamRequest::Length(Stream::Nothing)));
    accepted("XINFO STREAM credit:events:7", stream(StreamRequest::Info(Stream::Events(7))));
    refused("XINFO STREAM k", "ERR no such key");
    refused("XINFO STREAM k FULL", "ERR no such key");
    let full = "ERR XINFO STREAM takes a key alone: FULL tells about consumer groups, which are not here";
    refused("XINFO STREAM credit:events:7 FULL", full);
    accepted("XINFO groups credit:events:7", Request::Nothing);
    refused("XINFO GROUPS k", "ERR no such key");
    refused("XINFO CONSUMERS k g", "ERR no such key");
    let no_group = "NOGROUP No such consumer group 'g ?' for key name 'credit:events:7'";
    with_words(&[b"XINFO", b"CONSUMERS", b"credit:events:7", b"g\n\xff"], |request| {
        assert_eq!(request.expect_err("no group").text(), no_group);
    });
    refused("XINFO foo", "ERR unknown subcommand 'foo'. Try XINFO HELP.");
    refused("XREADGROUP a", "ERR unknown command 'XREADGROUP', with args beginning with: 'a' ");
}

#[test]
fn channels_and_patterns_are_bytes_of_bounded_length() {
    let longest = "c".repeat(512);
    let too_long = "ERR channels and patterns are at most 512 bytes long";
    let owned: OwnedArguments = [&b"a"[..], longest.as_bytes()].into_iter().collect();
    for (word, ends, is_pattern) in [
        ("subscribe", false, false),
        ("PSUBSCRIBE", false, true),
        ("Unsubscribe", true, false),
        ("pUnSubscribe", true, true),
    ] {
        let request = PubSubRequest { ends, is_pattern, names: owned.borrow() };
        assert_eq!(request.word(), word.to_ascii_lowercase());
        accepted(&format!("{word} a {longest}"), Request::PubSub(request));
        refused(&format!("{word} a {longest}c"), too_long);
    }
    refused("SUBSCRIBE", "ERR wrong number of arguments for 'subscribe' command");
    let server = |request| Request::Server(request);
    let publish = ServerRequest::Publish { channel: longest.as_bytes(), message: b"m" };
    accepted(&format!("PUBLISH {longest} m"), server(publish));
    refused(&format!("PUBLISH {longest}c m"), too_long);
    accepted("PUBSUB channels", server(ServerRequest::PubSubChannels(None)));
    accepted("PUBSUB CHANNELS c*", server(ServerRequest::PubSubChannels(Some(b"c*"))));
    refused(&format!("PUBSUB CHANNELS {longest}c"), too_long);
    refused("PUBSUB CHANNELS a b", "ERR wrong number of arguments for 'pubsub|channels' command");
    accepted(&format!("PUBSUB NUMSUB a {longest}"), server(ServerRequest::PubSubNumSub(owned.borrow())));
    refused(&format!("PUBSUB NUMSUB {longest}c"), too_long);
    accepted("PUBSUB NUMPAT", server(ServerRequest::PubSubNumPat));
    refused("PUBSUB SHARDCHANNELS", "ERR unknown subcommand 'SHARDCHANNELS'. Try PUBSUB HELP.");
}
