//! The conversation with the host, and everything that goes on because of it.
//!
//! One thread does all that cannot sleep: it reads frames, keeps the channels, watches pipes, terminals and sockets, and
//! writes frames. What may sleep (files, exec, name lookups) is a job for a worker thread and comes back as a [`Done`].
//!
//! ```text
//!            ┌── jobs ──▶ pool of root ──┐
//!  port ──▶ main ─ jobs ▶ pool of user ──┼─▶ completions ─▶ main ──▶ port
//!            └── epoll: pipes, terminals, sockets, signals ─────┘
//! ```

mod calls;
mod channel;
mod dials;
mod handles;
mod host;
mod input;
mod listeners;
mod output;
mod patience;
mod procs;
mod transfers;

use std::collections::{HashMap, VecDeque};
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Instant;

use serde_json::Value;

use crate::config::Config;
use crate::dial::Socket;
use crate::environment::{Environment, Variables};
use crate::error::Answer;
use crate::files::handle::{Handle, Handles};
use crate::files::transfer::{Portion, Source, Target};
use crate::frame::{Decoder, Frame};
use crate::listen::Listener;
use crate::oom::OomWatch;
use crate::patience::{DirectoryWatch, Tried};
use crate::poller::{Poller, Ready};
use crate::pool::{Completions, Pool};
use crate::port::{Address, Port};
use crate::power;
use crate::processes::{ProcessId, Processes};
use crate::reaper::Signals;
use crate::spawn::Spawned;

use channel::{Body, Channel, Ticket};
use output::Outbox;
use procs::Spawning;

/// Channels that may be open at once.
const CHANNELS_MAX: usize = 4096;
/// Threads for files, started as they are needed. A file system that never answers can keep that many.
const FILE_THREADS: usize = 16;
/// Threads that start processes and touch the system; exec can meet such a file system as well.
const ROOT_THREADS: usize = 16;

/// Tokens of the poller; those of processes and sockets are made by `procs` and `dials`.
mod token {
    pub const PORT: u64 = 0;
    pub const COMPLETIONS: u64 = 1;
    pub const SIGNALS: u64 = 2;
    pub const OOM: u64 = 3;
    pub const DIRECTORIES: u64 = 4;
    pub const KIND_SHIFT: u32 = 60;
    pub const PROCESS: u64 = 1;
    pub const SOCKET: u64 = 2;
    pub const LISTENER: u64 = 3;
}

/// What a worker thread has done.
enum Done {
    Answered(Ticket, Answer<Value>),
    Configured(Ticket, Answer<Variables>),
    Spawned(u64, Answer<Spawned>),
    Resolved(Ticket, String, io::Result<VecDeque<std::net::SocketAddr>>),
    Connected(Ticket, Answer<OwnedFd>),
    Listening(Ticket, Answer<Listener>),
    ReadOpened(Ticket, Answer<Source>),
    WriteOpened(Ticket, Answer<Target>),
    Portion(Ticket, Portion),
    Written { ticket: Ticket, target: Target, content: Vec<u8>, result: Answer<usize> },
    Closed(Ticket),
    HandleOpened(Ticket, Answer<Handle>),
    HandleRead(Ticket, Answer<Vec<u8>>),
    Locked(Ticket, Arc<Handle>, io::Result<()>),
    LockBusy(Ticket, Arc<Handle>, i32),
    LockWaited(Ticket, Arc<Handle>, io::Result<()>),
    Tried(Ticket, Tried),
    Nothing,
}

/// The guest: one for the life of the process.
pub struct Guest {
    config: Arc<Config>,
    poller: Poller,
    port: Port,
    /// Tells this guest from another.
    boot: String,
    hello: Vec<u8>,
    signals: Signals,
    completions: Arc<Completions<Done>>,
    root_pool: Pool<Done>,
    file_pool: Pool<Done>,
    oom: OomWatch,
    environment: Environment,

    /// Counts connections, so that what belongs to an earlier one is known.
    connection: u32,
    decoder: Decoder,
    outbox: Outbox,
    channels: HashMap<u32, Channel>,
    last_channel: u32,

    processes: Processes,
    spawning: Vec<Spawning>,
    last_spawn: u64,
    /// There may be more children that have ended.
    must_reap: bool,
    /// Outputs that nobody wants, to be read and thrown away.
    discarding: VecDeque<(ProcessId, usize)>,

