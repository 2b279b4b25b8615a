//! Requests that an API server passes on to the kubelet of a pod's node.
//!
//! Upstream: `pkg/registry/core/pod/strategy.go`, `LogLocation`.
//!
//! No kubelet runs in this lab yet, so that each of them ends where a real one does whose kubelet cannot be found.

use serde_json::Value;

use super::object::{list, name, namespace, text};
use crate::k8s::meta::status::Status;

const PORT: u16 = 10250;

/// Why the logs of a pod cannot be had: of the container that is wanted, or of its only one.
pub fn logs(pod: &Value, wanted: &str) -> Status {
    let container = match container(pod, wanted) {
        Ok(container) => container,
        Err(why) => return Status::bad_request(why),
    };
    match text(&pod["spec"], "nodeName") {
        // Upstream answers with nothing until the pod has a node.
        "" => Status::bad_request(format!("pod {} does not have a host assigned", name(pod))),
        node => {
            let path = format!("containerLogs/{}/{}/{container}", namespace(pod), name(pod));
            let url = format!("https://{node}:{PORT}/{path}");
            Status::of_error(format!("Get {url:?}: dial tcp: lookup {node}: no such host"))
        }
    }
}

/// The container that is meant: a pod of one needs no name.
fn container<'a>(pod: &'a Value, wanted: &'a str) -> Result<&'a str, String> {
    let names =
        |field: &str| list(&pod["spec"], field).iter().map(|container| text(container, "name")).collect::<Vec<_>>();
    let (own, init, ephemeral) = (names("containers"), names("initContainers"), names("ephemeralContainers"));
    if !wanted.is_empty() {
        let is_known = own.iter().chain(&init).chain(&ephemeral).any(|name| *name == wanted);
        let unknown = || format!("container {wanted} is not valid for pod {}", name(pod));
        return if is_known { Ok(wanted) } else { Err(unknown()) };
    }
    match own[..] {
        [only] => Ok(only),
        [] => Err(format!("a container name must be specified for pod {}", name(pod))),
        _ => {
            let mut why =
                format!("a container name must be specified for pod {}, choose one of: [{}]", name(pod), own.join(" "));
            if !init.is_empty() {
                why += &format!(" or one of the init containers: [{}]", init.join(" "));
            }
            Err(why)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn refusals() {
        let check = |pod: Value, container: &str, expect: &str| {
            assert_eq!(logs(&pod, container).message, expect);
        };
        let pod = |containers: Value, node: &str| {
            json!({"metadata": {"name": "p", "namespace": "d"},
            "spec": {"containers": containers, "nodeName": node}})
        };
        check(pod(json!([{"name": "a"}]), ""), "", "pod p does not have a host assigned");
        check(pod(json!([{"name": "a"}]), ""), "b", "container b is not valid for pod p");
        let two = json!([{"name": "a"}, {"name": "b"}]);
        check(pod(two, ""), "", "a container name must be specified for pod p, choose one of: [a b]");
        let lookup = "Get \"https://n:10250/containerLogs/d/p/a\": dial tcp: lookup n: no such host";
        check(pod(json!([{"name": "a"}]), "n"), "", lookup);
    }
}
