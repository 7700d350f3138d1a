//! Starting a process: everything between the parameters of `spawn` and a pid.
//!
//! This runs on a worker thread, because exec sleeps for as long as the file systems on its way do.

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::sync::atomic::AtomicI32;
use std::sync::Arc;

use serde::Deserialize;

use crate::child::{Child, Plan, Step};
use crate::config::Config;
use crate::environment::{self, Variables, DEFAULT_PATH};
use crate::error::{Answer, Doing, GuestError};
use crate::identity::{give_to, Identity};
use crate::paths;
use crate::pty::{self, Size};
use crate::sys;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SpawnParams {
    command: String,
    #[serde(default)]
    args: Vec<String>,
    #[serde(default)]
    env: Variables,
    #[serde(default)]
    clear_env: bool,
    cwd: Option<String>,
    stdin: Stdio,
    stdout: Stdio,
    stderr: Stdio,
    pty: Option<PtyParams>,
    #[serde(default)]
    user: User,
    standby: Option<String>,
    #[serde(default)]
    channel: bool,
}

#[derive(Deserialize, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum Stdio {
    Piped,
    Null,
}

#[derive(Deserialize)]
struct PtyParams {
    rows: u16,
    cols: u16,
    term: Option<String>,
}

#[derive(Deserialize, Default, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum User {
    #[default]
    Sandbox,
    Root,
}

impl SpawnParams {
    pub fn command(&self) -> &str {
        &self.command
    }

    pub fn standby(&self) -> Option<&str> {
        self.standby.as_deref()
    }
}

/// A process that runs, and our ends of its pipes, all non-blocking.
pub struct Spawned {
    pub pid: i32,
    pub io: SpawnedIo,
    /// Our end of its descriptor 3.
    pub channel: Option<OwnedFd>,
}

pub enum SpawnedIo {
    /// Standard input, output and error, where they are piped.
    Pipes { stdin: Option<OwnedFd>, outputs: [Option<OwnedFd>; 2] },
    /// The master side of a pseudo-terminal, for both directions.
    Pty(OwnedFd),
}

/// Starts the process and returns when exec has succeeded, or says why it has not.
pub fn spawn(config: &Config, params: SpawnParams, inherited: &Variables, pid: &AtomicI32) -> Answer<Spawned> {
    check_texts(&params)?;
    let variables = variables(&params, inherited);
    let identity = match params.user {
        User::Sandbox => config.user.refreshed(),
        User::Root => Arc::new(Identity::root()),
    };
    let must_switch = config.user.is_switched() || params.user == User::Root;
    let (ends, io) = open_io(config, &params).doing(format!("spawn '{}'", params.command))?;
    let (channel, channel_end) = match params.channel {
        true => open_channel().map(|(ours, theirs)| (Some(ours), Some(theirs))),
        false => Ok((None, None)),
    }
    .doing(format!("spawn '{}'", params.command))?;
    let cwd = paths::resolve(&config.home, params.cwd.as_deref().unwrap_or("."));
    let plan = Plan {
        command: &params.command,
        args: &params.args,
        variables: &variables,
        path: variables.get("PATH").map_or(DEFAULT_PATH, String::as_str),
        cwd: &cwd,
        stdio: [ends[0].as_raw_fd(), ends[1].as_raw_fd(), ends[2].as_raw_fd()],
        channel: channel_end.as_ref().map(AsRawFd::as_raw_fd),
        has_terminal: params.pty.is_some(),
        identity: must_switch.then_some(&identity),
    };
    let started = Child::prepare(&plan)
        .map_err(|error| (Step::Exec, error))
        .and_then(|mut child| child.start(config.user_cgroup.as_ref().map(|fd| fd.as_raw_fd()), pid));
    match started {
        Ok(pid) => Ok(Spawned { pid, io, channel }),
        Err((Step::ChangeDirectory, error)) => {
            let given = params.cwd.as_deref().unwrap_or(&config.home);
            Err(GuestError::from_io(&error, format!("chdir '{given}'")))
        }
        Err((_, error)) => Err(GuestError::from_io(&error, format!("spawn '{}'", params.command))),
    }
}

