//! Mounting.

use std::io;
use std::ptr;

use crate::sys::{c_string, check};

/// Mounts a file system. One that is mounted there already is fine.
pub fn mount(source: &str, target: &str, kind: &str, flags: libc::c_ulong, options: &str) -> io::Result<()> {
    let (source, target, kind) = (c_string(source)?, c_string(target)?, c_string(kind)?);
    let options = c_string(options)?;
    // SAFETY: all are C strings that live through the call.
    let result = unsafe {
        libc::mount(source.as_ptr(), target.as_ptr(), kind.as_ptr(), flags, options.as_ptr().cast())
    };
    match check(result) {
        Err(error) if error.raw_os_error() == Some(libc::EBUSY) => Ok(()),
        result => result.map(drop),
    }
}

/// Moves a mount to another place.
pub fn move_mount(from: &str, to: &str) -> io::Result<()> {
    let (from, to) = (c_string(from)?, c_string(to)?);
    // SAFETY: both are C strings that live through the call.
    check(unsafe { libc::mount(from.as_ptr(), to.as_ptr(), ptr::null(), libc::MS_MOVE, ptr::null()) })?;
    Ok(())
}

/// Takes a mount out of sight; what uses it keeps it.
pub fn detach(target: &str) -> io::Result<()> {
    let target = c_string(target)?;
    // SAFETY: a C string that lives through the call.
    check(unsafe { libc::umount2(target.as_ptr(), libc::MNT_DETACH) })?;
    Ok(())
}
