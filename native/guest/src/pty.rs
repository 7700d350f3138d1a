//! Pseudo-terminals.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};

use crate::sys::{check, check_fd};

/// A terminal's size, in characters.
#[derive(Clone, Copy)]
pub struct Size {
    pub rows: u16,
    pub cols: u16,
}

/// Opens a terminal of that size: the master, non-blocking, and the slave.
pub fn open(size: Size) -> io::Result<(OwnedFd, OwnedFd)> {
    let flags = libc::O_RDWR | libc::O_NOCTTY | libc::O_CLOEXEC;
    // SAFETY: the path is a C string, and the unlock flag lives through the call.
    unsafe {
        let master = check_fd(libc::open(c"/dev/ptmx".as_ptr(), flags | libc::O_NONBLOCK))?;
        let unlock: libc::c_int = 0;
        check(libc::ioctl(master.as_raw_fd(), libc::TIOCSPTLCK as _, &unlock))?;
        let slave = check_fd(libc::ioctl(master.as_raw_fd(), libc::TIOCGPTPEER as _, flags))?;
        resize(&master, size)?;
        Ok((master, slave))
    }
}

/// Tells the terminal its size; its foreground processes get SIGWINCH when it differs.
pub fn resize(master: &impl AsRawFd, size: Size) -> io::Result<()> {
    let size = libc::winsize { ws_row: size.rows, ws_col: size.cols, ws_xpixel: 0, ws_ypixel: 0 };
    // SAFETY: the structure lives through the call.
    check(unsafe { libc::ioctl(master.as_raw_fd(), libc::TIOCSWINSZ as _, &size) })?;
    Ok(())
}

/// What to type so that a program that reads lines sees the end of its input; `None` when the terminal is raw and has no such key.
pub fn end_of_input(master: &impl AsRawFd) -> Option<u8> {
    // SAFETY: an all-zero termios is valid, and the kernel fills it.
    let settings = unsafe {
        let mut settings: libc::termios = std::mem::zeroed();
        check(libc::tcgetattr(master.as_raw_fd(), &mut settings)).ok()?;
        settings
    };
    (settings.c_lflag & libc::ICANON != 0).then_some(settings.c_cc[libc::VEOF])
}
