//! The last steps of a new process, between clone and exec.

use std::ffi::{c_void, CString};
use std::io;
use std::os::fd::RawFd;
use std::ptr;
use std::sync::atomic::AtomicI32;
use std::sync::OnceLock;

use crate::clone;
use crate::environment::Variables;
use crate::identity::Identity;
use crate::sys::c_string;

/// What a process is to be.
pub struct Plan<'a> {
    pub command: &'a str,
    pub args: &'a [String],
    pub variables: &'a Variables,
    /// Where a command without a slash is looked up.
    pub path: &'a str,
    pub cwd: &'a str,
    /// Its descriptors 0, 1 and 2; none of these numbers is below 3.
    pub stdio: [RawFd; 3],
    /// Its descriptor 3, if it is to have one.
    pub channel: Option<RawFd>,
    /// Whether descriptor 0 is to be its controlling terminal.
    pub has_terminal: bool,
    /// Who it is; `None` leaves that alone.
    pub identity: Option<&'a Identity>,
}

/// Which step failed.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Step {
    Clone,
    Prepare,
    Identity,
    ChangeDirectory,
    Exec,
}

/// Everything that the child needs, laid out before it exists: it shares our memory and may allocate nothing.
pub struct Child<'a> {
    plan: &'a Plan<'a>,
    cwd: CString,
    /// The files to try, in order.
    candidates: Vec<CString>,
    argv: Vec<*const libc::c_char>,
    /// The same command as a script of `/bin/sh`, for a file that is executable and has no format of its own; the second place is for its path.
    shell_argv: Vec<*const libc::c_char>,
    envp: Vec<*const libc::c_char>,
    failed: Step,
    error: i32,
    /// Owns what `argv` and `envp` point to.
    _texts: Vec<CString>,
}

impl<'a> Child<'a> {
    pub fn prepare(plan: &'a Plan<'a>) -> io::Result<Self> {
        let mut texts = Vec::with_capacity(1 + plan.args.len() + plan.variables.len());
        texts.push(c_string(plan.command)?);
        for argument in plan.args {
            texts.push(c_string(argument.as_str())?);
        }
        let arguments = texts.len();
        for (key, value) in plan.variables {
            texts.push(c_string(format!("{key}={value}"))?);
        }
        let pointers = |texts: &[CString]| -> Vec<*const libc::c_char> {
            let ends = std::iter::once(ptr::null());
            texts.iter().map(|text| text.as_ptr()).chain(ends).collect()
        };
        let argv = pointers(&texts[..arguments]);
        let mut shell_argv = vec![c"/bin/sh".as_ptr(), ptr::null()];
        shell_argv.extend_from_slice(&argv[1..]);
        Ok(Child {
            plan,
            cwd: c_string(plan.cwd)?,
            candidates: candidates(plan.command, plan.path)?,
            argv,
            shell_argv,
            envp: pointers(&texts[arguments..]),
            failed: Step::Exec,
            error: libc::ENOENT,
            _texts: texts,
        })
    }

    /// Starts the process in a cgroup and returns its pid when exec has succeeded, else the step that failed.
    pub fn start(&mut self, cgroup: Option<RawFd>, pid: &AtomicI32) -> Result<i32, (Step, io::Error)> {
        ignored_signals();
        self.error = 0;
        // SAFETY: `run` keeps its promises, worker threads block all signals, and the child's use of `self` has
        // ended when `start` returns.
        let started = unsafe { clone::start(run, ptr::from_mut(self).cast(), cgroup, pid) };
        let started = started.map_err(|error| (Step::Clone, error))?;
        // The child wrote this behind the compiler's back.
        // SAFETY: both are plain fields of a live structure.
        let (failed, error) =
            unsafe { (ptr::read_volatile(&raw const self.failed), ptr::read_volatile(&raw const self.error)) };
        match error {
            0 => Ok(started),
            error => Err((failed, io::Error::from_raw_os_error(error))),
        }
    }
}

fn candidates(command: &str, path: &str) -> io::Result<Vec<CString>> {
    if command.contains('/') {
        return Ok(vec![c_string(command)?]);
    }
    path.split(':')
        .map(|directory| match directory {
            // An empty entry is the current directory, as it is for every shell.
            "" => c_string(format!("./{command}")),
            _ => c_string(format!("{}/{command}", directory.trim_end_matches('/'))),
        })
        .collect()
}

/// The signals that this process was started with ignored (and SIGPIPE, which we ignore): exec keeps them ignored, so
/// the child has to reset them. Read once, before the first child.
fn ignored_signals() -> u64 {
    static IGNORED: OnceLock<u64> = OnceLock::new();
    *IGNORED.get_or_init(|| {
        let mut ignored = 0;
        for signal in 1..=SIGNALS {
            let mut action = Action::default();
            // SAFETY: the kernel fills the structure, which has its form.
            let asked = unsafe { libc::syscall(libc::SYS_rt_sigaction, signal, 0, &mut action, SIGNAL_SET_BYTES) };
            if asked == 0 && action.handler == libc::SIG_IGN {
                ignored |= 1 << (signal - 1);
            }
        }
        ignored
    })
}

