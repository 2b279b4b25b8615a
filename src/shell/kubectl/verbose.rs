//! What `-v` shows of requests, in klog's format: from 6 on that they were made, from 7 on their headers, from 8 on their
//! bodies, from 9 on as commands of curl.
//!
//! Upstream: `k8s.io/klog/v2`, `k8s.io/client-go/transport/round_trippers.go`.
//
// Simplified: no lines about feature gates, and no times of the parts of a connection.

use super::client::{Kube, Request, mix};
use super::config::Config;
use super::run::Answer;
use crate::k8s::meta::time::{Precision, Time};
use crate::shell::printers::go::quote;
use crate::shell::text;
use crate::sim::SimTime;

/// As much of a body is shown at 8 and at 9.
const BODY_SHOWN: [usize; 2] = [1024, 10_240];

/// The beginning of a line: `I1121 07:50:00.123456   12345 file.go:1] `.
fn prefix(kube: &Kube, level: char, place: &str) -> String {
    let nanos = kube.run.unix_nanos();
    let seconds = (nanos / 1_000_000_000) as i64;
    let micros = (nanos / 1_000) % 1_000_000;
    let stamp = Time { seconds, nanos: 0 }.format(Precision::Seconds);
    // 2026-11-21T07:50:00Z
    let (day, clock) = (stamp.get(5..10).unwrap_or_default().replace('-', ""), stamp.get(11..19).unwrap_or_default());
    let pid = 1_000 + mix(kube.seed, "pid") % 31_000;
    format!("{level}{day} {clock}.{micros:06} {pid:>7} {place}] ")
}

/// A line that tells of an error whatever the verbosity.
pub fn error_line(kube: &mut Kube, place: &str, message: &str, error: &str) {
    let line = format!("{}{} err={}\n", prefix(kube, 'E', place), quote(message), value(error));
    kube.complain(line);
}

/// What a reflector says that never got all there was.
pub fn not_synced(kube: &mut Kube) {
    const WHY: &str = "failed to list *unstructured.Unstructured: client rate limiter Wait returned an error: context deadline exceeded";
    const WHERE: &str = "k8s.io/client-go/tools/watch/informerwatcher.go:162";
    let line = format!(
        "{}\"Failed to watch\" err={} reflector={} type=\"*unstructured.Unstructured\"\n",
        prefix(kube, 'E', "reflector.go:204"),
        quote(WHY),
        quote(WHERE)
    );
    kube.complain(line);
}

/// That a kubeconfig was read.
pub fn loaded(kube: &mut Kube, path: &str) {
    if kube.verbosity() >= 6 {
        let line = format!("{}Config loaded from file:  {path}\n", prefix(kube, 'I', "loader.go:405"));
        kube.complain(line);
    }
}

/// A value as klog writes it: in quotes, or on lines of its own.
fn value(text: &str) -> String {
    if !text.contains('\n') {
        return quote(text);
    }
    let lines: String = text.trim_end_matches('\n').split('\n').map(|line| format!("\t{line}\n")).collect();
    format!("<\n{lines} >")
}

fn headers(list: &[(String, String)]) -> String {
    let mut list: Vec<&(String, String)> = list.iter().collect();
    list.sort();
    let lines: String = list.iter().map(|(name, value)| format!("{name}: {value}\n")).collect();
    if lines.is_empty() { "\"\"".to_owned() } else { value(&lines) }
}

/// The headers of a request that a wrapper around the transport sees.
fn own_headers(request: &Request, config: &Config) -> Vec<(String, String)> {
    let mut list = Vec::new();
    let mut put = |name: &str, value: &str| {
        if !value.is_empty() {
            list.push((name.to_owned(), value.to_owned()));
        }
    };
    put("Accept", request.accept);
    put("Content-Type", request.content);
    put("User-Agent", "kubectl/v1.35.2 (linux/amd64) kubernetes/fdc9d74");
    if config.is_secure && !config.token.is_empty() {
        put("Authorization", "Bearer <masked>");
    } else if config.is_secure && !config.username.is_empty() {
        put("Authorization", "Basic <masked>");
    }
    list
}

