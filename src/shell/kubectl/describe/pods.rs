//! Pods, and templates of pods.

use serde_json::Value;

use super::super::builder::Info;
use super::super::client::Kube;
use super::super::config::list;
use super::super::failure::Outcome;
use super::write::{Page, amount, amounts, controller, date, date_or_zero, int, or, plain, text, title, yes};

pub fn pod(kube: &mut Kube, info: &Info, page: &mut Page) -> Outcome<()> {
    let events = if page.shows_events { Some(super::events_of(kube, info, false)?) } else { None };
    let pod = &*info.object;
    let (metadata, spec, status) = (&pod["metadata"], &pod["spec"], &pod["status"]);
    page.field(0, "Name", text(&metadata["name"]));
    page.field(0, "Namespace", text(&metadata["namespace"]));
    if spec["priority"].is_number() {
        page.field(0, "Priority", &plain(&spec["priority"]));
    }
    for (name, field) in [
        ("Priority Class Name", "priorityClassName"),
        ("Runtime Class Name", "runtimeClassName"),
        ("Service Account", "serviceAccountName"),
    ] {
        if !text(&spec[field]).is_empty() {
            page.field(0, name, text(&spec[field]));
        }
    }
    match text(&spec["nodeName"]) {
        "" => page.field(0, "Node", "<none>"),
        node => page.field(0, "Node", &format!("{node}/{}", text(&status["hostIP"]))),
    }
    if status["startTime"].is_string() {
        page.field(0, "Start Time", &date(&status["startTime"]));
    }
    page.labels("Labels", &metadata["labels"]);
    page.annotations("Annotations", &metadata["annotations"]);
    if metadata["deletionTimestamp"].is_string() && text(&status["reason"]) != "NodeLost" {
        let since = super::write::age(&metadata["deletionTimestamp"], kube.run.unix_nanos());
        page.line(0, &format!("Status:\tTerminating (lasts {since})"));
        page.line(0, &format!("Termination Grace Period:\t{}s", int(&metadata["deletionGracePeriodSeconds"])));
    } else {
        page.field(0, "Status", text(&status["phase"]));
    }
    for (name, field) in [("Reason", "reason"), ("Message", "message")] {
        if !text(&status[field]).is_empty() {
            page.field(0, name, text(&status[field]));
        }
    }
    let profile = &spec["securityContext"]["seccompProfile"];
    if profile.is_object() {
        page.field(0, "SeccompProfile", text(&profile["type"]));
        if profile["type"] == "Localhost" {
            page.field(0, "LocalhostProfile", text(&profile["localhostProfile"]));
        }
    }
    page.field(0, "IP", text(&status["podIP"]));
    ips(page, &status["podIPs"]);
    if let Some(owner) = controller(pod) {
        page.field(0, "Controlled By", &owner);
    }
    if !text(&status["nominatedNodeName"]).is_empty() {
        page.field(0, "NominatedNodeName", text(&status["nominatedNodeName"]));
    }
    if spec["resources"].is_object() {
        page.line(0, "Resources:");
        resources(page, &spec["resources"], 0);
    }
    if !list(&spec["initContainers"]).is_empty() {
        containers(page, "Init Containers", &spec["initContainers"], Some((&status["initContainerStatuses"], pod)), "");
    }
    containers(page, "Containers", &spec["containers"], Some((&status["containerStatuses"], pod)), "");
    if !list(&spec["ephemeralContainers"]).is_empty() {
        containers(
            page,
            "Ephemeral Containers",
            &spec["ephemeralContainers"],
            Some((&status["ephemeralContainerStatuses"], pod)),
            "",
        );
    }
    if !list(&spec["readinessGates"]).is_empty() {
        page.line(0, "Readiness Gates:\n  Type\tStatus");
        for gate in list(&spec["readinessGates"]) {
            let own = list(&status["conditions"]).iter().find(|condition| condition["type"] == gate["conditionType"]);
            page.line(
                1,
                &format!("{} \t{} ", text(&gate["conditionType"]), own.map_or("<none>", |own| text(&own["status"]))),
            );
        }
    }
    if !list(&status["conditions"]).is_empty() {
        page.line(0, "Conditions:\n  Type\tStatus");
        for condition in list(&status["conditions"]) {
            page.line(1, &format!("{} \t{} ", text(&condition["type"]), text(&condition["status"])));
        }
    }
    volumes(page, &spec["volumes"], "");
    page.field(0, "QoS Class", &quality(pod));
    page.labels("Node-Selectors", &spec["nodeSelector"]);
    tolerations(page, "", &spec["tolerations"]);
    spread(page, &spec["topologySpreadConstraints"]);
    if let Some(events) = events {
        super::table_of_events(kube, events, page);
    }
    Ok(())
}

