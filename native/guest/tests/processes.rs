//! Processes through the protocol.

mod common;

use std::collections::HashSet;
use std::time::{Duration, Instant};

use common::{exited, killed, piped, Frame, Guest, WINDOW};
use serde_json::json;

#[test]
fn spawn_reports_output_exit_and_close_in_that_order_of_things() {
    let (_guest, mut link) = Guest::start();
    let (channel, pid) = link.spawn(json!({ "command": "echo", "args": ["hello", "world"] }));
    assert!(pid > 1);
    let finished = link.finish(channel);
    assert_eq!(finished.stdout(), "hello world\n");
    assert_eq!(finished.ended, [1, 2]);
    assert_eq!(finished.exit(), exited(0));
}

#[test]
fn exit_codes_and_signals_are_told_apart() {
    let (_guest, mut link) = Guest::start();
    for (script, expected) in [
        ("exit 0", exited(0)),
        ("exit 3", exited(3)),
        ("exit 255", exited(255)),
        ("kill -TERM $$", killed("SIGTERM", 15)),
        ("kill -KILL $$", killed("SIGKILL", 9)),
        ("sh -c 'kill -KILL $$'; exit $?", exited(137)),
    ] {
        assert_eq!(link.shell(script).exit(), expected, "{script}");
    }
}

#[test]
fn an_exec_that_fails_is_the_error_of_spawn() {
    let (guest, mut link) = Guest::start();
    std::fs::write(guest.path("plain"), "not executable").unwrap();
    std::fs::create_dir(guest.path("directory")).unwrap();
    for (params, errno, doing) in [
        (json!({ "command": "no-such-command" }), "ENOENT", "spawn 'no-such-command'"),
        (json!({ "command": "./plain" }), "EACCES", "spawn './plain'"),
        (json!({ "command": "./directory" }), "EACCES", "spawn './directory'"),
        (json!({ "command": "" }), "ENOENT", "spawn ''"),
        (json!({ "command": "true", "cwd": "/nowhere" }), "ENOENT", "chdir '/nowhere'"),
        (json!({ "command": "true", "cwd": "plain" }), "ENOTDIR", "chdir 'plain'"),
    ] {
        let error = link.call("spawn", piped(params)).unwrap_err();
        assert_eq!(error["errno"], errno, "{error}");
        let message = error["message"].as_str().unwrap();
        assert!(message.ends_with(&format!(": {doing}")), "{message}");
    }
    let error = link.call("spawn", piped(json!({ "command": "no-such-command" }))).unwrap_err();
    assert_eq!(error["message"], "No such file or directory (os error 2): spawn 'no-such-command'");
}

#[test]
fn parameters_of_the_wrong_shape_are_said() {
    let (_guest, mut link) = Guest::start();
    for (params, word) in [
        (json!({}), "command"),
        (piped(json!({ "command": 3 })), "string"),
        (json!({ "command": "true", "stdin": "null", "stdout": "null" }), "stderr"),
        (json!({ "command": "true", "stdin": "inherit", "stdout": "null", "stderr": "null" }), "inherit"),
        (piped(json!({ "command": "a\u{0}b" })), "NUL"),
        (piped(json!({ "command": "true", "args": ["a\u{0}b"] })), "NUL"),
        (piped(json!({ "command": "true", "user": "nobody" })), "nobody"),
    ] {
        let error = link.call("spawn", params).unwrap_err();
        assert!(error["errno"].is_null(), "{error}");
        assert!(error["message"].as_str().unwrap().contains(word), "{error}");
    }
    assert_eq!(link.errno("spawn", piped(json!({ "command": "true", "env": { "A=B": "x" } }))), "EINVAL");
}

#[test]
fn a_script_without_an_interpreter_is_run_by_the_shell() {
    let (guest, mut link) = Guest::start();
    let path = guest.path("script");
    std::fs::write(&path, "echo \"$0 $1\"\n").unwrap();
    link.call("fs.chmod", json!({ "path": "script", "mode": 0o755 })).unwrap();
    let (channel, _) = link.spawn(json!({ "command": path, "args": ["one"] }));
    assert_eq!(link.finish(channel).stdout(), format!("{path} one\n"));
}

