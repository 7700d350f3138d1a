//! Sockets on which the guest listens for its host.

mod common;

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};

use common::{Guest, Link};
use serde_json::{json, Value};

fn listen(link: &mut Link, host: &str, port: u16) -> (u32, u16) {
    let channel = link.request("listen", json!({ "tcp": { "host": host, "port": port } }));
    let answer = link.response(channel).unwrap();
    (channel, answer["port"].as_u64().unwrap() as u16)
}

fn accept(link: &mut Link, listener: u32) -> u32 {
    link.request("accept", json!({ "listener": listener }))
}

#[test]
fn a_connection_that_comes_in_carries_bytes_both_ways() {
    let (_guest, mut link) = Guest::start();
    let (listener, port) = listen(&mut link, "localhost", 0);
    let accepting = accept(&mut link, listener);
    let mut client = TcpStream::connect(("127.0.0.1", port)).unwrap();
    let peer = link.response(accepting).unwrap();
    assert_eq!(peer, json!({ "address": "127.0.0.1", "port": client.local_addr().unwrap().port() }));
    client.write_all(b"from inside").unwrap();
    assert_eq!(link.next_data(accepting), b"from inside");
    link.data(accepting, b"from outside");
    link.end(accepting);
    let mut got = String::new();
    client.read_to_string(&mut got).unwrap();
    assert_eq!(got, "from outside");
    drop(client);
    link.finish(accepting);
}

#[test]
fn who_connects_before_anybody_asks_waits_and_each_is_given_out_once() {
    let (_guest, mut link) = Guest::start();
    let (listener, port) = listen(&mut link, "127.0.0.1", 0);
    let clients: Vec<_> = (0..5).map(|_| TcpStream::connect(("127.0.0.1", port)).unwrap()).collect();
    let mut ports: Vec<u64> = Vec::new();
    for _ in &clients {
        let accepting = accept(&mut link, listener);
        ports.push(link.response(accepting).unwrap()["port"].as_u64().unwrap());
    }
    let mut wanted: Vec<u64> = clients.iter().map(|client| client.local_addr().unwrap().port().into()).collect();
    ports.sort_unstable();
    wanted.sort_unstable();
    assert_eq!(ports, wanted);
}

#[test]
fn localhost_is_both_families_on_one_port() {
    let (_guest, mut link) = Guest::start();
    let (listener, port) = listen(&mut link, "localhost", 0);
    for host in ["127.0.0.1", "::1"] {
        let client = TcpStream::connect((host, port)).unwrap();
        let accepting = accept(&mut link, listener);
        assert_eq!(link.response(accepting).unwrap()["address"], host);
        drop(client);
    }
}

#[test]
fn every_address_may_be_listened_on() {
    let (_guest, mut link) = Guest::start();
    for host in ["", "*", "0.0.0.0"] {
        let (listener, port) = listen(&mut link, host, 0);
        let _client = TcpStream::connect(("127.0.0.1", port)).unwrap();
        let accepting = accept(&mut link, listener);
        assert_eq!(link.response(accepting).unwrap()["address"], "127.0.0.1", "{host}");
    }
}

#[test]
fn a_unix_socket_is_its_owners_and_its_file_goes_with_it() {
    let (guest, mut link) = Guest::start();
    let listener = link.request("listen", json!({ "unix": "agent.sock" }));
    assert_eq!(link.response(listener).unwrap(), json!({ "port": null }));
    let path = guest.path("agent.sock");
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let accepting = accept(&mut link, listener);
    let mut client = UnixStream::connect(&path).unwrap();
    assert_eq!(link.response(accepting).unwrap(), json!({ "address": null, "port": null }));
    client.write_all(b"hello").unwrap();
    assert_eq!(link.next_data(accepting), b"hello");
    link.cancel(listener);
    link.finish(listener);
    while fs::exists(&path).unwrap() {
        link.call("ping", json!({})).unwrap();
    }
    client.write_all(b"still here").unwrap();
    assert_eq!(link.next_data(accepting), b"still here");
}

