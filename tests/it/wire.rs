//! A client that sends exact bytes and sees exact bytes.

use std::collections::BTreeMap;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

use socket2::{Domain, Socket, Type};

/// A reply that takes longer will not come.
const WITHIN: Duration = Duration::from_secs(30);

/// What bytes go through.
pub trait Link: Read + Write + Send {
    /// Ends this side.
    fn half_close(&mut self);
}

impl Link for TcpStream {
    fn half_close(&mut self) {
        match self.shutdown(Shutdown::Write) {
            Err(error) if error.kind() == ErrorKind::NotConnected => {} // the server has gone already
            result => result.expect("a socket"),
        }
    }
}

/// One connection.
pub struct Wire {
    stream: Box<dyn Link>,
    received: Vec<u8>,
}

impl Wire {
    /// Connects to a server on this machine.
    pub fn connect(port: u16) -> Self {
        Self::try_connect(port).expect("the server listens")
    }

    /// Connects to a server that may be gone.
    pub fn try_connect(port: u16) -> Option<Self> {
        Some(Self::over(socket(port)?))
    }

    /// Talks through `link`.
    pub fn over(link: impl Link + 'static) -> Self {
        Self { stream: Box::new(link), received: Vec::new() }
    }

    /// Sends bytes as they are.
    pub fn send(&mut self, bytes: &[u8]) {
        self.try_send(bytes).expect("the server reads");
    }

    /// Sends bytes; an error if the connection is gone.
    pub fn try_send(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.stream.write_all(bytes)
    }

    /// Sends `lines` in pieces that fit the sockets, and takes their replies.
    pub fn pipeline(&mut self, lines: impl IntoIterator<Item = impl AsRef<str>>) -> Vec<Reply> {
        let requests: Vec<_> = lines.into_iter().map(|line| request(line.as_ref())).collect();
        let mut replies = Vec::with_capacity(requests.len());
        for some in requests.chunks(500) {
            self.send(&some.concat());
            replies.extend(some.iter().map(|_| self.reply()));
        }
        replies
    }

    /// The next reply.
    pub fn reply(&mut self) -> Reply {
        self.next().expect("a reply, not the end of the connection")
    }

    /// The next reply; `None` if the connection ended instead.
    pub fn next(&mut self) -> Option<Reply> {
        loop {
            if let Some(len) = frame_len(&self.received) {
                return Some(Reply(self.received.drain(..len).collect()));
            }
            if !self.fill() {
                return None;
            }
        }
    }

    /// Sends the words of `line` as one request and takes the reply.
    pub fn ask(&mut self, line: &str) -> Reply {
        self.send(&request(line));
        self.reply()
    }

    /// Sends one request of words that may hold any bytes and takes the reply.
    pub fn call(&mut self, words: &[&[u8]]) -> Reply {
        self.send(&encode(words));
        self.reply()
    }

    /// Sends the words of `line` and compares the reply, with blanks for line ends.
    #[track_caller]
    pub fn expect(&mut self, line: &str, reply: &str) {
        assert_eq!(self.ask(line).line(), reply, "{line}");
    }

    /// Everything until the server ends the connection.
    pub fn rest(&mut self) -> Vec<u8> {
        while self.fill() {}
        std::mem::take(&mut self.received)
    }

    /// Ends this side; the server may go on sending.
    pub fn half_close(&mut self) {
        self.stream.half_close();
    }

    /// Whether more bytes came.
    fn fill(&mut self) -> bool {
        let mut buffer = [0; 64 * 1024];
        match self.stream.read(&mut buffer) {
            Ok(n) => {
                self.received.extend_from_slice(&buffer[..n]);
                n > 0
            }
            Err(error) if error.kind() == ErrorKind::ConnectionReset => false,
            Err(error) => panic!("no reply: {error}; so far {:?}", String::from_utf8_lossy(&self.received)),
        }
    }
}

/// A socket that is connected to a server on this machine, if there is one.
pub fn socket(port: u16) -> Option<TcpStream> {
    Some(ready(TcpStream::connect(("127.0.0.1", port)).ok()?))
}