fn check_texts(params: &SpawnParams) -> Answer<()> {
    if params.command.is_empty() {
        return Err(GuestError::system(libc::ENOENT, "spawn ''"));
    }
    let mut texts = params.args.iter().chain(params.cwd.iter());
    if params.command.contains('\0') || texts.any(|text| text.contains('\0')) {
        return Err(GuestError::invalid("command, args and cwd cannot contain NUL"));
    }
    params.env.iter().try_for_each(|(key, value)| environment::check(key, value))?;
    match &params.pty {
        Some(PtyParams { term: Some(term), .. }) => environment::check("TERM", term),
        _ => Ok(()),
    }
}

fn variables(params: &SpawnParams, inherited: &Variables) -> Variables {
    let mut variables = Variables::new();
    if !params.clear_env {
        variables.clone_from(inherited);
        if params.user == User::Root {
            for (key, value) in [("HOME", "/root"), ("USER", "root"), ("LOGNAME", "root")] {
                variables.insert(key.into(), value.into());
            }
        }
    }
    if let Some(pty) = &params.pty {
        match &pty.term {
            Some(term) => drop(variables.insert("TERM".into(), term.clone())),
            // A terminal without a TERM is one that no program can draw on.
            None if params.clear_env => {}
            None => drop(variables.entry("TERM".into()).or_insert_with(|| "xterm-256color".into())),
        }
    }
    for (key, value) in &params.env {
        variables.insert(key.clone(), value.clone());
    }
    variables
}

/// The child's three descriptors, and our ends.
fn open_io(config: &Config, params: &SpawnParams) -> io::Result<([OwnedFd; 3], SpawnedIo)> {
    if let Some(size) = &params.pty {
        let size = Size { rows: size.rows, cols: size.cols };
        let (master, slave) = pty::open(size)?;
        if config.user.is_switched() && params.user == User::Sandbox {
            give_to(slave.as_raw_fd(), config.user.uid())?;
        }
        let ends = [slave.try_clone()?, slave.try_clone()?, slave];
        return Ok((ends, SpawnedIo::Pty(master)));
    }
    let (stdin_child, stdin) = open_end(params.stdin, true)?;
    let (stdout_child, stdout) = open_end(params.stdout, false)?;
    let (stderr_child, stderr) = open_end(params.stderr, false)?;
    let io = SpawnedIo::Pipes { stdin, outputs: [stdout, stderr] };
    Ok(([stdin_child, stdout_child, stderr_child], io))
}

/// A descriptor for the child and, when it is a pipe, our end of it.
fn open_end(stdio: Stdio, child_reads: bool) -> io::Result<(OwnedFd, Option<OwnedFd>)> {
    match stdio {
        Stdio::Null => {
            // SAFETY: the path is a C string.
            let fd = unsafe { libc::open(c"/dev/null".as_ptr(), libc::O_RDWR | libc::O_CLOEXEC) };
            Ok((sys::check_fd(fd)?, None))
        }
        Stdio::Piped => {
            let (read_end, write_end) = pipe()?;
            let (theirs, ours) = if child_reads { (read_end, write_end) } else { (write_end, read_end) };
            sys::set_nonblocking(&ours)?;
            Ok((theirs, Some(ours)))
        }
    }
}

/// Our end of a process's descriptor 3, and its own.
fn open_channel() -> io::Result<(OwnedFd, OwnedFd)> {
    const BEYOND_STDIO: libc::c_int = 16;
    let mut ends: [RawFd; 2] = [-1; 2];
    // SAFETY: the kernel writes two descriptors, which are then ours, and so is the copy of the second.
    unsafe {
        sys::check(libc::socketpair(libc::AF_UNIX, libc::SOCK_STREAM | libc::SOCK_CLOEXEC, 0, ends.as_mut_ptr()))?;
        let [ours, theirs] = ends.map(|fd| OwnedFd::from_raw_fd(fd));
        sys::set_nonblocking(&ours)?;
        // Not 3 already: a copy onto itself would be closed by exec.
        let theirs = sys::check_fd(libc::fcntl(theirs.as_raw_fd(), libc::F_DUPFD_CLOEXEC, BEYOND_STDIO))?;
        Ok((ours, theirs))
    }
}

fn pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    let mut ends: [RawFd; 2] = [-1; 2];
    // SAFETY: the kernel writes two descriptors, which are then ours.
    unsafe {
        sys::check(libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC))?;
        Ok((OwnedFd::from_raw_fd(ends[0]), OwnedFd::from_raw_fd(ends[1])))
    }
}
