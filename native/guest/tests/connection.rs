//! The connection itself: sockets through it, cancelling, coming back, and what is not allowed.

mod common;

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener};
use std::os::unix::net::UnixListener;

use common::{exited, piped, Frame, Guest, MAGIC, WINDOW};
use serde_json::json;

fn dial_tcp(port: u16) -> serde_json::Value {
    json!({ "tcp": { "host": "localhost", "port": port } })
}

#[test]
fn a_tcp_server_is_dialled_and_either_side_may_end_first() {
    let (_guest, mut link) = Guest::start();
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = server.local_addr().unwrap().port();
    let echo = std::thread::spawn(move || {
        let (mut socket, _) = server.accept().unwrap();
        let mut all = Vec::new();
        socket.read_to_end(&mut all).unwrap();
        all.reverse();
        socket.write_all(&all).unwrap();
        drop(socket);
        let (mut socket, _) = server.accept().unwrap();
        socket.write_all(b"goodbye").unwrap();
        socket.shutdown(Shutdown::Write).unwrap();
        let mut rest = Vec::new();
        socket.read_to_end(&mut rest).unwrap();
        rest
    });
    let first = link.request("dial", dial_tcp(port));
    link.data(first, b"abc");
    link.end(first);
    assert_eq!(link.response(first), Ok(json!({})));
    let finished = link.finish(first);
    assert_eq!((finished.stdout(), finished.ended), ("cba".into(), vec![1]));
    let second = link.request("dial", dial_tcp(port));
    link.response(second).unwrap();
    assert_eq!(link.next(second), Frame::Data(second, 1, b"goodbye".to_vec()));
    assert_eq!(link.next(second), Frame::End(second, 1));
    link.data(second, b"and you");
    link.end(second);
    assert_eq!(link.next(second), Frame::Close(second));
    assert_eq!(echo.join().unwrap(), b"and you");
}

#[test]
fn a_unix_socket_is_dialled_by_a_relative_path() {
    let (guest, mut link) = Guest::start();
    let server = UnixListener::bind(guest.path("socket")).unwrap();
    let thread = std::thread::spawn(move || {
        let (mut socket, _) = server.accept().unwrap();
        let mut all = vec![0; 3_000_000];
        socket.read_exact(&mut all).unwrap();
        socket.write_all(&all).unwrap();
    });
    let channel = link.request("dial", json!({ "unix": "socket" }));
    link.response(channel).unwrap();
    let (mut sent, mut credit, mut received) = (0, WINDOW, 0);
    while received < 3_000_000 {
        while sent < 3_000_000 && credit >= 50_000 {
            link.data(channel, &[7; 50_000]);
            sent += 50_000;
            credit -= 50_000;
        }
        match link.next(channel) {
            Frame::Credit(_, 0, bytes) => credit += bytes as usize,
            Frame::Data(_, 1, bytes) => {
                received += bytes.len();
                link.credit(channel, 1, bytes.len() as u32);
            }
            frame => panic!("{frame:?}"),
        }
    }
    assert_eq!(received, 3_000_000);
    thread.join().unwrap();
    assert_eq!(link.next(channel), Frame::End(channel, 1));
    link.end(channel);
    assert!(matches!(link.next(channel), Frame::Close(_) | Frame::Credit(..)));
}

#[test]
fn a_dial_that_fails_says_why() {
    let (guest, mut link) = Guest::start();
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let error = link.call("dial", dial_tcp(port)).unwrap_err();
    assert_eq!(error["errno"], "ECONNREFUSED");
    assert_eq!(error["message"], format!("Connection refused (os error 111): connect 'localhost:{port}'"));
    assert_eq!(link.errno("dial", json!({ "unix": "nope" })), "ENOENT");
    assert_eq!(link.errno("dial", json!({ "unix": "x".repeat(200) })), "ENAMETOOLONG");
    std::fs::write(guest.path("file"), "").unwrap();
    assert_eq!(link.errno("dial", json!({ "unix": "file" })), "ECONNREFUSED");
    for params in [json!({}), json!({ "tcp": { "host": "x", "port": 70_000 } }), json!({ "tcp": { "host": "x" } })] {
        assert_eq!(link.errno("dial", params), "null");
    }
}

#[test]
fn cancelling_a_process_leaves_it_running_with_its_input_closed() {
    let (guest, mut link) = Guest::start();
    let script = "cat >/dev/null; yes | head -c 1000000; echo done > mark";
    let (channel, pid) = link.spawn(json!({ "command": "sh", "args": ["-c", script] }));
    link.cancel(channel);
    assert_eq!(link.next(channel), Frame::Close(channel));
    assert_eq!(link.call("wait", json!({ "pid": pid })), Ok(exited(0)));
    assert_eq!(std::fs::read_to_string(guest.path("mark")).unwrap(), "done\n");
}

