//! `-w`: what curl says about a transfer when it is over.

use super::url::Url;
use crate::sim::Micros;

/// What is known of a transfer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Transfer {
    pub url: Url,
    pub written: String,
    pub method: String,
    pub status: u16,
    pub content_type: String,
    pub headers: usize,
    pub header_bytes: usize,
    pub body_bytes: usize,
    pub uploaded: usize,
    pub connected: Option<Micros>,
    pub answered: Option<Micros>,
    pub total: Micros,
    pub exit: i32,
    pub error: String,
    pub file: String,
    pub number: usize,
}

/// The text of a format, and what curl complains about.
pub fn format(format: &str, of: &Transfer) -> (String, String) {
    let (mut out, mut complaints) = (String::new(), String::new());
    let mut rest = format;
    while let Some(c) = rest.chars().next() {
        let after = &rest[c.len_utf8()..];
        if c == '%' && after.starts_with('{') && after.contains('}') {
            let (name, left) = after[1..].split_once('}').unwrap_or_default();
            match variable(name, of) {
                Some(value) => out += &value,
                None => complaints += &format!("curl: unknown --write-out variable: '{name}'\n"),
            }
            rest = left;
        } else if c == '%' && after.starts_with('%') {
            out.push('%');
            rest = &after[1..];
        } else if c == '\\'
            && let Some(escaped) = after.chars().next()
        {
            match escaped {
                'n' => out.push('\n'),
                'r' => out.push('\r'),
                't' => out.push('\t'),
                other => out.extend(['\\', other]),
            }
            rest = &after[escaped.len_utf8()..];
        } else {
            out.push(c);
            rest = after;
        }
    }
    (out, complaints)
}

fn variable(name: &str, of: &Transfer) -> Option<String> {
    let seconds = |span: Option<Micros>| {
        let span = span.unwrap_or_default().0;
        format!("{}.{:06}", span / 1_000_000, span % 1_000_000)
    };
    let reached = of.connected.is_some();
    Some(match name {
        "content_type" => of.content_type.clone(),
        "errormsg" => of.error.clone(),
        "exitcode" => of.exit.to_string(),
        "filename_effective" => of.file.clone(),
        "http_code" | "response_code" => format!("{:03}", of.status),
        "http_version" => if of.status > 0 { "1.1" } else { "0" }.to_owned(),
        "method" => of.method.clone(),
        "num_connects" => u8::from(reached).to_string(),
        "num_headers" => of.headers.to_string(),
        "num_redirects" => "0".to_owned(),
        "remote_port" => if reached { of.url.port } else { 0 }.to_string(),
        "scheme" => if reached { "HTTP" } else { "" }.to_owned(),
        "size_download" => of.body_bytes.to_string(),
        "size_header" => of.header_bytes.to_string(),
        "size_upload" => of.uploaded.to_string(),
        "speed_download" => (of.body_bytes as u64 * 1_000_000 / of.total.0.max(1)).to_string(),
        "time_appconnect" | "time_namelookup" | "time_redirect" => seconds(None),
        "time_connect" | "time_pretransfer" => seconds(of.connected),
        "time_starttransfer" => seconds(of.answered),
        "time_total" => seconds(Some(of.total)),
        "url" => of.written.clone(),
        "url_effective" => of.url.effective.clone(),
        "urlnum" => of.number.to_string(),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_format_is_filled_in() {
        let transfer = Transfer { status: 200, total: Micros(1_234_567), ..Transfer::default() };
        let (out, complaints) = format(r"%{http_code} %% 100% \t%{time_total}\n%{nope}\x", &transfer);
        assert_eq!(out, "200 % 100% \t1.234567\n\\x");
        assert_eq!(complaints, "curl: unknown --write-out variable: 'nope'\n");
        assert_eq!(format("%{http_code}", &Transfer::default()).0, "000");
    }
}
