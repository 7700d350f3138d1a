//! From the kernel's first process to a running system.
//!
//! ```text
//!  stage 1  /init of the initramfs: modules, disks, overlay root, switch root, exec
//!  stage 2  PID 1 of the real root: mounts, cgroups, limits, then the conversation with the host
//! ```

mod cgroups;
pub mod mounts;
mod network;
mod stage1;
mod stage2;

pub use stage1::stage1;
pub use stage2::stage2;

use crate::power;

/// Ends the machine with a word on the console when a step fails.
fn must<T>(result: std::io::Result<T>, what: &str) -> T {
    result.unwrap_or_else(|error| power::fail(what, error))
}
