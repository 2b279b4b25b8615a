//! Peer URLs as flags give them.
//!
//! Upstream: `client/pkg/types/urls.go` and `urlsmap.go`, and as much of Go's `net/url` as people meet.
// Simplified: hosts are names; upstream looks them up before it compares them.

use std::collections::{BTreeMap, BTreeSet};

/// `--initial-advertise-peer-urls`: URLs between commas, sorted.
pub fn parse_urls(list: &str) -> Result<Vec<String>, String> {
    sorted(list.split(','))
}

/// `--initial-cluster`: pairs of a name and a URL between commas; a name may come several times.
pub fn parse_urls_map(list: &str) -> Result<BTreeMap<String, Vec<String>>, String> {
    let mut by_name: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for pair in list.split(',').filter(|pair| !pair.is_empty()) {
        let (name, url) = pair.split_once('=').unwrap_or((pair, ""));
        by_name.entry(name).or_default().push(url);
    }
    by_name.into_iter().map(|(name, urls)| Ok((name.to_owned(), sorted(urls)?))).collect()
}

/// The pairs of a name and a URL again, sorted.
pub fn join<'a>(map: impl IntoIterator<Item = (&'a String, &'a Vec<String>)>) -> String {
    let pairs = map.into_iter().flat_map(|(name, urls)| urls.iter().map(move |url| format!("{name}={url}")));
    let pairs: BTreeSet<String> = pairs.collect();
    Vec::from_iter(pairs).join(",")
}

fn sorted<'a>(urls: impl IntoIterator<Item = &'a str>) -> Result<Vec<String>, String> {
    let mut urls: Vec<String> = urls.into_iter().map(|url| parse(url.trim())).collect::<Result<_, _>>()?;
    urls.sort();
    Ok(urls)
}

/// A URL in Go's spelling, or what upstream says against it.
fn parse(text: &str) -> Result<String, String> {
    let unreadable = |why: String| format!("parse {text:?}: {why}");
    let (scheme, rest) = split_scheme(text).map_err(unreadable)?;
    let scheme = scheme.to_ascii_lowercase();
    let (host, path) = match rest.strip_prefix("//") {
        Some(rest) => rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len())),
        None if scheme.is_empty() && rest.split('/').next().is_some_and(|first| first.contains(':')) => {
            return Err(unreadable("first path segment in URL cannot contain colon".to_owned()));
        }
        None => ("", rest),
    };
    check_host(host).map_err(unreadable)?;
    match &scheme[..] {
        "http" | "https" if !has_port(host) => Err(format!("URL address does not have the form \"host:port\": {text}")),
        "http" | "https" if path.starts_with('/') => Err(format!("URL must not contain a path: {text}")),
        "http" | "https" | "unix" | "unixs" => Ok(format!("{scheme}://{host}{path}")),
        _ => Err(format!("URL scheme must be http, https, unix, or unixs: {text}")),
    }
}

/// What stands before the first colon, if that can be a scheme.
fn split_scheme(text: &str) -> Result<(&str, &str), String> {
    let end = text.find(|c: char| !c.is_ascii_alphanumeric() && !"+-.".contains(c)).unwrap_or(text.len());
    match text[end..].strip_prefix(':') {
        Some(_) if end == 0 => Err("missing protocol scheme".to_owned()),
        Some(rest) if text.starts_with(|c: char| c.is_ascii_alphabetic()) => Ok((&text[..end], rest)),
        _ => Ok(("", text)),
    }
}

fn check_host(host: &str) -> Result<(), String> {
    let after = match host.strip_prefix('[') {
        Some(address) => match address.rfind(']') {
            Some(end) => &address[end + 1..],
            None => return Err("missing ']' in host".to_owned()),
        },
        None => host.rfind(':').map_or("", |colon| &host[colon..]),
    };
    let valid =
        after.is_empty() || after.strip_prefix(':').is_some_and(|port| port.bytes().all(|b| b.is_ascii_digit()));
    if !valid {
        return Err(format!("invalid port {after:?} after host"));
    }
    for (at, _) in host.match_indices('%') {
        let escape: String = host[at..].chars().take(3).collect();
        if escape.len() != 3 || !escape[1..].bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(format!("invalid URL escape {escape:?}"));
        }
    }
    Ok(())
}

/// Whether this is `host:port`, as `net.SplitHostPort` sees it.
fn has_port(host: &str) -> bool {
    match host.strip_prefix('[') {
        Some(address) => address.split_once(']').is_some_and(|(_, port)| port.starts_with(':')),
        None => host.matches(':').count() == 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(url: &str, expect: Result<&str, &str>) {
        let found = parse(url);
        assert_eq!(found.as_deref().map_err(|error| &error[..]), expect);
    }

    #[test]
    fn urls_are_taken_and_refused_as_upstream_does() {
        check("http://localhost:2380", Ok("http://localhost:2380"));
        check("HTTPS://[::1]:2380", Ok("https://[::1]:2380"));
        check("unix://localhost:m1", Err("parse \"unix://localhost:m1\": invalid port \":m1\" after host"));
        let form = "URL address does not have the form \"host:port\": ";
        for url in ["http://localhost", "http:localhost", "http://", "http://[::1]"] {
            check(url, Err(&format!("{form}{url}")));
        }
        check("http://a:1/", Err("URL must not contain a path: http://a:1/"));
        check("", Err("URL scheme must be http, https, unix, or unixs: "));
        check("localhost:2380", Err("URL scheme must be http, https, unix, or unixs: localhost:2380"));
        let colon = "parse \"127.0.0.1:2380\": first path segment in URL cannot contain colon";
        check("127.0.0.1:2380", Err(colon));
        check("http://%zz:2380", Err("parse \"http://%zz:2380\": invalid URL escape \"%zz\""));
        check(":2380", Err("parse \":2380\": missing protocol scheme"));
        check("http://a:b", Err("parse \"http://a:b\": invalid port \":b\" after host"));
    }

    #[test]
    fn a_name_may_have_several_urls() {
        let map = parse_urls_map("b=http://b:2,a=http://a:1,,b=http://b:1").expect("sound URLs");
        assert_eq!(map["b"], ["http://b:1", "http://b:2"]);
        assert_eq!(join(&map), "a=http://a:1,b=http://b:1,b=http://b:2");
    }
}
