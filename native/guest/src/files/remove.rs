//! Removing files and whole trees, never through a symlink.
//!
//! A tree may be deeper than any stack or table of descriptors. A directory beyond [`DEPTH_MAX`] is moved up to the top
//! of the tree and removed from there, so the walk needs a bounded number of descriptors and no recursion.

use std::ffi::{CStr, CString};
use std::io;
use std::os::fd::{AsRawFd, IntoRawFd, OwnedFd, RawFd};
use std::ptr::NonNull;

use crate::sys::{c_string, check, check_fd};

const DEPTH_MAX: usize = 64;

/// Removes what is at `path`: a file, an empty directory, or with `recursive` a directory with everything in it.
pub fn remove(path: &str, recursive: bool) -> io::Result<()> {
    let path = c_string(path)?;
    match unlink_at(libc::AT_FDCWD, &path, 0) {
        // Linux says EISDIR; EPERM is the word of POSIX, which some file systems keep to.
        Err(error) if matches!(error.raw_os_error(), Some(libc::EISDIR | libc::EPERM)) => {
            let removed = unlink_at(libc::AT_FDCWD, &path, libc::AT_REMOVEDIR);
            match removed.as_ref().map_err(io::Error::raw_os_error) {
                Err(Some(libc::ENOTEMPTY | libc::EEXIST)) if recursive => remove_tree(&path),
                // It was no directory after all: what unlink said counts.
                Err(Some(libc::ENOTDIR)) => Err(error),
                _ => removed,
            }
        }
        result => result,
    }
}

fn remove_tree(path: &CStr) -> io::Result<()> {
    let mut stack = vec![Level::open(libc::AT_FDCWD, path)?];
    let mut moved = 0u64;
    while let Some(level) = stack.last_mut() {
        let Some((name, may_be_directory)) = level.next()? else {
            let done = stack.pop().expect("the loop has seen it");
            let parent = stack.last().map_or(libc::AT_FDCWD, Level::fd);
            match unlink_at(parent, &done.name, libc::AT_REMOVEDIR) {
                // Something moved a directory in here, or a user is adding files: look again.
                Err(error) if error.raw_os_error() == Some(libc::ENOTEMPTY) && done.removed_any => {
                    stack.push(Level::open(parent, &done.name)?);
                }
                Err(error) if error.raw_os_error() == Some(libc::ENOENT) => {}
                result => result?,
            }
            continue;
        };
        level.removed_any = true;
        let parent = level.fd();
        if may_be_directory {
            match unlink_at(parent, &name, libc::AT_REMOVEDIR) {
                Ok(()) => continue,
                Err(error) => match error.raw_os_error() {
                    Some(libc::ENOENT) => continue,
                    Some(libc::ENOTDIR) => {}
                    Some(libc::ENOTEMPTY | libc::EEXIST) if stack.len() >= DEPTH_MAX => {
                        move_up(parent, &name, stack[0].fd(), &mut moved)?;
                        stack[0].removed_any = true;
                        continue;
                    }
                    Some(libc::ENOTEMPTY | libc::EEXIST) => {
                        stack.push(Level::open(parent, &name)?);
                        continue;
                    }
                    _ => return Err(error),
                },
            }
        }
        match unlink_at(parent, &name, 0) {
            Err(error) if error.raw_os_error() != Some(libc::ENOENT) => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

fn move_up(parent: RawFd, name: &CStr, top: RawFd, moved: &mut u64) -> io::Result<()> {
    loop {
        *moved += 1;
        let new_name = c_string(format!(".removing-{moved}"))?;
        // SAFETY: both names are C strings. NOREPLACE: the name may be taken by the user's own file.
        let renamed = unsafe {
            let flags = libc::RENAME_NOREPLACE;
            libc::syscall(libc::SYS_renameat2, parent, name.as_ptr(), top, new_name.as_ptr(), flags)
        };
        match check(renamed) {
            Err(error) if error.raw_os_error() == Some(libc::EEXIST) => {}
            result => return result.map(drop),
        }
    }
}

fn unlink_at(parent: RawFd, name: &CStr, flags: i32) -> io::Result<()> {
    // SAFETY: the name is a C string.
    check(unsafe { libc::unlinkat(parent, name.as_ptr(), flags) })?;
    Ok(())
}

/// A directory that is being emptied.
struct Level {
    directory: NonNull<libc::DIR>,
    name: CString,
    removed_any: bool,
}

impl Level {
    fn open(parent: RawFd, name: &CStr) -> io::Result<Level> {
        let flags = libc::O_RDONLY | libc::O_DIRECTORY | libc::O_NOFOLLOW | libc::O_CLOEXEC;
        // SAFETY: the name is a C string; fdopendir takes the descriptor over when it succeeds.
        unsafe {
            let fd: OwnedFd = check_fd(libc::openat(parent, name.as_ptr(), flags))?;
            let directory = NonNull::new(libc::fdopendir(fd.as_raw_fd())).ok_or_else(io::Error::last_os_error)?;
            let _ = fd.into_raw_fd();
            Ok(Level { directory, name: name.to_owned(), removed_any: false })
        }
    }

    fn fd(&self) -> RawFd {
        // SAFETY: the directory is open as long as `self` lives.
        unsafe { libc::dirfd(self.directory.as_ptr()) }
    }

    /// The next name, and whether it may be a directory's.
    fn next(&mut self) -> io::Result<Option<(CString, bool)>> {
        loop {
            // SAFETY: the directory is open, the entry is valid until the next call, and errno is this thread's.
            unsafe {
                *libc::__errno_location() = 0;
                let entry = libc::readdir(self.directory.as_ptr());
                if entry.is_null() {
                    return match *libc::__errno_location() {
                        0 => Ok(None),
                        number => Err(io::Error::from_raw_os_error(number)),
                    };
                }
                let name = CStr::from_ptr((*entry).d_name.as_ptr());
                if name != c"." && name != c".." {
                    let kind = (*entry).d_type;
                    let may_be_directory = kind == libc::DT_DIR || kind == libc::DT_UNKNOWN;
                    return Ok(Some((name.to_owned(), may_be_directory)));
                }
            }
        }
    }
}

impl Drop for Level {
    fn drop(&mut self) {
        // SAFETY: opened by `open`, closed once.
        unsafe { libc::closedir(self.directory.as_ptr()) };
    }
}
