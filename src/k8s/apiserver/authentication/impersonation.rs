//! To act as somebody else, if one may be that somebody: `Impersonate-User`, `-Group`, `-Uid`, `-Extra-…`.
//!
//! Upstream: `k8s.io/apiserver/pkg/endpoints/filters/impersonation`.

use std::sync::Arc;

use super::{ANONYMOUS, AUTHENTICATED, UNAUTHENTICATED, service_accounts};
use crate::k8s::apiserver::attributes::{Attributes, Lister, User};
use crate::k8s::apiserver::authorization::{Authorizer, forbidden};
use crate::k8s::meta::names;
use crate::k8s::meta::status::Status;

/// What came of the headers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refused {
    /// The headers make no sense: 500 with this text, as upstream.
    Internal(String),
    Forbidden(Box<Status>),
}

/// What somebody wants to be, one by one; each is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Wish {
    kind: &'static str,
    namespace: String,
    name: String,
    /// Of an extra.
    key: String,
}

/// The user to go on with; nothing if no header asks for another.
pub fn impersonate(
    requester: &Arc<User>,
    headers: &[(String, String)],
    authorizer: &Authorizer,
    lister: &dyn Lister,
) -> Result<Option<Arc<User>>, Refused> {
    let wishes = wishes(headers).map_err(Refused::Internal)?;
    if wishes.is_empty() {
        return Ok(None);
    }
    let has_groups = wishes.iter().any(|wish| wish.kind == "Group");
    let mut user = User::default();
    for wish in wishes {
        let attributes = wish.attributes(requester);
        let decision = authorizer.authorize(&attributes, lister);
        if !decision.is_allow() {
            return Err(Refused::Forbidden(Box::new(forbidden(&attributes, decision.reason()))));
        }
        wish.grant(&mut user, has_groups);
    }
    let default_group = if user.name == ANONYMOUS { UNAUTHENTICATED } else { AUTHENTICATED };
    let says = |group: &str| user.is_in(group);
    let is_said = says(UNAUTHENTICATED) || (user.name != ANONYMOUS && says(AUTHENTICATED));
    if !is_said {
        user.groups.push(default_group.to_owned());
    }
    Ok(Some(Arc::new(user)))
}

impl Wish {
    fn attributes(&self, requester: &Arc<User>) -> Attributes {
        let (group, version, resource) = match self.kind {
            "ServiceAccount" => ("", "", "serviceaccounts"),
            "User" => ("", "", "users"),
            "Group" => ("", "", "groups"),
            "UserExtra" => ("authentication.k8s.io", "v1", "userextras"),
            _ => ("authentication.k8s.io", "v1", "uids"),
        };
        Attributes {
            user: requester.clone(),
            verb: "impersonate".to_owned(),
            is_resource: true,
            group: group.to_owned(),
            version: version.to_owned(),
            resource: resource.to_owned(),
            subresource: self.key.clone(),
            namespace: self.namespace.clone(),
            name: self.name.clone(),
            ..Attributes::default()
        }
    }

    fn grant(self, user: &mut User, has_groups: bool) {
        match self.kind {
            "ServiceAccount" => {
                user.name = format!("{}{}:{}", service_accounts::USER_PREFIX, self.namespace, self.name);
                if !has_groups {
                    let group = service_accounts::GROUP;
                    user.groups = vec![group.to_owned(), format!("{group}:{}", self.namespace)];
                }
            }
            "User" => user.name = self.name,
            "Group" => user.groups.push(self.name),
            "UserExtra" => user.extra.entry(self.key).or_default().push(self.name),
            _ => user.uid = self.name,
        }
    }

    /// As Go prints the reference that upstream holds it in.
    fn show(&self) -> String {
        let version = if ["UserExtra", "UID"].contains(&self.kind) { "authentication.k8s.io/v1" } else { "" };
        format!("{{{} {} {}  {version}  {}}}", self.kind, self.namespace, self.name, self.key)
    }
}

const EXTRA_PREFIX: &str = "impersonate-extra-";

fn wishes(headers: &[(String, String)]) -> Result<Vec<Wish>, String> {
    let named = |name: &'static str| {
        let is_named = move |(own, _): &&(String, String)| own.eq_ignore_ascii_case(name);
        headers.iter().filter(is_named).map(|(_, value)| &value[..])
    };
    let wish = |kind, name: &str| Wish { kind, namespace: String::new(), name: name.to_owned(), key: String::new() };
    let mut wishes = Vec::new();
    let user = named("impersonate-user").next().filter(|user| !user.is_empty());
    if let Some(user) = user {
        wishes.push(match account(user) {
            Some((namespace, name)) => Wish { namespace: namespace.to_owned(), ..wish("ServiceAccount", name) },
            None => wish("User", user),
        });
    }
    wishes.extend(named("impersonate-group").map(|group| wish("Group", group)));
    // Go's headers have no order; here it is that of the keys.
    let mut extras: Vec<Wish> = Vec::new();
    for (name, value) in headers {
        if let Some(key) = name.to_ascii_lowercase().strip_prefix(EXTRA_PREFIX) {
            extras.push(Wish { key: unescaped(key), ..wish("UserExtra", value) });
        }
    }
    extras.sort_by(|a, b| a.key.cmp(&b.key));
    wishes.extend(extras);
    wishes.extend(named("impersonate-uid").take(1).filter(|uid| !uid.is_empty()).map(|uid| wish("UID", uid)));
    if user.is_none() && !wishes.is_empty() {
        let shown: Vec<String> = wishes.iter().map(Wish::show).collect();
        return Err(format!("requested [{}] without impersonating a user", shown.join(" ")));
    }
    Ok(wishes)
}

/// Namespace and name of a service account's user.
fn account(user: &str) -> Option<(&str, &str)> {
    let (namespace, name) = user.strip_prefix(service_accounts::USER_PREFIX)?.split_once(':')?;
    let is_good = names::dns1123_label(namespace).is_empty() && names::dns1123_subdomain(name).is_empty();
    is_good.then_some((namespace, name))
}

/// `example.com%2fproject`; what is no escape stays as it is.
fn unescaped(key: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = key.as_bytes();
    while let [first, after @ ..] = rest {
        let digit = |at: usize| after.get(at).and_then(|byte| char::from(*byte).to_digit(16));
        match (first, digit(0).zip(digit(1))) {
            (b'%', Some((high, low))) => {
                bytes.push(u8::try_from(high * 16 + low).expect("two digits make a byte"));
                rest = &after[2..];
            }
            (b'%', None) => return key.to_owned(),
            _ => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8(bytes).unwrap_or_else(|_| key.to_owned())
}
