//! A channel: one request of the host and what goes on because of it.

use std::collections::VecDeque;

use crate::bytes::ByteQueue;
use crate::dial::{Dialing, Socket};
use crate::files::transfer::{Ending, Source, Target};
use crate::flow::{Receiving, Sending};
use crate::patience::Patient;
use crate::processes::ProcessId;

use super::listeners::Listening;

/// A channel of a certain connection: what a worker thread brings back may be for one that is long gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ticket {
    pub connection: u32,
    pub channel: u32,
}

#[derive(Default)]
pub struct Channel {
    pub body: Body,
    pub input: Input,
    /// Credit of the streams 1 and 2.
    pub sending: [Sending; 2],
    /// The host has lost interest, and the RESPONSE is still owed.
    pub is_cancelled: bool,
}

#[derive(Default)]
pub enum Body {
    /// A worker thread is at it, and the RESPONSE is owed.
    #[default]
    Pending,
    /// `wait` for a process that runs.
    Waiting(i32),
    Process(ProcessId),
    Dialing(Dialing),
    Socket(Socket),
    Listening(Listening),
    /// Waits for a connection of the socket that this channel listens on.
    Accepting(u32),
    Reading(Reading),
    Writing(Writing),
    /// A thread waits for a lock.
    Locking,
    Patient(Patient),
}

/// Stream 0: what has arrived and is not handed on.
#[derive(Default)]
pub struct Input {
    pub account: Receiving,
    pub queue: ByteQueue,
    /// The host has said END.
    pub has_ended: bool,
    /// That END has been handed on.
    pub is_finished: bool,
    /// Nobody takes it any more: it is thrown away.
    pub is_closed: bool,
    /// The host knows that.
    pub was_told: bool,
    /// Whether what was last handed on was the end of a line, or nothing yet.
    pub is_mid_line: bool,
}

/// A file or directory on its way to the host.
pub struct Reading {
    /// `None` while a step is under way, and after the end.
    pub source: Option<Source>,
    /// Portions that wait to be sent; `at` is how much of the first has been.
    pub portions: VecDeque<Vec<u8>>,
    pub at: usize,
    /// How it ended, to be said after the portions.
    pub ending: Option<Ending>,
    pub is_queued: bool,
    /// Waits for memory that other transfers hold.
    pub is_starved: bool,
}

impl Reading {
    pub fn new(source: Source) -> Self {
        Reading {
            source: Some(source),
            portions: VecDeque::new(),
            at: 0,
            ending: None,
            is_queued: false,
            is_starved: false,
        }
    }

    /// One whose content is all there, to be put into `portions`.
    pub fn ended() -> Self {
        Reading {
            source: None,
            portions: VecDeque::new(),
            at: 0,
            ending: Some(Ok(())),
            is_queued: false,
            is_starved: false,
        }
    }

    /// Bytes that wait to be sent.
    pub fn waiting(&self) -> usize {
        self.portions.iter().map(Vec::len).sum::<usize>() - self.at
    }
}

/// A file on its way from the host; what has arrived waits in the channel's input.
pub struct Writing {
    /// `None` while a step is under way.
    pub target: Option<Target>,
    pub bytes: u64,
}
