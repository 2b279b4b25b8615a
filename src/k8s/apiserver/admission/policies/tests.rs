//! Policies that refuse, warn, take parameters, and fail.

use crate::k8s::apiserver::admission::Operation;
use crate::k8s::apiserver::admission::tests::{POD, filled, request};

/// A policy of pods with this in its spec, and a binding with that in its own.
fn world(spec: &str, binding: &str, others: &str) -> String {
    let pods =
        "{resourceRules: [{apiGroups: [''], apiVersions: [v1], operations: [CREATE, UPDATE], resources: [pods]}]}";
    world_about(pods, spec, binding, others)
}

fn world_about(constraints: &str, spec: &str, binding: &str, others: &str) -> String {
    format!(
        "
kind: ValidatingAdmissionPolicy
apiVersion: admissionregistration.k8s.io/v1
metadata: {{name: rule}}
spec:
  matchConstraints: {constraints}
{spec}
---
kind: ValidatingAdmissionPolicyBinding
apiVersion: admissionregistration.k8s.io/v1
metadata: {{name: here}}
spec:
  policyName: rule
{binding}
{others}"
    )
}

const DENY: &str = "  validationActions: [Deny]\n";
const DENIED: &str = "pods \"web\" is forbidden: ValidatingAdmissionPolicy 'rule' with binding 'here' denied request: ";

#[track_caller]
fn refuses(spec: &str, binding: &str, others: &str, message: &str) {
    request(&world(spec, binding, others)).refuses(POD, &format!("{DENIED}{message}"));
}

#[test]
fn what_must_hold() {
    let spec = "  validations: [{expression: \"object.metadata.name.startsWith('app-')\"}]\n";
    refuses(spec, DENY, "", "failed expression: object.metadata.name.startsWith('app-')");
    let with_message =
        "  validations:\n  - expression: 'false'\n    message: names begin with app\n    reason: Forbidden\n";
    refuses(with_message, DENY, "", "names begin with app");
    let made = "  validations:\n  - expression: 'false'\n    messageExpression: \"object.metadata.name + ' in ' + request.namespace\"\n";
    refuses(made, DENY, "", "web in default");
    let good = "  validations: [{expression: \"namespaceObject.metadata.labels.team == 'a' && oldObject == null\"}]\n";
    let (_, outcome) = request(&world(good, DENY, "")).pass(POD).unwrap();
    let step = outcome.steps.iter().find(|step| step.plugin == "ValidatingAdmissionPolicy").unwrap();
    assert_eq!(step.reason, "held: rule (here)");
}

#[test]
fn warnings_and_the_audit_log() {
    let spec = "  validations: [{expression: 'false', message: never}]\n  auditAnnotations: [{key: who, valueExpression: \
                request.userInfo.username}]\n";
    let (_, outcome) = request(&world(spec, "  validationActions: [Warn, Audit]\n", "")).pass(POD).unwrap();
    assert_eq!(outcome.warnings, ["Validation failed for ValidatingAdmissionPolicy 'rule' with binding 'here': never"]);
    let failure = r#"[{"message":"never","policy":"rule","binding":"here","expressionIndex":0,"validationActions":["Warn","Audit"]}]"#;
    assert_eq!(outcome.annotations["validation.policy.admission.k8s.io/validation_failure"], failure);
    assert_eq!(outcome.annotations["rule/who"], "anna");
}

#[test]
fn variables_and_conditions() {
    let spec = "  variables: [{name: images, expression: 'object.spec.containers.map(c, c.image)'}, {name: bad, expression: \
                object.spec.nothing}]\n  validations: [{expression: \"variables.images.all(i, i == 'j')\"}]\n";
    refuses(spec, DENY, "", "failed expression: variables.images.all(i, i == 'j')");
    let uses_bad = spec.replace("variables.images.all(i, i == 'j')", "variables.bad == 1");
    refuses(
        &uses_bad,
        DENY,
        "",
        "expression 'variables.bad == 1' resulted in error: composited variable \"bad\" fails to evaluate: expression \
         'object.spec.nothing' resulted in error: no such key: nothing",
    );
    let conditions = "  matchConditions: [{name: others, expression: \"request.userInfo.username != 'anna'\"}]\n  \
                      validations: [{expression: 'false'}]\n";
    assert!(request(&world(conditions, DENY, "")).pass(POD).is_ok());
}

