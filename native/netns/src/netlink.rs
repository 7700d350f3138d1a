//! Netlink, as far as it is needed here: one request, its acknowledgement, nested attributes.

use std::io;
use std::mem::size_of;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

/// The longest answer that is read; acknowledgements are a few dozen bytes.
const ANSWER_BYTES: usize = 16 * 1024;
/// A kernel that does not answer within this many seconds is not going to.
const DEADLINE_SECONDS: i64 = 5;
const HEADER_BYTES: usize = 16;

/// A message under construction. Attributes are nested by closures, so that none is left open.
pub struct Message {
    bytes: Vec<u8>,
}

impl Message {
    /// A request that is acknowledged; `flags` are those beside.
    pub fn new(kind: u16, flags: i32) -> Message {
        Message::quiet(kind, flags | libc::NLM_F_ACK)
    }

    /// A request of which nothing is heard, unless it fails.
    pub fn quiet(kind: u16, flags: i32) -> Message {
        let mut message = Message { bytes: Vec::with_capacity(256) };
        message.raw(&0u32.to_ne_bytes()); // the length, when it is known
        message.raw(&kind.to_ne_bytes());
        message.raw(&((libc::NLM_F_REQUEST | flags) as u16).to_ne_bytes());
        message.raw(&[0; 8]); // sequence and port
        message
    }

    /// Bytes of the fixed part that belongs to the kind.
    pub fn raw(&mut self, bytes: &[u8]) -> &mut Message {
        self.bytes.extend_from_slice(bytes);
        self
    }

    pub fn attribute(&mut self, kind: u16, value: &[u8]) -> &mut Message {
        let length = 4 + value.len();
        self.raw(&(length as u16).to_ne_bytes()).raw(&kind.to_ne_bytes()).raw(value);
        self.pad();
        self
    }

    /// A text with the NUL that the kernel wants after it.
    pub fn text(&mut self, kind: u16, value: &str) -> &mut Message {
        let mut bytes = value.as_bytes().to_vec();
        bytes.push(0);
        self.attribute(kind, &bytes)
    }

    pub fn nested(&mut self, kind: u16, fill: impl FnOnce(&mut Message)) -> &mut Message {
        let start = self.bytes.len();
        self.raw(&[0, 0]).raw(&kind.to_ne_bytes());
        fill(self);
        let length = (self.bytes.len() - start) as u16;
        self.bytes[start..start + 2].copy_from_slice(&length.to_ne_bytes());
        self.pad();
        self
    }

    fn pad(&mut self) {
        while self.bytes.len() % 4 != 0 {
            self.bytes.push(0);
        }
    }

    /// The finished message, numbered `sequence`.
    pub fn finish(mut self, sequence: u32) -> Vec<u8> {
        let length = self.bytes.len() as u32;
        self.bytes[..4].copy_from_slice(&length.to_ne_bytes());
        self.bytes[8..12].copy_from_slice(&sequence.to_ne_bytes());
        self.bytes
    }
}

/// A netlink socket of the namespace that the thread was in when it was opened.
pub struct Socket {
    fd: OwnedFd,
    sequence: u32,
}

impl Socket {
    /// `family`: `NETLINK_ROUTE` or `NETLINK_NETFILTER`.
    pub fn open(family: i32) -> io::Result<Socket> {
        // SAFETY: plain system calls; the descriptor is owned from here on.
        unsafe {
            let fd = libc::socket(libc::AF_NETLINK, libc::SOCK_RAW | libc::SOCK_CLOEXEC, family);
            if fd < 0 {
                return Err(io::Error::last_os_error());
            }
            let fd = OwnedFd::from_raw_fd(fd);
            let deadline = libc::timeval { tv_sec: DEADLINE_SECONDS, tv_usec: 0 };
            let size = size_of::<libc::timeval>() as libc::socklen_t;
            let set = libc::setsockopt(
                fd.as_raw_fd(),
                libc::SOL_SOCKET,
                libc::SO_RCVTIMEO,
                (&raw const deadline).cast(),
                size,
            );
            if set != 0 {
                return Err(io::Error::last_os_error());
            }
            Ok(Socket { fd, sequence: 0 })
        }
    }

    /// Sends one request and waits until the kernel has done it.
    pub fn request(&mut self, message: Message) -> io::Result<()> {
        self.sequence += 1;
        let sequence = self.sequence;
        self.send(&message.finish(sequence))?;
        self.acknowledged(sequence, sequence)
    }