fn url(request: &Request, config: &Config) -> String {
    format!("{}{}", config.server.trim_end_matches('/'), request.target())
}

/// What is told of a request before it is sent; it is told when the answer is there, with that time.
fn asked(kube: &mut Kube, request: &Request, config: &Config) {
    let verbosity = kube.verbosity();
    let mut out = String::new();
    if verbosity >= 8 {
        let body = text::from_bytes(&request.body);
        out += &format!(
            "{}\"Request Body\" body={}\n",
            prefix(kube, 'I', "helper.go:269"),
            value(&shorten(&body, verbosity))
        );
    }
    let list = own_headers(request, config);
    let line = prefix(kube, 'I', "round_trippers.go:527");
    if verbosity >= 9 {
        let headers: String =
            list.iter().map(|(name, value)| format!(" -H {:?}", format!("{name}: {value}"))).collect();
        let command = format!("curl -v -X{} {headers} '{}'\n", request.method, url(request, config));
        out += &format!("{line}\"Request\" curlCommand={}\n", value(&command));
    } else if verbosity >= 7 {
        let (method, url) = (quote(request.method), quote(&url(request, config)));
        out += &format!("{line}\"Request\" verb={method} url={url} headers={}\n", headers(&list));
    }
    kube.complain(out);
}

/// What is told of a request and its answer.
pub fn answered(kube: &mut Kube, request: &Request, config: &Config, answer: &Answer, began: SimTime) {
    let verbosity = kube.verbosity();
    if verbosity < 6 {
        return;
    }
    asked(kube, request, config);
    let status = quote(&format!("{} {}", answer.status, reason(answer.status)));
    let took = kube.run.time().since(began).0 / 1_000;
    let line = prefix(kube, 'I', "round_trippers.go:632");
    let (verb, url) = (quote(request.method), quote(&url(request, config)));
    let about = if matches!(verbosity, 7 | 8) { String::new() } else { format!(" verb={verb} url={url}") };
    let headers = if verbosity >= 8 { format!(" headers={}", headers(&answer.headers)) } else { String::new() };
    kube.complain(format!("{line}\"Response\"{about} status={status}{headers} milliseconds={took}\n"));
    if verbosity >= 8 && !answer.body.is_empty() {
        let body = shorten(&text::from_bytes(&answer.body), verbosity);
        let line = format!("{}\"Response Body\" body={}\n", prefix(kube, 'I', "helper.go:269"), value(&body));
        kube.complain(line);
    }
}

/// The same of a request that nobody answered.
pub fn failed(kube: &mut Kube, request: &Request, config: &Config) {
    let verbosity = kube.verbosity();
    if verbosity < 6 {
        return;
    }
    asked(kube, request, config);
    let line = prefix(kube, 'I', "round_trippers.go:632");
    let (verb, url) = (quote(request.method), quote(&url(request, config)));
    kube.complain(format!("{line}\"Response\" verb={verb} url={url} status=\"\" milliseconds=0\n"));
}

fn shorten(body: &str, verbosity: i64) -> String {
    let most = match verbosity {
        8 => BODY_SHOWN[0],
        9 => BODY_SHOWN[1],
        _ => return body.to_owned(),
    };
    match body.char_indices().nth(most) {
        Some((end, _)) => format!("{} [truncated {} chars]", &body[..end], body.len() - end),
        None => body.to_owned(),
    }
}

/// Go's `http.StatusText`.
fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        201 => "Created",
        202 => "Accepted",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        406 => "Not Acceptable",
        409 => "Conflict",
        410 => "Gone",
        413 => "Request Entity Too Large",
        415 => "Unsupported Media Type",
        422 => "Unprocessable Entity",
        429 => "Too Many Requests",
        500 => "Internal Server Error",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        _ => "",
    }
}
