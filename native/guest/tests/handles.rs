//! Open files that the host works with by number.

mod common;

use common::{Guest, Link};
use serde_json::{json, Value};

fn open(link: &mut Link, params: Value) -> u64 {
    link.call("fs.open", params).unwrap()["handle"].as_u64().unwrap()
}

fn read(link: &mut Link, handle: u64, length: usize) -> Vec<u8> {
    let channel = link.request("file.read", json!({ "handle": handle, "length": length }));
    link.response(channel).expect("file.read");
    let finished = link.finish(channel);
    assert_eq!((finished.ended, finished.events), (vec![1], vec![]));
    let [_, content, _] = finished.streams;
    content
}

fn write(link: &mut Link, handle: u64, content: &[u8]) -> Value {
    let channel = link.request("file.write", json!({ "handle": handle }));
    link.data(channel, content);
    link.end(channel);
    link.response(channel).expect("file.write");
    link.finish(channel).events.remove(0)
}

fn seek(link: &mut Link, handle: u64, offset: i64, whence: u8) -> Result<Value, Value> {
    link.call("file.seek", json!({ "handle": handle, "offset": offset, "whence": whence }))
}

#[test]
fn a_file_is_written_and_read_where_it_stands() {
    let (guest, mut link) = Guest::start();
    let file = open(&mut link, json!({ "path": "f", "read": true, "write": true, "create": true }));
    assert_eq!(write(&mut link, file, b"hello world"), json!({ "done": { "bytes": 11 } }));
    assert_eq!(read(&mut link, file, 10), b"", "it stands at its end");
    assert_eq!(seek(&mut link, file, 6, 0).unwrap(), 6);
    assert_eq!(read(&mut link, file, 3), b"wor");
    assert_eq!(seek(&mut link, file, -1, 1).unwrap(), 8);
    assert_eq!(seek(&mut link, file, -5, 2).unwrap(), 6);
    assert_eq!(read(&mut link, file, 262_144), b"world");
    assert_eq!(seek(&mut link, file, -1, 0).unwrap_err()["errno"], "EINVAL");
    assert_eq!(seek(&mut link, file, 0, 3).unwrap_err()["errno"], "EINVAL");
    assert_eq!(std::fs::read(guest.path("f")).unwrap(), b"hello world");
}

#[test]
fn a_read_of_a_quarter_mebibyte_comes_whole() {
    let (guest, mut link) = Guest::start();
    let content: Vec<u8> = (0..300_000u32).map(|number| (number % 251) as u8).collect();
    std::fs::write(guest.path("f"), &content).unwrap();
    let file = open(&mut link, json!({ "path": "f", "read": true }));
    assert_eq!(read(&mut link, file, 262_144), content[..262_144]);
    assert_eq!(read(&mut link, file, 262_144), content[262_144..]);
    for length in [0, 262_145] {
        let error = link.call("file.read", json!({ "handle": file, "length": length })).unwrap_err();
        assert_eq!(error["errno"], Value::Null, "{length}");
    }
}

#[test]
fn opening_follows_its_options() {
    let (guest, mut link) = Guest::start();
    assert_eq!(link.errno("fs.open", json!({ "path": "f", "read": true })), "ENOENT");
    assert_eq!(link.errno("fs.open", json!({ "path": "f" })), "EINVAL");
    assert_eq!(link.errno("fs.open", json!({ "path": "f", "read": true, "create": true })), "EINVAL");
    let file = open(&mut link, json!({ "path": "f", "write": true, "createNew": true, "mode": 0o600 }));
    write(&mut link, file, b"one");
    assert_eq!(link.errno("fs.open", json!({ "path": "f", "write": true, "createNew": true })), "EEXIST");
    let end = open(&mut link, json!({ "path": "f", "append": true }));
    write(&mut link, end, b" two");
    assert_eq!(std::fs::read(guest.path("f")).unwrap(), b"one two");
    open(&mut link, json!({ "path": "f", "write": true, "truncate": true }));
    assert_eq!(std::fs::read(guest.path("f")).unwrap(), b"");
    let directory = open(&mut link, json!({ "path": ".", "read": true }));
    assert_eq!(link.errno("file.read", json!({ "handle": directory, "length": 1 })), "EISDIR");
}

