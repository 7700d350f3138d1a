//! The `fs.*` methods that answer once. They run on worker threads with the user's file-system identity.

mod copy;
pub mod handle;
mod remove;
mod stat;
mod temp;
pub mod transfer;

use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};

use serde::de::DeserializeOwned;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{json, Value};

use crate::error::{Answer, Doing, GuestError};
use crate::paths::{self, Given};
use crate::sys::{c_string, check};

/// Parses a method's parameters; a failure says which is wrong.
pub fn parse<T: DeserializeOwned>(params: &RawValue) -> Answer<T> {
    serde_json::from_str(params.get()).map_err(|error| GuestError::invalid(format!("invalid params: {error}")))
}

#[derive(Deserialize)]
struct OnPath {
    path: Given,
}

#[derive(Deserialize)]
struct FromTo {
    from: Given,
    to: Given,
}

#[derive(Deserialize)]
struct MakeDir {
    path: Given,
    #[serde(default)]
    recursive: bool,
    mode: Option<u32>,
}

#[derive(Deserialize)]
struct Remove {
    path: Given,
    #[serde(default)]
    recursive: bool,
}

#[derive(Deserialize)]
struct ChangeMode {
    path: Given,
    mode: u32,
}

#[derive(Deserialize)]
struct ChangeOwner {
    path: Given,
    uid: Option<u32>,
    gid: Option<u32>,
}

#[derive(Deserialize)]
struct SymbolicLink {
    target: Given,
    path: Given,
}

#[derive(Deserialize)]
struct Truncate {
    path: Given,
    #[serde(default)]
    length: u64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SetTimes {
    path: Given,
    atime_ms: f64,
    mtime_ms: f64,
}

/// Whether [`call`] knows this method (its name without `fs.`).
pub fn is_method(name: &str) -> bool {
    matches!(
        name,
        "stat"
            | "lstat"
            | "mkdir"
            | "remove"
            | "rename"
            | "copy"
            | "chmod"
            | "chown"
            | "link"
            | "symlink"
            | "readLink"
            | "realPath"
            | "makeTemp"
            | "truncate"
            | "utime"
    )
}

/// Does one file operation. `name` is the method's without `fs.`.
pub fn call(home: &str, name: &str, params: &RawValue) -> Answer<Value> {
    let at = |path: &Given| paths::resolve(home, &path.0);
    let nothing = |()| json!({});
    match name {
        "stat" | "lstat" => {
            let OnPath { path } = parse(params)?;
            let found = stat::stat(&at(&path), name == "stat").doing(format!("{name} '{path}'"))?;
            serde_json::to_value(found).map_err(GuestError::invalid)
        }
        "mkdir" => {
            let MakeDir { path, recursive, mode } = parse(params)?;
            let made = make_directory(&at(&path), recursive, mode.unwrap_or(0o777));
            made.doing(format!("mkdir '{path}'")).map(nothing)
        }
        "remove" => {
            let Remove { path, recursive } = parse(params)?;
            let removed = remove::remove(&at(&path), recursive);
            removed.doing(format!("remove '{path}'")).map(nothing)
        }
        "rename" => {
            let FromTo { from, to } = parse(params)?;
            let renamed = fs::rename(at(&from), at(&to));
            renamed.doing(format!("rename '{from}' -> '{to}'")).map(nothing)
        }
        "copy" => {
            let FromTo { from, to } = parse(params)?;
            let copied = copy::copy(&at(&from), &at(&to));
            copied.doing(format!("copy '{from}' -> '{to}'")).map(nothing)
        }
        "chmod" => {
            let ChangeMode { path, mode } = parse(params)?;
            let changed = fs::set_permissions(at(&path), fs::Permissions::from_mode(mode & 0o7777));
            changed.doing(format!("chmod '{path}'")).map(nothing)
        }
        "chown" => {
            let ChangeOwner { path, uid, gid } = parse(params)?;
            let changed = std::os::unix::fs::chown(at(&path), uid, gid);
            changed.doing(format!("chown '{path}'")).map(nothing)
        }
        "link" => {
            let FromTo { from, to } = parse(params)?;
            let linked = fs::hard_link(at(&from), at(&to));
            linked.doing(format!("link '{from}' -> '{to}'")).map(nothing)
        }
        "symlink" => {
            let SymbolicLink { target, path } = parse(params)?;
            let linked = std::os::unix::fs::symlink(&target.0, at(&path));
            linked.doing(format!("symlink '{target}' -> '{path}'")).map(nothing)
        }
        "readLink" => {
            let OnPath { path } = parse(params)?;
            let target = fs::read_link(at(&path)).doing(format!("readlink '{path}'"))?;
            Ok(json!(target.to_string_lossy()))
        }
        "realPath" => {
            let OnPath { path } = parse(params)?;
            let real = fs::canonicalize(at(&path)).doing(format!("realpath '{path}'"))?;
            Ok(json!(real.to_string_lossy()))
        }
        "makeTemp" => temp::make(home, parse(params)?).map(Value::String),
        "truncate" => {
            let Truncate { path, length } = parse(params)?;
            let cut = truncate(&at(&path), length);
            cut.doing(format!("truncate '{path}'")).map(nothing)
        }
        "utime" => {
            let SetTimes { path, atime_ms, mtime_ms } = parse(params)?;
            let set = set_times(&at(&path), atime_ms, mtime_ms);
            set.doing(format!("utime '{path}'")).map(nothing)
        }
        _ => Err(GuestError::system(libc::ENOSYS, format!("call 'fs.{name}'"))),
    }
}

fn make_directory(path: &str, recursive: bool, mode: u32) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.mode(mode & 0o7777);
    if !recursive {
        return builder.create(path);
    }
    // From the left, not by recursion from the right: a path has room for thousands of directories.
    let ends = path.match_indices('/').map(|(at, _)| at);
    for end in ends.chain([path.len()]).filter(|end| *end > 0) {
        let ancestor = &path[..end];
        match builder.create(ancestor) {
            Err(error) if error.raw_os_error() == Some(libc::EEXIST) => {
                if end == path.len() && !fs::metadata(ancestor)?.is_dir() {
                    return Err(error);
                }
            }
            // On the way a read-only or foreign directory is only in the way when it does not exist.
            Err(_) if end < path.len() && fs::metadata(ancestor).is_ok() => {}
            result => result?,
        }
    }
    if path.is_empty() {
        return Err(io::Error::from_raw_os_error(libc::ENOENT));
    }
    Ok(())
}

