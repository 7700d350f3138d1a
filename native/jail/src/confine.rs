//! What is taken from the program before it runs.

use std::fs;
use std::os::fd::{IntoRawFd, RawFd};
use std::os::unix::net::UnixListener;
use std::path::PathBuf;

/// Names the system call error that just happened.
pub fn failed(what: &str) -> String {
    format!("{what}: {}", std::io::Error::last_os_error())
}

pub fn enter_cgroups(files: &[PathBuf]) -> Result<(), String> {
    for file in files {
        fs::write(file, "0").map_err(|e| format!("{}: {e}", file.display()))?;
    }
    Ok(())
}

/// Opens the listening sockets, each as the descriptor that the program was told of.
pub fn listen(sockets: &[(i32, PathBuf)]) -> Result<(), String> {
    for (fd, path) in sockets {
        let _ = fs::remove_file(path); // of an earlier program in the same directory
        let listener = UnixListener::bind(path).map_err(|e| format!("{}: {e}", path.display()))?;
        let own = listener.into_raw_fd();
        // SAFETY: dup3 and close take descriptors that this process owns.
        unsafe {
            if own == *fd {
                libc::fcntl(own, libc::F_SETFD, 0);
            } else if libc::dup2(own, *fd) < 0 {
                return Err(failed("cannot place a socket"));
            } else {
                libc::close(own);
            }
        }
    }
    Ok(())
}

/// Leaves the host's namespaces. Without a root of its own the program keeps the host's mounts.
pub fn unshare(with_mounts: bool) -> Result<(), String> {
    let flags = libc::CLONE_NEWNET | libc::CLONE_NEWIPC | libc::CLONE_NEWUTS;
    let flags = if with_mounts {
        flags | libc::CLONE_NEWNS
    } else {
        flags
    };
    // SAFETY: a call without pointers.
    if unsafe { libc::unshare(flags) } != 0 {
        return Err(failed("cannot leave the host's namespaces"));
    }
    Ok(())
}

pub fn close_on_exec(fd: RawFd) -> Result<(), String> {
    // SAFETY: a call without pointers.
    if unsafe { libc::fcntl(fd, libc::F_SETFD, libc::FD_CLOEXEC) } != 0 {
        return Err(failed("cannot mark the ready descriptor"));
    }
    Ok(())
}

/// Becomes `uid` and `gid` for good: no capability, no way to gain one, no core dump.
pub fn drop_privileges(uid: u32, gid: u32) -> Result<(), String> {
    let no_core = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    let files = libc::rlimit {
        rlim_cur: 256,
        rlim_max: 256,
    };
    // SAFETY: every pointer is to a value that lives through the call.
    unsafe {
        if libc::setrlimit(libc::RLIMIT_CORE, &no_core) != 0
            || libc::setrlimit(libc::RLIMIT_NOFILE, &files) != 0
        {
            return Err(failed("cannot set limits"));
        }
        for capability in 0..64 {
            // EINVAL tells that the kernel has no more of them.
            if libc::prctl(libc::PR_CAPBSET_DROP, capability, 0, 0, 0) != 0 {
                break;
            }
        }
        if libc::setgroups(0, std::ptr::null()) != 0
            || libc::setresgid(gid, gid, gid) != 0
            || libc::setresuid(uid, uid, uid) != 0
        {
            return Err(failed("cannot become the machine's user"));
        }
        if libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 {
            return Err(failed("cannot give up privileges"));
        }
    }
    Ok(())
}
