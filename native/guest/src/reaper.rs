//! Signals to this process as readable events, and the ends of its children.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};

use crate::sys::{self, check, check_fd};

/// A child that has ended.
#[derive(Debug, Clone, Copy)]
pub struct Ended {
    pub pid: i32,
    /// The exit code, or 128 + the signal's number.
    pub code: i32,
    pub signal: Option<i32>,
}

/// The signals that a PID 1 is asked to stop the machine with, by `poweroff`, `halt` and `reboot` of one kind or another.
const POWER_SIGNALS: [i32; 4] = [libc::SIGTERM, libc::SIGINT, libc::SIGUSR1, libc::SIGUSR2];

/// SIGCHLD, and the signals that mean "stop", as a descriptor.
pub struct Signals {
    fd: OwnedFd,
}

impl Signals {
    /// Blocks every signal for this thread and those it will start.
    pub fn take() -> io::Result<Signals> {
        // SAFETY: zeroed signal sets are valid to be filled; ignoring SIGPIPE makes it the write's error.
        unsafe {
            libc::signal(libc::SIGPIPE, libc::SIG_IGN);
            let mut wanted: libc::sigset_t = std::mem::zeroed();
            libc::sigemptyset(&mut wanted);
            for signal in POWER_SIGNALS.into_iter().chain([libc::SIGCHLD]) {
                libc::sigaddset(&mut wanted, signal);
            }
            let mut blocked: libc::sigset_t = std::mem::zeroed();
            libc::sigfillset(&mut blocked);
            check(libc::sigprocmask(libc::SIG_SETMASK, &blocked, std::ptr::null_mut()))?;
            let fd = check_fd(libc::signalfd(-1, &wanted, libc::SFD_CLOEXEC | libc::SFD_NONBLOCK))?;
            Ok(Signals { fd })
        }
    }

    /// Takes what has arrived; returns whether one of the signals means "stop".
    pub fn drain(&self) -> bool {
        const SIZE: usize = size_of::<libc::signalfd_siginfo>();
        let mut records = [0; 4 * SIZE];
        let mut must_stop = false;
        while let Ok(count) = sys::read(self.fd.as_raw_fd(), &mut records) {
            // The signal's number is the first field, a u32.
            let numbers = records[..count]
                .chunks_exact(SIZE)
                .map(|record| i32::from_ne_bytes([record[0], record[1], record[2], record[3]]));
            must_stop |= numbers.into_iter().any(|number| number != libc::SIGCHLD);
            if count < records.len() {
                break;
            }
        }
        must_stop
    }
}

impl AsRawFd for Signals {
    fn as_raw_fd(&self) -> RawFd {
        self.fd.as_raw_fd()
    }
}

/// The next child that has ended, orphans included. This is the only place that waits for children, so nobody's exit
/// status goes to somebody else.
pub fn next_ended() -> Option<Ended> {
    // SAFETY: a zeroed siginfo is valid, and the kernel fills it; the accessors fit a record about a child.
    unsafe {
        let mut info: libc::siginfo_t = std::mem::zeroed();
        check(libc::waitid(libc::P_ALL, 0, &mut info, libc::WEXITED | libc::WNOHANG)).ok()?;
        if info.si_pid() == 0 {
            return None;
        }
        let status = info.si_status();
        Some(match info.si_code {
            libc::CLD_EXITED => Ended { pid: info.si_pid(), code: status & 0xff, signal: None },
            _ => Ended { pid: info.si_pid(), code: 128 + status, signal: Some(status) },
        })
    }
}
