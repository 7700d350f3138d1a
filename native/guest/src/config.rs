//! How this guest runs: in a machine of its own, or on an ordinary one for tests.

use std::fs::File;

use crate::identity::SandboxUser;

/// Fixed for the life of the process.
pub struct Config {
    /// Whether this is PID 1 of a machine whose clock, names and power are ours.
    pub is_machine: bool,
    /// Where relative paths begin and processes start.
    pub home: String,
    pub user: SandboxUser,
    /// The directory of the cgroup that spawned processes live in.
    pub user_cgroup: Option<File>,
    /// Its OOM events.
    pub oom_events: Option<File>,
}
