//! The error that a method answers with.

use std::fmt;
use std::io;

use serde::Serialize;

use crate::errno;

/// `GuestError` of the protocol: the failed system call's error and a message in the words clients know.
#[derive(Debug, Serialize, PartialEq, Eq, Clone)]
pub struct GuestError {
    /// The symbolic name (`ENOENT`), or `None` when the failure is not a system call's.
    pub errno: Option<String>,
    /// `No such file or directory (os error 2): stat '/nope'`.
    pub message: String,
}

pub type Answer<T> = Result<T, GuestError>;

impl GuestError {
    /// A system error and what was being done, for example `stat '/nope'`.
    pub fn system(number: i32, doing: impl fmt::Display) -> Self {
        GuestError {
            errno: errno::name(number).map(str::to_string),
            message: bounded(format!("{} (os error {number}): {doing}", errno::text(number))),
        }
    }

    /// The same, from an error of the standard library.
    pub fn from_io(error: &io::Error, doing: impl fmt::Display) -> Self {
        match error.raw_os_error() {
            Some(number) => GuestError::system(number, doing),
            None => GuestError::invalid(format!("{error}: {doing}")),
        }
    }

    /// A request that no system call was made for, with what is wrong about it.
    pub fn invalid(message: impl fmt::Display) -> Self {
        GuestError { errno: None, message: bounded(message.to_string()) }
    }
}

/// Longest message in bytes: a message quotes paths, and a client may send any.
const MESSAGE_BYTES_MAX: usize = 8 * 1024;

fn bounded(mut message: String) -> String {
    if message.len() > MESSAGE_BYTES_MAX {
        let mut end = MESSAGE_BYTES_MAX;
        while !message.is_char_boundary(end) {
            end -= 1;
        }
        message.truncate(end);
        message.push('…');
    }
    message
}

/// Says what was being done when a system call failed.
pub trait Doing<T> {
    fn doing(self, what: impl fmt::Display) -> Answer<T>;
}

impl<T> Doing<T> for io::Result<T> {
    fn doing(self, what: impl fmt::Display) -> Answer<T> {
        self.map_err(|error| GuestError::from_io(&error, what))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_system_error_has_its_name_number_and_deed() {
        let error = GuestError::system(libc::ENOENT, "stat '/nope'");
        assert_eq!(error.errno.as_deref(), Some("ENOENT"));
        assert_eq!(error.message, "No such file or directory (os error 2): stat '/nope'");
    }

    #[test]
    fn a_message_is_bounded_whatever_it_quotes() {
        let error = GuestError::invalid("é".repeat(100_000));
        assert!(error.message.len() <= MESSAGE_BYTES_MAX + "…".len());
    }
}
