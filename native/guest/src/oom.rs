//! Whether the kernel has killed for want of memory.

use std::fs::File;
use std::os::unix::fs::FileExt;

use crate::poller::Poller;

/// How sure we are that a process ended because memory ran out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    High,
    Low,
}

impl Verdict {
    pub fn name(self) -> &'static str {
        match self {
            Verdict::High => "high-confidence",
            Verdict::Low => "low-confidence",
        }
    }
}

/// The count of OOM kills in the cgroup of spawned processes.
pub struct OomWatch {
    events: Option<File>,
    kills: u64,
}

impl OomWatch {
    /// `events` is the cgroup's `memory.events`; without it there is never a verdict.
    pub fn new(events: Option<File>, poller: &Poller, token: u64) -> Self {
        if let Some(events) = &events {
            // Kept up to date by the kernel's notice, so that starting a process need not read it.
            let _ = poller.add(events, (libc::EPOLLPRI | libc::EPOLLET) as u32, token);
        }
        let mut watch = OomWatch { events, kills: 0 };
        watch.refresh();
        watch
    }

    /// Kills seen until now.
    pub fn kills(&self) -> u64 {
        self.kills
    }

    pub fn refresh(&mut self) {
        let Some(events) = &self.events else { return };
        let mut text = [0; 512];
        let Ok(count) = events.read_at(&mut text, 0) else { return };
        if let Some(kills) = kills_of(&String::from_utf8_lossy(&text[..count])) {
            self.kills = kills;
        }
    }

    /// Judges the end of a process: `kills_before` is the count when it started, `was_killed_by_us` says that somebody
    /// sent it SIGKILL through the protocol.
    pub fn verdict(
        &mut self,
        code: i32,
        signal: Option<i32>,
        kills_before: u64,
        was_killed_by_us: bool,
    ) -> Option<Verdict> {
        if code == 0 {
            return None;
        }
        self.refresh();
        match self.kills > kills_before {
            false => None,
            true if signal == Some(libc::SIGKILL) && !was_killed_by_us => Some(Verdict::High),
            true => Some(Verdict::Low),
        }
    }
}

fn kills_of(text: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix("oom_kill "))?;
    line.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_count_is_that_of_kills_and_not_of_groups() {
        let text = "low 0\nhigh 0\nmax 7\noom 2\noom_kill 3\noom_group_kill 0\n";
        assert_eq!(kills_of(text), Some(3));
        assert_eq!(kills_of(""), None);
    }

    #[test]
    fn a_verdict_needs_a_kill_while_the_process_ran() {
        let mut watch = OomWatch { events: None, kills: 3 };
        assert_eq!(watch.verdict(137, Some(libc::SIGKILL), 3, false), None);
        assert_eq!(watch.verdict(137, Some(libc::SIGKILL), 2, false), Some(Verdict::High));
        assert_eq!(watch.verdict(137, Some(libc::SIGKILL), 2, true), Some(Verdict::Low));
        assert_eq!(watch.verdict(137, None, 2, false), Some(Verdict::Low));
        assert_eq!(watch.verdict(0, None, 2, false), None);
    }
}
