//! Processes in the conversation: from `spawn` to CLOSE.

use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::Arc;

use serde_json::json;

use crate::error::{Answer, GuestError};
use crate::frame::Frame;
use crate::pipe::{Pipe, Pulled};
use crate::poller::{Ready, EDGE_IN, EDGE_OUT};
use crate::processes::{Exit, Link, Process, ProcessId, LIVE_MAX, RECORDS_MAX};
use crate::reaper::{self, Ended};
use crate::spawn::{self, SpawnParams, Spawned, SpawnedIo};

use super::channel::{Body, Ticket};
use super::{token, Done, Guest};

/// A process that a worker thread is starting.
pub struct Spawning {
    id: u64,
    ticket: Ticket,
    /// Written by the kernel before the process runs.
    pid: Arc<AtomicI32>,
    /// Its end, when that came before the thread's report.
    ended: Option<Ended>,
    oom_kills_before: u64,
    /// The name that it waits under afterwards.
    standby: Option<String>,
}

/// Children that are reaped before other things get a look.
const REAPED_MAX: usize = 32;

/// Parts of a process that the poller watches.
const PART_STDIN: usize = 2;
const PART_TERMINAL: usize = 3;

fn token_of(id: ProcessId, part: usize) -> u64 {
    token::PROCESS << token::KIND_SHIFT | id << 2 | part as u64
}

impl Guest {
    pub(super) fn spawn(&mut self, ticket: Ticket, params: SpawnParams) {
        let live = self.processes.live_count() + self.spawning.len();
        if live >= LIVE_MAX || self.processes.record_count() + self.spawning.len() >= RECORDS_MAX {
            let error = GuestError::system(libc::EAGAIN, format!("spawn '{}'", params.command()));
            return self.answer(ticket, Err(error));
        }
        self.last_spawn += 1;
        let id = self.last_spawn;
        let pid = Arc::new(AtomicI32::new(0));
        self.spawning.push(Spawning {
            id,
            ticket,
            pid: Arc::clone(&pid),
            ended: None,
            oom_kills_before: self.oom.kills(),
            standby: params.standby().map(str::to_string),
        });
        let config = Arc::clone(&self.config);
        let inherited = self.environment.shared();
        self.root_pool.submit(move || Done::Spawned(id, spawn::spawn(&config, params, &inherited, &pid)));
    }

    pub(super) fn on_spawned(&mut self, id: u64, answer: Answer<Spawned>) {
        let Some(at) = self.spawning.iter().position(|spawning| spawning.id == id) else { return };
        let spawning = self.spawning.swap_remove(at);
        let ticket = spawning.ticket;
        let spawned = match answer {
            Ok(spawned) => spawned,
            Err(error) => return self.answer(ticket, Err(error)),
        };
        let pid = spawned.pid;
        let id = self.add_process(spawned, spawning.oom_kills_before);
        if let Some(name) = spawning.standby {
            self.standby.insert(name, id);
        }
        match self.channel_of(ticket).map(|channel| channel.is_cancelled) {
            None => self.detach(id),
            Some(is_cancelled) => {
                self.outbox.respond(ticket.channel, Ok(json!({ "pid": pid })));
                self.attach(id, ticket.channel);
                if is_cancelled {
                    self.close(ticket.channel);
                } else {
                    self.advance_input(ticket.channel);
                }
            }
        }
        if let Some(ended) = spawning.ended {
            self.on_ended(id, ended);
        }
    }

    fn add_process(&mut self, spawned: Spawned, oom_kills_before: u64) -> ProcessId {
        let (stdin, outputs, has_terminal) = match spawned.io {
            SpawnedIo::Pipes { stdin, outputs } => {
                let outputs = outputs.map(|fd| fd.map(|fd| Pipe::new(Rc::new(fd), false)));
                (stdin.map(Rc::new), outputs, false)
            }
            SpawnedIo::Pty(master) => {
                let master = Rc::new(master);
                (Some(Rc::clone(&master)), [Some(Pipe::new(master, true)), None], true)
            }
        };
        let id = self.processes.add(Process {
            pid: spawned.pid,
            channel: None,
            stdin,
            has_terminal,
            outputs,
            link: spawned.channel.map(|fd| Link { fd, is_dialled: false }),
            exit: None,
            was_killed_by_us: false,
            oom_kills_before,
        });
        self.watch_outputs(id);
        id
    }

    fn watch_outputs(&mut self, id: ProcessId) {
        let Some(process) = self.processes.get_mut(id) else { return };
        for part in 0..process.outputs.len() {
            let Some(pipe) = &mut process.outputs[part] else { continue };
            let fd: &OwnedFd = pipe.fd();
            let watched = match process.has_terminal {
                true => self.poller.add(fd, EDGE_IN | EDGE_OUT, token_of(id, PART_TERMINAL)),
                false => self.poller.add(fd, EDGE_IN, token_of(id, part)),
            };
            if watched.is_err() {
                // Out of watches (a system-wide limit): an output that cannot be watched is closed.
                process.outputs[part] = None;
            }
        }
    }

    fn attach(&mut self, id: ProcessId, number: u32) {
        if let (Some(channel), Some(process)) = (self.channels.get_mut(&number), self.processes.get_mut(id)) {
            channel.body = Body::Process(id);
            process.channel = Some(number);
        }
    }

    /// Somebody listens again: what the process writes from now on is theirs.
    pub(super) fn take_back(&mut self, id: ProcessId, number: u32) {
        self.attach(id, number);
        self.discarding.retain(|(other, _)| *other != id);
        let Some(process) = self.processes.get_mut(id) else { return };
        for (index, output) in process.outputs.iter_mut().enumerate() {
            let stream = index as u8 + 1;
            match output {
                None => self.outbox.control(Frame::End { channel: number, stream }),
                Some(pipe) => {
                    pipe.is_queued = pipe.is_ready;
                    if pipe.is_ready {
                        self.outbox.queue(number, stream);
                    }
                }
            }
        }
        self.close_input(number);
    }

