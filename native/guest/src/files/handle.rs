//! Open files that the host works with by number.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Seek, SeekFrom};
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::sync::Arc;

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{json, Value};

use crate::error::{Answer, Doing, GuestError};
use crate::paths::{self, Given};
use crate::sys::check;

use super::{parse, stat, time_spec};

/// Handles that may be open at once.
const HANDLES_MAX: usize = 1024;
/// What one `file.read` gives at most: what the host's first credit covers.
pub const READ_BYTES_MAX: usize = 262_144;
/// Opening must not wait for the other end of a FIFO, nor make a terminal ours.
const OPEN_FLAGS: i32 = libc::O_NONBLOCK | libc::O_NOCTTY;

/// An open file, and its path as it was given, for messages.
pub struct Handle {
    pub file: Arc<File>,
    pub given: String,
}

/// The open files of the present host.
#[derive(Default)]
pub struct Handles {
    open: HashMap<u32, Arc<Handle>>,
    last: u32,
}

impl Handles {
    /// Whether there is room for one more.
    pub fn has_room(&self) -> bool {
        self.open.len() < HANDLES_MAX
    }

    pub fn add(&mut self, handle: Handle) -> u32 {
        // Numbers come round after 2^32 files; one that is still open is passed over.
        loop {
            self.last = self.last.wrapping_add(1);
            if !self.open.contains_key(&self.last) {
                break;
            }
        }
        self.open.insert(self.last, Arc::new(handle));
        self.last
    }

    pub fn get(&self, number: u32) -> Answer<Arc<Handle>> {
        let unknown = || GuestError::system(libc::EBADF, format!("use the file handle {number}"));
        self.open.get(&number).cloned().ok_or_else(unknown)
    }

    pub fn take(&mut self, number: u32) -> Option<Arc<Handle>> {
        self.open.remove(&number)
    }

    /// All that were open, to be closed where that may sleep.
    pub fn take_all(&mut self) -> Vec<Arc<Handle>> {
        self.open.drain().map(|(_, handle)| handle).collect()
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Open {
    path: Given,
    #[serde(default)]
    read: bool,
    #[serde(default)]
    write: bool,
    #[serde(default)]
    append: bool,
    #[serde(default)]
    truncate: bool,
    #[serde(default)]
    create: bool,
    #[serde(default)]
    create_new: bool,
    mode: Option<u32>,
}

/// Which handle a call is about.
#[derive(Deserialize)]
pub struct OnHandle {
    pub handle: u32,
}

#[derive(Deserialize)]
pub struct Read {
    pub length: usize,
}

#[derive(Deserialize)]
struct SeekTo {
    offset: i64,
    whence: u8,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Sync {
    #[serde(default)]
    data_only: bool,
}

#[derive(Deserialize)]
struct Truncate {
    #[serde(default)]
    length: u64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SetTimes {
    atime_ms: f64,
    mtime_ms: f64,
}

#[derive(Deserialize)]
pub struct Lock {
    pub exclusive: bool,
}

/// Opens a file as `fs.open` says.
pub fn open(home: &str, params: &RawValue) -> Answer<Handle> {
    let params: Open = parse(params)?;
    let given = params.path.0;
    let mut options = OpenOptions::new();
    options
        .read(params.read)
        .write(params.write)
        .append(params.append)
        .truncate(params.truncate)
        .create(params.create)
        .create_new(params.create_new)
        .mode(params.mode.unwrap_or(0o666) & 0o7777)
        .custom_flags(OPEN_FLAGS);
    let opened = options.open(paths::resolve(home, &given)).map_err(|error| match error.raw_os_error() {
        // Options that contradict each other never reach the kernel.
        None => io::Error::from_raw_os_error(libc::EINVAL),
        Some(_) => error,
    });
    let file = opened.doing(format!("open '{given}'"))?;
    Ok(Handle { file: Arc::new(file), given })
}

/// Does one operation that answers once. `name` is the method's without `file.`.
pub fn call(handle: &Handle, name: &str, params: &RawValue) -> Answer<Value> {
    let file = &*handle.file;
    let doing = format!("{name} '{}'", handle.given);
    let done = match name {
        "seek" => return seek(file, parse(params)?).doing(doing).map(|position| json!(position)),
        "stat" => {
            let found = stat::of_file(file).doing(doing)?;
            return serde_json::to_value(found).map_err(GuestError::invalid);
        }
        "sync" => {
            let Sync { data_only } = parse(params)?;
            if data_only {
                file.sync_data()
            } else {
                file.sync_all()
            }
        }
        "truncate" => {
            let Truncate { length } = parse(params)?;
            file.set_len(length)
        }
        "utime" => set_times(file, &parse(params)?),
        "unlock" => lock(file, libc::LOCK_UN),
        _ => return Err(GuestError::system(libc::ENOSYS, format!("call 'file.{name}'"))),
    };
    done.doing(doing).map(|()| json!({}))
}

/// Reads once, at most `most` bytes; none means that there are no more.
pub fn read(handle: &Handle, most: usize) -> Answer<Vec<u8>> {
    let mut content = Vec::new();
    let most = most.clamp(1, READ_BYTES_MAX);
    loop {
        match crate::sys::read_append(handle.file.as_raw_fd(), &mut content, most) {
            Ok(_) => return Ok(content),
            Err(error) if crate::sys::would_block(&error) => {
                super::transfer::wait_for(&handle.file, libc::POLLIN);
            }
            Err(error) => return Err(GuestError::from_io(&error, format!("read '{}'", handle.given))),
        }
    }
}

/// `LOCK_SH`, `LOCK_EX` or `LOCK_UN`, with or without `LOCK_NB`.
pub fn lock(file: &File, operation: i32) -> io::Result<()> {
    loop {
        // SAFETY: no pointers.
        match check(unsafe { libc::flock(file.as_raw_fd(), operation) }) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result.map(|_| ()),
        }
    }
}

fn seek(mut file: &File, SeekTo { offset, whence }: SeekTo) -> io::Result<u64> {
    let invalid = || io::Error::from_raw_os_error(libc::EINVAL);
    file.seek(match whence {
        0 => SeekFrom::Start(u64::try_from(offset).map_err(|_| invalid())?),
        1 => SeekFrom::Current(offset),
        2 => SeekFrom::End(offset),
        _ => return Err(invalid()),
    })
}

fn set_times(file: &File, times: &SetTimes) -> io::Result<()> {
    let times = [time_spec(times.atime_ms)?, time_spec(times.mtime_ms)?];
    // SAFETY: there are two times.
    check(unsafe { libc::futimens(file.as_raw_fd(), times.as_ptr()) }).map(|_| ())
}
