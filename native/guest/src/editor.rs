//! The disk with the editor: there from the start, and empty until the host has put something on it.

use std::fs::{self, File};
use std::io;
use std::os::fd::AsRawFd;
use std::sync::Mutex;

use serde_json::{json, Value};

use crate::boot::mounts::{is_mounted, mount};
use crate::error::{Answer, Doing, GuestError};
use crate::sys::check;

const DISK: &str = "/dev/vdd";
const PLACE: &str = "/.skerry/editor";

/// Of `linux/fs.h`: forgets what is cached of a disk.
const BLKFLSBUF: libc::c_ulong = 0x1261;

/// Two callers at once would mount it twice, one over the other.
static MOUNTING: Mutex<()> = Mutex::new(());

/// Mounts the disk, unless it is mounted already. The host has filled it by now.
pub fn mount_editor(is_machine: bool) -> Answer<Value> {
    if !is_machine {
        return Err(GuestError::system(libc::ENODEV, "mount the editor"));
    }
    let _one_at_a_time = MOUNTING.lock();
    fs::create_dir_all(PLACE).doing(format!("mkdir '{PLACE}'"))?;
    if !is_mounted(PLACE) {
        forget_cached().doing(format!("open '{DISK}'"))?;
        let flags = libc::MS_RDONLY | libc::MS_NOATIME | libc::MS_NOSUID | libc::MS_NODEV;
        mount(DISK, PLACE, "erofs", flags, "").doing(format!("mount '{DISK}'"))?;
    }
    Ok(json!({}))
}

/// When the machine's template started, the kernel looked for partitions and may remember the zeros that it read.
fn forget_cached() -> io::Result<()> {
    let disk = File::open(DISK)?;
    // SAFETY: the call takes no argument.
    check(unsafe { libc::ioctl(disk.as_raw_fd(), BLKFLSBUF as _, 0) })?;
    Ok(())
}
