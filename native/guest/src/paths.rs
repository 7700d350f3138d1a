//! Paths as clients give them.

use serde::{Deserialize, Deserializer};

/// A path without NUL, as given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Given(pub String);

impl<'de> Deserialize<'de> for Given {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text.contains('\0') {
            return Err(serde::de::Error::custom("a path cannot contain NUL"));
        }
        Ok(Given(text))
    }
}

impl std::fmt::Display for Given {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(&self.0)
    }
}

/// A path against the sandbox's home. The empty path stays empty: to the kernel it is no file, not the home.
pub fn resolve(home: &str, given: &str) -> String {
    match given {
        "" => String::new(),
        "." => home.to_string(),
        _ if given.starts_with('/') => given.to_string(),
        _ => format!("{home}/{given}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_relative_path_is_resolved_against_the_home() {
        for (given, expected) in [
            ("/etc/passwd", "/etc/passwd"),
            ("a/b", "/home/sandbox/a/b"),
            ("../x", "/home/sandbox/../x"),
            (".", "/home/sandbox"),
            ("", ""),
            ("~", "/home/sandbox/~"),
            ("a/", "/home/sandbox/a/"),
        ] {
            assert_eq!(resolve("/home/sandbox", given), expected, "{given:?}");
        }
    }

    #[test]
    fn a_path_with_nul_is_refused() {
        assert!(serde_json::from_str::<Given>("\"a\\u0000b\"").is_err());
        assert_eq!(serde_json::from_str::<Given>("\"a\"").unwrap().0, "a");
    }
}
