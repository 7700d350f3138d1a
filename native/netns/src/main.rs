//! What the network of a Skerry host needs privileges for, and nothing else; the picture is in docs/design/0005-network.md.
//!
//! ```text
//! skerry-netns up      --gateway FILE --number N --tcp-port P --dns-port P [--refuse NETWORK]…
//! skerry-netns down    --gateway FILE --number N
//! skerry-netns machine --gateway FILE --number N --fd FD -- PROGRAM [ARG…]
//! skerry-netns listen  --gateway FILE [--transparent PORT:FD] [--tcp PORT:FD] [--udp PORT:FD] -- PROGRAM [ARG…]
//! skerry-netns control --gateway FILE
//! ```
//!
//! `up` and `down` make and remove the gateway; FILE keeps its namespace. `machine` makes the namespace of a machine and
//! executes the program, which is the launcher of its monitor, with the tap as descriptor FD. `listen` executes the program, which is
//! egress, with sockets that listen in the gateway. `control` says on standard input what machines may reach.

mod addresses;
mod args;
mod control;
mod descriptors;
mod gateway;
mod links;
mod listen;
mod machine;
mod namespace;
mod netlink;
mod rules;
mod sets;

use std::ffi::CString;
use std::os::fd::{OwnedFd, RawFd};
use std::process::exit;

use args::Options;
use gateway::Gateway;
use rules::Ports;

fn main() {
    let mut args = std::env::args_os().skip(1);
    let verb = args.next().unwrap_or_default();
    let done = args::parse(args).and_then(|options| match verb.to_str() {
        Some("up") => gateway_of(options).and_then(|gateway| gateway.bring_up()),
        Some("down") => gateway_of(options).and_then(|gateway| gateway.take_down()),
        Some("machine") => machine::make(&options).and_then(|tap| execute(&options.program, vec![(tap, options.fd)])),
        Some("listen") => {
            listen::listen(&options.gateway, &options.listeners).and_then(|sockets| execute(&options.program, sockets))
        }
        Some("control") => control::serve(&options.gateway),
        _ => Err("the verb is one of up, down, machine, listen and control".into()),
    });
    if let Err(message) = done {
        eprintln!("skerry-netns: {message}");
        exit(1);
    }
}

fn gateway_of(options: Options) -> Result<Gateway, String> {
    if options.number == 0 {
        return Err("--number is needed".into());
    }
    let ports = Ports { tcp: options.tcp_port, dns: options.dns_port };
    Ok(Gateway { path: options.gateway, number: options.number, ports, refuse: options.refuse })
}

/// Becomes `program`, with this environment and these descriptors; comes back only when it cannot.
fn execute(program: &[CString], descriptors: Vec<(OwnedFd, RawFd)>) -> Result<(), String> {
    let first = program.first().ok_or("a program is needed after --")?;
    let aside = descriptors.into_iter().map(|(from, to)| Ok((descriptors::put_aside(from)?, to)));
    let placed = aside.collect::<std::io::Result<Vec<_>>>().and_then(descriptors::place);
    placed.map_err(|error| format!("cannot place a descriptor: {error}"))?;
    let mut pointers: Vec<*const libc::c_char> = program.iter().map(|arg| arg.as_ptr()).collect();
    pointers.push(std::ptr::null());
    // SAFETY: the array ends with a null pointer and points into texts that live until then.
    unsafe { libc::execv(first.as_ptr(), pointers.as_ptr()) };
    Err(format!("cannot run {}: {}", first.to_string_lossy(), std::io::Error::last_os_error()))
}
