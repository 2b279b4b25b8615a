//! The commands, their flags and what runs them: one table for parsing, help and completion.

use super::client::Kube;
use super::failure::Outcome;
use crate::shell::etcdctl::flags::Flag;

/// A command that does something.
pub struct Command {
    /// `rollout status`
    pub path: &'static str,
    /// What stands behind the path in its usage line.
    pub usage: &'static str,
    pub short: &'static str,
    pub flags: &'static [&'static [Flag]],
    pub run: fn(&mut Kube) -> Outcome<()>,
}

/// A word that only opens further commands.
pub struct Family {
    pub path: &'static str,
    pub short: &'static str,
}

impl Command {
    pub fn flags(&self) -> impl Iterator<Item = &'static Flag> {
        self.flags.iter().flat_map(|flags| flags.iter())
    }
}

impl std::fmt::Debug for Command {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.path)
    }
}

pub fn find(path: &str) -> Option<&'static Command> {
    COMMANDS.iter().find(|command| command.path == path)
}

pub fn family(path: &str) -> Option<&'static Family> {
    FAMILIES.iter().find(|family| family.path == path)
}

/// Flags of every command.
pub const GLOBAL: &[Flag] = &[
    Flag::text("as", "", "Username to impersonate for the operation. User could be a regular user or a service account in a namespace."),
    Flag::texts("as-group", "Group to impersonate for the operation, this flag can be repeated to specify multiple groups."),
    Flag::text("as-uid", "", "UID to impersonate for the operation."),
    Flag::text("as-user-extra", "", "User extras to impersonate for the operation, this flag can be repeated to specify multiple values for the same key."),
    Flag::text("cache-dir", "/home/learner/.kube/cache", "Default cache directory"),
    Flag::text("certificate-authority", "", "Path to a cert file for the certificate authority"),
    Flag::text("client-certificate", "", "Path to a client certificate file for TLS"),
    Flag::text("client-key", "", "Path to a client key file for TLS"),
    Flag::text("cluster", "", "The name of the kubeconfig cluster to use"),
    Flag::text("context", "", "The name of the kubeconfig context to use"),
    Flag::bool("disable-compression", "false", "If true, opt-out of response compression for all requests to the server"),
    Flag::bool("insecure-skip-tls-verify", "false", "If true, the server's certificate will not be checked for validity. This will make your HTTPS connections insecure"),
    Flag::text("kubeconfig", "", "Path to the kubeconfig file to use for CLI requests."),
    Flag::bool("match-server-version", "false", "Require server version to match client version"),
    Flag::text("namespace", "", "If present, the namespace scope for this CLI request").short('n'),
    Flag::text("password", "", "Password for basic authentication to the API server"),
    Flag::text("request-timeout", "0", "The length of time to wait before giving up on a single server request. Non-zero values should contain a corresponding time unit (e.g. 1s, 2m, 3h). A value of zero means don't timeout requests."),
    Flag::text("server", "", "The address and port of the Kubernetes API server").short('s'),
    Flag::text("tls-server-name", "", "Server name to use for server certificate validation. If it is not provided, the hostname used to contact the server is used"),
    Flag::text("token", "", "Bearer token for authentication to the API server"),
    Flag::text("user", "", "The name of the kubeconfig user to use"),
    Flag::text("username", "", "Username for basic authentication to the API server"),
    Flag::int("v", "0", "number for the log level verbosity").short('v').bare("0"),
    Flag::bool("warnings-as-errors", "false", "Treat warnings received from the server as errors and exit with a non-zero exit code"),
    Flag::bool("help", "false", "help for this command").short('h'),
];

pub const OUTPUT: &[Flag] = &[
    Flag::text("output", "", "Output format. One of: (json, yaml, kyaml, name, go-template, go-template-file, template, templatefile, jsonpath, jsonpath-as-json, jsonpath-file).").short('o'),
    Flag::text("template", "", "Template string or path to template file to use when -o=go-template, -o=go-template-file."),
    Flag::bool("show-managed-fields", "false", "If true, keep the managedFields when printing objects in JSON or YAML format."),
    Flag::bool("allow-missing-template-keys", "true", "If true, ignore any errors in templates when a field or map key is missing in the template."),
];

pub const FILES: &[Flag] = &[
    Flag::list("filename", "", "Filename, directory, or URL to files that contain the resource.").short('f'),
    Flag::text("kustomize", "", "Process the kustomization directory. This flag can't be used together with -f or -R.").short('k'),
    Flag::bool("recursive", "false", "Process the directory used in -f, --filename recursively.").short('R'),
];

const LISTING: &[Flag] = &[
    Flag::bool("all-namespaces", "false", "If present, list the requested object(s) across all namespaces.").short('A'),
    Flag::int("chunk-size", "500", "Return large lists in chunks rather than all at once. Pass 0 to disable."),
];

const SELECTOR: &[Flag] = &[
    Flag::text("selector", "", "Selector (label query) to filter on, supports '=', '==', '!=', 'in', 'notin'.").short('l'),
];

const FIELD_SELECTOR: &[Flag] = &[
    Flag::text("field-selector", "", "Selector (field query) to filter on, supports '=', '==', and '!='."),
];

const GET: &[Flag] = &[
    Flag::bool("ignore-not-found", "false", "If set to true, suppresses NotFound error for specific objects that do not exist."),
    Flag::list("label-columns", "", "Accepts a comma separated list of labels that are going to be presented as columns.").short('L'),
    Flag::bool("no-headers", "false", "When using the default or custom-column output format, don't print headers."),
    Flag::bool("output-watch-events", "false", "Output watch event objects when --watch or --watch-only is used."),
    Flag::text("raw", "", "Raw URI to request from the server. Uses the transport specified by the kubeconfig file."),
    Flag::bool("server-print", "true", "If true, have the server return the appropriate table output."),
    Flag::bool("show-kind", "false", "If present, list the resource type for the requested object(s)."),
    Flag::bool("show-labels", "false", "When printing, show all labels as the last column (default hide labels column)"),
    Flag::text("sort-by", "", "If non-empty, sort list types using this field specification."),
    Flag::text("subresource", "", "If specified, gets the subresource of the requested object."),
    Flag::bool("watch", "false", "After listing/getting the requested object, watch for changes.").short('w'),
    Flag::bool("watch-only", "false", "Watch for changes to the requested object(s), without listing/getting first."),
];

pub const FAMILIES: &[Family] = &[
    Family { path: "create", short: "Create a resource from a file or from stdin" },
];

pub const COMMANDS: &[Command] = &[
    Command {
        path: "get",
        usage: "[(-o|--output=)json|yaml|name|go-template|jsonpath|custom-columns|wide|…] (TYPE[.VERSION][.GROUP] [NAME | -l label] | TYPE[.VERSION][.GROUP]/NAME ...) [flags]",
        short: "Display one or many resources",
        flags: &[OUTPUT, FILES, LISTING, SELECTOR, FIELD_SELECTOR, GET],
        run: super::get::run,
    },
];
