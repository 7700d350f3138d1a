//! Output of a process or a socket: read only when there is credit for it, straight into what goes to the port.
//!
//! Nothing is queued here. A process whose reader is slow sleeps in its own write.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::rc::Rc;

use crate::frame::{data_header, DATA_BYTES_MAX, DATA_HEADER_BYTES};
use crate::poller::Ready;
use crate::sys;

/// What a turn of a [`Pipe`] brought.
pub enum Pulled {
    /// So many bytes; whether there may be more now.
    Content {
        bytes: usize,
        more: bool,
    },
    /// Nothing until the poller says so.
    Nothing,
    /// End of file.
    End,
    Failed(io::Error),
}

/// The readable end of something, watched edge-triggered.
pub struct Pipe {
    fd: Rc<OwnedFd>,
    is_terminal: bool,
    /// Whether a read may bring something.
    pub is_ready: bool,
    /// Whether the other side is gone: no further edge will come, so reading goes on to the end.
    is_hung_up: bool,
    /// Whether it waits for its turn.
    pub is_queued: bool,
    is_wide: bool,
}

/// The size of a pipe that is used much; they start with 64 KiB.
const WIDE_BYTES: libc::c_int = 256 * 1024;

impl Pipe {
    pub fn new(fd: Rc<OwnedFd>, is_terminal: bool) -> Pipe {
        Pipe { fd, is_terminal, is_ready: false, is_hung_up: false, is_queued: false, is_wide: false }
    }

    pub fn fd(&self) -> &Rc<OwnedFd> {
        &self.fd
    }

    pub fn notice(&mut self, ready: Ready) {
        self.is_ready |= ready.is_readable();
        self.is_hung_up |= ready.is_hung_up();
    }

    /// Reads at most `most` bytes and appends them to `out` as a DATA frame.
    pub fn pull(&mut self, out: &mut Vec<u8>, channel: u32, stream: u8, most: usize) -> Pulled {
        let most = most.min(DATA_BYTES_MAX);
        let start = out.len();
        out.extend_from_slice(&data_header(channel, stream, most));
        let result = sys::read_append(self.fd.as_raw_fd(), out, most);
        let pulled = self.judge(result, most);
        match pulled {
            Pulled::Content { bytes, .. } => {
                let header = data_header(channel, stream, bytes);
                out[start..start + DATA_HEADER_BYTES].copy_from_slice(&header);
            }
            _ => out.truncate(start),
        }
        pulled
    }

    /// Reads at most `into`'s length and throws it away.
    pub fn discard(&mut self, into: &mut [u8]) -> Pulled {
        let result = sys::read(self.fd.as_raw_fd(), into);
        self.judge(result, into.len())
    }

    /// A pipe that was full belongs to a process that has much to say: with more room it sleeps, and wakes us, less often.
    fn widen(&mut self) {
        self.is_wide = true;
        // SAFETY: no pointers. A socket or a terminal refuses, and is as good as it is.
        unsafe { libc::fcntl(self.fd.as_raw_fd(), libc::F_SETPIPE_SZ, WIDE_BYTES) };
    }

    fn judge(&mut self, result: io::Result<usize>, most: usize) -> Pulled {
        match result {
            Ok(0) => Pulled::End,
            Ok(bytes) => {
                // A short read has emptied a pipe or a socket, and what comes later is a new edge. A terminal hands
                // out its content in smaller pieces.
                let more = bytes == most || self.is_terminal || self.is_hung_up;
                self.is_ready = more;
                if bytes == DATA_BYTES_MAX && !self.is_wide {
                    self.widen();
                }
                Pulled::Content { bytes, more }
            }
            Err(error) if sys::would_block(&error) => {
                self.is_ready = false;
                Pulled::Nothing
            }
            // The master of a terminal that nobody has open any more.
            Err(error) if self.is_terminal && error.raw_os_error() == Some(libc::EIO) => Pulled::End,
            Err(error) => Pulled::Failed(error),
        }
    }
}
