//! Listening sockets in the conversation. The host asks for each connection, so one that it does not ask for waits in the
//! kernel, and there are no more of them than that keeps.

use std::collections::VecDeque;
use std::os::fd::AsRawFd;

use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;

use crate::error::{Answer, Doing, GuestError};
use crate::files::parse;
use crate::listen::{self, Accepted, ListenParams, ListenTarget, Listener};
use crate::paths;
use crate::poller::{EDGE_IN, EDGE_OUT};

use super::channel::{Body, Ticket};
use super::dials::token_of;
use super::{token, Done, Guest};

/// Sockets that listen at a time.
const LISTENERS_MAX: usize = 64;
/// Calls that wait for the next connection of one of them.
const ACCEPTS_MAX: usize = 16;

/// A socket that listens, and the channels of those who wait for its next connection.
pub struct Listening {
    listener: Listener,
    waiting: VecDeque<u32>,
}

#[derive(Deserialize)]
struct AcceptParams {
    /// The channel of its `listen`.
    listener: u32,
}

impl Guest {
    pub(super) fn listen(&mut self, ticket: Ticket, params: &RawValue) {
        if self.channels.values().filter(|channel| matches!(channel.body, Body::Listening(_))).count() >= LISTENERS_MAX
        {
            return self.answer(ticket, Err(GuestError::system(libc::EMFILE, "listen")));
        }
        match parse(params).and_then(ListenParams::target) {
            Ok(ListenTarget::Tcp(tcp)) => {
                let doing = format!("listen on '{}:{}'", tcp.host, tcp.port);
                self.on_listening(ticket, listen::listen_tcp(&tcp.host, tcp.port).doing(doing));
            }
            Ok(ListenTarget::Unix(path)) => self.on_files(move |home| {
                let bound = listen::listen_unix(paths::resolve(home, &path.0));
                Done::Listening(ticket, bound.doing(format!("listen on '{path}'")))
            }),
            Err(error) => self.answer(ticket, Err(error)),
        }
    }

    pub(super) fn on_listening(&mut self, ticket: Ticket, answer: Answer<Listener>) {
        let watched = answer.and_then(|listener| {
            let token = token_of(token::LISTENER, ticket);
            let mut descriptors = listener.descriptors().into_iter();
            match descriptors.try_for_each(|fd| self.poller.add(&fd, EDGE_IN, token)) {
                Ok(()) => Ok(listener),
                Err(error) => {
                    self.drop_later(listener);
                    Err(GuestError::from_io(&error, "watch a socket"))
                }
            }
        });
        match watched {
            Err(error) => self.answer(ticket, Err(error)),
            Ok(listener) => {
                let Some(channel) = self.channel_of(ticket) else { return self.drop_later(listener) };
                let (is_cancelled, port) = (channel.is_cancelled, listener.port());
                channel.body = Body::Listening(Listening { listener, waiting: VecDeque::new() });
                self.outbox.respond(ticket.channel, Ok(json!({ "port": port })));
                if is_cancelled {
                    self.close(ticket.channel);
                }
            }
        }
    }

    pub(super) fn accept(&mut self, ticket: Ticket, params: &RawValue) {
        let AcceptParams { listener } = match parse(params) {
            Ok(params) => params,
            Err(error) => return self.answer(ticket, Err(error)),
        };
        let refuse = |errno| Err(GuestError::system(errno, "accept a connection"));
        let Some(Body::Listening(listening)) = self.channels.get_mut(&listener).map(|channel| &mut channel.body) else {
            return self.answer(ticket, refuse(libc::EBADF));
        };
        if listening.waiting.len() >= ACCEPTS_MAX {
            return self.answer(ticket, refuse(libc::EAGAIN));
        }
        listening.waiting.push_back(ticket.channel);
        if let Some(channel) = self.channel_of(ticket) {
            channel.body = Body::Accepting(listener);
        }
        self.accept_some(listener);
    }

    pub(super) fn on_listener_ready(&mut self, token: u64) {
        let number = token as u32;
        if token_of(token::LISTENER, self.ticket(number)) == token {
            self.accept_some(number);
        }
    }

    /// Gives connections to those who wait for them, as long as there are both.
    fn accept_some(&mut self, number: u32) {
        loop {
            let Some(Body::Listening(listening)) = self.channels.get_mut(&number).map(|channel| &mut channel.body)
            else {
                return;
            };
            let Some(&first) = listening.waiting.front() else { return };
            let accepted = match listening.listener.accept() {
                Ok(None) => return,
                Ok(Some(accepted)) => Ok(accepted),
                Err(error) => Err(GuestError::from_io(&error, "accept a connection")),
            };
            listening.waiting.pop_front();
            self.on_accepted(self.ticket(first), accepted);
        }
    }

    fn on_accepted(&mut self, ticket: Ticket, answer: Answer<Accepted>) {
        let watched = answer.and_then(|accepted| {
            let token = token_of(token::SOCKET, ticket);
            self.poller.add(&accepted.fd, EDGE_IN | EDGE_OUT, token).doing("watch a connection")?;
            Ok(accepted)
        });
        match watched {
            Err(error) => self.answer(ticket, Err(error)),
            Ok(Accepted { fd, peer }) => {
                let address = peer.map(|peer| peer.ip().to_canonical().to_string());
                let port = peer.map(|peer| peer.port());
                self.open_socket(ticket, fd, json!({ "address": address, "port": port }));
            }
        }
    }

    /// Who waited for a connection of `listener` waits no more.
    pub(super) fn stop_accepting(&mut self, number: u32, listener: u32) {
        if let Some(Body::Listening(listening)) = self.channels.get_mut(&listener).map(|channel| &mut channel.body) {
            listening.waiting.retain(|waiting| *waiting != number);
        }
    }

    /// The socket closes now, and its file goes later.
    pub(super) fn stop_listening(&mut self, Listening { listener, waiting }: Listening) {
        for descriptor in listener.descriptors() {
            // SAFETY: no pointers. From here on nobody can connect any more, though the file may still be there.
            unsafe { libc::shutdown(descriptor.as_raw_fd(), libc::SHUT_RD) };
        }
        self.drop_later(listener);
        for number in waiting {
            self.answer(self.ticket(number), Err(GuestError::system(libc::ECANCELED, "accept a connection")));
        }
    }
}
