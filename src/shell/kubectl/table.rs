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
    Flag::text(
        "as",
        "",
        "Username to impersonate for the operation. User could be a regular user or a service account in a namespace.",
    ),
    Flag::texts(
        "as-group",
        "Group to impersonate for the operation, this flag can be repeated to specify multiple groups.",
    ),
    Flag::text("as-uid", "", "UID to impersonate for the operation."),
    Flag::text(
        "as-user-extra",
        "",
        "User extras to impersonate for the operation, this flag can be repeated to specify multiple values for the same key.",
    ),
    Flag::text("cache-dir", "/home/learner/.kube/cache", "Default cache directory"),
    Flag::text("certificate-authority", "", "Path to a cert file for the certificate authority"),
    Flag::text("client-certificate", "", "Path to a client certificate file for TLS"),
    Flag::text("client-key", "", "Path to a client key file for TLS"),
    Flag::text("cluster", "", "The name of the kubeconfig cluster to use"),
    Flag::text("context", "", "The name of the kubeconfig context to use"),
    Flag::bool(
        "disable-compression",
        "false",
        "If true, opt-out of response compression for all requests to the server",
    ),
    Flag::bool(
        "insecure-skip-tls-verify",
        "false",
        "If true, the server's certificate will not be checked for validity. This will make your HTTPS connections insecure",
    ),
    Flag::text("kubeconfig", "", "Path to the kubeconfig file to use for CLI requests."),
    Flag::bool("match-server-version", "false", "Require server version to match client version"),
    Flag::text("namespace", "", "If present, the namespace scope for this CLI request").short('n'),
    Flag::text("password", "", "Password for basic authentication to the API server"),
    Flag::text(
        "request-timeout",
        "0",
        "The length of time to wait before giving up on a single server request. Non-zero values should contain a corresponding time unit (e.g. 1s, 2m, 3h). A value of zero means don't timeout requests.",
    ),
    Flag::text("server", "", "The address and port of the Kubernetes API server").short('s'),
    Flag::text(
        "tls-server-name",
        "",
        "Server name to use for server certificate validation. If it is not provided, the hostname used to contact the server is used",
    ),
    Flag::text("token", "", "Bearer token for authentication to the API server"),
    Flag::text("user", "", "The name of the kubeconfig user to use"),
    Flag::text("username", "", "Username for basic authentication to the API server"),
    Flag::int("v", "0", "number for the log level verbosity").short('v').bare("0"),
    Flag::bool(
        "warnings-as-errors",
        "false",
        "Treat warnings received from the server as errors and exit with a non-zero exit code",
    ),
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
    Flag::text("kustomize", "", "Process the kustomization directory. This flag can't be used together with -f or -R.")
        .short('k'),
    Flag::bool("recursive", "false", "Process the directory used in -f, --filename recursively.").short('R'),
];

const LISTING: &[Flag] = &[
    Flag::bool("all-namespaces", "false", "If present, list the requested object(s) across all namespaces.").short('A'),
    Flag::int("chunk-size", "500", "Return large lists in chunks rather than all at once. Pass 0 to disable."),
];

const SELECTOR: &[Flag] =
    &[Flag::text("selector", "", "Selector (label query) to filter on, supports '=', '==', '!=', 'in', 'notin'.")
        .short('l')];

const FIELD_SELECTOR: &[Flag] =
    &[Flag::text("field-selector", "", "Selector (field query) to filter on, supports '=', '==', and '!='.")];

const GET: &[Flag] = &[
    Flag::bool(
        "ignore-not-found",
        "false",
        "If set to true, suppresses NotFound error for specific objects that do not exist.",
    ),
    Flag::list(
        "label-columns",
        "",
        "Accepts a comma separated list of labels that are going to be presented as columns.",
    )
    .short('L'),
    Flag::bool("no-headers", "false", "When using the default or custom-column output format, don't print headers."),
    Flag::bool("output-watch-events", "false", "Output watch event objects when --watch or --watch-only is used."),
    Flag::text("raw", "", "Raw URI to request from the server. Uses the transport specified by the kubeconfig file."),
    Flag::bool("server-print", "true", "If true, have the server return the appropriate table output."),
    Flag::bool("show-kind", "false", "If present, list the resource type for the requested object(s)."),
    Flag::bool(
        "show-labels",
        "false",
        "When printing, show all labels as the last column (default hide labels column)",
    ),
    Flag::text("sort-by", "", "If non-empty, sort list types using this field specification."),
    Flag::text("subresource", "", "If specified, gets the subresource of the requested object."),
    Flag::bool("watch", "false", "After listing/getting the requested object, watch for changes.").short('w'),
    Flag::bool("watch-only", "false", "Watch for changes to the requested object(s), without listing/getting first."),
];

const DRY_RUN: &[Flag] = &[
    Flag::text("dry-run", "none", "Must be \"none\", \"server\", or \"client\". If client strategy, only print the object that would be sent, without sending it. If server strategy, submit server-side request without persisting the resource.").bare("unchanged"),
];

const MANAGER: &[Flag] = &[Flag::text("field-manager", "", "Name of the manager used to track field ownership.")];

const VALIDATE: &[Flag] =
    &[Flag::text("validate", "strict", "Must be one of: strict (or true), warn, ignore (or false).").bare("strict")];

const SAVE_CONFIG: &[Flag] = &[Flag::bool(
    "save-config",
    "false",
    "If true, the configuration of current object will be saved in its annotation.",
)];

const ALL: &[Flag] =
    &[Flag::bool("all", "false", "Select all resources, in the namespace of the specified resource types.")];

const ALL_NAMESPACES: &[Flag] =
    &[Flag::bool("all-namespaces", "false", "If present, list the requested object(s) across all namespaces.")
        .short('A')];

const LOCAL: &[Flag] =
    &[Flag::bool("local", "false", "If true, the command will NOT contact api-server but run locally.")];

const OVERWRITE: &[Flag] = &[Flag::bool("overwrite", "false", "If true, allow existing values to be overwritten.")];

const RAW: &[Flag] =
    &[Flag::text("raw", "", "Raw URI to request. Uses the transport specified by the kubeconfig file.")];

const CHUNK: &[Flag] =
    &[Flag::int("chunk-size", "500", "Return large lists in chunks rather than all at once. Pass 0 to disable.")];

const SHOW_EVENTS: &[Flag] =
    &[Flag::bool("show-events", "true", "If true, display events related to the described object.")];

const CASCADE: &[Flag] = &[
    Flag::text("cascade", "background", "Must be \"background\", \"orphan\", or \"foreground\". Selects the deletion cascading strategy for the dependents.").bare("background"),
    Flag::bool("force", "false", "If true, immediately remove resources from API and bypass graceful deletion."),
    Flag::int("grace-period", "-1", "Period of time in seconds given to the resource to terminate gracefully. Ignored if negative."),
    Flag::duration("timeout", "0s", "The length of time to wait before giving up on a delete, zero means determine a timeout from the size of the object"),
];

const SUBRESOURCE: &[Flag] =
    &[Flag::text("subresource", "", "If specified, operates on the subresource of the requested object.")];

const CONTAINER: &[Flag] =
    &[Flag::text("container", "", "Container name. If omitted, the first container in the pod.").short('c')];

pub const FAMILIES: &[Family] = &[
    Family { path: "create", short: "Create a resource from a file or from stdin" },
    Family { path: "create secret", short: "Create a secret using a specified subcommand" },
    Family { path: "create service", short: "Create a service using a specified subcommand" },
    Family { path: "set", short: "Set specific features on objects" },
    Family { path: "rollout", short: "Manage the rollout of a resource" },
    Family { path: "certificate", short: "Modify certificate resources" },
    Family { path: "top", short: "Display resource (CPU/memory) usage" },
    Family { path: "auth", short: "Inspect authorization" },
    Family { path: "apply", short: "Apply a configuration to a resource by file name or stdin" },
    Family { path: "config", short: "Modify kubeconfig files" },
];