    dial_deadlines: VecDeque<(Instant, Ticket)>,
    /// For dials that wait for their socket; those of `patient_tries` wait for somebody to listen on it.
    directories: DirectoryWatch,
    patient_tries: Vec<(Instant, Ticket)>,

    handles: Handles,
    lock_threads: usize,
    /// Processes that wait to be taken, by name.
    standby: HashMap<String, ProcessId>,

    /// Portions of files in memory, and transfers that wait for their number to fall.
    portions: usize,
    starved: VecDeque<u32>,
    /// Memory of portions, for the next ones.
    spare_buffers: Vec<Vec<u8>>,
}

impl Guest {
    /// Opens the port and starts the first threads. Signals must have been taken before there are threads.
    pub fn new(config: Config, address: Address, signals: Signals) -> io::Result<Guest> {
        let config = Arc::new(config);
        let poller = Poller::new()?;
        let completions = Completions::new()?;
        poller.add(&*completions, crate::poller::EDGE_IN, token::COMPLETIONS)?;
        poller.add(&signals, libc::EPOLLIN as u32, token::SIGNALS)?;
        let port = Port::open(address, &poller, token::PORT)?;
        let oom_events = config.oom_events.as_ref().and_then(|file| file.try_clone().ok());
        let oom = OomWatch::new(oom_events, &poller, token::OOM);
        let directories = DirectoryWatch::new()?;
        poller.add(&directories, crate::poller::EDGE_IN, token::DIRECTORIES)?;
        let for_files = Arc::clone(&config);
        let boot = host::boot_mark()?;
        Ok(Guest {
            root_pool: Pool::new(ROOT_THREADS, Arc::clone(&completions), || ())?,
            file_pool: Pool::new(FILE_THREADS, Arc::clone(&completions), move || for_files.user.assume_for_files())?,
            environment: Environment::new(&config.home),
            hello: host::hello(&boot),
            boot,
            config,
            poller,
            port,
            signals,
            completions,
            oom,
            connection: 0,
            decoder: Decoder::default(),
            outbox: Outbox::default(),
            channels: HashMap::new(),
            last_channel: 0,
            processes: Processes::default(),
            spawning: Vec::new(),
            last_spawn: 0,
            must_reap: false,
            discarding: VecDeque::new(),
            dial_deadlines: VecDeque::new(),
            directories,
            patient_tries: Vec::new(),
            handles: Handles::default(),
            lock_threads: 0,
            standby: HashMap::new(),
            portions: 0,
            starved: VecDeque::new(),
            spare_buffers: Vec::new(),
        })
    }

    /// Serves the host for ever.
    pub fn run(mut self) -> ! {
        self.port.try_connect(&self.poller, &self.hello);
        loop {
            for ready in self.poller.wait(self.timeout_ms()) {
                self.on_ready(ready);
            }
            if self.must_reap {
                self.reap();
            }
            self.on_time();
            self.discard_some();
            self.pump();
        }
    }

    fn on_ready(&mut self, ready: Ready) {
        match ready.token {
            token::PORT => self.on_port(ready),
            token::COMPLETIONS => self.completions.take().into_iter().for_each(|done| self.on_done(done)),
            token::SIGNALS => {
                if self.signals.drain() {
                    self.stop();
                }
                self.reap();
            }
            token::OOM => self.oom.refresh(),
            token::DIRECTORIES => self.on_directories(),
            other => match other >> token::KIND_SHIFT {
                token::PROCESS => self.on_process_ready(other, ready),
                token::LISTENER => self.on_listener_ready(other),
                _ => self.on_socket_ready(other, ready),
            },
        }
    }

