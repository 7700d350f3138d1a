//! What the machine uses.

use std::fs;

use serde_json::{json, Value};

use crate::config::Config;
use crate::error::{Answer, Doing};
use crate::sys::{c_string, check};

/// The cgroup's list of processes is read up to here; it has a line for each.
const CGROUP_PROCS: &str = "/sys/fs/cgroup/user/cgroup.procs";

/// `stats` of the protocol; `live` is the number of processes that were spawned here and run.
pub fn stats(config: &Config, live: usize) -> Answer<Value> {
    let memory = fs::read_to_string("/proc/meminfo").doing("read '/proc/meminfo'")?;
    let load = fs::read_to_string("/proc/loadavg").doing("read '/proc/loadavg'")?;
    let load: f64 = load.split(' ').next().and_then(|first| first.parse().ok()).unwrap_or(0.0);
    let listed = config.is_machine.then(|| fs::read_to_string(CGROUP_PROCS).ok()).flatten();
    let processes = listed.map_or(live, |list| list.lines().count());
    let path = c_string(if config.is_machine { "/" } else { config.home.as_str() }).doing("statfs '/'")?;
    // SAFETY: the path is a C string; a zeroed statvfs is valid, and the kernel fills it.
    let disk = unsafe {
        let mut disk: libc::statvfs = std::mem::zeroed();
        check(libc::statvfs(path.as_ptr(), &mut disk)).doing("statfs '/'")?;
        disk
    };
    Ok(json!({
        "memory": {
            "totalBytes": field_bytes(&memory, "MemTotal:"),
            "availableBytes": field_bytes(&memory, "MemAvailable:"),
        },
        "processes": processes,
        "loadAverage1": load,
        "disk": { "totalBytes": disk.f_blocks * disk.f_frsize, "freeBytes": disk.f_bavail * disk.f_frsize },
    }))
}

/// A line of `/proc/meminfo` in bytes; 0 when it is missing.
pub fn field_bytes(text: &str, name: &str) -> u64 {
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok());
    kib.unwrap_or(0) * 1024
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_of_meminfo_are_kibibytes() {
        let text = "MemTotal:        1234 kB\nMemFree:  1 kB\nMemAvailable:   56 kB\n";
        assert_eq!(field_bytes(text, "MemTotal:"), 1234 * 1024);
        assert_eq!(field_bytes(text, "MemAvailable:"), 56 * 1024);
        assert_eq!(field_bytes(text, "Nothing:"), 0);
    }
}
