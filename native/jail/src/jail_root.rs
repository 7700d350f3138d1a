//! The jail's root: a small tmpfs with what was asked for mounted on it, and nothing else.

use std::ffi::CString;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::ptr::null;

use crate::args::Mount;
use crate::confine::failed;

/// Mounts the root on `root`, fills it and makes it `/`. The old root is gone afterwards.
///
/// The program runs as `owner`, a user and a group at once; devices belong to it.
pub fn enter(root: &Path, mounts: &[Mount], owner: (u32, u32)) -> Result<(), String> {
    mount(
        None,
        Path::new("/"),
        None,
        libc::MS_REC | libc::MS_PRIVATE,
        None,
    )?;
    let flags = libc::MS_NOSUID;
    mount(
        Some("tmpfs".as_ref()),
        root,
        Some("tmpfs"),
        flags,
        Some("size=256k,mode=755"),
    )?;
    for item in mounts {
        show(root, item, owner)?;
    }
    let remount = libc::MS_REMOUNT | libc::MS_RDONLY | flags;
    mount(None, root, None, remount, None)?;
    let path = c_path(root)?;
    // SAFETY: `path` is a valid C string; pivoting a root onto itself stacks the old root on it.
    unsafe {
        if libc::chdir(path.as_ptr()) != 0 {
            return Err(failed("cannot enter the jail's root"));
        }
        if libc::syscall(libc::SYS_pivot_root, c".".as_ptr(), c".".as_ptr()) != 0 {
            return Err(failed("cannot make the jail's root the root"));
        }
        if libc::umount2(c".".as_ptr(), libc::MNT_DETACH) != 0 || libc::chdir(c"/".as_ptr()) != 0 {
            return Err(failed("cannot leave the old root"));
        }
    }
    Ok(())
}

fn show(root: &Path, item: &Mount, owner: (u32, u32)) -> Result<(), String> {
    match item {
        Mount::Bind {
            source,
            target,
            writable,
        } => {
            let at = within(root, target);
            let is_directory = fs::metadata(source)
                .map_err(|e| at_path(source, e))?
                .is_dir();
            make_place(&at, is_directory)?;
            mount(Some(source), &at, None, libc::MS_BIND, None)?;
            let read_only = if *writable { 0 } else { libc::MS_RDONLY };
            let flags = libc::MS_BIND | libc::MS_REMOUNT | libc::MS_NOSUID | libc::MS_NODEV;
            mount(None, &at, None, flags | read_only, None)
        }
        Mount::Device(path) => make_device(&within(root, path), path, owner),
        Mount::Link { target, path } => {
            let at = within(root, path);
            make_parent(&at)?;
            std::os::unix::fs::symlink(target, &at).map_err(|e| at_path(&at, e))
        }
    }
}

/// A node of the same device, for the program alone: whom the host's own node lets in does not matter.
fn make_device(at: &Path, path: &Path, (uid, gid): (u32, u32)) -> Result<(), String> {
    let device = fs::metadata(path).map_err(|e| at_path(path, e))?.rdev();
    make_parent(at)?;
    let place = c_path(at)?;
    // SAFETY: `place` is a C string that outlives the calls.
    let failed_at_all = unsafe {
        libc::mknod(place.as_ptr(), libc::S_IFCHR | 0o600, device) != 0
            || libc::chown(place.as_ptr(), uid, gid) != 0
    };
    if failed_at_all {
        return Err(failed(&format!("cannot make {}", path.display())));
    }
    Ok(())
}

fn within(root: &Path, path: &Path) -> PathBuf {
    root.join(path.strip_prefix("/").unwrap_or(path))
}

fn make_place(at: &Path, is_directory: bool) -> Result<(), String> {
    make_parent(at)?;
    let made = if is_directory {
        fs::create_dir_all(at)
    } else {
        fs::File::create(at).map(drop)
    };
    made.map_err(|e| at_path(at, e))
}

fn make_parent(at: &Path) -> Result<(), String> {
    at.parent().map_or(Ok(()), |parent| {
        fs::create_dir_all(parent).map_err(|e| at_path(parent, e))
    })
}

fn mount(
    source: Option<&Path>,
    target: &Path,
    kind: Option<&str>,
    flags: libc::c_ulong,
    data: Option<&str>,
) -> Result<(), String> {
    let source = source.map(c_path).transpose()?;
    let target_c = c_path(target)?;
    let kind = kind.map(c_text).transpose()?;
    let data = data.map(c_text).transpose()?;
    let pointer = |text: &Option<CString>| text.as_ref().map_or(null(), |text| text.as_ptr());
    // SAFETY: every pointer is null or a C string that outlives the call.
    let result = unsafe {
        libc::mount(
            pointer(&source),
            target_c.as_ptr(),
            pointer(&kind),
            flags,
            pointer(&data).cast(),
        )
    };
    if result != 0 {
        return Err(failed(&format!("cannot mount on {}", target.display())));
    }
    Ok(())
}

fn c_path(path: &Path) -> Result<CString, String> {
    CString::new(path.as_os_str().as_bytes()).map_err(|_| "a path with NUL".into())
}

fn c_text(text: &str) -> Result<CString, String> {
    CString::new(text).map_err(|_| "a text with NUL".into())
}

fn at_path(path: &Path, error: std::io::Error) -> String {
    format!("{}: {error}", path.display())
}
