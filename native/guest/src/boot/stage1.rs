//! Stage 1: from the initramfs to the real root.

use std::ffi::CString;
use std::fs::{self, File};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::ptr;
use std::thread;
use std::time::{Duration, Instant};

use crate::power;
use crate::sys::{c_string, check};

use super::mounts::{detach, mount, move_mount, PLAIN};
use super::must;

/// The image, the machine's own disk, and what Skerry needs.
const IMAGE_DISK: &str = "/dev/vda";
const OWN_DISK: &str = "/dev/vdb";
const RUNTIME_DISK: &str = "/dev/vdc";

/// How long disks may take to appear, and how often we look.
const DISK_DEADLINE: Duration = Duration::from_secs(20);
const DISK_POLL: Duration = Duration::from_millis(2);

/// The new root before it is the root.
const ROOT: &str = "/root";
/// Where the runtime disk is found afterwards.
const RUNTIME: &str = "/.skerry/runtime";
const RUNTIME_GUEST: &std::ffi::CStr = c"/.skerry/runtime/bin/skerry-guest";

/// Builds the root file system, makes it the root and goes on there. Failure ends the machine.
pub fn stage1() -> ! {
    let systems = [("/proc", "proc", PLAIN), ("/sys", "sysfs", PLAIN), ("/dev", "devtmpfs", libc::MS_NOSUID)];
    for (directory, kind, flags) in systems {
        make_directory(directory);
        must(mount(kind, directory, kind, flags, ""), &format!("mount {directory}"));
    }
    load_modules();
    mount_root();
    let has_runtime_guest = switch_root();
    run_stage2(has_runtime_guest)
}

/// What exists is fine; what fails shows when it is used.
fn make_directory(path: &str) {
    let _ = fs::create_dir_all(path);
}

fn load_modules() {
    let list = must(fs::read_to_string("/modules.list"), "read /modules.list");
    for path in list.lines().map(str::trim).filter(|line| !line.is_empty()) {
        if let Err(error) = load_module(path) {
            match error.raw_os_error() {
                Some(libc::EEXIST) => {}
                // A driver for a device that this machine does not have.
                Some(libc::ENODEV) => power::say(&format!("load {path}: {error}")),
                _ => power::fail(&format!("load {path}"), error),
            }
        }
    }
}

fn load_module(path: &str) -> io::Result<()> {
    let file = File::open(path)?;
    // SAFETY: the parameters are a C string.
    check(unsafe { libc::syscall(libc::SYS_finit_module, file.as_raw_fd(), c"".as_ptr(), 0) })?;
    Ok(())
}

fn mount_root() {
    for directory in ["/image", "/disk", "/runtime", ROOT] {
        make_directory(directory);
    }
    wait_for(IMAGE_DISK);
    must(mount(IMAGE_DISK, "/image", "erofs", libc::MS_RDONLY | libc::MS_NOATIME, ""), "mount the image");
    wait_for(OWN_DISK);
    // Without noinit_itable every machine would spend time on zeroing the same tables. discard gives what is deleted
    // back to the host.
    let options = "noinit_itable,discard";
    must(mount(OWN_DISK, "/disk", "ext4", libc::MS_NOATIME, options), "mount the disk");
    make_directory("/disk/upper");
    make_directory("/disk/work");
    let options = "lowerdir=/image,upperdir=/disk/upper,workdir=/disk/work,xino=off";
    must(mount("root", ROOT, "overlay", libc::MS_NOATIME, options), "mount the overlay");
    // The disks appear together, so one that is not there by now does not exist.
    if Path::new(RUNTIME_DISK).exists() {
        let flags = libc::MS_RDONLY | libc::MS_NOATIME | libc::MS_NOSUID | libc::MS_NODEV;
        must(mount(RUNTIME_DISK, "/runtime", "erofs", flags, ""), "mount the runtime disk");
        let target = format!("{ROOT}{RUNTIME}");
        make_directory(&target);
        must(move_mount("/runtime", &target), "move the runtime disk");
    }
    // The overlay holds its layers by itself; nobody is to see, or write to, what is below it.
    must(detach("/disk"), "detach the disk");
    must(detach("/image"), "detach the image");
}

fn wait_for(disk: &str) {
    let deadline = Instant::now() + DISK_DEADLINE;
    while !Path::new(disk).exists() {
        if Instant::now() > deadline {
            power::fail(&format!("wait for {disk}"), "it does not appear");
        }
        thread::sleep(DISK_POLL);
    }
}

/// Makes the overlay the root. Returns whether the runtime disk has a guest.
fn switch_root() -> bool {
    for directory in ["/proc", "/sys", "/dev"] {
        let target = format!("{ROOT}{directory}");
        make_directory(&target);
        must(move_mount(directory, &target), &format!("move {directory}"));
    }
    must(std::env::set_current_dir(ROOT), "enter the new root");
    // The initramfs is memory; what is deleted of it is free.
    if let Ok(root) = fs::metadata("/") {
        remove_all(Path::new("/"), root.dev());
    }
    must(move_mount(".", "/"), "move the new root");
    // SAFETY: a C string.
    must(check(unsafe { libc::chroot(c".".as_ptr()) }), "chroot");
    must(std::env::set_current_dir("/"), "enter the root");
    fs::metadata(Path::new(RUNTIME_GUEST.to_str().unwrap_or_default())).is_ok()
}

/// Removes what is in a directory and on its file system.
fn remove_all(directory: &Path, device: u64) {
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let path = entry.path();
        let Ok(found) = fs::symlink_metadata(&path) else { continue };
        if found.dev() != device {
            continue;
        }
        if found.is_dir() {
            remove_all(&path, device);
            let _ = fs::remove_dir(&path);
        } else {
            let _ = fs::remove_file(&path);
        }
    }
}

fn run_stage2(has_runtime_guest: bool) -> ! {
    let program = if has_runtime_guest { RUNTIME_GUEST } else { c"/proc/self/exe" };
    let arguments: [CString; 2] = ["skerry-guest", "--stage2"].map(|text| must(c_string(text), "exec"));
    let argv = [arguments[0].as_ptr(), arguments[1].as_ptr(), ptr::null()];
    let envp = [ptr::null()];
    // SAFETY: both arrays end in a null pointer.
    unsafe { libc::execve(program.as_ptr(), argv.as_ptr(), envp.as_ptr()) };
    power::fail("exec stage 2", io::Error::last_os_error())
}
