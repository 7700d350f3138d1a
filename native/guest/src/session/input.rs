//! Stream 0: bytes from the host to a process, a socket or a file.

use std::os::fd::AsRawFd;
use std::rc::Rc;

use serde_json::json;

use crate::frame::{Frame, Violation};
use crate::pty;
use crate::sys;

use super::channel::Body;
use super::Guest;

impl Guest {
    pub(super) fn on_data(&mut self, number: u32, bytes: &[u8]) -> Result<(), Violation> {
        let Some(channel) = self.channels.get_mut(&number) else { return Ok(()) };
        if channel.input.has_ended {
            return Err(Violation("DATA after END".into()));
        }
        channel.input.account.arrived(bytes.len())?;
        if channel.input.is_closed {
            self.tell_input_closed(number);
            self.hand_on(number, bytes.len());
            return Ok(());
        }
        channel.input.queue.push(bytes);
        self.advance_input(number);
        Ok(())
    }

    pub(super) fn on_end(&mut self, number: u32) -> Result<(), Violation> {
        let Some(channel) = self.channels.get_mut(&number) else { return Ok(()) };
        if channel.input.has_ended {
            return Err(Violation("END after END".into()));
        }
        channel.input.has_ended = true;
        self.advance_input(number);
        Ok(())
    }

    /// Hands on what waits, as far as it is taken.
    pub(super) fn advance_input(&mut self, number: u32) {
        let Some(channel) = self.channels.get_mut(&number) else { return };
        if channel.input.is_closed || channel.input.is_finished {
            return;
        }
        let sink = match &channel.body {
            Body::Process(id) => match self.processes.get_mut(*id).and_then(|process| process.stdin.clone()) {
                Some(stdin) => stdin,
                None => return self.close_input(number),
            },
            Body::Socket(socket) => Rc::clone(&socket.fd),
            Body::Writing(_) => return self.advance_writing(number),
            // Not yet, or never: what arrives waits, and is bounded by its credit.
            _ => return,
        };
        let mut handed_on = 0;
        while !channel.input.queue.is_empty() {
            match sys::write(sink.as_raw_fd(), channel.input.queue.waiting()) {
                Ok(count) => {
                    let last = channel.input.queue.waiting()[count.saturating_sub(1)];
                    channel.input.is_mid_line = last != b'\n';
                    channel.input.queue.consume(count);
                    handed_on += count;
                }
                Err(error) if sys::would_block(&error) => {
                    self.hand_on(number, handed_on);
                    return self.watch_input(number);
                }
                Err(_) => {
                    self.hand_on(number, handed_on);
                    return self.close_input(number);
                }
            }
        }
        let must_finish = channel.input.has_ended;
        self.hand_on(number, handed_on);
        if must_finish {
            self.finish_input(number);
        }
    }

    /// Everything was handed on and the host has said END: so say it to whoever takes it.
    fn finish_input(&mut self, number: u32) {
        let Some(channel) = self.channels.get_mut(&number) else { return };
        channel.input.is_finished = true;
        let is_mid_line = channel.input.is_mid_line;
        match &channel.body {
            Body::Process(id) => {
                let Some(process) = self.processes.get_mut(*id) else { return };
                if !process.has_terminal {
                    process.stdin = None;
                } else if let Some(key) = process.stdin.as_ref().and_then(|master| pty::end_of_input(&**master)) {
                    // In the middle of a line the first one only hands over what was typed.
                    let keys = [key, key];
                    let master = process.stdin.as_ref().map_or(-1, |master| master.as_raw_fd());
                    let _ = sys::write(master, &keys[..1 + usize::from(is_mid_line)]);
                }
            }
            Body::Socket(socket) => {
                socket.finish_input();
                self.close_finished_socket(number);
            }
            _ => {}
        }
    }

    /// Nobody takes the input any more: what waits and what comes is thrown away.
    pub(super) fn close_input(&mut self, number: u32) {
        let Some(channel) = self.channels.get_mut(&number) else { return };
        channel.input.is_closed = true;
        let thrown_away = channel.input.queue.len();
        channel.input.queue.clear();
        if let Body::Process(id) = &channel.body {
            if let Some(process) = self.processes.get_mut(*id).filter(|process| !process.has_terminal) {
                process.stdin = None;
            }
        }
        if thrown_away > 0 {
            self.tell_input_closed(number);
            self.hand_on(number, thrown_away);
        }
        self.close_finished_socket(number);
    }

    fn tell_input_closed(&mut self, number: u32) {
        let Some(channel) = self.channels.get_mut(&number) else { return };
        if !channel.input.was_told {
            channel.input.was_told = true;
            self.outbox.event(number, json!({ "inputClosed": true }));
        }
    }

    /// Bytes of the input have left our memory.
    pub(super) fn hand_on(&mut self, number: u32, bytes: usize) {
        let Some(channel) = self.channels.get_mut(&number) else { return };
        if let Some(bytes) = channel.input.account.handed_on(bytes) {
            self.outbox.control(Frame::Credit { channel: number, stream: 0, bytes });
        }
    }
}
