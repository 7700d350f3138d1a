//! Signals by name, as the protocol speaks of them.

/// The number of a signal such as `SIGTERM` or `SIGRTMIN+1`, or `None` when there is no such signal.
pub fn number(name: &str) -> Option<i32> {
    if let Some(row) = TABLE.iter().find(|row| row.1 == name) {
        return Some(row.0);
    }
    let offset: i32 = name.strip_prefix("SIGRTMIN+")?.parse().ok()?;
    (0..=REAL_TIME_LAST - REAL_TIME_FIRST).contains(&offset).then_some(REAL_TIME_FIRST + offset)
}

/// The name of a signal's number.
pub fn name(number: i32) -> String {
    match TABLE.iter().find(|row| row.0 == number) {
        Some(row) => row.1.to_string(),
        None if number > REAL_TIME_FIRST => format!("SIGRTMIN+{}", number - REAL_TIME_FIRST),
        None => format!("SIG{number}"),
    }
}

/// Where C libraries on Linux let the real-time signals begin; they keep 32 and 33 for themselves.
const REAL_TIME_FIRST: i32 = 34;
const REAL_TIME_LAST: i32 = 64;

#[rustfmt::skip]
static TABLE: &[(i32, &str)] = &[
    (1, "SIGHUP"), (2, "SIGINT"), (3, "SIGQUIT"), (4, "SIGILL"), (5, "SIGTRAP"), (6, "SIGABRT"),
    (7, "SIGBUS"), (8, "SIGFPE"), (9, "SIGKILL"), (10, "SIGUSR1"), (11, "SIGSEGV"), (12, "SIGUSR2"),
    (13, "SIGPIPE"), (14, "SIGALRM"), (15, "SIGTERM"), (16, "SIGSTKFLT"), (17, "SIGCHLD"), (18, "SIGCONT"),
    (19, "SIGSTOP"), (20, "SIGTSTP"), (21, "SIGTTIN"), (22, "SIGTTOU"), (23, "SIGURG"), (24, "SIGXCPU"),
    (25, "SIGXFSZ"), (26, "SIGVTALRM"), (27, "SIGPROF"), (28, "SIGWINCH"), (29, "SIGIO"), (30, "SIGPWR"),
    (31, "SIGSYS"), (34, "SIGRTMIN"), (64, "SIGRTMAX"),
    // Second names, found by name only because the first row of a number wins.
    (6, "SIGIOT"), (29, "SIGPOLL"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers_agree_with_libc() {
        for (number_, name_) in [
            (libc::SIGTERM, "SIGTERM"),
            (libc::SIGKILL, "SIGKILL"),
            (libc::SIGWINCH, "SIGWINCH"),
            (libc::SIGSYS, "SIGSYS"),
        ] {
            assert_eq!(number(name_), Some(number_));
            assert_eq!(name(number_), name_);
        }
    }

    #[test]
    fn aliases_and_real_time_signals_are_known() {
        assert_eq!(number("SIGIOT"), Some(6));
        assert_eq!(name(6), "SIGABRT");
        assert_eq!(number("SIGRTMIN+3"), Some(37));
        assert_eq!(name(37), "SIGRTMIN+3");
        assert_eq!(number("SIGRTMIN+31"), None);
    }

    #[test]
    fn what_is_no_signal_is_refused() {
        for text in ["", "TERM", "sigterm", "SIGFOO", "15", "SIGRTMIN+x", "SIGRTMIN+-1"] {
            assert_eq!(number(text), None, "{text}");
        }
    }
}
