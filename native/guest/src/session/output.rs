//! Frames to the host: control frames first, then streams that take turns.

use std::collections::VecDeque;

use serde_json::Value;

use crate::bytes::ByteQueue;
use crate::error::Answer;
use crate::frame::{Frame, DATA_BYTES_MAX};
use crate::pipe::Pulled;
use crate::sys;

use super::channel::Body;
use super::Guest;

/// A virtio port takes at most this much in one write.
const WRITE_BYTES: usize = 32 * 1024;
/// Writes in a row before other things get a look.
const WRITES_MAX: usize = 16;
/// Control frames that wait before no more requests are read.
const CONTROL_BYTES_MAX: usize = 256 * 1024;

/// A stream of a channel whose turn will come.
#[derive(Clone, Copy)]
pub struct Turn {
    pub channel: u32,
    pub stream: u8,
}

/// What waits to be written. Content is fetched only when there is room for it on the port, so what is in `bytes` is
/// in its final order, and a control frame that comes later never overtakes it.
#[derive(Default)]
pub struct Outbox {
    /// Encoded control frames.
    control: Vec<u8>,
    /// Being written.
    bytes: ByteQueue,
    /// Streams with content and credit, one entry each.
    turns: VecDeque<Turn>,
    /// The port takes nothing until it says so.
    pub is_blocked: bool,
    /// There was more than one round may write.
    pub has_more: bool,
}

impl Outbox {
    pub fn control(&mut self, frame: Frame<'_>) {
        frame.encode(&mut self.control);
    }

    pub fn respond(&mut self, channel: u32, answer: Answer<Value>) {
        let json = match answer {
            Ok(value) => serde_json::json!({ "ok": value }),
            Err(error) => serde_json::json!({ "error": error }),
        };
        self.control(Frame::Response { channel, json: json.to_string().as_bytes() });
    }

    pub fn event(&mut self, channel: u32, event: Value) {
        self.control(Frame::Event { channel, json: event.to_string().as_bytes() });
    }

    pub fn queue(&mut self, channel: u32, stream: u8) {
        self.turns.push_back(Turn { channel, stream });
    }

    /// Whether the host takes so little that no more should be asked of us.
    pub fn is_congested(&self) -> bool {
        self.control.len() > CONTROL_BYTES_MAX
    }
}

impl Guest {
    /// Writes what waits, as far as the port takes it.
    pub(super) fn pump(&mut self) {
        self.outbox.has_more = false;
        if !self.port.is_connected() {
            return;
        }
        let mut writes = 0;
        while !self.outbox.is_blocked {
            self.fill_outbox();
            if self.outbox.bytes.is_empty() {
                break;
            }
            if writes == WRITES_MAX {
                self.outbox.has_more = true;
                break;
            }
            writes += 1;
            match self.port.write(self.outbox.bytes.waiting()) {
                Ok(count) => self.outbox.bytes.consume(count),
                Err(error) if sys::would_block(&error) => self.outbox.is_blocked = true,
                Err(_) => return self.forget_host(),
            }
        }
        self.port.watch(&self.poller, !self.outbox.is_congested(), self.outbox.is_blocked);
    }

    fn fill_outbox(&mut self) {
        while self.outbox.bytes.len() < WRITE_BYTES {
            if !self.outbox.control.is_empty() {
                let was_congested = self.outbox.is_congested();
                self.outbox.bytes.end().append(&mut self.outbox.control);
                if was_congested {
                    self.outbox.control = Vec::new();
                    // Requests that had been read and were left to wait.
                    self.handle_frames();
                }
                continue;
            }
            match self.outbox.turns.pop_front() {
                Some(turn) => self.take_turn(turn),
                None => break,
            }
        }
    }

    /// One DATA frame of a stream, or its end.
    fn take_turn(&mut self, turn: Turn) {
        let Turn { channel: number, stream } = turn;
        let index = usize::from(stream - 1);
        let Some(channel) = self.channels.get_mut(&number) else { return };
        let most = channel.sending[index].available().min(DATA_BYTES_MAX);
        let pipe = match &mut channel.body {
            Body::Process(id) => self.processes.get_mut(*id).and_then(|process| process.outputs[index].as_mut()),
            Body::Socket(socket) => socket.output.as_mut(),
            Body::Reading(_) => return self.take_portion(number),
            _ => None,
        };
        let Some(pipe) = pipe else { return };
        pipe.is_queued = false;
        if most == 0 {
            return;
        }
        match pipe.pull(self.outbox.bytes.end(), number, stream, most) {
            Pulled::Content { bytes, more } => {
                channel.sending[index].sent(bytes);
                if more && channel.sending[index].available() > 0 {
                    pipe.is_queued = true;
                    self.outbox.queue(number, stream);
                }
            }
            Pulled::Nothing => {}
            Pulled::End => self.end_output(number, stream),
            Pulled::Failed(error) => self.fail_output(number, stream, &error),
        }
    }

    /// Puts an END in its place behind the stream's content.
    pub(super) fn put_end(&mut self, channel: u32, stream: u8) {
        Frame::End { channel, stream }.encode(self.outbox.bytes.end());
    }

    /// Puts content of a file in its place, as one frame.
    pub(super) fn put_data(&mut self, channel: u32, stream: u8, bytes: &[u8]) {
        Frame::Data { channel, stream, bytes }.encode(self.outbox.bytes.end());
    }

    fn end_output(&mut self, channel: u32, stream: u8) {
        let Some(open) = self.channels.get_mut(&channel) else { return };
        match &mut open.body {
            Body::Process(id) => {
                let id = *id;
                self.put_end(channel, stream);
                self.drop_output(id, usize::from(stream - 1));
            }
            Body::Socket(socket) => {
                socket.output = None;
                self.put_end(channel, stream);
                self.close_finished_socket(channel);
            }
            _ => {}
        }
    }

    fn fail_output(&mut self, channel: u32, stream: u8, error: &std::io::Error) {
        let Some(open) = self.channels.get_mut(&channel) else { return };
        match &open.body {
            // A connection that was reset has not ended: say so, and send no END.
            Body::Socket(_) => {
                let error = crate::error::GuestError::from_io(error, "read from the connection");
                self.outbox.event(channel, serde_json::json!({ "error": error }));
                self.close(channel);
            }
            _ => self.end_output(channel, stream),
        }
    }

    /// The host has room for more on a stream.
    pub(super) fn on_credit(&mut self, number: u32, stream: u8, bytes: u32) {
        let index = usize::from(stream - 1);
        let Some(channel) = self.channels.get_mut(&number) else { return };
        channel.sending[index].granted(bytes);
        let pipe = match &mut channel.body {
            Body::Process(id) => self.processes.get_mut(*id).and_then(|process| process.outputs[index].as_mut()),
            Body::Socket(socket) if stream == 1 => socket.output.as_mut(),
            Body::Reading(_) if stream == 1 => return self.advance_reading(number),
            _ => None,
        };
        if let Some(pipe) = pipe.filter(|pipe| pipe.is_ready && !pipe.is_queued) {
            pipe.is_queued = true;
            self.outbox.queue(number, stream);
        }
    }
}