#[test]
fn the_other_operations_do_what_they_say() {
    let (guest, mut link) = Guest::start();
    let file = open(&mut link, json!({ "path": "f", "write": true, "create": true }));
    seek(&mut link, file, 1 << 40, 0).unwrap();
    write(&mut link, file, b"!");
    let stat = link.call("file.stat", json!({ "handle": file })).unwrap();
    assert_eq!((stat["size"].as_u64(), stat["kind"].as_str()), (Some((1 << 40) + 1), Some("file")));
    assert!(stat["blocks"].as_u64().unwrap() < 1_000, "it is sparse");
    link.call("file.truncate", json!({ "handle": file, "length": 5 })).unwrap();
    link.call("file.utime", json!({ "handle": file, "atimeMs": 1000, "mtimeMs": 2500 })).unwrap();
    link.call("file.sync", json!({ "handle": file })).unwrap();
    link.call("file.sync", json!({ "handle": file, "dataOnly": true })).unwrap();
    let stat = link.call("fs.stat", json!({ "path": "f" })).unwrap();
    assert_eq!((stat["size"].as_u64(), stat["mtimeMs"].as_f64()), (Some(5), Some(2500.0)));
    assert_eq!(link.errno("file.read", json!({ "handle": file, "length": 1 })), "EBADF", "it is open for writing");
    assert_eq!(link.errno("file.what", json!({ "handle": file })), "ENOSYS");
    std::fs::remove_file(guest.path("f")).unwrap();
    link.call("file.stat", json!({ "handle": file })).unwrap();
}

#[test]
fn a_closed_handle_and_one_of_an_earlier_host_are_unknown() {
    let (guest, mut link) = Guest::start();
    let file = open(&mut link, json!({ "path": "f", "write": true, "create": true }));
    link.call("file.close", json!({ "handle": file })).unwrap();
    for method in ["file.close", "file.stat", "file.write", "file.lock"] {
        assert_eq!(link.errno(method, json!({ "handle": file, "exclusive": true })), "EBADF", "{method}");
    }
    let file = open(&mut link, json!({ "path": "f", "write": true }));
    drop(link);
    let mut link = guest.accept();
    assert_eq!(link.errno("file.stat", json!({ "handle": file })), "EBADF");
}

#[test]
fn there_is_a_limit_and_closing_makes_room() {
    let (_guest, mut link) = Guest::start();
    let handles: Vec<u64> = (0..1024).map(|_| open(&mut link, json!({ "path": ".", "read": true }))).collect();
    assert_eq!(link.errno("fs.open", json!({ "path": ".", "read": true })), "EMFILE");
    link.call("file.close", json!({ "handle": handles[7] })).unwrap();
    open(&mut link, json!({ "path": ".", "read": true }));
}

#[test]
fn a_lock_waits_for_the_other_and_no_longer() {
    let (_guest, mut link) = Guest::start();
    let one = open(&mut link, json!({ "path": "f", "write": true, "create": true }));
    let two = open(&mut link, json!({ "path": "f", "read": true }));
    let three = open(&mut link, json!({ "path": "f", "read": true }));
    link.call("file.lock", json!({ "handle": one, "exclusive": true })).unwrap();
    let waiting = link.request("file.lock", json!({ "handle": two, "exclusive": false }));
    let given_up = link.request("file.lock", json!({ "handle": three, "exclusive": true }));
    // Others go on meanwhile.
    link.call("file.stat", json!({ "handle": two })).unwrap();
    link.cancel(given_up);
    assert_eq!(link.response(given_up).unwrap_err()["errno"], "ECANCELED");
    link.call("file.unlock", json!({ "handle": one })).unwrap();
    link.response(waiting).unwrap();
    // The one that was given up has not kept what it got.
    link.call("file.unlock", json!({ "handle": two })).unwrap();
    link.call("file.lock", json!({ "handle": one, "exclusive": true })).unwrap();
}

#[test]
fn closing_and_the_loss_of_the_host_release_locks() {
    let (guest, mut link) = Guest::start();
    let one = open(&mut link, json!({ "path": "f", "write": true, "create": true }));
    let two = open(&mut link, json!({ "path": "f", "write": true }));
    link.call("file.lock", json!({ "handle": one, "exclusive": true })).unwrap();
    let waiting = link.request("file.lock", json!({ "handle": two, "exclusive": true }));
    link.call("file.close", json!({ "handle": one })).unwrap();
    link.response(waiting).unwrap();
    drop(link);
    let mut link = guest.accept();
    let three = open(&mut link, json!({ "path": "f", "write": true }));
    link.call("file.lock", json!({ "handle": three, "exclusive": true })).unwrap();
}

#[test]
fn only_so_many_locks_are_waited_for() {
    let (_guest, mut link) = Guest::start();
    let one = open(&mut link, json!({ "path": "f", "write": true, "create": true }));
    link.call("file.lock", json!({ "handle": one, "exclusive": true })).unwrap();
    let channels: Vec<u32> = (0..65)
        .map(|_| {
            let other = open(&mut link, json!({ "path": "f", "write": true }));
            link.request("file.lock", json!({ "handle": other, "exclusive": false }))
        })
        .collect();
    // Which one came too late is for the threads to settle.
    let refused = link.read_until(|frame| matches!(frame, common::Frame::Response(..)));
    let common::Frame::Response(_, value) = refused else { unreachable!() };
    assert_eq!(value["error"]["errno"], "ENOLCK");
    assert_eq!(channels.len(), 65);
}
