//! A client's socket, with TLS or without.
//!
//! ```text
//!  std socket ── accept: handshake, on the thread `tls` ──▶ Fresh ── adopt, on a core ──▶ Stream
//!
//!  Stream   socket ─▶ scratch: sealed half ─▶ rustls ─▶ scratch: plain half ─▶ Connection::receive
//!           Connection::output ─▶ rustls: at most 64 KiB sealed ─▶ socket
//! ```
//!
//! Output counts as written when its records have left for the kernel, not when they are sealed: so what TLS holds back
//! is still output of the connection, and every limit on that holds for it too. Nothing is kept of what was read: what one
//! read opens fits the plain half.
//!
//! Absent on purpose: 0-RTT (it can be replayed), files of certificates and who may come in (the server's business).

use rustls::{ServerConfig, ServerConnection};
use socket2::SockRef;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, ReadBuf};
use tokio::net::TcpStream;

/// Bytes of output that may be sealed and wait for the socket.
const SEALED_OUTPUT_MAX: usize = 64 * 1024;

/// Sealed bytes taken from a socket in one read.
const SEALED_INPUT_MAX: usize = 16 * 1024;

/// What a read needs as scratch: the sealed half, and what that and a record begun earlier open to.
pub const SCRATCH_BYTES_MIN: usize = 4 * SEALED_INPUT_MAX;

/// A socket that no core has yet. Its handshake, if it speaks TLS, is over.
pub struct Fresh {
    socket: std::net::TcpStream,
    session: Option<Box<Session>>,
}

impl From<std::net::TcpStream> for Fresh {
    /// A socket without TLS.
    fn from(socket: std::net::TcpStream) -> Self {
        Self { socket, session: None }
    }
}

impl Fresh {
    /// Hands it to the runtime that this is called in.
    ///
    /// # Errors
    /// The runtime cannot watch it.
    pub fn adopt(self) -> io::Result<Stream> {
        Ok(Stream { socket: TcpStream::from_std(self.socket)?, session: self.session })
    }

    /// The server's end of it.
    ///
    /// # Errors
    /// It is gone already.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// Last words to a client that is turned away, if they fit.
    pub fn say(mut self, words: &[u8]) {
        let _ = match &mut self.session {
            None => self.socket.write_all(words),
            Some(session) => session.say(words, &mut self.socket),
        };
    }

    /// The socket alone, of one without TLS.
    pub fn into_socket(self) -> std::net::TcpStream {
        self.socket
    }
}

/// Brings the handshake of a fresh socket to its end.
///
/// # Errors
/// What the client sent is no TLS, or none that is spoken here; it has no certificate and needs one; it went away. It has
/// been told what the protocol has words for.
pub async fn accept(socket: std::net::TcpStream, config: Arc<ServerConfig>) -> io::Result<Fresh> {
    let socket = TcpStream::from_std(socket)?;
    let mut session = Box::new(Session::new(config)?);
    let shaken = session.shake_hands(&socket).await;
    if shaken.is_err() {
        let _ = session.flush(&mut Wire(&socket)); // the alert
    }
    shaken?;
    Ok(Fresh { socket: socket.into_std()?, session: Some(session) })
}

/// A socket of a core.
pub struct Stream {
    socket: TcpStream,
    session: Option<Box<Session>>,
}

impl Stream {
    /// Bytes from the client, in `scratch`; empty: it will send no more. Takes at most `taken_max` from the socket; of TLS
    /// that may open to a whole record, 16 KiB, of which most came before.
    ///
    /// # Errors
    /// The socket is broken, or what came is not what the client's TLS had sent.
    pub fn poll_read<'a>(
        &mut self,
        cx: &mut Context<'_>,
        scratch: &'a mut [u8],
        taken_max: usize,
    ) -> Poll<io::Result<&'a [u8]>> {
        let Some(session) = &mut self.session else {
            let len = ready!(read(&mut self.socket, cx, &mut scratch[..taken_max]))?;
            return Poll::Ready(Ok(&scratch[..len]));
        };
        let (sealed, plain) = scratch.split_at_mut(SEALED_INPUT_MAX);
        let mut len = session.take_opened(plain); // requests may have come with the end of the handshake
        if len == 0 && !session.is_ended {
            let sealed = &mut sealed[..taken_max.min(SEALED_INPUT_MAX)];
            let sealed_len = ready!(read(&mut self.socket, cx, sealed))?;
            let opened = session.open(&sealed[..sealed_len], plain);
            let _ = session.flush(&mut Wire(&self.socket)); // an alert, new keys: they go before any output
            len = opened?;
            if len == 0 && sealed_len > 0 && !session.is_ended {
                cx.waker().wake_by_ref(); // one read at a time: others want their turn
                return Poll::Pending;
            }
        }
        Poll::Ready(Ok(&plain[..len]))
    }

    /// Writes from the start of `output` and returns how much of it is written. What is not begins the next call's
    /// output: it may be sealed already. `cx`: woken when it is worth another try.
    ///
    /// # Errors
    /// `WouldBlock`: nothing is written. Else the socket is broken.
    pub fn write(&mut self, output: &[u8], mut cx: Option<&mut Context<'_>>) -> io::Result<usize> {
        loop {
            let written = match &mut self.session {
                None => self.socket.try_write(output),
                Some(session) => session.write(output, &mut Wire(&self.socket)),
            };
            match (&written, &mut cx) {
                (Err(error), Some(cx)) if error.kind() == ErrorKind::WouldBlock => {
                    match self.socket.poll_write_ready(cx) {
                        Poll::Ready(ready) => ready?,
                        Poll::Pending => return written,
                    }
                }
                _ => return written,
            }
        }
    }

    /// Ends the server's side, when all output is written.
    pub fn shutdown(&mut self) {
        self.say_goodbye();
        let _ = SockRef::from(&self.socket).shutdown(Shutdown::Write);
    }

    /// Tells a client of TLS, if there is room for it, that what it has got is all.
    fn say_goodbye(&mut self) {
        if let Some(session) = &mut self.session {
            session.tls.send_close_notify();
            let _ = session.flush(&mut Wire(&self.socket));
        }
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.say_goodbye();
    }
}

