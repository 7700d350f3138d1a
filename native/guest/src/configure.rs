//! Making a machine that was restored from a template one of its own.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;

use base64::prelude::{Engine, BASE64_STANDARD};
use serde::Deserialize;

use crate::environment::{self, Variables};
use crate::error::{Answer, Doing, GuestError};
use crate::paths::Given;
use crate::sys::check;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ConfigureParams {
    hostname: Given,
    machine_id: String,
    wall_clock_ms: f64,
    entropy: String,
    #[serde(default)]
    env: Variables,
}

const ENTROPY_BYTES_MAX: usize = 256;
/// The year 9999: what no clock of ours will say.
const WALL_CLOCK_MS_MAX: f64 = 253_402_300_800_000.0;

/// Gives the machine its randomness, time and names, and returns the variables to set. Elsewhere than in a machine of
/// our own it only checks.
pub fn configure(params: ConfigureParams, is_machine: bool) -> Answer<Variables> {
    let entropy = decode_entropy(&params.entropy)?;
    check_params(&params)?;
    if is_machine {
        // Entropy comes first: nothing after it may draw numbers that another clone draws as well.
        add_entropy(&entropy).doing("add entropy")?;
        set_clock(params.wall_clock_ms).doing("set the clock")?;
        set_hostname(&params.hostname.0).doing("set the hostname")?;
        let (id, name) = (params.machine_id.to_ascii_lowercase(), &params.hostname);
        put_file("/etc/machine-id", &format!("{id}\n")).doing("write '/etc/machine-id'")?;
        put_file("/etc/hostname", &format!("{name}\n")).doing("write '/etc/hostname'")?;
    }
    Ok(params.env)
}

fn decode_entropy(text: &str) -> Answer<Vec<u8>> {
    let bytes = BASE64_STANDARD.decode(text).map_err(|error| GuestError::invalid(format!("entropy: {error}")))?;
    if !(32..=ENTROPY_BYTES_MAX).contains(&bytes.len()) {
        return Err(GuestError::invalid("entropy: 32 to 256 bytes are needed"));
    }
    Ok(bytes)
}

fn check_params(params: &ConfigureParams) -> Answer<()> {
    let name = &params.hostname.0;
    if name.is_empty() || name.len() > 64 || name.contains(['\n', '/']) {
        return Err(GuestError::invalid("hostname: 1 to 64 bytes of a name are needed"));
    }
    if params.machine_id.len() != 32 || !params.machine_id.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(GuestError::invalid("machineId: 32 hexadecimal digits are needed"));
    }
    if !(0.0..WALL_CLOCK_MS_MAX).contains(&params.wall_clock_ms) {
        return Err(GuestError::invalid("wallClockMs: milliseconds since 1970 are needed"));
    }
    params.env.iter().try_for_each(|(key, value)| environment::check(key, value))
}

/// `struct rand_pool_info` of the kernel.
#[repr(C)]
struct Pool {
    entropy_bits: libc::c_int,
    bytes: libc::c_int,
    buffer: [u8; ENTROPY_BYTES_MAX],
}

const RNDADDENTROPY: libc::c_ulong = 0x4008_5203;
const RNDRESEEDCRNG: libc::c_ulong = 0x5207;

fn add_entropy(entropy: &[u8]) -> io::Result<()> {
    let mut pool = Pool {
        entropy_bits: 8 * entropy.len() as libc::c_int,
        bytes: entropy.len() as libc::c_int,
        buffer: [0; ENTROPY_BYTES_MAX],
    };
    pool.buffer[..entropy.len()].copy_from_slice(entropy);
    let random = OpenOptions::new().write(true).open("/dev/urandom")?;
    // SAFETY: the structure is the one the call expects, and lives through it; the second call takes no argument.
    unsafe {
        check(libc::ioctl(random.as_raw_fd(), RNDADDENTROPY as _, &pool))?;
        check(libc::ioctl(random.as_raw_fd(), RNDRESEEDCRNG as _))?;
    }
    Ok(())
}

fn set_clock(ms: f64) -> io::Result<()> {
    let time = libc::timespec { tv_sec: (ms / 1000.0) as i64, tv_nsec: ((ms % 1000.0) * 1e6) as i64 };
    // SAFETY: the structure lives through the call.
    check(unsafe { libc::clock_settime(libc::CLOCK_REALTIME, &time) })?;
    Ok(())
}

fn set_hostname(name: &str) -> io::Result<()> {
    // SAFETY: the pointer and length are those of a live string.
    check(unsafe { libc::sethostname(name.as_ptr().cast(), name.len()) })?;
    Ok(())
}

/// Gives a small file of the system new content. What a user has put in its place is replaced, not followed.
fn put_file(path: &str, content: &str) -> io::Result<()> {
    match overwrite(path, content) {
        Err(_) => {
            let _ = std::fs::remove_file(path);
            overwrite(path, content)
        }
        done => done,
    }
}

fn overwrite(path: &str, content: &str) -> io::Result<()> {
    // Not truncated first: ext4 writes a file that was emptied to the disk when it is closed, which takes milliseconds.
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o644)
        .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK)
        .open(path)?;
    let old = file.metadata()?;
    if !old.is_file() {
        return Err(io::Error::from_raw_os_error(libc::EINVAL));
    }
    file.write_all(content.as_bytes())?;
    if old.len() > content.len() as u64 {
        file.set_len(content.len() as u64)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entropy_is_base64_of_32_to_256_bytes() {
        assert_eq!(decode_entropy(&BASE64_STANDARD.encode([7; 32])).unwrap(), [7; 32]);
        assert_eq!(decode_entropy(&BASE64_STANDARD.encode([7; 256])).unwrap().len(), 256);
        for text in ["", "AAAA", "not base64!", &BASE64_STANDARD.encode([7; 257]), &BASE64_STANDARD.encode([7; 31])] {
            let error = decode_entropy(text).unwrap_err();
            assert!(error.message.starts_with("entropy: "), "{text}: {}", error.message);
            assert_eq!(error.errno, None);
        }
    }

    #[test]
    fn a_file_is_overwritten_whatever_was_there() {
        let directory = std::env::temp_dir().join(format!("skerry-configure-{}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        let path = directory.join("name");
        let path = path.to_str().unwrap();
        let elsewhere = directory.join("elsewhere");
        for content in ["first\n", "a longer second\n", "third\n"] {
            put_file(path, content).unwrap();
            assert_eq!(std::fs::read_to_string(path).unwrap(), content);
        }
        std::fs::remove_file(path).unwrap();
        std::os::unix::fs::symlink(&elsewhere, path).unwrap();
        put_file(path, "fourth\n").unwrap();
        assert_eq!(std::fs::read_to_string(path).unwrap(), "fourth\n");
        assert!(!elsewhere.exists());
        std::fs::remove_dir_all(&directory).unwrap();
    }
}
