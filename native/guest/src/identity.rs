//! Who a process or a file operation is: user, group and supplementary groups.

use std::cell::Cell;
use std::fs::OpenOptions;
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use crate::sys::check;

/// User and group ids to take on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    pub uid: u32,
    pub gid: u32,
    pub groups: Vec<u32>,
}

impl Identity {
    pub fn root() -> Self {
        Identity { uid: 0, gid: 0, groups: vec![0] }
    }
}

/// The sandbox's user, with the groups that `/etc/group` gives it now.
pub struct SandboxUser {
    uid: u32,
    gid: u32,
    name: &'static str,
    /// Whether this process may change who it is; if not, everything runs as whoever it is.
    is_switched: bool,
    current: Mutex<(Option<FileVersion>, Arc<Identity>)>,
    generation: AtomicU64,
}

type FileVersion = (u64, i64, i64, u64);

/// An `/etc/group` beyond this is not read: it belongs to the user and may be anything.
const GROUP_FILE_BYTES_MAX: u64 = 1024 * 1024;
/// The kernel's own limit.
const GROUPS_MAX: usize = 65_536;

impl SandboxUser {
    pub fn new(uid: u32, gid: u32, is_switched: bool) -> Self {
        let identity = Identity { uid, gid, groups: vec![gid] };
        SandboxUser {
            uid,
            gid,
            name: "sandbox",
            is_switched,
            current: Mutex::new((None, Arc::new(identity))),
            generation: AtomicU64::new(1),
        }
    }

    pub fn uid(&self) -> u32 {
        self.uid
    }

    /// Whether processes and file operations change who they are at all.
    pub fn is_switched(&self) -> bool {
        self.is_switched
    }

    /// The user with its present groups; `/etc/group` is read again when it has changed. May sleep.
    pub fn refreshed(&self) -> Arc<Identity> {
        let mut current = match self.current.lock() {
            Ok(guard) => guard,
            Err(poisoned) => poisoned.into_inner(),
        };
        if !self.is_switched {
            return Arc::clone(&current.1);
        }
        let version =
            std::fs::metadata("/etc/group").ok().map(|file| (file.ino(), file.mtime(), file.mtime_nsec(), file.size()));
        if version.is_some() && version != current.0 {
            let groups = read_groups(self.name, self.gid).unwrap_or_else(|_| vec![self.gid]);
            current.0 = version;
            current.1 = Arc::new(Identity { uid: self.uid, gid: self.gid, groups });
            self.generation.fetch_add(1, Ordering::Release);
        }
        Arc::clone(&current.1)
    }

    /// Gives the calling thread the user's file-system identity; free when it has it already.
    pub fn assume_for_files(&self) {
        thread_local!(static ASSUMED: Cell<u64> = const { Cell::new(0) });
        if !self.is_switched {
            return;
        }
        let generation = self.generation.load(Ordering::Acquire);
        if ASSUMED.get() == generation {
            return;
        }
        let identity = match self.current.lock() {
            Ok(guard) => Arc::clone(&guard.1),
            Err(poisoned) => Arc::clone(&poisoned.into_inner().1),
        };
        // The C library's setgroups would change every thread, so these are the bare system calls.
        // SAFETY: the pointer and length are those of a live vector.
        unsafe {
            libc::syscall(libc::SYS_setgroups, identity.groups.len(), identity.groups.as_ptr());
            libc::syscall(libc::SYS_setfsgid, identity.gid as libc::c_long);
            libc::syscall(libc::SYS_setfsuid, identity.uid as libc::c_long);
        }
        // These calls report no failure, so ask: a thread that is still root must not go on.
        // SAFETY: an invalid id changes nothing and returns the present one.
        let now = unsafe { libc::syscall(libc::SYS_setfsuid, -1 as libc::c_long) };
        assert!(now == identity.uid as libc::c_long, "cannot take on the file-system identity of uid {}", identity.uid);
        ASSUMED.set(generation);
    }
}

fn read_groups(user: &str, gid: u32) -> io::Result<Vec<u32>> {
    let file = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open("/etc/group")?;
    let mut bytes = Vec::new();
    if file.metadata()?.is_file() {
        file.take(GROUP_FILE_BYTES_MAX).read_to_end(&mut bytes)?;
    }
    Ok(groups_of(user, gid, &String::from_utf8_lossy(&bytes)))
}

/// The groups of a user in the text of `/etc/group`; its own comes first.
pub fn groups_of(user: &str, gid: u32, text: &str) -> Vec<u32> {
    let mut groups = vec![gid];
    for line in text.lines() {
        let mut fields = line.split(':');
        let (Some(number), Some(members)) = (fields.nth(2), fields.next()) else {
            continue;
        };
        let Ok(number) = number.trim().parse::<u32>() else {
            continue;
        };
        let is_member = members.split(',').any(|member| member.trim() == user);
        if is_member && !groups.contains(&number) && groups.len() < GROUPS_MAX {
            groups.push(number);
        }
    }
    groups
}

/// Whether this process is root and so may take on other identities.
pub fn is_root() -> bool {
    // SAFETY: no arguments, cannot fail.
    unsafe { libc::geteuid() == 0 }
}

/// The sandbox's umask, which is this process's: every thread and every child shares it.
pub fn set_umask(mask: u32) -> u32 {
    // SAFETY: no pointers, cannot fail.
    unsafe { libc::umask(mask as libc::mode_t) as u32 }
}

/// Gives a file descriptor's file to a user, leaving its group alone.
pub fn give_to(fd: i32, uid: u32) -> io::Result<()> {
    // SAFETY: no pointers.
    check(unsafe { libc::fchown(fd, uid, u32::MAX) })?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_those_that_list_the_user() {
        let text = "root:x:0:\nsudo:x:27:sandbox\nusers:x:100:other, sandbox\nbroken\nbad:x:y:sandbox\n\
                    sandbox:x:1000:\nsandboxes:x:7:sandboxer\ntwice:x:27:sandbox\n";
        assert_eq!(groups_of("sandbox", 1000, text), [1000, 27, 100]);
    }

    #[test]
    fn a_missing_file_leaves_the_users_own_group() {
        assert_eq!(groups_of("sandbox", 1000, ""), [1000]);
    }
}
