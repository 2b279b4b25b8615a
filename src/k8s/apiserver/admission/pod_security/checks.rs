//! The checks of the standards, each with the versions in which it applies.
//!
//! Upstream: `k8s.io/pod-security-admission/policy`. Results come in the order of the checks' names, those of `baseline` first.

use serde_json::Value;
use std::collections::BTreeSet;
use std::fmt;

use super::{Level, Standard, Version};
use crate::k8s::apiserver::object::{annotation, entries, is_true, list, text};
use crate::k8s::meta::status::quote;

/// What a pod may not do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Short, without names: `hostPort`.
    pub reason: String,
    pub detail: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.detail[..] {
            "" => f.write_str(&self.reason),
            detail => write!(f, "{} ({detail})", self.reason),
        }
    }
}

/// All that a pod does against a standard.
pub fn evaluate(standard: Standard, metadata: &Value, spec: &Value) -> Vec<Finding> {
    let pod = Pod { metadata, spec, version: standard.version };
    let is_restricted = standard.level == Level::Restricted;
    let applies = |check: &&Check| {
        let is_in_level = if check.is_restricted { is_restricted } else { standard.level >= Level::Baseline };
        is_in_level && standard.version >= Version::Minor(check.since)
    };
    let is_overridden = |check: &&Check| {
        let stricter = CHECKS.iter().filter(applies).find(|other| other.overrides == Some(check.id));
        stricter.is_some()
    };
    let checks = CHECKS.iter().filter(applies).filter(|check| !is_overridden(check));
    checks.filter_map(|check| (check.run)(&pod)).collect()
}

struct Check {
    id: &'static str,
    is_restricted: bool,
    /// The minor version that it came with.
    since: u32,
    /// The laxer check that is not asked where this one is.
    overrides: Option<&'static str>,
    run: fn(&Pod) -> Option<Finding>,
}

const fn baseline(id: &'static str, since: u32, run: fn(&Pod) -> Option<Finding>) -> Check {
    Check { id, is_restricted: false, since, overrides: None, run }
}

const fn restricted(
    id: &'static str,
    since: u32,
    overrides: Option<&'static str>,
    run: fn(&Pod) -> Option<Finding>,
) -> Check {
    Check { id, is_restricted: true, since, overrides, run }
}

const CHECKS: [Check; 19] = [
    baseline("appArmorProfile", 0, app_armor),
    baseline("capabilities_baseline", 0, added_capabilities),
    baseline("hostNamespaces", 0, host_namespaces),
    baseline("hostPathVolumes", 0, host_paths),
    baseline("hostPorts", 0, host_ports),
    baseline("hostProbesAndHostLifecycle", 34, probe_hosts),
    baseline("privileged", 0, privileged),
    baseline("procMount_baseline", 0, proc_mount_baseline),
    baseline("seLinuxOptions", 0, se_linux),
    baseline("seccompProfile_baseline", 0, seccomp_baseline),
    baseline("sysctls", 0, sysctls),
    baseline("windowsHostProcess", 0, windows_host_process),
    restricted("allowPrivilegeEscalation", 8, None, privilege_escalation),
    restricted("capabilities_restricted", 22, Some("capabilities_baseline"), capabilities_restricted),
    restricted("procMount_restricted", 35, Some("procMount_baseline"), proc_mount),
    restricted("restrictedVolumes", 0, Some("hostPathVolumes"), volumes),
    restricted("runAsNonRoot", 0, None, run_as_non_root),
    restricted("runAsUser", 23, None, run_as_user),
    restricted("seccompProfile_restricted", 19, Some("seccompProfile_baseline"), seccomp_restricted),
];

struct Pod<'a> {
    metadata: &'a Value,
    spec: &'a Value,
    version: Version,
}

impl<'a> Pod<'a> {
    fn containers(&self) -> impl Iterator<Item = &'a Value> + use<'a> {
        let spec = self.spec;
        ["initContainers", "containers", "ephemeralContainers"].into_iter().flat_map(|field| list(spec, field))
    }

