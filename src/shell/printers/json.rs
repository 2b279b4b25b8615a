//! `-w json`: Go's `encoding/json` of the Protobuf structs. Fields at their default are left out, bytes are base64.

use super::go::json_string;
use super::{EndpointHealth, SnapshotStatus};
use crate::etcd::api::{
    AlarmMember, DeleteRangeResponse, Event, HashKvResponse, KeyValue, LeaseStatus, Member, MemberListResponse,
    Permission, PutResponse, RangeResponse, Response, ResponseHeader, ResponseOp, ResponseOpKind, StatusResponse,
    TxnResponse, WatchResponse,
};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// An object under construction, field after field.
#[derive(Default)]
struct Object(String);

impl Object {
    /// A field whatever its value.
    fn always(mut self, name: &str, value: impl std::fmt::Display) -> Object {
        let comma = if self.0.is_empty() { "" } else { "," };
        self.0 += &format!("{comma}\"{name}\":{value}");
        self
    }

    /// A field unless it is at its default.
    fn unless(self, default: bool, name: &str, value: impl std::fmt::Display) -> Object {
        if default { self } else { self.always(name, value) }
    }

    fn number<N: std::fmt::Display + Default + PartialEq>(self, name: &str, value: N) -> Object {
        self.unless(value == N::default(), name, value)
    }

    fn flag(self, name: &str, value: bool) -> Object {
        self.unless(!value, name, value)
    }

    fn text(self, name: &str, value: &str) -> Object {
        self.unless(value.is_empty(), name, json_string(value))
    }

    fn bytes(self, name: &str, value: &[u8]) -> Object {
        self.unless(value.is_empty(), name, format!("\"{}\"", STANDARD.encode(value)))
    }

    fn message<M>(self, name: &str, value: &Option<M>, show: impl Fn(&M) -> String) -> Object {
        match value {
            None => self,
            Some(value) => self.always(name, show(value)),
        }
    }

    fn list<M>(self, name: &str, values: &[M], show: impl Fn(&M) -> String) -> Object {
        self.unless(values.is_empty(), name, list(values, show))
    }

    fn end(self) -> String {
        format!("{{{}}}", self.0)
    }
}

fn list<M>(values: &[M], show: impl Fn(&M) -> String) -> String {
    format!("[{}]", values.iter().map(show).collect::<Vec<_>>().join(","))
}

/// As Go shows a slice that nothing was appended to.
fn list_or_null<M>(values: &[M], show: impl Fn(&M) -> String) -> String {
    if values.is_empty() { "null".to_owned() } else { list(values, show) }
}

pub fn response(response: &Response) -> String {
    match response {
        Response::Range(response) => range(response),
        Response::Put(response) => put(response),
        Response::DeleteRange(response) => delete(response),
        Response::Txn(response) => txn(response),
        Response::MemberList(response) => member_list(response),
        Response::MemberAdd(response) => Object::default()
            .message("header", &response.header, header)
            .message("member", &response.member, member)
            .list("members", &response.members, member)
            .end(),
        Response::MemberRemove(response) => members(&response.header, &response.members),
        Response::MemberUpdate(response) => members(&response.header, &response.members),
        Response::MemberPromote(response) => members(&response.header, &response.members),
        Response::Status(response) => status(response),
        Response::HashKv(response) => hash_kv(response),
        Response::LeaseGrant(lease) => head(&lease.header)
            .always("ID", lease.id)
            .always("TTL", lease.ttl)
            .always("Error", json_string(&lease.error))
            .end(),
        Response::LeaseKeepAlive(lease) => head(&lease.header).always("ID", lease.id).always("TTL", lease.ttl).end(),
        Response::LeaseTimeToLive(lease) => head(&lease.header)
            .always("id", lease.id)
            .always("ttl", lease.ttl)
            .always("granted-ttl", lease.granted_ttl)
            .always("keys", list_or_null(&lease.keys, |key| format!("\"{}\"", STANDARD.encode(key))))
            .end(),
        Response::LeaseLeases(leases) => {
            let lease = |lease: &LeaseStatus| Object::default().always("id", lease.id).end();
            head(&leases.header).always("leases", list(&leases.leases, lease)).end()
        }
        Response::Alarm(response) => Object::default()
            .message("header", &response.header, header)
            .list("alarms", &response.alarms, |alarm: &AlarmMember| {
                Object::default().number("memberID", alarm.member_id).number("alarm", alarm.alarm).end()
            })
            .end(),
        Response::AuthStatus(status) => Object::default()
            .message("header", &status.header, header)
            .flag("enabled", status.enabled)
            .number("authRevision", status.auth_revision)
            .end(),
        Response::UserGet(user) => names(&user.header, "roles", &user.roles),
        Response::UserList(users) => names(&users.header, "users", &users.users),
        Response::RoleList(roles) => names(&roles.header, "roles", &roles.roles),
        Response::RoleGet(role) => {
            Object::default().message("header", &role.header, header).list("perm", &role.perm, permission).end()
        }
        // Nothing but a header.
        response => Object::default().message("header", &response.header().cloned(), header).end(),
    }
}

