//! Dials that wait for their socket or go to a process, and processes that wait for whoever takes them.

mod common;

use std::io::Write;
use std::os::unix::net::UnixListener;

use common::{Frame, Guest};
use serde_json::{json, Value};

#[test]
fn a_patient_dial_connects_when_the_socket_appears() {
    let (guest, mut link) = Guest::start();
    let channel = link.request("dial", json!({ "unix": "late.sock", "patient": true }));
    link.call("ping", json!({})).unwrap();
    let listener = UnixListener::bind(guest.path("late.sock")).unwrap();
    link.response(channel).unwrap();
    let (mut socket, _) = listener.accept().unwrap();
    socket.write_all(b"hello").unwrap();
    drop(socket);
    link.end(channel);
    assert_eq!(link.finish(channel).streams[1], b"hello");
}

#[test]
fn directories_on_the_way_may_appear_later_too() {
    let (guest, mut link) = Guest::start();
    let channel = link.request("dial", json!({ "unix": "a/b/late.sock", "patient": true }));
    link.call("ping", json!({})).unwrap();
    std::fs::create_dir(guest.path("a")).unwrap();
    link.call("ping", json!({})).unwrap();
    std::fs::create_dir(guest.path("a/b")).unwrap();
    let _listener = UnixListener::bind(guest.path("a/b/late.sock")).unwrap();
    link.response(channel).unwrap();
}

#[test]
fn a_socket_that_is_moved_into_place_is_seen() {
    let (guest, mut link) = Guest::start();
    let channel = link.request("dial", json!({ "unix": "late.sock", "patient": true }));
    link.call("ping", json!({})).unwrap();
    let _listener = UnixListener::bind(guest.path("other.sock")).unwrap();
    std::fs::rename(guest.path("other.sock"), guest.path("late.sock")).unwrap();
    link.response(channel).unwrap();
}

#[test]
fn a_socket_on_which_nobody_listens_yet_is_tried_again() {
    let (guest, mut link) = Guest::start();
    // What is left of a server that has ended refuses as one that has not begun to listen does.
    drop(UnixListener::bind(guest.path("late.sock")).unwrap());
    let channel = link.request("dial", json!({ "unix": "late.sock", "patient": true }));
    link.call("ping", json!({})).unwrap();
    std::fs::remove_file(guest.path("late.sock")).unwrap();
    let _listener = UnixListener::bind(guest.path("late.sock")).unwrap();
    link.response(channel).unwrap();
}

#[test]
fn a_patient_dial_can_be_given_up_and_others_wait_on() {
    let (guest, mut link) = Guest::start();
    let first = link.request("dial", json!({ "unix": "late.sock", "patient": true }));
    let second = link.request("dial", json!({ "unix": "late.sock", "patient": true }));
    link.cancel(first);
    assert_eq!(link.response(first).unwrap_err()["errno"], "ECANCELED");
    let _listener = UnixListener::bind(guest.path("late.sock")).unwrap();
    link.response(second).unwrap();
}

#[test]
fn a_patient_dial_fails_at_once_when_waiting_cannot_help() {
    let (guest, mut link) = Guest::start();
    std::fs::write(guest.path("file"), "").unwrap();
    assert_eq!(link.errno("dial", json!({ "unix": "file/x.sock", "patient": true })), "ENOTDIR");
    let long = "x".repeat(200);
    assert_eq!(link.errno("dial", json!({ "unix": long, "patient": true })), "ENAMETOOLONG");
}

#[test]
fn only_so_many_dials_wait() {
    let (_guest, mut link) = Guest::start();
    for number in 0..256 {
        link.request("dial", json!({ "unix": format!("s{number}"), "patient": true }));
    }
    assert_eq!(link.errno("dial", json!({ "unix": "more", "patient": true })), "EAGAIN");
}