#[test]
fn failing_expressions() {
    let spec = "  validations: [{expression: object.spec.replicas < 3}]\n";
    refuses(spec, DENY, "", "expression 'object.spec.replicas < 3' resulted in error: no such key: replicas");
    assert!(request(&world(&format!("{spec}  failurePolicy: Ignore\n"), DENY, "")).pass(POD).is_ok());
    let asks = "  validations: [{expression: authorizer.allowed}]\n";
    let message = "expression 'authorizer.allowed' asks the authorizer, which expressions cannot do here";
    refuses(asks, DENY, "", message);
}

#[test]
fn annotations_are_text() {
    let spec = "  failurePolicy: Ignore\n  validations: [{expression: 'true'}]\n  auditAnnotations: [{key: k, valueExpression: \
                object.spec.containers.size()}]\n";
    let message = "valueExpression 'object.spec.containers.size()' resulted in unsupported return type: int. Return type must be \
                   either string or null.";
    refuses(spec, DENY, "", message);
    let fails = spec.replace("object.spec.containers.size()", "object.spec.nothing");
    let (_, outcome) = request(&world(&fails, DENY, "")).pass(POD).unwrap();
    assert!(!outcome.annotations.contains_key("rule/k"));
    assert!(request(&world(&fails.replace("Ignore", "Fail"), DENY, "")).pass(POD).is_err());
}

#[test]
fn what_policies_are_about() {
    let about =
        |constraints: &str| request(&world_about(constraints, "  validations: [{expression: 'false'}]\n", DENY, ""));
    let everything = about("{}");
    let hooks =
        "{kind: ValidatingWebhookConfiguration, apiVersion: admissionregistration.k8s.io/v1, metadata: {name: hooks}}";
    assert!(everything.pass(hooks).is_err());
    let binding =
        "{kind: ValidatingAdmissionPolicyBinding, apiVersion: admissionregistration.k8s.io/v1, metadata: {name: b}}";
    assert!(everything.pass(binding).is_ok());
    // Another version of the same resource is meant as well, unless the policy is exact.
    let scaler =
        "{kind: HorizontalPodAutoscaler, apiVersion: autoscaling/v2, metadata: {name: web, namespace: default}}";
    let of_version = |version: &str, policy: &str| {
        let rule =
            format!("{{apiGroups: [autoscaling], apiVersions: [{version}], operations: ['*'], resources: ['*']}}");
        about(&format!("{{matchPolicy: {policy}, resourceRules: [{rule}]}}")).pass(scaler)
    };
    assert!(of_version("v1", "Equivalent").is_err());
    assert!(of_version("v1", "Exact").is_ok());
    assert!(of_version("v2beta2", "Equivalent").is_ok());
}

#[test]
fn parameters() {
    let spec = "  paramKind: {apiVersion: v1, kind: ConfigMap}\n  validations: [{expression: \"object.metadata.name == \
                params.data.name\"}]\n";
    let binding = format!("{DENY}  paramRef: {{name: limits, parameterNotFoundAction: Deny}}\n");
    refuses(
        spec,
        &binding,
        "",
        "failed to configure binding: no params found for policy binding with `Deny` parameterNotFoundAction",
    );
    let param = |name: &str| {
        format!(
            "---\nkind: ConfigMap\napiVersion: v1\nmetadata: {{name: limits, namespace: default}}\ndata: {{name: {name}}}\n"
        )
    };
    refuses(spec, &binding, &param("other"), "failed expression: object.metadata.name == params.data.name");
    assert!(request(&world(spec, &binding, &param("web"))).pass(POD).is_ok());
    let unknown = spec.replace("ConfigMap", "Nothing");
    let why = "failed to configure policy: failed to find resource referenced by paramKind: '/v1, Kind=Nothing'";
    request(&world(&unknown, &binding, ""))
        .refuses(POD, &DENIED.replace(" with binding 'here'", "").replace("request: ", &format!("request: {why}")));
    let ignored = binding.replace("Deny}", "Allow}");
    assert!(request(&world(spec, &ignored, "")).pass(POD).is_ok());
}

#[test]
fn bindings_choose_their_places() {
    let spec = "  validations: [{expression: object.metadata.name == oldObject.metadata.name}]\n";
    let elsewhere = format!("{DENY}  matchResources: {{namespaceSelector: {{matchLabels: {{team: b}}}}}}\n");
    assert!(request(&world(spec, &elsewhere, "")).pass(POD).is_ok());
    let here = elsewhere.replace("team: b", "team: a");
    assert!(request(&world(spec, &here, "")).pass(POD).is_err());
    let old = filled(POD);
    let mut update = request(&world(spec, &here, ""));
    (update.operation, update.old) = (Operation::Update, Some(old));
    assert!(update.pass(POD).is_ok());
}
