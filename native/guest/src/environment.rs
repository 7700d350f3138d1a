//! The sandbox environment: variables that every spawned process gets.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::error::{Answer, GuestError};

pub type Variables = BTreeMap<String, String>;

const CERTIFICATES: &str = "/etc/ssl/certs/ca-certificates.crt";

/// Where commands are looked up when an environment has no PATH.
pub const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Names and values together: an answer with all of them, each byte escaped, still fits a frame.
const BYTES_MAX: usize = 512 * 1024;

/// The variables and their total size.
pub struct Environment {
    variables: Arc<Variables>,
    bytes: usize,
}

impl Environment {
    /// What a sandbox starts with.
    pub fn new(home: &str) -> Self {
        let mut environment = Environment { variables: Arc::default(), bytes: 0 };
        for (key, value) in [
            ("PATH", DEFAULT_PATH),
            ("HOME", home),
            ("USER", "sandbox"),
            ("LOGNAME", "sandbox"),
            ("SHELL", "/bin/bash"),
            ("LANG", "C.UTF-8"),
            // Programs with certificates of their own shall trust what the system does: the host's store.
            ("SSL_CERT_FILE", CERTIFICATES),
            ("NODE_EXTRA_CA_CERTS", CERTIFICATES),
            ("REQUESTS_CA_BUNDLE", CERTIFICATES),
            ("DENO_TLS_CA_STORE", "system"),
        ] {
            environment.insert(key.to_string(), value.to_string());
        }
        environment
    }

    pub fn get(&self, key: &str) -> Option<&str> {
        self.variables.get(key).map(String::as_str)
    }

    pub fn all(&self) -> &Variables {
        &self.variables
    }

    /// The variables as they are now, for another thread.
    pub fn shared(&self) -> Arc<Variables> {
        Arc::clone(&self.variables)
    }

    pub fn set(&mut self, key: &str, value: &str) -> Answer<()> {
        check(key, value)?;
        let old = self.get(key).map_or(0, |old| key.len() + old.len());
        if self.bytes - old + key.len() + value.len() > BYTES_MAX {
            return Err(GuestError::system(libc::E2BIG, format!("setenv '{key}'")));
        }
        self.insert(key.to_string(), value.to_string());
        Ok(())
    }

    pub fn delete(&mut self, key: &str) -> Answer<()> {
        check(key, "")?;
        if let Some(old) = Arc::make_mut(&mut self.variables).remove(key) {
            self.bytes -= key.len() + old.len();
        }
        Ok(())
    }

    fn insert(&mut self, key: String, value: String) {
        let length = key.len();
        self.bytes += length + value.len();
        if let Some(old) = Arc::make_mut(&mut self.variables).insert(key, value) {
            self.bytes -= length + old.len();
        }
    }
}

/// Whether this can be a variable at all: `EINVAL` if not.
pub fn check(key: &str, value: &str) -> Answer<()> {
    if key.is_empty() || key.contains(['=', '\0']) || value.contains('\0') {
        return Err(GuestError::system(libc::EINVAL, format!("setenv '{key}'")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_variable_is_einval() {
        let mut environment = Environment::new("/home/sandbox");
        for (key, value) in [("", "x"), ("a=b", "x"), ("a\0", "x"), ("a", "\0")] {
            let error = environment.set(key, value).unwrap_err();
            assert_eq!(error.errno.as_deref(), Some("EINVAL"), "{key:?} {value:?}");
        }
    }

    #[test]
    fn the_whole_is_bounded_and_what_is_replaced_or_deleted_counts_no_more() {
        let mut environment = Environment::new("/home/sandbox");
        let value = "x".repeat(300 * 1024);
        environment.set("A", &value).unwrap();
        environment.set("A", &value).unwrap();
        let error = environment.set("B", &value).unwrap_err();
        assert_eq!(error.errno.as_deref(), Some("E2BIG"));
        environment.delete("A").unwrap();
        environment.set("B", &value).unwrap();
    }
}
