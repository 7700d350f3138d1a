//! Listening sockets of the gateway, for a program that stays in the host's namespace.

use std::io;
use std::mem::size_of;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::path::Path;

use crate::descriptors::put_aside;
use crate::namespace::{check, Namespace};

const BACKLOG: i32 = 4_096;

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    /// TCP to any address; what a connection was meant for is its local address.
    Transparent,
    Tcp,
    Udp,
}

/// A socket to open: what it is, its port, and the descriptor that the program finds it at.
#[derive(Debug, PartialEq)]
pub struct Listener {
    pub kind: Kind,
    pub port: u16,
    pub fd: RawFd,
}

/// Opens `listeners` in the gateway and comes back.
pub fn listen(gateway: &Path, listeners: &[Listener]) -> Result<Vec<(OwnedFd, RawFd)>, String> {
    let host = Namespace::current().map_err(|error| format!("cannot open the host's namespace: {error}"))?;
    let kept = Namespace::kept_at(gateway).map_err(|error| format!("cannot open the gateway: {error}"))?;
    let gateway = kept.ok_or("there is no gateway; start the server's network first")?;
    gateway.enter().map_err(|error| format!("cannot enter the gateway: {error}"))?;
    let mut opened = Vec::new();
    for listener in listeners {
        let socket = open(listener).and_then(put_aside);
        let socket = socket.map_err(|error| format!("cannot listen on port {}: {error}", listener.port))?;
        opened.push((socket, listener.fd));
    }
    host.enter().map_err(|error| format!("cannot come back to the host: {error}"))?;
    Ok(opened)
}

fn open(listener: &Listener) -> io::Result<OwnedFd> {
    let kind = if listener.kind == Kind::Udp { libc::SOCK_DGRAM } else { libc::SOCK_STREAM };
    // SAFETY: plain system calls on values that live through them; the descriptor is owned at once.
    let socket = unsafe {
        let fd = libc::socket(libc::AF_INET, kind, 0);
        check(fd)?;
        OwnedFd::from_raw_fd(fd)
    };
    turn_on(&socket, libc::SOL_SOCKET, libc::SO_REUSEADDR)?;
    if listener.kind == Kind::Transparent {
        turn_on(&socket, libc::SOL_IP, libc::IP_TRANSPARENT)?;
    }
    let address = libc::sockaddr_in {
        sin_family: libc::AF_INET as libc::sa_family_t,
        sin_port: listener.port.to_be(),
        sin_addr: libc::in_addr { s_addr: 0 },
        sin_zero: [0; 8],
    };
    // SAFETY: as above.
    unsafe {
        let size = size_of::<libc::sockaddr_in>() as libc::socklen_t;
        check(libc::bind(socket.as_raw_fd(), (&raw const address).cast(), size))?;
        if listener.kind != Kind::Udp {
            check(libc::listen(socket.as_raw_fd(), BACKLOG))?;
        }
    }
    Ok(socket)
}

fn turn_on(socket: &OwnedFd, level: i32, option: i32) -> io::Result<()> {
    let on: i32 = 1;
    // SAFETY: the value lives through the call and its size is told.
    check(unsafe {
        libc::setsockopt(socket.as_raw_fd(), level, option, (&raw const on).cast(), size_of::<i32>() as libc::socklen_t)
    })
}
