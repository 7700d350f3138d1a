//! Dialled connections in the conversation.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::time::Instant;

use serde_json::{json, Value};

use crate::dial::{self, Dialing, Socket, DIAL_DEADLINE};
use crate::error::{Answer, GuestError};
use crate::poller::{Ready, EDGE_IN, EDGE_OUT};
use crate::processes::ProcessId;

use super::channel::{Body, Ticket};
use super::{token, Done, Guest};

/// Connections are counted in the bits between the kind and the channel; the count comes round after 2^28 of them.
const CONNECTION_MASK: u32 = (1 << (token::KIND_SHIFT - 32)) - 1;

/// The token of a channel's descriptors. `kind` is one of [`token`]'s.
pub(super) fn token_of(kind: u64, ticket: Ticket) -> u64 {
    let connection = u64::from(ticket.connection & CONNECTION_MASK);
    kind << token::KIND_SHIFT | connection << 32 | u64::from(ticket.channel)
}

impl Guest {
    pub(super) fn dial_tcp(&mut self, ticket: Ticket, host: &str, port: u16) {
        let doing = format!("connect '{host}:{port}'");
        self.dial_deadlines.push_back((Instant::now() + DIAL_DEADLINE, ticket));
        match dial::known_addresses(host, port) {
            Some(addresses) => self.connect_next(ticket, doing, addresses, libc::EHOSTUNREACH),
            None => {
                let host = host.to_string();
                self.file_pool.submit(move || Done::Resolved(ticket, doing, dial::resolve(&host, port)));
            }
        }
    }

    pub(super) fn on_resolved(&mut self, ticket: Ticket, doing: String, result: io::Result<VecDeque<SocketAddr>>) {
        match result {
            Ok(addresses) => self.connect_next(ticket, doing, addresses, libc::EHOSTUNREACH),
            Err(error) => self.answer(ticket, Err(GuestError::from_io(&error, doing))),
        }
    }

    /// Tries the addresses until one can at least be begun with; `failed` is the error to tell when none is left.
    fn connect_next(&mut self, ticket: Ticket, doing: String, mut rest: VecDeque<SocketAddr>, mut failed: i32) {
        if self.channel_of(ticket).is_none_or(|channel| channel.is_cancelled) {
            return self.answer(ticket, Err(GuestError::system(libc::ECANCELED, doing)));
        }
        while let Some(address) = rest.pop_front() {
            let started = dial::start(&address).and_then(|fd| {
                self.poller.add(&fd, EDGE_IN | EDGE_OUT, token_of(token::SOCKET, ticket))?;
                Ok(fd)
            });
            match started {
                Ok(fd) => {
                    if let Some(channel) = self.channel_of(ticket) {
                        channel.body = Body::Dialing(Dialing { fd, rest, doing });
                    }
                    return;
                }
                Err(error) => failed = error.raw_os_error().unwrap_or(failed),
            }
        }
        self.answer(ticket, Err(GuestError::system(failed, doing)));
    }

    /// The descriptor 3 of a process that was spawned with `channel`.
    pub(super) fn dial_process(&mut self, ticket: Ticket, pid: i32) {
        let doing = format!("connect to the process '{pid}'");
        let refuse = |errno| Err(GuestError::system(errno, &doing));
        let Some(id) = self.processes.live(pid) else { return self.answer(ticket, refuse(libc::ESRCH)) };
        let link = self.processes.get_mut(id).and_then(|process| process.link.as_mut());
        let Some(link) = link else { return self.answer(ticket, refuse(libc::ENOTCONN)) };
        if link.is_dialled {
            return self.answer(ticket, refuse(libc::EBUSY));
        }
        match link.fd.try_clone() {
            Ok(fd) => {
                link.is_dialled = true;
                self.on_connected(ticket, Ok(fd));
                match self.channel_of(ticket).map(|channel| &mut channel.body) {
                    Some(Body::Socket(socket)) => socket.process = Some(id),
                    _ => self.leave_process(id, false),
                }
            }
            Err(error) => self.answer(ticket, Err(GuestError::from_io(&error, doing))),
        }
    }