fn truncate(path: &str, length: u64) -> io::Result<()> {
    OpenOptions::new().write(true).custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY).open(path)?.set_len(length)
}

fn set_times(path: &str, atime_ms: f64, mtime_ms: f64) -> io::Result<()> {
    let path = c_string(path)?;
    let times = [time_spec(atime_ms)?, time_spec(mtime_ms)?];
    // SAFETY: the path is a C string and there are two times.
    check(unsafe { libc::utimensat(libc::AT_FDCWD, path.as_ptr(), times.as_ptr(), 0) })?;
    Ok(())
}

fn time_spec(ms: f64) -> io::Result<libc::timespec> {
    // Beyond this no file system has times, and below it the arithmetic is exact.
    const MS_MAX: f64 = 1e15;
    if !(-MS_MAX..=MS_MAX).contains(&ms) {
        return Err(io::Error::from_raw_os_error(libc::EINVAL));
    }
    let seconds = (ms / 1000.0).floor();
    let nanoseconds = ((ms - seconds * 1000.0) * 1e6).round().min(999_999_999.0);
    Ok(libc::timespec { tv_sec: seconds as i64, tv_nsec: nanoseconds as i64 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_before_1970_count_their_nanoseconds_forward() {
        let time = time_spec(-0.5).unwrap();
        assert_eq!((time.tv_sec, time.tv_nsec), (-1, 999_500_000));
        let time = time_spec(1_700_000_000_123.25).unwrap();
        assert_eq!((time.tv_sec, time.tv_nsec), (1_700_000_000, 123_250_000));
        assert!(time_spec(f64::NAN).is_err());
    }
}
