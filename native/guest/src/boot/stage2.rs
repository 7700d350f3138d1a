//! Stage 2: PID 1 of the real root.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{symlink, DirBuilderExt, PermissionsExt};

use crate::config::Config;
use crate::identity::{self, SandboxUser};
use crate::port::Address;
use crate::reaper::Signals;
use crate::session::Guest;
use crate::sys::check;

use super::cgroups;
use super::mounts::{is_mounted, mount, PLAIN};
use super::must;
use super::network;

const HOME: &str = "/home/sandbox";
const USER_ID: u32 = 1000;

/// Open files: what a process starts with, and what it may ask for.
const OPEN_FILES_SOFT: u64 = 65_536;
const OPEN_FILES_HARD: u64 = 1_048_576;

/// Sets the system up and serves the host for ever. Failure ends the machine.
pub fn stage2() -> ! {
    identity::set_umask(0o022);
    must(mount_all(), "mount");
    link_descriptors();
    let _ = fs::set_permissions("/tmp", Permissions::from_mode(0o1777));
    set_sysctls();
    must(set_limits(), "set limits");
    stay_in_memory();
    must(network::bring_up_loopback(), "bring up lo");
    must(network::bring_up_ethernet(), "bring up eth0");
    let cgroup = must(cgroups::set_up(), "set up cgroups");
    bring_up_processors();
    let signals = must(Signals::take(), "take signals");
    let config = Config {
        is_machine: true,
        home: HOME.into(),
        user: SandboxUser::new(USER_ID, USER_ID, true),
        user_cgroup: Some(cgroup.directory),
        oom_events: cgroup.memory_events,
    };
    must(Guest::new(config, Address::Virtio, signals), "open the port").run()
}

fn mount_all() -> io::Result<()> {
    let no_programs = libc::MS_NOSUID | libc::MS_NOEXEC;
    let no_devices = libc::MS_NOSUID | libc::MS_NODEV;
    for (kind, target, flags, options) in [
        ("proc", "/proc", PLAIN, ""),
        ("sysfs", "/sys", PLAIN, ""),
        ("devtmpfs", "/dev", libc::MS_NOSUID, "mode=755"),
        ("devpts", "/dev/pts", no_programs, "gid=5,mode=620,ptmxmode=666"),
        ("tmpfs", "/dev/shm", no_devices, "mode=1777"),
        ("tmpfs", "/run", no_devices, "mode=755"),
        ("tmpfs", "/run/lock", PLAIN, "mode=1777,size=5M"),
    ] {
        let _ = fs::create_dir_all(target);
        // Stage 1 has brought some along.
        if is_mounted(target) {
            continue;
        }
        mount(kind, target, kind, flags, options).map_err(|error| io::Error::other(format!("{target}: {error}")))?;
    }
    let _ = fs::create_dir_all("/tmp");
    make_own_directory("/run/skerry")
}

/// Where the sockets of Skerry's own helpers are, which run as the user.
fn make_own_directory(path: &str) -> io::Result<()> {
    match fs::DirBuilder::new().mode(0o700).create(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    std::os::unix::fs::chown(path, Some(USER_ID), Some(USER_ID))
}

/// An emulated kernel boots with one processor. One that does not come up is missed by programs, not by the machine.
fn bring_up_processors() {
    let Ok(entries) = fs::read_dir("/sys/devices/system/cpu") else { return };
    for entry in entries.flatten() {
        // Only processors have it, and not the first one; what is up already stays so.
        let _ = fs::write(entry.path().join("online"), "1");
    }
}

/// What shells expect in `/dev` and the kernel does not put there.
fn link_descriptors() {
    for (name, target) in [("fd", ""), ("stdin", "/0"), ("stdout", "/1"), ("stderr", "/2")] {
        // The one from an earlier start is as good.
        let _ = symlink(format!("/proc/self/fd{target}"), format!("/dev/{name}"));
    }
}

fn set_sysctls() {
    for (name, value) in [
        // Nobody reads the console; writing to it costs time under emulation.
        ("kernel/printk", "1 4 1 7"),
        // A machine whose kernel or first process has died is over at once, and the host sees it.
        ("kernel/panic", "-1"),
        // For huge pages the kernel keeps some 45 MiB free. Here that would come on top of what the cgroup leaves to us,
        // and memory would run out before the cgroup's limit says so.
        ("vm/min_free_kbytes", "8192"),
    ] {
        // A kernel that lacks one boots all the same.
        let _ = fs::write(format!("/proc/sys/{name}"), value);
    }
    if let Ok(name) = fs::read_to_string("/etc/hostname") {
        let _ = fs::write("/proc/sys/kernel/hostname", name.trim());
    }
}

/// When user processes take all memory, the pages of this program are not to be read from the disk again and again.
fn stay_in_memory() {
    // SAFETY: no pointers. A kernel that refuses makes us slow in that case and no other.
    unsafe { libc::mlockall(libc::MCL_CURRENT | libc::MCL_FUTURE | libc::MCL_ONFAULT) };
}

fn set_limits() -> io::Result<()> {
    let open_files = libc::rlimit { rlim_cur: OPEN_FILES_SOFT, rlim_max: OPEN_FILES_HARD };
    // The cgroup limits the number of processes; the kernel's default for a user is about half of what there may be.
    let processes = libc::rlimit { rlim_cur: libc::RLIM_INFINITY, rlim_max: libc::RLIM_INFINITY };
    // SAFETY: the structures live through the calls.
    unsafe {
        check(libc::setrlimit(libc::RLIMIT_NOFILE, &open_files))?;
        check(libc::setrlimit(libc::RLIMIT_NPROC, &processes))?;
    }
    Ok(())
}
