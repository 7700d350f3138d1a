//! The command line.

use std::ffi::{CString, OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

/// One thing to show in the jail.
#[derive(Debug, PartialEq)]
pub enum Mount {
    Bind {
        source: PathBuf,
        target: PathBuf,
        writable: bool,
    },
    Device(PathBuf),
    Link {
        target: PathBuf,
        path: PathBuf,
    },
}

#[derive(Debug, Default)]
pub struct Options {
    pub root: Option<PathBuf>,
    pub mounts: Vec<Mount>,
    pub sockets: Vec<(i32, PathBuf)>,
    pub cgroups: Vec<PathBuf>,
    pub uid: u32,
    pub gid: u32,
    pub ready: Option<i32>,
    pub program: Vec<CString>,
}

/// Reads the command line, without the program's own name.
pub fn parse(args: impl Iterator<Item = OsString>) -> Result<Options, String> {
    let mut args = args;
    let mut options = Options::default();
    while let Some(flag) = args.next() {
        if flag == "--" {
            options.program = args.map(c_string).collect::<Result<_, _>>()?;
            break;
        }
        let value = args
            .next()
            .ok_or(format!("{} needs a value", flag.to_string_lossy()))?;
        match flag.to_str() {
            Some("--root") => options.root = Some(value.into()),
            Some("--bind") => options.mounts.push(bind(&value, true)?),
            Some("--bind-ro") => options.mounts.push(bind(&value, false)?),
            Some("--device") => options.mounts.push(Mount::Device(value.into())),
            Some("--link") => {
                let (target, path) = pair(&value)?;
                options.mounts.push(Mount::Link { target, path });
            }
            Some("--listen") => {
                let (fd, path) = pair(&value)?;
                options.sockets.push((number(fd.as_os_str())?, path));
            }
            Some("--cgroup") => options.cgroups.push(value.into()),
            Some("--uid") => options.uid = number(&value)?,
            Some("--gid") => options.gid = number(&value)?,
            Some("--ready") => options.ready = Some(number(&value)?),
            _ => return Err(format!("unknown option {}", flag.to_string_lossy())),
        }
    }
    if options.program.is_empty() {
        return Err("no program given".into());
    }
    Ok(options)
}

fn bind(value: &OsStr, writable: bool) -> Result<Mount, String> {
    let (source, target) = pair(value)?;
    Ok(Mount::Bind {
        source,
        target,
        writable,
    })
}

/// Splits at the first colon: no path that the host passes has one.
fn pair(value: &OsStr) -> Result<(PathBuf, PathBuf), String> {
    let bytes = value.as_bytes();
    let colon = bytes
        .iter()
        .position(|byte| *byte == b':')
        .ok_or(format!("{} has no colon", value.to_string_lossy()))?;
    let part = |bytes: &[u8]| PathBuf::from(OsStr::from_bytes(bytes));
    Ok((part(&bytes[..colon]), part(&bytes[colon + 1..])))
}

fn number<T: std::str::FromStr>(value: &OsStr) -> Result<T, String> {
    value
        .to_str()
        .and_then(|text| text.parse().ok())
        .ok_or(format!("{} is no number", value.to_string_lossy()))
}

fn c_string(value: OsString) -> Result<CString, String> {
    CString::new(value.as_bytes()).map_err(|_| "an argument with NUL".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(args: &[&str]) -> Result<Options, String> {
        parse(args.iter().map(OsString::from))
    }

    #[test]
    fn reads_every_option_and_leaves_the_program_alone() {
        let options = parsed(&[
            "--root",
            "/r",
            "--bind-ro",
            "/a:/b",
            "--listen",
            "5:/s",
            "--uid",
            "7",
            "--",
            "/p",
            "--uid",
        ])
        .unwrap();
        assert_eq!(options.root, Some("/r".into()));
        let bind = Mount::Bind {
            source: "/a".into(),
            target: "/b".into(),
            writable: false,
        };
        assert_eq!(options.mounts, [bind]);
        assert_eq!(options.sockets, [(5, PathBuf::from("/s"))]);
        assert_eq!(options.uid, 7);
        assert_eq!(options.program, [c"/p".to_owned(), c"--uid".to_owned()]);
    }

    #[test]
    fn refuses_what_it_does_not_understand() {
        for wrong in [
            &["--no"][..],
            &["--no", "x"],
            &["--uid", "x"],
            &["--bind", "x"],
            &[],
        ] {
            assert!(parsed(wrong).is_err(), "{wrong:?}");
        }
    }
}