const CREATE_FLAGS: &[Flag] = &[
    Flag::bool("edit", "false", "Edit the API resource before creating"),
    Flag::bool("windows-line-endings", "false", "Only relevant if --edit=true."),
];

const CREATE_DEPLOYMENT_FLAGS: &[Flag] = &[
    Flag::list("image", "", "Image names to run."),
    Flag::int("replicas", "1", "Number of replicas to create.").short('r'),
    Flag::int("port", "-1", "The containerPort that this deployment exposes."),
];

const CREATE_JOB_FLAGS: &[Flag] = &[
    Flag::text("image", "", "Image name to run."),
    Flag::text("from", "", "The name of the resource to create a Job from (only cronjob is supported)."),
];

const CREATE_CRONJOB_FLAGS: &[Flag] = &[
    Flag::text("image", "", "Image name to run."),
    Flag::text("schedule", "", "A schedule in the Cron format the job should be run with."),
    Flag::text("restart", "", "job's restart policy. supported values: OnFailure, Never"),
];

const CREATE_CONFIGMAP_FLAGS: &[Flag] = &[
    Flag::texts("from-literal", "Specify a key and literal value to insert (i.e. mykey=somevalue)"),
    Flag::list("from-file", "", "Key file can be specified using its file path, or with a key."),
    Flag::list("from-env-file", "", "Specify the path to a file to read lines of key=val pairs."),
    Flag::bool("append-hash", "false", "Append a hash of the content to its name."),
];

const CREATE_SECRET_GENERIC_FLAGS: &[Flag] = &[
    Flag::texts("from-literal", "Specify a key and literal value to insert (i.e. mykey=somevalue)"),
    Flag::list("from-file", "", "Key file can be specified using its file path, or with a key."),
    Flag::list("from-env-file", "", "Specify the path to a file to read lines of key=val pairs."),
    Flag::bool("append-hash", "false", "Append a hash of the content to its name."),
    Flag::text("type", "", "The type of secret to create"),
];

const CREATE_SECRET_TLS_FLAGS: &[Flag] = &[
    Flag::text("cert", "", "Path to PEM encoded public key certificate."),
    Flag::text("key", "", "Path to private key associated with given certificate."),
    Flag::bool("append-hash", "false", "Append a hash of the secret to its name."),
];

const CREATE_SECRET_DOCKER_REGISTRY_FLAGS: &[Flag] = &[
    Flag::text("docker-server", "https://index.docker.io/v1/", "Server location for Docker registry"),
    Flag::text("docker-username", "", "Username for Docker registry authentication"),
    Flag::text("docker-password", "", "Password for Docker registry authentication"),
    Flag::text("docker-email", "", "Email for Docker registry"),
    Flag::list("from-file", "", "Key files can be specified using their file path."),
    Flag::texts("from-literal", "not used"),
    Flag::list("from-env-file", "", "not used"),
    Flag::bool("append-hash", "false", "Append a hash of the secret to its name."),
];

const CREATE_SERVICE_CLUSTERIP_FLAGS: &[Flag] = &[
    Flag::list("tcp", "", "Port pairs can be specified as '<port>:<targetPort>'."),
    Flag::text(
        "clusterip",
        "",
        "Assign your own ClusterIP or set to 'None' for a 'headless' service (no loadbalancing).",
    ),
];

const CREATE_SERVICE_NODEPORT_FLAGS: &[Flag] = &[
    Flag::list("tcp", "", "Port pairs can be specified as '<port>:<targetPort>'."),
    Flag::int("node-port", "0", "Port used to expose the service on each node in a cluster."),
];

const CREATE_SERVICE_LOADBALANCER_FLAGS: &[Flag] =
    &[Flag::list("tcp", "", "Port pairs can be specified as '<port>:<targetPort>'.")];

const CREATE_SERVICE_EXTERNALNAME_FLAGS: &[Flag] = &[
    Flag::list("tcp", "", "Port pairs can be specified as '<port>:<targetPort>'."),
    Flag::text("external-name", "", "External name of service"),
];

const CREATE_QUOTA_FLAGS: &[Flag] = &[
    Flag::list("hard", "", "A comma-delimited set of resource=quantity pairs that define a hard limit."),
    Flag::list(
        "scopes",
        "",
        "A comma-delimited set of quota scopes that must all match each object tracked by the quota.",
    ),
];

const CREATE_PODDISRUPTIONBUDGET_FLAGS: &[Flag] = &[
    Flag::text("min-available", "", "The minimum number or percentage of available pods this budget requires."),
    Flag::text("max-unavailable", "", "The maximum number or percentage of unavailable pods this budget requires."),
    Flag::text("selector", "", "A label selector to use for this budget."),
];

const CREATE_PRIORITYCLASS_FLAGS: &[Flag] = &[
    Flag::int("value", "0", "the value of this priority class."),
    Flag::bool(
        "global-default",
        "false",
        "global-default specifies whether this PriorityClass should be considered as the default priority.",
    ),
    Flag::text(
        "description",
        "",
        "description is an arbitrary string that usually provides guidelines on when this priority class should be used.",
    ),
    Flag::text("preemption-policy", "", "preemption-policy is the policy for preempting pods with lower priority."),
];

const CREATE_INGRESS_FLAGS: &[Flag] = &[
    Flag::texts(
        "rule",
        "Rule in format host/path=service:port[,tls=secretname]. Paths containing the leading character '*' are considered pathType=Prefix.",
    ),
    Flag::text("class", "", "Ingress Class to be used"),
    Flag::text("default-backend", "", "Default service for backend, in format of svcname:port"),
    Flag::texts("annotation", "Annotation to insert in the ingress object, in the format annotation=value"),
];

const CREATE_ROLE_FLAGS: &[Flag] = &[
    Flag::list("verb", "", "Verb that applies to the resources contained in the rule"),
    Flag::list("resource", "", "Resource that the rule applies to"),
    Flag::texts(
        "resource-name",
        "Resource in the white list that the rule applies to, repeat this flag for multiple items",
    ),
];

const CREATE_CLUSTERROLE_FLAGS: &[Flag] = &[
    Flag::list("verb", "", "Verb that applies to the resources contained in the rule"),
    Flag::list("resource", "", "Resource that the rule applies to"),
    Flag::texts(
        "resource-name",
        "Resource in the white list that the rule applies to, repeat this flag for multiple items",
    ),
    Flag::list("non-resource-url", "", "A partial url that user should have access to."),
    Flag::list("aggregation-rule", "", "An aggregation label selector for combining ClusterRoles."),
];

const CREATE_ROLEBINDING_FLAGS: &[Flag] = &[
    Flag::list("user", "", "Usernames to bind to the role."),
    Flag::list("group", "", "Groups to bind to the role."),
    Flag::list("serviceaccount", "", "Service accounts to bind to the role, in the format <namespace>:<name>."),
    Flag::text("role", "", "Role this RoleBinding should reference"),
    Flag::text("clusterrole", "", "ClusterRole this RoleBinding should reference"),
];

const CREATE_CLUSTERROLEBINDING_FLAGS: &[Flag] = &[
    Flag::list("user", "", "Usernames to bind to the role."),
    Flag::list("group", "", "Groups to bind to the role."),
    Flag::list("serviceaccount", "", "Service accounts to bind to the role, in the format <namespace>:<name>."),
    Flag::text("clusterrole", "", "ClusterRole this ClusterRoleBinding should reference"),
];

