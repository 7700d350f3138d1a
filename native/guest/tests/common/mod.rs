//! A host for tests: it listens where a guest connects, and speaks the protocol in whole frames.

#![allow(dead_code)]

use std::collections::HashMap;
use std::io::ErrorKind;
use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use serde_json::{json, Value};

/// Nothing here takes longer, so a test that waits this long has failed.
const PATIENCE: Duration = Duration::from_secs(60);

pub const WINDOW: usize = 262_144;

/// A frame from the guest.
#[derive(Debug, Clone, PartialEq)]
pub enum Frame {
    Response(u32, Value),
    Data(u32, u8, Vec<u8>),
    End(u32, u8),
    Credit(u32, u8, u32),
    Event(u32, Value),
    Close(u32),
    Hello(Value),
}

impl Frame {
    pub fn channel(&self) -> u32 {
        match self {
            Frame::Response(channel, _) | Frame::Data(channel, _, _) | Frame::End(channel, _) => *channel,
            Frame::Credit(channel, _, _) | Frame::Event(channel, _) | Frame::Close(channel) => *channel,
            Frame::Hello(_) => 0,
        }
    }
}

/// A guest in a fresh directory, and the socket it connects to. Dropped, it takes its processes with it.
pub struct Guest {
    pub child: Child,
    pub home: PathBuf,
    listener: UnixListener,
}

impl Guest {
    pub fn start() -> (Guest, Link) {
        Guest::start_with(Stdio::inherit(), None)
    }

    /// One whose processes and file operations are another user's, in a home of that user's. Needs root.
    pub fn start_for(uid: u32) -> (Guest, Link) {
        Guest::start_with(Stdio::inherit(), Some(uid))
    }

    /// One that keeps to itself which frames it could not understand.
    pub fn start_quiet() -> (Guest, Link) {
        Guest::start_with(Stdio::null(), None)
    }

    fn start_with(stderr: Stdio, uid: Option<u32>) -> (Guest, Link) {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let home = std::env::temp_dir().join(format!("skerry-guest-{}-{number}", std::process::id()));
        std::fs::create_dir_all(home.join("home")).unwrap();
        if let Some(uid) = uid {
            std::os::unix::fs::chown(home.join("home"), Some(uid), Some(uid)).unwrap();
        }
        let socket = home.join("port");
        let listener = UnixListener::bind(&socket).unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_skerry-guest"))
            .arg("--socket")
            .arg(&socket)
            .arg("--home")
            .arg(home.join("home"))
            .args(uid.into_iter().flat_map(|uid| ["--user-uid".to_string(), uid.to_string()]))
            .stderr(stderr)
            .spawn()
            .unwrap();
        let guest = Guest { child, home, listener };
        let link = guest.accept();
        (guest, link)
    }

    /// The next connection, greeted.
    pub fn accept(&self) -> Link {
        let (socket, _) = self.listener.accept().unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut link = Link { socket, buffer: Vec::new(), last_channel: 0, backlog: HashMap::new() };
        let Some(Frame::Hello(hello)) = link.read() else { panic!("no hello") };
        assert_eq!(hello["version"], 1);
        assert!(hello["boot"].is_string());
        link
    }

    pub fn path(&self, name: &str) -> String {
        self.home.join("home").join(name).to_str().unwrap().to_string()
    }

    /// Resident memory, in KiB.
    pub fn resident_kib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        // SAFETY: no pointers, and the child is ours.
        unsafe { libc::kill(self.child.id() as i32, libc::SIGTERM) };
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.home);
    }
}

/// What a greeting begins with.
pub const MAGIC: &[u8] = b"SKERRY-GUEST\r\n\x1a\n";

/// The host's end.
pub struct Link {
    pub socket: UnixStream,
    buffer: Vec<u8>,
    last_channel: u32,
    /// Frames that arrived while another channel was waited for.
    backlog: HashMap<u32, Vec<Frame>>,
}

impl Link {
    pub fn send(&mut self, kind: u8, channel: u32, payload: &[u8]) {
        let mut whole = (5 + payload.len() as u32).to_le_bytes().to_vec();
        whole.push(kind);
        whole.extend_from_slice(&channel.to_le_bytes());
        whole.extend_from_slice(payload);
        match self.socket.write_all(&whole) {
            // A guest that has hung up is seen by the next read.
            Err(error) if matches!(error.kind(), ErrorKind::BrokenPipe | ErrorKind::ConnectionReset) => {}
            result => result.unwrap(),
        }
    }

    pub fn data(&mut self, channel: u32, bytes: &[u8]) {
        self.send(3, channel, &[&[0], bytes].concat());
    }

    pub fn end(&mut self, channel: u32) {
        self.send(4, channel, &[0]);
    }