    /// Nobody listens any more: the process goes on, its output is thrown away and its input ends.
    pub(super) fn detach(&mut self, id: ProcessId) {
        let Some(process) = self.processes.get_mut(id) else { return };
        process.channel = None;
        if !process.has_terminal {
            process.stdin = None;
        }
        for (index, output) in process.outputs.iter_mut().enumerate() {
            if let Some(pipe) = output {
                pipe.is_queued = pipe.is_ready;
                if pipe.is_ready {
                    self.discarding.push_back((id, index));
                }
            }
        }
    }

    pub(super) fn on_process_ready(&mut self, token: u64, ready: Ready) {
        let id = (token & ((1 << token::KIND_SHIFT) - 1)) >> 2;
        let part = (token & 3) as usize;
        let Some(process) = self.processes.get_mut(id) else { return };
        let channel = process.channel;
        let takes_input = part >= PART_STDIN && ready.is_writable();
        let index = if part == PART_TERMINAL { 0 } else { part };
        if let Some(pipe) = process.outputs.get_mut(index).and_then(Option::as_mut) {
            pipe.notice(ready);
            if pipe.is_ready && !pipe.is_queued {
                match channel {
                    None => {
                        pipe.is_queued = true;
                        self.discarding.push_back((id, index));
                    }
                    Some(number) => {
                        let credit = self.channels.get(&number).map_or(0, |open| open.sending[index].available());
                        if credit > 0 {
                            pipe.is_queued = true;
                            self.outbox.queue(number, index as u8 + 1);
                        }
                    }
                }
            }
        }
        if let (true, Some(number)) = (takes_input, channel) {
            self.advance_input(number);
        }
    }

    /// Has the main loop woken when the taker of a channel's input takes more.
    pub(super) fn watch_input(&mut self, number: u32) {
        let Some(Body::Process(id)) = self.channels.get(&number).map(|channel| &channel.body) else { return };
        let id = *id;
        let Some(process) = self.processes.get_mut(id).filter(|process| !process.has_terminal) else { return };
        if let Some(stdin) = &process.stdin {
            // Watched already when it was full before: edges come by themselves.
            match self.poller.add(&**stdin, EDGE_OUT, token_of(id, PART_STDIN)) {
                Err(error) if error.raw_os_error() != Some(libc::EEXIST) => self.close_input(number),
                _ => {}
            }
        }
    }

    /// An output has ended.
    pub(super) fn drop_output(&mut self, id: ProcessId, index: usize) {
        if let Some(process) = self.processes.get_mut(id) {
            process.outputs[index] = None;
            self.remove_finished(id);
        }
    }

    fn remove_finished(&mut self, id: ProcessId) {
        let Some(process) = self.processes.get_mut(id).filter(|process| process.is_finished()) else { return };
        let channel = process.channel.take();
        self.processes.remove(id);
        if let Some(number) = channel {
            self.close(number);
        }
    }

    /// Reads and throws away a little of what nobody wants.
    pub(super) fn discard_some(&mut self) {
        let mut scratch = [0; 16 * 1024];
        for _ in 0..self.discarding.len().min(16) {
            let Some((id, index)) = self.discarding.pop_front() else { return };
            let Some(process) = self.processes.get_mut(id) else { continue };
            let Some(pipe) = &mut process.outputs[index] else { continue };
            pipe.is_queued = false;
            match pipe.discard(&mut scratch) {
                Pulled::Content { more: true, .. } => {
                    pipe.is_queued = true;
                    self.discarding.push_back((id, index));
                }
                Pulled::Content { .. } | Pulled::Nothing => {}
                Pulled::End | Pulled::Failed(_) => self.drop_output(id, index),
            }
        }
    }

    /// Takes leave of children that have ended: of a few, because a fork bomb ends them faster than we can.
    pub(super) fn reap(&mut self) {
        self.must_reap = true;
        for _ in 0..REAPED_MAX {
            let Some(ended) = reaper::next_ended() else {
                self.must_reap = false;
                return;
            };
            if let Some(id) = self.processes.live(ended.pid) {
                self.on_ended(id, ended);
                continue;
            }
            // One that is just being started, or an orphan, which is nobody's business.
            let is_it = |spawning: &&mut Spawning| spawning.pid.load(Ordering::Acquire) == ended.pid;
            if let Some(spawning) = self.spawning.iter_mut().find(is_it) {
                spawning.ended = Some(ended);
            }
        }
    }

    fn on_ended(&mut self, id: ProcessId, ended: Ended) {
        let Some(process) = self.processes.get_mut(id) else { return };
        let (before, by_us) = (process.oom_kills_before, process.was_killed_by_us);
        let channel = process.channel;
        let oom = self.oom.verdict(ended.code, ended.signal, before, by_us);
        let exit = Exit { code: ended.code, signal: ended.signal, oom };
        self.processes.ended(id, exit);
        if let Some(number) = channel {
            self.outbox.event(number, json!({ "exit": exit.to_json() }));
        }
        let waiting =
            self.channels.iter().filter(|(_, channel)| matches!(channel.body, Body::Waiting(pid) if pid == ended.pid));
        for number in waiting.map(|(number, _)| *number).collect::<Vec<_>>() {
            self.answer(self.ticket(number), Ok(exit.to_json()));
        }
        self.remove_finished(id);
    }
}