const CREATE_TOKEN_FLAGS: &[Flag] = &[
    Flag::list("audience", "", "Audience of the requested token."),
    Flag::duration("duration", "0s", "Requested lifetime of the issued token."),
    Flag::text("bound-object-kind", "", "Kind of an object to bind the token to."),
    Flag::text("bound-object-name", "", "Name of an object to bind the token to."),
    Flag::text("bound-object-uid", "", "UID of an object to bind the token to."),
];

const EXPOSE_FLAGS: &[Flag] = &[
    Flag::text("port", "", "The port that the service should serve on."),
    Flag::text(
        "target-port",
        "",
        "Name or number for the port on the container that the service should direct traffic to.",
    ),
    Flag::text("protocol", "", "The network protocol for the service to be created. Default is 'TCP'."),
    Flag::text("name", "", "The name for the newly created object."),
    Flag::text("type", "", "Type for this service: ClusterIP, NodePort, LoadBalancer, or ExternalName."),
    Flag::text("selector", "", "A label selector to use for this service."),
    Flag::text("labels", "", "Labels to apply to the service created by this call.").short('l'),
    Flag::text("external-ip", "", "Additional external IP address to accept for the service."),
    Flag::text("cluster-ip", "", "ClusterIP to be assigned to the service."),
    Flag::text("load-balancer-ip", "", "IP to assign to the LoadBalancer."),
    Flag::text(
        "session-affinity",
        "",
        "If non-empty, set the session affinity for the service to this; legal values: 'None', 'ClientIP'",
    ),
];

const RUN_FLAGS: &[Flag] = &[
    Flag::text("image", "", "The image for the container to run."),
    Flag::text("labels", "", "Comma separated labels to apply to the pod.").short('l'),
    Flag::texts("env", "Environment variables to set in the container."),
    Flag::texts("annotations", "Annotations to apply to the pod."),
    Flag::int("port", "-1", "The port that this container exposes."),
    Flag::text("restart", "Always", "The restart policy for this Pod.  Legal values [Always, OnFailure, Never]."),
    Flag::bool(
        "command",
        "false",
        "If true and extra arguments are present, use them as the 'command' field in the container.",
    ),
    Flag::bool("stdin", "false", "Keep stdin open on the container in the pod, even if nothing is attached.")
        .short('i'),
    Flag::bool("tty", "false", "Allocate a TTY for the container in the pod.").short('t'),
    Flag::bool("attach", "false", "If true, wait for the Pod to start running, and then attach to the Pod."),
    Flag::bool("rm", "false", "If true, delete the pod after it exits."),
    Flag::bool(
        "leave-stdin-open",
        "false",
        "If the pod is started in interactive mode or with stdin, leave stdin open after the first attach completes.",
    ),
    Flag::bool("quiet", "false", "If true, suppress prompt messages.").short('q'),
    Flag::bool("expose", "false", "If true, create a ClusterIP service associated with the pod."),
    Flag::bool("privileged", "false", "If true, run the container in privileged mode."),
    Flag::text("image-pull-policy", "", "The image pull policy for the container."),
    Flag::text("overrides", "", "An inline JSON override for the generated object."),
    Flag::text(
        "override-type",
        "merge",
        "The method used to override the generated object: json, merge, or strategic.",
    ),
    Flag::duration("pod-running-timeout", "1m0s", "The length of time to wait until at least one pod is running"),
];

const SET_ENV_FLAGS: &[Flag] = &[
    Flag::texts("env", "Specify a key-value pair for an environment variable to set into each container."),
    Flag::bool("list", "false", "If true, display the environment and any changes in the standard format."),
    Flag::text("from", "", "The name of a resource from which to inject environment variables"),
    Flag::text("prefix", "", "Prefix to append to variable names"),
    Flag::list("keys", "", "Comma-separated list of keys to import from specified resource"),
    Flag::bool("resolve", "false", "If true, show secret or configmap references when listing variables"),
    Flag::text("containers", "*", "The names of containers in the selected pod templates to change.").short('c'),
    Flag::bool("overwrite", "true", "If true, allow environment to be overwritten."),
];

const SET_RESOURCES_FLAGS: &[Flag] = &[
    Flag::text("limits", "", "The resource requirement requests for this container."),
    Flag::text("requests", "", "The resource requirement requests for this container."),
    Flag::text("containers", "*", "The names of containers in the selected pod templates to change.").short('c'),
];

const SET_SELECTOR_FLAGS: &[Flag] = &[Flag::text(
    "resource-version",
    "",
    "If non-empty, the selectors update will only succeed if this is the current resource-version for the object.",
)];

const EXPLAIN_FLAGS: &[Flag] = &[
    Flag::bool("recursive", "false", "When true, print the name of all the fields recursively."),
    Flag::text("api-version", "", "Use given api-version (group/version) of the resource."),
    Flag::text("output", "plaintext", "Format in which to render the schema.").short('o'),
];

const EDIT_FLAGS: &[Flag] = &[
    Flag::bool("output-patch", "false", "Output the patch if the resource is edited."),
    Flag::bool("windows-line-endings", "false", "Defaults to the line ending native to your platform."),
];

const DELETE_FLAGS: &[Flag] = &[
    Flag::bool("ignore-not-found", "false", "Treat \"resource not found\" as a successful delete."),
    Flag::bool("now", "false", "If true, resources are signaled for immediate shutdown (same as --grace-period=1)."),
    Flag::bool("wait", "true", "If true, wait for resources to be gone before returning."),
    Flag::text("output", "", "Output mode. Use \"-o name\" for shorter output (resource/name).").short('o'),
    Flag::bool("interactive", "false", "If true, delete resource only when user confirms.").short('i'),
];

const ROLLOUT_HISTORY_FLAGS: &[Flag] =
    &[Flag::int("revision", "0", "See the details, including podTemplate of the revision specified")];

const ROLLOUT_STATUS_FLAGS: &[Flag] = &[
    Flag::int("revision", "0", "Pin to a specific revision for showing its status."),
    Flag::duration("timeout", "0s", "The length of time to wait before ending watch, zero means never."),
    Flag::bool("watch", "true", "Watch the status of the rollout until it's done.").short('w'),
];

const ROLLOUT_UNDO_FLAGS: &[Flag] =
    &[Flag::int("to-revision", "0", "The revision to rollback to. Default to 0 (last revision).")];

const SCALE_FLAGS: &[Flag] = &[
    Flag::int("replicas", "0", "The new desired number of replicas. Required."),
    Flag::int("current-replicas", "-1", "Precondition for current size. -1 (default) for no condition."),
    Flag::text("resource-version", "", "Precondition for resource version."),
    Flag::duration(
        "timeout",
        "0s",
        "The length of time to wait before giving up on a scale operation, zero means don't wait.",
    ),
];

const AUTOSCALE_FLAGS: &[Flag] = &[
    Flag::int("min", "-1", "The lower limit for the number of pods that can be set by the autoscaler."),
    Flag::int("max", "-1", "The upper limit for the number of pods that can be set by the autoscaler. Required."),
    Flag::text("cpu", "", "Target CPU utilization or value over all the pods."),
    Flag::text("memory", "", "Target memory utilization or value over all the pods."),
    Flag::int("cpu-percent", "-1", "The target average CPU utilization."),
    Flag::text("name", "", "The name for the newly created object."),
];

const CERTIFICATE_APPROVE_FLAGS: &[Flag] =
    &[Flag::bool("force", "false", "Update the CSR even if it is already approved.")];

const CERTIFICATE_DENY_FLAGS: &[Flag] = &[Flag::bool("force", "false", "Update the CSR even if it is already denied.")];

const TOP_NODE_FLAGS: &[Flag] = &[
    Flag::text("sort-by", "", "If non-empty, sort nodes list using specified field: cpu or memory."),
    Flag::bool("no-headers", "false", "If present, print output without headers"),
    Flag::bool(
        "show-capacity",
        "false",
        "Print node resources based on Capacity instead of Allocatable(default) of the nodes.",
    ),
    Flag::bool("use-protocol-buffers", "true", "Enables using protocol-buffers to access Metrics API."),
];

