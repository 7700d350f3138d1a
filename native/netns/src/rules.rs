//! The packet filter of each namespace, as `nft` reads it.

use std::io::Write;
use std::process::{Command, Stdio};

use crate::addresses::{Link, GUEST, GUEST_GATEWAY};

/// What carries this mark was taken by a transparent socket's rule.
pub const TAKEN_MARK: u32 = 1;
pub const TAKEN_TABLE: u8 = 100;
/// The table and the sets that `sets` adds machines to.
pub const TABLE: &str = "skerry";
pub const OPEN: &str = "open";
pub const FILTERED: &str = "filtered";
pub const WATCHED: &str = "watched";
/// The gateway's interface towards the host.
pub const UPLINK: &str = "host0";
pub const MACHINE_UPLINK: &str = "up0";
pub const TAP: &str = "tap0";

/// Never reached by a machine, whatever its policy: this host, private and shared networks, link-local and metadata addresses, multicast and reserved ones.
const REFUSED: &str = "0.0.0.0/8, 10.0.0.0/8, 100.64.0.0/10, 127.0.0.0/8, 169.254.0.0/16, 172.16.0.0/12, \
                       192.0.0.0/24, 192.168.0.0/16, 224.0.0.0/3";

/// Where egress listens in the gateway.
pub struct Ports {
    pub tcp: u16,
    pub dns: u16,
}

/// Of the namespace of a machine that is behind `link`: out through its own address, nothing in, and
/// nobody pretends to be another. The name server that the guest knows is the gateway's.
pub fn machine(link: &Link) -> String {
    let outer = link.outer;
    format!(
        "table inet {TABLE} {{
           chain forward {{
             type filter hook forward priority filter; policy drop;
             iifname \"{TAP}\" oifname \"{MACHINE_UPLINK}\" ip saddr {GUEST} accept
             iifname \"{MACHINE_UPLINK}\" oifname \"{TAP}\" ct state established,related accept
           }}
           chain input {{
             type filter hook input priority filter; policy drop;
             iifname \"{TAP}\" icmp type echo-request accept
             iifname \"{MACHINE_UPLINK}\" ct state established,related accept
             iifname \"{TAP}\" meta l4proto tcp reject with tcp reset
             iifname \"{TAP}\" reject with icmpx admin-prohibited
           }}
           chain names {{
             type nat hook prerouting priority dstnat; policy accept;
             iifname \"{TAP}\" ip daddr {GUEST_GATEWAY} meta l4proto {{ tcp, udp }} th dport 53 dnat ip to {outer}
           }}
           chain outgoing {{
             type nat hook postrouting priority srcnat; policy accept;
             oifname \"{MACHINE_UPLINK}\" masquerade
           }}
         }}"
    )
}

