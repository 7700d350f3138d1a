//! Requests of the server, one a line: `open N`, `watched N`, `filtered N` or `closed N`, with `from REACH` after it where it is known
//! what machine N has, which saves asking. Each is answered with `ok` or `error …`.

use std::io::{self, BufRead, BufReader, Write};
use std::path::Path;

use crate::addresses::NUMBER_MAX;
use crate::namespace::Namespace;
use crate::sets::{Reach, Sets};

/// No request is longer.
const LINE_BYTES: usize = 64;

/// Serves standard input until it ends, which it does when the server does.
pub fn serve(gateway: &Path) -> Result<(), String> {
    let kept = Namespace::kept_at(gateway).map_err(|error| format!("cannot open the gateway: {error}"))?;
    let gateway = kept.ok_or("there is no gateway; start the server's network first")?;
    gateway.enter().map_err(|error| format!("cannot enter the gateway: {error}"))?;
    let mut sets = Sets::open().map_err(|error| format!("cannot open netlink: {error}"))?;
    let mut input = BufReader::new(io::stdin().lock());
    let mut output = io::stdout().lock();
    loop {
        let Some(line) = next_line(&mut input).map_err(|error| format!("cannot read a request: {error}"))? else {
            return Ok(());
        };
        let answer = match parse(&line) {
            None => "error not a request".into(),
            Some(Request { number, from, to }) => {
                let done = match from {
                    Some(from) => sets.shift(number, from, to),
                    None => sets.put(number, to),
                };
                done.map_or_else(|error| format!("error {error}"), |()| "ok".into())
            }
        };
        let written = writeln!(output, "{answer}").and_then(|()| output.flush());
        written.map_err(|error| format!("cannot answer: {error}"))?;
    }
}

/// A line without its end; `None` when there is no more. What is too long is no request.
fn next_line(input: &mut impl BufRead) -> io::Result<Option<String>> {
    let mut line = Vec::new();
    loop {
        let buffer = input.fill_buf()?;
        if buffer.is_empty() {
            return Ok(None);
        }
        let (count, is_whole) = match buffer.iter().position(|byte| *byte == b'\n') {
            Some(at) => (at + 1, true),
            None => (buffer.len(), false),
        };
        if line.len() < LINE_BYTES {
            line.extend_from_slice(&buffer[..count.min(LINE_BYTES)]);
        }
        input.consume(count);
        if is_whole {
            return Ok(Some(String::from_utf8_lossy(&line).trim_end().to_string()));
        }
    }
}

#[derive(Debug, PartialEq)]
struct Request {
    number: u16,
    from: Option<Reach>,
    to: Reach,
}

fn parse(line: &str) -> Option<Request> {
    let words: Vec<&str> = line.split(' ').collect();
    let (to, number, from) = match words[..] {
        [to, number] => (to, number, None),
        [to, number, "from", from] => (to, number, Some(reach(from)?)),
        _ => return None,
    };
    let number = number.parse().ok().filter(|number| (1..=NUMBER_MAX).contains(number))?;
    Some(Request { number, from, to: reach(to)? })
}

fn reach(word: &str) -> Option<Reach> {
    match word {
        "closed" => Some(Reach::Closed),
        "filtered" => Some(Reach::Filtered),
        "watched" => Some(Reach::Watched),
        "open" => Some(Reach::Open),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_requests_and_nothing_else() {
        let (number, to) = (7, Reach::Open);
        assert_eq!(parse("open 7"), Some(Request { number, from: None, to }));
        assert_eq!(parse("open 7 from filtered"), Some(Request { number, from: Some(Reach::Filtered), to }));
        assert_eq!(parse("closed 16383").map(|request| request.number), Some(16_383));
        let odd = ["open 7 from", "open 7 from x", "open 7 to closed", "open 7 from open x"];
        for wrong in
            ["", "open", "open 0", "open 16384", "open x", "open -1", "drop 7", "open 7 8"].into_iter().chain(odd)
        {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_line_without_end_takes_no_more_memory_than_a_request() {
        let mut text = vec![b'x'; 1_000_000];
        text.extend_from_slice(b"\nopen 7\n");
        let mut input = BufReader::with_capacity(16, text.as_slice());
        assert!(next_line(&mut input).unwrap().unwrap().len() <= LINE_BYTES + 16);
        assert_eq!(next_line(&mut input).unwrap().as_deref(), Some("open 7"));
        assert_eq!(next_line(&mut input).unwrap(), None);
    }
}
