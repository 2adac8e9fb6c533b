//! One question, one answer, on a connection that waits: for what is done before and after the load.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use super::wire;

/// A server that is silent for so long is gone.
const WITHIN: Duration = Duration::from_secs(60);

/// Requests of a pipeline of [`Dialogue::ask_many`]: little enough to fit the buffers of both sides.
const PIPELINE: usize = 256;

/// Why a test cannot go on.
#[derive(Debug, thiserror::Error)]
pub(super) enum Trouble {
    #[error("{0}: {1}")]
    Connection(SocketAddr, io::Error),
    #[error("the server's reply is not the Redis protocol")]
    Garbled,
    #[error("{request} was answered with {reply}")]
    Refused { request: String, reply: String },
    #[error("{0}: {1}")]
    File(String, io::Error),
}

/// A connection, after AUTH if there is a password.
pub(super) struct Dialogue {
    address: SocketAddr,
    stream: TcpStream,
    received: Vec<u8>,
}

impl Dialogue {
    /// Connects and logs in.
    pub(super) fn open(address: SocketAddr, pass: Option<&str>) -> Result<Self, Trouble> {
        let opened = TcpStream::connect_timeout(&address, WITHIN).and_then(|stream| {
            stream.set_nodelay(true)?;
            stream.set_read_timeout(Some(WITHIN))?;
            stream.set_write_timeout(Some(WITHIN))?;
            Ok(stream)
        });
        let stream = opened.map_err(|error| Trouble::Connection(address, error))?;
        let mut dialogue = Self { address, stream, received: Vec::new() };
        if let Some(pass) = pass {
            dialogue.ask(&["AUTH", pass])?;
        }
        Ok(dialogue)
    }

    /// The strings and numbers of the answer, flat.
    ///
    /// # Errors
    /// An error reply is one.
    pub(super) fn ask(&mut self, words: &[&str]) -> Result<Vec<String>, Trouble> {
        self.send(&wire::encode(words))?;
        self.take(words[0])
    }

    /// The answers to `requests`, whole requests called `name`, in their order.
    pub(super) fn ask_many(
        &mut self,
        name: &str,
        requests: impl Iterator<Item = Vec<u8>>,
    ) -> Result<Vec<Vec<String>>, Trouble> {
        let mut requests = requests.peekable();
        let mut answers = Vec::new();
        while requests.peek().is_some() {
            let pipeline: Vec<_> = requests.by_ref().take(PIPELINE).collect();
            self.send(&pipeline.concat())?;
            for _ in &pipeline {
                answers.push(self.take(name)?);
            }
        }
        Ok(answers)
    }

    /// The lines `name:value` of INFO.
    pub(super) fn info(&mut self) -> Result<BTreeMap<String, String>, Trouble> {
        let text = self.ask(&["INFO"])?.concat();
        let pairs = text.lines().filter_map(|line| line.split_once(':'));
        Ok(pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
    }

    fn send(&mut self, bytes: &[u8]) -> Result<(), Trouble> {
        self.stream.write_all(bytes).map_err(|error| Trouble::Connection(self.address, error))
    }

    fn take(&mut self, request: &str) -> Result<Vec<String>, Trouble> {
        let mut buffer = [0; 1 << 16];
        loop {
            if let Some(len) = wire::frame_len(&self.received).map_err(|wire::Garbled| Trouble::Garbled)? {
                let frame: Vec<u8> = self.received.drain(..len).collect();
                return match wire::refusal(&frame) {
                    Some(reply) => Err(Trouble::Refused {
                        request: request.to_owned(),
                        reply: String::from_utf8_lossy(reply).into_owned(),
                    }),
                    None => Ok(scalars(&frame)),
                };
            }
            let read = match self.stream.read(&mut buffer) {
                Ok(0) => Err(io::ErrorKind::UnexpectedEof.into()),
                read => read,
            };
            let len = read.map_err(|error| Trouble::Connection(self.address, error))?;
            self.received.extend_from_slice(&buffer[..len]);
        }
    }
}

/// The strings and numbers of a whole reply, nulls left out.
fn scalars(mut frame: &[u8]) -> Vec<String> {
    let mut found = Vec::new();
    while let Some(line_len) = frame.iter().position(|&byte| byte == b'\n') {
        let (line, rest) = frame.split_at(line_len + 1);
        frame = rest;
        let text = String::from_utf8_lossy(&line[1..line_len - 1]).into_owned();
        match line[0] {
            b'*' => {}
            b'$' => {
                if let Ok(len) = text.parse::<usize>() {
                    found.push(String::from_utf8_lossy(&frame[..len]).into_owned());
                    frame = &frame[len + 2..];
                }
            }
            _ => found.push(text),
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_s_strings_and_numbers_are_found() {
        assert_eq!(scalars(b"*4\r\n$4\r\na\r\nb\r\n:12\r\n$-1\r\n*1\r\n+x\r\n"), ["a\r\nb", "12", "x"]);
        assert_eq!(scalars(b"$0\r\n\r\n"), [""]);
    }
}
