//! Machines in and out of the gateway's sets: one message to the kernel, no process.

use std::io;

use crate::addresses::machine_interface;
use crate::netlink::{Message, Socket};
use crate::rules::{FILTERED, OPEN, TABLE, WATCHED};

const NFNL_MSG_BATCH_BEGIN: u16 = 0x10;
const NFNL_MSG_BATCH_END: u16 = 0x11;
const SUBSYSTEM: u16 = libc::NFNL_SUBSYS_NFTABLES as u16;
const NEW_ELEMENT: u16 = SUBSYSTEM << 8 | 12;
const GET_ELEMENT: u16 = SUBSYSTEM << 8 | 13;
const DELETE_ELEMENT: u16 = SUBSYSTEM << 8 | 14;
const FAMILY_INET: u8 = 1;
const NESTED: u16 = 0x8000;
const LIST_TABLE: u16 = 1;
const LIST_SET: u16 = 2;
const LIST_ELEMENTS: u16 = 3;
const LIST_ELEMENT: u16 = 1;
const ELEMENT_KEY: u16 = 1;
const DATA_VALUE: u16 = 1;
/// The key of a set of interface names.
const NAME_BYTES: usize = 16;

/// What a machine may reach.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Reach {
    /// Nothing: every connection is refused.
    Closed,
    /// What egress lets through.
    Filtered,
    /// Over TCP what egress lets through, else everything but what is always refused.
    Watched,
    /// Everything but what is always refused.
    Open,
}

/// The sets of the namespace that the thread was in.
pub struct Sets {
    socket: Socket,
}

impl Sets {
    pub fn open() -> io::Result<Sets> {
        Ok(Sets { socket: Socket::open(libc::NETLINK_NETFILTER)? })
    }

    /// Changes the reach of a machine that is known to have `from`: one step, which the kernel takes some milliseconds for.
    pub fn shift(&mut self, number: u16, from: Reach, to: Reach) -> io::Result<()> {
        let leaving = set_of(from).map(|set| element(DELETE_ELEMENT, 0, set, number));
        let entering = set_of(to).map(|set| element(NEW_ELEMENT, libc::NLM_F_CREATE, set, number));
        let messages: Vec<Message> = leaving.into_iter().chain(entering).collect();
        if from == to {
            return Ok(());
        }
        self.transaction(messages)
    }

    /// The same, whatever reach the machine has, in one step too. Asking takes no time, where a change that turns out to
    /// be none takes the kernel as long as any.
    pub fn put(&mut self, number: u16, reach: Reach) -> io::Result<()> {
        let wanted = set_of(reach);
        let mut messages = Vec::new();
        for set in [OPEN, FILTERED, WATCHED] {
            match (self.has(set, number)?, wanted == Some(set)) {
                (true, false) => messages.push(element(DELETE_ELEMENT, 0, set, number)),
                (false, true) => messages.push(element(NEW_ELEMENT, libc::NLM_F_CREATE, set, number)),
                _ => {}
            }
        }
        self.transaction(messages)
    }

    fn has(&mut self, set: &str, number: u16) -> io::Result<bool> {
        match self.socket.request(element(GET_ELEMENT, 0, set, number)) {
            Ok(()) => Ok(true),
            Err(error) if error.raw_os_error() == Some(libc::ENOENT) => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn transaction(&mut self, messages: Vec<Message>) -> io::Result<()> {
        if messages.is_empty() {
            return Ok(());
        }
        self.socket.transaction(edge(NFNL_MSG_BATCH_BEGIN), messages, edge(NFNL_MSG_BATCH_END))
    }
}

fn set_of(reach: Reach) -> Option<&'static str> {
    match reach {
        Reach::Closed => None,
        Reach::Filtered => Some(FILTERED),
        Reach::Watched => Some(WATCHED),
        Reach::Open => Some(OPEN),
    }
}

fn element(kind: u16, flags: i32, set: &str, number: u16) -> Message {
    let mut key = machine_interface(number).into_bytes();
    key.resize(NAME_BYTES, 0);
    let mut message = Message::new(kind, flags);
    message.raw(&[FAMILY_INET, 0, 0, 0]).text(LIST_TABLE, TABLE).text(LIST_SET, set);
    message.nested(LIST_ELEMENTS | NESTED, |list| {
        list.nested(LIST_ELEMENT | NESTED, |element| {
            element.nested(ELEMENT_KEY | NESTED, |data| {
                data.attribute(DATA_VALUE, &key);
            });
        });
    });
    message
}

fn edge(kind: u16) -> Message {
    let mut message = Message::quiet(kind, 0);
    let [high, low] = SUBSYSTEM.to_be_bytes();
    message.raw(&[0, 0, high, low]);
    message
}