#[test]
fn a_file_that_took_the_place_of_a_socket_stays() {
    let (guest, mut link) = Guest::start();
    let listener = link.request("listen", json!({ "unix": "agent.sock" }));
    link.response(listener).unwrap();
    let path = guest.path("agent.sock");
    fs::remove_file(&path).unwrap();
    let _other = UnixListener::bind(&path).unwrap();
    link.cancel(listener);
    link.finish(listener);
    // A file operation that is asked for later is done later.
    link.call("fs.stat", json!({ "path": "agent.sock" })).unwrap();
    assert!(fs::exists(&path).unwrap());
}

#[test]
fn a_socket_that_is_given_up_refuses_connections_and_frees_who_waited() {
    let (_guest, mut link) = Guest::start();
    let (listener, port) = listen(&mut link, "localhost", 0);
    let accepting = accept(&mut link, listener);
    link.cancel(listener);
    assert_eq!(link.response(accepting).unwrap_err()["errno"], "ECANCELED");
    assert!(TcpStream::connect(("127.0.0.1", port)).is_err());
    assert_eq!(link.errno("accept", json!({ "listener": listener })), "EBADF");
    // The port is free again.
    listen(&mut link, "localhost", port);
}

#[test]
fn who_waits_may_give_up_and_the_next_gets_the_connection() {
    let (_guest, mut link) = Guest::start();
    let (listener, port) = listen(&mut link, "localhost", 0);
    let (first, second) = (accept(&mut link, listener), accept(&mut link, listener));
    link.cancel(first);
    assert_eq!(link.response(first).unwrap_err()["errno"], "ECANCELED");
    let _client = TcpStream::connect(("127.0.0.1", port)).unwrap();
    link.response(second).unwrap();
}

#[test]
fn what_cannot_be_listened_on_says_why() {
    let (guest, mut link) = Guest::start();
    let (_, port) = listen(&mut link, "127.0.0.1", 0);
    let tcp = |host: &str, port: u16| json!({ "tcp": { "host": host, "port": port } });
    assert_eq!(link.errno("listen", tcp("127.0.0.1", port)), "EADDRINUSE");
    assert_eq!(link.errno("listen", tcp("203.0.113.1", 0)), "EADDRNOTAVAIL");
    assert_eq!(link.errno("listen", tcp("example.com", 0)), "EADDRNOTAVAIL");
    fs::write(guest.path("file"), "").unwrap();
    assert_eq!(link.errno("listen", json!({ "unix": "file" })), "EADDRINUSE");
    assert_eq!(link.errno("listen", json!({ "unix": "no/such" })), "ENOENT");
    assert_eq!(link.errno("listen", json!({ "unix": "x".repeat(200) })), "ENAMETOOLONG");
    for params in [json!({}), json!({ "tcp": { "host": "", "port": 70_000 } }), json!({ "unix": 3 })] {
        assert_eq!(link.errno("listen", params), "null");
    }
    assert_eq!(link.errno("accept", json!({ "listener": 1_000_000 })), "EBADF");
    assert_eq!(link.errno("accept", json!({ "listener": -1 })), "null");
}

#[test]
fn only_so_many_sockets_listen_and_only_so_many_wait_for_one() {
    let (_guest, mut link) = Guest::start();
    let (listener, _) = listen(&mut link, "localhost", 0);
    for _ in 1..64 {
        listen(&mut link, "localhost", 0);
    }
    assert_eq!(link.errno("listen", json!({ "tcp": { "host": "localhost", "port": 0 } })), "EMFILE");
    for _ in 0..16 {
        accept(&mut link, listener);
    }
    assert_eq!(link.errno("accept", json!({ "listener": listener })), "EAGAIN");
}

#[test]
fn nothing_listens_for_a_host_that_has_gone() {
    let (guest, mut link) = Guest::start();
    let (listener, port) = listen(&mut link, "localhost", 0);
    accept(&mut link, listener);
    drop(link);
    let mut link = guest.accept();
    assert_eq!(link.call("ping", json!({})), Ok(Value::Object(Default::default())));
    assert!(TcpStream::connect(("127.0.0.1", port)).is_err());
}