#[test]
fn a_process_starts_clean() {
    let (guest, mut link) = Guest::start();
    let finished = link.shell(
        "pwd; grep -E 'SigBlk|SigIgn' /proc/self/status | tr -d '\\n'; echo; ls /proc/self/fd | tr '\\n' ' '; echo; \
         ps -o sid=,pgid=,pid= -p $$",
    );
    let stdout = finished.stdout();
    let lines: Vec<&str> = stdout.lines().collect();
    assert_eq!(lines[0], guest.path("").trim_end_matches('/'));
    assert_eq!(lines[1], "SigBlk:\t0000000000000000SigIgn:\t0000000000000000");
    // 3 is the directory that ls reads.
    assert_eq!(lines[2].trim(), "0 1 2 3");
    let ids: HashSet<&str> = lines[3].split_whitespace().collect();
    assert_eq!(ids.len(), 1, "leader of a session and a group of its own: {}", lines[3]);
}

#[test]
fn the_environment_is_inherited_overlaid_or_cleared() {
    let (_guest, mut link) = Guest::start();
    link.call("env.set", json!({ "key": "SHARED", "value": "one" })).unwrap();
    let mut run = |params| {
        let (channel, _) = link.spawn(params);
        let mut lines: Vec<String> = link.finish(channel).stdout().lines().map(str::to_string).collect();
        lines.sort();
        lines
    };
    let inherited = run(json!({ "command": "env" }));
    assert!(inherited.contains(&"SHARED=one".to_string()) && inherited.contains(&"USER=sandbox".to_string()));
    let overlaid = run(json!({ "command": "env", "env": { "SHARED": "two", "OWN": "three" } }));
    assert!(overlaid.contains(&"SHARED=two".to_string()) && overlaid.contains(&"OWN=three".to_string()));
    assert_eq!(run(json!({ "command": "env", "clearEnv": true, "env": { "OWN": "x" } })), ["OWN=x"]);
    assert_eq!(run(json!({ "command": "env", "clearEnv": true })), Vec::<String>::new());
}

#[test]
fn env_methods_get_set_delete_and_list() {
    let (_guest, mut link) = Guest::start();
    assert_eq!(link.call("env.get", json!({ "key": "NOPE" })), Ok(json!(null)));
    assert_eq!(link.call("env.set", json!({ "key": "A", "value": "b=c" })), Ok(json!({})));
    assert_eq!(link.call("env.get", json!({ "key": "A" })), Ok(json!("b=c")));
    assert_eq!(link.call("env.all", json!({})).unwrap()["A"], "b=c");
    assert_eq!(link.call("env.delete", json!({ "key": "A" })), Ok(json!({})));
    assert_eq!(link.call("env.get", json!({ "key": "A" })), Ok(json!(null)));
    assert_eq!(link.errno("env.set", json!({ "key": "", "value": "x" })), "EINVAL");
    assert_eq!(link.errno("env.set", json!({ "key": "A", "value": "x\u{0}" })), "EINVAL");
}

#[test]
fn eight_mebibytes_of_output_arrive_byte_for_byte_within_the_credit() {
    const TOTAL: usize = 8 * 1024 * 1024;
    let (_guest, mut link) = Guest::start();
    let script = "yes 0123456789abcdef | head -c 8388608";
    let (channel, _) = link.spawn(json!({ "command": "sh", "args": ["-c", script], "stdin": "null" }));
    let (mut content, mut credit, mut ended) = (Vec::new(), WINDOW, false);
    loop {
        match link.next(channel) {
            Frame::Data(_, 1, bytes) => {
                assert!(bytes.len() <= credit, "{} bytes with credit for {credit}", bytes.len());
                credit -= bytes.len();
                content.extend_from_slice(&bytes);
                // Small portions, and only when almost nothing is left: the guest has to wait again and again.
                if credit < 1000 {
                    link.credit(channel, 1, 30_011);
                    credit += 30_011;
                }
            }
            Frame::End(_, 1) => ended = true,
            Frame::Close(_) => break,
            _ => {}
        }
    }
    assert!(ended);
    assert_eq!(content.len(), TOTAL);
    let expected = b"0123456789abcdef\n";
    assert!(content.iter().zip(expected.iter().cycle()).all(|(left, right)| left == right));
}

