//! Requests: from the name of a method to whoever does it.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{json, Value};

use crate::dial;
use crate::environment::Variables;
use crate::error::{Answer, Doing, GuestError};
use crate::files::transfer;
use crate::files::{self, parse};
use crate::frame::Violation;
use crate::processes::Exit;
use crate::pty::{self, Size};
use crate::{configure, editor, identity, paths, signals, stats, sys};

use super::channel::{Body, Channel, Ticket};
use super::{Done, Guest, CHANNELS_MAX};

#[derive(Deserialize)]
struct Request {
    method: String,
    params: Box<RawValue>,
}

#[derive(Deserialize)]
struct OnPid {
    pid: i32,
}

#[derive(Deserialize)]
struct Kill {
    pid: i32,
    signal: String,
}

#[derive(Deserialize)]
struct Resize {
    pid: i32,
    rows: u16,
    cols: u16,
}

#[derive(Deserialize)]
struct OnKey {
    key: String,
}

#[derive(Deserialize)]
struct SetVariable {
    key: String,
    value: String,
}

#[derive(Deserialize)]
struct Standby {
    name: String,
}

#[derive(Deserialize)]
struct Umask {
    mask: Option<u32>,
}

impl Guest {
    pub(super) fn on_request(&mut self, number: u32, json: &[u8]) -> Result<(), Violation> {
        if number <= self.last_channel {
            return Err(Violation(format!("channel {number} after {}", self.last_channel)));
        }
        self.last_channel = number;
        let request: Request =
            serde_json::from_slice(json).map_err(|error| Violation(format!("a request: {error}")))?;
        if !request.params.get().starts_with('{') {
            return Err(Violation("params that are no object".into()));
        }
        let ticket = self.ticket(number);
        self.channels.insert(number, Channel::default());
        if self.channels.len() > CHANNELS_MAX {
            self.answer(ticket, Err(GuestError::system(libc::EAGAIN, "open a channel")));
            return Ok(());
        }
        self.call(ticket, &request.method, request.params);
        Ok(())
    }

    fn call(&mut self, ticket: Ticket, method: &str, params: Box<RawValue>) {
        match method {
            "ping" => self.answer(ticket, Ok(json!({}))),
            "spawn" => match parse(&params) {
                Ok(params) => self.spawn(ticket, params),
                Err(error) => self.answer(ticket, Err(error)),
            },
            "wait" => self.wait(ticket, &params),
            "kill" => self.answer_now(ticket, &params, Self::kill),
            "resize" => self.answer_now(ticket, &params, Self::resize),
            "env.get" => {
                self.answer_now(ticket, &params, |guest, OnKey { key }| Ok(json!(guest.environment.get(&key))))
            }
            "env.set" => self.answer_now(ticket, &params, |guest, SetVariable { key, value }| {
                guest.environment.set(&key, &value).map(|()| json!({}))
            }),
            "env.delete" => self
                .answer_now(ticket, &params, |guest, OnKey { key }| guest.environment.delete(&key).map(|()| json!({}))),
            "env.all" => self.answer(ticket, Ok(json!(self.environment.all()))),
            "fs.umask" => self.answer_now(ticket, &params, |_, Umask { mask }| Ok(json!(umask(mask)))),
            "dial" => self.dial(ticket, &params),
            "listen" => self.listen(ticket, &params),
            "accept" => self.accept(ticket, &params),
            "configure" => {
                let config = Arc::clone(&self.config);
                self.root_pool.submit(move || {
                    let configured = parse(&params).and_then(|params| configure::configure(params, config.is_machine));
                    Done::Configured(ticket, configured)
                });
            }
            "prepare" => self.root_pool.submit(move || {
                // SAFETY: no arguments, cannot fail.
                unsafe { libc::sync() };
                Done::Answered(ticket, Ok(json!({})))
            }),
            "editor.mount" => {
                let is_machine = self.config.is_machine;
                self.root_pool.submit(move || Done::Answered(ticket, editor::mount_editor(is_machine)));
            }
            "stats" => {
                let config = Arc::clone(&self.config);
                let live = self.processes.live_count();
                self.root_pool.submit(move || Done::Answered(ticket, stats::stats(&config, live)));
            }
            "fs.read" => self.on_files(move |home| {
                Done::ReadOpened(ticket, parse(&params).and_then(|params| transfer::open_file(home, params)))
            }),
            "fs.readDir" => self.on_files(move |home| {
                Done::ReadOpened(ticket, parse(&params).and_then(|params| transfer::open_directory(home, params)))
            }),
            "fs.open" => self.open_handle(ticket, params),
            "attach" => self.attach_again(ticket, &params),
            "standby.take" => self.answer_now(ticket, &params, Self::take_standby),
            "fs.write" => self.on_files(move |home| {
                Done::WriteOpened(ticket, parse(&params).and_then(|params| transfer::open_target(home, params)))
            }),
            _ if method.starts_with("file.") => self.call_handle(ticket, &method["file.".len()..], params),
            _ => match method.strip_prefix("fs.").filter(|name| files::is_method(name)) {
                Some(name) => {
                    let name = name.to_string();
                    self.on_files(move |home| Done::Answered(ticket, files::call(home, &name, &params)));
                }
                None => self.answer(ticket, Err(GuestError::system(libc::ENOSYS, format!("call '{method}'")))),
            },
        }
    }

    fn answer_now<P: serde::de::DeserializeOwned>(
        &mut self,
        ticket: Ticket,
        params: &RawValue,
        work: impl FnOnce(&mut Self, P) -> Answer<Value>,
    ) {
        let answer = parse(params).and_then(|params| work(self, params));
        self.answer(ticket, answer);
    }

