//! Addresses, ranges of addresses, and URLs.
//!
//! Upstream: `k8s.io/apiserver/pkg/cel/library/{ip,cidr,urls}.go`.

use std::cmp::Ordering;
use std::net::IpAddr;

use super::values::{Network, Url, opaque};
use crate::cel::{Fault, Value};
use crate::k8s::meta::status::quote;

type Answer<'a> = Result<Value<'a>, (Fault, String)>;

/// An address as upstream takes it: no zone, and no IPv4 within IPv6.
fn address(text: &str) -> Result<IpAddr, String> {
    let address: IpAddr = text.parse().map_err(|_| {
        format!(
            "IP Address {} parse error during conversion from string: ParseAddr({}): unable to parse IP",
            quote(text),
            quote(text)
        )
    })?;
    match address {
        IpAddr::V6(inner) if inner.to_ipv4_mapped().is_some() => {
            Err(format!("IPv4-mapped IPv6 address {} is not allowed", quote(text)))
        }
        address => Ok(address),
    }
}

fn range(text: &str) -> Result<Network, String> {
    let wrong = || {
        format!("network address parse error during conversion from string: netip.ParsePrefix({}): no '/'", quote(text))
    };
    let (inner, bits) = text.split_once('/').ok_or_else(wrong)?;
    let inner = address(inner)?;
    let is_plain = !bits.is_empty() && bits.bytes().all(|byte| byte.is_ascii_digit());
    match bits.parse::<u8>() {
        Ok(bits) if is_plain && bits <= width(inner) => Ok(Network { address: inner, bits: Some(bits) }),
        _ => Err(format!(
            "network address parse error during conversion from string: netip.ParsePrefix({}): prefix length out of range",
            quote(text)
        )),
    }
}

fn width(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

fn bits_of(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u128::from(address.to_bits()) << 96,
        IpAddr::V6(address) => address.to_bits(),
    }
}

/// The first bits of an address, the rest zero.
fn masked(address: IpAddr, bits: u8) -> IpAddr {
    let kept = if bits == 0 { 0 } else { u128::MAX << (128 - u32::from(bits)) };
    let value = bits_of(address) & kept;
    match address {
        IpAddr::V4(_) => IpAddr::V4(((value >> 96) as u32).into()),
        IpAddr::V6(_) => IpAddr::V6(value.into()),
    }
}

fn contains(outer: &Network, inner: &Network) -> bool {
    let (Some(bits), own) = (outer.bits, inner.bits.unwrap_or(width(inner.address))) else { return false };
    outer.address.is_ipv4() == inner.address.is_ipv4()
        && own >= bits
        && masked(outer.address, bits) == masked(inner.address, bits)
}

/// The functions of a text: `ip(…)`, `isIP(…)`, `cidr(…)`, `url(…)`.
pub fn make<'a>(name: &str, text: &str) -> Option<Answer<'a>> {
    let answer = |made: Result<Value<'a>, String>| made.map_err(|error| (Fault::Other, error));
    let ip = |address| opaque(Network { address, bits: None });
    Some(match name {
        "ip" => answer(address(text).map(ip)),
        "isIP" => Ok(Value::Bool(address(text).is_ok())),
        "ip.isCanonical" => answer(address(text).map(|address| Value::Bool(address.to_string() == text))),
        "cidr" => answer(range(text).map(opaque)),
        "isCIDR" => Ok(Value::Bool(range(text).is_ok())),
        "url" => answer(Url::parse(text).map(opaque)),
        "isURL" => Ok(Value::Bool(Url::parse(text).is_ok())),
        _ => return None,
    })
}

