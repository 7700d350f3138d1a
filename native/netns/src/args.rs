//! The command line.

use std::ffi::{CString, OsString};
use std::os::fd::RawFd;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

use crate::addresses::NUMBER_MAX;
use crate::descriptors::PLACE_MAX;
use crate::listen::{Kind, Listener};

/// What is asked for.
#[derive(Debug, Default, PartialEq)]
pub struct Options {
    pub gateway: PathBuf,
    pub number: u16,
    pub fd: RawFd,
    pub tcp_port: u16,
    pub dns_port: u16,
    pub refuse: Vec<String>,
    pub listeners: Vec<Listener>,
    /// What to execute afterwards.
    pub program: Vec<CString>,
}

/// Reads the options of a verb.
pub fn parse(args: impl Iterator<Item = OsString>) -> Result<Options, String> {
    let mut args = args;
    let mut options = Options::default();
    while let Some(flag) = args.next() {
        if flag == "--" {
            options.program = args
                .map(|arg| CString::new(arg.into_vec()).map_err(|_| "an argument with NUL".to_string()))
                .collect::<Result<_, _>>()?;
            break;
        }
        let flag = flag.to_string_lossy().into_owned();
        let value = args.next().ok_or(format!("{flag} needs a value"))?;
        if flag == "--gateway" {
            options.gateway = value.into();
            continue;
        }
        let text = value.into_string().map_err(|_| format!("the value of {flag} is no text"))?;
        match flag.as_str() {
            "--number" => options.number = number(&text)?,
            "--fd" => options.fd = descriptor(&text)?,
            "--tcp-port" => options.tcp_port = port(&text)?,
            "--dns-port" => options.dns_port = port(&text)?,
            "--refuse" => options.refuse.push(network(text)?),
            "--transparent" => options.listeners.push(listener(Kind::Transparent, &text)?),
            "--tcp" => options.listeners.push(listener(Kind::Tcp, &text)?),
            "--udp" => options.listeners.push(listener(Kind::Udp, &text)?),
            _ => return Err(format!("unknown option {flag}")),
        }
    }
    if options.gateway.as_os_str().is_empty() {
        return Err("--gateway is needed".into());
    }
    Ok(options)
}

fn number(text: &str) -> Result<u16, String> {
    let number = text.parse().ok().filter(|number| (1..=NUMBER_MAX).contains(number));
    number.ok_or(format!("{text} is no number from 1 to {NUMBER_MAX}"))
}

fn descriptor(text: &str) -> Result<RawFd, String> {
    let fd = text.parse().ok().filter(|fd| (3..PLACE_MAX).contains(fd));
    fd.ok_or(format!("{text} is no descriptor"))
}

fn port(text: &str) -> Result<u16, String> {
    text.parse().ok().filter(|port| *port > 0).ok_or(format!("{text} is no port"))
}

/// It becomes part of the rules, so it is a network and nothing else.
fn network(text: String) -> Result<String, String> {
    let is_network = text.split_once('/').is_some_and(|(address, prefix)| {
        address.parse::<std::net::Ipv4Addr>().is_ok() && prefix.parse::<u8>().is_ok_and(|prefix| prefix <= 32)
    });
    if is_network {
        Ok(text)
    } else {
        Err(format!("{text} is no IPv4 network"))
    }
}

fn listener(kind: Kind, text: &str) -> Result<Listener, String> {
    let (at, fd) = text.split_once(':').ok_or(format!("{text} is not PORT:FD"))?;
    Ok(Listener { kind, port: port(at)?, fd: descriptor(fd)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(args: &[&str]) -> Result<Options, String> {
        parse(args.iter().map(OsString::from))
    }

    #[test]
    fn reads_every_option_and_leaves_the_program_alone() {
        let options = parsed(&[
            "--gateway",
            "/g",
            "--number",
            "7",
            "--fd",
            "9",
            "--transparent",
            "5000:3",
            "--udp",
            "53:4",
            "--",
            "/p",
            "--fd",
        ])
        .unwrap();
        assert_eq!((options.number, options.fd), (7, 9));
        assert_eq!(options.listeners[0], Listener { kind: Kind::Transparent, port: 5000, fd: 3 });
        assert_eq!(options.program, [c"/p".to_owned(), c"--fd".to_owned()]);
    }

    #[test]
    fn refuses_what_it_does_not_understand() {
        for wrong in [
            &["--gateway"][..],
            &["--number", "7"],
            &["--gateway", "/g", "--number", "0"],
            &["--gateway", "/g", "--fd", "2"],
            &["--gateway", "/g", "--refuse", "10.0.0.0/8; flush ruleset"],
            &["--gateway", "/g", "--refuse", "10.0.0.0/33"],
            &["--gateway", "/g", "--tcp", "80"],
            &["--gateway", "/g", "--what", "x"],
        ] {
            assert!(parsed(wrong).is_err(), "{wrong:?}");
        }
    }
}
