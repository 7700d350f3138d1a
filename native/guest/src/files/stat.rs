//! What a file is.

use std::ffi::CStr;
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, RawFd};

use serde::Serialize;

use crate::sys::{c_string, check};

/// `Stat` of the protocol.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Stat {
    kind: &'static str,
    size: u64,
    mtime_ms: f64,
    atime_ms: f64,
    ctime_ms: f64,
    birthtime_ms: Option<f64>,
    mode: u32,
    dev: u64,
    ino: u64,
    nlink: u32,
    uid: u32,
    gid: u32,
    rdev: u64,
    blksize: u32,
    blocks: u64,
}

/// Looks at a path, at what it points to when `follow` is set.
pub fn stat(path: &str, follow: bool) -> io::Result<Stat> {
    let flags = if follow { 0 } else { libc::AT_SYMLINK_NOFOLLOW };
    stat_at(libc::AT_FDCWD, &c_string(path)?, flags)
}

/// Looks at an open file.
pub fn of_file(file: &File) -> io::Result<Stat> {
    stat_at(file.as_raw_fd(), c"", libc::AT_EMPTY_PATH)
}

fn stat_at(directory: RawFd, path: &CStr, flags: i32) -> io::Result<Stat> {
    let mask = libc::STATX_BASIC_STATS | libc::STATX_BTIME;
    // SAFETY: the path is a C string; an all-zero statx is valid, and the kernel fills it.
    let found = unsafe {
        let mut found: libc::statx = std::mem::zeroed();
        check(libc::statx(directory, path.as_ptr(), flags, mask, &mut found))?;
        found
    };
    let has_birth = found.stx_mask & libc::STATX_BTIME != 0;
    Ok(Stat {
        kind: kind_of_mode(found.stx_mode.into()),
        size: found.stx_size,
        mtime_ms: milliseconds(&found.stx_mtime),
        atime_ms: milliseconds(&found.stx_atime),
        ctime_ms: milliseconds(&found.stx_ctime),
        birthtime_ms: has_birth.then(|| milliseconds(&found.stx_btime)),
        mode: found.stx_mode.into(),
        dev: libc::makedev(found.stx_dev_major, found.stx_dev_minor),
        ino: found.stx_ino,
        nlink: found.stx_nlink,
        uid: found.stx_uid,
        gid: found.stx_gid,
        rdev: libc::makedev(found.stx_rdev_major, found.stx_rdev_minor),
        blksize: found.stx_blksize,
        blocks: found.stx_blocks,
    })
}

/// The kind of file that the type bits of a mode say.
pub fn kind_of_mode(mode: u32) -> &'static str {
    match mode & libc::S_IFMT {
        libc::S_IFDIR => "directory",
        libc::S_IFLNK => "symlink",
        libc::S_IFBLK => "block",
        libc::S_IFCHR => "char",
        libc::S_IFIFO => "fifo",
        libc::S_IFSOCK => "socket",
        _ => "file",
    }
}

fn milliseconds(time: &libc::statx_timestamp) -> f64 {
    time.tv_sec as f64 * 1000.0 + f64::from(time.tv_nsec) / 1e6
}
