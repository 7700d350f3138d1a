//! Connections to servers inside the machine.

use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};
use std::os::fd::{AsRawFd, OwnedFd};
use std::rc::Rc;
use std::time::Duration;

use serde::Deserialize;

use crate::error::{Answer, GuestError};
use crate::paths::Given;
use crate::pipe::Pipe;
use crate::processes::ProcessId;
use crate::sys::{check, check_fd};

/// How long a connection may take to stand.
pub const DIAL_DEADLINE: Duration = Duration::from_secs(10);

/// One of the two; [`DialParams::target`] says which.
#[derive(Deserialize)]
pub struct DialParams {
    tcp: Option<TcpParams>,
    unix: Option<Given>,
    #[serde(default)]
    patient: bool,
    process: Option<i32>,
}

#[derive(Deserialize)]
pub struct TcpParams {
    pub host: String,
    pub port: u16,
}

pub enum DialTarget {
    Tcp {
        host: String,
        port: u16,
    },
    Unix {
        path: Given,
        is_patient: bool,
    },
    /// The descriptor 3 of a process.
    Process(i32),
}

impl DialParams {
    pub fn target(self) -> Answer<DialTarget> {
        match (self.tcp, self.unix, self.process) {
            (Some(TcpParams { host, port }), None, None) => Ok(DialTarget::Tcp { host, port }),
            (None, None, Some(pid)) => Ok(DialTarget::Process(pid)),
            (None, Some(path), None) => Ok(DialTarget::Unix { path, is_patient: self.patient }),
            _ => Err(GuestError::invalid("invalid params: one of `tcp`, `unix` and `process` is needed")),
        }
    }
}

/// A TCP connection that does not stand yet.
pub struct Dialing {
    /// The address that is being tried.
    pub fd: OwnedFd,
    /// Those to try when it fails.
    pub rest: VecDeque<SocketAddr>,
    /// For messages: `connect 'localhost:80'`.
    pub doing: String,
}

/// A connection that stands.
pub struct Socket {
    pub fd: Rc<OwnedFd>,
    /// `None` after its end.
    pub output: Option<Pipe>,
    /// The process whose descriptor 3 is at the other end.
    pub process: Option<ProcessId>,
}

impl Socket {
    pub fn new(fd: OwnedFd) -> Socket {
        let fd = Rc::new(fd);
        Socket { output: Some(Pipe::new(Rc::clone(&fd), false)), fd, process: None }
    }

    /// Tells the other side that no more will come.
    pub fn finish_input(&self) {
        // SAFETY: no pointers. A connection that is gone by now needs no word.
        unsafe { libc::shutdown(self.fd.as_raw_fd(), libc::SHUT_WR) };
    }
}

/// The addresses of a host, when no server has to be asked for them.
pub fn known_addresses(host: &str, port: u16) -> Option<VecDeque<SocketAddr>> {
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    if let Ok(address) = bare.parse::<IpAddr>() {
        return Some([SocketAddr::new(address, port)].into());
    }
    // A server may listen on one of them only.
    let loopback = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];
    host.eq_ignore_ascii_case("localhost").then(|| loopback.map(|address| SocketAddr::new(address, port)).into())
}

/// Asks the resolver. May sleep for long.
pub fn resolve(host: &str, port: u16) -> io::Result<VecDeque<SocketAddr>> {
    if host.is_empty() || host.contains('\0') {
        return Err(io::Error::from_raw_os_error(libc::EINVAL));
    }
    (host, port).to_socket_addrs().map(Iterator::collect)
}

