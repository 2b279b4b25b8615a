//! URLs as curl takes them, with its `{a,b}` and `[1-3]`.

/// Where a URL leads.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Url {
    pub host: String,
    pub port: u16,
    /// Host, and port if it was written: the `Host` header.
    pub authority: String,
    /// Path and query.
    pub target: String,
    /// As it was written, with what curl adds.
    pub effective: String,
}

/// More than that nobody asks for by hand, in URLs and in bytes of all of them.
const GLOB_MAX: usize = 1_000;
const GLOB_BYTES_MAX: usize = 1 << 20;
const MALFORMED: (i32, &str) = (3, "URL using bad/illegal format or missing URL");

impl Url {
    /// The URL, or curl's exit code and text.
    pub fn parse(text: &str) -> Result<Url, (i32, String)> {
        let malformed = || (MALFORMED.0, MALFORMED.1.to_owned());
        if text.is_empty() || text.contains(|c: char| c.is_whitespace() || c.is_control()) {
            return Err(malformed());
        }
        let (scheme, rest) = text.split_once("://").unwrap_or(("http", text));
        if !scheme.eq_ignore_ascii_case("http") {
            return Err((1, format!("Protocol \"{scheme}\" not supported or disabled in libcurl")));
        }
        let rest = rest.split('#').next().unwrap_or_default();
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, target) = rest.split_at(end);
        let authority = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) => (host, port.parse().map_err(|_| malformed())?),
            None => (authority, 80),
        };
        if host.is_empty() || host.contains([':', '/', '[', ']', '{', '}']) {
            return Err(malformed());
        }
        let slash = if target.starts_with('/') { "" } else { "/" };
        let target = format!("{slash}{target}");
        let effective = format!("http://{authority}{target}");
        Ok(Url { host: host.to_owned(), port, authority: authority.to_owned(), target, effective })
    }

    /// The last part of the path, for `-O`.
    pub fn file_name(&self) -> &str {
        let path = self.target.split('?').next().unwrap_or_default();
        path.rsplit('/').next().unwrap_or_default()
    }
}

/// Every URL that a pattern stands for.
pub fn expand(pattern: &str) -> Result<Vec<String>, (i32, String)> {
    let mut done = vec![String::new()];
    let mut rest = pattern;
    while let Some(at) = rest.find(['{', '[']) {
        let (before, from) = rest.split_at(at);
        let close = if from.starts_with('{') { '}' } else { ']' };
        let unmatched =
            || (3, format!("unmatched brace in URL position {}:\n{pattern}", pattern.len() - from.len() + 1));
        let end = from.find(close).ok_or_else(unmatched)?;
        let inside = &from[1..end];
        let choices: Vec<String> = if close == '}' {
            inside.split(',').map(str::to_owned).collect()
        } else {
            range(inside).ok_or_else(|| {
                (3, format!("bad range in URL position {}:\n{pattern}", pattern.len() - from.len() + 2))
            })?
        };
        let count = done.len() * choices.len();
        if count > GLOB_MAX || count * pattern.len() > GLOB_BYTES_MAX {
            return Err((3, format!("this lab's curl takes at most {GLOB_MAX} URLs, or 1 MiB, from one pattern")));
        }
        done = done.iter().flat_map(|start| choices.iter().map(move |c| format!("{start}{before}{c}"))).collect();
        rest = &from[end + 1..];
    }
    done.iter_mut().for_each(|url| url.push_str(rest));
    Ok(done)
}

/// `1-3`, `a-c`.
// Simplified: without steps and leading zeros.
fn range(text: &str) -> Option<Vec<String>> {
    let (from, to) = text.split_once('-')?;
    if let (Ok(from), Ok(to)) = (from.parse::<u64>(), to.parse::<u64>()) {
        return (from <= to && to - from < GLOB_MAX as u64).then(|| (from..=to).map(|n| n.to_string()).collect());
    }
    let letter = |text: &str| text.parse::<char>().ok().filter(char::is_ascii_alphabetic);
    let (from, to) = (letter(from)?, letter(to)?);
    (from <= to).then(|| (from..=to).map(String::from).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_says_where_it_leads() {
        let url = Url::parse("etcd-1:2379/health?serializable=true#x").unwrap();
        assert_eq!((url.host.as_str(), url.port), ("etcd-1", 2379));
        assert_eq!(url.target, "/health?serializable=true");
        assert_eq!(Url::parse("http://etcd-1").unwrap().effective, "http://etcd-1/");
        for bad in ["", "http://", "http://a b/", "http://etcd-1:99999/", "http://:80/"] {
            assert_eq!(Url::parse(bad), Err((3, MALFORMED.1.to_owned())), "{bad}");
        }
        let tls = Url::parse("https://etcd-1:2379/").unwrap_err();
        assert_eq!(tls, (1, "Protocol \"https\" not supported or disabled in libcurl".to_owned()));
    }

    #[test]
    fn patterns_stand_for_several() {
        assert_eq!(expand("http://etcd-[1-3]/{a,b}").unwrap().len(), 6);
        assert_eq!(expand("x{1,2}y").unwrap(), ["x1y", "x2y"]);
        assert_eq!(expand("plain").unwrap(), ["plain"]);
        assert!(expand("x{1,2").is_err() && expand("x[3-1]").is_err() && expand("x[1-99999]").is_err());
        assert!(expand(&format!("{}[1-1000]", "x".repeat(100_000))).is_err());
        assert_eq!(expand(&"x".repeat(2_000_000)).unwrap().len(), 1);
    }
}