    /// The names of containers of which this is true.
    fn where_container(&self, is_bad: impl Fn(&'a Value) -> bool) -> Vec<&'a str> {
        self.containers().filter(|container| is_bad(container)).map(|container| text(container, "name")).collect()
    }

    fn is_since(&self, minor: u32) -> bool {
        self.version >= Version::Minor(minor)
    }

    fn is_windows(&self) -> bool {
        text(&self.spec["os"], "name") == "windows"
    }

    /// In a user namespace of its own, root is not root.
    fn has_user_namespace(&self) -> bool {
        self.spec["hostUsers"] == Value::Bool(false)
    }
}

fn security(container: &Value) -> &Value {
    &container["securityContext"]
}

fn found(reason: &str, detail: String) -> Option<Finding> {
    Some(Finding { reason: reason.to_owned(), detail })
}

/// `"a", "b"`, without escapes.
fn joined<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    format!("\"{}\"", names.into_iter().collect::<Vec<_>>().join("\", \""))
}

/// `container "a"`, `containers "a", "b"`
fn named(one: &str, names: &[&str]) -> String {
    format!("{one}{} {}", if names.len() == 1 { "" } else { "s" }, joined(names.iter().copied()))
}

/// `pod and container "a"`: who set something wrong.
fn setters(is_pod: bool, containers: &[&str]) -> Option<String> {
    let containers = (!containers.is_empty()).then(|| named("container", containers));
    match (is_pod, containers) {
        (false, None) => None,
        (true, None) => Some("pod".to_owned()),
        (false, Some(containers)) => Some(containers),
        (true, Some(containers)) => Some(format!("pod and {containers}")),
    }
}

fn app_armor(pod: &Pod) -> Option<Finding> {
    let kind = |of: &'_ Value| of["appArmorProfile"]["type"].as_str().map(str::to_owned);
    let is_bad = |kind: &String| !["RuntimeDefault", "Localhost"].contains(&&kind[..]);
    let of_pod = kind(security(pod.spec)).filter(is_bad);
    let containers = pod.where_container(|container| kind(security(container)).is_some_and(|kind| is_bad(&kind)));
    let mut values: BTreeSet<String> = of_pod.iter().cloned().collect();
    values.extend(pod.containers().filter_map(|container| kind(security(container))).filter(is_bad));
    let mut values: Vec<String> = values.into_iter().collect();
    let prefix = "container.apparmor.security.beta.kubernetes.io/";
    let is_bad = |value: &str| !(value.is_empty() || value == "runtime/default" || value.starts_with("localhost/"));
    let annotations = entries(&pod.metadata["annotations"]).filter_map(|(key, value)| {
        let value = value.as_str()?;
        (key.starts_with(prefix) && is_bad(value)).then(|| format!("{key}={}", quote(value)))
    });
    let mut annotations: Vec<String> = annotations.collect();
    annotations.sort();
    let who = setters(of_pod.is_some(), &containers);
    let notes = match annotations.len() {
        0 => None,
        1 => Some("annotation".to_owned()),
        _ => Some("annotations".to_owned()),
    };
    values.extend(annotations);
    let who: Vec<String> = who.into_iter().chain(notes).collect();
    if who.is_empty() {
        return None;
    }
    let reason = if values.len() == 1 { "forbidden AppArmor profile" } else { "forbidden AppArmor profiles" };
    let values = joined(values.iter().map(|value| &value[..]));
    found(reason, format!("{} must not set AppArmor profile type to {values}", who.join(" and ")))
}

const DEFAULT_CAPABILITIES: [&str; 13] = [
    "AUDIT_WRITE",
    "CHOWN",
    "DAC_OVERRIDE",
    "FOWNER",
    "FSETID",
    "KILL",
    "MKNOD",
    "NET_BIND_SERVICE",
    "SETFCAP",
    "SETGID",
    "SETPCAP",
    "SETUID",
    "SYS_CHROOT",
];

fn capabilities<'a>(container: &'a Value, kind: &str) -> impl Iterator<Item = &'a str> {
    list(&security(container)["capabilities"], kind).iter().filter_map(Value::as_str)
}

