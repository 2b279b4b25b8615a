//! Which server, which namespace and whose name: kubeconfig files and the flags over them.
//!
//! Upstream: `k8s.io/client-go/tools/clientcmd`.

use serde_json::{Map, Value, json};

use super::failure::{Outcome, Stop, fail};
use super::flags::Args;
use super::run::Run;
use crate::k8s::yaml;
use crate::shell::environment::Environment;
use crate::shell::etcdctl::flags::parse_duration;
use crate::shell::files::FileError;
use crate::shell::printers::go::quote;
use crate::sim::Micros;

/// Where a kubeconfig lies if nothing else is said.
const DEFAULT_FILE: &str = "/home/learner/.kube/config";
/// Where kubectl knocks without any configuration.
const DEFAULT_SERVER: &str = "http://localhost:8080";

/// How a command reaches its server.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Config {
    /// As written: `https://kube-1:6443`.
    pub server: String,
    /// `host:port`
    pub authority: String,
    pub is_secure: bool,
    pub namespace: String,
    /// By a flag, rather than from a context.
    pub is_namespace_given: bool,
    pub token: String,
    pub username: String,
    pub password: String,
    /// Base64 of a PEM file.
    pub client_certificate: String,
    pub impersonate: Impersonate,
    /// `--request-timeout`, unless it is zero.
    pub timeout: Option<Micros>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Impersonate {
    pub user: String,
    pub uid: String,
    pub groups: Vec<String>,
}

/// Kubeconfig files laid over each other: what an earlier one says stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KubeConfig {
    pub value: Map<String, Value>,
    /// The files in their order, those that are there.
    pub files: Vec<(String, Value)>,
    /// Where something new is written.
    pub target: String,
}

/// Sections of a kubeconfig, and what the things in them are called.
pub const SECTIONS: [(&str, &str); 3] = [("clusters", "cluster"), ("contexts", "context"), ("users", "user")];

impl KubeConfig {
    pub fn load(run: &mut Run, args: &Args, environment: &Environment) -> Outcome<KubeConfig> {
        let explicit = args.text("kubeconfig");
        let listed = environment.value("KUBECONFIG").unwrap_or_default();
        let paths: Vec<String> = if !explicit.is_empty() {
            vec![explicit.to_owned()]
        } else if !listed.is_empty() {
            listed.split(':').filter(|path| !path.is_empty()).map(str::to_owned).collect()
        } else {
            vec![DEFAULT_FILE.to_owned()]
        };
        let mut config = KubeConfig::default();
        for path in &paths {
            match run.read_file(path) {
                Ok(bytes) => config.files.push((path.clone(), read(path, &bytes)?)),
                Err(FileError::NotFound) if explicit.is_empty() || args.command() == "config" => {}
                Err(error) => return fail(format!("stat {path}: {}", error.in_go())),
            }
        }
        let existing = config.files.first().map(|(path, _)| path.clone());
        config.target = existing.or_else(|| paths.last().cloned()).unwrap_or_default();
        config.merge();
        Ok(config)
    }

    fn merge(&mut self) {
        let mut merged = Map::new();
        merged.insert("apiVersion".to_owned(), "v1".into());
        for (section, _) in SECTIONS {
            let mut named: Map<String, Value> = Map::new();
            for item in self.files.iter().flat_map(|(_, file)| list(&file[section])) {
                let name = item["name"].as_str().unwrap_or_default();
                named.entry(name).or_insert_with(|| item.clone());
            }
            named.sort_keys();
            let items: Vec<Value> = named.into_iter().map(|(_, item)| item).collect();
            merged.insert(section.to_owned(), if items.is_empty() { Value::Null } else { items.into() });
        }
        let current =
            self.files.iter().find_map(|(_, file)| file["current-context"].as_str().filter(|c| !c.is_empty()));
        merged.insert("current-context".to_owned(), current.unwrap_or_default().into());
        merged.insert("kind".to_owned(), "Config".into());
        self.value = merged;
    }

    pub fn current(&self) -> &str {
        self.value["current-context"].as_str().unwrap_or_default()
    }

    /// A thing of a section by its name.
    pub fn find(&self, section: &str, name: &str) -> Option<&Value> {
        list(&self.value[section]).iter().find(|item| item["name"] == name)
    }

    /// What a thing says: the value under its own word.
    fn inner(&self, section: &str, name: &str) -> Option<&Value> {
        let word = SECTIONS.iter().find(|(known, _)| *known == section)?.1;
        self.find(section, name).map(|item| &item[word])
    }