fn read(socket: &mut TcpStream, cx: &mut Context<'_>, scratch: &mut [u8]) -> Poll<io::Result<usize>> {
    let mut buffer = ReadBuf::new(scratch);
    ready!(Pin::new(socket).poll_read(cx, &mut buffer))?;
    Poll::Ready(Ok(buffer.filled().len()))
}

/// The TLS of one client.
struct Session {
    tls: ServerConnection,
    /// Bytes at the start of the output that are sealed and not all sent.
    sealed_output: usize,
    /// The client has said that it will send no more.
    is_ended: bool,
}

impl Session {
    fn new(config: Arc<ServerConfig>) -> io::Result<Self> {
        let mut tls = ServerConnection::new(config).map_err(io::Error::other)?;
        tls.set_buffer_limit(Some(SEALED_OUTPUT_MAX));
        Ok(Self { tls, sealed_output: 0, is_ended: false })
    }

    async fn shake_hands(&mut self, socket: &TcpStream) -> io::Result<()> {
        loop {
            match self.flush(&mut Wire(socket)) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => socket.writable().await?,
                Ok(()) if !self.tls.is_handshaking() => return Ok(()),
                Ok(()) => socket.readable().await?,
                Err(error) => return Err(error),
            }
            match self.tls.read_tls(&mut Wire(socket)) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(_) => self.process()?,
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Opens `sealed` into `plain`; returns how many bytes that gave.
    fn open(&mut self, mut sealed: &[u8], plain: &mut [u8]) -> io::Result<usize> {
        let mut len = 0;
        while self.tls.read_tls(&mut sealed)? > 0 {
            self.process()?;
            len += self.take_opened(&mut plain[len..]);
        }
        Ok(len)
    }

    fn process(&mut self) -> io::Result<()> {
        let state = self.tls.process_new_packets().map_err(|error| io::Error::new(ErrorKind::InvalidData, error))?;
        self.is_ended = state.peer_has_closed();
        Ok(())
    }

    fn take_opened(&mut self, plain: &mut [u8]) -> usize {
        self.tls.reader().read(plain).unwrap_or(0) // an error says that there is nothing, now or any more
    }

    /// As [`Stream::write`].
    fn write(&mut self, output: &[u8], wire: &mut impl Write) -> io::Result<usize> {
        assert!(self.sealed_output <= output.len(), "output that was not written is given again");
        let mut written = 0;
        loop {
            match self.flush(wire) {
                Err(error) if error.kind() == ErrorKind::WouldBlock && written > 0 => return Ok(written),
                flushed => flushed?,
            }
            written += std::mem::take(&mut self.sealed_output);
            if written == output.len() {
                return Ok(written);
            }
            self.sealed_output = self.tls.writer().write(&output[written..])?;
            if self.sealed_output == 0 {
                return Err(ErrorKind::WriteZero.into());
            }
        }
    }

    fn say(&mut self, words: &[u8], wire: &mut impl Write) -> io::Result<()> {
        self.tls.writer().write_all(words)?;
        self.tls.send_close_notify();
        self.flush(wire)
    }

    /// Sends what is sealed.
    fn flush(&mut self, wire: &mut impl Write) -> io::Result<()> {
        while self.tls.wants_write() {
            self.tls.write_tls(wire)?;
        }
        Ok(())
    }
}

/// A socket as rustls reads and writes it: what cannot be done now is `WouldBlock`.
struct Wire<'a>(&'a TcpStream);

impl Read for Wire<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.try_read(buffer)
    }
}

impl Write for Wire<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.try_write(bytes)
    }

    fn write_vectored(&mut self, pieces: &[io::IoSlice<'_>]) -> io::Result<usize> {
        self.0.try_write_vectored(pieces)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
