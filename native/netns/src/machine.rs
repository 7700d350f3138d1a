//! The namespace of one machine.

use std::fs::OpenOptions;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};

use crate::addresses::{machine_interface, machine_link, GUEST_GATEWAY, GUEST_PREFIX, LINK_PREFIX};
use crate::args::Options;
use crate::gateway::write_setting;
use crate::links::Links;
use crate::namespace::{check, Namespace};
use crate::rules::{self, MACHINE_UPLINK, TAP};
use crate::sets::{Reach, Sets};

/// Makes the namespace of machine `number` and enters it. Its tap alone keeps the namespace: when the
/// last copy of it is closed, tap, link and rules are gone.
pub fn make(options: &Options) -> Result<OwnedFd, String> {
    let number = options.number;
    if number == 0 || options.fd == 0 {
        return Err("--number and --fd are needed".into());
    }
    let doing = |what: &'static str| move |error: io::Error| format!("cannot {what}: {error}");
    let kept = Namespace::kept_at(&options.gateway).map_err(doing("open the gateway"))?;
    let gateway = kept.ok_or("there is no gateway; start the server's network first")?;
    let name = machine_interface(number);
    let link = machine_link(number);

    let own = Namespace::enter_new().map_err(doing("make a namespace"))?;
    write_setting("/proc/sys/net/ipv4/ip_forward", "1")?;
    write_setting("/proc/sys/net/ipv6/conf/all/disable_ipv6", "1")?;
    rules::apply(&rules::machine(&link))?;

    gateway.enter().map_err(doing("enter the gateway"))?;
    Sets::open().and_then(|mut sets| sets.put(number, Reach::Closed)).map_err(doing("close the machine"))?;
    let mut outside = Links::open().map_err(doing("open netlink"))?;
    outside.add_pair(&name, MACHINE_UPLINK, &own.file).map_err(doing("make the machine's link"))?;
    outside.add_address(&name, link.outer, LINK_PREFIX).map_err(doing("give the gateway its address"))?;
    outside.bring_up(&name).map_err(doing("bring the gateway's end up"))?;

    own.enter().map_err(doing("enter the machine's namespace"))?;
    let tap = open_tap().map_err(doing("make the tap"))?;
    let mut inside = Links::open().map_err(doing("open netlink"))?;
    inside.bring_up("lo").map_err(doing("bring lo up"))?;
    inside.add_address(TAP, GUEST_GATEWAY, GUEST_PREFIX).map_err(doing("give the tap its address"))?;
    inside.bring_up(TAP).map_err(doing("bring the tap up"))?;
    inside.add_address(MACHINE_UPLINK, link.inner, LINK_PREFIX).map_err(doing("give the machine its address"))?;
    inside.bring_up(MACHINE_UPLINK).map_err(doing("bring the machine's link up"))?;
    inside.add_default_route(link.outer).map_err(doing("route to the gateway"))?;
    Ok(tap)
}

/// A tap of the thread's namespace, without any header before its frames, as templates have it.
fn open_tap() -> io::Result<OwnedFd> {
    let file = OpenOptions::new().read(true).write(true).open("/dev/net/tun")?;
    // SAFETY: a zeroed ifreq is valid; the name fits and is followed by zeroes.
    unsafe {
        let mut request: libc::ifreq = std::mem::zeroed();
        for (to, from) in request.ifr_name.iter_mut().zip(TAP.bytes()) {
            *to = from as libc::c_char;
        }
        request.ifr_ifru.ifru_flags = (libc::IFF_TAP | libc::IFF_NO_PI) as libc::c_short;
        check(libc::ioctl(file.as_raw_fd(), libc::TUNSETIFF, &request))?;
    }
    Ok(file.into())
}
