//! The gateway and its machines on the real kernel, which needs root: servers and clients are in
//! namespaces that the tests make. A program in a machine's namespace stands for the guest.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

const PROGRAM: &str = env!("CARGO_BIN_EXE_skerry-netns");
const TCP_PORT: &str = "5000";
const DNS_PORT: &str = "5353";
const PATIENCE: Duration = Duration::from_secs(10);

/// Tests run at the same time in one host: each has numbers of its own.
static NEXT: AtomicU16 = AtomicU16::new(9_000);

/// A gateway, and an `outside` with an address that no machine is refused.
struct World {
    gateway: PathBuf,
    number: u16,
    outside: String,
    /// Where a server of `outside` listens.
    address: String,
}

impl World {
    fn new() -> World {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let gateway = std::env::temp_dir().join(format!("skerry-netns-{}-{number}", std::process::id()));
        let outside = format!("skt{number}");
        let third = number % 250;
        let address = format!("198.18.{third}.1");
        ip(&format!("netns add {outside}"));
        ip(&format!("link add skt{number}v type veth peer name eth0 netns {outside}"));
        ip(&format!("addr add 198.19.{third}.1/30 dev skt{number}v"));
        ip(&format!("link set skt{number}v up"));
        ip(&format!("-n {outside} addr add 198.19.{third}.2/30 dev eth0"));
        ip(&format!("-n {outside} addr add {address}/32 dev lo"));
        ip(&format!("-n {outside} link set lo up"));
        ip(&format!("-n {outside} link set eth0 up"));
        ip(&format!("-n {outside} route add default via 198.19.{third}.1"));
        ip(&format!("route add {address}/32 via 198.19.{third}.2"));
        let world = World { gateway, number, outside, address };
        world.up();
        world
    }

    fn up(&self) {
        let number = self.number.to_string();
        let gateway = path(&self.gateway);
        expect(&[
            "up",
            "--gateway",
            gateway,
            "--number",
            &number,
            "--tcp-port",
            TCP_PORT,
            "--dns-port",
            DNS_PORT,
            "--refuse",
            "198.19.0.0/16",
        ]);
    }

    fn machine(&self, number: u16) -> Machine {
        let child = Command::new(PROGRAM)
            .args(["machine", "--gateway", path(&self.gateway), "--number", &number.to_string()])
            .args(["--fd", "9", "--", "/bin/sh", "-c", "echo ready; exec sleep 600"])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut machine = Machine { child };
        let output = machine.child.stdout.as_mut().unwrap();
        let mut line = String::new();
        BufReader::new(output).read_line(&mut line).unwrap();
        assert_eq!(line, "ready\n");
        machine
    }

    fn put(&self, requests: &str) -> String {
        let mut control = Command::new(PROGRAM)
            .args(["control", "--gateway", path(&self.gateway)])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        control.stdin.take().unwrap().write_all(requests.as_bytes()).unwrap();
        text(&control.wait_with_output().unwrap())
    }

    /// A server outside that says `hello` to whoever connects.
    fn server(&self) -> Running {
        self.script(&["ip", "netns", "exec", &self.outside], &format!(
            "import socket\ns=socket.create_server(('{}',80))\nprint('ready',flush=True)\nwhile True:\n c,_=s.accept(); c.sendall(b'hello'); c.close()",
            self.address
        ))
    }

    fn script(&self, before: &[&str], script: &str) -> Running {
        let mut words = before.to_vec();
        words.extend(["python3", "-c", script]);
        let mut child = Command::new(words[0]).args(&words[1..]).stdout(Stdio::piped()).spawn().unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        output.read_line(&mut line).unwrap();
        assert_eq!(line, "ready\n");
        Running { child, output }
    }

    /// Names of the interfaces in the gateway.
    fn interfaces(&self) -> String {
        text(
            &Command::new("nsenter")
                .arg(format!("--net={}", path(&self.gateway)))
                .args(["ls", "/sys/class/net"])
                .output()
                .unwrap(),
        ) + &text(
            &Command::new("nsenter")
                .arg(format!("--net={}", path(&self.gateway)))
                .args(["ip", "-br", "link"])
                .output()
                .unwrap(),
        )
    }
}