    pub fn credit(&mut self, channel: u32, stream: u8, bytes: u32) {
        self.send(5, channel, &[&[stream], bytes.to_le_bytes().as_slice()].concat());
    }

    pub fn cancel(&mut self, channel: u32) {
        self.send(6, channel, &[]);
    }

    pub fn request(&mut self, method: &str, params: Value) -> u32 {
        self.last_channel += 1;
        let json = json!({ "method": method, "params": params }).to_string();
        self.send(1, self.last_channel, json.as_bytes());
        self.last_channel
    }

    /// The next frame of any channel; `None` when the guest has hung up.
    pub fn read(&mut self) -> Option<Frame> {
        loop {
            if let Some(frame) = self.take_frame() {
                return Some(frame);
            }
            self.receive()?;
        }
    }

    /// `None` when the guest has hung up.
    fn receive(&mut self) -> Option<()> {
        let mut more = [0; 65_536];
        match self.socket.read(&mut more) {
            Ok(0) => None,
            Ok(count) => {
                self.buffer.extend_from_slice(&more[..count]);
                Some(())
            }
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => None,
            Err(error) => panic!("nothing from the guest: {error}"),
        }
    }

    /// The next greeting, with the whole frames before it: the guest gives up in the middle of one when it is asked.
    pub fn find_hello(&mut self) -> (Vec<Frame>, Value) {
        const HEAD_BYTES: usize = 9;
        let is_magic = |bytes: &[u8]| bytes == MAGIC;
        let magic_at = loop {
            match self.buffer.windows(MAGIC.len()).position(is_magic) {
                Some(at) => break at,
                None => self.receive().expect("the guest has hung up"),
            }
        };
        let from_greeting = self.buffer.split_off(magic_at - HEAD_BYTES);
        let before = std::iter::from_fn(|| self.take_frame()).collect();
        self.buffer = from_greeting;
        match self.read() {
            Some(Frame::Hello(hello)) => (before, hello),
            frame => panic!("{frame:?} where a greeting begins"),
        }
    }

    fn take_frame(&mut self) -> Option<Frame> {
        let length = u32::from_le_bytes(self.buffer.get(..4)?.try_into().unwrap()) as usize;
        if self.buffer.len() < 4 + length {
            return None;
        }
        let whole: Vec<u8> = self.buffer.drain(..4 + length).collect();
        let channel = u32::from_le_bytes(whole[5..9].try_into().unwrap());
        let payload = &whole[9..];
        let json = || serde_json::from_slice(payload).unwrap();
        Some(match whole[4] {
            2 => Frame::Response(channel, json()),
            3 => {
                assert!((2..=65_537).contains(&payload.len()), "DATA of {} bytes", payload.len());
                Frame::Data(channel, payload[0], payload[1..].to_vec())
            }
            4 => Frame::End(channel, payload[0]),
            5 => Frame::Credit(channel, payload[0], u32::from_le_bytes(payload[1..5].try_into().unwrap())),
            7 => Frame::Event(channel, json()),
            8 => Frame::Close(channel),
            9 => Frame::Hello(serde_json::from_slice(&payload[16..]).unwrap()),
            kind => panic!("a frame of kind {kind} from the guest"),
        })
    }

    /// The next frame of one channel.
    pub fn next(&mut self, channel: u32) -> Frame {
        if let Some(waiting) = self.backlog.get_mut(&channel).filter(|waiting| !waiting.is_empty()) {
            return waiting.remove(0);
        }
        loop {
            let frame = self.read().expect("the guest has hung up");
            if frame.channel() == channel {
                return frame;
            }
            self.backlog.entry(frame.channel()).or_default().push(frame);
        }
    }

    /// The next frame of any channel that is as wanted; others are dropped.
    pub fn read_until(&mut self, is_wanted: impl Fn(&Frame) -> bool) -> Frame {
        loop {
            let frame = self.read().expect("the guest has hung up");
            if is_wanted(&frame) {
                return frame;
            }
        }
    }

    /// The next content of stream 1.
    pub fn next_data(&mut self, channel: u32) -> Vec<u8> {
        loop {
            match self.next(channel) {
                Frame::Data(_, 1, bytes) => return bytes,
                Frame::Credit(..) => {}
                frame => panic!("unexpected: {frame:?}"),
            }
        }
    }

    /// The value of the RESPONSE, which comes first.
    pub fn response(&mut self, channel: u32) -> Result<Value, Value> {
        loop {
            match self.next(channel) {
                Frame::Credit(..) => {}
                Frame::Response(_, mut value) if value.get("ok").is_some() => return Ok(value["ok"].take()),
                Frame::Response(_, mut value) => return Err(value["error"].take()),
                frame => panic!("not a response: {frame:?}"),
            }
        }
    }

    /// Calls a method that answers once.
    pub fn call(&mut self, method: &str, params: Value) -> Result<Value, Value> {
        let channel = self.request(method, params);
        let response = self.response(channel);
        assert_eq!(self.next(channel), Frame::Close(channel));
        response
    }