fn ips(page: &mut Page, ips: &Value) {
    if list(ips).is_empty() {
        return page.field(0, "IPs", "<none>");
    }
    page.line(0, "IPs:");
    for ip in list(ips) {
        page.field(1, "IP", text(&ip["ip"]));
    }
}

/// How well a pod is treated when memory runs short.
fn quality(pod: &Value) -> String {
    match text(&pod["status"]["qosClass"]) {
        "" => {
            let containers = list(&pod["spec"]["containers"]);
            let asks = |container: &Value| {
                container["resources"]["requests"].is_object() || container["resources"]["limits"].is_object()
            };
            if containers.iter().any(asks) { "Burstable" } else { "BestEffort" }.to_owned()
        }
        class => class.to_owned(),
    }
}

fn spread(page: &mut Page, constraints: &Value) {
    for (at, constraint) in list(constraints).iter().enumerate() {
        if at == 0 {
            page.put(0, "Topology Spread Constraints:");
        }
        let mut line = format!(
            "\t{}:{} when max skew {} is exceeded",
            text(&constraint["topologyKey"]),
            text(&constraint["whenUnsatisfiable"]),
            constraint["maxSkew"]
        );
        if constraint["labelSelector"].is_object() {
            line += &format!(" for selector {}", super::selector_text(&constraint["labelSelector"]));
        }
        page.line(0, &line);
    }
}

/// The template of pods, set in columns of its own.
pub fn pod_template(template: &Value) -> String {
    let mut page = Page { out: String::new(), shows_events: false };
    write_template(&mut page, template);
    page.out
}

pub fn write_template(page: &mut Page, template: &Value) {
    page.line(0, "Pod Template:");
    if template.is_null() {
        return page.line(1, "<unset>");
    }
    let (metadata, spec) = (&template["metadata"], &template["spec"]);
    page.labels_at("  ", "Labels", &metadata["labels"]);
    if metadata["annotations"].as_object().is_some_and(|map| !map.is_empty()) {
        page.annotations_at("  ", "Annotations", &metadata["annotations"]);
    }
    if !text(&spec["serviceAccountName"]).is_empty() {
        page.field(1, "Service Account", text(&spec["serviceAccountName"]));
    }
    if !list(&spec["initContainers"]).is_empty() {
        containers(page, "Init Containers", &spec["initContainers"], None, "  ");
    }
    containers(page, "Containers", &spec["containers"], None, "  ");
    volumes(page, &spec["volumes"], "  ");
    if !list(&spec["topologySpreadConstraints"]).is_empty() {
        spread(page, &spec["topologySpreadConstraints"]);
    }
    if !text(&spec["priorityClassName"]).is_empty() {
        page.field(1, "Priority Class Name", text(&spec["priorityClassName"]));
    }
    page.labels_at("  ", "Node-Selectors", &spec["nodeSelector"]);
    tolerations(page, "  ", &spec["tolerations"]);
}

