//! Text in quotes, as Go prints it: `%q` and JSON strings.

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
    quote_bytes(text.as_bytes())
}

/// A character within a JSON string, as `encoding/json` escapes it, HTML's special characters included.
pub fn push_json(c: char, out: &mut String) {
    match c {
        '"' => out.push_str("\\\""),
        '\\' => out.push_str("\\\\"),
        '\n' => out.push_str("\\n"),
        '\r' => out.push_str("\\r"),
        '\t' => out.push_str("\\t"),
        '\u{8}' => out.push_str("\\b"),
        '\u{c}' => out.push_str("\\f"),
        '\0'..='\u{1f}' | '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => push_code(c, out),
        _ => out.push(c),
    }
}

/// `\u0001`, of a character that has no more than 16 bits.
pub fn push_code(c: char, out: &mut String) {
    out.push_str(&format!("\\u{:04x}", u32::from(c)));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_as_go() {
        assert_eq!(quote_bytes(b"tab\tkey \"x\" \x00\xff"), r#""tab\tkey \"x\" \x00\xff""#);
        assert_eq!(
            quote("ключ \u{200b} \u{1F600}\u{7f}\u{a0}\u{2028}"),
            "\"ключ \\u200b \u{1F600}\\x7f\\u00a0\\u2028\""
        );
    }
}
