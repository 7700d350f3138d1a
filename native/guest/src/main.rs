//! `skerry-guest`: PID 1 of a Skerry machine, and the guest's end of the protocol in `docs/design/0002-guest-protocol.md`.
//!
//! There is no Rust `main`: the runtime's start-up opens `/dev/null` when a standard descriptor is closed and aborts when
//! it cannot, which is how the first process of a machine without a console would end.

#![cfg_attr(not(test), no_main)]

mod boot;
mod bytes;
mod child;
mod clone;
mod config;
mod configure;
mod dial;
mod editor;
mod environment;
mod errno;
mod error;
mod files;
mod flow;
mod frame;
mod identity;
mod listen;
mod oom;
mod options;
mod paths;
mod patience;
mod pipe;
mod poller;
mod pool;
mod port;
mod power;
mod processes;
mod pty;
mod reaper;
mod session;
mod signals;
mod spawn;
mod stats;
mod sys;

use std::ffi::c_int;
#[cfg(not(test))]
use std::ffi::{c_char, CStr};

use options::Command;

/// The C library's entry.
///
/// # Safety
/// `argv` is what the kernel made: `argc` pointers to C strings.
#[cfg(not(test))]
#[no_mangle]
pub unsafe extern "C" fn main(argc: c_int, argv: *const *const c_char) -> c_int {
    let count = usize::try_from(argc).unwrap_or(0);
    // SAFETY: the caller's promise.
    let arguments = (0..count).map(|at| unsafe { CStr::from_ptr(*argv.add(at)) }.to_string_lossy().into_owned());
    run(&arguments.skip(1).collect::<Vec<_>>())
}

#[cfg_attr(test, allow(dead_code))]
fn run(arguments: &[String]) -> c_int {
    // SAFETY: no arguments, cannot fail.
    let is_first = unsafe { libc::getpid() } == 1;
    if is_first {
        std::panic::set_hook(Box::new(|panic| power::fail("panic", panic)));
        if arguments.iter().any(|argument| argument == "--stage2") {
            open_standard_descriptors();
            boot::stage2();
        }
        boot::stage1();
    }
    open_standard_descriptors();
    match options::parse(arguments) {
        Ok(Command::Help) => {
            println!("{}", options::HELP);
            0
        }
        Ok(Command::Version) => {
            println!("skerry-guest {}", env!("CARGO_PKG_VERSION"));
            0
        }
        Ok(Command::Serve(serve)) => match options::serve(serve) {
            Ok(never) => match never {},
            Err(error) => {
                eprintln!("skerry-guest: {error}");
                1
            }
        },
        Err(error) => {
            eprintln!("skerry-guest: {error}\n{}", options::HELP);
            2
        }
    }
}

/// Makes sure that no file of ours gets the number 0, 1 or 2, which a new process's own are put in.
fn open_standard_descriptors() {
    loop {
        // SAFETY: the path is a C string.
        let fd = unsafe { libc::open(c"/dev/null".as_ptr(), libc::O_RDWR) };
        if !(0..=2).contains(&fd) {
            if fd > 2 {
                // SAFETY: just opened, and nobody else's.
                unsafe { libc::close(fd) };
            }
            return;
        }
    }
}