/// Containers; with statuses, also how they are.
fn containers(page: &mut Page, title: &str, all: &Value, statuses: Option<(&Value, &Value)>, space: &str) {
    let none = if list(all).is_empty() { " <none>" } else { "" };
    page.line(0, &format!("{space}{title}:{none}"));
    for container in list(all) {
        let name = text(&container["name"]);
        let status = statuses.and_then(|(statuses, _)| list(statuses).iter().find(|status| status["name"] == name));
        // A template's containers stand one blank less far in.
        let head = if space.is_empty() { "  ".to_owned() } else { format!("{space} ") };
        page.line(0, &format!("{head}{name}:"));
        basics(page, container, status);
        command(page, "Command", &container["command"]);
        command(page, "Args", &container["args"]);
        if let Some(status) = status {
            state(page, "State", &status["state"]);
            if status["lastState"].as_object().is_some_and(|state| !state.is_empty()) {
                state(page, "Last State", &status["lastState"]);
            }
            page.field(2, "Ready", &title_of(yes(&status["ready"])));
            page.field(2, "Restart Count", &int(&status["restartCount"]).to_string());
        }
        resources(page, &container["resources"], 2);
        for (name, field) in
            [("Liveness", "livenessProbe"), ("Readiness", "readinessProbe"), ("Startup", "startupProbe")]
        {
            if container[field].is_object() {
                page.field(2, name, &probe(&container[field]));
            }
        }
        sources(page, &container["envFrom"]);
        environment(page, container, statuses.map(|(_, pod)| pod));
        mounts(page, container);
    }
}

fn title_of(value: bool) -> String {
    title(if value { "true" } else { "false" })
}

fn basics(page: &mut Page, container: &Value, status: Option<&Value>) {
    if let Some(status) = status {
        page.field(2, "Container ID", text(&status["containerID"]));
    }
    page.field(2, "Image", text(&container["image"]));
    if let Some(status) = status {
        page.field(2, "Image ID", text(&status["imageID"]));
    }
    let ports = list(&container["ports"]);
    let join = |field: &str| {
        let port =
            |port: &Value| format!("{}/{}{}", int(&port[field]), or(text(&port["protocol"]), "TCP"), name_of(port));
        ports.iter().map(port).collect::<Vec<_>>().join(", ")
    };
    let plural = if ports.len() > 1 { "s" } else { "" };
    page.field(2, &format!("Port{plural}"), or(&join("containerPort"), "<none>"));
    page.field(2, &format!("Host Port{plural}"), or(&join("hostPort"), "<none>"));
    if !text(&container["restartPolicy"]).is_empty() {
        page.field(2, "Restart Policy", text(&container["restartPolicy"]));
    }
    let profile = &container["securityContext"]["seccompProfile"];
    if profile.is_object() {
        page.field(2, "SeccompProfile", text(&profile["type"]));
    }
}

fn name_of(port: &Value) -> String {
    match text(&port["name"]) {
        "" => String::new(),
        name => format!(" ({name})"),
    }
}

fn command(page: &mut Page, title: &str, words: &Value) {
    if list(words).is_empty() {
        return;
    }
    page.line(2, &format!("{title}:"));
    for word in list(words) {
        for line in text(word).split('\n') {
            page.line(3, line);
        }
    }
}

fn state(page: &mut Page, title: &str, state: &Value) {
    if let Some(running) = state.get("running").filter(|running| running.is_object()) {
        page.field(2, title, "Running");
        page.field(3, "Started", &date_or_zero(&running["startedAt"]));
    } else if let Some(waiting) = state.get("waiting").filter(|waiting| waiting.is_object()) {
        page.field(2, title, "Waiting");
        if !text(&waiting["reason"]).is_empty() {
            page.field(3, "Reason", text(&waiting["reason"]));
        }
    } else if let Some(ended) = state.get("terminated").filter(|ended| ended.is_object()) {
        page.field(2, title, "Terminated");
        for (name, field) in [("Reason", "reason"), ("Message", "message")] {
            if !text(&ended[field]).is_empty() {
                page.field(3, name, text(&ended[field]));
            }
        }
        page.field(3, "Exit Code", &int(&ended["exitCode"]).to_string());
        if int(&ended["signal"]) > 0 {
            page.field(3, "Signal", &int(&ended["signal"]).to_string());
        }
        page.field(3, "Started", &date_or_zero(&ended["startedAt"]));
        page.field(3, "Finished", &date_or_zero(&ended["finishedAt"]));
    } else {
        page.field(2, title, "Waiting");
    }
}