#[test]
fn cancelling_before_the_response_still_brings_one() {
    let (_guest, mut link) = Guest::start();
    let channel = link.request("spawn", piped(json!({ "command": "cat" })));
    link.cancel(channel);
    let pid = link.response(channel).unwrap()["pid"].clone();
    while link.next(channel) != Frame::Close(channel) {}
    assert_eq!(link.call("wait", json!({ "pid": pid })), Ok(exited(0)));
}

#[test]
fn cancelling_a_wait_answers_it() {
    let (_guest, mut link) = Guest::start();
    let (_, pid) = link.spawn(json!({ "command": "sleep", "args": ["100"], "stdin": "null" }));
    let wait = link.request("wait", json!({ "pid": pid }));
    link.cancel(wait);
    assert_eq!(link.response(wait).unwrap_err()["errno"], "ECANCELED");
    assert_eq!(link.next(wait), Frame::Close(wait));
    link.cancel(wait);
    link.call("ping", json!({})).unwrap();
}

#[test]
fn cancelling_a_dialled_socket_closes_it() {
    let (_guest, mut link) = Guest::start();
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let channel = link.request("dial", dial_tcp(server.local_addr().unwrap().port()));
    link.response(channel).unwrap();
    let (mut socket, _) = server.accept().unwrap();
    link.cancel(channel);
    assert_eq!(link.next(channel), Frame::Close(channel));
    assert_eq!(socket.read(&mut [0; 10]).unwrap(), 0);
}

#[test]
fn cancelling_a_write_keeps_what_was_written() {
    let (guest, mut link) = Guest::start();
    let channel = link.request("fs.write", json!({ "path": "file" }));
    link.response(channel).unwrap();
    // Credit comes back when this much is in the file.
    link.data(channel, &[1; 65_536]);
    assert_eq!(link.next(channel), Frame::Credit(channel, 0, 65_536));
    link.cancel(channel);
    assert_eq!(link.next(channel), Frame::Close(channel));
    assert_eq!(std::fs::metadata(guest.path("file")).unwrap().len(), 65_536);
}