/// Who adds a capability that is not among these, and which.
fn adding_others<'a>(pod: &Pod<'a>, allowed: &[&str]) -> (Vec<&'a str>, BTreeSet<&'a str>) {
    let others = |container: &'a Value| {
        capabilities(container, "add").filter(|capability| !allowed.contains(capability)).collect::<Vec<_>>()
    };
    let containers = pod.where_container(|container| !others(container).is_empty());
    (containers, pod.containers().flat_map(others).collect())
}

fn must_not_add(containers: &[&str], others: &BTreeSet<&str>) -> String {
    let others = joined(others.iter().copied());
    format!("{} must not include {others} in securityContext.capabilities.add", named("container", containers))
}

fn added_capabilities(pod: &Pod) -> Option<Finding> {
    let (containers, others) = adding_others(pod, &DEFAULT_CAPABILITIES);
    if containers.is_empty() {
        return None;
    }
    found("non-default capabilities", must_not_add(&containers, &others))
}

fn capabilities_restricted(pod: &Pod) -> Option<Finding> {
    if pod.is_since(25) && pod.is_windows() {
        return None;
    }
    let keeping = pod.where_container(|container| !capabilities(container, "drop").any(|dropped| dropped == "ALL"));
    let (adding, others) = adding_others(pod, &["NET_BIND_SERVICE"]);
    let mut details = Vec::new();
    if !keeping.is_empty() {
        details.push(format!("{} must set securityContext.capabilities.drop=[\"ALL\"]", named("container", &keeping)));
    }
    if !adding.is_empty() {
        details.push(must_not_add(&adding, &others));
    }
    if details.is_empty() {
        return None;
    }
    found("unrestricted capabilities", details.join("; "))
}

fn host_namespaces(pod: &Pod) -> Option<Finding> {
    let shared = ["hostNetwork", "hostPID", "hostIPC"].into_iter().filter(|field| is_true(pod.spec, field));
    let shared: Vec<String> = shared.map(|field| format!("{field}=true")).collect();
    if shared.is_empty() {
        return None;
    }
    found("host namespaces", shared.join(", "))
}

fn host_paths(pod: &Pod) -> Option<Finding> {
    let volumes = list(pod.spec, "volumes").iter().filter(|volume| !volume["hostPath"].is_null());
    let volumes: Vec<&str> = volumes.map(|volume| text(volume, "name")).collect();
    if volumes.is_empty() {
        return None;
    }
    found("hostPath volumes", named("volume", &volumes))
}

fn host_ports(pod: &Pod) -> Option<Finding> {
    let of = |container: &Value| -> Vec<String> {
        let ports = list(container, "ports").iter().filter_map(|port| port["hostPort"].as_i64());
        ports.filter(|port| *port != 0).map(|port| port.to_string()).collect()
    };
    let containers = pod.where_container(|container| !of(container).is_empty());
    if containers.is_empty() {
        return None;
    }
    let ports: BTreeSet<String> = pod.containers().flat_map(of).collect();
    let use_ports = if containers.len() == 1 { "uses" } else { "use" };
    let word = if ports.len() == 1 { "hostPort" } else { "hostPorts" };
    let ports = ports.into_iter().collect::<Vec<_>>().join(", ");
    found("hostPort", format!("{} {use_ports} {word} {ports}", named("container", &containers)))
}

