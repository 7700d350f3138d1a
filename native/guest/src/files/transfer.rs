//! Files and directories whose content crosses the port in steps. Each step runs on a worker thread; between steps the
//! main thread owns the open file, so a slow reader holds no thread.

use std::fs::{self, File, OpenOptions, Permissions, ReadDir};
use std::io::{self, Write as _};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt, PermissionsExt};
use std::sync::Arc;

use serde::Deserialize;

use crate::error::{Answer, Doing, GuestError};
use crate::paths::{self, Given};
use crate::sys;

#[derive(Deserialize)]
pub struct ReadParams {
    path: Given,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WriteParams {
    path: Given,
    create: Option<bool>,
    #[serde(default)]
    create_new: bool,
    #[serde(default)]
    append: bool,
    mode: Option<u32>,
}

/// Opening must not wait for the other end of a FIFO, nor make a terminal ours.
const OPEN_FLAGS: i32 = libc::O_NONBLOCK | libc::O_NOCTTY;
/// How long a step waits for a FIFO or a device before it lets others have the thread.
const PATIENCE_MS: i32 = 200;

/// Something whose content is being read.
pub enum Source {
    File { file: File, given: String },
    Directory { entries: ReadDir, given: String, line: Vec<u8> },
}

/// What a step of reading brought: `content` ends where the caller's limit or the content itself does.
pub struct Portion {
    pub content: Vec<u8>,
    /// The source to go on with, or how it ended.
    pub rest: Result<Source, Ending>,
}

pub type Ending = Answer<()>;

/// Opens a file for `fs.read`.
pub fn open_file(home: &str, params: ReadParams) -> Answer<Source> {
    let given = params.path.0;
    let mut options = OpenOptions::new();
    options.read(true).custom_flags(OPEN_FLAGS);
    let open = || {
        let file = options.open(paths::resolve(home, &given))?;
        match file.metadata()?.is_dir() {
            true => Err(io::Error::from_raw_os_error(libc::EISDIR)),
            false => Ok(file),
        }
    };
    let file = open().doing(format!("open '{given}'"))?;
    Ok(Source::File { file, given })
}

/// Opens a directory for `fs.readDir`.
pub fn open_directory(home: &str, params: ReadParams) -> Answer<Source> {
    let given = params.path.0;
    let entries = fs::read_dir(paths::resolve(home, &given)).doing(format!("readdir '{given}'"))?;
    Ok(Source::Directory { entries, given, line: Vec::new() })
}

impl Source {
    /// Reads at most `most` bytes into `content`, which comes empty.
    pub fn read(self, mut content: Vec<u8>, most: usize) -> Portion {
        let rest = match self {
            Source::File { file, given } => read_file(file, given, &mut content, most),
            Source::Directory { entries, given, line } => list_directory(entries, given, line, &mut content, most),
        };
        Portion { content, rest }
    }
}

fn read_file(file: File, given: String, content: &mut Vec<u8>, most: usize) -> Result<Source, Ending> {
    match sys::read_append(file.as_raw_fd(), content, most) {
        Ok(0) => Err(Ok(())),
        Ok(_) => Ok(Source::File { file, given }),
        Err(error) if sys::would_block(&error) => {
            wait_for(&file, libc::POLLIN);
            Ok(Source::File { file, given })
        }
        Err(error) => Err(Err(GuestError::from_io(&error, format!("read '{given}'")))),
    }
}

fn list_directory(
    mut entries: ReadDir,
    given: String,
    mut line: Vec<u8>,
    content: &mut Vec<u8>,
    most: usize,
) -> Result<Source, Ending> {
    loop {
        // A line may go in two parts.
        let fits = line.len().min(most - content.len());
        content.extend(line.drain(..fits));
        if !line.is_empty() {
            return Ok(Source::Directory { entries, given, line });
        }
        match entries.next() {
            None => return Err(Ok(())),
            Some(Err(error)) => {
                return Err(Err(GuestError::from_io(&error, format!("readdir '{given}'"))));
            }
            Some(Ok(entry)) => {
                let name = entry.file_name();
                let kind = entry.file_type().map_or("file", kind_of);
                let name = serde_json::Value::from(name.to_string_lossy());
                // Writing to memory cannot fail.
                let _ = writeln!(line, "{{\"name\":{name},\"kind\":\"{kind}\"}}");
            }
        }
    }
}

fn kind_of(kind: fs::FileType) -> &'static str {
    match kind {
        _ if kind.is_dir() => "directory",
        _ if kind.is_symlink() => "symlink",
        _ if kind.is_block_device() => "block",
        _ if kind.is_char_device() => "char",
        _ if kind.is_fifo() => "fifo",
        _ if kind.is_socket() => "socket",
        _ => "file",
    }
}

/// A file that is being written.
pub struct Target {
    pub file: Arc<File>,
    pub given: String,
}

/// Opens a file for `fs.write`. A `mode` that is given holds exactly, and for a file that exists already as well.
pub fn open_target(home: &str, params: WriteParams) -> Answer<Target> {
    let given = params.path.0;
    let mut options = OpenOptions::new();
    options
        .append(params.append)
        .write(!params.append)
        .truncate(!params.append && !params.create_new)
        .create(params.create.unwrap_or(true))
        .create_new(params.create_new)
        .mode(params.mode.unwrap_or(0o666) & 0o7777)
        .custom_flags(OPEN_FLAGS);
    let open = || {
        let file = options.open(paths::resolve(home, &given))?;
        if let Some(mode) = params.mode {
            file.set_permissions(Permissions::from_mode(mode & 0o7777))?;
        }
        Ok(file)
    };
    let file = open().doing(format!("open '{given}'"))?;
    Ok(Target { file: Arc::new(file), given })
}

impl Target {
    /// Writes all of `content`; a FIFO or device that stays full for long leaves some over. Returns how much was written.
    pub fn write(&self, content: &[u8]) -> Answer<usize> {
        let mut at = 0;
        while at < content.len() {
            match sys::write(self.file.as_raw_fd(), &content[at..]) {
                Ok(count) => at += count,
                Err(error) if sys::would_block(&error) => {
                    if !wait_for(&self.file, libc::POLLOUT) {
                        break;
                    }
                }
                Err(error) => {
                    let doing = format!("write '{}'", self.given);
                    return Err(GuestError::from_io(&error, doing));
                }
            }
        }
        Ok(at)
    }
}

/// Whether the file became ready within [`PATIENCE_MS`].
pub fn wait_for(file: &File, events: i16) -> bool {
    let mut poll = libc::pollfd { fd: file.as_raw_fd(), events, revents: 0 };
    // SAFETY: one structure that lives through the call.
    unsafe { libc::poll(&mut poll, 1, PATIENCE_MS) > 0 }
}