    /// Whoever dialled a process is gone; unless that was the host itself, the process is told.
    pub(super) fn leave_process(&mut self, id: ProcessId, may_come_back: bool) {
        let Some(process) = self.processes.get_mut(id) else { return };
        match &mut process.link {
            Some(link) if may_come_back => link.is_dialled = false,
            _ => process.link = None,
        }
    }

    pub(super) fn on_connected(&mut self, ticket: Ticket, answer: Answer<OwnedFd>) {
        let fd = match answer {
            Ok(fd) => fd,
            Err(error) => return self.answer(ticket, Err(error)),
        };
        match self.poller.add(&fd, EDGE_IN | EDGE_OUT, token_of(token::SOCKET, ticket)) {
            Ok(()) => self.open_socket(ticket, fd, json!({})),
            Err(error) => self.answer(ticket, Err(GuestError::from_io(&error, "watch a connection"))),
        }
    }

    pub(super) fn open_socket(&mut self, ticket: Ticket, fd: OwnedFd, answer: Value) {
        let Some(channel) = self.channel_of(ticket) else { return };
        let is_cancelled = channel.is_cancelled;
        channel.body = Body::Socket(Socket::new(fd));
        self.outbox.respond(ticket.channel, Ok(answer));
        if is_cancelled {
            self.close(ticket.channel);
        } else {
            self.advance_input(ticket.channel);
        }
    }

    pub(super) fn on_socket_ready(&mut self, token: u64, ready: Ready) {
        let number = token as u32;
        let ticket = self.ticket(number);
        if token_of(token::SOCKET, ticket) != token {
            return;
        }
        let Some(channel) = self.channels.get_mut(&number) else { return };
        match &mut channel.body {
            Body::Dialing(_) if ready.is_writable() => self.on_dialled(ticket, ready),
            Body::Socket(socket) => {
                if let Some(pipe) = &mut socket.output {
                    pipe.notice(ready);
                    if pipe.is_ready && !pipe.is_queued && channel.sending[0].available() > 0 {
                        pipe.is_queued = true;
                        self.outbox.queue(number, 1);
                    }
                }
                if ready.is_writable() {
                    self.advance_input(number);
                }
            }
            _ => {}
        }
    }

    fn on_dialled(&mut self, ticket: Ticket, ready: Ready) {
        let Some(channel) = self.channel_of(ticket) else { return };
        let Body::Dialing(Dialing { fd, rest, doing }) = std::mem::take(&mut channel.body) else { return };
        match dial::outcome(&fd) {
            Ok(()) => {
                self.open_socket(ticket, fd, json!({}));
                // What this edge said about reading is not said again.
                if let Some(Body::Socket(_)) = self.channel_of(ticket).map(|channel| &channel.body) {
                    self.on_socket_ready(token_of(token::SOCKET, ticket), ready);
                }
            }
            Err(error) => self.connect_next(ticket, doing, rest, error.raw_os_error().unwrap_or(libc::EIO)),
        }
    }

    /// Gives up what has not been connected in time.
    pub(super) fn expire_dials(&mut self, now: Instant) {
        while let Some((deadline, ticket)) = self.dial_deadlines.front().copied() {
            let body = self.channel_of(ticket).map(|channel| &channel.body);
            let is_over = !matches!(body, Some(Body::Dialing(_) | Body::Pending));
            if !is_over && deadline > now {
                return;
            }
            self.dial_deadlines.pop_front();
            if !is_over {
                let doing = match self.channel_of(ticket).map(|channel| &channel.body) {
                    Some(Body::Dialing(dialing)) => dialing.doing.clone(),
                    _ => "look up a host".into(),
                };
                self.answer(ticket, Err(GuestError::system(libc::ETIMEDOUT, doing)));
            }
        }
    }

    /// CLOSE when both directions have ended.
    pub(super) fn close_finished_socket(&mut self, number: u32) {
        let Some(channel) = self.channels.get(&number) else { return };
        let is_input_over = channel.input.is_finished || channel.input.is_closed;
        if matches!(&channel.body, Body::Socket(socket) if socket.output.is_none() && is_input_over) {
            self.close(number);
        }
    }
}
