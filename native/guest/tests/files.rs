//! Files through the protocol.

mod common;

use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};

use common::{Frame, Guest, WINDOW};
use serde_json::{json, Value};

/// Bytes that repeat nowhere soon.
fn noise(count: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15u64;
    let mut step = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as u8
    };
    (0..count).map(|_| step()).collect()
}

#[test]
fn what_is_written_is_read_back() {
    let (_guest, mut link) = Guest::start();
    for size in [0, 1, 65_536, 65_537, 5_000_000] {
        let content = noise(size);
        let event = link.write_file(json!({ "path": "file" }), &content).unwrap();
        assert_eq!(event, json!({ "done": { "bytes": size } }));
        assert!(link.read_file("file") == content, "{size} bytes");
    }
}

#[test]
fn writing_follows_its_options() {
    let (guest, mut link) = Guest::start();
    link.write_file(json!({ "path": "a" }), b"one").unwrap();
    link.write_file(json!({ "path": "a", "append": true }), b" two").unwrap();
    assert_eq!(link.read_file("a"), b"one two");
    link.write_file(json!({ "path": "a" }), b"3").unwrap();
    assert_eq!(link.read_file("a"), b"3");
    let error = link.write_file(json!({ "path": "a", "createNew": true }), b"x").unwrap_err();
    assert_eq!(error["errno"], "EEXIST");
    let error = link.write_file(json!({ "path": "b", "create": false }), b"x").unwrap_err();
    assert_eq!(
        (error["errno"].as_str(), error["message"].as_str()),
        (Some("ENOENT"), Some("No such file or directory (os error 2): open 'b'"))
    );
    link.write_file(json!({ "path": "c", "createNew": true, "mode": 0o640 }), b"x").unwrap();
    assert_eq!(std::fs::metadata(guest.path("c")).unwrap().mode() & 0o7777, 0o640);
    link.write_file(json!({ "path": "c", "mode": 0o755 }), b"x").unwrap();
    assert_eq!(std::fs::metadata(guest.path("c")).unwrap().mode() & 0o7777, 0o755);
    assert_eq!(link.write_file(json!({ "path": "." }), b"x").unwrap_err()["errno"], "EISDIR");
    assert_eq!(link.write_file(json!({ "path": "a\u{0}" }), b"x").unwrap_err()["errno"], Value::Null);
}

#[test]
fn a_write_that_fails_is_an_event() {
    let (_guest, mut link) = Guest::start();
    let channel = link.request("fs.write", json!({ "path": "/dev/full" }));
    link.response(channel).unwrap();
    link.data(channel, b"x");
    let Frame::Event(_, event) = link.next(channel) else { panic!() };
    assert_eq!(event["error"]["errno"], "ENOSPC");
    assert_eq!(event["error"]["message"], "No space left on device (os error 28): write '/dev/full'");
    assert_eq!(link.next(channel), Frame::Close(channel));
}

#[test]
fn reading_says_what_is_wrong_before_anything_else() {
    let (_guest, mut link) = Guest::start();
    assert_eq!(link.errno("fs.read", json!({ "path": "nope" })), "ENOENT");
    assert_eq!(link.errno("fs.read", json!({ "path": "/" })), "EISDIR");
    assert_eq!(link.errno("fs.read", json!({ "path": "" })), "ENOENT");
    assert_eq!(link.errno("fs.read", json!({})), "null");
    assert_eq!(link.errno("fs.readDir", json!({ "path": "nope" })), "ENOENT");
    assert_eq!(link.errno("fs.readDir", json!({ "path": "/dev/null" })), "ENOTDIR");
    assert_eq!(link.errno("fs.nonsense", json!({})), "ENOSYS");
    assert_eq!(link.errno("nonsense", json!({})), "ENOSYS");
    assert_eq!(link.errno("editor.mount", json!({})), "ENODEV", "elsewhere than in a machine");
}

#[test]
fn files_of_the_kernel_that_have_no_size_are_read_to_their_end() {
    let (_guest, mut link) = Guest::start();
    assert!(link.read_file("/proc/self/status").starts_with(b"Name:\tskerry-guest"));
}

#[test]
fn an_endless_file_stops_at_its_credit_and_at_cancel() {
    let (guest, mut link) = Guest::start();
    let channel = link.request("fs.read", json!({ "path": "/dev/zero" }));
    link.response(channel).unwrap();
    let mut received = 0;
    while received < WINDOW {
        let Frame::Data(_, 1, bytes) = link.next(channel) else { panic!() };
        received += bytes.len();
    }
    assert_eq!(received, WINDOW);
    for _ in 0..20 {
        link.call("ping", json!({})).unwrap();
    }
    link.cancel(channel);
    assert_eq!(link.next(channel), Frame::Close(channel));
    assert!(guest.resident_kib() < 20_000);
}