/// The same, from `127.0.0.last`.
pub fn socket_from(last: u8, port: u16) -> TcpStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    socket.bind(&SocketAddr::from(([127, 0, 0, last], 0)).into()).expect("an address of this machine");
    socket.connect(&SocketAddr::from(([127, 0, 0, 1], port)).into()).expect("the server listens");
    ready(socket.into())
}

fn ready(stream: TcpStream) -> TcpStream {
    stream.set_read_timeout(Some(WITHIN)).expect("a socket");
    stream.set_write_timeout(Some(WITHIN)).expect("a socket");
    stream.set_nodelay(true).expect("a socket");
    stream
}

/// The bytes of one reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply(pub Vec<u8>);

impl Reply {
    /// The reply with a blank for each line end, none at its end.
    pub fn line(&self) -> String {
        let text = self.text();
        text.strip_suffix("\r\n").unwrap_or(&text).replace("\r\n", " ")
    }

    /// The reply as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.0).into_owned()
    }

    /// Whether the server had no time or no room, and executed nothing.
    pub fn is_refusal(&self) -> bool {
        self.0.starts_with(b"-TRYAGAIN ") || self.0.starts_with(b"-MISCONF ")
    }

    /// The string of a bulk or verbatim reply.
    pub fn body(&self) -> String {
        let text = self.text();
        let (head, body) = text.split_once("\r\n").expect("a reply has lines");
        assert!(head.starts_with(['$', '=']), "a string: {text}");
        body.strip_suffix("\r\n").unwrap_or(body).to_owned()
    }

    /// The scalars of a flat map, numbers and strings alike, by key.
    pub fn map(&self) -> BTreeMap<String, String> {
        let text = self.text();
        assert!(text.starts_with(['*', '%']), "a map: {text}");
        let values = text.split("\r\n").skip(1).filter(|line| !line.starts_with('$') && !line.is_empty());
        let values: Vec<_> = values.map(|line| line.strip_prefix(':').unwrap_or(line).to_owned()).collect();
        values.chunks_exact(2).map(|pair| (pair[0].clone(), pair[1].clone())).collect()
    }

    /// A number of a flat map.
    pub fn number(&self, key: &str) -> u64 {
        let map = self.map();
        map.get(key).and_then(|value| value.parse().ok()).unwrap_or_else(|| panic!("no number {key} in {map:?}"))
    }
}

/// The figure of a line of INFO.
pub fn info(wire: &mut Wire, section: &str, name: &str) -> String {
    let text = wire.ask(&format!("INFO {section}")).body();
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    line.unwrap_or_else(|| panic!("no {name} in {text}")).to_owned()
}

/// A request of the words of `line`.
pub fn request(line: &str) -> Vec<u8> {
    encode(&line.split_whitespace().map(str::as_bytes).collect::<Vec<_>>())
}

/// A request of these words.
pub fn encode(words: &[&[u8]]) -> Vec<u8> {
    let mut bytes = format!("*{}\r\n", words.len()).into_bytes();
    for word in words {
        bytes.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
        bytes.extend_from_slice(word);
        bytes.extend_from_slice(b"\r\n");
    }
    bytes
}

/// Bytes of the first reply in `bytes`, if it is complete.
fn frame_len(bytes: &[u8]) -> Option<usize> {
    let line_end = bytes.windows(2).position(|pair| pair == b"\r\n")?;
    let mut at = line_end + 2;
    let number = || str::from_utf8(&bytes[1..line_end]).unwrap().parse::<i64>().unwrap().max(0) as usize;
    let values = match bytes[0] {
        b'$' | b'=' if &bytes[1..line_end] == b"-1" => return Some(at),
        b'$' | b'=' => return (bytes.len() >= at + number() + 2).then(|| at + number() + 2),
        b'*' | b'~' | b'>' => number(),
        b'%' => 2 * number(),
        b'+' | b'-' | b':' | b'_' | b'#' | b',' | b'(' => 0,
        other => panic!("no reply starts with {:?}: {:?}", other as char, String::from_utf8_lossy(bytes)),
    };
    for _ in 0..values {
        at += frame_len(&bytes[at..])?;
    }
    Some(at)
}
