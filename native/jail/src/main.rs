//! Starts one program, a virtual machine monitor, with as little of the host as it can do with.
//!
//! ```text
//! skerry-jail [options] -- PROGRAM [ARG…]
//!   --root DIR            an empty directory; the jail's root is mounted on it, in a namespace of its own
//!   --bind SRC:DST        a file or directory to show in the jail, writable
//!   --bind-ro SRC:DST     the same, read-only
//!   --device PATH         a device node to show in the jail under its own path
//!   --link TARGET:PATH    a symbolic link in the jail
//!   --listen FD:PATH      a Unix socket that listens on PATH and is inherited as FD
//!   --cgroup FILE         a cgroup.procs (or tasks) file to enter
//!   --uid N --gid N       who the program runs as
//!   --ready FD            closed when the program runs; before that, one line says what failed
//! ```
//!
//! The order matters: cgroups first, so that all that follows is accounted for; sockets while paths
//! mean what the host means; then namespaces, the root, the identity, and the program. The sockets
//! listen before the program starts, so the host connects without trying again.

mod args;
mod confine;
mod jail_root;

use std::ffi::CString;
use std::io::Write;
use std::os::fd::FromRawFd;
use std::process::exit;

fn main() {
    let options = match args::parse(std::env::args_os().skip(1)) {
        Ok(options) => options,
        Err(message) => {
            eprintln!("skerry-jail: {message}");
            exit(2);
        }
    };
    let ready = options.ready;
    let error = match start(&options) {
        Ok(never) => match never {},
        Err(error) => error,
    };
    match ready {
        // SAFETY: the descriptor was handed to this process for this purpose and is used once.
        Some(fd) => {
            let mut pipe = unsafe { std::fs::File::from_raw_fd(fd) };
            let _ = writeln!(pipe, "{error}"); // nobody may be left to read it
        }
        None => eprintln!("skerry-jail: {error}"),
    }
    exit(1);
}

/// Does all of it; comes back only with an error.
fn start(options: &args::Options) -> Result<std::convert::Infallible, String> {
    confine::enter_cgroups(&options.cgroups)?;
    confine::listen(&options.sockets)?;
    confine::unshare(options.root.is_some())?;
    if let Some(root) = &options.root {
        jail_root::enter(root, &options.mounts, (options.uid, options.gid))?;
    }
    confine::drop_privileges(options.uid, options.gid)?;
    if let Some(fd) = options.ready {
        confine::close_on_exec(fd)?;
    }
    let program: Vec<CString> = options.program.clone();
    let mut pointers: Vec<*const libc::c_char> = program.iter().map(|arg| arg.as_ptr()).collect();
    pointers.push(std::ptr::null());
    let environment = [c"PATH=/usr/bin".as_ptr(), std::ptr::null()];
    // SAFETY: both arrays end with a null pointer and point into strings that live until then.
    unsafe { libc::execve(pointers[0], pointers.as_ptr(), environment.as_ptr()) };
    Err(confine::failed("cannot run the program"))
}
