//! The two cgroups: this process in `system`, everything it spawns below `user`, with limits that leave room for us.
//!
//! Nothing protects PID 1 from the OOM killer here, because the kernel never kills the first process of a machine. So
//! spawned processes need no `oom_score_adj` put right either.

use std::fs::{self, File};
use std::io;

use crate::stats::field_bytes;

use super::mounts::{mount, PLAIN};

const ROOT: &str = "/sys/fs/cgroup";
/// Memory that user processes cannot have.
const RESERVE_BYTES: u64 = 48 * 1024 * 1024;
/// Tasks that user processes can have at most, so that a fork bomb ends in EAGAIN.
const TASKS_MAX: u64 = 16_384;
/// Memory for each of them. The smallest process costs some 250 KiB, most of it the kernel's and not to be taken back, so
/// a small machine would be busy with nothing but looking for memory before it has that many.
const TASK_BYTES: u64 = 512 * 1024;

/// The directory of the cgroup of user processes, and its memory events.
pub struct UserCgroup {
    pub directory: File,
    pub memory_events: Option<File>,
}

/// Mounts the hierarchy and divides the machine.
pub fn set_up() -> io::Result<UserCgroup> {
    mount("cgroup2", ROOT, "cgroup2", PLAIN, "nsdelegate,memory_recursiveprot")?;
    for controller in ["+memory", "+pids", "+cpu"] {
        // One that the kernel does not have is one limit less, and no reason not to boot.
        let _ = fs::write(format!("{ROOT}/cgroup.subtree_control"), controller);
    }
    for name in ["system", "user"] {
        match fs::create_dir(format!("{ROOT}/{name}")) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
    }
    fs::write(format!("{ROOT}/system/cgroup.procs"), "1")?;
    // However many processes a user runs, the guest answers.
    let _ = fs::write(format!("{ROOT}/system/cpu.weight"), "1000");
    limit(&format!("{ROOT}/user"));
    Ok(UserCgroup {
        directory: File::open(format!("{ROOT}/user"))?,
        memory_events: File::open(format!("{ROOT}/user/memory.events")).ok(),
    })
}

fn limit(user: &str) {
    let memory = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let total = field_bytes(&memory, "MemTotal:");
    if total > 2 * RESERVE_BYTES {
        let _ = fs::write(format!("{user}/memory.max"), (total - RESERVE_BYTES).to_string());
    }
    let _ = fs::write(format!("{user}/pids.max"), TASKS_MAX.min(total / TASK_BYTES).to_string());
}
