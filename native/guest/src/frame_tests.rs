//! The codec against the golden vectors that the host's tests read as well, and against what no peer should send.

use serde_json::Value;

use super::*;

const VECTORS: &str = include_str!("../../../packages/protocol/vectors/guest-frames.json");

/// A vector's bytes, and its frame in the words of the vectors.
fn vectors(group: &str) -> Vec<(String, Vec<u8>, Value)> {
    let all: Value = serde_json::from_str(VECTORS).unwrap();
    let group = all[group].as_array().unwrap();
    assert!(!group.is_empty());
    let text = |it: &Value| it.as_str().unwrap().to_string();
    group.iter().map(|it| (text(&it["name"]), from_hex(&text(&it["hex"])), it["frame"].clone())).collect()
}

fn from_hex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

fn feed(decoder: &mut Decoder, bytes: &[u8]) {
    let count = decoder.fill(|room| {
        room[..bytes.len()].copy_from_slice(bytes);
        Ok(bytes.len())
    });
    assert_eq!(count.unwrap(), bytes.len());
}

/// The frame that a vector describes; the bytes it borrows live in `json` and `content`.
fn described<'a>(frame: &'a Value, content: &'a [u8]) -> Frame<'a> {
    let number = |name: &str| frame[name].as_u64().unwrap() as u32;
    let channel = number("channel");
    let json = frame["json"].as_str().unwrap_or_default().as_bytes();
    let stream = || number("stream") as u8;
    match frame["kind"].as_str().unwrap() {
        "request" => Frame::Request { channel, json },
        "response" => Frame::Response { channel, json },
        "event" => Frame::Event { channel, json },
        "data" => Frame::Data { channel, stream: stream(), bytes: content },
        "end" => Frame::End { channel, stream: stream() },
        "credit" => Frame::Credit { channel, stream: stream(), bytes: number("credit") },
        "cancel" => Frame::Cancel { channel },
        "close" => Frame::Close { channel },
        "hello" => Frame::Hello { json },
        other => panic!("no kind {other}"),
    }
}

#[test]
fn every_valid_vector_is_read_and_written() {
    for (name, bytes, value) in vectors("valid") {
        let content = from_hex(value["bytesHex"].as_str().unwrap_or_default());
        let expected = described(&value, &content);
        let mut decoder = Decoder::default();
        feed(&mut decoder, &bytes);
        assert_eq!(decoder.next(), Ok(Some(expected)), "{name}");
        assert!(decoder.is_at_boundary(), "{name}");
        let mut written = Vec::new();
        expected.encode(&mut written);
        assert_eq!(written, bytes, "{name}");
    }
}

#[test]
fn every_valid_vector_is_read_a_byte_at_a_time() {
    let all: Vec<u8> = vectors("valid").into_iter().flat_map(|(_, bytes, _)| bytes).collect();
    let mut decoder = Decoder::default();
    let mut written = Vec::new();
    for byte in &all {
        feed(&mut decoder, &[*byte]);
        while let Some(frame) = decoder.next().unwrap() {
            frame.encode(&mut written);
        }
    }
    assert_eq!(written, all);
}

#[test]
fn every_invalid_vector_is_refused() {
    for (name, bytes, _) in vectors("invalid") {
        let mut decoder = Decoder::default();
        feed(&mut decoder, &bytes);
        assert!(decoder.next().is_err(), "{name}");
    }
}

#[test]
fn a_bad_length_is_refused_before_its_bytes_arrive() {
    let mut decoder = Decoder::default();
    feed(&mut decoder, &[0xff, 0xff, 0xff, 0xff, kind::REQUEST]);
    assert!(decoder.next().is_err());
}

#[test]
fn the_longest_request_is_read_and_its_memory_given_back() {
    let json = vec![b' '; JSON_BYTES_MAX];
    let mut whole = Vec::new();
    Frame::Request { channel: 1, json: &json }.encode(&mut whole);
    let mut decoder = Decoder::default();
    for piece in whole.chunks(60_000) {
        assert_eq!(decoder.next(), Ok(None));
        feed(&mut decoder, piece);
        assert!(decoder.buffer.len() <= 4 + 5 + JSON_BYTES_MAX + READ_BYTES);
    }
    assert_eq!(decoder.next(), Ok(Some(Frame::Request { channel: 1, json: &json })));
    feed(&mut decoder, &[]);
    assert_eq!(decoder.buffer.len(), BUFFER_BYTES);
}

#[test]
fn a_header_that_is_written_apart_is_that_of_the_whole() {
    let mut whole = Vec::new();
    Frame::Data { channel: 258, stream: 2, bytes: b"abc" }.encode(&mut whole);
    assert_eq!(whole[..DATA_HEADER_BYTES], data_header(258, 2, 3));
}
