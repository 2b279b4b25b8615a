//! Text as Go prints it: `%q`, JSON strings, hexadecimal escapes.

/// `%q` of a string that may hold any bytes.
pub fn quote_bytes(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len() + 2);
    out.push('"');
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '"' => out.push_str("\\\""),
                '\\' => out.push_str("\\\\"),
                '\x07' => out.push_str("\\a"),
                '\x08' => out.push_str("\\b"),
                '\x0c' => out.push_str("\\f"),
                '\n' => out.push_str("\\n"),
                '\r' => out.push_str("\\r"),
                '\t' => out.push_str("\\t"),
                '\x0b' => out.push_str("\\v"),
                c if printable(c) => out.push(c),
                c if (c as u32) < 0x80 => out.push_str(&format!("\\x{:02x}", c as u32)),
                c if (c as u32) < 0x10000 => out.push_str(&format!("\\u{:04x}", c as u32)),
                c => out.push_str(&format!("\\U{:08x}", c as u32)),
            }
        }
        for byte in chunk.invalid() {
            out.push_str(&format!("\\x{byte:02x}"));
        }
    }
    out.push('"');
    out
}

pub fn quote(text: &str) -> String {
    quote_bytes(&super::super::text::to_bytes(text))
}

/// Go's `strconv.IsPrint`: what needs no escape. Rust's own escaping knows the same Unicode classes.
///
/// Simplified: Rust also escapes grapheme extenders (combining accents), which Go prints; they are let through here.
fn printable(c: char) -> bool {
    match c {
        ' '..='~' => true,
        c if c.is_control() || (c.is_whitespace() && c != ' ') => false,
        '\u{300}'..='\u{36F}' | '\u{FE00}'..='\u{FE0F}' => true,
        c => c.escape_debug().count() == 1,
    }
}

/// A JSON string as `encoding/json` writes it, with HTML's special characters escaped.
pub fn json_string(text: &str) -> String {
    let bytes = super::super::text::to_bytes(text);
    let mut out = String::with_capacity(bytes.len() + 2);
    out.push('"');
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '"' => out.push_str("\\\""),
                '\\' => out.push_str("\\\\"),
                '\n' => out.push_str("\\n"),
                '\r' => out.push_str("\\r"),
                '\t' => out.push_str("\\t"),
                '<' | '>' | '&' | '\u{2028}' | '\u{2029}' | '\0'..='\x1f' => {
                    out.push_str(&format!("\\u{:04x}", c as u32));
                }
                c => out.push(c),
            }
        }
        if !chunk.invalid().is_empty() {
            out.push_str("\\ufffd");
        }
    }
    out.push('"');
    out
}

/// `\x61\x62`: how `--hex` shows bytes.
pub fn hex_bytes(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("\\x{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_as_go() {
        assert_eq!(quote_bytes(b"tab\tkey \"x\" \x00\xff"), r#""tab\tkey \"x\" \x00\xff""#);
        assert_eq!(quote_bytes("ключ \u{200b} \u{1F600}".as_bytes()), "\"ключ \\u200b \u{1F600}\"");
        assert_eq!(json_string("a<b>&\"\n\u{1}"), r#""a\u003cb\u003e\u0026\"\n\u0001""#);
        assert_eq!(hex_bytes(b"foo"), r"\x66\x6f\x6f");
    }
}
