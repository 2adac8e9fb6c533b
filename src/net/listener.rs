//! Listening sockets and the loop that accepts.

use rustix::io::Errno;
use socket2::{Domain, Protocol, Socket, TcpKeepalive, Type};
use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::time::Duration;

/// Connections that the kernel may hold before they are accepted.
const BACKLOG: i32 = 4096;

/// Pause after a failed accept: memory is used up, or descriptors so that not even the spare one helps; both pass.
const ACCEPT_RETRY: Duration = Duration::from_millis(100);

/// Pause before a socket is offered again.
const PLACE_RETRY: Duration = Duration::from_millis(1);

/// An address that cannot be listened on.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}: {source}")]
pub struct ListenError {
    /// Which address.
    pub address: SocketAddr,
    /// Why not.
    pub source: io::Error,
}

/// Listens on `port` of every address. Port 0: a free one, the same for all.
///
/// # Errors
/// [`ListenError`] for the first address that cannot be had.
pub fn listen(addresses: &[IpAddr], port: u16) -> Result<Vec<TcpListener>, ListenError> {
    let mut port = port;
    let mut listeners = Vec::new();
    for ip in addresses {
        let address = SocketAddr::new(*ip, port);
        let listener = open(address).map_err(|source| ListenError { address, source })?;
        port = listener.local_addr().map_err(|source| ListenError { address, source })?.port();
        listeners.push(listener);
    }
    Ok(listeners)
}

fn open(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}

/// Accepts for ever and hands each socket, ready for use, to `place`. A socket that it gives back is tried again before
/// the next is accepted: meanwhile the kernel holds the others.
///
/// A socket that takes the last file descriptor goes to `turn_away`. Left in the kernel's queue, where nobody answers,
/// its client would wait for ever; so one descriptor is kept to take it out with.
pub async fn accept(
    listener: TcpListener,
    keepalive: Option<Duration>,
    mut place: impl FnMut(TcpStream, SocketAddr) -> Result<(), TcpStream>,
    mut turn_away: impl FnMut(TcpStream, SocketAddr),
) {
    let listener = match tokio::net::TcpListener::from_std(listener) {
        Ok(listener) => listener,
        Err(error) => return tracing::error!(%error, "a listening socket could not be used"),
    };
    let another = || listener.as_fd().try_clone_to_owned().ok();
    let mut spare = another();
    let mut is_failing = false;
    loop {
        match listener.accept().await.and_then(|(stream, peer)| Ok((stream.into_std()?, peer))) {
            Ok((stream, peer)) => {
                is_failing = false;
                spare = spare.or_else(another);
                if spare.is_none() {
                    turn_away(stream, peer);
                    spare = another();
                    continue;
                }
                let socket = socket2::SockRef::from(&stream);
                let _ = socket.set_tcp_nodelay(true); // a socket that is gone already fails here, and at its first read
                if let Some(every) = keepalive {
                    let _ = socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(every));
                }
                let mut unplaced = place(stream, peer);
                while let Err(stream) = unplaced {
                    tokio::time::sleep(PLACE_RETRY).await;
                    unplaced = place(stream, peer);
                }
            }
            Err(error) if are_used_up(&error) && spare.is_some() && !planted!("no spare descriptor") => spare = None,
            Err(error) => {
                if !std::mem::replace(&mut is_failing, true) {
                    tracing::warn!(%error, "accept failed; trying again");
                }
                tokio::time::sleep(ACCEPT_RETRY).await;
            }
        }
    }
}

/// Whether the process, or the machine, has no file descriptor left.
fn are_used_up(error: &io::Error) -> bool {
    let used_up = [Errno::MFILE, Errno::NFILE].map(|errno| Some(errno.raw_os_error()));
    used_up.contains(&error.raw_os_error())
}
