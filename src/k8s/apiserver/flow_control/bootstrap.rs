//! The levels and schemas that every server starts with and keeps.
//!
//! Upstream: `k8s.io/apiserver/pkg/apis/flowcontrol/bootstrap`.

use serde_json::{Value, json};
use std::sync::OnceLock;

use super::GROUP;
use crate::k8s::apiserver::object::{annotation, in_form, name};

/// All of them: mandatory ones and suggested ones.
pub fn objects() -> &'static [Value] {
    static OBJECTS: OnceLock<Vec<Value>> = OnceLock::new();
    OBJECTS.get_or_init(|| LEVELS.iter().map(level).chain(SCHEMAS.iter().map(schema)).collect())
}

/// Those without which no server works: it imagines them if they are gone.
pub fn mandatory() -> impl Iterator<Item = &'static Value> {
    objects().iter().filter(|object| ["exempt", "catch-all"].contains(&name(object)))
}

/// What a server writes in place of what it finds: nothing if that will do. What says `autoupdate-spec: "false"` stays as it
/// is, but for what is mandatory.
pub fn reconcile(expected: &Value, existing: Option<&Value>) -> Option<Value> {
    let Some(existing) = existing else { return Some(expected.clone()) };
    let is_mandatory = mandatory().any(|object| name(object) == name(expected));
    let is_ours = is_mandatory || annotation(existing, AUTOUPDATE) == Some("true");
    if !is_ours || existing["spec"] == expected["spec"] {
        return None;
    }
    let mut object = existing.clone();
    object["spec"] = expected["spec"].clone();
    Some(object)
}

const AUTOUPDATE: &str = "apf.kubernetes.io/autoupdate-spec";

struct Level {
    name: &'static str,
    shares: u32,
    lendable_percent: u32,
    /// Queues, size of a hand, length of a queue.
    queuing: Option<(u32, u32, u32)>,
}

const LEVELS: [Level; 8] = [
    Level { name: "exempt", shares: 0, lendable_percent: 0, queuing: None },
    Level { name: "catch-all", shares: 5, lendable_percent: 0, queuing: None },
    Level { name: "system", shares: 30, lendable_percent: 33, queuing: Some((64, 6, 50)) },
    Level { name: "node-high", shares: 40, lendable_percent: 25, queuing: Some((64, 6, 50)) },
    Level { name: "leader-election", shares: 10, lendable_percent: 0, queuing: Some((16, 4, 50)) },
    Level { name: "workload-high", shares: 40, lendable_percent: 50, queuing: Some((128, 6, 50)) },
    Level { name: "workload-low", shares: 100, lendable_percent: 90, queuing: Some((128, 6, 50)) },
    Level { name: "global-default", shares: 20, lendable_percent: 50, queuing: Some((128, 6, 50)) },
];

fn level(level: &Level) -> Value {
    let shares = json!({"nominalConcurrencyShares": level.shares, "lendablePercent": level.lendable_percent});
    let spec = match (level.name, level.queuing) {
        ("exempt", _) => json!({"type": "Exempt", "exempt": shares}),
        (_, queuing) => {
            let mut limited = shares;
            limited["limitResponse"] = match queuing {
                None => json!({"type": "Reject"}),
                Some((queues, hand, length)) => {
                    let queuing = json!({"queues": queues, "handSize": hand, "queueLengthLimit": length});
                    json!({"type": "Queue", "queuing": queuing})
                }
            };
            json!({"type": "Limited", "limited": limited})
        }
    };
    object("PriorityLevelConfiguration", level.name, spec)
}

struct Schema {
    name: &'static str,
    level: &'static str,
    precedence: u32,
    /// `ByUser`, `ByNamespace`; empty for neither.
    distinguisher: &'static str,
    /// `user:`, `group:`, or `account:` of `kube-system`.
    subjects: &'static [&'static str],
    rules: Rules,
}