fn probe_hosts(pod: &Pod) -> Option<Finding> {
    let of = |container: &'_ Value| -> Vec<String> {
        let probes = ["livenessProbe", "readinessProbe", "startupProbe"].iter().map(|probe| &container[*probe]);
        let hooks = ["postStart", "preStop"].iter().map(|hook| &container["lifecycle"][*hook]);
        let hosts = probes.chain(hooks).flat_map(|handler| {
            ["httpGet", "tcpSocket"].iter().map(|action| text(&handler[*action], "host").to_owned())
        });
        hosts.filter(|host| !host.is_empty()).collect()
    };
    let containers: BTreeSet<&str> = pod.where_container(|container| !of(container).is_empty()).into_iter().collect();
    if containers.is_empty() {
        return None;
    }
    let hosts: BTreeSet<String> = pod.containers().flat_map(of).collect();
    let containers: Vec<&str> = containers.into_iter().collect();
    let use_hosts = if containers.len() == 1 { "uses" } else { "use" };
    let hosts: Vec<&str> = hosts.iter().map(|host| &host[..]).collect();
    let hosts = named("probe or lifecycle host", &hosts);
    found("probe or lifecycle host", format!("{} {use_hosts} {hosts}", named("container", &containers)))
}

fn privileged(pod: &Pod) -> Option<Finding> {
    let containers = pod.where_container(|container| is_true(security(container), "privileged"));
    if containers.is_empty() {
        return None;
    }
    found("privileged", format!("{} must not set securityContext.privileged=true", named("container", &containers)))
}

fn proc_mount_baseline(pod: &Pod) -> Option<Finding> {
    if pod.is_since(35) && pod.has_user_namespace() {
        return None;
    }
    proc_mount(pod)
}

fn proc_mount(pod: &Pod) -> Option<Finding> {
    let of = |container: &'_ Value| security(container)["procMount"].as_str().map(str::to_owned);
    let is_bad = |kind: &String| kind != "Default";
    let containers = pod.where_container(|container| of(container).is_some_and(|kind| is_bad(&kind)));
    if containers.is_empty() {
        return None;
    }
    let kinds: BTreeSet<String> = pod.containers().filter_map(of).filter(is_bad).collect();
    let kinds = joined(kinds.iter().map(|kind| &kind[..]));
    let who = named("container", &containers);
    found("procMount", format!("{who} must not set securityContext.procMount to {kinds}"))
}

fn se_linux(pod: &Pod) -> Option<Finding> {
    const TYPES: [&str; 5] = ["", "container_t", "container_init_t", "container_kvm_t", "container_engine_t"];
    let allowed = if pod.is_since(31) { &TYPES[..] } else { &TYPES[..4] };
    let is_bad = |context: &Value| {
        let options = &context["seLinuxOptions"];
        let is_set = |field: &str| !text(options, field).is_empty();
        !allowed.contains(&text(options, "type")) || is_set("user") || is_set("role")
    };
    let contexts = || std::iter::once(security(pod.spec)).chain(pod.containers().map(security));
    let options: Vec<&Value> = contexts().map(|context| &context["seLinuxOptions"]).collect();
    let containers = pod.where_container(|container| is_bad(security(container)));
    let who = setters(is_bad(security(pod.spec)), &containers)?;
    let types: BTreeSet<&str> = options.iter().map(|own| text(own, "type")).collect();
    let types: Vec<&str> = types.into_iter().filter(|kind| !allowed.contains(kind)).collect();
    let mut what = Vec::new();
    if !types.is_empty() {
        what.push(named("type", &types));
    }
    for field in ["user", "role"] {
        if options.iter().any(|own| !text(own, field).is_empty()) {
            what.push(format!("{field} may not be set"));
        }
    }
    found("seLinuxOptions", format!("{who} set forbidden securityContext.seLinuxOptions: {}", what.join("; ")))
}

const SECCOMP_TYPES: [&str; 2] = ["RuntimeDefault", "Localhost"];

fn seccomp(context: &Value) -> Option<&str> {
    context["seccompProfile"].is_object().then(|| text(&context["seccompProfile"], "type"))
}

