//! Groups with little to fill in.

use serde_json::{Value, json};

use super::{Fields, fill, fill_text, inner, is_absent, text};
use crate::k8s::schema::Schema;

pub(super) fn of(package: &str, name: &str) -> Option<fn(&Schema, &mut Fields)> {
    Some(match (package, name) {
        ("networking.v1", "NetworkPolicy") => network_policy,
        ("networking.v1", "NetworkPolicyPort") => |_, fields| fill(fields, "protocol", "TCP"),
        ("networking.v1", "IngressClassParametersReference") => |_, fields| fill(fields, "scope", "Cluster"),
        ("discovery.v1", "EndpointPort") => endpoint_port,
        ("autoscaling.v1", "HorizontalPodAutoscaler") => |_, fields| fill(inner(fields, "spec"), "minReplicas", 1),
        ("autoscaling.v2", "HorizontalPodAutoscaler") => autoscaler,
        ("rbac.v1", "ClusterRoleBinding" | "RoleBinding") => {
            |_, fields| fill_text(inner(fields, "roleRef"), "apiGroup", RBAC)
        }
        ("rbac.v1", "Subject") => subject,
        ("storage.v1", "StorageClass") => storage_class,
        ("storage.v1", "CSIDriver") => csi_driver,
        ("scheduling.v1", "PriorityClass") => |_, fields| fill(fields, "preemptionPolicy", "PreemptLowerPriority"),
        ("flowcontrol.v1", "FlowSchemaSpec") => |_, fields| fill(fields, "matchingPrecedence", 1000),
        ("flowcontrol.v1", "LimitedPriorityLevelConfiguration") => limited,
        ("flowcontrol.v1", "ExemptPriorityLevelConfiguration") => exempt,
        ("flowcontrol.v1", "QueuingConfiguration") => queuing,
        ("admissionregistration.v1", "ValidatingWebhook") => webhook,
        ("admissionregistration.v1", "MutatingWebhook") => mutating_webhook,
        ("admissionregistration.v1", "Rule") => |_, fields| fill(fields, "scope", "*"),
        ("admissionregistration.v1", "ServiceReference") => |_, fields| fill(fields, "port", 443),
        ("admissionregistration.v1", "ValidatingAdmissionPolicySpec" | "MutatingAdmissionPolicySpec") => {
            |_, fields| fill(fields, "failurePolicy", "Fail")
        }
        ("admissionregistration.v1", "MatchResources") => match_resources,
        ("apiextensions.v1", "CustomResourceDefinitionSpec") => definition,
        ("apiextensions.v1", "ServiceReference") => |_, fields| fill(fields, "port", 443),
        ("apiregistration.v1", "ServiceReference") => |_, fields| fill(fields, "port", 443),
        _ => return None,
    })
}

const RBAC: &str = "rbac.authorization.k8s.io";

fn network_policy(_: &Schema, fields: &mut Fields) {
    let spec = inner(fields, "spec");
    let has_egress = spec.get("egress").and_then(Value::as_array).is_some_and(|rules| !rules.is_empty());
    let types = if has_egress { json!(["Ingress", "Egress"]) } else { json!(["Ingress"]) };
    fill(spec, "policyTypes", types);
}

fn endpoint_port(_: &Schema, fields: &mut Fields) {
    fill(fields, "name", "");
    fill(fields, "protocol", "TCP");
}

/// Without metrics it keeps processors at four fifths.
fn autoscaler(_: &Schema, fields: &mut Fields) {
    let spec = inner(fields, "spec");
    fill(spec, "minReplicas", 1);
    let metrics = json!([{
        "type": "Resource",
        "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80}},
    }]);
    fill(spec, "metrics", metrics);
    if let Some(Value::Object(behavior)) = spec.get_mut("behavior") {
        let up = inner(behavior, "scaleUp");
        fill(up, "stabilizationWindowSeconds", 0);
        fill(up, "selectPolicy", "Max");
        let by_four = json!({"type": "Pods", "value": 4, "periodSeconds": 15});
        let doubled = json!({"type": "Percent", "value": 100, "periodSeconds": 15});
        fill(up, "policies", json!([by_four, doubled]));
        let down = inner(behavior, "scaleDown");
        fill(down, "selectPolicy", "Max");
        fill(down, "policies", json!([doubled]));
    }
}

fn subject(_: &Schema, fields: &mut Fields) {
    if matches!(text(fields, "kind"), "User" | "Group") {
        fill_text(fields, "apiGroup", RBAC);
    }
}

fn storage_class(_: &Schema, fields: &mut Fields) {
    fill(fields, "reclaimPolicy", "Delete");
    fill(fields, "volumeBindingMode", "Immediate");
}

fn csi_driver(_: &Schema, fields: &mut Fields) {
    let spec = inner(fields, "spec");
    fill(spec, "attachRequired", true);
    fill(spec, "fsGroupPolicy", "ReadWriteOnceWithFSType");
    fill(spec, "volumeLifecycleModes", json!(["Persistent"]));
    for name in ["podInfoOnMount", "requiresRepublish", "seLinuxMount", "storageCapacity"] {
        fill(spec, name, false);
    }
}

fn limited(_: &Schema, fields: &mut Fields) {
    fill(fields, "nominalConcurrencyShares", 30);
    fill(fields, "lendablePercent", 0);
}

fn exempt(_: &Schema, fields: &mut Fields) {
    fill(fields, "nominalConcurrencyShares", 0);
    fill(fields, "lendablePercent", 0);
}

fn queuing(_: &Schema, fields: &mut Fields) {
    fill(fields, "handSize", 8);
    fill(fields, "queues", 64);
    fill(fields, "queueLengthLimit", 50);
}

fn webhook(schema: &Schema, fields: &mut Fields) {
    fill(fields, "failurePolicy", "Fail");
    fill(fields, "timeoutSeconds", 10);
    match_resources(schema, fields);
}

fn mutating_webhook(schema: &Schema, fields: &mut Fields) {
    webhook(schema, fields);
    fill(fields, "reinvocationPolicy", "Never");
}

fn match_resources(_: &Schema, fields: &mut Fields) {
    fill(fields, "matchPolicy", "Equivalent");
    fill(fields, "namespaceSelector", json!({}));
    fill(fields, "objectSelector", json!({}));
}

fn definition(_: &Schema, fields: &mut Fields) {
    let names = inner(fields, "names");
    let kind = text(names, "kind").to_owned();
    fill_text(names, "singular", &kind.to_lowercase());
    if !kind.is_empty() {
        fill_text(names, "listKind", &format!("{kind}List"));
    }
    if is_absent(fields, "conversion") {
        fields.insert("conversion".to_owned(), json!({"strategy": "None"}));
    }
}