const TOP_POD_FLAGS: &[Flag] = &[
    Flag::text("sort-by", "", "If non-empty, sort pods list using specified field: cpu or memory."),
    Flag::bool("no-headers", "false", "If present, print output without headers."),
    Flag::bool("containers", "false", "If present, print usage of containers within a pod."),
    Flag::bool("sum", "false", "Print the sum of the resource usage"),
    Flag::bool("use-protocol-buffers", "true", "Enables using protocol-buffers to access Metrics API."),
];

const DRAIN_FLAGS: &[Flag] = &[
    Flag::bool("force", "false", "Continue even if there are pods that do not declare a controller."),
    Flag::bool("ignore-daemonsets", "false", "Ignore DaemonSet-managed pods."),
    Flag::bool(
        "delete-emptydir-data",
        "false",
        "Continue even if there are pods using emptyDir (local data that will be deleted when the node is drained).",
    ),
    Flag::int("grace-period", "-1", "Period of time in seconds given to each pod to terminate gracefully."),
    Flag::duration("timeout", "0s", "The length of time to wait before giving up, zero means infinite"),
    Flag::text("pod-selector", "", "Label selector to filter pods on the node"),
    Flag::bool("disable-eviction", "false", "Force drain to use delete, even if eviction is supported."),
    Flag::int(
        "skip-wait-for-delete-timeout",
        "0",
        "If pod DeletionTimestamp older than N seconds, skip waiting for the pod.",
    ),
];

const LOGS_FLAGS: &[Flag] = &[
    Flag::bool("follow", "false", "Specify if the logs should be streamed.").short('f'),
    Flag::bool(
        "previous",
        "false",
        "If true, print the logs for the previous instance of the container in a pod if it exists.",
    )
    .short('p'),
    Flag::duration("since", "0s", "Only return logs newer than a relative duration like 5s, 2m, or 3h."),
    Flag::text("since-time", "", "Only return logs after a specific date (RFC3339)."),
    Flag::int("tail", "-1", "Lines of recent log file to display."),
    Flag::bool("timestamps", "false", "Include timestamps on each line in the log output."),
    Flag::int("limit-bytes", "0", "Maximum bytes of logs to return."),
    Flag::bool("all-containers", "false", "Get all containers' logs in the pod(s)."),
    Flag::bool("all-pods", "false", "Get logs from all pod(s)."),
    Flag::bool("prefix", "false", "Prefix each log line with the log source (pod name and container name)."),
    Flag::int("max-log-requests", "5", "Specify maximum number of concurrent logs to follow when using by a selector."),
    Flag::bool(
        "ignore-errors",
        "false",
        "If watching / following pod logs, allow for any errors that occur to be non-fatal.",
    ),
    Flag::bool(
        "insecure-skip-tls-verify-backend",
        "false",
        "Skip verifying the identity of the kubelet that logs are requested from.",
    ),
    Flag::duration("pod-running-timeout", "20s", "The length of time to wait until at least one pod is running"),
];

const ATTACH_FLAGS: &[Flag] = &[
    Flag::bool("stdin", "false", "Pass stdin to the container").short('i'),
    Flag::bool("tty", "false", "Stdin is a TTY").short('t'),
    Flag::bool("quiet", "false", "Only print output from the remote session").short('q'),
];

const EXEC_FLAGS: &[Flag] = &[
    Flag::bool("stdin", "false", "Pass stdin to the container").short('i'),
    Flag::bool("tty", "false", "Stdin is a TTY").short('t'),
    Flag::bool("quiet", "false", "Only print output from the remote session").short('q'),
];

const PORT_FORWARD_FLAGS: &[Flag] = &[Flag::list("address", "localhost", "Addresses to listen on (comma separated).")];

const DEBUG_FLAGS: &[Flag] = &[
    Flag::text("image", "", "Container image to use for debug container."),
    Flag::text("target", "", "When using an ephemeral container, target processes in this container name."),
    Flag::text(
        "profile",
        "legacy",
        "Options are \"legacy\", \"general\", \"baseline\", \"netadmin\", \"restricted\" or \"sysadmin\".",
    ),
    Flag::bool("stdin", "false", "Keep stdin open on the container(s) in the pod, even if nothing is attached.")
        .short('i'),
    Flag::bool("tty", "false", "Allocate a TTY for the debugging container.").short('t'),
    Flag::bool("attach", "false", "If true, wait for the container to start running, and then attach."),
    Flag::bool("quiet", "false", "If true, suppress informational messages.").short('q'),
    Flag::text("image-pull-policy", "", "The image pull policy for the container."),
    Flag::texts("env", "Environment variables to set in the container."),
];

const CP_FLAGS: &[Flag] = &[
    Flag::bool(
        "no-preserve",
        "false",
        "The copied file/directory's ownership and permissions will not be preserved in the container",
    ),
    Flag::int("retries", "0", "Set number of retries to complete a copy operation from a container."),
];

const AUTH_CAN_I_FLAGS: &[Flag] = &[
    Flag::bool("list", "false", "If true, prints all allowed actions."),
    Flag::bool("quiet", "false", "If true, suppress output and just return the exit code.").short('q'),
    Flag::bool("no-headers", "false", "If true, prints allowed actions without headers"),
    Flag::text("subresource", "", "SubResource such as pod/log or deployment/scale"),
];

const AUTH_RECONCILE_FLAGS: &[Flag] = &[
    Flag::bool("remove-extra-permissions", "false", "If true, removes extra permissions added to roles"),
    Flag::bool("remove-extra-subjects", "false", "If true, removes extra subjects added to rolebindings"),
];

const EVENTS_FLAGS: &[Flag] = &[
    Flag::text("for", "", "Filter events to only those pertaining to the specified resource."),
    Flag::bool("watch", "false", "After listing the requested events, watch for more events.").short('w'),
    Flag::list("types", "", "Output only events of given types."),
    Flag::bool("no-headers", "false", "When using the default output format, don't print headers."),
];

const DIFF_FLAGS: &[Flag] = &[
    Flag::bool("server-side", "false", "If true, apply runs in the server instead of the client."),
    Flag::bool("force-conflicts", "false", "If true, server-side apply will force the changes against conflicts."),
    Flag::bool("prune", "false", "Include resources that would be deleted by pruning."),
    Flag::int("concurrency", "1", "Number of objects to process in parallel when diffing against the live version."),
];

const APPLY_FLAGS: &[Flag] = &[
    Flag::bool("server-side", "false", "If true, apply runs in the server instead of the client."),
    Flag::bool("force-conflicts", "false", "If true, server-side apply will force the changes against conflicts."),
    Flag::bool("prune", "false", "Automatically delete resource objects, that do not appear in the configs."),
    Flag::texts("prune-allowlist", "Overwrite the default allowlist with <group/version/kind> for --prune"),
    Flag::bool(
        "overwrite",
        "true",
        "Automatically resolve conflicts between the modified and live configuration by using values from the modified configuration",
    ),
    Flag::bool("openapi-patch", "true", "If true, use openapi to calculate diff when the openapi presents."),
    Flag::bool("wait", "false", "If true, wait for resources to be gone before returning."),
    Flag::text("subresource", "", "If specified, apply will operate on the subresource of the requested object."),
];

const APPLY_VIEW_LAST_APPLIED_FLAGS: &[Flag] =
    &[Flag::text("output", "yaml", "Output format. Must be one of (yaml, json)").short('o')];

const APPLY_SET_LAST_APPLIED_FLAGS: &[Flag] = &[Flag::bool(
    "create-annotation",
    "false",
    "Will create 'last-applied-configuration' annotations if current objects doesn't have one",
)];

