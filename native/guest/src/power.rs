//! The end of the machine.

use std::fs::OpenOptions;
use std::io::Write;

/// Says on the console why the machine cannot go on, and switches it off: the host sees its QEMU exit.
pub fn fail(what: &str, error: impl std::fmt::Display) -> ! {
    say(&format!("{what}: {error}"));
    off()
}

/// A line on the console. There may be none: the kernel is quiet and a serial port is optional.
pub fn say(message: &str) {
    let line = format!("skerry-guest: {message}\n");
    // The first is there before anything is mounted only if the kernel opened it for us.
    let written = OpenOptions::new().write(true).open("/dev/console").and_then(|mut it| it.write_all(line.as_bytes()));
    if written.is_err() {
        let _ = std::io::stderr().write_all(line.as_bytes());
    }
}

/// Writes what is in memory to the disk and switches the machine off.
pub fn off() -> ! {
    // SAFETY: no pointers. The calls can only fail for want of privilege, and PID 1 has it.
    unsafe {
        libc::sync();
        libc::reboot(libc::RB_POWER_OFF);
        libc::_exit(1)
    }
}
