//! Open files in the conversation.

use std::sync::Arc;
use std::thread;

use serde_json::json;
use serde_json::value::RawValue;

use crate::error::{Answer, Doing, GuestError};
use crate::files::handle::{self, Handle, Lock, OnHandle, Read, READ_BYTES_MAX};
use crate::files::parse;
use crate::files::transfer::Target;

use super::channel::{Body, Reading, Ticket, Writing};
use super::transfers::PORTION_BYTES;
use super::{Done, Guest};

/// Threads that wait for a lock, each for one. Those whose caller gave up wait on, and release what they get.
const LOCK_THREADS_MAX: usize = 64;
const STACK_BYTES: usize = 64 * 1024;

impl Guest {
    pub(super) fn open_handle(&mut self, ticket: Ticket, params: Box<RawValue>) {
        if !self.handles.has_room() {
            return self.answer(ticket, Err(GuestError::system(libc::EMFILE, "open a file handle")));
        }
        self.on_files(move |home| Done::HandleOpened(ticket, handle::open(home, &params)));
    }

    pub(super) fn on_handle_opened(&mut self, ticket: Ticket, answer: Answer<Handle>) {
        let is_wanted = self.channel_of(ticket).is_some_and(|channel| !channel.is_cancelled);
        match answer {
            Err(error) => self.answer(ticket, Err(error)),
            Ok(handle) if !is_wanted => {
                self.drop_later(handle);
                self.answer(ticket, Err(GuestError::system(libc::ECANCELED, "open a file handle")));
            }
            Ok(handle) if !self.handles.has_room() => {
                self.drop_later(handle);
                self.answer(ticket, Err(GuestError::system(libc::EMFILE, "open a file handle")));
            }
            Ok(handle) => {
                let number = self.handles.add(handle);
                self.answer(ticket, Ok(json!({ "handle": number })));
            }
        }
    }

    /// `name` is the method's without `file.`.
    pub(super) fn call_handle(&mut self, ticket: Ticket, name: &str, params: Box<RawValue>) {
        let found = match parse(&params) {
            Ok(OnHandle { handle }) => self.handles.get(handle).map(|found| (handle, found)),
            Err(error) => Err(error),
        };
        let (number, found) = match found {
            Ok(found) => found,
            Err(error) => return self.answer(ticket, Err(error)),
        };
        match name {
            "read" => match parse(&params) {
                Ok(Read { length }) if (1..=READ_BYTES_MAX).contains(&length) => {
                    self.on_files(move |_| Done::HandleRead(ticket, handle::read(&found, length)));
                }
                Ok(_) => {
                    let message = format!("invalid params: `length` is 1 to {READ_BYTES_MAX}");
                    self.answer(ticket, Err(GuestError::invalid(message)));
                }
                Err(error) => self.answer(ticket, Err(error)),
            },
            "write" => self.write_handle(ticket, &found),
            "lock" => match parse(&params) {
                Ok(Lock { exclusive }) => self.lock_handle(ticket, found, exclusive),
                Err(error) => self.answer(ticket, Err(error)),
            },
            "close" => {
                let closed = self.handles.take(number);
                self.on_files(move |_| {
                    // A lock belongs to the open file, which an operation under way may still hold.
                    let _ = handle::lock(&found.file, libc::LOCK_UN);
                    drop((closed, found));
                    Done::Answered(ticket, Ok(json!({})))
                });
            }
            _ => {
                let name = name.to_string();
                self.on_files(move |_| Done::Answered(ticket, handle::call(&found, &name, &params)));
            }
        }
    }

    /// What was read goes out as a stream that is complete.
    pub(super) fn on_handle_read(&mut self, ticket: Ticket, answer: Answer<Vec<u8>>) {
        let content = match answer {
            Ok(content) => content,
            Err(error) => return self.answer(ticket, Err(error)),
        };
        let Some(channel) = self.channel_of(ticket).filter(|channel| !channel.is_cancelled) else {
            return self.answer(ticket, Ok(json!({})));
        };
        let mut reading = Reading::ended();
        reading.portions.extend(content.chunks(PORTION_BYTES).map(<[u8]>::to_vec));
        let portions = reading.portions.len();
        channel.body = Body::Reading(reading);
        self.portions += portions;
        self.outbox.respond(ticket.channel, Ok(json!({})));
        self.advance_reading(ticket.channel);
    }

