//! Thin wrappers that turn a system call's -1 into an `io::Error`.

use std::ffi::CString;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};

/// The result of a system call, or the error it left in errno.
pub fn check(result: impl Into<i64>) -> io::Result<i64> {
    match result.into() {
        -1 => Err(io::Error::last_os_error()),
        value => Ok(value),
    }
}

/// Like [`check`], for calls that return a new file descriptor.
pub fn check_fd(result: RawFd) -> io::Result<OwnedFd> {
    check(result)?;
    // SAFETY: the kernel has just made this descriptor for the caller.
    Ok(unsafe { OwnedFd::from_raw_fd(result) })
}

/// Repeats a call that a signal interrupted.
pub fn retry<T>(mut call: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match call() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

/// Reads into `into`; 0 is end of file.
pub fn read(fd: RawFd, into: &mut [u8]) -> io::Result<usize> {
    retry(|| {
        // SAFETY: the pointer and length are those of a live slice.
        let count = unsafe { libc::read(fd, into.as_mut_ptr().cast(), into.len()) };
        check(count as i64).map(|count| count as usize)
    })
}

/// Appends up to `most` bytes to `into`; 0 is end of file.
pub fn read_append(fd: RawFd, into: &mut Vec<u8>, most: usize) -> io::Result<usize> {
    into.reserve(most);
    let spare = &mut into.spare_capacity_mut()[..most];
    let count = retry(|| {
        // SAFETY: the kernel writes at most `most` bytes into memory that `reserve` has made room for.
        let count = unsafe { libc::read(fd, spare.as_mut_ptr().cast(), most) };
        check(count as i64).map(|count| count as usize)
    })?;
    // SAFETY: the kernel has written `count` bytes behind the present length.
    unsafe { into.set_len(into.len() + count) };
    Ok(count)
}

/// Writes from `from`; may write less.
pub fn write(fd: RawFd, from: &[u8]) -> io::Result<usize> {
    retry(|| {
        // SAFETY: the pointer and length are those of a live slice.
        let count = unsafe { libc::write(fd, from.as_ptr().cast(), from.len()) };
        check(count as i64).map(|count| count as usize)
    })
}

/// Makes reads and writes on an open file return `EAGAIN` where they would sleep.
pub fn set_nonblocking(fd: &impl AsRawFd) -> io::Result<()> {
    // SAFETY: fcntl with these commands takes no pointer.
    unsafe {
        let flags = check(libc::fcntl(fd.as_raw_fd(), libc::F_GETFL))? as i32;
        check(libc::fcntl(fd.as_raw_fd(), libc::F_SETFL, flags | libc::O_NONBLOCK))?;
    }
    Ok(())
}

/// Whether an error only says "not now".
pub fn would_block(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::WouldBlock
}

/// A C string; a NUL inside is `EINVAL`, as the kernel has no name for such a path.
pub fn c_string(text: impl Into<Vec<u8>>) -> io::Result<CString> {
    CString::new(text).map_err(|_| io::Error::from_raw_os_error(libc::EINVAL))
}

/// Fills a buffer from the kernel's random numbers.
pub fn random(into: &mut [u8]) -> io::Result<()> {
    let mut at = 0;
    while at < into.len() {
        at += retry(|| {
            // SAFETY: the pointer and length are those of a live slice.
            let count = unsafe { libc::getrandom(into[at..].as_mut_ptr().cast(), into.len() - at, 0) };
            check(count as i64).map(|count| count as usize)
        })?;
    }
    Ok(())
}
