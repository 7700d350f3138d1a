//! Temporary files and directories.

use std::fs::{DirBuilder, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};

use serde::Deserialize;

use crate::error::{Answer, Doing, GuestError};
use crate::paths::{self, Given};
use crate::sys;

#[derive(Deserialize)]
pub struct MakeTemp {
    dir: Option<Given>,
    prefix: Option<Given>,
    suffix: Option<Given>,
    directory: bool,
}

/// Names that are tried before giving up; 50 bits of chance make a second one rare.
const TRIES: usize = 16;

/// Makes a file or a directory under a name that was free, and returns its path.
pub fn make(home: &str, params: MakeTemp) -> Answer<String> {
    let text = |given: &Option<Given>| given.as_ref().map_or("", |given| given.0.as_str()).to_string();
    let (prefix, suffix) = (text(&params.prefix), text(&params.suffix));
    let given = params.dir.as_ref().map_or("/tmp", |dir| dir.0.as_str());
    let doing = format!("mktemp '{given}/{prefix}…{suffix}'");
    if prefix.contains('/') || suffix.contains('/') {
        return Err(GuestError::system(libc::EINVAL, doing));
    }
    let directory = paths::resolve(home, given);
    let directory = directory.trim_end_matches('/');
    for _ in 0..TRIES {
        let name = random_name().doing(&doing)?;
        let path = format!("{directory}/{prefix}{name}{suffix}");
        match create(&path, params.directory) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            result => return result.map(|()| path).doing(&doing),
        }
    }
    Err(GuestError::system(libc::EEXIST, doing))
}

fn create(path: &str, is_directory: bool) -> io::Result<()> {
    if is_directory {
        return DirBuilder::new().mode(0o700).create(path);
    }
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(0o600);
    options.open(path).map(drop)
}

fn random_name() -> io::Result<String> {
    const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
    let mut bytes = [0; 10];
    sys::random(&mut bytes)?;
    Ok(bytes.iter().map(|byte| char::from(ALPHABET[usize::from(byte % 32)])).collect())
}
