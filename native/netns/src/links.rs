//! Interfaces, addresses and routes of the namespace that the thread is in.

use std::ffi::CString;
use std::io;
use std::net::Ipv4Addr;
use std::os::fd::{AsFd, AsRawFd};

use crate::netlink::{Message, Socket};

const IFLA_NET_NS_FD: u16 = 28;
const VETH_INFO_PEER: u16 = 1;
const FRA_FWMARK: u16 = 10;
const FRA_TABLE: u16 = 15;
const FR_ACT_TO_TBL: u8 = 1;

/// The `rtnetlink` socket of a namespace.
pub struct Links {
    socket: Socket,
}

impl Links {
    pub fn open() -> io::Result<Links> {
        Ok(Links { socket: Socket::open(libc::NETLINK_ROUTE)? })
    }

    /// A pair of interfaces: `name` here, `peer` in the namespace `there`.
    pub fn add_pair(&mut self, name: &str, peer: &str, there: &impl AsFd) -> io::Result<()> {
        let mut message = Message::new(libc::RTM_NEWLINK, libc::NLM_F_CREATE | libc::NLM_F_EXCL);
        message.raw(&link_header(0, 0)).text(libc::IFLA_IFNAME, name);
        message.nested(libc::IFLA_LINKINFO, |info| {
            info.text(libc::IFLA_INFO_KIND, "veth");
            info.nested(libc::IFLA_INFO_DATA, |data| {
                data.nested(VETH_INFO_PEER, |other| {
                    other.raw(&link_header(0, 0)).text(libc::IFLA_IFNAME, peer);
                    other.attribute(IFLA_NET_NS_FD, &there.as_fd().as_raw_fd().to_ne_bytes());
                });
            });
        });
        self.socket.request(message)
    }

    pub fn delete(&mut self, name: &str) -> io::Result<()> {
        let mut message = Message::new(libc::RTM_DELLINK, 0);
        message.raw(&link_header(index_of(name)?, 0));
        self.socket.request(message)
    }

    pub fn bring_up(&mut self, name: &str) -> io::Result<()> {
        let mut message = Message::new(libc::RTM_NEWLINK, 0);
        message.raw(&link_header(index_of(name)?, libc::IFF_UP as u32));
        self.socket.request(message)
    }

    pub fn add_address(&mut self, name: &str, address: Ipv4Addr, prefix: u8) -> io::Result<()> {
        let mut message = Message::new(libc::RTM_NEWADDR, libc::NLM_F_CREATE | libc::NLM_F_REPLACE);
        message.raw(&[libc::AF_INET as u8, prefix, 0, libc::RT_SCOPE_UNIVERSE]);
        message.raw(&index_of(name)?.to_ne_bytes());
        message.attribute(libc::IFA_LOCAL, &address.octets()).attribute(libc::IFA_ADDRESS, &address.octets());
        self.socket.request(message)
    }

    pub fn add_default_route(&mut self, gateway: Ipv4Addr) -> io::Result<()> {
        let mut message = Message::new(libc::RTM_NEWROUTE, libc::NLM_F_CREATE | libc::NLM_F_REPLACE);
        message.raw(&route_header(libc::RT_TABLE_MAIN, libc::RT_SCOPE_UNIVERSE, libc::RTN_UNICAST));
        message.attribute(libc::RTA_GATEWAY, &gateway.octets());
        self.socket.request(message)
    }

    /// What carries `mark` is for this host, whatever its destination: how transparent sockets get it.
    pub fn take_marked(&mut self, mark: u32, table: u8) -> io::Result<()> {
        let mut route = Message::new(libc::RTM_NEWROUTE, libc::NLM_F_CREATE | libc::NLM_F_REPLACE);
        route.raw(&route_header(table, libc::RT_SCOPE_HOST, libc::RTN_LOCAL));
        route.attribute(libc::RTA_OIF, &index_of("lo")?.to_ne_bytes());
        self.socket.request(route)?;
        let mut rule = Message::new(libc::RTM_NEWRULE, libc::NLM_F_CREATE | libc::NLM_F_EXCL);
        rule.raw(&[libc::AF_INET as u8, 0, 0, 0, table, 0, 0, FR_ACT_TO_TBL]).raw(&0u32.to_ne_bytes());
        rule.attribute(FRA_FWMARK, &mark.to_ne_bytes()).attribute(FRA_TABLE, &u32::from(table).to_ne_bytes());
        match self.socket.request(rule) {
            Err(error) if error.raw_os_error() == Some(libc::EEXIST) => Ok(()),
            other => other,
        }
    }
}

fn index_of(name: &str) -> io::Result<u32> {
    let text = CString::new(name)?;
    // SAFETY: the text ends with NUL.
    match unsafe { libc::if_nametoindex(text.as_ptr()) } {
        0 => Err(io::Error::last_os_error()),
        index => Ok(index),
    }
}

/// `struct ifinfomsg`; the flags are set and no other is changed.
fn link_header(index: u32, flags: u32) -> [u8; 16] {
    let mut header = [0; 16];
    header[4..8].copy_from_slice(&index.to_ne_bytes());
    header[8..12].copy_from_slice(&flags.to_ne_bytes());
    header[12..16].copy_from_slice(&flags.to_ne_bytes());
    header
}

/// `struct rtmsg` for a route to everywhere.
fn route_header(table: u8, scope: u8, kind: u8) -> [u8; 12] {
    [libc::AF_INET as u8, 0, 0, 0, table, libc::RTPROT_STATIC, scope, kind, 0, 0, 0, 0]
}