fn resources(page: &mut Page, resources: &Value, level: usize) {
    for (title, field) in [("Limits", "limits"), ("Requests", "requests")] {
        let pairs = amounts(&resources[field]);
        if pairs.is_empty() {
            continue;
        }
        page.line(level, &format!("{title}:"));
        for (name, amount) in pairs {
            page.field(level + 1, &name, &amount);
        }
    }
}

/// A check of a container on one line.
fn probe(probe: &Value) -> String {
    let number = |field: &str, default: i64| probe[field].as_i64().unwrap_or(default);
    let attributes = format!(
        "delay={}s timeout={}s period={}s #success={} #failure={}",
        number("initialDelaySeconds", 0),
        number("timeoutSeconds", 0),
        number("periodSeconds", 0),
        number("successThreshold", 0),
        number("failureThreshold", 0)
    );
    if probe["exec"].is_object() {
        let words: Vec<&str> = list(&probe["exec"]["command"]).iter().map(text).collect();
        return format!("exec [{}] {attributes}", words.join(" "));
    }
    if let Some(get) = probe.get("httpGet").filter(|get| get.is_object()) {
        let scheme = text(&get["scheme"]).to_lowercase();
        let host = text(&get["host"]);
        let port = plain(&get["port"]);
        return format!("http-get {scheme}://{host}:{port}{} {attributes}", text(&get["path"]));
    }
    if let Some(socket) = probe.get("tcpSocket").filter(|socket| socket.is_object()) {
        return format!("tcp-socket {}:{} {attributes}", text(&socket["host"]), plain(&socket["port"]));
    }
    if let Some(grpc) = probe.get("grpc").filter(|grpc| grpc.is_object()) {
        return format!("grpc <pod>:{} {} {attributes}", int(&grpc["port"]), text(&grpc["service"]));
    }
    format!("unknown {attributes}")
}

fn sources(page: &mut Page, from: &Value) {
    if list(from).is_empty() {
        return;
    }
    page.line(2, "Environment Variables from:");
    for source in list(from) {
        let (kind, reference) = if source["configMapRef"].is_object() {
            ("ConfigMap", &source["configMapRef"])
        } else {
            ("Secret", &source["secretRef"])
        };
        let prefix = match text(&source["prefix"]) {
            "" => String::new(),
            prefix => format!(" with prefix '{prefix}'"),
        };
        page.line(
            3,
            &format!("{}\t{kind}{prefix}\tOptional: {}", text(&reference["name"]), yes(&reference["optional"])),
        );
    }
}

fn environment(page: &mut Page, container: &Value, pod: Option<&Value>) {
    let variables = list(&container["env"]);
    if variables.is_empty() {
        return page.field(2, "Environment", "<none>");
    }
    page.line(2, "Environment:");
    for variable in variables {
        let name = text(&variable["name"]);
        let from = &variable["valueFrom"];
        if !from.is_object() {
            for (at, line) in text(&variable["value"]).split('\n').enumerate() {
                if at == 0 { page.field(3, name, line) } else { page.line(3, &format!("\t{line}")) }
            }
            continue;
        }
        if let Some(field) = from.get("fieldRef") {
            let path = text(&field["fieldPath"]);
            let own = pod.map(|pod| value_of(pod, path)).unwrap_or_default();
            page.line(3, &format!("{name}:\t{own} ({}:{path})", or(text(&field["apiVersion"]), "v1")));
        } else if let Some(field) = from.get("resourceFieldRef") {
            let resource = text(&field["resource"]);
            let (kind, what) = resource.split_once('.').unwrap_or(("", resource));
            let own = amount(&container["resources"][kind][what]);
            let own = match (own.is_empty(), what) {
                (true, "cpu" | "memory") if kind == "limits" => "node allocatable".to_owned(),
                (true, _) => "0".to_owned(),
                (false, _) => own,
            };
            page.line(3, &format!("{name}:\t{own} ({resource})"));
        } else if let Some(key) = from.get("secretKeyRef") {
            page.line(
                3,
                &format!(
                    "{name}:\t<set to the key '{}' in secret '{}'>\tOptional: {}",
                    text(&key["key"]),
                    text(&key["name"]),
                    yes(&key["optional"])
                ),
            );
        } else if let Some(key) = from.get("configMapKeyRef") {
            page.line(
                3,
                &format!(
                    "{name}:\t<set to the key '{}' of config map '{}'>\tOptional: {}",
                    text(&key["key"]),
                    text(&key["name"]),
                    yes(&key["optional"])
                ),
            );
        }
    }
}