const SIGNALS: i32 = 64;
const SIGNAL_SET_BYTES: usize = 8;

/// The kernel's `sigaction`. The C library's function refuses the signals that it keeps for itself, and those may be
/// ignored like any other.
#[repr(C)]
#[derive(Default)]
struct Action {
    handler: usize,
    flags: u64,
    restorer: usize,
    mask: u64,
}

/// The child. It shares the parent's memory, on a stack of its own.
unsafe extern "C" fn run(argument: *mut c_void) -> ! {
    // SAFETY: `Child::start` passed a pointer to itself, and its thread sleeps while this runs.
    unsafe {
        let child = &mut *argument.cast::<Child<'_>>();
        let step = steps(child);
        ptr::write_volatile(&raw mut child.failed, step);
        ptr::write_volatile(&raw mut child.error, errno());
        libc::_exit(127)
    }
}

unsafe fn errno() -> i32 {
    // SAFETY: the thread's errno; the thread whose it is sleeps.
    unsafe { *libc::__errno_location() }
}

/// Returns only when a step failed, with the step; errno says why.
unsafe fn steps(child: &mut Child<'_>) -> Step {
    let plan = child.plan;
    // SAFETY: system calls with pointers that `Child::prepare` made. The C library's set*id and setgroups act on all
    // threads, hence the bare calls.
    unsafe {
        if libc::setsid() == -1 {
            return Step::Prepare;
        }
        for (number, fd) in plan.stdio.iter().enumerate() {
            if libc::dup2(*fd, number as i32) == -1 {
                return Step::Prepare;
            }
        }
        if let Some(fd) = plan.channel {
            if libc::dup2(fd, 3) == -1 {
                return Step::Prepare;
            }
        }
        if plan.has_terminal && libc::ioctl(0, libc::TIOCSCTTY as _, 0) == -1 {
            return Step::Prepare;
        }
        if let Some(identity) = plan.identity {
            let (uid, gid) = (identity.uid as libc::c_long, identity.gid as libc::c_long);
            let groups = (identity.groups.len(), identity.groups.as_ptr());
            if libc::syscall(libc::SYS_setgroups, groups.0, groups.1) == -1
                || libc::syscall(libc::SYS_setresgid, gid, gid, gid) == -1
                || libc::syscall(libc::SYS_setresuid, uid, uid, uid) == -1
            {
                return Step::Identity;
            }
        }
        if libc::chdir(child.cwd.as_ptr()) == -1 {
            return Step::ChangeDirectory;
        }
        reset_signals();
        exec(child);
    }
    Step::Exec
}

unsafe fn reset_signals() {
    let ignored = ignored_signals();
    let default = Action::default();
    // SAFETY: the structure has the kernel's form, and all zeroes are SIG_DFL; a zeroed set of signals is empty.
    unsafe {
        for signal in (1..=SIGNALS).filter(|signal| ignored & (1 << (signal - 1)) != 0) {
            libc::syscall(libc::SYS_rt_sigaction, signal, &default, 0, SIGNAL_SET_BYTES);
        }
        let none: libc::sigset_t = std::mem::zeroed();
        libc::sigprocmask(libc::SIG_SETMASK, &none, ptr::null_mut());
    }
}

/// Tries the candidates as `execvp` does. Returns when there is none to run, with errno set.
unsafe fn exec(child: &mut Child<'_>) {
    let mut was_refused = false;
    for path in &child.candidates {
        // SAFETY: all arrays end in a null pointer and point to C strings that outlive the call.
        unsafe {
            libc::execve(path.as_ptr(), child.argv.as_ptr(), child.envp.as_ptr());
            if errno() == libc::ENOEXEC {
                child.shell_argv[1] = path.as_ptr();
                let shell = child.shell_argv.as_ptr();
                libc::execve(child.shell_argv[0], shell, child.envp.as_ptr());
                return;
            }
            match errno() {
                libc::EACCES => was_refused = true,
                libc::ENOENT | libc::ENOTDIR | libc::ENAMETOOLONG | libc::ELOOP => {}
                _ => return,
            }
        }
    }
    if was_refused {
        // SAFETY: the thread's errno.
        unsafe { *libc::__errno_location() = libc::EACCES };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_with_a_slash_is_not_looked_up() {
        assert_eq!(candidates("./x", "/bin").unwrap(), [c"./x".to_owned()]);
    }

    #[test]
    fn a_bare_command_is_looked_up_in_each_directory_of_the_path() {
        let expected = [c"/a/x".to_owned(), c"./x".to_owned(), c"/b/x".to_owned()];
        assert_eq!(candidates("x", "/a::/b/").unwrap(), expected);
    }
}
