//! The loopback interface. Others belong to whoever configures the machine.

use std::io;
use std::os::fd::AsRawFd;

use crate::sys::{check, check_fd};

/// Brings `lo` up; the kernel gives it its addresses.
pub fn bring_up_loopback() -> io::Result<()> {
    // SAFETY: a zeroed ifreq is valid; the name fits and is followed by zeroes.
    unsafe {
        let socket = check_fd(libc::socket(libc::AF_INET, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC, 0))?;
        let mut request: libc::ifreq = std::mem::zeroed();
        for (to, from) in request.ifr_name.iter_mut().zip(b"lo") {
            *to = *from as libc::c_char;
        }
        check(libc::ioctl(socket.as_raw_fd(), libc::SIOCGIFFLAGS as _, &mut request))?;
        request.ifr_ifru.ifru_flags |= (libc::IFF_UP | libc::IFF_RUNNING) as libc::c_short;
        check(libc::ioctl(socket.as_raw_fd(), libc::SIOCSIFFLAGS as _, &request))?;
    }
    Ok(())
}