#[test]
fn many_slow_readers_share_a_bounded_memory_and_all_finish() {
    let (guest, mut link) = Guest::start();
    let content = noise(600_000);
    std::fs::write(guest.path("file"), &content).unwrap();
    let channels: Vec<u32> = (0..200).map(|_| link.request("fs.read", json!({ "path": "file" }))).collect();
    for channel in channels {
        link.response(channel).unwrap();
        let finished = link.finish(channel);
        assert!(finished.streams[1] == content);
        assert_eq!(finished.ended, [1]);
    }
    assert!(guest.resident_kib() < 40_000, "{} KiB", guest.resident_kib());
}

#[test]
fn directories_are_listed_as_lines_of_json() {
    let (guest, mut link) = Guest::start();
    std::fs::write(guest.path("a \"file\"\n"), "").unwrap();
    std::fs::create_dir(guest.path("directory")).unwrap();
    std::os::unix::fs::symlink("nowhere", guest.path("link")).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(guest.path("socket")).unwrap();
    for number in 0..3000 {
        std::fs::write(guest.path(&format!("entry-with-a-rather-long-name-{number}")), "").unwrap();
    }
    let channel = link.request("fs.readDir", json!({ "path": "." }));
    link.response(channel).unwrap();
    let finished = link.finish(channel);
    assert_eq!(finished.ended, [1]);
    let text = finished.stdout();
    let entries: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(entries.len(), 3004);
    for (name, kind) in
        [("a \"file\"\n", "file"), ("directory", "directory"), ("link", "symlink"), ("socket", "socket")]
    {
        assert!(entries.contains(&json!({ "name": name, "kind": kind })), "{name}");
    }
}

#[test]
fn names_that_are_no_utf8_are_shown_with_replacement_characters() {
    use std::os::unix::ffi::OsStrExt;
    let (guest, mut link) = Guest::start();
    let name = std::ffi::OsStr::from_bytes(b"a\xffb");
    std::fs::write(std::path::Path::new(&guest.path("")).join(name), "").unwrap();
    let channel = link.request("fs.readDir", json!({ "path": "." }));
    link.response(channel).unwrap();
    assert_eq!(link.finish(channel).stdout(), "{\"name\":\"a\u{fffd}b\",\"kind\":\"file\"}\n");
}

#[test]
fn stat_and_lstat_tell_what_a_file_is() {
    let (guest, mut link) = Guest::start();
    std::fs::write(guest.path("file"), "12345").unwrap();
    std::fs::set_permissions(guest.path("file"), std::fs::Permissions::from_mode(0o640)).unwrap();
    std::os::unix::fs::symlink("file", guest.path("link")).unwrap();
    let real = std::fs::metadata(guest.path("file")).unwrap();
    let found = link.call("fs.stat", json!({ "path": "link" })).unwrap();
    assert_eq!((found["kind"].as_str(), found["size"].as_u64()), (Some("file"), Some(5)));
    assert_eq!(found["mode"], 0o100640);
    assert_eq!(found["ino"], real.ino());
    assert_eq!(found["dev"], real.dev());
    assert_eq!((found["uid"].as_u64(), found["nlink"].as_u64()), (Some(real.uid().into()), Some(1)));
    let ms = real.mtime() as f64 * 1000.0 + real.mtime_nsec() as f64 / 1e6;
    assert!((found["mtimeMs"].as_f64().unwrap() - ms).abs() < 1.0);
    assert_eq!(link.call("fs.lstat", json!({ "path": "link" })).unwrap()["kind"], "symlink");
    for (path, kind) in [("/", "directory"), ("/dev/null", "char")] {
        assert_eq!(link.call("fs.stat", json!({ "path": path })).unwrap()["kind"], kind);
    }
    assert_eq!(
        link.call("fs.stat", json!({ "path": "nope" })).unwrap_err(),
        json!({ "errno": "ENOENT", "message": "No such file or directory (os error 2): stat 'nope'" })
    );
}