#[test]
fn a_process_on_standby_is_found_once_by_the_next_host_and_attached_to() {
    let (guest, mut link) = Guest::start();
    let script = "echo early; mkfifo go; read line < go; echo $line; exec sleep 600";
    let (_, pid) = link.spawn(json!({ "command": "sh", "args": ["-c", script], "standby": "one" }));
    drop(link);
    let mut link = guest.accept();
    // What it wrote before that is thrown away.
    while link.call("fs.stat", json!({ "path": "go" })).is_err() {}
    link.call("ping", json!({})).unwrap();
    assert_eq!(link.call("standby.take", json!({ "name": "other" })).unwrap(), json!({ "pid": null }));
    assert_eq!(link.call("standby.take", json!({ "name": "one" })).unwrap(), json!({ "pid": pid }));
    assert_eq!(link.call("standby.take", json!({ "name": "one" })).unwrap(), json!({ "pid": null }));
    let channel = link.request("attach", json!({ "pid": pid }));
    link.response(channel).unwrap();
    assert_eq!(link.errno("attach", json!({ "pid": pid })), "EBUSY");
    link.write_file(json!({ "path": "go", "create": false }), b"late\n").unwrap();
    let Frame::Data(_, 1, bytes) = link.next(channel) else { panic!("no output") };
    assert_eq!(bytes, b"late\n");
    link.call("kill", json!({ "pid": pid, "signal": "SIGTERM" })).unwrap();
    let finished = link.finish(channel);
    assert_eq!(finished.events, [json!({ "exit": { "code": 143, "signal": "SIGTERM", "oom": null } })]);
    assert_eq!(finished.ended, [1, 2]);
}

#[test]
fn there_is_nothing_to_attach_to_when_a_process_has_ended_or_never_was() {
    let (_guest, mut link) = Guest::start();
    let (channel, pid) = link.spawn(json!({ "command": "true", "standby": "gone" }));
    link.finish(channel);
    assert_eq!(link.errno("attach", json!({ "pid": pid })), "ESRCH");
    assert_eq!(link.errno("attach", json!({ "pid": 1 })), "ESRCH");
    assert_eq!(link.call("standby.take", json!({ "name": "gone" })).unwrap(), json!({ "pid": Value::Null }));
}

/// A script that answers each line on its descriptor 3 with one.
const ECHO: &str = "while read line <&3; do echo got $line >&3; done; echo end";

#[test]
fn a_process_is_spoken_to_over_its_descriptor_3() {
    let (_guest, mut link) = Guest::start();
    let (channel, pid) = link.spawn(json!({ "command": "sh", "args": ["-c", ECHO], "channel": true }));
    let dial = link.request("dial", json!({ "process": pid }));
    link.response(dial).unwrap();
    link.data(dial, b"one\n");
    assert_eq!(link.next_data(dial), b"got one\n");
    assert_eq!(link.errno("dial", json!({ "process": pid })), "EBUSY");
    // Whoever hangs up hangs up for good.
    link.cancel(dial);
    let finished = link.finish(channel);
    assert_eq!(finished.streams[1], b"end\n");
    assert_eq!(link.errno("dial", json!({ "process": pid })), "ESRCH");
}

#[test]
fn the_next_host_may_go_on_speaking_to_a_process() {
    let (guest, mut link) = Guest::start();
    let (_, pid) = link.spawn(json!({ "command": "sh", "args": ["-c", ECHO], "channel": true }));
    let dial = link.request("dial", json!({ "process": pid }));
    link.response(dial).unwrap();
    drop(link);
    let mut link = guest.accept();
    let dial = link.request("dial", json!({ "process": pid }));
    link.response(dial).unwrap();
    link.data(dial, b"two\n");
    assert_eq!(link.next_data(dial), b"got two\n");
}

#[test]
fn a_process_without_a_channel_cannot_be_dialled_and_has_no_descriptor_3() {
    let (_guest, mut link) = Guest::start();
    let (_, pid) = link.spawn(json!({ "command": "sleep", "args": ["600"] }));
    assert_eq!(link.errno("dial", json!({ "process": pid })), "ENOTCONN");
    let finished = link.shell("ls /proc/self/fd");
    assert_eq!(String::from_utf8_lossy(&finished.streams[1]), "0\n1\n2\n3\n", "3 is the directory itself");
}