/// Starts to connect; the result comes when the descriptor is writable.
pub fn start(address: &SocketAddr) -> io::Result<OwnedFd> {
    let family = if address.is_ipv4() { libc::AF_INET } else { libc::AF_INET6 };
    let kind = libc::SOCK_STREAM | libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC;
    // SAFETY: zeroed socket addresses are valid, and each call gets the length of the one it is given.
    unsafe {
        let fd = check_fd(libc::socket(family, kind, 0))?;
        let yes: libc::c_int = 1;
        let (level, size) = (libc::IPPROTO_TCP, size_of_val(&yes) as libc::socklen_t);
        check(libc::setsockopt(fd.as_raw_fd(), level, libc::TCP_NODELAY, (&raw const yes).cast(), size))?;
        let connected = match address {
            SocketAddr::V4(address) => {
                let mut raw: libc::sockaddr_in = std::mem::zeroed();
                raw.sin_family = libc::AF_INET as libc::sa_family_t;
                raw.sin_port = address.port().to_be();
                raw.sin_addr.s_addr = u32::from(*address.ip()).to_be();
                libc::connect(fd.as_raw_fd(), (&raw const raw).cast(), size_of_val(&raw) as libc::socklen_t)
            }
            SocketAddr::V6(address) => {
                let mut raw: libc::sockaddr_in6 = std::mem::zeroed();
                raw.sin6_family = libc::AF_INET6 as libc::sa_family_t;
                raw.sin6_port = address.port().to_be();
                raw.sin6_addr.s6_addr = address.ip().octets();
                raw.sin6_scope_id = address.scope_id();
                libc::connect(fd.as_raw_fd(), (&raw const raw).cast(), size_of_val(&raw) as libc::socklen_t)
            }
        };
        match check(connected) {
            Err(error) if error.raw_os_error() != Some(libc::EINPROGRESS) => Err(error),
            _ => Ok(fd),
        }
    }
}

/// What became of a connection that was started.
pub fn outcome(fd: &impl AsRawFd) -> io::Result<()> {
    let mut error: libc::c_int = 0;
    let mut size = size_of_val(&error) as libc::socklen_t;
    // SAFETY: the kernel writes one int.
    unsafe {
        let pointer = (&raw mut error).cast();
        check(libc::getsockopt(fd.as_raw_fd(), libc::SOL_SOCKET, libc::SO_ERROR, pointer, &mut size))?;
    }
    match error {
        0 => Ok(()),
        number => Err(io::Error::from_raw_os_error(number)),
    }
}

/// Connects to a unix socket. May sleep on the way to the path.
pub fn connect_unix(path: &str) -> io::Result<OwnedFd> {
    let raw = unix_address(path)?;
    // SAFETY: the address lives through the call that is given its length.
    unsafe {
        let kind = libc::SOCK_STREAM | libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC;
        let fd = check_fd(libc::socket(libc::AF_UNIX, kind, 0))?;
        check(libc::connect(fd.as_raw_fd(), (&raw const raw).cast(), size_of_val(&raw) as libc::socklen_t))?;
        Ok(fd)
    }
}

/// The address of a Unix socket with a file.
pub fn unix_address(path: &str) -> io::Result<libc::sockaddr_un> {
    // SAFETY: a zeroed address is valid.
    let mut raw: libc::sockaddr_un = unsafe { std::mem::zeroed() };
    raw.sun_family = libc::AF_UNIX as libc::sa_family_t;
    if path.is_empty() {
        return Err(io::Error::from_raw_os_error(libc::ENOENT));
    }
    // One byte is left for a NUL.
    if path.len() >= raw.sun_path.len() {
        return Err(io::Error::from_raw_os_error(libc::ENAMETOOLONG));
    }
    for (to, from) in raw.sun_path.iter_mut().zip(path.bytes()) {
        *to = from as libc::c_char;
    }
    Ok(raw)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals_and_localhost_need_no_resolver() {
        let text = |host: &str| {
            let found = known_addresses(host, 80)?;
            Some(found.iter().map(SocketAddr::to_string).collect::<Vec<_>>().join(" "))
        };
        assert_eq!(text("10.0.0.1").as_deref(), Some("10.0.0.1:80"));
        assert_eq!(text("::1").as_deref(), Some("[::1]:80"));
        assert_eq!(text("[::1]").as_deref(), Some("[::1]:80"));
        assert_eq!(text("LocalHost").as_deref(), Some("127.0.0.1:80 [::1]:80"));
        assert_eq!(text("example.com"), None);
    }
}