#[test]
fn without_credit_a_process_waits_in_its_own_write_and_others_go_on() {
    let (guest, mut link) = Guest::start();
    let (flood, pid) = link.spawn(json!({ "command": "cat", "args": ["/dev/zero"], "stdin": "null" }));
    let mut received = 0;
    while received < WINDOW {
        if let Frame::Data(_, 1, bytes) = link.next(flood) {
            received += bytes.len();
        }
    }
    assert_eq!(received, WINDOW);
    let before = guest.resident_kib();
    for _ in 0..50 {
        link.call("ping", json!({})).unwrap();
    }
    assert!(guest.resident_kib() < before + 1024);
    link.call("kill", json!({ "pid": pid, "signal": "SIGKILL" })).unwrap();
    await_end(pid);
    // What is left in the pipe comes with more credit, then the end.
    link.credit(flood, 1, 1 << 20);
    let finished = link.finish(flood);
    assert_eq!(finished.exit(), killed("SIGKILL", 9));
    assert!(finished.streams[1].len() <= 262_144);
}

#[test]
fn input_is_piped_and_its_end_is_seen() {
    let (_guest, mut link) = Guest::start();
    let (channel, _) = link.spawn(json!({ "command": "cat" }));
    link.data(channel, b"one ");
    link.data(channel, b"two");
    link.end(channel);
    let finished = link.finish(channel);
    assert_eq!(finished.stdout(), "one two");
    assert_eq!(finished.exit(), exited(0));
}

#[test]
fn input_may_come_before_the_response() {
    let (_guest, mut link) = Guest::start();
    let channel = link.request("spawn", piped(json!({ "command": "cat" })));
    link.data(channel, b"early");
    link.end(channel);
    link.response(channel).unwrap();
    assert_eq!(link.finish(channel).stdout(), "early");
}

#[test]
fn megabytes_of_input_go_through_as_credit_comes_back() {
    let (_guest, mut link) = Guest::start();
    let (channel, _) = link.spawn(json!({ "command": "wc", "args": ["-c"] }));
    let (mut sent, mut credit) = (0, WINDOW);
    while sent < 4 * 1024 * 1024 {
        while credit < 65_536 {
            if let Frame::Credit(_, 0, bytes) = link.next(channel) {
                credit += bytes as usize;
            }
        }
        link.data(channel, &[b'x'; 65_536]);
        sent += 65_536;
        credit -= 65_536;
    }
    link.end(channel);
    assert_eq!(link.finish(channel).stdout().trim(), "4194304");
}

#[test]
fn input_that_nobody_takes_is_granted_thrown_away_and_said_once() {
    let (_guest, mut link) = Guest::start();
    let script = "exec 0<&-; echo closed; sleep 1";
    let (channel, _) = link.spawn(json!({ "command": "sh", "args": ["-c", script] }));
    assert!(matches!(link.next(channel), Frame::Data(_, 1, _)));
    for _ in 0..4 {
        link.data(channel, &[0; 65_536]);
    }
    for _ in 0..4 {
        // Only possible with the credit that comes back.
        while !matches!(link.next(channel), Frame::Credit(_, 0, 65_536..)) {}
        link.data(channel, &[0; 65_536]);
    }
    let finished = link.finish(channel);
    assert_eq!(finished.exit(), exited(0));
    let told = finished.events.iter().filter(|event| event["inputClosed"] == true).count();
    assert!(told <= 1);
}

#[test]
fn input_to_a_process_without_stdin_is_thrown_away() {
    let (_guest, mut link) = Guest::start();
    let (channel, pid) = link.spawn(json!({ "command": "sleep", "args": ["100"], "stdin": "null" }));
    link.data(channel, b"nobody reads this");
    link.data(channel, b"nor this");
    assert_eq!(link.next(channel), Frame::Event(channel, json!({ "inputClosed": true })));
    link.call("kill", json!({ "pid": pid, "signal": "SIGTERM" })).unwrap();
    assert_eq!(link.finish(channel).exit(), killed("SIGTERM", 15));
}

#[test]
fn kill_reaches_the_whole_group() {
    let (_guest, mut link) = Guest::start();
    let script = "sleep 100 & echo $!; sleep 100 & wait";
    let (channel, pid) = link.spawn(json!({ "command": "sh", "args": ["-c", script], "stdin": "null" }));
    let Frame::Data(_, 1, bytes) = link.next(channel) else { panic!() };
    let child: i32 = String::from_utf8(bytes).unwrap().trim().parse().unwrap();
    assert_eq!(link.call("kill", json!({ "pid": pid, "signal": "SIGTERM" })), Ok(json!({})));
    // CLOSE needs the ends of both pipes, which the children hold as well.
    assert_eq!(link.finish(channel).exit(), killed("SIGTERM", 15));
    await_end(child);
}