#[test]
fn directories_are_made_alone_or_with_their_ancestors() {
    let (guest, mut link) = Guest::start();
    assert_eq!(link.call("fs.mkdir", json!({ "path": "a" })), Ok(json!({})));
    assert_eq!(link.errno("fs.mkdir", json!({ "path": "a" })), "EEXIST");
    assert_eq!(link.errno("fs.mkdir", json!({ "path": "x/y" })), "ENOENT");
    assert_eq!(link.call("fs.mkdir", json!({ "path": "x/y//z/", "recursive": true, "mode": 0o700 })), Ok(json!({})));
    assert_eq!(link.call("fs.mkdir", json!({ "path": "x/y/z", "recursive": true })), Ok(json!({})));
    assert_eq!(std::fs::metadata(guest.path("x/y/z")).unwrap().mode() & 0o777, 0o700);
    std::fs::write(guest.path("file"), "").unwrap();
    assert_eq!(link.errno("fs.mkdir", json!({ "path": "file", "recursive": true })), "EEXIST");
    assert_eq!(link.errno("fs.mkdir", json!({ "path": "file/below", "recursive": true })), "ENOTDIR");
    assert_eq!(link.errno("fs.mkdir", json!({ "path": "", "recursive": true })), "ENOENT");
    let deep = vec!["d"; 1900].join("/");
    assert_eq!(link.call("fs.mkdir", json!({ "path": deep, "recursive": true })), Ok(json!({})));
}

#[test]
fn removing_needs_recursive_for_what_is_full_and_never_follows_a_link() {
    let (guest, mut link) = Guest::start();
    std::fs::create_dir_all(guest.path("full/below")).unwrap();
    std::fs::create_dir_all(guest.path("elsewhere")).unwrap();
    std::fs::write(guest.path("elsewhere/kept"), "").unwrap();
    std::os::unix::fs::symlink(guest.path("elsewhere"), guest.path("full/link")).unwrap();
    std::os::unix::fs::symlink(guest.path("elsewhere"), guest.path("link")).unwrap();
    std::fs::create_dir(guest.path("empty")).unwrap();
    std::fs::write(guest.path("file"), "").unwrap();
    assert_eq!(link.call("fs.remove", json!({ "path": "file" })), Ok(json!({})));
    assert_eq!(link.call("fs.remove", json!({ "path": "empty" })), Ok(json!({})));
    assert_eq!(link.errno("fs.remove", json!({ "path": "full" })), "ENOTEMPTY");
    assert_eq!(link.call("fs.remove", json!({ "path": "full", "recursive": true })), Ok(json!({})));
    assert_eq!(link.call("fs.remove", json!({ "path": "link", "recursive": true })), Ok(json!({})));
    assert_eq!(link.errno("fs.remove", json!({ "path": "file", "recursive": true })), "ENOENT");
    assert!(std::fs::metadata(guest.path("elsewhere/kept")).is_ok());
    assert_eq!(std::fs::read_dir(guest.path("")).unwrap().count(), 1);
}

#[test]
fn a_tree_deeper_than_any_path_is_removed() {
    let (guest, mut link) = Guest::start();
    // Each step starts in the directory of the last, so the whole is far longer than a path may be.
    let script = "d=dddddddddddddddddddddddddddddddd; i=0; while [ $i -lt 400 ]; do mkdir $d && touch $d/file $d/.removing-1 && cd $d; i=$((i+1)); done";
    assert_eq!(link.shell(&format!("mkdir top; cd top; {script}")).exit(), common::exited(0));
    assert_eq!(link.call("fs.remove", json!({ "path": "top", "recursive": true })), Ok(json!({})));
    assert!(!std::path::Path::new(&guest.path("top")).exists());
}

#[test]
fn files_are_renamed_linked_copied_and_cut() {
    let (guest, mut link) = Guest::start();
    link.write_file(json!({ "path": "a", "mode": 0o600 }), b"content").unwrap();
    link.call("fs.rename", json!({ "from": "a", "to": "b" })).unwrap();
    link.call("fs.link", json!({ "from": "b", "to": "c" })).unwrap();
    assert_eq!(link.call("fs.stat", json!({ "path": "c" })).unwrap()["nlink"], 2);
    link.call("fs.symlink", json!({ "target": "b", "path": "d" })).unwrap();
    assert_eq!(link.call("fs.readLink", json!({ "path": "d" })), Ok(json!("b")));
    let real = std::fs::canonicalize(guest.path("b")).unwrap();
    assert_eq!(link.call("fs.realPath", json!({ "path": "d" })), Ok(json!(real.to_str().unwrap())));
    link.write_file(json!({ "path": "e", "mode": 0o666 }), b"something longer than that").unwrap();
    link.call("fs.copy", json!({ "from": "d", "to": "e" })).unwrap();
    assert_eq!(link.read_file("e"), b"content");
    assert_eq!(std::fs::metadata(guest.path("e")).unwrap().mode() & 0o777, 0o600);
    link.call("fs.copy", json!({ "from": "b", "to": "c" })).unwrap();
    assert_eq!(link.read_file("b"), b"content");
    assert_eq!(link.errno("fs.copy", json!({ "from": ".", "to": "f" })), "EISDIR");
    link.call("fs.truncate", json!({ "path": "e", "length": 3 })).unwrap();
    assert_eq!(link.read_file("e"), b"con");
    link.call("fs.truncate", json!({ "path": "e" })).unwrap();
    assert_eq!(link.read_file("e"), b"");
    assert_eq!(link.errno("fs.rename", json!({ "from": "nope", "to": "x" })), "ENOENT");
    assert_eq!(link.errno("fs.readLink", json!({ "path": "b" })), "EINVAL");
    let error = link.call("fs.link", json!({ "from": "nope", "to": "x" })).unwrap_err();
    assert_eq!(error["message"], "No such file or directory (os error 2): link 'nope' -> 'x'");
}