    fn write_handle(&mut self, ticket: Ticket, handle: &Handle) {
        let Some(channel) = self.channel_of(ticket) else { return };
        let target = Target { file: Arc::clone(&handle.file), given: handle.given.clone() };
        channel.body = Body::Writing(Writing { target: Some(target), bytes: 0 });
        self.outbox.respond(ticket.channel, Ok(json!({})));
        self.advance_writing(ticket.channel);
    }

    /// A lock that is free is taken on a worker thread; for one that is not, a thread of its own waits.
    fn lock_handle(&mut self, ticket: Ticket, handle: Arc<Handle>, exclusive: bool) {
        let operation = if exclusive { libc::LOCK_EX } else { libc::LOCK_SH };
        self.on_files(move |_| match handle::lock(&handle.file, operation | libc::LOCK_NB) {
            Err(error) if error.raw_os_error() == Some(libc::EWOULDBLOCK) => Done::LockBusy(ticket, handle, operation),
            result => Done::Locked(ticket, handle, result),
        });
    }

    pub(super) fn on_lock_busy(&mut self, ticket: Ticket, handle: Arc<Handle>, operation: i32) {
        let doing = format!("lock '{}'", handle.given);
        if self.channel_of(ticket).is_none_or(|channel| channel.is_cancelled) {
            return self.answer(ticket, Err(GuestError::system(libc::ECANCELED, doing)));
        }
        if self.lock_threads >= LOCK_THREADS_MAX {
            return self.answer(ticket, Err(GuestError::system(libc::ENOLCK, doing)));
        }
        let completions = Arc::clone(&self.completions);
        let waiting = thread::Builder::new().stack_size(STACK_BYTES).spawn(move || {
            let result = handle::lock(&handle.file, operation);
            completions.post(Done::LockWaited(ticket, handle, result));
        });
        match waiting {
            Ok(_) => {
                self.lock_threads += 1;
                if let Some(channel) = self.channel_of(ticket) {
                    channel.body = Body::Locking;
                }
            }
            Err(error) => self.answer(ticket, Err(GuestError::from_io(&error, doing))),
        }
    }

    pub(super) fn on_lock_waited(&mut self, ticket: Ticket, handle: Arc<Handle>, result: std::io::Result<()>) {
        self.lock_threads -= 1;
        self.on_locked(ticket, handle, result);
    }

    pub(super) fn on_locked(&mut self, ticket: Ticket, handle: Arc<Handle>, result: std::io::Result<()>) {
        let is_wanted = self.channel_of(ticket).is_some_and(|channel| !channel.is_cancelled);
        // An Arc that nobody else has is a handle that was closed in the meantime.
        if result.is_ok() && (!is_wanted || Arc::strong_count(&handle) == 1) {
            self.drop_lock(handle);
            return self.answer(ticket, Err(GuestError::system(libc::ECANCELED, "lock a file")));
        }
        let doing = format!("lock '{}'", handle.given);
        self.answer(ticket, result.doing(doing).map(|()| json!({})));
    }

    /// Releases a lock that nobody waits for any more.
    fn drop_lock(&mut self, handle: Arc<Handle>) {
        self.on_files(move |_| {
            let _ = handle::lock(&handle.file, libc::LOCK_UN);
            Done::Nothing
        });
    }

    /// The host is gone, and with it whoever knew the handles.
    pub(super) fn close_handles(&mut self) {
        let handles = self.handles.take_all();
        if !handles.is_empty() {
            self.on_files(move |_| {
                for handle in &handles {
                    // One whose lock is waited for is still open elsewhere.
                    let _ = handle::lock(&handle.file, libc::LOCK_UN);
                }
                drop(handles);
                Done::Nothing
            });
        }
    }
}
