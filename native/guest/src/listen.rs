//! Sockets on which programs inside the machine are waited for.

use std::fs;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixListener;

use serde::Deserialize;

use crate::dial::{known_addresses, unix_address, TcpParams};
use crate::error::{Answer, GuestError};
use crate::paths::Given;
use crate::sys::{check, check_fd, would_block};

/// Connections that wait to be accepted, for each socket.
const BACKLOG: libc::c_int = 128;

/// One of the two; [`ListenParams::target`] says which.
#[derive(Deserialize)]
pub struct ListenParams {
    tcp: Option<TcpParams>,
    unix: Option<Given>,
}

pub enum ListenTarget {
    /// Port 0 is any that is free.
    Tcp(TcpParams),
    Unix(Given),
}

impl ListenParams {
    pub fn target(self) -> Answer<ListenTarget> {
        match (self.tcp, self.unix) {
            (Some(tcp), None) => Ok(ListenTarget::Tcp(tcp)),
            (None, Some(path)) => Ok(ListenTarget::Unix(path)),
            _ => Err(GuestError::invalid("invalid params: one of `tcp` and `unix` is needed")),
        }
    }
}

/// A connection that was accepted, and whose it is; a Unix socket's has no address.
pub struct Accepted {
    pub fd: OwnedFd,
    pub peer: Option<SocketAddr>,
}

/// What listens. A Unix socket's file goes when this is dropped, which may sleep.
pub enum Listener {
    /// `localhost` is two addresses.
    Tcp(Vec<TcpListener>),
    Unix {
        socket: UnixListener,
        _file: SocketFile,
    },
}

/// The file that a Unix socket is bound to.
pub struct SocketFile {
    path: String,
    identity: (u64, u64),
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        // Somebody else may have put another file there.
        if identity_of(&self.path).is_ok_and(|identity| identity == self.identity) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

impl Listener {
    /// `None` for a Unix socket.
    pub fn port(&self) -> Option<u16> {
        match self {
            Listener::Tcp(sockets) => sockets.first()?.local_addr().ok().map(|address| address.port()),
            Listener::Unix { .. } => None,
        }
    }

    pub fn descriptors(&self) -> Vec<BorrowedFd<'_>> {
        match self {
            Listener::Tcp(sockets) => sockets.iter().map(AsFd::as_fd).collect(),
            Listener::Unix { socket, .. } => vec![socket.as_fd()],
        }
    }

    /// The next connection; `None` when there is none yet.
    pub fn accept(&self) -> io::Result<Option<Accepted>> {
        match self {
            Listener::Tcp(sockets) => {
                for socket in sockets {
                    if let Some((stream, peer)) = unless_it_would_block(socket.accept())? {
                        stream.set_nonblocking(true)?;
                        stream.set_nodelay(true)?;
                        return Ok(Some(Accepted { fd: stream.into(), peer: Some(peer) }));
                    }
                }
                Ok(None)
            }
            Listener::Unix { socket, .. } => {
                let Some((stream, _)) = unless_it_would_block(socket.accept())? else { return Ok(None) };
                stream.set_nonblocking(true)?;
                Ok(Some(Accepted { fd: stream.into(), peer: None }))
            }
        }
    }
}

fn unless_it_would_block<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if would_block(&error) => Ok(None),
        // Whoever connected has gone again; who comes next is another matter.
        Err(error) if error.raw_os_error() == Some(libc::ECONNABORTED) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Listens at an address of the machine: a literal, `localhost` (both families), or the empty string or `*` for all.
pub fn listen_tcp(host: &str, port: u16) -> io::Result<Listener> {
    if matches!(host, "" | "*") {
        let all = [IpAddr::V6(Ipv6Addr::UNSPECIFIED), IpAddr::V4(Ipv4Addr::UNSPECIFIED)];
        let [both, old] = all.map(|address| SocketAddr::new(address, port));
        // The first takes both families, unless the machine has only one.
        return Ok(Listener::Tcp(vec![bind(both).or_else(|_| bind(old))?]));
    }
    let unknown = || io::Error::from_raw_os_error(libc::EADDRNOTAVAIL);
    let mut addresses = known_addresses(host, port).ok_or_else(unknown)?;
    let first = bind(addresses.pop_front().ok_or_else(unknown)?)?;
    let port = first.local_addr()?.port();
    let others = addresses.into_iter().filter_map(|address| bind(SocketAddr::new(address.ip(), port)).ok());
    Ok(Listener::Tcp(std::iter::once(first).chain(others).collect()))
}

fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = TcpListener::bind(address)?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

/// Listens on a Unix socket that only its owner, and root, may connect to. May sleep on the way to the path.
pub fn listen_unix(path: String) -> io::Result<Listener> {
    let address = unix_address(&path)?;
    let kind = libc::SOCK_STREAM | libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC;
    // SAFETY: the address lives through the call that is given its length; the others take no pointer.
    let (fd, identity) = unsafe {
        let fd = check_fd(libc::socket(libc::AF_UNIX, kind, 0))?;
        // What the socket's mode is now, its file's will be: there is no moment in which others may connect.
        check(libc::fchmod(fd.as_raw_fd(), 0o600))?;
        let size = size_of_val(&address) as libc::socklen_t;
        check(libc::bind(fd.as_raw_fd(), (&raw const address).cast(), size))?;
        (fd, identity_of(&path)?)
    };
    let file = SocketFile { path, identity };
    // SAFETY: no pointers.
    check(unsafe { libc::listen(fd.as_raw_fd(), BACKLOG) })?;
    Ok(Listener::Unix { socket: fd.into(), _file: file })
}

fn identity_of(path: &str) -> io::Result<(u64, u64)> {
    let found = fs::symlink_metadata(path)?;
    Ok((found.dev(), found.ino()))
}