#[test]
fn modes_owners_times_and_the_mask_are_set() {
    let (guest, mut link) = Guest::start();
    link.write_file(json!({ "path": "a" }), b"").unwrap();
    link.call("fs.chmod", json!({ "path": "a", "mode": 0o4711 })).unwrap();
    assert_eq!(std::fs::metadata(guest.path("a")).unwrap().mode() & 0o7777, 0o4711);
    link.call("fs.chown", json!({ "path": "a", "uid": null, "gid": null })).unwrap();
    link.call("fs.utime", json!({ "path": "a", "atimeMs": 1_000_500, "mtimeMs": 1_700_000_000_123.0 })).unwrap();
    let found = link.call("fs.stat", json!({ "path": "a" })).unwrap();
    assert_eq!((found["atimeMs"].as_f64(), found["mtimeMs"].as_f64()), (Some(1_000_500.0), Some(1_700_000_000_123.0)));
    link.call("fs.umask", json!({ "mask": 0o027 })).unwrap();
    assert_eq!(link.call("fs.umask", json!({})), Ok(json!(0o027)));
    assert_eq!(link.call("fs.umask", json!({ "mask": 0o077 })), Ok(json!(0o027)));
    link.write_file(json!({ "path": "b" }), b"").unwrap();
    assert_eq!(std::fs::metadata(guest.path("b")).unwrap().mode() & 0o777, 0o600);
    assert_eq!(link.shell("umask").stdout().trim(), "0077");
}

#[test]
fn temporary_files_and_directories_are_private_and_new() {
    let (guest, mut link) = Guest::start();
    let file = link
        .call("fs.makeTemp", json!({ "dir": ".", "prefix": "pre-", "suffix": ".txt", "directory": false }))
        .unwrap();
    let path = file.as_str().unwrap();
    assert!(path.starts_with(&guest.path("pre-")) && path.ends_with(".txt"), "{path}");
    assert_eq!(std::fs::metadata(path).unwrap().mode() & 0o777, 0o600);
    let directory = link.call("fs.makeTemp", json!({ "directory": true })).unwrap();
    let path = directory.as_str().unwrap();
    assert!(path.starts_with("/tmp/"));
    assert_eq!(std::fs::metadata(path).unwrap().mode() & 0o777, 0o700);
    std::fs::remove_dir(path).unwrap();
    assert_eq!(link.errno("fs.makeTemp", json!({ "prefix": "a/b", "directory": true })), "EINVAL");
    assert_eq!(link.errno("fs.makeTemp", json!({ "dir": "nope", "directory": true })), "ENOENT");
}

#[test]
fn a_fifo_keeps_nobody_waiting() {
    let (guest, mut link) = Guest::start();
    assert_eq!(link.shell("mkfifo fifo").exit(), common::exited(0));
    assert!(std::fs::metadata(guest.path("fifo")).unwrap().file_type().is_fifo());
    assert_eq!(link.errno("fs.copy", json!({ "from": "fifo", "to": "x" })), "EINVAL");
    assert_eq!(link.write_file(json!({ "path": "fifo" }), b"").unwrap_err()["errno"], "ENXIO");
    // Both ends: what is read is what is written, however long it takes.
    let (writer, _) = link.spawn(
        json!({ "command": "sh", "args": ["-c", "exec 3<>fifo; echo ready; sleep 0.5; echo text >&3; read x"] }),
    );
    assert!(matches!(link.next(writer), Frame::Data(..)));
    let readers: Vec<u32> = (0..12).map(|_| link.request("fs.read", json!({ "path": "fifo" }))).collect();
    link.call("fs.stat", json!({ "path": "." })).unwrap();
    for reader in &readers {
        link.response(*reader).unwrap();
    }
    link.end(writer);
    link.finish(writer);
    let read: usize = readers.iter().map(|reader| link.finish(*reader).streams[1].len()).sum();
    assert_eq!(read, 5);
}
