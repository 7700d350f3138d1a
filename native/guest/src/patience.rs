//! Waiting for a Unix socket that is not there yet, or that nobody listens on.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::dial::connect_unix;
use crate::sys::{self, c_string, check, check_fd};

/// Between bind and listen there is nothing to wait for but time, and not much of it.
const FIRST_DELAY: Duration = Duration::from_millis(2);
const LONGEST_DELAY: Duration = Duration::from_millis(200);

/// Watches directories for new entries.
pub struct DirectoryWatch {
    fd: Arc<OwnedFd>,
}

impl DirectoryWatch {
    pub fn new() -> io::Result<DirectoryWatch> {
        // SAFETY: no pointers.
        let fd = check_fd(unsafe { libc::inotify_init1(libc::IN_CLOEXEC | libc::IN_NONBLOCK) })?;
        Ok(DirectoryWatch { fd: Arc::new(fd) })
    }

    /// For the threads that add watches.
    pub fn shared(&self) -> Arc<OwnedFd> {
        Arc::clone(&self.fd)
    }

    /// The watches that something has happened to. A name may come twice, or for a watch that was removed.
    pub fn drain(&self) -> Vec<i32> {
        const HEADER_BYTES: usize = 16;
        let mut watches = Vec::new();
        let mut buffer = Vec::new();
        while let Ok(1..) = sys::read_append(self.fd.as_raw_fd(), &mut buffer, 64 * 1024) {
            let mut events = buffer.as_slice();
            while events.len() >= HEADER_BYTES {
                let word = |at: usize| i32::from_ne_bytes([events[at], events[at + 1], events[at + 2], events[at + 3]]);
                let (watch, name_bytes) = (word(0), word(12) as usize);
                watches.push(watch);
                events = &events[(HEADER_BYTES + name_bytes).min(events.len())..];
            }
            buffer.clear();
        }
        watches
    }

    pub fn remove(&self, watch: i32) {
        // SAFETY: no pointers. One whose directory is gone has been removed already.
        unsafe { libc::inotify_rm_watch(self.fd.as_raw_fd(), watch) };
    }
}

impl AsRawFd for DirectoryWatch {
    fn as_raw_fd(&self) -> RawFd {
        self.fd.as_raw_fd()
    }
}

/// A dial that waits.
pub struct Patient {
    /// Where the socket will be, resolved, and as it was given.
    pub path: String,
    pub given: String,
    /// A worker thread is trying.
    pub is_trying: bool,
    /// Something has happened since it began to.
    pub must_retry: bool,
    pub watch: Option<i32>,
    pub delay: Duration,
}

impl Patient {
    pub fn new(path: String, given: String) -> Patient {
        Patient { path, given, is_trying: false, must_retry: false, watch: None, delay: FIRST_DELAY }
    }

    /// When to try a socket again on which nobody listens.
    pub fn next_try(&mut self) -> Instant {
        let at = Instant::now() + self.delay;
        self.delay = (self.delay * 2).min(LONGEST_DELAY);
        at
    }
}

/// What came of a try.
pub enum Tried {
    Connected(OwnedFd),
    /// An entry must appear in the directory of this watch first.
    Missing(i32),
    /// It is there and does not accept.
    Refused,
    Failed(io::Error),
}

/// Connects, or sees to it that the event is heard that must come first. May sleep on the way to the path.
pub fn try_connect(path: &str, watches: &OwnedFd) -> Tried {
    let mut watch = None;
    loop {
        match connect_unix(path) {
            Ok(fd) => return Tried::Connected(fd),
            Err(error) => match (error.raw_os_error(), watch) {
                (Some(libc::ECONNREFUSED | libc::EAGAIN), _) => return Tried::Refused,
                (Some(libc::ENOENT), Some(watch)) => return Tried::Missing(watch),
                // It may have come into being before the watch did, so another try follows.
                (Some(libc::ENOENT), None) => match watch_nearest(path, watches) {
                    Ok(added) => watch = Some(added),
                    Err(error) => return Tried::Failed(error),
                },
                _ => return Tried::Failed(error),
            },
        }
    }
}

/// Watches the nearest directory on the way to `path` that exists.
fn watch_nearest(path: &str, watches: &OwnedFd) -> io::Result<i32> {
    let mask = libc::IN_CREATE | libc::IN_MOVED_TO | libc::IN_DELETE_SELF | libc::IN_MOVE_SELF | libc::IN_ONLYDIR;
    for directory in Path::new(path).ancestors().skip(1) {
        let text = c_string(directory.to_str().unwrap_or("/"))?;
        // SAFETY: the path is a C string.
        match check(unsafe { libc::inotify_add_watch(watches.as_raw_fd(), text.as_ptr(), mask) }) {
            Ok(watch) => return Ok(watch as i32),
            Err(error) if error.raw_os_error() == Some(libc::ENOENT) => {}
            Err(error) => return Err(error),
        }
    }
    Err(io::Error::from_raw_os_error(libc::ENOENT))
}