    pub(super) fn on_files(&mut self, work: impl FnOnce(&str) -> Done + Send + 'static) {
        let config = Arc::clone(&self.config);
        self.file_pool.submit(move || work(&config.home));
    }

    pub(super) fn on_configured(&mut self, ticket: Ticket, answer: Answer<Variables>) {
        let set = answer.and_then(|variables| {
            variables.iter().try_for_each(|(key, value)| self.environment.set(key, value)).map(|()| json!({}))
        });
        self.answer(ticket, set);
    }

    fn wait(&mut self, ticket: Ticket, params: &RawValue) {
        let pid = match parse(params) {
            Ok(OnPid { pid }) => pid,
            Err(error) => return self.answer(ticket, Err(error)),
        };
        if self.processes.live(pid).is_some() {
            if let Some(channel) = self.channel_of(ticket) {
                channel.body = Body::Waiting(pid);
            }
            return;
        }
        let ended = self.processes.remembered(pid).map(Exit::to_json);
        let unknown = || GuestError::system(libc::ESRCH, format!("wait '{pid}'"));
        self.answer(ticket, ended.ok_or_else(unknown));
    }

    fn take_standby(&mut self, Standby { name }: Standby) -> Answer<Value> {
        let process = self.standby.remove(&name).and_then(|id| self.processes.get_mut(id));
        let pid = process.filter(|process| process.exit.is_none()).map(|process| process.pid);
        Ok(json!({ "pid": pid }))
    }

    fn attach_again(&mut self, ticket: Ticket, params: &RawValue) {
        let pid = match parse(params) {
            Ok(OnPid { pid }) => pid,
            Err(error) => return self.answer(ticket, Err(error)),
        };
        let doing = format!("attach to '{pid}'");
        let Some(id) = self.processes.live(pid) else {
            return self.answer(ticket, Err(GuestError::system(libc::ESRCH, doing)));
        };
        if self.processes.get_mut(id).is_some_and(|process| process.channel.is_some()) {
            return self.answer(ticket, Err(GuestError::system(libc::EBUSY, doing)));
        }
        self.outbox.respond(ticket.channel, Ok(json!({})));
        self.take_back(id, ticket.channel);
    }

    fn kill(&mut self, Kill { pid, signal }: Kill) -> Answer<Value> {
        let doing = format!("kill '{pid}' with '{signal}'");
        let number = signals::number(&signal).ok_or_else(|| GuestError::system(libc::EINVAL, &doing))?;
        // The process has not been waited for, so its pid and its group are still its own.
        let id = self.processes.live(pid).ok_or_else(|| GuestError::system(libc::ESRCH, &doing))?;
        // SAFETY: no pointers.
        sys::check(unsafe { libc::kill(-pid, number) }).doing(&doing)?;
        if let Some(process) = self.processes.get_mut(id).filter(|_| number == libc::SIGKILL) {
            process.was_killed_by_us = true;
        }
        Ok(json!({}))
    }

    fn resize(&mut self, Resize { pid, rows, cols }: Resize) -> Answer<Value> {
        let doing = format!("resize the terminal of '{pid}'");
        let id = self.processes.live(pid).ok_or_else(|| GuestError::system(libc::ESRCH, &doing))?;
        let process = self.processes.get_mut(id).filter(|process| process.has_terminal);
        let master = process.and_then(|process| process.stdin.clone());
        let master = master.ok_or_else(|| GuestError::system(libc::ENOTTY, &doing))?;
        pty::resize(&*master, Size { rows, cols }).doing(&doing)?;
        Ok(json!({}))
    }

    fn dial(&mut self, ticket: Ticket, params: &RawValue) {
        match parse(params).and_then(dial::DialParams::target) {
            Ok(dial::DialTarget::Tcp { host, port }) => self.dial_tcp(ticket, &host, port),
            Ok(dial::DialTarget::Process(pid)) => self.dial_process(ticket, pid),
            Ok(dial::DialTarget::Unix { path, is_patient: true }) => {
                let resolved = paths::resolve(&self.config.home, &path.0);
                self.dial_patiently(ticket, resolved, path.0);
            }
            Ok(dial::DialTarget::Unix { path, .. }) => self.on_files(move |home| {
                let connected = dial::connect_unix(&paths::resolve(home, &path.0));
                Done::Connected(ticket, connected.doing(format!("connect '{path}'")))
            }),
            Err(error) => self.answer(ticket, Err(error)),
        }
    }

    /// The host has lost interest.
    pub(super) fn on_cancel(&mut self, number: u32) {
        let ticket = self.ticket(number);
        let Some(channel) = self.channels.get_mut(&number) else { return };
        match channel.body {
            Body::Pending => {
                channel.is_cancelled = true;
                channel.input.is_closed = true;
                channel.input.was_told = true;
                channel.input.queue.clear();
            }
            Body::Accepting(listener) => {
                self.stop_accepting(number, listener);
                self.answer(ticket, Err(GuestError::system(libc::ECANCELED, "accept a connection")));
            }
            Body::Waiting(_) | Body::Dialing(_) | Body::Locking | Body::Patient(_) => {
                self.answer(ticket, Err(GuestError::system(libc::ECANCELED, "wait for an answer")));
            }
            _ => self.close(number),
        }
    }
}

/// The previous mask; with `mask` a new one is set.
fn umask(mask: Option<u32>) -> u32 {
    let previous = identity::set_umask(mask.unwrap_or(0o077) & 0o777);
    if mask.is_none() {
        // There is no call that only asks. In between the mask is the strictest.
        identity::set_umask(previous);
    }
    previous
}
