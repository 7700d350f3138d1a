//! Starting a child that borrows this process's memory until it has called exec.
//!
//! A fork would copy page tables and then fault on every page that either side touches; under emulation that costs
//! milliseconds. `CLONE_VM | CLONE_VFORK` copies nothing, lets the child report a failed exec by writing to memory, and
//! suspends only the calling thread. `CLONE_INTO_CGROUP` saves moving the child afterwards, which waits for a grace period.

use std::arch::asm;
use std::ffi::c_void;
use std::io;
use std::os::fd::RawFd;
use std::sync::atomic::AtomicI32;

#[cfg(not(target_arch = "x86_64"))]
compile_error!("the start of a process is written for x86-64: `start` needs the same for this architecture");

/// Parameters of clone3, up to and including `cgroup`.
#[repr(C)]
#[derive(Default)]
struct CloneArgs {
    flags: u64,
    pidfd: u64,
    child_tid: u64,
    parent_tid: u64,
    exit_signal: u64,
    stack: u64,
    stack_size: u64,
    tls: u64,
    set_tid: u64,
    set_tid_size: u64,
    cgroup: u64,
}

/// The kernel's, which the libc crate does not know.
const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;

/// The child makes a few system calls, one level deep.
const STACK_BYTES: usize = 16 * 1024;

#[repr(C, align(16))]
struct Stack([u8; STACK_BYTES]);

/// Runs `child(argument)` in a new process and returns its pid once it has called exec or exited.
///
/// The kernel writes the pid to `pid` before the child runs, so that a reaper can tell whose end it sees even when the
/// child is gone before this returns.
///
/// # Safety
/// `child` must end in exec or `_exit`, must allocate nothing and take no lock, and must not use the C library's
/// functions that act on all threads. All signals must be blocked in the calling thread.
pub unsafe fn start(
    child: unsafe extern "C" fn(*mut c_void) -> !,
    argument: *mut c_void,
    cgroup: Option<RawFd>,
    pid: &AtomicI32,
) -> io::Result<i32> {
    let mut stack = Box::<Stack>::new_uninit();
    let mut args = CloneArgs {
        flags: (libc::CLONE_VM | libc::CLONE_VFORK | libc::CLONE_PARENT_SETTID) as u64,
        parent_tid: pid.as_ptr() as u64,
        exit_signal: libc::SIGCHLD as u64,
        stack: stack.as_mut_ptr() as u64,
        stack_size: STACK_BYTES as u64,
        ..CloneArgs::default()
    };
    if let Some(cgroup) = cgroup {
        args.flags |= CLONE_INTO_CGROUP;
        args.cgroup = cgroup as u64;
    }
    let result: i64;
    // The child comes out of the system call on its own, empty stack with the registers of the caller.
    // SAFETY: both sides have their own stack, and the child never comes back from `child`.
    unsafe {
        asm!(
            "syscall",
            "test rax, rax",
            "jnz 2f",
            "xor ebp, ebp",
            "mov rdi, {argument}",
            "call {child}",
            "ud2",
            "2:",
            argument = in(reg) argument,
            child = in(reg) child,
            inlateout("rax") libc::SYS_clone3 => result,
            in("rdi") &args,
            in("rsi") size_of::<CloneArgs>(),
            out("rcx") _,
            out("r11") _,
        );
    }
    if result < 0 {
        return Err(io::Error::from_raw_os_error(-result as i32));
    }
    Ok(result as i32)
}