/// What an address or a range is asked.
pub fn of_network<'a>(name: &str, network: &Network, rest: &[Value<'a>]) -> Option<Answer<'a>> {
    let Network { address, bits } = *network;
    let other = match rest {
        [] => None,
        [Value::Text(text)] => {
            let read = if name == "containsCIDR" {
                range(text)
            } else {
                self::address(text).map(|address| Network { address, bits: None })
            };
            match read {
                Ok(read) => Some(read),
                Err(error) => return Some(Err((Fault::Other, error))),
            }
        }
        [Value::Opaque(value)] => value.as_any().downcast_ref::<Network>().cloned(),
        _ => return None,
    };
    let is_link_local = match address {
        IpAddr::V4(address) => address.is_link_local(),
        IpAddr::V6(address) => address.is_unicast_link_local(),
    };
    let is_link_local_multicast = match address {
        IpAddr::V4(address) => address.octets()[..3] == [224, 0, 0],
        IpAddr::V6(address) => address.segments()[0] & 0xff0f == 0xff02,
    };
    Some(Ok(match (name, bits, other) {
        ("family", None, None) => Value::Int(if address.is_ipv4() { 4 } else { 6 }),
        ("isUnspecified", None, None) => Value::Bool(address.is_unspecified()),
        ("isLoopback", None, None) => Value::Bool(address.is_loopback()),
        ("isLinkLocalMulticast", None, None) => Value::Bool(is_link_local_multicast),
        ("isLinkLocalUnicast", None, None) => Value::Bool(is_link_local),
        ("isGlobalUnicast", None, None) => Value::Bool(
            !address.is_unspecified()
                && !address.is_loopback()
                && !address.is_multicast()
                && !is_link_local
                && address != IpAddr::V4(std::net::Ipv4Addr::BROADCAST),
        ),
        ("containsIP" | "containsCIDR", Some(_), Some(other)) => Value::Bool(contains(network, &other)),
        ("ip", Some(_), None) => opaque(Network { address, bits: None }),
        ("masked", Some(bits), None) => opaque(Network { address: masked(address, bits), bits: Some(bits) }),
        ("prefixLength", Some(bits), None) => Value::Int(bits.into()),
        _ => return None,
    }))
}

/// What a URL is asked.
pub fn of_url<'a>(name: &str, url: &Url, rest: &[Value<'a>]) -> Option<Answer<'a>> {
    let (host, port) = url.host_and_port();
    Some(Ok(Value::text(match (name, rest) {
        ("getScheme", []) => url.scheme.clone(),
        ("getHost", []) => url.host.clone(),
        ("getHostname", []) => host.to_owned(),
        ("getPort", []) => port.to_owned(),
        ("getEscapedPath", []) => url.path.clone(),
        ("getQuery", []) => {
            let mut query: std::collections::BTreeMap<String, Vec<String>> = std::collections::BTreeMap::new();
            for (name, value) in url
                .query
                .split('&')
                .filter(|part| !part.is_empty())
                .map(|part| part.split_once('=').unwrap_or((part, "")))
            {
                query.entry(name.to_owned()).or_default().push(value.to_owned());
            }
            let lists = query.into_iter().map(|(name, values)| {
                let values = values.into_iter().map(Value::text).collect();
                (std::borrow::Cow::Owned(name), Value::list(values))
            });
            return Some(Ok(Value::Map(std::rc::Rc::new(lists.collect::<Vec<_>>()))));
        }
        _ => return None,
    })))
}

impl Network {
    pub fn order(&self, other: &Network) -> Ordering {
        (self.address, self.bits).cmp(&(other.address, other.bits))
    }

    pub fn show(&self) -> String {
        match self.bits {
            None => self.address.to_string(),
            Some(bits) => format!("{}/{bits}", self.address),
        }
    }
}

impl Url {
    /// An absolute URL or an absolute path, as `url.ParseRequestURI` reads it.
    fn parse(text: &str) -> Result<Url, String> {
        let wrong =
            |why: &str| Err(format!("URL parse error during conversion from string: parse {}: {why}", quote(text)));
        if text.is_empty() {
            return wrong("empty url");
        }
        if text.contains(char::is_control) {
            return wrong("net/url: invalid control character in URL");
        }
        let (scheme, rest) = match text.split_once(':') {
            Some((scheme, rest)) if !scheme.contains('/') => (scheme, rest),
            _ => ("", text),
        };
        let is_scheme = scheme.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'))
            && (scheme.is_empty() || scheme.starts_with(|c: char| c.is_ascii_alphabetic()));
        if !is_scheme {
            return wrong("first path segment in URL cannot contain colon");
        }
        if !rest.starts_with('/') {
            return wrong("invalid URI for request");
        }
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (host, path) = match rest.strip_prefix("//").filter(|_| !scheme.is_empty()) {
            Some(rest) => rest.split_at(rest.find('/').unwrap_or(rest.len())),
            None => ("", rest),
        };
        let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
        let [scheme, host, path, query] = [&scheme.to_lowercase(), host, path, query].map(str::to_owned);
        Ok(Url { text: text.to_owned(), scheme, host, path, query })
    }

    fn host_and_port(&self) -> (&str, &str) {
        match self.host.rsplit_once(':') {
            Some((host, port)) if !port.contains(']') => (host.trim_matches(['[', ']']), port),
            _ => (self.host.trim_matches(['[', ']']), ""),
        }
    }
}