enum Rules {
    All,
    /// Probes of health.
    Probes,
    Resources(&'static [ResourceRule]),
}

/// Verbs, group, resources, and whether what has no namespace counts.
type ResourceRule = (&'static [&'static str], &'static str, &'static [&'static str], bool);

const GET_AND_WRITE: &[&str] = &["get", "create", "update"];
const LEASES: ResourceRule = (GET_AND_WRITE, "coordination.k8s.io", &["leases"], false);
const EVERYBODY: &[&str] = &["group:system:unauthenticated", "group:system:authenticated"];

const SCHEMAS: [Schema; 13] = [
    Schema {
        name: "exempt",
        level: "exempt",
        precedence: 1,
        distinguisher: "",
        subjects: &["group:system:masters"],
        rules: Rules::All,
    },
    Schema {
        name: "probes",
        level: "exempt",
        precedence: 2,
        distinguisher: "",
        subjects: EVERYBODY,
        rules: Rules::Probes,
    },
    Schema {
        name: "system-leader-election",
        level: "leader-election",
        precedence: 100,
        distinguisher: "ByUser",
        subjects: &["user:system:kube-controller-manager", "user:system:kube-scheduler", "account:*"],
        rules: Rules::Resources(&[LEASES]),
    },
    Schema {
        name: "endpoint-controller",
        level: "workload-high",
        precedence: 150,
        distinguisher: "ByUser",
        subjects: &[
            "user:system:kube-controller-manager",
            "account:endpoint-controller",
            "account:endpointslicemirroring-controller",
        ],
        rules: Rules::Resources(&[(GET_AND_WRITE, "", &["endpoints"], false)]),
    },
    Schema {
        name: "workload-leader-election",
        level: "leader-election",
        precedence: 200,
        distinguisher: "ByUser",
        subjects: &["account:*"],
        rules: Rules::Resources(&[(GET_AND_WRITE, "", &["endpoints", "configmaps"], false), LEASES]),
    },
    Schema {
        name: "system-node-high",
        level: "node-high",
        precedence: 400,
        distinguisher: "ByUser",
        subjects: &["group:system:nodes"],
        rules: Rules::Resources(&[
            (&["*"], "", &["nodes", "nodes/status"], true),
            (&["*"], "coordination.k8s.io", &["leases"], false),
        ]),
    },
    Schema {
        name: "system-nodes",
        level: "system",
        precedence: 500,
        distinguisher: "ByUser",
        subjects: &["group:system:nodes"],
        rules: Rules::All,
    },
    Schema {
        name: "kube-controller-manager",
        level: "workload-high",
        precedence: 800,
        distinguisher: "ByNamespace",
        subjects: &["user:system:kube-controller-manager"],
        rules: Rules::All,
    },
    Schema {
        name: "kube-scheduler",
        level: "workload-high",
        precedence: 800,
        distinguisher: "ByNamespace",
        subjects: &["user:system:kube-scheduler"],
        rules: Rules::All,
    },
    Schema {
        name: "kube-system-service-accounts",
        level: "workload-high",
        precedence: 900,
        distinguisher: "ByNamespace",
        subjects: &["account:*"],
        rules: Rules::All,
    },
    Schema {
        name: "service-accounts",
        level: "workload-low",
        precedence: 9000,
        distinguisher: "ByUser",
        subjects: &["group:system:serviceaccounts"],
        rules: Rules::All,
    },
    Schema {
        name: "global-default",
        level: "global-default",
        precedence: 9900,
        distinguisher: "ByUser",
        subjects: EVERYBODY,
        rules: Rules::All,
    },
    Schema {
        name: "catch-all",
        level: "catch-all",
        precedence: 10_000,
        distinguisher: "ByUser",
        subjects: EVERYBODY,
        rules: Rules::All,
    },
];

fn schema(schema: &Schema) -> Value {
    let subjects: Vec<Value> = schema.subjects.iter().map(|subject| subject_of(subject)).collect();
    let mut rule = json!({"subjects": subjects});
    let resources = |verbs: &[&str], group: &str, resources: &[&str], is_cluster_wide: bool| {
        let mut rule = json!({"verbs": verbs, "apiGroups": [group], "resources": resources, "namespaces": ["*"]});
        if is_cluster_wide {
            rule["clusterScope"] = true.into();
        }
        rule
    };
    match schema.rules {
        Rules::All => {
            rule["resourceRules"] = json!([resources(&["*"], "*", &["*"], true)]);
            rule["nonResourceRules"] = json!([{"verbs": ["*"], "nonResourceURLs": ["*"]}]);
        }
        Rules::Probes => {
            let urls = ["/healthz", "/readyz", "/livez"];
            rule["nonResourceRules"] = json!([{"verbs": ["get"], "nonResourceURLs": urls}]);
        }
        Rules::Resources(rules) => {
            let rules = rules.iter().map(|(verbs, group, names, is_wide)| resources(verbs, group, names, *is_wide));
            rule["resourceRules"] = rules.collect::<Vec<Value>>().into();
        }
    }
    let mut spec = json!({
        "priorityLevelConfiguration": {"name": schema.level},
        "matchingPrecedence": schema.precedence,
        "rules": [rule],
    });
    if !schema.distinguisher.is_empty() {
        spec["distinguisherMethod"] = json!({"type": schema.distinguisher});
    }
    object("FlowSchema", schema.name, spec)
}

fn subject_of(subject: &str) -> Value {
    match subject.split_once(':') {
        Some(("user", name)) => json!({"kind": "User", "user": {"name": name}}),
        Some(("group", name)) => json!({"kind": "Group", "group": {"name": name}}),
        Some((_, name)) => {
            json!({"kind": "ServiceAccount", "serviceAccount": {"namespace": "kube-system", "name": name}})
        }
        None => Value::Null,
    }
}

fn object(kind: &str, name: &str, spec: Value) -> Value {
    let api_version = format!("{GROUP}/v1");
    let annotations = json!({AUTOUPDATE: "true"});
    let metadata = json!({"name": name, "annotations": annotations});
    let object = json!({"kind": kind, "apiVersion": api_version, "metadata": metadata, "spec": spec});
    in_form(&api_version, kind, object)
}
