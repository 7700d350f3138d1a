//! The processes that were spawned here: those that run, those whose output somebody still holds, and how the last ones ended.

use std::collections::{HashMap, VecDeque};
use std::os::fd::OwnedFd;
use std::rc::Rc;

use serde_json::{json, Value};

use crate::oom::Verdict;
use crate::pipe::Pipe;
use crate::signals;

/// Live processes at a time.
pub const LIVE_MAX: usize = 1024;
/// Processes with a record: a few more, for those that have ended while others hold their pipes.
pub const RECORDS_MAX: usize = 4096;
/// Ends that are remembered for `wait`.
const REMEMBERED_MAX: usize = 1024;

/// `Exit` of the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exit {
    pub code: i32,
    pub signal: Option<i32>,
    pub oom: Option<Verdict>,
}

impl Exit {
    pub fn to_json(self) -> Value {
        json!({
            "code": self.code,
            "signal": self.signal.map(signals::name),
            "oom": self.oom.map(Verdict::name),
        })
    }
}

/// Our end of a process's descriptor 3.
pub struct Link {
    pub fd: OwnedFd,
    /// A host speaks over it, on a copy: when that host goes away the next one may dial it again.
    pub is_dialled: bool,
}

/// A spawned process and our ends of its pipes.
pub struct Process {
    pub pid: i32,
    /// The channel of its `spawn`, while the host is interested.
    pub channel: Option<u32>,
    /// Where its input is written; with a terminal the same as its output.
    pub stdin: Option<Rc<OwnedFd>>,
    pub has_terminal: bool,
    pub outputs: [Option<Pipe>; 2],
    /// The other end of its descriptor 3, until whoever dialled it has done with it.
    pub link: Option<Link>,
    pub exit: Option<Exit>,
    /// Whether `kill` has sent it SIGKILL.
    pub was_killed_by_us: bool,
    pub oom_kills_before: u64,
}

impl Process {
    /// Whether nothing can come of it any more.
    pub fn is_finished(&self) -> bool {
        self.exit.is_some() && self.outputs.iter().all(Option::is_none)
    }
}

/// A number of our own for each process: pids come again.
pub type ProcessId = u64;

#[derive(Default)]
pub struct Processes {
    records: HashMap<ProcessId, Process>,
    by_pid: HashMap<i32, ProcessId>,
    remembered: VecDeque<(i32, Exit)>,
    last_id: ProcessId,
}

impl Processes {
    pub fn live_count(&self) -> usize {
        self.by_pid.len()
    }

    pub fn record_count(&self) -> usize {
        self.records.len()
    }

    pub fn add(&mut self, process: Process) -> ProcessId {
        self.last_id += 1;
        self.by_pid.insert(process.pid, self.last_id);
        self.records.insert(self.last_id, process);
        self.last_id
    }

    pub fn get_mut(&mut self, id: ProcessId) -> Option<&mut Process> {
        self.records.get_mut(&id)
    }

    /// The process that runs under a pid.
    pub fn live(&self, pid: i32) -> Option<ProcessId> {
        self.by_pid.get(&pid).copied()
    }

    /// How the process that last had this pid ended, when it no longer runs.
    pub fn remembered(&self, pid: i32) -> Option<Exit> {
        self.remembered.iter().rev().find(|(ended, _)| *ended == pid).map(|(_, exit)| *exit)
    }

    /// Notes an end. The record stays until its output has ended as well.
    pub fn ended(&mut self, id: ProcessId, exit: Exit) {
        let Some(process) = self.records.get_mut(&id) else { return };
        process.exit = Some(exit);
        self.by_pid.remove(&process.pid);
        if self.remembered.len() == REMEMBERED_MAX {
            self.remembered.pop_front();
        }
        self.remembered.push_back((process.pid, exit));
    }

    /// Kills the groups of all that run.
    pub fn kill_all(&self) {
        for pid in self.by_pid.keys() {
            // SAFETY: no pointers.
            unsafe { libc::kill(-pid, libc::SIGKILL) };
        }
    }

    pub fn remove(&mut self, id: ProcessId) {
        self.records.remove(&id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn process(pid: i32) -> Process {
        Process {
            pid,
            channel: None,
            stdin: None,
            has_terminal: false,
            outputs: [None, None],
            link: None,
            exit: None,
            was_killed_by_us: false,
            oom_kills_before: 0,
        }
    }

    fn exit(code: i32) -> Exit {
        Exit { code, signal: None, oom: None }
    }

    #[test]
    fn the_last_1024_ends_are_remembered() {
        let mut processes = Processes::default();
        for pid in 1..=1025 {
            let id = processes.add(process(pid));
            processes.ended(id, exit(pid));
            processes.remove(id);
        }
        assert_eq!(processes.remembered(1), None);
        assert_eq!(processes.remembered(2), Some(exit(2)));
        assert_eq!(processes.remembered(1025), Some(exit(1025)));
    }

    #[test]
    fn a_pid_that_comes_again_means_the_newer_process() {
        let mut processes = Processes::default();
        let first = processes.add(process(7));
        processes.ended(first, exit(1));
        let second = processes.add(process(7));
        assert_eq!(processes.live(7), Some(second));
        processes.ended(second, exit(2));
        assert_eq!(processes.live(7), None);
        assert_eq!(processes.remembered(7), Some(exit(2)));
    }
}
