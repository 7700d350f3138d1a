//! Whatever arrives: random bytes and mutated frames, from fixed seeds, into the decoder and into a whole guest.

mod common;

#[allow(dead_code)]
#[path = "../src/frame.rs"]
mod frame;

use std::io::{Read, Write};
use std::time::Duration;

use common::Guest;
use frame::{Decoder, Frame};
use serde_json::{json, Value};

struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    fn bytes(&mut self, count: usize) -> Vec<u8> {
        (0..count).map(|_| self.next() as u8).collect()
    }
}

fn vectors() -> Vec<Vec<u8>> {
    let text = include_str!("../../../packages/protocol/vectors/guest-frames.json");
    let all: Value = serde_json::from_str(text).unwrap();
    let groups = [&all["valid"], &all["invalid"]];
    let hex = groups.into_iter().flat_map(|group| group.as_array().unwrap()).map(|it| it["hex"].as_str().unwrap());
    hex.map(|hex| (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect())
        .collect()
}

/// Requests that a guest does not answer with an error at once, and frames that go with them.
fn conversation(random: &mut Random) -> Vec<u8> {
    let mut out = Vec::new();
    let piped = json!({ "command": "cat", "stdin": "piped", "stdout": "piped", "stderr": "piped" });
    let requests = [
        ("ping", json!({})),
        ("spawn", piped),
        ("spawn", json!({ "command": "/nope", "stdin": "null", "stdout": "null", "stderr": "null" })),
        ("env.set", json!({ "key": "K", "value": "v" })),
        ("env.all", json!({})),
        ("fs.stat", json!({ "path": "." })),
        ("fs.read", json!({ "path": "/dev/zero" })),
        ("fs.write", json!({ "path": "fuzz" })),
        ("fs.readDir", json!({ "path": "/proc/self" })),
        ("dial", json!({ "tcp": { "host": "127.0.0.1", "port": 1 } })),
        ("dial", json!({ "unix": "nope" })),
        ("wait", json!({ "pid": 1 })),
        ("kill", json!({ "pid": 1, "signal": "SIGTERM" })),
        ("stats", json!({})),
        ("fs.makeTemp", json!({ "dir": ".", "directory": false })),
        ("nonsense", json!({ "a": [1, { "b": null }] })),
    ];
    for channel in 1..=1 + random.below(8) as u32 {
        let (method, params) = &requests[random.below(requests.len())];
        let json = json!({ "method": method, "params": params }).to_string();
        Frame::Request { channel, json: json.as_bytes() }.encode(&mut out);
        for _ in 0..random.below(4) {
            let about = 1 + random.below(channel as usize) as u32;
            let content = vec![random.next() as u8; 1 + random.below(3000)];
            match random.below(5) {
                0 | 1 => Frame::Data { channel: about, stream: 0, bytes: &content }.encode(&mut out),
                2 => Frame::End { channel: about, stream: 0 }.encode(&mut out),
                3 => Frame::Credit { channel: about, stream: 1, bytes: random.next() as u32 }.encode(&mut out),
                _ => Frame::Cancel { channel: about }.encode(&mut out),
            }
        }
    }
    out
}

fn mutate(random: &mut Random, bytes: &mut Vec<u8>) {
    for _ in 0..random.below(4) {
        let at = random.below(bytes.len().max(1));
        match random.below(4) {
            0 if at < bytes.len() => bytes[at] ^= 1 << random.below(8),
            1 if at < bytes.len() => bytes[at] = random.next() as u8,
            2 => bytes.truncate(at),
            _ => {
                let count = random.below(20);
                let more = random.bytes(count);
                bytes.splice(at..at, more);
            }
        }
    }
}

#[test]
fn the_decoder_takes_whatever_arrives() {
    let mut random = Random(0x5eed_0001);
    let vectors = vectors();
    let mut understood = 0;
    for _ in 0..20_000 {
        let mut bytes = Vec::new();
        for _ in 0..random.below(5) {
            match random.below(4) {
                0 => {
                    let count = random.below(200);
                    bytes.extend(random.bytes(count));
                }
                _ => bytes.extend_from_slice(&vectors[random.below(vectors.len())]),
            }
        }
        mutate(&mut random, &mut bytes);
        let mut decoder = Decoder::default();
        let mut rest = bytes.as_slice();
        'stream: while !rest.is_empty() {
            let count = 1 + random.below(rest.len());
            let taken = decoder.fill(|room| {
                assert!(room.len() >= 65_536 && room.len() <= frame::JSON_BYTES_MAX + 200_000);
                room[..count].copy_from_slice(&rest[..count]);
                Ok(count)
            });
            assert_eq!(taken.unwrap(), count);
            rest = &rest[count..];
            loop {
                match decoder.next() {
                    Ok(Some(_)) => understood += 1,
                    Ok(None) => break,
                    Err(_) => break 'stream,
                }
            }
        }
    }
    assert!(understood > 5_000, "the generator makes hardly any valid frame: {understood}");
}

#[test]
fn a_guest_takes_whatever_arrives_and_does_not_grow() {
    let mut random = Random(0x5eed_0002);
    let (mut guest, mut link) = Guest::start_quiet();
    let vectors = vectors();
    let mut after_warm_up = 0;
    for round in 0..400 {
        let mut bytes = match random.below(4) {
            0 => {
                let count = random.below(2000);
                random.bytes(count)
            }
            1 => (0..random.below(6)).flat_map(|_| vectors[random.below(vectors.len())].clone()).collect(),
            _ => conversation(&mut random),
        };
        if random.below(3) > 0 {
            mutate(&mut random, &mut bytes);
        }
        // The guest may hang up in the middle.
        let _ = link.socket.write_all(&bytes);
        link.socket.set_read_timeout(Some(Duration::from_millis(2))).unwrap();
        let mut scratch = [0; 65_536];
        let _ = link.socket.read(&mut scratch);
        drop(link);
        link = guest.accept();
        assert_eq!(link.call("ping", json!({})), Ok(json!({})), "round {round}");
        assert!(guest.child.try_wait().unwrap().is_none(), "round {round}");
        if round == 100 {
            after_warm_up = guest.resident_kib();
        }
    }
    let grown = guest.resident_kib().saturating_sub(after_warm_up);
    assert!(grown < 4096, "grown by {grown} KiB from {after_warm_up}");
}
