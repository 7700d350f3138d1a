//! Mounting.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::ptr;

use crate::sys::{c_string, check};

/// No programs, devices or privileges come from such a mount.
pub const PLAIN: libc::c_ulong = libc::MS_NOSUID | libc::MS_NODEV | libc::MS_NOEXEC;

/// Whether something is mounted there: then it is another file system than the directory above it.
pub fn is_mounted(target: &str) -> bool {
    let device = |path: &str| fs::metadata(path).map(|found| found.dev()).ok();
    device(target).is_some_and(|here| device(&format!("{target}/..")) != Some(here))
}

/// Mounts a file system.
pub fn mount(source: &str, target: &str, kind: &str, flags: libc::c_ulong, options: &str) -> io::Result<()> {
    let (source, target, kind) = (c_string(source)?, c_string(target)?, c_string(kind)?);
    let options = c_string(options)?;
    // SAFETY: all are C strings that live through the call.
    check(unsafe { libc::mount(source.as_ptr(), target.as_ptr(), kind.as_ptr(), flags, options.as_ptr().cast()) })?;
    Ok(())
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
