//! Who processes and file operations are. These need root, and pass without a word where there is none.

mod common;

use std::os::unix::fs::MetadataExt;

use common::{is_root, Guest};
use serde_json::json;

/// A user that no ordinary machine knows.
const UID: u32 = 54_321;

#[test]
fn processes_and_files_are_the_users() {
    if !is_root() {
        return;
    }
    let (guest, mut link) = Guest::start_for(UID);
    let finished = link.shell("id -u; id -g; id -G; touch by-process; test -w /etc/passwd || echo cannot");
    assert_eq!(finished.stdout(), "54321\n54321\n54321\ncannot\n");
    link.write_file(json!({ "path": "by-file" }), b"x").unwrap();
    link.call("fs.mkdir", json!({ "path": "directory" })).unwrap();
    for name in ["by-process", "by-file", "directory"] {
        let found = std::fs::metadata(guest.path(name)).unwrap();
        assert_eq!((found.uid(), found.gid()), (UID, UID), "{name}");
    }
}

#[test]
fn what_the_user_may_not_do_is_refused_on_every_thread() {
    if !is_root() {
        return;
    }
    let (guest, mut link) = Guest::start_for(UID);
    std::fs::write(guest.path("secret"), "x").unwrap();
    link.call("fs.umask", json!({ "mask": 0o077 })).unwrap();
    std::fs::create_dir(guest.home.join("private")).unwrap();
    let private = guest.home.join("private");
    std::fs::set_permissions(&private, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
    let below = private.join("file").to_str().unwrap().to_string();
    std::fs::write(&below, "x").unwrap();
    // More at once than there are threads.
    let channels: Vec<u32> = (0..100).map(|_| link.request("fs.stat", json!({ "path": below }))).collect();
    for channel in channels {
        assert_eq!(link.response(channel).unwrap_err()["errno"], "EACCES");
    }
    assert_eq!(link.errno("fs.read", json!({ "path": below })), "EACCES");
    assert_eq!(link.errno("fs.chown", json!({ "path": "secret", "uid": UID })), "EPERM");
    assert_eq!(link.errno("fs.chmod", json!({ "path": "secret", "mode": 0o777 })), "EPERM");
    assert_eq!(link.errno("fs.mkdir", json!({ "path": "/made-by-nobody" })), "EACCES");
}

#[test]
fn root_is_root_when_asked_for() {
    if !is_root() {
        return;
    }
    let (_guest, mut link) = Guest::start_for(UID);
    let script = "id -u; id -G; echo $HOME $USER";
    let (channel, _) = link.spawn(json!({ "command": "sh", "args": ["-c", script], "user": "root" }));
    assert_eq!(link.finish(channel).stdout(), "0\n0\n/root root\n");
    let pty = json!({ "rows": 24, "cols": 80 });
    let (channel, _) = link.spawn(json!({ "command": "sh", "args": ["-c", "stat -c %u $(tty)"], "pty": pty }));
    assert_eq!(link.finish(channel).stdout().trim(), "54321");
}
