//! Bytes that travel as text.
//!
//! Arguments, variables and pipes of a real shell carry bytes; a terminal shows text. Here they are `String`s in which
//! a byte that is not UTF-8 stands as one private-use character (`U+F700` + byte), so that nothing is lost between a
//! typed `$'\xff'` and the store, or between `-w protobuf` and a filter. Python calls the same idea `surrogateescape`.

use bytes::Bytes;

const ESCAPE_BASE: u32 = 0xF700;

/// The byte that `c` stands for, if it stands for one.
fn escaped_byte(c: char) -> Option<u8> {
    (c as u32).checked_sub(ESCAPE_BASE).filter(|byte| (0x80..=0xFF).contains(byte)).map(|byte| byte as u8)
}

fn push_escaped(out: &mut String, bytes: &[u8]) {
    // Every value is a private-use character, so the conversion cannot fail.
    out.extend(bytes.iter().filter_map(|&byte| char::from_u32(ESCAPE_BASE + u32::from(byte))));
}

/// `bytes` as text; [`to_bytes`] gives them back exactly.
pub fn from_bytes(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            match escaped_byte(c) {
                None => out.push(c),
                Some(_) => push_escaped(&mut out, c.encode_utf8(&mut [0; 4]).as_bytes()),
            }
        }
        push_escaped(&mut out, chunk.invalid());
    }
    out
}

pub fn to_bytes(text: &str) -> Bytes {
    let mut out = Vec::with_capacity(text.len());
    for c in text.chars() {
        match escaped_byte(c) {
            Some(byte) => out.push(byte),
            None => out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    Bytes::from(out)
}

/// `text` for the eye: bytes that are no text become `\xff`.
///
/// Simplified: a real terminal draws a replacement character for each; the number teaches more.
pub fn shown(text: String) -> String {
    if !text.chars().any(|c| escaped_byte(c).is_some()) {
        return text;
    }
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match escaped_byte(c) {
            Some(byte) => out.push_str(&format!("\\x{byte:02x}")),
            None => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_survive_the_journey_through_text() {
        for bytes in [&b"plain"[..], b"\xff\xfe", "ключ\u{F7FF}".as_bytes(), b"a\xd0", b""] {
            assert_eq!(to_bytes(&from_bytes(bytes)), bytes);
        }
        assert_eq!(shown(from_bytes(b"a\xff\n")), "a\\xff\n");
    }
}
