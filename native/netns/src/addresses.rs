//! Who has which address.

use std::net::Ipv4Addr;

/// What every machine is inside: its own address, and the gateway and name server beside it. The
/// guest sets it up before it is captured, so that a restored machine has nothing to configure.
pub const GUEST_GATEWAY: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 1);
pub const GUEST: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 2);
pub const GUEST_PREFIX: u8 = 30;

/// The networks between machines and the gateway, four addresses each: seen nowhere else.
const MACHINES: Ipv4Addr = Ipv4Addr::new(100, 100, 0, 0);
/// The networks between the gateways of this host's servers and the host.
const GATEWAYS: Ipv4Addr = Ipv4Addr::new(100, 101, 0, 0);
pub const LINK_PREFIX: u8 = 30;
/// Numbers of machines and of gateways are from 1 to this.
pub const NUMBER_MAX: u16 = 16_383;

/// The two ends of a link of four addresses.
#[derive(Debug, PartialEq)]
pub struct Link {
    /// On the side of the internet.
    pub outer: Ipv4Addr,
    /// On the side of the machines.
    pub inner: Ipv4Addr,
}

/// The link of machine `number`: its gateway's end and its own.
pub fn machine_link(number: u16) -> Link {
    link(MACHINES, number)
}

/// The link of gateway `number`: the host's end and its own.
pub fn gateway_link(number: u16) -> Link {
    link(GATEWAYS, number)
}

fn link(base: Ipv4Addr, number: u16) -> Link {
    let first = u32::from(base) + 4 * u32::from(number);
    Link { outer: Ipv4Addr::from(first + 1), inner: Ipv4Addr::from(first + 2) }
}

/// The gateway's interface towards machine `number`.
pub fn machine_interface(number: u16) -> String {
    format!("m{number}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_links_share_an_address_and_all_stay_in_their_network() {
        let first = machine_link(1);
        assert_eq!(first.outer, Ipv4Addr::new(100, 100, 0, 5));
        assert_eq!(first.inner, Ipv4Addr::new(100, 100, 0, 6));
        assert_eq!(machine_link(2).outer, Ipv4Addr::new(100, 100, 0, 9));
        assert_eq!(machine_link(NUMBER_MAX).inner, Ipv4Addr::new(100, 100, 255, 254));
        assert_eq!(gateway_link(NUMBER_MAX).inner, Ipv4Addr::new(100, 101, 255, 254));
    }
}