/// A process that was sent a signal is there for a moment more, even when it has closed its pipes.
fn await_end(pid: i32) {
    let until = Instant::now() + Duration::from_secs(30);
    while is_running(pid) {
        assert!(Instant::now() < until, "{pid} lives");
        std::thread::yield_now();
    }
}

/// Neither gone nor a zombie that somebody is about to reap.
fn is_running(pid: i32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with(['Z', 'X']))
}

#[test]
fn kill_says_what_is_wrong() {
    let (_guest, mut link) = Guest::start();
    let (channel, pid) = link.spawn(json!({ "command": "true", "stdin": "null" }));
    link.finish(channel);
    assert_eq!(link.errno("kill", json!({ "pid": pid, "signal": "SIGTERM" })), "ESRCH");
    assert_eq!(link.errno("kill", json!({ "pid": 1, "signal": "SIGTERM" })), "ESRCH");
    assert_eq!(link.errno("kill", json!({ "pid": -1, "signal": "SIGTERM" })), "ESRCH");
    assert_eq!(link.errno("kill", json!({ "pid": pid, "signal": "SIGNOPE" })), "EINVAL");
    assert_eq!(link.errno("kill", json!({ "pid": "x", "signal": "SIGTERM" })), "null");
}

#[test]
fn wait_answers_when_a_process_ends_and_at_once_afterwards() {
    let (_guest, mut link) = Guest::start();
    let (channel, pid) = link.spawn(json!({ "command": "cat", "stdout": "null", "stderr": "null" }));
    let waiting = [link.request("wait", json!({ "pid": pid })), link.request("wait", json!({ "pid": pid }))];
    link.call("ping", json!({})).unwrap();
    link.end(channel);
    for wait in waiting {
        assert_eq!(link.response(wait), Ok(exited(0)));
        assert_eq!(link.next(wait), Frame::Close(wait));
    }
    assert_eq!(link.call("wait", json!({ "pid": pid })), Ok(exited(0)));
    assert_eq!(link.errno("wait", json!({ "pid": 1 })), "ESRCH");
}

#[test]
fn streams_that_are_null_have_no_end_and_close_still_comes() {
    let (_guest, mut link) = Guest::start();
    let params = json!({ "command": "sh", "args": ["-c", "echo lost; exit 4"], "stdin": "null", "stdout": "null", "stderr": "null" });
    let (channel, _) = link.spawn(params);
    let finished = link.finish(channel);
    assert_eq!((finished.exit(), &finished.ended), (exited(4), &vec![]));
    assert_eq!(finished.stdout(), "");
}

#[test]
fn close_waits_for_whoever_holds_the_output() {
    let (_guest, mut link) = Guest::start();
    let (channel, _) = link.spawn(json!({ "command": "sh", "args": ["-c", "(sleep 0.3; echo late) & exit 7"] }));
    let finished = link.finish(channel);
    assert_eq!(finished.exit(), exited(7));
    assert_eq!(finished.stdout(), "late\n");
    assert_eq!(finished.events.len(), 1);
}

#[test]
fn a_terminal_has_its_size_and_its_process_controls_it() {
    let (_guest, mut link) = Guest::start();
    let script = "stty size; test -t 0 && test -t 1 && test -t 2 && echo tty; echo $TERM; read line; stty size; echo got $line; \
                  ps -o tpgid=,pid= -p $$";
    let pty = json!({ "rows": 33, "cols": 101, "term": "vt100" });
    let (channel, pid) = link.spawn(json!({ "command": "sh", "args": ["-c", script], "pty": pty }));
    let mut text = String::new();
    while !text.contains("vt100") {
        if let Frame::Data(_, 1, bytes) = link.next(channel) {
            text.push_str(&String::from_utf8_lossy(&bytes));
        }
    }
    assert_eq!(link.call("resize", json!({ "pid": pid, "rows": 40, "cols": 90 })), Ok(json!({})));
    link.data(channel, b"input\n");
    let finished = link.finish(channel);
    text.push_str(&finished.stdout());
    let lines: Vec<&str> = text.lines().map(|line| line.trim_end_matches('\r')).collect();
    assert_eq!(lines[..6], ["33 101", "tty", "vt100", "input", "40 90", "got input"]);
    let ids: HashSet<&str> = lines[6].split_whitespace().collect();
    assert_eq!(ids.len(), 1, "in the foreground: {}", lines[6]);
    assert_eq!((finished.ended, finished.events.len()), (vec![1], 1));
}

