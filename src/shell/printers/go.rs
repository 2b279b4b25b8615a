//! Text as Go prints it: `%q`, JSON strings, hexadecimal escapes.

use super::super::text::to_bytes;
use crate::k8s::go;

/// `%q` of a string that may hold any bytes.
pub use crate::k8s::go::quote_bytes;

pub fn quote(text: &str) -> String {
    quote_bytes(&to_bytes(text))
}

/// A JSON string as `encoding/json` writes it, with HTML's special characters escaped.
pub fn json_string(text: &str) -> String {
    let bytes = to_bytes(text);
    let mut out = String::with_capacity(bytes.len() + 2);
    out.push('"');
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                // The Go that etcdctl 3.5 was built with knew no shorter form of these.
                '\u{8}' | '\u{c}' => go::push_code(c, &mut out),
                c => go::push_json(c, &mut out),
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
        assert_eq!(quote("a\u{F7FF}"), r#""a\xff""#);
        assert_eq!(json_string("a<b>&\"\n\u{1}\u{8}"), r#""a\u003cb\u003e\u0026\"\n\u0001\u0008""#);
        assert_eq!(hex_bytes(b"foo"), r"\x66\x6f\x6f");
    }
}