    /// Flags over the context over the defaults.
    pub fn resolve(&self, run: &mut Run, args: &Args) -> Outcome<Config> {
        let wanted = args.text("context");
        let name = if wanted.is_empty() { self.current() } else { wanted };
        let context = self.inner("contexts", name);
        if !wanted.is_empty() && context.is_none() {
            return fail(format!("context {} does not exist", quote(wanted)));
        }
        if context.is_none() && !name.is_empty() {
            return invalid(&format!("context was not found for specified context: {name}"));
        }
        let text = |value: Option<&Value>, key: &str| {
            value.and_then(|value| value[key].as_str()).unwrap_or_default().to_owned()
        };
        let over = |flag: &str, own: String| if args.is_set_for_all(flag) { args.text(flag).to_owned() } else { own };
        let cluster_name = over("cluster", text(context, "cluster"));
        let user_name = over("user", text(context, "user"));
        let cluster = self.inner("clusters", &cluster_name);
        let user = self.inner("users", &user_name);
        if args.is_set_for_all("cluster") && cluster.is_none() {
            return fail(format!("cluster {} does not exist", quote(&cluster_name)));
        }
        if args.is_set_for_all("user") && user.is_none() {
            return fail(format!("auth info {} does not exist", quote(&user_name)));
        }
        let server = over("server", text(cluster, "server"));
        if server.is_empty() && context.is_some() {
            return invalid(&format!("no server found for cluster {}", quote(&cluster_name)));
        }
        let server = if server.is_empty() { DEFAULT_SERVER.to_owned() } else { server };
        let (is_secure, authority) = endpoint(&server);
        let namespace = over("namespace", text(context, "namespace"));
        let mut config = Config {
            authority,
            is_secure,
            is_namespace_given: args.is_set_for_all("namespace"),
            namespace: if namespace.is_empty() { "default".to_owned() } else { namespace },
            token: over("token", text(user, "token")),
            username: over("username", text(user, "username")),
            password: over("password", text(user, "password")),
            client_certificate: text(user, "client-certificate-data"),
            impersonate: Impersonate {
                user: over("as", text(user, "as")),
                uid: over("as-uid", text(user, "as-uid")),
                groups: if args.is_set_for_all("as-group") {
                    args.list("as-group")
                } else {
                    user.map(|user| list(&user["as-groups"]))
                        .unwrap_or_default()
                        .iter()
                        .filter_map(Value::as_str)
                        .map(str::to_owned)
                        .collect()
                },
            },
            timeout: timeout(args.text("request-timeout"))?,
            server,
        };
        let file = text(user, "client-certificate");
        if config.client_certificate.is_empty() && !file.is_empty() {
            let path = self.beside(&user_name, &file);
            match run.read_file(&path) {
                Ok(pem) => config.client_certificate = encode(&pem),
                Err(error) => {
                    return fail(format!(
                        "Error in configuration: unable to read client-cert {path} for {user_name} due to open {path}: {}",
                        error.in_go()
                    ));
                }
            }
        }
        let token_file = text(user, "tokenFile");
        if config.token.is_empty() && !token_file.is_empty() {
            let path = self.beside(&user_name, &token_file);
            match run.read_file(&path) {
                Ok(token) => config.token = String::from_utf8_lossy(&token).trim().to_owned(),
                Err(error) => return fail(format!("open {path}: {}", error.in_go())),
            }
        }
        let named: Vec<&str> =
            [(!config.token.is_empty(), "bearer token"), (!config.username.is_empty(), "basic auth")]
                .iter()
                .filter_map(|(is_set, name)| is_set.then_some(*name))
                .collect();
        if named.len() > 1 && args.is_set_for_all("token") != args.is_set_for_all("username") {
            // A flag takes the place of what the file says.
            if args.is_set_for_all("token") {
                (config.username, config.password) = Default::default();
            } else {
                config.token.clear();
            }
        }
        Ok(config)
    }

    /// A path beside the file that the user comes from.
    fn beside(&self, user: &str, path: &str) -> String {
        if path.starts_with('/') {
            return path.to_owned();
        }
        let has = |file: &Value| list(&file["users"]).iter().any(|item| item["name"] == user);
        let origin = self.files.iter().find(|(_, file)| has(file)).map_or("", |(origin, _)| &origin[..]);
        origin.rsplit_once('/').map_or_else(|| path.to_owned(), |(folder, _)| format!("{folder}/{path}"))
    }
}

/// client-go's `ParseTimeout`: a duration, or whole seconds; zero is none.
fn timeout(text: &str) -> Outcome<Option<Micros>> {
    let seconds = text.parse::<u64>().ok().and_then(|seconds| seconds.checked_mul(1_000_000)).map(Micros);
    match seconds.or_else(|| parse_duration(text).ok()) {
        Some(span) => Ok(Some(span).filter(|span| span.0 > 0)),
        None if text.is_empty() => Ok(None),
        None => fail(
            "Invalid timeout value. Timeout must be a single integer in seconds, or an integer followed by a corresponding time unit (e.g. 1s | 2m | 3h)",
        ),
    }
}

fn invalid<T>(why: &str) -> Outcome<T> {
    fail(format!("Error in configuration: {why}"))
}

/// A text, or an empty one.
pub fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// The parts of a list, or nothing.
pub fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

fn read(path: &str, bytes: &[u8]) -> Result<Value, Stop> {
    let failed = |why: String| {
        Stop::Failed(super::failure::Failure::Text(format!("error loading config file {}: {why}", quote(path))))
    };
    let text = std::str::from_utf8(bytes).map_err(|_| failed("yaml: invalid leading UTF-8 octet".to_owned()))?;
    let value = yaml::parse(text).map_err(|error| failed(error.to_string()))?.value;
    match value {
        Value::Null => Ok(json!({})),
        Value::Object(_) => Ok(value),
        _ => Err(failed("couldn't get version/kind; json parse error: json: cannot unmarshal".to_owned())),
    }
}

/// Whether a URL is of TLS, and its host and port.
pub fn endpoint(server: &str) -> (bool, String) {
    let (is_secure, rest) = match (server.strip_prefix("https://"), server.strip_prefix("http://")) {
        (Some(rest), _) => (true, rest),
        (_, Some(rest)) => (false, rest),
        // Without a scheme it is plain HTTP.
        _ => (false, server),
    };
    let authority = rest.split('/').next().unwrap_or_default();
    let port = if is_secure { 443 } else { 80 };
    let has_port = authority.rsplit_once(':').is_some_and(|(_, port)| port.bytes().all(|byte| byte.is_ascii_digit()));
    (is_secure, if has_port { authority.to_owned() } else { format!("{authority}:{port}") })
}

pub fn encode(bytes: &[u8]) -> String {
    use base64::Engine;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}
