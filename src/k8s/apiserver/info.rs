//! What a request is about, by its method, path and query.
//!
//! Upstream: `RequestInfoFactory` of `k8s.io/apiserver/pkg/endpoints/request`.

use super::Attributes;
use crate::etcd::http::HttpRequest;

/// A request's query, decoded, in its order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Query(Vec<(String, String)>);

impl Query {
    pub fn of(request: &HttpRequest) -> Query {
        let text = request.target.split_once('?').map_or("", |(_, query)| query);
        Query(form_urlencoded::parse(text.as_bytes()).into_owned().collect())
    }

    /// The first value of this name; empty without one.
    pub fn get(&self, name: &str) -> &str {
        self.0.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value)
    }

    pub fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(known, _)| known == name)
    }

    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// As upstream converts a query to a bool: anything but these is true, also nothing at all after the name.
    pub fn flag(&self, name: &str) -> bool {
        self.has(name) && !["false", "0"].contains(&self.get(name).to_lowercase().as_str())
    }
}

/// Everything that the path says; who asks is found out later.
pub fn of(request: &HttpRequest, query: &Query) -> Attributes {
    let path = request.path();
    let mut info = Attributes { path: path.to_owned(), verb: request.method.to_lowercase(), ..Attributes::default() };
    let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
    let mut rest = match parts.as_slice() {
        ["api", version, rest @ ..] if !rest.is_empty() => {
            (info.group, info.version) = (String::new(), (*version).to_owned());
            rest
        }
        ["apis", group, version, rest @ ..] if !rest.is_empty() => {
            (info.group, info.version) = ((*group).to_owned(), (*version).to_owned());
            rest
        }
        _ => return info,
    };
    info.is_resource = true;
    info.verb = match request.method.as_str() {
        "POST" => "create",
        "GET" | "HEAD" => "get",
        "PUT" => "update",
        "PATCH" => "patch",
        "DELETE" => "delete",
        _ => "",
    }
    .to_owned();
    if let ["watch", inner @ ..] = rest {
        info.verb = "watch".to_owned();
        rest = inner;
    }
    if let ["namespaces", namespace, inner @ ..] = rest {
        info.namespace = (*namespace).to_owned();
        // What stands below a namespace is its own, if it is not a resource in it.
        if !inner.is_empty() && !["status", "finalize"].contains(&inner[0]) {
            rest = inner;
        }
    }
    let mut rest = rest.iter().map(|part| (*part).to_owned());
    let mut next = || rest.next().unwrap_or_default();
    (info.resource, info.name, info.subresource) = (next(), next(), next());
    if info.name.is_empty() && info.verb == "get" {
        info.verb = if query.flag("watch") { "watch" } else { "list" }.to_owned();
    }
    if info.name.is_empty() && info.verb == "delete" {
        info.verb = "deletecollection".to_owned();
    }
    if ["list", "watch"].contains(&info.verb.as_str()) && info.name.is_empty() {
        let selector = super::super::meta::fields::Selector::parse(query.get("fieldSelector")).unwrap_or_default();
        info.name = selector.exact("metadata.name").unwrap_or_default().to_owned();
    }
    info
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(method: &str, target: &str, expect: &str) {
        let request = HttpRequest {
            method: method.to_owned(),
            target: target.to_owned(),
            headers: Vec::new(),
            body: bytes::Bytes::new(),
        };
        let Attributes { verb, group, version, resource, subresource, namespace, name, is_resource, .. } =
            of(&request, &Query::of(&request));
        let said = format!("{is_resource} {verb} {group}/{version} {namespace}/{resource}/{name}/{subresource}");
        assert_eq!(said, expect, "{method} {target}");
    }

    #[test]
    fn paths() {
        check("GET", "/healthz", "false get / ///");
        check("GET", "/apis/apps/v1", "false get / ///");
        check("GET", "/api/v1/pods?limit=500", "true list /v1 /pods//");
        check("GET", "/api/v1/namespaces/default/pods/web", "true get /v1 default/pods/web/");
        check("GET", "/api/v1/namespaces/default/pods/web/log?follow", "true get /v1 default/pods/web/log");
        check("PUT", "/api/v1/namespaces/shop/finalize", "true update /v1 shop/namespaces/shop/finalize");
        check("GET", "/api/v1/namespaces/shop", "true get /v1 shop/namespaces/shop/");
        check("POST", "/apis/apps/v1/namespaces/shop/deployments", "true create apps/v1 shop/deployments//");
        check(
            "DELETE",
            "/apis/apps/v1/namespaces/shop/deployments",
            "true deletecollection apps/v1 shop/deployments//",
        );
        check("GET", "/api/v1/namespaces/shop/pods?watch=true", "true watch /v1 shop/pods//");
        check("GET", "/api/v1/watch/namespaces/shop/pods", "true watch /v1 shop/pods//");
        check("GET", "/api/v1/pods?watch&fieldSelector=metadata.name%3Dweb", "true watch /v1 /pods/web/");
        check(
            "PATCH",
            "/apis/apps/v1/namespaces/shop/deployments/web/scale",
            "true patch apps/v1 shop/deployments/web/scale",
        );
    }
}