    fn on_done(&mut self, done: Done) {
        match done {
            Done::Answered(ticket, answer) => self.answer(ticket, answer),
            Done::Configured(ticket, answer) => self.on_configured(ticket, answer),
            Done::Spawned(id, answer) => self.on_spawned(id, answer),
            Done::Resolved(ticket, doing, result) => self.on_resolved(ticket, doing, result),
            Done::Connected(ticket, answer) => self.on_connected(ticket, answer),
            Done::Listening(ticket, answer) => self.on_listening(ticket, answer),
            Done::ReadOpened(ticket, answer) => self.on_read_opened(ticket, answer),
            Done::WriteOpened(ticket, answer) => self.on_write_opened(ticket, answer),
            Done::Portion(ticket, portion) => self.on_portion(ticket, portion),
            Done::Written { ticket, target, content, result } => self.on_written(ticket, target, content, result),
            Done::Closed(ticket) => self.on_target_closed(ticket),
            Done::HandleOpened(ticket, answer) => self.on_handle_opened(ticket, answer),
            Done::HandleRead(ticket, answer) => self.on_handle_read(ticket, answer),
            Done::Locked(ticket, handle, result) => self.on_locked(ticket, handle, result),
            Done::LockBusy(ticket, handle, operation) => self.on_lock_busy(ticket, handle, operation),
            Done::LockWaited(ticket, handle, result) => self.on_lock_waited(ticket, handle, result),
            Done::Tried(ticket, tried) => self.on_tried(ticket, tried),
            Done::Nothing => {}
        }
    }

    /// Ends what goes on because of a channel that is no longer there.
    fn let_go(&mut self, channel: Channel) {
        match channel.body {
            Body::Process(id) => self.detach(id),
            Body::Reading(reading) => self.drop_reading(reading),
            Body::Writing(writing) => self.drop_later(writing),
            Body::Listening(listening) => self.stop_listening(listening),
            // Sockets close, and what is pending finds its channel gone.
            Body::Patient(patient) => patient.watch.into_iter().for_each(|watch| self.forget_watch(watch)),
            Body::Pending
            | Body::Waiting(_)
            | Body::Dialing(_)
            | Body::Socket(_)
            | Body::Accepting(_)
            | Body::Locking => {}
        }
    }

    fn timeout_ms(&self) -> i32 {
        if self.outbox.has_more || self.must_reap || !self.discarding.is_empty() {
            return 0;
        }
        let dial = self.dial_deadlines.front().map(|(deadline, _)| *deadline);
        let Some(next) = [self.port.next_try(), dial, self.next_patient_try()].into_iter().flatten().min() else {
            return -1;
        };
        let left = next.saturating_duration_since(Instant::now());
        i32::try_from(left.as_millis()).unwrap_or(i32::MAX).saturating_add(1)
    }

    fn on_time(&mut self) {
        if self.port.next_try().is_none() && self.dial_deadlines.is_empty() && self.patient_tries.is_empty() {
            return;
        }
        let now = Instant::now();
        if self.port.next_try().is_some_and(|next| next <= now) {
            self.port.try_connect(&self.poller, &self.hello);
        }
        if self.port.is_abandoned() {
            self.stop();
        }
        self.expire_dials(now);
        self.try_patients(now);
    }

    /// Asked by a signal to stop: a machine is switched off, a test leaves nothing behind.
    fn stop(&mut self) -> ! {
        if self.config.is_machine {
            power::off();
        }
        self.processes.kill_all();
        std::process::exit(0)
    }

    fn ticket(&self, channel: u32) -> Ticket {
        Ticket { connection: self.connection, channel }
    }

    /// The channel of a ticket, if it is still open.
    fn channel_of(&mut self, ticket: Ticket) -> Option<&mut Channel> {
        if ticket.connection != self.connection {
            return None;
        }
        self.channels.get_mut(&ticket.channel)
    }

    /// RESPONSE and CLOSE.
    fn answer(&mut self, ticket: Ticket, answer: Answer<Value>) {
        if self.channel_of(ticket).is_some() {
            self.outbox.respond(ticket.channel, answer);
            self.close(ticket.channel);
        }
    }

    /// CLOSE, and the end of what went on there.
    fn close(&mut self, channel: u32) {
        if let Some(gone) = self.channels.remove(&channel) {
            self.outbox.control(Frame::Close { channel });
            if let Body::Socket(Socket { process: Some(id), .. }) = &gone.body {
                self.leave_process(*id, false);
            }
            self.let_go(gone);
        }
    }

    /// Drops something whose closing may sleep.
    fn drop_later(&mut self, it: impl Send + 'static) {
        self.file_pool.submit(move || {
            drop(it);
            Done::Nothing
        });
    }
}