impl Drop for World {
    fn drop(&mut self) {
        expect(&["down", "--gateway", path(&self.gateway), "--number", &self.number.to_string()]);
        ip(&format!("netns del {}", self.outside));
    }
}

struct Machine {
    child: Child,
}

impl Machine {
    /// What a program in the machine's namespace prints that connects and reads.
    fn connects(&self, address: &str, port: u16) -> String {
        self.python(&format!(
            "import socket\ntry:\n s=socket.create_connection(('{address}',{port}),5); print(s.recv(99).decode())\nexcept OSError as e: print(type(e).__name__, e.errno)"
        ))
    }

    fn python(&self, script: &str) -> String {
        let output = Command::new("nsenter")
            .args(["-t", &self.child.id().to_string(), "-n", "python3", "-c", script])
            .output()
            .unwrap();
        text(&output)
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

struct Running {
    child: Child,
    output: BufReader<std::process::ChildStdout>,
}

impl Running {
    fn line(&mut self) -> String {
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        line.trim_end().to_string()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn text(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim_end().to_string()
}

fn ip(arguments: &str) {
    text(&Command::new("ip").args(arguments.split(' ')).output().unwrap());
}

fn expect(arguments: &[&str]) {
    text(&Command::new(PROGRAM).args(arguments).output().unwrap());
}

#[test]
fn a_machine_that_nobody_opened_is_refused_at_once() {
    let world = World::new();
    let _server = world.server();
    let machine = world.machine(1);
    assert_eq!(machine.connects(&world.address, 80), "ConnectionRefusedError 111");
}

#[test]
fn an_open_machine_reaches_the_outside_and_nothing_that_is_refused() {
    let world = World::new();
    let _server = world.server();
    let machine = world.machine(2);
    assert_eq!(world.put("open 2\n"), "ok");
    assert_eq!(machine.connects(&world.address, 80), "hello");
    let third = world.number % 250;
    for refused in [
        format!("198.19.{third}.2"), // of `outside`, and in a network that this server refuses
        format!("198.19.{third}.1"), // the host itself
        "10.0.0.1".into(),
        "169.254.169.254".into(),
        "100.100.0.9".into(), // the gateway's own end
        "192.168.1.1".into(),
    ] {
        assert_eq!(machine.connects(&refused, 80), "ConnectionRefusedError 111", "{refused}");
    }
}

#[test]
fn machines_do_not_reach_each_other() {
    let world = World::new();
    let one = world.machine(3);
    let two = world.machine(4);
    assert_eq!(world.put("open 3\nopen 4\n"), "ok\nok");
    let _server = world.script(
        &["nsenter", "-t", &two.child.id().to_string(), "-n"],
        "import socket\ns=socket.create_server(('100.100.0.18',80))\nprint('ready',flush=True)\ns.accept()",
    );
    assert_eq!(one.connects("100.100.0.18", 80), "ConnectionRefusedError 111");
}

#[test]
fn a_filtered_machine_meets_only_the_transparent_socket_which_knows_where_it_wanted_to_go() {
    let world = World::new();
    let _server = world.server();
    let machine = world.machine(5);
    assert_eq!(world.put("filtered 5\n"), "ok");
    assert_eq!(machine.connects(&world.address, 80), "ConnectionRefusedError 111", "nobody listens yet");
    let mut egress = world.script(
        &[PROGRAM, "listen", "--gateway", path(&world.gateway), "--transparent", "5000:3", "--", "/usr/bin/env"],
        "import socket\ns=socket.socket(fileno=3)\nprint('ready',flush=True)\nc,a=s.accept(); print(a[0],*c.getsockname(),flush=True); c.sendall(b'egress'); c.close()",
    );
    assert_eq!(machine.connects("203.0.113.77", 8_443), "egress");
    assert_eq!(egress.line(), "100.100.0.22 203.0.113.77 8443");
}

#[test]
fn whoever_is_asked_for_a_name_our_resolver_answers() {
    let world = World::new();
    let machine = world.machine(6);
    assert_eq!(world.put("open 6\n"), "ok");
    let _egress = world.script(
        &[PROGRAM, "listen", "--gateway", path(&world.gateway), "--udp", "5353:3", "--", "/usr/bin/env"],
        "import socket\ns=socket.socket(fileno=3)\nprint('ready',flush=True)\nwhile True:\n d,a=s.recvfrom(99); s.sendto(a[0].encode(),a)",
    );
    let answer = machine.python(
        "import socket\ns=socket.socket(socket.AF_INET,socket.SOCK_DGRAM); s.settimeout(5); s.connect(('8.8.8.8',53)); s.send(b'?'); print(s.recv(99).decode())",
    );
    assert_eq!(answer, "100.100.0.26");
}

#[test]
fn what_is_neither_tcp_nor_a_name_does_not_leave_a_filtered_machine() {
    let world = World::new();
    let machine = world.machine(7);
    assert_eq!(world.put("filtered 7\n"), "ok");
    let answer = machine.python(&format!(
        "import socket\ns=socket.socket(socket.AF_INET,socket.SOCK_DGRAM); s.settimeout(5); s.connect(('{}',443)); s.send(b'?')\ntry: s.recv(99)\nexcept OSError as e: print(e.errno)",
        world.address
    ));
    assert_eq!(answer, "113", "the sender is told that there is no way");
}

#[test]
fn with_the_process_that_holds_the_tap_everything_of_the_machine_is_gone() {
    let world = World::new();
    let machine = world.machine(8);
    assert!(world.interfaces().contains("m8@"));
    drop(machine);
    let since = Instant::now();
    while world.interfaces().contains("m8@") {
        assert!(since.elapsed() < PATIENCE, "the kernel has not removed the link");
        std::thread::yield_now();
    }
    // A machine of the same number that comes later is closed again.
    world.put("open 8\n");
    let next = world.machine(8);
    let _server = world.server();
    assert_eq!(next.connects(&world.address, 80), "ConnectionRefusedError 111");
}

#[test]
fn a_gateway_that_is_brought_up_again_keeps_its_machines_and_closes_them() {
    let world = World::new();
    let _server = world.server();
    let machine = world.machine(9);
    assert_eq!(world.put("open 9\n"), "ok");
    assert_eq!(machine.connects(&world.address, 80), "hello");
    world.up();
    assert_eq!(machine.connects(&world.address, 80), "ConnectionRefusedError 111");
    assert_eq!(world.put("open 9\n"), "ok");
    assert_eq!(machine.connects(&world.address, 80), "hello");
}

#[test]
fn a_request_that_makes_no_sense_changes_nothing() {
    let world = World::new();
    assert_eq!(
        world.put("open\nopen 0\nwhat 3\nopen 10\nclosed 10\n"),
        "error not a request\nerror not a request\nerror not a request\nok\nok"
    );
}

#[test]
fn a_reach_that_is_known_is_changed_in_one_step_and_one_that_is_not_stays() {
    let world = World::new();
    let _server = world.server();
    let machine = world.machine(11);
    assert_eq!(world.put("filtered 11 from closed\nopen 11 from filtered\n"), "ok\nok");
    assert_eq!(machine.connects(&world.address, 80), "hello");
    assert!(world.put("closed 11 from filtered\n").starts_with("error"));
    assert_eq!(machine.connects(&world.address, 80), "hello");
    assert_eq!(world.put("closed 11 from open\n"), "ok");
    assert_eq!(machine.connects(&world.address, 80), "ConnectionRefusedError 111");
}

#[test]
fn taking_down_leaves_nothing_and_may_be_repeated() {
    let world = World::new();
    let (gateway, number) = (world.gateway.clone(), world.number);
    drop(world);
    assert!(!gateway.exists());
    assert!(!fs::read_to_string("/proc/net/dev").unwrap().contains(&format!("skerry{number}:")));
    let tables = text(&Command::new("/usr/sbin/nft").args(["list", "tables"]).output().unwrap());
    assert!(!tables.contains(&format!("skerry_{number}")));
    expect(&["down", "--gateway", path(&gateway), "--number", &number.to_string()]);
}