fn members(head: &Option<ResponseHeader>, members: &[Member]) -> String {
    Object::default().message("header", head, header).list("members", members, member).end()
}

fn names(head: &Option<ResponseHeader>, name: &str, names: &[String]) -> String {
    Object::default().message("header", head, header).list(name, names, |one| json_string(one)).end()
}

fn permission(permission: &Permission) -> String {
    Object::default()
        .number("permType", permission.perm_type)
        .bytes("key", &permission.key)
        .bytes("range_end", &permission.range_end)
        .end()
}

pub fn snapshot_status(status: &SnapshotStatus) -> String {
    Object::default()
        .always("hash", status.hash)
        .always("revision", status.revision)
        .always("totalKey", status.total_key)
        .always("totalSize", status.total_size)
        .end()
}

fn header(head: &ResponseHeader) -> String {
    header_fields(head).end()
}

/// An object that begins with a header's fields: how clientv3's own structs of leases look.
fn head(head: &Option<ResponseHeader>) -> Object {
    head.as_ref().map_or_else(Object::default, header_fields)
}

fn header_fields(header: &ResponseHeader) -> Object {
    Object::default()
        .number("cluster_id", header.cluster_id)
        .number("member_id", header.member_id)
        .number("revision", header.revision)
        .number("raft_term", header.raft_term)
}

fn pair(kv: &KeyValue) -> String {
    Object::default()
        .bytes("key", &kv.key)
        .number("create_revision", kv.create_revision)
        .number("mod_revision", kv.mod_revision)
        .number("version", kv.version)
        .bytes("value", &kv.value)
        .number("lease", kv.lease)
        .end()
}

fn range(response: &RangeResponse) -> String {
    Object::default()
        .message("header", &response.header, header)
        .list("kvs", &response.kvs, pair)
        .flag("more", response.more)
        .number("count", response.count)
        .end()
}

fn put(response: &PutResponse) -> String {
    Object::default().message("header", &response.header, header).message("prev_kv", &response.prev_kv, pair).end()
}

fn delete(response: &DeleteRangeResponse) -> String {
    Object::default()
        .message("header", &response.header, header)
        .number("deleted", response.deleted)
        .list("prev_kvs", &response.prev_kvs, pair)
        .end()
}

fn txn(response: &TxnResponse) -> String {
    let op = |op: &ResponseOp| {
        let inner = match &op.response {
            None => "null".to_owned(),
            Some(ResponseOpKind::Range(response)) => Object::default().always("response_range", range(response)).end(),
            Some(ResponseOpKind::Put(response)) => Object::default().always("response_put", put(response)).end(),
            Some(ResponseOpKind::DeleteRange(response)) => {
                Object::default().always("response_delete_range", delete(response)).end()
            }
            Some(ResponseOpKind::Txn(response)) => Object::default().always("response_txn", txn(response)).end(),
        };
        Object::default().always("Response", inner).end()
    };
    Object::default()
        .message("header", &response.header, header)
        .flag("succeeded", response.succeeded)
        .list("responses", &response.responses, op)
        .end()
}

