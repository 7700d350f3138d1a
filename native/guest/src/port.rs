//! The connection to the host: a virtio-serial port, or for tests a unix socket.
//!
//! While no host is connected, polling a virtio-serial port says at once that it is readable and hung up, so a loop would
//! spin. A write, on the other hand, is refused until a host is there. So a port without a host is watched for changes
//! only (edge-triggered), and each change is an occasion to try HELLO again.

use std::fs;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::poller::{Poller, EDGE_IN, EDGE_OUT};
use crate::sys;

/// The name of the port, given by the host on its command line.
const PORT_NAME: &str = "skerry";
/// How often a test's socket is tried when nobody listens.
const SOCKET_RETRY: Duration = Duration::from_millis(20);

/// A test's socket that nobody listened on for so long belongs to a test that is over.
const SOCKET_ABANDONED: Duration = Duration::from_secs(30);

/// Where the host is found.
pub enum Address {
    Virtio,
    Socket(PathBuf),
}

pub struct Port {
    address: Address,
    token: u64,
    fd: Option<OwnedFd>,
    is_connected: bool,
    interest: u32,
    next_try: Option<Instant>,
    away_since: Instant,
}

impl Port {
    /// Opens the virtio port, whose device must be there, or prepares to connect to the socket.
    pub fn open(address: Address, poller: &Poller, token: u64) -> io::Result<Port> {
        let mut port = Port {
            address,
            token,
            fd: None,
            is_connected: false,
            interest: 0,
            next_try: None,
            away_since: Instant::now(),
        };
        if let Address::Virtio = port.address {
            let path = sys::c_string(virtio_device().into_os_string().into_encoded_bytes())?;
            // SAFETY: the path is a C string.
            let fd = unsafe { libc::open(path.as_ptr(), libc::O_RDWR | libc::O_CLOEXEC | libc::O_NONBLOCK) };
            let fd = sys::check_fd(fd)?;
            port.interest = EDGE_IN | EDGE_OUT;
            poller.add(&fd, port.interest, token)?;
            port.fd = Some(fd);
        }
        Ok(port)
    }

    pub fn is_connected(&self) -> bool {
        self.is_connected
    }

    /// Writes HELLO if a host is there. Returns whether the connection stands now.
    pub fn try_connect(&mut self, poller: &Poller, hello: &[u8]) -> bool {
        if let Address::Socket(path) = &self.address {
            self.next_try = Some(Instant::now() + SOCKET_RETRY);
            let Ok(socket) = UnixStream::connect(path) else { return false };
            let fd = OwnedFd::from(socket);
            self.interest = EDGE_IN | EDGE_OUT;
            let is_set_up = sys::set_nonblocking(&fd).and_then(|()| poller.add(&fd, self.interest, self.token));
            if is_set_up.is_err() {
                return false;
            }
            self.fd = Some(fd);
        }
        let Some(fd) = &self.fd else { return false };
        // HELLO is far shorter than what either takes at once, so it goes wholly or not at all.
        if sys::write(fd.as_raw_fd(), hello).ok() != Some(hello.len()) {
            return false;
        }
        self.is_connected = true;
        self.next_try = None;
        self.set_interest(poller, libc::EPOLLIN as u32);
        true
    }

    /// The host has gone, or what it says makes no sense any more.
    pub fn disconnect(&mut self, poller: &Poller) {
        self.is_connected = false;
        match self.address {
            Address::Virtio => self.set_interest(poller, EDGE_IN | EDGE_OUT),
            Address::Socket(_) => {
                self.fd = None;
                self.away_since = Instant::now();
                self.next_try = Some(Instant::now() + SOCKET_RETRY);
            }
        }
    }

    /// When to call [`Port::try_connect`] although nothing happened.
    pub fn next_try(&self) -> Option<Instant> {
        self.next_try
    }

    /// Whether a test's host will not come back.
    pub fn is_abandoned(&self) -> bool {
        self.next_try.is_some() && self.away_since.elapsed() > SOCKET_ABANDONED
    }

    /// Says what to be woken for while connected; a host that goes away wakes in any case.
    pub fn watch(&mut self, poller: &Poller, reading: bool, writing: bool) {
        let wanted = if reading { libc::EPOLLIN } else { 0 } | if writing { libc::EPOLLOUT } else { 0 };
        if self.is_connected {
            self.set_interest(poller, wanted as u32);
        }
    }

    pub fn read(&self, into: &mut [u8]) -> io::Result<usize> {
        sys::read(self.raw(), into)
    }

    pub fn write(&self, from: &[u8]) -> io::Result<usize> {
        sys::write(self.raw(), from)
    }

    fn raw(&self) -> RawFd {
        self.fd.as_ref().map_or(-1, AsRawFd::as_raw_fd)
    }

    fn set_interest(&mut self, poller: &Poller, events: u32) {
        if let (Some(fd), true) = (&self.fd, self.interest != events) {
            // The descriptor is registered and open, so this cannot fail.
            let _ = poller.modify(fd, events, self.token);
            self.interest = events;
        }
    }
}

/// The device of the port with our name; the first port when the names cannot be read.
fn virtio_device() -> PathBuf {
    let named = fs::read_dir("/sys/class/virtio-ports")
        .into_iter()
        .flatten()
        .flatten()
        .find(|port| fs::read_to_string(port.path().join("name")).is_ok_and(|name| name.trim_end() == PORT_NAME));
    match named {
        Some(port) => PathBuf::from("/dev").join(port.file_name()),
        None => PathBuf::from("/dev/vport0p1"),
    }
}
