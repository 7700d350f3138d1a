//! Frames of the guest protocol, `docs/design/0002-guest-protocol.md`.
//!
//! ```text
//!  u32 length   of everything after this field: 5 + payload
//!  u8  kind
//!  u32 channel
//!  …   payload
//! ```

use std::fmt;
use std::io;

/// The bytes that open a HELLO.
pub const MAGIC: &[u8; 16] = b"SKERRY-GUEST\r\n\x1a\n";

/// Longest JSON payload, in bytes.
pub const JSON_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Longest HELLO payload, magic included, in bytes.
pub const HELLO_BYTES_MAX: usize = 1024;
/// Most bytes of content in one DATA.
pub const DATA_BYTES_MAX: usize = 65_536;
/// What comes before a payload: length, kind, channel.
pub const HEADER_BYTES: usize = 9;
/// What comes before the content of a DATA: the header and the stream's number.
pub const DATA_HEADER_BYTES: usize = HEADER_BYTES + 1;

/// Numbers of the kinds of frame.
mod kind {
    pub const REQUEST: u8 = 1;
    pub const RESPONSE: u8 = 2;
    pub const DATA: u8 = 3;
    pub const END: u8 = 4;
    pub const CREDIT: u8 = 5;
    pub const CANCEL: u8 = 6;
    pub const EVENT: u8 = 7;
    pub const CLOSE: u8 = 8;
    pub const HELLO: u8 = 9;
}