/// A field of a pod that a variable takes.
fn value_of(pod: &Value, path: &str) -> String {
    if let Some((map, key)) = path.strip_suffix("']").and_then(|path| path.split_once("['")) {
        return plain(&pod.pointer(&format!("/{}", map.replace('.', "/"))).cloned().unwrap_or_default()[key]);
    }
    plain(pod.pointer(&format!("/{}", path.replace('.', "/"))).unwrap_or(&Value::Null))
}

fn mounts(page: &mut Page, container: &Value) {
    let mut mounts: Vec<&Value> = list(&container["volumeMounts"]).iter().collect();
    let none = if mounts.is_empty() { "\t<none>" } else { "" };
    page.line(2, &format!("Mounts:{none}"));
    mounts.sort_by_key(|mount| text(&mount["mountPath"]));
    for mount in mounts {
        let mut flags = vec![if yes(&mount["readOnly"]) { "ro".to_owned() } else { "rw".to_owned() }];
        if !text(&mount["subPath"]).is_empty() {
            flags.push(format!("path={:?}", text(&mount["subPath"])));
        }
        page.line(3, &format!("{} from {} ({})", text(&mount["mountPath"]), text(&mount["name"]), flags.join(",")));
    }
    let devices = list(&container["volumeDevices"]);
    if !devices.is_empty() {
        page.line(2, "Devices:");
        for device in devices {
            page.line(3, &format!("{} from {}", text(&device["devicePath"]), text(&device["name"])));
        }
    }
}

fn volumes(page: &mut Page, volumes: &Value, space: &str) {
    if list(volumes).is_empty() {
        return page.line(0, &format!("{space}Volumes:\t<none>"));
    }
    page.line(0, &format!("{space}Volumes:"));
    for volume in list(volumes) {
        let head = if space.is_empty() { "  ".to_owned() } else { format!("{space} ") };
        page.line(0, &format!("{head}{}:", text(&volume["name"])));
        volume_source(page, volume);
    }
}

