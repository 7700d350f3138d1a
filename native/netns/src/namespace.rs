//! Network namespaces: making, entering and keeping them.

use std::ffi::CString;
use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

const NSFS_MAGIC: i64 = 0x6e73_6673;
const OWN: &str = "/proc/thread-self/ns/net";

/// A namespace that can be entered.
pub struct Namespace {
    pub file: File,
}

impl Namespace {
    /// The one that the thread is in.
    pub fn current() -> io::Result<Namespace> {
        Ok(Namespace { file: File::open(OWN)? })
    }

    /// Leaves the present one for a new one, which lasts as long as something holds it.
    pub fn enter_new() -> io::Result<Namespace> {
        // SAFETY: a call without pointers.
        check(unsafe { libc::unshare(libc::CLONE_NEWNET) })?;
        Namespace::current()
    }

    /// The namespace that is kept at `path`, if one is.
    pub fn kept_at(path: &Path) -> io::Result<Option<Namespace>> {
        let file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        // SAFETY: the structure is filled by the call, which succeeded when it is read.
        let status = unsafe {
            let mut status: libc::statfs = std::mem::zeroed();
            check(libc::fstatfs(file.as_raw_fd(), &raw mut status))?;
            status
        };
        Ok((status.f_type as i64 == NSFS_MAGIC).then_some(Namespace { file }))
    }

    pub fn enter(&self) -> io::Result<()> {
        // SAFETY: a call without pointers.
        check(unsafe { libc::setns(self.file.as_raw_fd(), libc::CLONE_NEWNET) })
    }
}

/// Keeps the thread's namespace at `path` until it is let go, by this or another process.
pub fn keep_current_at(path: &Path) -> io::Result<()> {
    File::create(path)?;
    let (from, to) = (c_string(Path::new(OWN))?, c_string(path)?);
    let none = std::ptr::null();
    // SAFETY: the texts end with NUL, and a bind mount takes neither type nor data.
    check(unsafe { libc::mount(from.as_ptr(), to.as_ptr(), none, libc::MS_BIND, none.cast()) })
}

/// The opposite of [`keep_current_at`]; nothing at `path` is fine.
pub fn let_go_at(path: &Path) -> io::Result<()> {
    let target = c_string(path)?;
    // SAFETY: the text ends with NUL.
    match check(unsafe { libc::umount2(target.as_ptr(), libc::MNT_DETACH) }) {
        Err(error) if !matches!(error.raw_os_error(), Some(libc::EINVAL | libc::ENOENT)) => return Err(error),
        _ => {}
    }
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Turns the result of a system call into one that says why it failed.
pub fn check(result: i32) -> io::Result<()> {
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

fn c_string(path: &Path) -> io::Result<CString> {
    Ok(CString::new(path.as_os_str().as_bytes())?)
}