const PATCH_FLAGS: &[Flag] = &[
    Flag::text("patch", "", "The patch to be applied to the resource JSON file.").short('p'),
    Flag::text("patch-file", "", "A file containing a patch to be applied to the resource."),
    Flag::text("type", "strategic", "The type of patch being provided; one of [json merge strategic]"),
];

const REPLACE_FLAGS: &[Flag] =
    &[Flag::bool("wait", "false", "If true, wait for resources to be gone before returning.")];

const WAIT_FLAGS: &[Flag] = &[
    Flag::text("for", "", "The condition to wait on."),
    Flag::duration("timeout", "30s", "The length of time to wait before giving up."),
];

const LABEL_FLAGS: &[Flag] = &[
    Flag::bool("list", "false", "If true, display the values for a given resource."),
    Flag::text(
        "resource-version",
        "",
        "If non-empty, the update will only succeed if this is the current resource-version for the object.",
    ),
];

const ANNOTATE_FLAGS: &[Flag] = &[
    Flag::bool("list", "false", "If true, display the values for a given resource."),
    Flag::text(
        "resource-version",
        "",
        "If non-empty, the update will only succeed if this is the current resource-version for the object.",
    ),
];

const API_RESOURCES_FLAGS: &[Flag] = &[
    Flag::text("api-group", "", "Limit to resources in the specified API group."),
    Flag::bool(
        "namespaced",
        "true",
        "If false, non-namespaced resources will be returned, otherwise returning namespaced resources by default.",
    ),
    Flag::list("verbs", "", "Limit to resources that support the specified verbs."),
    Flag::list("categories", "", "Limit to resources that belong to the specified categories."),
    Flag::bool("no-headers", "false", "When using the default or custom-column output format, don't print headers."),
    Flag::text("output", "", "Output format. One of: (json, yaml, name, wide).").short('o'),
    Flag::text("sort-by", "", "If non-empty, sort list of resources using specified field: name or kind."),
    Flag::bool("cached", "false", "Use the cached list of resources if available."),
];

const VERSION_FLAGS: &[Flag] = &[
    Flag::bool("client", "false", "If true, shows client version only (no server required)."),
    Flag::text("output", "", "One of 'yaml' or 'json'.").short('o'),
];

const CONFIG_VIEW_FLAGS: &[Flag] = &[
    Flag::bool("minify", "false", "Remove all information not used by current-context from the output"),
    Flag::bool("raw", "false", "Display raw byte data and sensitive data"),
    Flag::bool("flatten", "false", "Flatten the resulting kubeconfig file into self-contained output"),
    Flag::bool("merge", "true", "Merge the full hierarchy of kubeconfig files"),
];

const CONFIG_GET_CONTEXTS_FLAGS: &[Flag] = &[
    Flag::text("output", "", "Output format. One of: (name).").short('o'),
    Flag::bool("no-headers", "false", "When using the default or custom-column output format, don't print headers."),
];

const CONFIG_SET_CONTEXT_FLAGS: &[Flag] = &[Flag::bool("current", "false", "Modify the current context")];

const CONFIG_SET_CLUSTER_FLAGS: &[Flag] = &[
    Flag::bool("embed-certs", "false", "embed-certs for the cluster entry in kubeconfig"),
    Flag::text("proxy-url", "", "proxy-url for the cluster entry in kubeconfig"),
];

const CONFIG_SET_CREDENTIALS_FLAGS: &[Flag] =
    &[Flag::bool("embed-certs", "false", "Embed client cert/key for the user entry in kubeconfig")];