/// Where a volume comes from, of those that the lab's storage and lessons know; others by their name.
fn volume_source(page: &mut Page, volume: &Value) {
    let optional = |value: &Value| yes(&value["optional"]).to_string();
    let Some((kind, source)) = volume.as_object().and_then(|map| map.iter().find(|(name, _)| *name != "name")) else {
        return page.line(2, "<unknown>");
    };
    let mut fields = |fields: &[(&str, String)]| {
        for (name, value) in fields {
            page.field(2, name, value);
        }
    };
    let own = |name: &str| text(&source[name]).to_owned();
    match kind.as_str() {
        "emptyDir" => {
            let limit = or(&amount(&source["sizeLimit"]), "<unset>").to_owned();
            fields(&[
                ("Type", "EmptyDir (a temporary directory that shares a pod's lifetime)".to_owned()),
                ("Medium", own("medium")),
                ("SizeLimit", limit),
            ]);
        }
        "hostPath" => fields(&[
            ("Type", "HostPath (bare host directory volume)".to_owned()),
            ("Path", own("path")),
            ("HostPathType", own("type")),
        ]),
        "secret" => fields(&[
            ("Type", "Secret (a volume populated by a Secret)".to_owned()),
            ("SecretName", own("secretName")),
            ("Optional", optional(source)),
        ]),
        "configMap" => fields(&[
            ("Type", "ConfigMap (a volume populated by a ConfigMap)".to_owned()),
            ("Name", own("name")),
            ("Optional", optional(source)),
        ]),
        "persistentVolumeClaim" => fields(&[
            ("Type", "PersistentVolumeClaim (a reference to a PersistentVolumeClaim in the same namespace)".to_owned()),
            ("ClaimName", own("claimName")),
            ("ReadOnly", yes(&source["readOnly"]).to_string()),
        ]),
        "nfs" => fields(&[
            ("Type", "NFS (an NFS mount that lasts the lifetime of a pod)".to_owned()),
            ("Server", own("server")),
            ("Path", own("path")),
            ("ReadOnly", yes(&source["readOnly"]).to_string()),
        ]),
        "projected" => {
            fields(&[("Type", "Projected (a volume that contains injected data from multiple sources)".to_owned())]);
            for part in list(&source["sources"]) {
                projected(page, part);
            }
        }
        "downwardAPI" => {
            page.line(2, "Type:\tDownwardAPI (a volume populated by information about the pod)\n    Items:");
            for item in list(&source["items"]) {
                let from = if item["fieldRef"].is_object() {
                    text(&item["fieldRef"]["fieldPath"])
                } else {
                    text(&item["resourceFieldRef"]["resource"])
                };
                page.line(3, &format!("{from} -> {}", text(&item["path"])));
            }
        }
        "csi" => fields(&[
            ("Type", "CSI (a Container Storage Interface (CSI) volume source)".to_owned()),
            ("Driver", own("driver")),
            ("FSType", own("fsType")),
            ("ReadOnly", yes(&source["readOnly"]).to_string()),
        ]),
        "ephemeral" => fields(&[(
            "Type",
            "EphemeralVolume (an inline specification for a volume that gets created and deleted with the pod)"
                .to_owned(),
        )]),
        other => fields(&[("Type", other.to_owned())]),
    }
}

fn projected(page: &mut Page, part: &Value) {
    if part["secret"].is_object() {
        page.field(2, "SecretName", text(&part["secret"]["name"]));
        page.field(2, "Optional", &yes(&part["secret"]["optional"]).to_string());
    } else if part["downwardAPI"].is_object() {
        page.field(2, "DownwardAPI", "true");
    } else if part["configMap"].is_object() {
        page.field(2, "ConfigMapName", text(&part["configMap"]["name"]));
        page.field(2, "Optional", &yes(&part["configMap"]["optional"]).to_string());
    } else if part["serviceAccountToken"].is_object() {
        page.field(2, "TokenExpirationSeconds", &int(&part["serviceAccountToken"]["expirationSeconds"]).to_string());
    }
}

fn tolerations(page: &mut Page, indent: &str, tolerations: &Value) {
    page.out += &format!("{indent}Tolerations:\t");
    if list(tolerations).is_empty() {
        page.out += "<none>\n";
    }
    let mut sorted: Vec<&Value> = list(tolerations).iter().collect();
    sorted.sort_by_key(|toleration| text(&toleration["key"]));
    for (at, toleration) in sorted.into_iter().enumerate() {
        if at > 0 {
            page.out.push('\t');
        }
        let mut line = text(&toleration["key"]).to_owned();
        if !text(&toleration["value"]).is_empty() {
            line += &format!("={}", text(&toleration["value"]));
        }
        if !text(&toleration["effect"]).is_empty() {
            line += &format!(":{}", text(&toleration["effect"]));
        }
        // Any key, as long as it is there.
        if toleration["operator"] == "Exists" && text(&toleration["value"]).is_empty() {
            if text(&toleration["key"]).is_empty() && text(&toleration["effect"]).is_empty() {
                line += "op=Exists";
            } else {
                line += " op=Exists";
            }
        }
        if toleration["tolerationSeconds"].is_number() {
            line += &format!(" for {}s", int(&toleration["tolerationSeconds"]));
        }
        page.out += &(line + "\n");
    }
}