/// Who sets a profile that may not be set.
fn bad_seccomp(pod: &Pod) -> Option<Finding> {
    let is_bad = |kind: &str| !SECCOMP_TYPES.contains(&kind);
    let of_pod = seccomp(security(pod.spec)).filter(|kind| is_bad(kind));
    let containers = pod.where_container(|container| seccomp(security(container)).is_some_and(is_bad));
    let who = setters(of_pod.is_some(), &containers)?;
    let of_containers = pod.containers().filter_map(|container| seccomp(security(container)));
    let kinds: BTreeSet<&str> = of_containers.filter(|kind| is_bad(kind)).chain(of_pod).collect();
    let kinds = joined(kinds);
    found("seccompProfile", format!("{who} must not set securityContext.seccompProfile.type to {kinds}"))
}

fn seccomp_baseline(pod: &Pod) -> Option<Finding> {
    if pod.is_since(19) {
        return bad_seccomp(pod);
    }
    let object = serde_json::json!({"metadata": pod.metadata});
    let is_bad =
        |value: &str| !(value == "runtime/default" || value == "docker/default" || value.starts_with("localhost/"));
    let of_containers = pod
        .containers()
        .map(|container| format!("container.seccomp.security.alpha.kubernetes.io/{}", text(container, "name")));
    let keys = std::iter::once("seccomp.security.alpha.kubernetes.io/pod".to_owned()).chain(of_containers);
    let forbidden = keys.filter_map(|key| {
        let value = annotation(&object, &key).filter(|value| is_bad(value))?;
        Some(format!("{key}={}", quote(value)))
    });
    let forbidden: BTreeSet<String> = forbidden.collect();
    if forbidden.is_empty() {
        return None;
    }
    let word = if forbidden.len() == 1 { "annotation" } else { "annotations" };
    let forbidden = forbidden.into_iter().collect::<Vec<_>>().join(", ");
    found("seccompProfile", format!("forbidden {word} {forbidden}"))
}

fn seccomp_restricted(pod: &Pod) -> Option<Finding> {
    if pod.is_since(25) && pod.is_windows() {
        return None;
    }
    if let Some(finding) = bad_seccomp(pod) {
        return Some(finding);
    }
    let without = pod.where_container(|container| seccomp(security(container)).is_none());
    if without.is_empty() || seccomp(security(pod.spec)).is_some() {
        return None;
    }
    let types = "to \"RuntimeDefault\" or \"Localhost\"";
    let who = named("container", &without);
    found("seccompProfile", format!("pod or {who} must set securityContext.seccompProfile.type {types}"))
}

/// Those that concern nobody but the pod, with the version since which they are known as such.
const SAFE_SYSCTLS: [(&str, u32); 14] = [
    ("kernel.shm_rmid_forced", 0),
    ("net.ipv4.ip_local_port_range", 0),
    ("net.ipv4.ip_unprivileged_port_start", 0),
    ("net.ipv4.ping_group_range", 0),
    ("net.ipv4.tcp_syncookies", 0),
    ("net.ipv4.ip_local_reserved_ports", 27),
    ("net.ipv4.tcp_fin_timeout", 29),
    ("net.ipv4.tcp_keepalive_intvl", 29),
    ("net.ipv4.tcp_keepalive_probes", 29),
    ("net.ipv4.tcp_keepalive_time", 29),
    ("net.ipv4.tcp_rmem", 32),
    ("net.ipv4.tcp_wmem", 32),
    ("net.ipv4.tcp_notsent_lowat", 37),
    ("net.ipv4.tcp_slow_start_after_idle", 37),
];

fn sysctls(pod: &Pod) -> Option<Finding> {
    let is_safe = |name: &str| SAFE_SYSCTLS.iter().any(|(safe, since)| *safe == name && pod.is_since(*since));
    let names = list(security(pod.spec), "sysctls").iter().map(|sysctl| text(sysctl, "name"));
    let forbidden: Vec<&str> = names.filter(|name| !is_safe(name)).collect();
    if forbidden.is_empty() {
        return None;
    }
    found("forbidden sysctls", forbidden.join(", "))
}

