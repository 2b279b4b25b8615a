"""What a program with Kubernetes' Python client does to a server: lists, watches, creates, patches, applies."""

import sys

from kubernetes import client, config, dynamic, watch
from kubernetes.client.exceptions import ApiException

config.load_kube_config(sys.argv[1])
api = client.ApiClient()
core, apps = client.CoreV1Api(api), client.AppsV1Api(api)
SPACE = "default"


def configmap(name, **data):
    return client.V1ConfigMap(metadata=client.V1ObjectMeta(name=name, labels={"by": "python"}), data=data)


def refused(status, reason, act):
    try:
        act()
    except ApiException as error:
        assert error.status == status and f'"reason":"{reason}"' in error.body, error
        return error
    raise AssertionError(f"not refused: {reason}")


# Lists, whole and in pages.
names = [space.metadata.name for space in core.list_namespace().items]
assert {"default", "kube-system", "kube-public", "kube-node-lease"} <= set(names), names
page = core.list_namespace(limit=1)
paged = [space.metadata.name for space in page.items]
while page.metadata._continue:
    page = core.list_namespace(limit=1, _continue=page.metadata._continue)
    paged += [space.metadata.name for space in page.items]
assert sorted(paged) == sorted(names), paged

# Creates, and is refused what is there already or is no good.
begin = core.list_namespaced_config_map(SPACE).metadata.resource_version
made = core.create_namespaced_config_map(SPACE, configmap("first", a="1"))
assert made.metadata.uid and made.data == {"a": "1"}, made
refused(409, "AlreadyExists", lambda: core.create_namespaced_config_map(SPACE, configmap("first")))
refused(422, "Invalid", lambda: core.create_namespaced_config_map(SPACE, configmap("No Name")))
refused(404, "NotFound", lambda: core.read_namespaced_config_map("nothing", SPACE))
listed = core.list_namespaced_config_map(SPACE, label_selector="by=python").items
assert [item.metadata.name for item in listed] == ["first"], listed

# Writes over what somebody else has changed are refused.
core.patch_namespaced_config_map("first", SPACE, {"data": {"b": "2"}})
made.data["a"] = "late"
refused(409, "Conflict", lambda: core.replace_namespaced_config_map("first", SPACE, made))

# A watch from before tells all that has happened since, in order.
seen = []
for event in watch.Watch().stream(core.list_namespaced_config_map, SPACE, resource_version=begin, timeout_seconds=1):
    if event["object"].metadata.name == "first":
        seen.append((event["type"], event["object"].data))
assert seen == [("ADDED", {"a": "1"}), ("MODIFIED", {"a": "1", "b": "2"})], seen

# A server that begins anew knows nothing of what was before. A watch from then is answered with 410, and resumes from a
# list, as informers do.
print("restart the server")
assert input() == "done"


def informer():
    version, told = begin, []
    for _ in range(3):
        try:
            stream = watch.Watch().stream(core.list_namespaced_config_map, SPACE, resource_version=version, timeout_seconds=1)
            for event in stream:
                told.append(event["object"].metadata.name)
            return told
        except ApiException as error:
            assert error.status == 410, error
            assert "too old resource version" in str(error.reason), error
            told.append("410")
            version = core.list_namespaced_config_map(SPACE).metadata.resource_version
            core.create_namespaced_config_map(SPACE, configmap(f"after-{len(told)}"))
    raise AssertionError(told)


told = informer()
assert told == ["410", "after-1"], told

# The three patches, by their content types.
template = client.V1PodTemplateSpec(
    metadata=client.V1ObjectMeta(labels={"app": "web"}),
    spec=client.V1PodSpec(containers=[client.V1Container(name="web", image="nginx:1.27")]),
)
selector = client.V1LabelSelector(match_labels={"app": "web"})
spec = client.V1DeploymentSpec(replicas=2, selector=selector, template=template)
apps.create_namespaced_deployment(SPACE, client.V1Deployment(metadata=client.V1ObjectMeta(name="web"), spec=spec))


def patch(content_type, body):
    return apps.patch_namespaced_deployment("web", SPACE, body, _content_type=content_type).spec


sidecar = {"spec": {"template": {"spec": {"containers": [{"name": "log", "image": "busybox"}]}}}}
found = patch("application/strategic-merge-patch+json", sidecar)
assert sorted(own.name for own in found.template.spec.containers) == ["log", "web"], found
found = patch("application/json-patch+json", [{"op": "replace", "path": "/spec/replicas", "value": 4}])
assert found.replicas == 4, found
found = patch("application/merge-patch+json", sidecar)
assert [own.name for own in found.template.spec.containers] == ["log"], found
assert apps.read_namespaced_deployment_scale("web", SPACE).spec.replicas == 4
scale = apps.patch_namespaced_deployment_scale("web", SPACE, {"spec": {"replicas": 1}})
assert scale.kind == "Scale" and scale.spec.replicas == 1, scale

# Server-side apply, by the dynamic client: two managers, a conflict, and force.
objects = dynamic.DynamicClient(api).resources.get(api_version="v1", kind="ConfigMap")


def apply(manager, data, **options):
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "shared"}, "data": data}
    return objects.server_side_apply(body=body, namespace=SPACE, field_manager=manager, **options)


apply("one", {"a": "1", "b": "1"})
apply("two", {"c": "2"})
refused(409, "Conflict", lambda: apply("two", {"a": "2", "c": "2"}))
apply("two", {"a": "2", "c": "2"}, force_conflicts=True)
apply("one", {"b": "1"})
shared = core.read_namespaced_config_map("shared", SPACE)
assert shared.data == {"a": "2", "b": "1", "c": "2"}, shared.data
assert sorted(entry.manager for entry in shared.metadata.managed_fields) == ["one", "two"], shared

# And takes it away again.
apps.delete_namespaced_deployment("web", SPACE)
core.delete_collection_namespaced_config_map(SPACE, label_selector="by=python")
left = [item.metadata.name for item in core.list_namespaced_config_map(SPACE).items]
assert left == ["shared"], left
print("all held")