/// One frame; the bytes are borrowed from where it was read, or are yet to be copied to where it is written.
#[derive(Debug, PartialEq, Eq, Clone, Copy)]
pub enum Frame<'a> {
    Request { channel: u32, json: &'a [u8] },
    Response { channel: u32, json: &'a [u8] },
    Event { channel: u32, json: &'a [u8] },
    Data { channel: u32, stream: u8, bytes: &'a [u8] },
    End { channel: u32, stream: u8 },
    Credit { channel: u32, stream: u8, bytes: u32 },
    Cancel { channel: u32 },
    Close { channel: u32 },
    Hello { json: &'a [u8] },
}

/// The peer broke the protocol: nothing that follows can be understood.
#[derive(Debug, PartialEq, Eq)]
pub struct Violation(pub String);

impl fmt::Display for Violation {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

impl Frame<'_> {
    /// Appends the frame's bytes. The caller keeps payloads within the limits.
    pub fn encode(&self, out: &mut Vec<u8>) {
        match *self {
            Frame::Request { channel, json } => put(out, kind::REQUEST, channel, &[json]),
            Frame::Response { channel, json } => put(out, kind::RESPONSE, channel, &[json]),
            Frame::Event { channel, json } => put(out, kind::EVENT, channel, &[json]),
            Frame::Data { channel, stream, bytes } => put(out, kind::DATA, channel, &[&[stream], bytes]),
            Frame::End { channel, stream } => put(out, kind::END, channel, &[&[stream]]),
            Frame::Credit { channel, stream, bytes } => {
                put(out, kind::CREDIT, channel, &[&[stream], &bytes.to_le_bytes()])
            }
            Frame::Cancel { channel } => put(out, kind::CANCEL, channel, &[]),
            Frame::Close { channel } => put(out, kind::CLOSE, channel, &[]),
            Frame::Hello { json } => put(out, kind::HELLO, 0, &[MAGIC, json]),
        }
    }
}

fn put(out: &mut Vec<u8>, kind: u8, channel: u32, parts: &[&[u8]]) {
    let payload: usize = parts.iter().map(|part| part.len()).sum();
    out.reserve(HEADER_BYTES + payload);
    out.extend_from_slice(&header(kind, channel, payload));
    for part in parts {
        out.extend_from_slice(part);
    }
}

/// The bytes before the content of a DATA frame, for a sender that reads the content straight into its place.
pub fn data_header(channel: u32, stream: u8, content: usize) -> [u8; DATA_HEADER_BYTES] {
    let mut whole = [stream; DATA_HEADER_BYTES];
    whole[..HEADER_BYTES].copy_from_slice(&header(kind::DATA, channel, 1 + content));
    whole
}

fn header(kind: u8, channel: u32, payload: usize) -> [u8; HEADER_BYTES] {
    let mut whole = [0; HEADER_BYTES];
    whole[..4].copy_from_slice(&(5 + payload as u32).to_le_bytes());
    whole[4] = kind;
    whole[5..].copy_from_slice(&channel.to_le_bytes());
    whole
}

/// Room for at least this many bytes is offered to each read.
const READ_BYTES: usize = 64 * 1024;
/// The buffer's size when no long frame is under way.
const BUFFER_BYTES: usize = 2 * READ_BYTES;

/// Cuts a byte stream into frames. It holds at most one incomplete frame, whose length it checks before it waits for the rest.
#[derive(Default)]
pub struct Decoder {
    buffer: Vec<u8>,
    start: usize,
    end: usize,
}

impl Decoder {
    /// Lets `read` put bytes behind those that wait, and returns what it returned.
    pub fn fill(&mut self, read: impl FnOnce(&mut [u8]) -> io::Result<usize>) -> io::Result<usize> {
        self.make_room();
        let count = read(&mut self.buffer[self.end..])?;
        self.end += count;
        Ok(count)
    }

    /// The next whole frame, or `None` when more bytes are needed.
    pub fn next(&mut self) -> Result<Option<Frame<'_>>, Violation> {
        let waiting = &self.buffer[self.start..self.end];
        if waiting.len() < 5 {
            return Ok(None);
        }
        let total = checked_total(waiting)?;
        if waiting.len() < total {
            return Ok(None);
        }
        let from = self.start;
        self.start += total;
        parse(&self.buffer[from..from + total]).map(Some)
    }

    /// Whether the stream stops between two frames.
    #[cfg(test)]
    pub fn is_at_boundary(&self) -> bool {
        self.start == self.end
    }

    fn make_room(&mut self) {
        if self.start == self.end {
            self.start = 0;
            self.end = 0;
            if self.buffer.len() != BUFFER_BYTES {
                self.buffer = vec![0; BUFFER_BYTES];
            }
            return;
        }
        let waiting = self.end - self.start;
        if self.buffer.len() - self.end >= READ_BYTES {
            return;
        }
        self.buffer.copy_within(self.start..self.end, 0);
        self.start = 0;
        self.end = waiting;
        if self.buffer.len() < waiting + READ_BYTES {
            let wanted = self.pending_total().max(waiting) + READ_BYTES;
            self.buffer.resize(wanted, 0);
        }
    }

    /// The length of the frame that is under way; its bound was checked by `next`.
    fn pending_total(&self) -> usize {
        let waiting = &self.buffer[self.start..self.end];
        if waiting.len() < 5 {
            return 0;
        }
        checked_total(waiting).unwrap_or(0)
    }
}

/// The whole length of the frame that starts with these (at least five) bytes.
fn checked_total(head: &[u8]) -> Result<usize, Violation> {
    let length = u32::from_le_bytes([head[0], head[1], head[2], head[3]]) as usize;
    let (least, most) = payload_bounds(head[4])?;
    let Some(payload) = length.checked_sub(5) else {
        return Err(Violation(format!("frame length {length} is too short")));
    };
    if payload < least || payload > most {
        return Err(Violation(format!("a frame of kind {} cannot have {payload} bytes of payload", head[4])));
    }
    Ok(4 + length)
}

fn payload_bounds(kind: u8) -> Result<(usize, usize), Violation> {
    match kind {
        kind::REQUEST | kind::RESPONSE | kind::EVENT => Ok((2, JSON_BYTES_MAX)),
        kind::DATA => Ok((2, 1 + DATA_BYTES_MAX)),
        kind::END => Ok((1, 1)),
        kind::CREDIT => Ok((5, 5)),
        kind::CANCEL | kind::CLOSE => Ok((0, 0)),
        kind::HELLO => Ok((MAGIC.len() + 2, HELLO_BYTES_MAX)),
        _ => Err(Violation(format!("unknown frame kind {kind}"))),
    }
}

fn parse(whole: &[u8]) -> Result<Frame<'_>, Violation> {
    let kind = whole[4];
    let channel = u32::from_le_bytes([whole[5], whole[6], whole[7], whole[8]]);
    let payload = &whole[HEADER_BYTES..];
    if (kind == kind::HELLO) != (channel == 0) {
        return Err(Violation(format!("a frame of kind {kind} cannot be on channel {channel}")));
    }
    Ok(match kind {
        kind::REQUEST => Frame::Request { channel, json: payload },
        kind::RESPONSE => Frame::Response { channel, json: payload },
        kind::EVENT => Frame::Event { channel, json: payload },
        kind::CANCEL => Frame::Cancel { channel },
        kind::CLOSE => Frame::Close { channel },
        kind::DATA => Frame::Data { channel, stream: stream(payload)?, bytes: &payload[1..] },
        kind::END => Frame::End { channel, stream: stream(payload)? },
        kind::CREDIT => Frame::Credit {
            channel,
            stream: stream(payload)?,
            bytes: u32::from_le_bytes([payload[1], payload[2], payload[3], payload[4]]),
        },
        _ => match payload.strip_prefix(MAGIC.as_slice()) {
            Some(json) => Frame::Hello { json },
            None => return Err(Violation("a hello without its magic".into())),
        },
    })
}

fn stream(payload: &[u8]) -> Result<u8, Violation> {
    match payload[0] {
        number @ 0..=2 => Ok(number),
        number => Err(Violation(format!("no stream {number}"))),
    }
}

#[cfg(test)]
#[path = "frame_tests.rs"]
mod tests;
