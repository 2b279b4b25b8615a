//! The flags of an API server that a learner may set, and the files that they name.
//!
//! Upstream: `cmd/kube-apiserver/app/options`, `k8s.io/apiserver/pkg/server/options`.

use std::collections::BTreeMap;

use crate::k8s::encryption::Configuration;
use crate::k8s::yaml;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Flags {
    pub max_requests_inflight: u32,
    pub max_mutating_requests_inflight: u32,
    /// The least events that the ring of each cache holds. Simplified: upstream's flag has no effect any more.
    pub default_watch_cache_size: usize,
    /// The same for single resources, by `resource` or `resource.group`.
    pub watch_cache_sizes: BTreeMap<String, usize>,
    pub encryption: Option<Configuration>,
}

/// Names and what they are for.
pub const FLAGS: [(&str, &str); 5] = [
    ("default-watch-cache-size", "the least events that the ring of each watch cache holds"),
    ("encryption-provider-config", "the file that says how secrets and other resources are encrypted in etcd"),
    ("max-mutating-requests-inflight", "this and --max-requests-inflight are shared out to the priority levels"),
    ("max-requests-inflight", "requests that are worked on at one moment"),
    ("watch-cache-sizes", "the same for single resources: pods#500,deployments.apps#200"),
];
/// Of rings.
const SIZE_MAX: usize = super::cache::CAPACITY_MAX;
const INFLIGHT_MAX: u32 = 100_000;

impl Default for Flags {
    fn default() -> Flags {
        Flags {
            max_requests_inflight: 400,
            max_mutating_requests_inflight: 200,
            default_watch_cache_size: super::cache::CAPACITY_MIN,
            watch_cache_sizes: BTreeMap::new(),
            encryption: None,
        }
    }
}

impl Flags {
    /// From the words of a command line; `read` gives the content of a file.
    ///
    /// # Errors
    /// What is wrong with the first word that is.
    pub fn parse(words: &[&str], read: impl Fn(&str) -> Result<String, String>) -> Result<Flags, String> {
        let mut flags = Flags::default();
        for word in words {
            let (name, value) = word
                .strip_prefix("--")
                .and_then(|word| word.split_once('='))
                .ok_or_else(|| format!("{word}: expected --FLAG=VALUE"))?;
            let invalid = |why: &str| format!("invalid argument \"{value}\" for \"--{name}\" flag: {why}");
            let count = |max: usize| match value.parse::<usize>() {
                Ok(count) if count <= max => Ok(count),
                Ok(_) => Err(invalid(&format!("at most {max}"))),
                Err(_) => Err(invalid(&format!("strconv.ParseInt: parsing \"{value}\": invalid syntax"))),
            };
            match name {
                "max-requests-inflight" => flags.max_requests_inflight = count(INFLIGHT_MAX as usize)? as u32,
                "max-mutating-requests-inflight" => {
                    flags.max_mutating_requests_inflight = count(INFLIGHT_MAX as usize)? as u32;
                }
                "default-watch-cache-size" => flags.default_watch_cache_size = count(SIZE_MAX)?,
                "watch-cache-sizes" => flags.watch_cache_sizes = sizes(value).map_err(|why| invalid(&why))?,
                "encryption-provider-config" => flags.encryption = Some(encryption(value, &read(value)?)?),
                _ => {
                    let known: Vec<String> = FLAGS.iter().map(|(name, _)| format!("--{name}")).collect();
                    return Err(format!("unknown flag: --{name}; this lab has {}", known.join(", ")));
                }
            }
        }
        if flags.max_requests_inflight + flags.max_mutating_requests_inflight == 0 {
            return Err("--max-requests-inflight and --max-mutating-requests-inflight are both 0".to_owned());
        }
        Ok(flags)
    }

    /// The seats that priority levels share.
    pub fn seats(&self) -> u32 {
        self.max_requests_inflight + self.max_mutating_requests_inflight
    }

    /// The least events of the ring of a resource.
    pub fn watch_cache_size(&self, group: &str, resource: &str) -> usize {
        let named = match group {
            "" => self.watch_cache_sizes.get(resource),
            group => self.watch_cache_sizes.get(&format!("{resource}.{group}")),
        };
        // A ring of nothing could remember no event.
        named.copied().unwrap_or(self.default_watch_cache_size).max(1)
    }
}

/// `pods#500,deployments.apps#200`. Upstream: `ParseWatchCacheSizes`.
fn sizes(text: &str) -> Result<BTreeMap<String, usize>, String> {
    let size = |entry: &str| {
        let (name, size) =
            entry.split_once('#').ok_or_else(|| format!("invalid value of watch cache size: {entry}"))?;
        match size.parse::<usize>() {
            Ok(size) if size <= SIZE_MAX => Ok((name.to_owned(), size)),
            _ => Err(format!("could not parse size of watch cache size: {entry}")),
        }
    };
    text.split(',').filter(|entry| !entry.is_empty()).map(size).collect()
}

fn encryption(path: &str, text: &str) -> Result<Configuration, String> {
    let document = yaml::parse(text).map_err(|error| format!("error while parsing file {path}: {error}"))?;
    Configuration::of(&document.value).map_err(|errors| format!("{path}: {}", errors.join("; ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(words: &[&str]) -> Result<Flags, String> {
        Flags::parse(words, |path| match path {
            "e.yaml" => Ok("apiVersion: apiserver.config.k8s.io/v1\nkind: EncryptionConfiguration\nresources:\n\
                - resources: [secrets]\n  providers: [{identity: {}}]\n"
                .to_owned()),
            "bad.yaml" => Ok("a: [".to_owned()),
            path => Err(format!("{path}: No such file or directory")),
        })
    }

    #[test]
    fn flags_are_read_and_refused() {
        let flags = parse(&["--max-requests-inflight=10", "--watch-cache-sizes=pods#7,deployments.apps#9"]).unwrap();
        assert_eq!(flags.seats(), 210);
        assert_eq!((flags.watch_cache_size("", "pods"), flags.watch_cache_size("apps", "deployments")), (7, 9));
        assert_eq!(flags.watch_cache_size("", "secrets"), 100);
        assert!(parse(&["--encryption-provider-config=e.yaml"]).unwrap().encryption.is_some());
        let refused = |word: &str| parse(&[word]).unwrap_err();
        assert!(refused("--encryption-provider-config=bad.yaml").starts_with("error while parsing file bad.yaml"));
        assert_eq!(refused("--encryption-provider-config=x"), "x: No such file or directory");
        assert!(refused("--nothing=1").starts_with("unknown flag: --nothing"));
        assert!(refused("--max-requests-inflight=-1").contains("invalid syntax"));
        assert!(refused("--watch-cache-sizes=pods").contains("invalid value of watch cache size: pods"));
    }
}