pub const COMMANDS: &[Command] = &[
    Command {
        path: "get",
        usage: "[(-o|--output=)json|yaml|name|go-template|jsonpath|custom-columns|wide|…] (TYPE[.VERSION][.GROUP] [NAME | -l label] | TYPE[.VERSION][.GROUP]/NAME ...) [flags]",
        short: "Display one or many resources",
        flags: &[OUTPUT, FILES, LISTING, SELECTOR, FIELD_SELECTOR, GET],
        run: super::get::run,
    },
    Command {
        path: "create",
        usage: "-f FILENAME",
        short: "Create a resource from a file or from stdin",
        flags: &[FILES, DRY_RUN, MANAGER, OUTPUT, SAVE_CONFIG, VALIDATE, RAW, SELECTOR, CREATE_FLAGS],
        run: super::write::create,
    },
    Command {
        path: "create namespace",
        usage: "NAME [--dry-run=server|client|none]",
        short: "Create a namespace",
        flags: &[DRY_RUN, MANAGER, OUTPUT, SAVE_CONFIG, VALIDATE],
        run: super::create::namespace,
    },
    Command {
        path: "create serviceaccount",
        usage: "NAME [--dry-run=server|client|none]",
        short: "Create a serviceaccount",
        flags: &[DRY_RUN, MANAGER, OUTPUT, SAVE_CONFIG, VALIDATE],
        run: super::create::service_account,
    },
    Command {
        path: "create deployment",
        usage: "NAME --image=image -- [COMMAND] [args...]",
        short: "Create a deployment",
        flags: &[DRY_RUN, MANAGER, OUTPUT, SAVE_CONFIG, VALIDATE, CREATE_DEPLOYMENT_FLAGS],
        run: super::create::deployment,
    },
    Command {
        path: "create job",
        usage: "NAME --image=image [--from=cronjob/name] -- [COMMAND] [args...]",
        short: "Create a job",
        flags: &[DRY_RUN, MANAGER, OUTPUT, SAVE_CONFIG, VALIDATE, CREATE_JOB_FLAGS],
        run: super::create::job,
    },
    Command {
        path: "create cronjob",
        usage: "NAME --image=image --schedule='0/5 * * * ?' -- [COMMAND] [args...]",
        short: "Create a cronjob",
        flags: &[DRY_RUN, MANAGER, OUTPUT, SAVE_CONFIG, VALIDATE, CREATE_CRONJOB_FLAGS],
        run: super::create::cron_job,
    },
    Command {
        path: "create configmap",
        usage: "NAME [--from-file=[key=]source] [--from-literal=key1=value1]",
        short: "Create a configmap",
        flags: &[DRY_RUN, MANAGER, OUTPUT, SAVE_CONFIG, VALIDATE, CREATE_CONFIGMAP_FLAGS],
        run: super::create::config_map,
    },
    Command {
        path: "create secret generic",
        usage: "NAME [--type=string] [--from-file=[key=]source] [--from-literal=key1=value1]",
        short: "Create a secret of kind generic",
        flags: &[DRY_RUN, MANAGER, OUTPUT, SAVE_CONFIG, VALIDATE, CREATE_SECRET_GENERIC_FLAGS],
        run: super::create::secret_generic,
    },
    Command {
        path: "create secret tls",
        usage: "NAME --cert=path/to/cert/file --key=path/to/key/file",
        short: "Create a secret of kind tls",
        flags: &[DRY_RUN, MANAGER, OUTPUT, SAVE_CONFIG, VALIDATE, CREATE_SECRET_TLS_FLAGS],
        run: super::create::secret_tls,
    },
    Command {
        path: "create secret docker-registry",
        usage: "NAME --docker-username=user --docker-password=password --docker-email=email",
        short: "Create a secret of kind docker-registry",
        flags: &[DRY_RUN, MANAGER, OUTPUT, SAVE_CONFIG, VALIDATE, CREATE_SECRET_DOCKER_REGISTRY_FLAGS],
        run: super::create::secret_docker,
    },
    Command {
        path: "create service clusterip",
        usage: "NAME [--tcp=<port>:<targetPort>]",
        short: "Create a service of kind clusterip",
        flags: &[DRY_RUN, MANAGER, OUTPUT, SAVE_CONFIG, VALIDATE, CREATE_SERVICE_CLUSTERIP_FLAGS],
        run: super::create::service_cluster_ip,
    },
    Command {
        path: "create service nodeport",
        usage: "NAME [--tcp=port:targetPort]",
        short: "Create a service of kind nodeport",
        flags: &[DRY_RUN, MANAGER, OUTPUT, SAVE_CONFIG, VALIDATE, CREATE_SERVICE_NODEPORT_FLAGS],
        run: super::create::service_node_port,
    },
    Command {
        path: "create service loadbalancer",
        usage: "NAME [--tcp=port:targetPort]",
        short: "Create a service of kind loadbalancer",
        flags: &[DRY_RUN, MANAGER, OUTPUT, SAVE_CONFIG, VALIDATE, CREATE_SERVICE_LOADBALANCER_FLAGS],
        run: super::create::service_load_balancer,
    },
    Command {
        path: "create service externalname",
        usage: "NAME --external-name external.name",
        short: "Create a service of kind externalname",
        flags: &[DRY_RUN, MANAGER, OUTPUT, SAVE_CONFIG, VALIDATE, CREATE_SERVICE_EXTERNALNAME_FLAGS],
        run: super::create::service_external_name,
    },
    Command {
        path: "create quota",
        usage: "NAME [--hard=key1=value1,key2=value2] [--scopes=Scope1,Scope2]",
        short: "Create a quota",
        flags: &[DRY_RUN, MANAGER, OUTPUT, SAVE_CONFIG, VALIDATE, CREATE_QUOTA_FLAGS],
        run: super::create::quota,
    },
    Command {
        path: "create poddisruptionbudget",
        usage: "NAME --selector=SELECTOR --min-available=N",
        short: "Create a poddisruptionbudget",
        flags: &[DRY_RUN, MANAGER, OUTPUT, SAVE_CONFIG, VALIDATE, CREATE_PODDISRUPTIONBUDGET_FLAGS],
        run: super::create::disruption_budget,
    },
    Command {
        path: "create priorityclass",
        usage: "NAME --value=VALUE --global-default=BOOL",
        short: "Create a priorityclass",
        flags: &[DRY_RUN, MANAGER, OUTPUT, SAVE_CONFIG, VALIDATE, CREATE_PRIORITYCLASS_FLAGS],
        run: super::create::priority_class,
    },
    Command {
        path: "create ingress",
        usage: "NAME --rule=host/path=service:port[,tls[=secret]]",
        short: "Create a ingress",
        flags: &[DRY_RUN, MANAGER, OUTPUT, SAVE_CONFIG, VALIDATE, CREATE_INGRESS_FLAGS],
        run: super::create::ingress,
    },
    Command {
        path: "create role",
        usage: "NAME --verb=verb --resource=resource.group/subresource",
        short: "Create a role",
        flags: &[DRY_RUN, MANAGER, OUTPUT, SAVE_CONFIG, VALIDATE, CREATE_ROLE_FLAGS],
        run: super::create::role,
    },
    Command {
        path: "create clusterrole",
        usage: "NAME --verb=verb --resource=resource.group",
        short: "Create a clusterrole",
        flags: &[DRY_RUN, MANAGER, OUTPUT, SAVE_CONFIG, VALIDATE, CREATE_CLUSTERROLE_FLAGS],
        run: super::create::cluster_role,
    },
    Command {
        path: "create rolebinding",
        usage: "NAME --clusterrole=NAME|--role=NAME [--user=username]",
        short: "Create a rolebinding",
        flags: &[DRY_RUN, MANAGER, OUTPUT, SAVE_CONFIG, VALIDATE, CREATE_ROLEBINDING_FLAGS],
        run: super::create::role_binding,
    },
    Command {
        path: "create clusterrolebinding",
        usage: "NAME --clusterrole=NAME [--user=username]",
        short: "Create a clusterrolebinding",
        flags: &[DRY_RUN, MANAGER, OUTPUT, SAVE_CONFIG, VALIDATE, CREATE_CLUSTERROLEBINDING_FLAGS],
        run: super::create::cluster_role_binding,
    },
    Command {
        path: "create token",
        usage: "SERVICE_ACCOUNT_NAME",
        short: "Request a service account token",
        flags: &[OUTPUT, CREATE_TOKEN_FLAGS],
        run: super::create::token,
    },
    Command {
        path: "expose",
        usage: "(-f FILENAME | TYPE NAME) [--port=port] [--protocol=TCP|UDP|SCTP] [--target-port=number-or-name]",
        short: "Take a replication controller, service, deployment or pod and expose it as a new Kubernetes service",
        flags: &[FILES, DRY_RUN, MANAGER, OUTPUT, SAVE_CONFIG, EXPOSE_FLAGS],
        run: super::run_pod::expose,
    },
    Command {
        path: "run",
        usage: "NAME --image=image [--env=\"key=value\"] [--port=port] [--dry-run=server|client] [--command] -- [COMMAND] [args...]",
        short: "Run a particular image on the cluster",
        flags: &[DRY_RUN, MANAGER, OUTPUT, SAVE_CONFIG, RUN_FLAGS],
        run: super::run_pod::run,
    },
    Command {
        path: "set image",
        usage: "(-f FILENAME | TYPE NAME) ...",
        short: "Update the image of objects with pod templates",
        flags: &[FILES, DRY_RUN, MANAGER, OUTPUT, ALL, SELECTOR, LOCAL],
        run: super::set::image,
    },
    Command {
        path: "set env",
        usage: "(-f FILENAME | TYPE NAME) ...",
        short: "Update the env of objects with pod templates",
        flags: &[FILES, DRY_RUN, MANAGER, OUTPUT, ALL, SELECTOR, LOCAL, SET_ENV_FLAGS],
        run: super::set::env,
    },
    Command {
        path: "set resources",
        usage: "(-f FILENAME | TYPE NAME) ...",
        short: "Update the resources of objects with pod templates",
        flags: &[FILES, DRY_RUN, MANAGER, OUTPUT, ALL, SELECTOR, LOCAL, SET_RESOURCES_FLAGS],
        run: super::set::resources,
    },
    Command {
        path: "set selector",
        usage: "(-f FILENAME | TYPE NAME) ...",
        short: "Set the selector on a resource",
        flags: &[FILES, DRY_RUN, MANAGER, OUTPUT, ALL, LOCAL, SET_SELECTOR_FLAGS],
        run: super::set::selector,
    },
    Command {
        path: "set serviceaccount",
        usage: "(-f FILENAME | TYPE NAME) ...",
        short: "Update the serviceaccount of objects with pod templates",
        flags: &[FILES, DRY_RUN, MANAGER, OUTPUT, ALL, LOCAL],
        run: super::set::service_account,
    },
    Command {
        path: "explain",
        usage: "TYPE [--recursive=FALSE|TRUE] [--api-version=api-version-group] [-o|--output=plaintext|plaintext-openapiv2]",
        short: "Get documentation for a resource",
        flags: &[EXPLAIN_FLAGS],
        run: super::explain::run,
    },
    Command {
        path: "edit",
        usage: "(RESOURCE/NAME | -f FILENAME)",
        short: "Edit a resource on the server",
        flags: &[FILES, MANAGER, OUTPUT, SAVE_CONFIG, VALIDATE, SUBRESOURCE, SELECTOR, EDIT_FLAGS],
        run: super::edit::edit,
    },
    Command {
        path: "delete",
        usage: "([-f FILENAME] | [-k DIRECTORY] | TYPE [(NAME | -l label | --all)])",
        short: "Delete resources by file names, stdin, resources and names, or by resources and label selector",
        flags: &[FILES, DRY_RUN, CASCADE, SELECTOR, FIELD_SELECTOR, ALL, ALL_NAMESPACES, RAW, DELETE_FLAGS],
        run: super::delete::run,
    },
    Command {
        path: "rollout history",
        usage: "(TYPE NAME | TYPE/NAME) [flags]",
        short: "View rollout history",
        flags: &[FILES, OUTPUT, SELECTOR, ROLLOUT_HISTORY_FLAGS],
        run: super::rollout::history,
    },
    Command {
        path: "rollout pause",
        usage: "RESOURCE",
        short: "Mark the provided resource as paused",
        flags: &[FILES, OUTPUT, MANAGER, SELECTOR],
        run: super::rollout::pause,
    },
    Command {
        path: "rollout restart",
        usage: "RESOURCE",
        short: "Restart a resource",
        flags: &[FILES, OUTPUT, MANAGER, SELECTOR],
        run: super::rollout::restart,
    },
    Command {
        path: "rollout resume",
        usage: "RESOURCE",
        short: "Resume a paused resource",
        flags: &[FILES, OUTPUT, MANAGER, SELECTOR],
        run: super::rollout::resume,
    },
    Command {
        path: "rollout status",
        usage: "(TYPE NAME | TYPE/NAME) [flags]",
        short: "Show the status of the rollout",
        flags: &[FILES, SELECTOR, ROLLOUT_STATUS_FLAGS],
        run: super::rollout::status,
    },
    Command {
        path: "rollout undo",
        usage: "(TYPE NAME | TYPE/NAME) [flags]",
        short: "Undo a previous rollout",
        flags: &[FILES, DRY_RUN, OUTPUT, SELECTOR, ROLLOUT_UNDO_FLAGS],
        run: super::rollout::undo,
    },
    Command {
        path: "scale",
        usage: "[--resource-version=version] [--current-replicas=count] --replicas=COUNT (-f FILENAME | TYPE NAME)",
        short: "Set a new size for a deployment, replica set, or replication controller",
        flags: &[FILES, DRY_RUN, OUTPUT, ALL, SELECTOR, SCALE_FLAGS],
        run: super::write::scale,
    },
    Command {
        path: "autoscale",
        usage: "(-f FILENAME | TYPE NAME | TYPE/NAME) [--min=MINPODS] --max=MAXPODS [--cpu=CPU] [--memory=MEMORY]",
        short: "Auto-scale a deployment, replica set, stateful set, or replication controller",
        flags: &[FILES, DRY_RUN, MANAGER, OUTPUT, SAVE_CONFIG, AUTOSCALE_FLAGS],
        run: super::run_pod::autoscale,
    },
    Command {
        path: "certificate approve",
        usage: "(-f FILENAME | NAME)",
        short: "Approve a certificate signing request",
        flags: &[FILES, OUTPUT, CERTIFICATE_APPROVE_FLAGS],
        run: super::certificate::approve,
    },
    Command {
        path: "certificate deny",
        usage: "(-f FILENAME | NAME)",
        short: "Deny a certificate signing request",
        flags: &[FILES, OUTPUT, CERTIFICATE_DENY_FLAGS],
        run: super::certificate::deny,
    },
    Command {
        path: "cluster-info",
        usage: "",
        short: "Display cluster information",
        flags: &[],
        run: super::cluster::info,
    },
    Command {
        path: "top node",
        usage: "[NAME | -l label]",
        short: "Display resource (CPU/memory) usage of nodes",
        flags: &[SELECTOR, TOP_NODE_FLAGS],
        run: super::top::top_nodes,
    },
    Command {
        path: "top pod",
        usage: "[NAME | -l label]",
        short: "Display resource (CPU/memory) usage of pods",
        flags: &[SELECTOR, FIELD_SELECTOR, ALL_NAMESPACES, TOP_POD_FLAGS],
        run: super::top::top_pods,
    },
    Command {
        path: "cordon",
        usage: "NODE",
        short: "Mark node as unschedulable",
        flags: &[DRY_RUN, SELECTOR],
        run: super::nodes::cordon,
    },
    Command {
        path: "uncordon",
        usage: "NODE",
        short: "Mark node as schedulable",
        flags: &[DRY_RUN, SELECTOR],
        run: super::nodes::uncordon,
    },
    Command {
        path: "drain",
        usage: "NODE",
        short: "Drain node in preparation for maintenance",
        flags: &[DRY_RUN, SELECTOR, CHUNK, DRAIN_FLAGS],
        run: super::nodes::drain,
    },
    Command {
        path: "taint",
        usage: "NODE NAME KEY_1=VAL_1:TAINT_EFFECT_1 ... KEY_N=VAL_N:TAINT_EFFECT_N",
        short: "Update the taints on one or more nodes",
        flags: &[DRY_RUN, MANAGER, OUTPUT, ALL, SELECTOR, OVERWRITE, VALIDATE],
        run: super::taint::taint,
    },
    Command {
        path: "describe",
        usage: "(-f FILENAME | TYPE [NAME_PREFIX | -l label] | TYPE/NAME)",
        short: "Show details of a specific resource or group of resources",
        flags: &[FILES, SELECTOR, ALL_NAMESPACES, CHUNK, SHOW_EVENTS],
        run: super::describe::run,
    },
    Command {
        path: "logs",
        usage: "[-f] [-p] (POD | TYPE/NAME) [-c CONTAINER]",
        short: "Print the logs for a container in a pod",
        flags: &[CONTAINER, SELECTOR, LOGS_FLAGS],
        run: super::logs::logs,
    },
    Command {
        path: "attach",
        usage: "(POD | TYPE/NAME) -c CONTAINER",
        short: "Attach to a running container",
        flags: &[CONTAINER, ATTACH_FLAGS],
        run: super::logs::attach,
    },
    Command {
        path: "exec",
        usage: "(POD | TYPE/NAME) [-c CONTAINER] [flags] -- COMMAND [args...]",
        short: "Execute a command in a container",
        flags: &[CONTAINER, FILES, EXEC_FLAGS],
        run: super::logs::exec,
    },
    Command {
        path: "port-forward",
        usage: "TYPE/NAME [LOCAL_PORT:]REMOTE_PORT",
        short: "Forward one or more local ports to a pod",
        flags: &[PORT_FORWARD_FLAGS],
        run: super::logs::port_forward,
    },
    Command {
        path: "debug",
        usage: "(POD | TYPE[[.VERSION].GROUP]/NAME) [ -- COMMAND [args...] ]",
        short: "Create debugging sessions for troubleshooting workloads and nodes",
        flags: &[CONTAINER, DEBUG_FLAGS],
        run: super::logs::debug,
    },
    Command {
        path: "cp",
        usage: "<file-spec-src> <file-spec-dest>",
        short: "Copy files and directories to and from containers",
        flags: &[CONTAINER, CP_FLAGS],
        run: super::logs::copy,
    },
    Command {
        path: "auth can-i",
        usage: "VERB [TYPE | TYPE/NAME | NONRESOURCEURL]",
        short: "Check whether an action is allowed",
        flags: &[ALL_NAMESPACES, AUTH_CAN_I_FLAGS],
        run: super::auth::can_i,
    },
    Command {
        path: "auth whoami",
        usage: "",
        short: "Experimental: Check self subject attributes",
        flags: &[OUTPUT],
        run: super::auth::whoami,
    },
    Command {
        path: "auth reconcile",
        usage: "-f FILENAME",
        short: "Reconciles rules for RBAC role, role binding, cluster role, and cluster role binding objects",
        flags: &[FILES, DRY_RUN, OUTPUT, AUTH_RECONCILE_FLAGS],
        run: super::auth::reconcile,
    },
    Command {
        path: "events",
        usage: "[(-o|--output=)json|yaml|...] [--for TYPE/NAME] [--watch] [--types=Normal,Warning]",
        short: "List events",
        flags: &[OUTPUT, ALL_NAMESPACES, CHUNK, EVENTS_FLAGS],
        run: super::events::events,
    },
    Command {
        path: "diff",
        usage: "-f FILENAME",
        short: "Diff the live version against a would-be applied version",
        flags: &[FILES, MANAGER, SELECTOR, DIFF_FLAGS],
        run: super::edit::diff,
    },
    Command {
        path: "apply",
        usage: "(-f FILENAME | -k DIRECTORY)",
        short: "Apply a configuration to a resource by file name or stdin",
        flags: &[FILES, DRY_RUN, MANAGER, OUTPUT, VALIDATE, SELECTOR, ALL, CASCADE, APPLY_FLAGS],
        run: super::apply::run,
    },
    Command {
        path: "apply view-last-applied",
        usage: "(TYPE [NAME | -l label] | TYPE/NAME | -f FILENAME)",
        short: "View the latest last-applied-configuration annotations of a resource/object",
        flags: &[FILES, SELECTOR, ALL, APPLY_VIEW_LAST_APPLIED_FLAGS],
        run: super::apply::view_last_applied,
    },
    Command {
        path: "apply set-last-applied",
        usage: "-f FILENAME",
        short: "Set the last-applied-configuration annotation on a live object to match the contents of a file",
        flags: &[FILES, DRY_RUN, OUTPUT, APPLY_SET_LAST_APPLIED_FLAGS],
        run: super::apply::set_last_applied,
    },
    Command {
        path: "patch",
        usage: "(-f FILENAME | TYPE NAME) [-p PATCH|--patch-file FILE]",
        short: "Update fields of a resource",
        flags: &[FILES, DRY_RUN, MANAGER, OUTPUT, LOCAL, SUBRESOURCE, PATCH_FLAGS],
        run: super::write::patch,
    },
    Command {
        path: "replace",
        usage: "-f FILENAME",
        short: "Replace a resource by file name or stdin",
        flags: &[FILES, DRY_RUN, MANAGER, OUTPUT, VALIDATE, SAVE_CONFIG, CASCADE, RAW, SUBRESOURCE, REPLACE_FLAGS],
        run: super::write::replace,
    },
    Command {
        path: "wait",
        usage: "([-f FILENAME] | resource.group/resource.name | resource.group [(-l label | --all)]) [--for=create|--for=delete|--for condition=available|--for=jsonpath='{}'[=value]]",
        short: "Experimental: Wait for a specific condition on one or many resources",
        flags: &[FILES, SELECTOR, FIELD_SELECTOR, ALL, ALL_NAMESPACES, LOCAL, OUTPUT, WAIT_FLAGS],
        run: super::wait::run,
    },
    Command {
        path: "label",
        usage: "[--overwrite] (-f FILENAME | TYPE NAME) KEY_1=VAL_1 ... KEY_N=VAL_N [--resource-version=version]",
        short: "Update the labels on a resource",
        flags: &[
            FILES,
            DRY_RUN,
            MANAGER,
            OUTPUT,
            ALL,
            ALL_NAMESPACES,
            SELECTOR,
            FIELD_SELECTOR,
            LOCAL,
            OVERWRITE,
            LABEL_FLAGS,
        ],
        run: super::label::label,
    },
    Command {
        path: "annotate",
        usage: "[--overwrite] (-f FILENAME | TYPE NAME) KEY_1=VAL_1 ... KEY_N=VAL_N [--resource-version=version]",
        short: "Update the annotations on a resource",
        flags: &[
            FILES,
            DRY_RUN,
            MANAGER,
            OUTPUT,
            ALL,
            ALL_NAMESPACES,
            SELECTOR,
            FIELD_SELECTOR,
            LOCAL,
            OVERWRITE,
            ANNOTATE_FLAGS,
        ],
        run: super::label::annotate,
    },
    Command {
        path: "api-resources",
        usage: "",
        short: "Print the supported API resources on the server",
        flags: &[API_RESOURCES_FLAGS],
        run: super::cluster::api_resources,
    },
    Command {
        path: "api-versions",
        usage: "",
        short: "Print the supported API versions on the server, in the form of \"group/version\"",
        flags: &[],
        run: super::cluster::api_versions,
    },
    Command {
        path: "version",
        usage: "",
        short: "Print the client and server version information",
        flags: &[VERSION_FLAGS],
        run: super::cluster::version,
    },
    Command {
        path: "options",
        usage: "",
        short: "Print the list of flags inherited by all commands",
        flags: &[],
        run: super::cluster::options,
    },
    Command {
        path: "config view",
        usage: "[flags]",
        short: "Display merged kubeconfig settings or a specified kubeconfig file",
        flags: &[OUTPUT, CONFIG_VIEW_FLAGS],
        run: super::config_cmd::view,
    },
    Command {
        path: "config current-context",
        usage: "[flags]",
        short: "Display the current-context",
        flags: &[],
        run: super::config_cmd::current_context,
    },
    Command {
        path: "config get-contexts",
        usage: "[(-o|--output=)name)]",
        short: "Describe one or many contexts",
        flags: &[CONFIG_GET_CONTEXTS_FLAGS],
        run: super::config_cmd::get_contexts,
    },
    Command {
        path: "config get-clusters",
        usage: "",
        short: "Display clusters defined in the kubeconfig",
        flags: &[],
        run: super::config_cmd::get_clusters,
    },
    Command {
        path: "config get-users",
        usage: "",
        short: "Display users defined in the kubeconfig",
        flags: &[],
        run: super::config_cmd::get_users,
    },
    Command {
        path: "config use-context",
        usage: "CONTEXT_NAME",
        short: "Set the current-context in a kubeconfig file",
        flags: &[],
        run: super::config_cmd::use_context,
    },
    Command {
        path: "config set-context",
        usage: "[NAME | --current] [--cluster=cluster_nickname] [--user=user_nickname] [--namespace=namespace]",
        short: "Set a context entry in kubeconfig",
        flags: &[CONFIG_SET_CONTEXT_FLAGS],
        run: super::config_cmd::set_context,
    },
    Command {
        path: "config set-cluster",
        usage: "NAME [--server=server] [--certificate-authority=path/to/certificate/authority]",
        short: "Set a cluster entry in kubeconfig",
        flags: &[CONFIG_SET_CLUSTER_FLAGS],
        run: super::config_cmd::set_cluster,
    },
    Command {
        path: "config set-credentials",
        usage: "NAME [--client-certificate=path/to/certfile] [--client-key=path/to/keyfile] [--token=bearer_token]",
        short: "Set a user entry in kubeconfig",
        flags: &[CONFIG_SET_CREDENTIALS_FLAGS],
        run: super::config_cmd::set_credentials,
    },
    Command {
        path: "config set",
        usage: "PROPERTY_NAME PROPERTY_VALUE",
        short: "Set an individual value in a kubeconfig file",
        flags: &[],
        run: super::config_cmd::set,
    },
    Command {
        path: "config unset",
        usage: "PROPERTY_NAME",
        short: "Unset an individual value in a kubeconfig file",
        flags: &[],
        run: super::config_cmd::unset,
    },
    Command {
        path: "config delete-context",
        usage: "NAME",
        short: "Delete the specified context from the kubeconfig",
        flags: &[],
        run: super::config_cmd::delete_context,
    },
    Command {
        path: "config delete-cluster",
        usage: "NAME",
        short: "Delete the specified cluster from the kubeconfig",
        flags: &[],
        run: super::config_cmd::delete_cluster,
    },
    Command {
        path: "config delete-user",
        usage: "NAME",
        short: "Delete the specified user from the kubeconfig",
        flags: &[],
        run: super::config_cmd::delete_user,
    },
    Command {
        path: "config rename-context",
        usage: "CONTEXT_NAME NEW_NAME",
        short: "Rename a context from the kubeconfig file",
        flags: &[],
        run: super::config_cmd::rename_context,
    },
];
