//! The interfaces of the machine: loopback, and the one to the host's gateway.

use std::fs;
use std::io;
use std::os::fd::AsRawFd;

use crate::sys::{check, check_fd};

/// Brings `lo` up; the kernel gives it its addresses.
pub fn bring_up_loopback() -> io::Result<()> {
    // SAFETY: the request lives through the calls.
    unsafe {
        let socket = check_fd(libc::socket(libc::AF_INET, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC, 0))?;
        let mut request = request_for(b"lo");
        check(libc::ioctl(socket.as_raw_fd(), libc::SIOCGIFFLAGS as _, &mut request))?;
        request.ifr_ifru.ifru_flags |= (libc::IFF_UP | libc::IFF_RUNNING) as libc::c_short;
        check(libc::ioctl(socket.as_raw_fd(), libc::SIOCSIFFLAGS as _, &request))?;
    }
    Ok(())
}

/// What every machine is inside, and its gateway and name server; the host translates the address. The
/// numbers are those of `native/netns` and of docs/design/0005-network.md.
const ADDRESS: [u8; 4] = [10, 77, 0, 2];
const GATEWAY: [u8; 4] = [10, 77, 0, 1];
const NETMASK: [u8; 4] = [255, 255, 255, 252];
const INTERFACE: &[u8] = b"eth0";

/// Sets up the interface that the machine has, if it has one: IPv4 alone, so that there is one way out.
pub fn bring_up_ethernet() -> io::Result<()> {
    if fs::metadata("/sys/class/net/eth0").is_err() {
        return Ok(());
    }
    fs::write("/proc/sys/net/ipv6/conf/eth0/disable_ipv6", "1")?;
    // SAFETY: the structures are valid when zeroed, and live through the calls that read them.
    unsafe {
        let socket = check_fd(libc::socket(libc::AF_INET, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC, 0))?;
        for (call, address) in [(libc::SIOCSIFADDR, ADDRESS), (libc::SIOCSIFNETMASK, NETMASK)] {
            let mut request = request_for(INTERFACE);
            request.ifr_ifru.ifru_addr = socket_address(address);
            check(libc::ioctl(socket.as_raw_fd(), call as _, &request))?;
        }
        let mut request = request_for(INTERFACE);
        request.ifr_ifru.ifru_flags = (libc::IFF_UP | libc::IFF_RUNNING) as libc::c_short;
        check(libc::ioctl(socket.as_raw_fd(), libc::SIOCSIFFLAGS as _, &request))?;
        let mut route: libc::rtentry = std::mem::zeroed();
        route.rt_dst = socket_address([0; 4]);
        route.rt_genmask = socket_address([0; 4]);
        route.rt_gateway = socket_address(GATEWAY);
        route.rt_flags = libc::RTF_UP | libc::RTF_GATEWAY;
        check(libc::ioctl(socket.as_raw_fd(), libc::SIOCADDRT as _, &route))?;
    }
    let _ = fs::remove_file("/etc/resolv.conf"); // it may be a link to nowhere
    let [a, b, c, d] = GATEWAY;
    fs::write("/etc/resolv.conf", format!("nameserver {a}.{b}.{c}.{d}\n"))
}

fn request_for(interface: &[u8]) -> libc::ifreq {
    // SAFETY: a zeroed ifreq is valid; the name fits and is followed by zeroes.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(interface) {
        *to = *from as libc::c_char;
    }
    request
}

fn socket_address(address: [u8; 4]) -> libc::sockaddr {
    let internet = libc::sockaddr_in {
        sin_family: libc::AF_INET as libc::sa_family_t,
        sin_port: 0,
        sin_addr: libc::in_addr { s_addr: u32::from_ne_bytes(address) },
        sin_zero: [0; 8],
    };
    // SAFETY: both have the same size, and the kernel reads the family first.
    unsafe { std::mem::transmute(internet) }
}