    /// Sends `messages` between a `begin` and an `end`, which the kernel takes together or not at all.
    pub fn transaction(&mut self, begin: Message, messages: Vec<Message>, end: Message) -> io::Result<()> {
        let first = self.sequence + 1;
        let last = first + messages.len() as u32;
        self.sequence = last + 1;
        let all = [begin].into_iter().chain(messages).chain([end]);
        let bytes: Vec<u8> = all.zip(first..).flat_map(|(message, sequence)| message.finish(sequence)).collect();
        self.send(&bytes)?;
        self.acknowledged(first, last)
    }

    fn send(&self, bytes: &[u8]) -> io::Result<()> {
        // SAFETY: the buffer lives through the call.
        let sent = unsafe { libc::send(self.fd.as_raw_fd(), bytes.as_ptr().cast(), bytes.len(), 0) };
        if sent == bytes.len() as isize {
            return Ok(());
        }
        Err(if sent < 0 { io::Error::last_os_error() } else { io::ErrorKind::WriteZero.into() })
    }

    /// The first error of the messages from `first` on, or the acknowledgement of `last`. Answers to earlier requests are passed over.
    fn acknowledged(&self, first: u32, last: u32) -> io::Result<()> {
        let mut buffer = [0u8; ANSWER_BYTES];
        loop {
            // SAFETY: the buffer lives through the call and its size is told.
            let count = unsafe { libc::recv(self.fd.as_raw_fd(), buffer.as_mut_ptr().cast(), buffer.len(), 0) };
            if count < 0 {
                let error = io::Error::last_os_error();
                if error.kind() == io::ErrorKind::Interrupted {
                    continue;
                }
                return Err(error);
            }
            if let Some(result) = verdict(&buffer[..count as usize], first, last) {
                return result;
            }
        }
    }
}

/// What the answers in `bytes` say, if they settle the request.
fn verdict(mut bytes: &[u8], first: u32, last: u32) -> Option<io::Result<()>> {
    while bytes.len() >= HEADER_BYTES {
        let word = |at: usize| u32::from_ne_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
        let (length, sequence) = (word(0) as usize, word(8));
        let kind = u16::from_ne_bytes([bytes[4], bytes[5]]);
        if length < HEADER_BYTES || length > bytes.len() {
            return Some(Err(io::ErrorKind::InvalidData.into()));
        }
        if i32::from(kind) == libc::NLMSG_ERROR && length >= HEADER_BYTES + 4 && (first..=last).contains(&sequence) {
            let code = word(HEADER_BYTES) as i32;
            if code != 0 {
                return Some(Err(io::Error::from_raw_os_error(-code)));
            }
            if sequence == last {
                return Some(Ok(()));
            }
        }
        bytes = &bytes[length.next_multiple_of(4).min(bytes.len())..];
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn acknowledgement(sequence: u32, code: i32) -> Vec<u8> {
        let mut message = Message { bytes: Vec::new() };
        message.raw(&36u32.to_ne_bytes()).raw(&(libc::NLMSG_ERROR as u16).to_ne_bytes()).raw(&[0; 2]);
        message.raw(&sequence.to_ne_bytes()).raw(&[0; 4]).raw(&code.to_ne_bytes()).raw(&[0; 16]);
        message.bytes
    }

    #[test]
    fn attributes_are_padded_and_nested_ones_know_their_length() {
        let mut message = Message::new(16, 0);
        message.nested(18, |inner| {
            inner.text(1, "veth");
        });
        let bytes = message.finish(7);
        assert_eq!(bytes.len(), 16 + 4 + 12);
        assert_eq!(bytes[..4], 32u32.to_ne_bytes());
        assert_eq!(bytes[8..12], 7u32.to_ne_bytes());
        assert_eq!(bytes[16..18], 16u16.to_ne_bytes()); // with the padding of what is inside
        assert_eq!(bytes[20..22], 9u16.to_ne_bytes()); // without its own
    }

    #[test]
    fn an_error_of_any_message_of_a_batch_is_the_verdict() {
        let answers = [acknowledgement(3, 0), acknowledgement(4, -libc::EEXIST)].concat();
        let error = verdict(&answers, 3, 5).unwrap().unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::EEXIST));
    }

    #[test]
    fn only_the_awaited_acknowledgement_ends_the_wait() {
        assert!(verdict(&acknowledgement(3, -libc::EEXIST), 4, 4).is_none());
        assert!(verdict(&acknowledgement(4, 0), 4, 4).unwrap().is_ok());
    }

    #[test]
    fn a_length_that_cannot_be_is_refused() {
        let mut answer = acknowledgement(1, 0);
        answer[..4].copy_from_slice(&500u32.to_ne_bytes());
        assert!(verdict(&answer, 1, 1).unwrap().is_err());
    }
}
