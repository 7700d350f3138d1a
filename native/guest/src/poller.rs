//! epoll, with a token for each descriptor.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};

use crate::sys::{check, check_fd};

/// Interest that is reported once for each change, so that nothing has to be unregistered to keep quiet.
pub const EDGE_IN: u32 = (libc::EPOLLIN | libc::EPOLLRDHUP | libc::EPOLLET) as u32;
pub const EDGE_OUT: u32 = (libc::EPOLLOUT | libc::EPOLLET) as u32;

const EVENTS_MAX: usize = 64;

/// What happened to the descriptor that was registered with `token`.
#[derive(Clone, Copy)]
pub struct Ready {
    pub token: u64,
    pub events: u32,
}

impl Ready {
    /// The other side is gone, wholly or for what it sends: reading goes on to end of file.
    pub fn is_hung_up(&self) -> bool {
        self.events & (libc::EPOLLHUP | libc::EPOLLRDHUP | libc::EPOLLERR) as u32 != 0
    }

    pub fn is_readable(&self) -> bool {
        self.events & libc::EPOLLIN as u32 != 0 || self.is_hung_up()
    }

    pub fn is_writable(&self) -> bool {
        self.events & (libc::EPOLLOUT | libc::EPOLLHUP | libc::EPOLLERR) as u32 != 0
    }
}

pub struct Poller {
    epoll: OwnedFd,
}

impl Poller {
    pub fn new() -> io::Result<Poller> {
        // SAFETY: no pointers.
        let epoll = check_fd(unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) })?;
        Ok(Poller { epoll })
    }

    pub fn add(&self, fd: &impl AsRawFd, events: u32, token: u64) -> io::Result<()> {
        self.control(libc::EPOLL_CTL_ADD, fd.as_raw_fd(), events, token)
    }

    pub fn modify(&self, fd: &impl AsRawFd, events: u32, token: u64) -> io::Result<()> {
        self.control(libc::EPOLL_CTL_MOD, fd.as_raw_fd(), events, token)
    }

    /// For a copy of a descriptor: closing it is no end of the watch while the original is open.
    pub fn remove(&self, fd: &impl AsRawFd) {
        // One that is not watched needs no removing.
        let _ = self.control(libc::EPOLL_CTL_DEL, fd.as_raw_fd(), 0, 0);
    }

    fn control(&self, what: i32, fd: RawFd, events: u32, token: u64) -> io::Result<()> {
        let mut event = libc::epoll_event { events, u64: token };
        // SAFETY: the event lives through the call.
        check(unsafe { libc::epoll_ctl(self.epoll.as_raw_fd(), what, fd, &mut event) })?;
        Ok(())
    }

    /// Sleeps until something happened, or for `timeout_ms` (-1: for as long as it takes).
    pub fn wait(&self, timeout_ms: i32) -> Vec<Ready> {
        let mut events = [libc::epoll_event { events: 0, u64: 0 }; EVENTS_MAX];
        // SAFETY: the kernel writes at most EVENTS_MAX events.
        let count =
            unsafe { libc::epoll_wait(self.epoll.as_raw_fd(), events.as_mut_ptr(), EVENTS_MAX as i32, timeout_ms) };
        // -1 is an interruption by a signal, for example of a debugger: the caller comes round again.
        let count = usize::try_from(count).unwrap_or(0);
        events[..count].iter().map(|event| Ready { token: event.u64, events: event.events }).collect()
    }
}
