//! The host's side of the port: reading its frames, greeting it, and forgetting it.

use std::io;

use serde_json::{json, Value};

use crate::dial::Socket;
use crate::frame::{Decoder, Frame, Violation, MAGIC};
use crate::poller::Ready;
use crate::sys;

use super::channel::Body;
use super::output::Outbox;
use super::Guest;

/// Longest mark of a host's greeting, in bytes.
const NONCE_BYTES_MAX: usize = 64;

impl Guest {
    pub(super) fn on_port(&mut self, ready: Ready) {
        if !self.port.is_connected() {
            self.port.try_connect(&self.poller, &self.hello);
            return;
        }
        if ready.is_writable() {
            self.outbox.is_blocked = false;
        }
        if !ready.is_readable() {
            return;
        }
        if self.outbox.is_congested() {
            // Nothing is read while the host does not take its answers; but when it has gone they are moot.
            if ready.is_hung_up() {
                self.forget_host();
            }
            return;
        }
        self.read_port();
    }

    /// Reads what has arrived. A virtio port hands out a page at a time: a full page may not be the last.
    fn read_port(&mut self) {
        const PAGE_BYTES: usize = 4096;
        const READS_MAX: usize = 64;
        for _ in 0..READS_MAX {
            let port = &self.port;
            match self.decoder.fill(|room| port.read(room)) {
                Ok(0) => return self.forget_host(),
                Ok(count) => {
                    if !self.handle_frames() || count < PAGE_BYTES || self.outbox.is_congested() {
                        return;
                    }
                }
                Err(error) if sys::would_block(&error) => return,
                Err(_) => return self.forget_host(),
            }
        }
    }

    /// Handles the whole frames that wait. Returns whether the connection still stands.
    pub(super) fn handle_frames(&mut self) -> bool {
        // The frames borrow from the decoder while they are handled.
        let mut decoder = std::mem::take(&mut self.decoder);
        let mut result = Ok(());
        while !self.outbox.is_congested() {
            result = match decoder.next() {
                Ok(None) => break,
                Ok(Some(frame)) => self.on_frame(frame),
                Err(violation) => Err(violation),
            };
            if result.is_err() {
                break;
            }
        }
        match result {
            Ok(()) => {
                self.decoder = decoder;
                true
            }
            Err(violation) => {
                if !self.config.is_machine {
                    eprintln!("skerry-guest: {violation}");
                }
                self.forget_host();
                false
            }
        }
    }

    fn on_frame(&mut self, frame: Frame<'_>) -> Result<(), Violation> {
        match frame {
            Frame::Request { channel, json } => self.on_request(channel, json),
            Frame::Data { channel, stream: 0, bytes } => self.on_data(channel, bytes),
            Frame::End { channel, stream: 0 } => self.on_end(channel),
            Frame::Credit { channel, stream: stream @ 1..=2, bytes } => {
                self.on_credit(channel, stream, bytes);
                Ok(())
            }
            Frame::Cancel { channel } => {
                self.on_cancel(channel);
                Ok(())
            }
            Frame::Hello { json } => self.on_greeting(json),
            _ => Err(Violation("a frame that the host may not send".into())),
        }
    }

    /// A host that came back asks who is there. It may have been away without our noticing, so what belonged to the
    /// connection before is forgotten, and the answer carries the host's own mark.
    fn on_greeting(&mut self, json: &[u8]) -> Result<(), Violation> {
        let greeting: Value =
            serde_json::from_slice(json).map_err(|error| Violation(format!("a greeting: {error}")))?;
        let nonce = greeting["nonce"].as_str().filter(|nonce| nonce.len() <= NONCE_BYTES_MAX);
        let nonce = nonce.ok_or_else(|| Violation("a greeting without a mark".into()))?;
        self.forget_channels();
        let answer = json!({ "version": 1, "boot": self.boot, "nonce": nonce }).to_string();
        self.outbox.control(Frame::Hello { json: answer.as_bytes() });
        Ok(())
    }

    /// The host has gone, or makes no sense: all channels are forgotten, and the next host is greeted.
    pub(super) fn forget_host(&mut self) {
        self.forget_channels();
        self.decoder = Decoder::default();
        self.port.disconnect(&self.poller);
        if self.port.next_try().is_none() {
            self.port.try_connect(&self.poller, &self.hello);
        }
    }

    fn forget_channels(&mut self) {
        self.connection = self.connection.wrapping_add(1);
        self.last_channel = 0;
        self.outbox = Outbox::default();
        self.starved.clear();
        self.dial_deadlines.clear();
        self.patient_tries.clear();
        for (_, channel) in std::mem::take(&mut self.channels) {
            if let Body::Socket(Socket { process: Some(id), fd, .. }) = &channel.body {
                self.poller.remove(&**fd);
                self.leave_process(*id, true);
            }
            self.let_go(channel);
        }
        self.close_handles();
    }
}

/// Tells this guest from another.
pub(super) fn boot_mark() -> io::Result<String> {
    // Not the kernel's boot id: reading it in a template would give it to every machine made from that.
    let mut bytes = [0; 8];
    sys::random(&mut bytes)?;
    Ok(format!("{:016x}", u64::from_le_bytes(bytes)))
}

/// The frame that greets a host.
pub(super) fn hello(boot: &str) -> Vec<u8> {
    let json = json!({ "version": 1, "boot": boot }).to_string();
    let mut hello = Vec::with_capacity(MAGIC.len() + 64);
    Frame::Hello { json: json.as_bytes() }.encode(&mut hello);
    hello
}