fn windows_host_process(pod: &Pod) -> Option<Finding> {
    let is_set = |context: &Value| is_true(&context["windowsOptions"], "hostProcess");
    let containers = pod.where_container(|container| is_set(security(container)));
    let who = setters(is_set(security(pod.spec)), &containers)?;
    found("hostProcess", format!("{who} must not set securityContext.windowsOptions.hostProcess=true"))
}

fn privilege_escalation(pod: &Pod) -> Option<Finding> {
    if pod.is_since(25) && pod.is_windows() {
        return None;
    }
    let forbids = |container: &Value| security(container)["allowPrivilegeEscalation"] == Value::Bool(false);
    let containers = pod.where_container(|container| !forbids(container));
    if containers.is_empty() {
        return None;
    }
    let who = named("container", &containers);
    let detail = format!("{who} must set securityContext.allowPrivilegeEscalation=false");
    found("allowPrivilegeEscalation != false", detail)
}

/// Sources of volumes that a refusal can name.
const OTHER_VOLUMES: [&str; 21] = [
    "awsElasticBlockStore",
    "azureDisk",
    "azureFile",
    "cephfs",
    "cinder",
    "fc",
    "flexVolume",
    "flocker",
    "gcePersistentDisk",
    "gitRepo",
    "glusterfs",
    "hostPath",
    "iscsi",
    "nfs",
    "photonPersistentDisk",
    "portworxVolume",
    "quobyte",
    "rbd",
    "scaleIO",
    "storageos",
    "vsphereVolume",
];

fn volumes(pod: &Pod) -> Option<Finding> {
    const ALLOWED: [&str; 8] =
        ["configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret"];
    let sources = |volume: &Value| -> Vec<String> {
        let fields = entries(volume).filter(|(field, value)| *field != "name" && !value.is_null());
        fields.map(|(field, _)| field.clone()).collect()
    };
    let is_bad = |volume: &&Value| !sources(volume).iter().any(|source| ALLOWED.contains(&&source[..]));
    let bad: Vec<&Value> = list(pod.spec, "volumes").iter().filter(is_bad).collect();
    if bad.is_empty() {
        return None;
    }
    let kind = |volume: &&Value| {
        let known = sources(volume).into_iter().find(|source| OTHER_VOLUMES.contains(&&source[..]));
        known.unwrap_or_else(|| "unknown".to_owned())
    };
    let kinds: BTreeSet<String> = bad.iter().map(kind).collect();
    let names: Vec<&str> = bad.iter().map(|volume| text(volume, "name")).collect();
    let use_kinds = if names.len() == 1 { "uses" } else { "use" };
    let kinds: Vec<&str> = kinds.iter().map(|kind| &kind[..]).collect();
    let kinds = named("restricted volume type", &kinds);
    found("restricted volume types", format!("{} {use_kinds} {kinds}", named("volume", &names)))
}

fn run_as_non_root(pod: &Pod) -> Option<Finding> {
    if pod.is_since(35) && pod.has_user_namespace() {
        return None;
    }
    let says = |context: &Value| context["runAsNonRoot"].as_bool();
    let of_pod = says(security(pod.spec));
    let containers = pod.where_container(|container| says(security(container)) == Some(false));
    if let Some(who) = setters(of_pod == Some(false), &containers) {
        let detail = format!("{who} must not set securityContext.runAsNonRoot=false");
        return found("runAsNonRoot != true", detail);
    }
    let without = pod.where_container(|container| says(security(container)).is_none());
    if without.is_empty() || of_pod == Some(true) {
        return None;
    }
    let who = named("container", &without);
    found("runAsNonRoot != true", format!("pod or {who} must set securityContext.runAsNonRoot=true"))
}

fn run_as_user(pod: &Pod) -> Option<Finding> {
    if pod.is_since(35) && pod.has_user_namespace() {
        return None;
    }
    let is_root = |context: &Value| context["runAsUser"] == 0;
    let containers = pod.where_container(|container| is_root(security(container)));
    let who = setters(is_root(security(pod.spec)), &containers)?;
    found("runAsUser=0", format!("{who} must not set runAsUser=0"))
}