#[test]
fn a_new_connection_knows_nothing_of_the_old_one_but_its_processes() {
    let (guest, mut link) = Guest::start();
    let script = "cat; i=0; while [ $i -lt 20000 ]; do echo 0123456789; i=$((i+1)); done; echo done > mark; sleep 1000";
    let (_, pid) = link.spawn(json!({ "command": "sh", "args": ["-c", script] }));
    let waiting = link.request("wait", json!({ "pid": pid }));
    let reading = link.request("fs.read", json!({ "path": "/dev/zero" }));
    link.response(reading).unwrap();
    drop(link);
    let mut link = guest.accept();
    // Channels begin at 1 again, and none of the old ones says a word.
    for _ in 0..3 {
        assert_eq!(link.call("ping", json!({})), Ok(json!({})));
    }
    assert!(waiting > 0);
    // It goes on although nobody reads what it says.
    while !std::path::Path::new(&guest.path("mark")).exists() {
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    link.call("kill", json!({ "pid": pid, "signal": "SIGKILL" })).unwrap();
    assert_eq!(link.call("wait", json!({ "pid": pid })), Ok(common::killed("SIGKILL", 9)));
}

#[test]
fn a_greeting_is_answered_with_its_mark_and_ends_what_was_before() {
    let (_guest, mut link) = Guest::start();
    let flood = link.request("fs.read", json!({ "path": "/dev/zero" }));
    link.response(flood).unwrap();
    link.send(9, 0, &[MAGIC, br#"{"nonce":"mark"}"#].concat());
    let (before, hello) = link.find_hello();
    assert!(before.iter().all(|frame| frame.channel() == flood));
    assert_eq!((hello["nonce"].as_str(), hello["version"].as_u64()), (Some("mark"), Some(1)));
    // Channels begin at 1 again.
    link.send(1, 1, br#"{"method":"ping","params":{}}"#);
    assert_eq!(link.read(), Some(Frame::Response(1, json!({ "ok": {} }))));
    assert_eq!(link.read(), Some(Frame::Close(1)));
}

#[test]
fn whatever_breaks_the_protocol_ends_the_connection_and_the_guest_comes_back() {
    let (guest, mut link) = Guest::start();
    let ping = br#"{"method":"ping","params":{}}"#;
    let cat = br#"{"method":"spawn","params":{"command":"cat","stdin":"piped","stdout":"piped","stderr":"piped"}}"#;
    type Frames<'a> = &'a [(u8, u32, &'a [u8])];
    let cases: &[(&str, Frames)] = &[
        ("a channel that is used again", &[(1, 1, ping), (1, 1, ping)]),
        ("a channel that is lower than the last", &[(1, 5, ping), (1, 4, ping)]),
        ("a request on channel 0", &[(1, 0, ping)]),
        ("a request that is no JSON", &[(1, 1, b"{nope")]),
        ("a request without a method", &[(1, 1, b"{\"params\":{}}")]),
        ("a request without params", &[(1, 1, b"{\"method\":\"ping\"}")]),
        ("params that are no object", &[(1, 1, b"{\"method\":\"ping\",\"params\":[]}")]),
        ("a response from the host", &[(2, 1, b"{}")]),
        ("an event from the host", &[(7, 1, b"{}")]),
        ("a close from the host", &[(8, 1, b"")]),
        ("a greeting without a mark", &[(9, 0, b"SKERRY-GUEST\r\n\x1a\n{}")]),
        ("data towards the host from the host", &[(1, 1, cat), (3, 1, b"\x01x")]),
        ("credit for the host's own stream", &[(1, 1, cat), (5, 1, b"\x00\x01\x00\x00\x00")]),
        ("data after the end", &[(1, 1, cat), (4, 1, b"\x00"), (3, 1, b"\x00x")]),
        ("an unknown kind", &[(77, 1, b"")]),
    ];
    for (name, frames) in cases {
        for (kind, channel, payload) in *frames {
            link.send(*kind, *channel, payload);
        }
        while link.read().is_some() {}
        link = guest.accept();
        assert_eq!(link.call("ping", json!({})), Ok(json!({})), "{name}");
    }
}

#[test]
fn more_data_than_credit_ends_the_connection() {
    let (guest, mut link) = Guest::start();
    let (channel, _) = link.spawn(json!({ "command": "sleep", "args": ["1000"] }));
    // A pipe takes 64 KiB and the window is 256 KiB, so this many cannot have been granted.
    for _ in 0..6 {
        link.send(3, channel, &[0; 65_537]);
    }
    while link.read().is_some() {}
    guest.accept().call("ping", json!({})).unwrap();
}

#[test]
fn frames_for_channels_that_are_closed_are_ignored() {
    let (_guest, mut link) = Guest::start();
    link.call("ping", json!({})).unwrap();
    link.data(1, b"late");
    link.end(1);
    link.credit(1, 1, 5);
    link.cancel(1);
    link.cancel(999);
    link.call("ping", json!({})).unwrap();
}

#[test]
fn no_more_than_4096_channels_are_open_at_a_time() {
    let (_guest, mut link) = Guest::start();
    let (_, pid) = link.spawn(json!({ "command": "sleep", "args": ["1000"], "stdin": "null" }));
    let waiting: Vec<u32> = (0..4095).map(|_| link.request("wait", json!({ "pid": pid }))).collect();
    assert_eq!(link.errno("ping", json!({})), "EAGAIN");
    link.cancel(waiting[0]);
    assert_eq!(link.response(waiting[0]).unwrap_err()["errno"], "ECANCELED");
    link.call("ping", json!({})).unwrap();
}

#[test]
fn a_host_that_takes_no_answers_is_not_answered_without_end() {
    let (guest, mut link) = Guest::start();
    link.call("env.set", json!({ "key": "BIG", "value": "x".repeat(200_000) })).unwrap();
    let mut writer = link.socket.try_clone().unwrap();
    let asking = std::thread::spawn(move || {
        for channel in 1000u32..1300 {
            let json = br#"{"method":"env.all","params":{}}"#;
            let mut frame = (5 + json.len() as u32).to_le_bytes().to_vec();
            frame.push(1);
            frame.extend_from_slice(&channel.to_le_bytes());
            frame.extend_from_slice(json);
            writer.write_all(&frame).unwrap();
        }
    });
    std::thread::sleep(std::time::Duration::from_millis(500));
    assert!(guest.resident_kib() < 30_000, "{} KiB", guest.resident_kib());
    for channel in 1000..1300 {
        assert!(link.response(channel).unwrap()["BIG"].is_string());
    }
    asking.join().unwrap();
}

#[test]
fn an_idle_guest_uses_no_time() {
    let (guest, mut link) = Guest::start();
    link.call("ping", json!({})).unwrap();
    let ticks = || {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", guest.child.id())).unwrap();
        let fields: Vec<u64> =
            stat.rsplit(')').next().unwrap().split_whitespace().filter_map(|it| it.parse().ok()).collect();
        // After the name and the state, which is no number, utime and stime are the eleventh and twelfth.
        fields[10] + fields[11]
    };
    let before = ticks();
    std::thread::sleep(std::time::Duration::from_millis(700));
    assert!(ticks() - before <= 1);
}
