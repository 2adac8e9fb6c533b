//! Listening sockets and the loop that accepts.

use socket2::{Domain, Protocol, Socket, TcpKeepalive, Type};
use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

/// Connections that the kernel may hold before they are accepted.
const BACKLOG: i32 = 4096;

/// Pause after a failed accept: descriptors are used up, or memory is; both pass.
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
pub async fn accept(
    listener: TcpListener,
    keepalive: Option<Duration>,
    mut place: impl FnMut(TcpStream, SocketAddr) -> Result<(), TcpStream>,
) {
    let listener = match tokio::net::TcpListener::from_std(listener) {
        Ok(listener) => listener,
        Err(error) => return tracing::error!(%error, "a listening socket could not be used"),
    };
    loop {
        match listener.accept().await.and_then(|(stream, peer)| Ok((stream.into_std()?, peer))) {
            Ok((stream, peer)) => {
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
            Err(error) => {
                tracing::warn!(%error, "accept failed; trying again");
                tokio::time::sleep(ACCEPT_RETRY).await;
            }
        }
    }
}
