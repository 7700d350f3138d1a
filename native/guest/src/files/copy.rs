//! Copying one file.

use std::fs::{File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};

/// Copies content and permission bits; what is at `to` is overwritten.
pub fn copy(from: &str, to: &str) -> io::Result<()> {
    // Opening a FIFO must not wait for its other end.
    let flags = libc::O_NONBLOCK | libc::O_NOCTTY;
    let mut source = OpenOptions::new().read(true).custom_flags(flags).open(from)?;
    let kind = source.metadata()?;
    if kind.is_dir() {
        return Err(io::Error::from_raw_os_error(libc::EISDIR));
    }
    if !kind.is_file() {
        return Err(io::Error::from_raw_os_error(libc::EINVAL));
    }
    let mode = kind.mode() & 0o7777;
    let mut target =
        OpenOptions::new().write(true).create(true).truncate(false).mode(mode).custom_flags(flags).open(to)?;
    let existing = target.metadata()?;
    // Onto itself it would be emptied before it is read.
    if (existing.dev(), existing.ino()) == (kind.dev(), kind.ino()) {
        return Ok(());
    }
    if existing.is_file() {
        target.set_len(0)?;
    }
    io::copy(&mut source, &mut target)?;
    keep_mode(&target, &existing, mode)
}

fn keep_mode(target: &File, existing: &std::fs::Metadata, mode: u32) -> io::Result<()> {
    // A device or a FIFO keeps its own.
    if existing.is_file() && existing.mode() & 0o7777 != mode {
        target.set_permissions(Permissions::from_mode(mode))?;
    }
    Ok(())
}
