//! The command line, for running on an ordinary machine.

use std::convert::Infallible;
use std::io;
use std::path::PathBuf;

use crate::config::Config;
use crate::identity::{self, SandboxUser};
use crate::port::Address;
use crate::reaper::Signals;
use crate::session::Guest;
use crate::sys::check;

pub const HELP: &str = "\
usage: skerry-guest --socket PATH [--home DIR] [--user-uid N] [--user-gid N]

As PID 1 of a machine it takes no options. Elsewhere it is for tests: it connects to the unix socket PATH, where a test
listens as the host, and speaks the guest protocol there. It connects again when the connection ends, and exits when it
gets SIGTERM or nobody listened for 30 seconds; processes that still run are then killed.

  --socket PATH   the socket to connect to
  --home DIR      where relative paths begin and processes start (default: /home/sandbox)
  --user-uid N    the user of processes and file operations; needs root (default: whoever runs this)
  --user-gid N    the group (default: the same number)
  --help, --version

Nothing is mounted, and `configure` checks its parameters and sets variables, but no clock and no name.
There is no cgroup, so an end never has an OOM verdict.";

pub enum Command {
    Help,
    Version,
    Serve(Serve),
}

#[derive(Debug, Default, PartialEq, Eq)]
pub struct Serve {
    socket: PathBuf,
    home: Option<String>,
    uid: Option<u32>,
    gid: Option<u32>,
}

/// Parses the arguments after the program's name.
pub fn parse(arguments: &[String]) -> Result<Command, String> {
    let mut serve = Serve::default();
    let mut rest = arguments.iter();
    while let Some(name) = rest.next() {
        let mut value = || rest.next().ok_or_else(|| format!("{name} needs a value"));
        let number = |text: &String| text.parse::<u32>().map_err(|error| format!("{name} {text}: {error}"));
        match name.as_str() {
            "--help" => return Ok(Command::Help),
            "--version" => return Ok(Command::Version),
            "--socket" => serve.socket = value()?.into(),
            "--home" => serve.home = Some(value()?.clone()),
            "--user-uid" => serve.uid = Some(number(value()?)?),
            "--user-gid" => serve.gid = Some(number(value()?)?),
            _ => return Err(format!("unknown option {name}")),
        }
    }
    if serve.socket.as_os_str().is_empty() {
        return Err("--socket is needed".into());
    }
    Ok(Command::Serve(serve))
}

/// Serves the host behind a socket for ever.
pub fn serve(serve: Serve) -> io::Result<Infallible> {
    // SAFETY: no pointers. Orphans come to us as they come to a PID 1, and nothing of the caller's leaks into processes.
    unsafe {
        check(libc::prctl(libc::PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0))?;
        let flags = libc::CLOSE_RANGE_CLOEXEC;
        check(libc::syscall(libc::SYS_close_range, 3, libc::c_uint::MAX, flags))?;
    }
    let is_switched = serve.uid.is_some_and(|uid| uid != 0) && identity::is_root();
    // SAFETY: no arguments, cannot fail.
    let uid = serve.uid.unwrap_or_else(|| unsafe { libc::geteuid() });
    let config = Config {
        is_machine: false,
        home: serve.home.unwrap_or_else(|| "/home/sandbox".into()),
        user: SandboxUser::new(uid, serve.gid.unwrap_or(uid), is_switched),
        user_cgroup: None,
        oom_events: None,
    };
    Guest::new(config, Address::Socket(serve.socket), Signals::take()?)?.run()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse_words(words: &str) -> Result<Command, String> {
        parse(&words.split_whitespace().map(str::to_string).collect::<Vec<_>>())
    }

    #[test]
    fn options_are_read() {
        let Ok(Command::Serve(serve)) = parse_words("--socket /s --home /h --user-uid 7") else { panic!() };
        let expected = Serve { socket: "/s".into(), home: Some("/h".into()), uid: Some(7), gid: None };
        assert_eq!(serve, expected);
    }

    #[test]
    fn what_is_wrong_is_said() {
        for words in ["", "--socket", "--home /h", "--socket /s --user-uid x", "--frob"] {
            assert!(parse_words(words).is_err(), "{words:?}");
        }
    }
}