    /// The errno of a call that fails.
    pub fn errno(&mut self, method: &str, params: Value) -> String {
        let error = self.call(method, params.clone()).expect_err(&format!("{method} {params}"));
        error["errno"].as_str().unwrap_or("null").to_string()
    }

    /// Everything of a channel until CLOSE, with credit given back as it is used.
    pub fn finish(&mut self, channel: u32) -> Finished {
        let mut finished = Finished::default();
        loop {
            match self.next(channel) {
                Frame::Data(_, stream, bytes) => {
                    assert!(!finished.ended.contains(&stream), "DATA after END of {stream}");
                    self.credit(channel, stream, bytes.len() as u32);
                    finished.streams[usize::from(stream)].extend_from_slice(&bytes);
                }
                Frame::End(_, stream) => finished.ended.push(stream),
                Frame::Event(_, event) => finished.events.push(event),
                Frame::Credit(_, 0, bytes) => finished.granted += bytes as usize,
                Frame::Close(_) => break,
                frame => panic!("unexpected: {frame:?}"),
            }
        }
        finished.ended.sort_unstable();
        finished
    }

    /// Starts a process with everything piped and returns its channel and pid.
    pub fn spawn(&mut self, params: Value) -> (u32, i32) {
        let channel = self.request("spawn", piped(params));
        let response = self.response(channel).expect("spawn");
        (channel, response["pid"].as_i64().unwrap() as i32)
    }

    /// Runs a shell script to its end, without input.
    pub fn shell(&mut self, script: &str) -> Finished {
        let (channel, _) = self.spawn(json!({ "command": "sh", "args": ["-c", script], "stdin": "null" }));
        self.finish(channel)
    }

    /// Writes a whole file and returns the event that ended it.
    pub fn write_file(&mut self, params: Value, content: &[u8]) -> Result<Value, Value> {
        let channel = self.request("fs.write", params);
        let mut credit = WINDOW;
        for piece in content.chunks(65_536) {
            while credit < piece.len() {
                match self.next(channel) {
                    Frame::Credit(_, 0, bytes) => credit += bytes as usize,
                    Frame::Response(_, value) if value.get("ok").is_some() => {}
                    frame => panic!("unexpected: {frame:?}"),
                }
            }
            credit -= piece.len();
            self.data(channel, piece);
        }
        self.end(channel);
        loop {
            match self.next(channel) {
                Frame::Response(_, mut value) if value.get("error").is_some() => {
                    assert_eq!(self.next(channel), Frame::Close(channel));
                    return Err(value["error"].take());
                }
                Frame::Event(_, event) => {
                    assert_eq!(self.next(channel), Frame::Close(channel));
                    return Ok(event);
                }
                Frame::Response(..) | Frame::Credit(..) => {}
                frame => panic!("unexpected: {frame:?}"),
            }
        }
    }

    pub fn read_file(&mut self, path: &str) -> Vec<u8> {
        let channel = self.request("fs.read", json!({ "path": path }));
        self.response(channel).expect("fs.read");
        let finished = self.finish(channel);
        assert_eq!((finished.ended, finished.events), (vec![1], vec![]));
        let [_, content, _] = finished.streams;
        content
    }
}

/// Adds `piped` for what the parameters leave open.
pub fn piped(mut params: Value) -> Value {
    for name in ["stdin", "stdout", "stderr"] {
        if params.get(name).is_none() {
            params[name] = "piped".into();
        }
    }
    params
}

/// What a channel brought until CLOSE.
#[derive(Debug, Default, Clone)]
pub struct Finished {
    pub streams: [Vec<u8>; 3],
    /// Streams that ended with END, sorted.
    pub ended: Vec<u8>,
    pub events: Vec<Value>,
    pub granted: usize,
}

impl Finished {
    pub fn stdout(&self) -> String {
        String::from_utf8_lossy(&self.streams[1]).into_owned()
    }

    pub fn stderr(&self) -> String {
        String::from_utf8_lossy(&self.streams[2]).into_owned()
    }

    pub fn exit(&self) -> Value {
        let exits: Vec<&Value> = self.events.iter().filter_map(|event| event.get("exit")).collect();
        assert_eq!(exits.len(), 1, "one exit: {:?}", self.events);
        exits[0].clone()
    }
}

/// Whether the tests run as root, without which there is only one identity.
pub fn is_root() -> bool {
    // SAFETY: no arguments, cannot fail.
    unsafe { libc::geteuid() == 0 }
}

pub fn exited(code: i32) -> Value {
    json!({ "code": code, "signal": null, "oom": null })
}

pub fn killed(signal: &str, number: i32) -> Value {
    json!({ "code": 128 + number, "signal": signal, "oom": null })
}