fn member(member: &Member) -> String {
    Object::default()
        .number("ID", member.id)
        .text("name", &member.name)
        .list("peerURLs", &member.peer_urls, |url| json_string(url))
        .list("clientURLs", &member.client_urls, |url| json_string(url))
        .flag("isLearner", member.is_learner)
        .end()
}

fn member_list(response: &MemberListResponse) -> String {
    members(&response.header, &response.members)
}

/// `member list --hex`: written by hand upstream, so it leaves out the revision and `isLearner` and says `clientURLS`.
pub fn member_list_hex(response: &MemberListResponse) -> String {
    let hex = |number: u64| format!("\"{number:x}\"");
    let urls = |urls: &[String]| list_or_null(urls, |url| json_string(url));
    let head = response.header.clone().unwrap_or_default();
    let head = Object::default()
        .always("cluster_id", hex(head.cluster_id))
        .always("member_id", hex(head.member_id))
        .always("raft_term", format!("{:x}", head.raft_term))
        .end();
    let member = |member: &Member| {
        Object::default()
            .always("ID", hex(member.id))
            .always("name", json_string(&member.name))
            .always("peerURLs", urls(&member.peer_urls))
            .always("clientURLS", urls(&member.client_urls))
            .end()
    };
    Object::default().always("header", head).list("members", &response.members, member).end()
}

/// clientv3's own struct, which has no tags: every field is there, with a capital.
pub fn watch(response: &WatchResponse) -> String {
    let event = |event: &Event| {
        Object::default()
            .number("type", event.r#type)
            .message("kv", &event.kv, pair)
            .message("prev_kv", &event.prev_kv, pair)
            .end()
    };
    Object::default()
        .always("Header", header(&response.header.clone().unwrap_or_default()))
        .always("Events", list(&response.events, event))
        .always("CompactRevision", response.compact_revision)
        .always("Canceled", response.canceled)
        .always("Created", response.created)
        .end()
}

fn status(status: &StatusResponse) -> String {
    Object::default()
        .message("header", &status.header, header)
        .text("version", &status.version)
        .number("dbSize", status.db_size)
        .number("leader", status.leader)
        .number("raftIndex", status.raft_index)
        .number("raftTerm", status.raft_term)
        .number("raftAppliedIndex", status.raft_applied_index)
        .list("errors", &status.errors, |error| json_string(error))
        .number("dbSizeInUse", status.db_size_in_use)
        .flag("isLearner", status.is_learner)
        .end()
}

fn hash_kv(response: &HashKvResponse) -> String {
    Object::default()
        .message("header", &response.header, header)
        .number("hash", response.hash)
        .number("compact_revision", response.compact_revision)
        .end()
}

pub fn endpoint_status(list: &[(String, StatusResponse)]) -> String {
    list_or_null(list, |(endpoint, one)| {
        Object::default().always("Endpoint", json_string(endpoint)).always("Status", status(one)).end()
    })
}

pub fn endpoint_hash_kv(list: &[(String, HashKvResponse)]) -> String {
    list_or_null(list, |(endpoint, one)| {
        Object::default().always("Endpoint", json_string(endpoint)).always("HashKV", hash_kv(one)).end()
    })
}

pub fn endpoint_health(list: &[EndpointHealth]) -> String {
    list_or_null(list, |EndpointHealth { endpoint, took, error }| {
        Object::default()
            .always("endpoint", json_string(endpoint))
            .always("health", error.is_none())
            .always("took", json_string(took))
            .text("error", error.as_deref().unwrap_or_default())
            .end()
    })
}