#[test]
fn the_end_of_input_reaches_a_program_on_a_terminal() {
    let (_guest, mut link) = Guest::start();
    let pty = json!({ "rows": 24, "cols": 80 });
    for input in ["", "a line\n", "no newline"] {
        let (channel, _) = link.spawn(json!({ "command": "cat", "pty": pty }));
        if !input.is_empty() {
            link.data(channel, input.as_bytes());
        }
        link.end(channel);
        let finished = link.finish(channel);
        assert_eq!(finished.exit(), exited(0), "{input:?}");
        assert!(finished.stdout().contains(input.trim_end()), "{input:?}: {:?}", finished.stdout());
    }
}

#[test]
fn resize_needs_a_terminal_and_a_process() {
    let (_guest, mut link) = Guest::start();
    let (channel, pid) = link.spawn(json!({ "command": "cat" }));
    assert_eq!(link.errno("resize", json!({ "pid": pid, "rows": 1, "cols": 1 })), "ENOTTY");
    assert_eq!(link.errno("resize", json!({ "pid": 1, "rows": 1, "cols": 1 })), "ESRCH");
    link.end(channel);
    link.finish(channel);
}

#[test]
fn orphans_are_reaped() {
    let (guest, mut link) = Guest::start();
    let script = "for i in 1 2 3 4 5 6 7 8; do (sh -c 'exec >/dev/null 2>&1; sleep 0.2; exit 5' &) ; done";
    assert_eq!(link.shell(script).exit(), exited(0));
    let deadline = Instant::now() + Duration::from_secs(30);
    let children = || {
        let list = format!("/proc/{0}/task/{0}/children", guest.child.id());
        std::fs::read_to_string(list).unwrap().split_whitespace().count()
    };
    while children() > 0 {
        assert!(Instant::now() < deadline, "{} children are left", children());
        std::thread::sleep(Duration::from_millis(20));
    }
    link.call("ping", json!({})).unwrap();
}

#[test]
fn many_processes_at_once_keep_their_own_ends() {
    let (_guest, mut link) = Guest::start();
    let channels: Vec<(u32, i32)> = (0..60)
        .map(|code| {
            let script = format!("echo {code}; exit {code}");
            (link.request("spawn", piped(json!({ "command": "sh", "args": ["-c", script], "stdin": "null" }))), code)
        })
        .collect();
    for (channel, code) in channels {
        link.response(channel).unwrap();
        let finished = link.finish(channel);
        assert_eq!((finished.stdout(), finished.exit()), (format!("{code}\n"), exited(code)));
    }
}

#[test]
fn no_more_than_1024_processes_live_at_a_time() {
    let (_guest, mut link) = Guest::start();
    let params = json!({ "command": "sleep", "args": ["1000"], "stdin": "null", "stdout": "null", "stderr": "null" });
    let channels: Vec<u32> = (0..1024).map(|_| link.request("spawn", params.clone())).collect();
    assert_eq!(link.errno("spawn", params.clone()), "EAGAIN");
    for channel in &channels {
        link.response(*channel).unwrap();
    }
    assert_eq!(link.errno("spawn", params), "EAGAIN");
}

#[test]
fn configure_sets_the_environment_and_checks_the_rest() {
    let (_guest, mut link) = Guest::start();
    let good = json!({
        "hostname": "sbx", "machineId": "0123456789abcdef0123456789ABCDEF", "wallClockMs": 1.7e12,
        "entropy": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", "env": { "FROM": "configure" },
    });
    assert_eq!(link.call("configure", good.clone()), Ok(json!({})));
    assert_eq!(link.call("env.get", json!({ "key": "FROM" })), Ok(json!("configure")));
    for (key, value) in [
        ("hostname", json!("")),
        ("machineId", json!("short")),
        ("wallClockMs", json!(-1)),
        ("entropy", json!("AAAA")),
        ("entropy", json!("?")),
        ("env", json!({ "A": 1 })),
    ] {
        let mut bad = good.clone();
        bad[key] = value;
        let error = link.call("configure", bad).unwrap_err();
        assert!(error["errno"].is_null(), "{key}: {error}");
    }
}

#[test]
fn stats_are_plausible() {
    let (_guest, mut link) = Guest::start();
    let stats = link.call("stats", json!({})).unwrap();
    let number = |path: &str| stats.pointer(path).unwrap().as_f64().unwrap();
    assert!(number("/memory/totalBytes") > number("/memory/availableBytes"));
    assert!(number("/disk/totalBytes") > 0.0 && number("/loadAverage1") >= 0.0 && number("/processes") >= 0.0);
}
