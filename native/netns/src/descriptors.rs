//! Descriptors for the program that is executed next.

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};

use crate::namespace::check;

/// Numbers that a program may be told to find its descriptors at are below this.
pub const PLACE_MAX: RawFd = 512;

/// Moves `fd` out of the way of the places, so that placing one never overwrites another.
pub fn put_aside(fd: OwnedFd) -> io::Result<OwnedFd> {
    // SAFETY: a call without pointers; what it gives is owned at once.
    unsafe {
        let aside = libc::fcntl(fd.as_raw_fd(), libc::F_DUPFD_CLOEXEC, PLACE_MAX);
        check(aside)?;
        Ok(OwnedFd::from_raw_fd(aside))
    }
}

/// Makes each descriptor the one that the program finds at the given number. Nothing else of this process may be at those numbers.
pub fn place(descriptors: Vec<(OwnedFd, RawFd)>) -> io::Result<()> {
    for (from, to) in descriptors {
        // SAFETY: a call without pointers; the copy belongs to the program.
        check(unsafe { libc::dup2(from.as_raw_fd(), to) })?;
    }
    Ok(())
}