/// Of the gateway. A machine that is in no set gets an error for everything; `refuse` are further
/// networks that no machine reaches. Of a machine that is watched, TCP is taken and QUIC refused, so that
/// what it sends to the hosts of its secrets can be seen. What asks for a name asks us, whatever server it meant. Only
/// what comes back is let through for being part of a connection: a machine that is open no more
/// loses those that it had.
pub fn gateway(ports: &Ports, refuse: &[String]) -> String {
    let refused = refused(refuse);
    let (tcp, dns) = (ports.tcp, ports.dns);
    format!(
        "table inet {TABLE}
         delete table inet {TABLE}
         table inet {TABLE} {{
           set {OPEN} {{ type ifname; }}
           set {FILTERED} {{ type ifname; }}
           set {WATCHED} {{ type ifname; }}
           set refused {{ type ipv4_addr; flags interval; auto-merge; elements = {{ {refused} }} }}
           chain take {{
             type filter hook prerouting priority mangle; policy accept;
             th dport 53 accept
             iifname @{FILTERED} meta nfproto ipv4 meta l4proto tcp tproxy ip to :{tcp} meta mark set {TAKEN_MARK} accept
             iifname @{WATCHED} meta nfproto ipv4 meta l4proto tcp tproxy ip to :{tcp} meta mark set {TAKEN_MARK} accept
           }}
           chain names {{
             type nat hook prerouting priority dstnat; policy accept;
             iifname @{OPEN} meta l4proto {{ tcp, udp }} th dport 53 redirect to :{dns}
             iifname @{FILTERED} meta l4proto {{ tcp, udp }} th dport 53 redirect to :{dns}
             iifname @{WATCHED} meta l4proto {{ tcp, udp }} th dport 53 redirect to :{dns}
           }}
           chain input {{
             type filter hook input priority filter; policy drop;
             iifname \"lo\" accept
             ct state established,related accept
             iifname \"{UPLINK}\" drop
             meta mark {TAKEN_MARK} accept
             iifname @{OPEN} meta l4proto {{ tcp, udp }} th dport {dns} accept
             iifname @{FILTERED} meta l4proto {{ tcp, udp }} th dport {dns} accept
             iifname @{WATCHED} meta l4proto {{ tcp, udp }} th dport {dns} accept
             meta l4proto tcp reject with tcp reset
             reject with icmpx admin-prohibited
           }}
           chain forward {{
             type filter hook forward priority filter; policy drop;
             iifname \"{UPLINK}\" ct state established,related accept
             iifname \"{UPLINK}\" drop
             iifname @{OPEN} oifname \"{UPLINK}\" ip daddr != @refused accept
             iifname @{WATCHED} udp dport 443 reject with icmpx admin-prohibited
             iifname @{WATCHED} oifname \"{UPLINK}\" meta l4proto != tcp ip daddr != @refused accept
             meta l4proto tcp reject with tcp reset
             reject with icmpx admin-prohibited
           }}
           chain outgoing {{
             type nat hook postrouting priority srcnat; policy accept;
             oifname \"{UPLINK}\" masquerade
           }}
         }}"
    )
}

/// Of the host, about one gateway: it goes out, and reaches neither the host nor what is refused.
pub fn host(table: &str, interface: &str, gateway: &str, refuse: &[String]) -> String {
    let refused = refused(refuse);
    format!(
        "table inet {table}
         delete table inet {table}
         table inet {table} {{
           set refused {{ type ipv4_addr; flags interval; auto-merge; elements = {{ {refused} }} }}
           chain input {{
             type filter hook input priority -10; policy accept;
             iifname \"{interface}\" ct state established,related accept
             iifname \"{interface}\" drop
           }}
           chain forward {{
             type filter hook forward priority -10; policy accept;
             iifname \"{interface}\" ip daddr @refused drop
             oifname \"{interface}\" ct state established,related accept
             oifname \"{interface}\" drop
           }}
           chain outgoing {{
             type nat hook postrouting priority srcnat; policy accept;
             ip saddr {gateway} oifname != \"{interface}\" masquerade
           }}
         }}"
    )
}

pub fn without(table: &str) -> String {
    format!("table inet {table}\ndelete table inet {table}\n")
}

fn refused(more: &[String]) -> String {
    let mut all = vec![REFUSED.to_string()];
    all.extend(more.iter().cloned());
    all.join(", ")
}

/// Gives `ruleset` to the kernel, all of it or nothing, in the thread's namespace.
pub fn apply(ruleset: &str) -> Result<(), String> {
    let mut nft = Command::new("/usr/sbin/nft")
        .args(["-f", "-"])
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| format!("cannot run nft: {error}"))?;
    let mut input = nft.stdin.take().expect("it is piped");
    let written = input.write_all(ruleset.as_bytes());
    drop(input);
    let output = nft.wait_with_output().map_err(|error| format!("cannot wait for nft: {error}"))?;
    if output.status.success() && written.is_ok() {
        return Ok(());
    }
    Err(format!("nft refuses the rules: {}", String::from_utf8_lossy(&output.stderr).trim()))
}
