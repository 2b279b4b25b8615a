//! `-w simple`: what scripts and people read.

use super::super::text::from_bytes;
use super::go::hex_bytes;
use super::{Display, EndpointHealth, lines, table};
use crate::etcd::api::{
    AuthRoleGetResponse, DeleteRangeResponse, EventType, KeyValue, LeaseTimeToLiveResponse, Permission, PutResponse,
    RangeResponse, Request, Response, ResponseOpKind, TxnResponse, WatchResponse,
};
use crate::etcd::client::prefix_end;

pub fn answer(display: &Display, request: &Request, response: &Response) -> String {
    match response {
        Response::Range(response) => range(display, response),
        Response::Put(response) => put(display, response),
        Response::DeleteRange(response) => delete(display, response),
        Response::Txn(response) => txn(display, response),
        Response::MemberList(response) => lines(&table::member_rows(response)),
        Response::LeaseGrant(lease) => format!("lease {:016x} granted with TTL({}s)\n", lease.id, lease.ttl),
        Response::LeaseKeepAlive(lease) => format!("lease {:016x} keepalived with TTL({})\n", lease.id, lease.ttl),
        Response::LeaseTimeToLive(lease) => {
            time_to_live(lease, matches!(request, Request::LeaseTimeToLive(request) if request.keys))
        }
        Response::LeaseLeases(leases) => {
            let ids: String = leases.leases.iter().map(|lease| format!("{:016x}\n", lease.id)).collect();
            format!("found {} leases\n{ids}", leases.leases.len())
        }
        Response::Alarm(response) => {
            let line = |alarm: &crate::etcd::api::AlarmMember| {
                let member =
                    if alarm.member_id == 0 { String::new() } else { format!("memberID:{} ", alarm.member_id) };
                let kind = if alarm.alarm == 0 { String::new() } else { format!("alarm:{} ", alarm_name(alarm.alarm)) };
                format!("{member}{kind}\n")
            };
            response.alarms.iter().map(line).collect()
        }
        Response::AuthStatus(status) => {
            format!("Authentication Status: {}\nAuthRevision: {}\n", status.enabled, status.auth_revision)
        }
        Response::UserList(users) => users.users.iter().map(|user| format!("{user}\n")).collect(),
        Response::RoleList(roles) => roles.roles.iter().map(|role| format!("{role}\n")).collect(),
        response => about(request, response),
    }
}

/// What is said with the words of the request.
fn about(request: &Request, response: &Response) -> String {
    let cluster = response.header().map_or(0, |header| header.cluster_id);
    match (request, response) {
        (Request::LeaseRevoke(lease), _) => format!("lease {:016x} revoked\n", lease.id),
        (_, Response::MemberAdd(added)) => {
            format!(
                "Member {:16x} added to cluster {cluster:16x}\n",
                added.member.as_ref().map_or(0, |member| member.id)
            )
        }
        (Request::MemberRemove(member), _) => format!("Member {:16x} removed from cluster {cluster:16x}\n", member.id),
        (Request::MemberUpdate(member), _) => format!("Member {:16x} updated in cluster {cluster:16x}\n", member.id),
        (Request::MemberPromote(member), _) => format!("Member {:16x} promoted in cluster {cluster:16x}\n", member.id),
        (Request::UserAdd(user), _) => format!("User {} created\n", user.name),
        (Request::UserDelete(user), _) => format!("User {} deleted\n", user.name),
        (Request::UserGet(user), Response::UserGet(found)) => {
            let roles: String = found.roles.iter().map(|role| format!(" {role}")).collect();
            format!("User: {}\nRoles:{roles}\n", user.name)
        }
        (Request::UserChangePassword(_), _) => "Password updated\n".to_owned(),
        (Request::UserGrantRole(grant), _) => format!("Role {} is granted to user {}\n", grant.role, grant.user),
        (Request::UserRevokeRole(grant), _) => format!("Role {} is revoked from user {}\n", grant.role, grant.name),
        (Request::RoleAdd(role), _) => format!("Role {} created\n", role.name),
        (Request::RoleDelete(role), _) => format!("Role {} deleted\n", role.role),
        (Request::RoleGet(role), Response::RoleGet(found)) => role_get(&role.role, found),
        (Request::RoleGrantPermission(grant), _) => format!("Role {} updated\n", grant.name),
        (Request::RoleRevokePermission(revoked), _) => {
            let (key, end, role) = (from_bytes(&revoked.key), from_bytes(&revoked.range_end), &revoked.role);
            match end.as_str() {
                "" => format!("Permission of key {key} is revoked from role {role}\n"),
                "\0" => format!("Permission of range [{key}, <open ended> is revoked from role {role}\n"),
                end => format!("Permission of range [{key}, {end}) is revoked from role {role}\n"),
            }
        }
        // The commands that make the other calls print lines of their own.
        _ => String::new(),
    }
}

fn time_to_live(lease: &LeaseTimeToLiveResponse, keys: bool) -> String {
    if lease.granted_ttl == 0 && lease.ttl == -1 {
        return format!("lease {:016x} already expired\n", lease.id);
    }
    let attached = || lease.keys.iter().map(|key| from_bytes(key)).collect::<Vec<_>>().join(" ");
    let attached = if keys { format!(", attached keys([{}])", attached()) } else { String::new() };
    let (id, granted, left) = (lease.id, lease.granted_ttl, lease.ttl);
    format!("lease {id:016x} granted with TTL({granted}s), remaining({left}s){attached}\n")
}

pub fn alarm_name(kind: i32) -> &'static str {
    match kind {
        1 => "NOSPACE",
        2 => "CORRUPT",
        _ => "NONE",
    }
}

fn role_get(role: &str, response: &AuthRoleGetResponse) -> String {
    let range = |permission: &Permission| {
        let (key, end) = (from_bytes(&permission.key), from_bytes(&permission.range_end));
        if end.is_empty() {
            return format!("\t{key}\n");
        }
        let shown = if end == "\0" { format!("\t[{key}, <open ended>") } else { format!("\t[{key}, {end})") };
        let prefix = if prefix_end(&permission.key) == permission.range_end {
            format!(" (prefix {key})")
        } else {
            String::new()
        };
        format!("{shown}{prefix}\n")
    };
    let may = |kinds: [i32; 2]| -> String {
        response.perm.iter().filter(|permission| kinds.contains(&permission.perm_type)).map(range).collect()
    };
    format!("Role {role}\nKV Read:\n{}KV Write:\n{}", may([0, 2]), may([1, 2]))
}

fn range(display: &Display, response: &RangeResponse) -> String {
    response.kvs.iter().map(|kv| pair(display, kv)).collect()
}

fn put(display: &Display, response: &PutResponse) -> String {
    "OK\n".to_owned() + &response.prev_kv.as_ref().map_or(String::new(), |kv| pair(display, kv))
}

fn delete(display: &Display, response: &DeleteRangeResponse) -> String {
    let pairs: String = response.prev_kvs.iter().map(|kv| pair(display, kv)).collect();
    format!("{}\n{pairs}", response.deleted)
}

fn txn(display: &Display, response: &TxnResponse) -> String {
    let mut out = if response.succeeded { "SUCCESS\n" } else { "FAILURE\n" }.to_owned();
    for op in response.responses.iter().filter_map(|op| op.response.as_ref()) {
        out.push('\n');
        out += &match op {
            ResponseOpKind::Range(response) => range(display, response),
            ResponseOpKind::Put(response) => put(display, response),
            ResponseOpKind::DeleteRange(response) => delete(display, response),
            ResponseOpKind::Txn(response) => txn(display, response),
        };
    }
    out
}

pub fn watch(display: &Display, response: &WatchResponse) -> String {
    let mut out = String::new();
    for event in &response.events {
        out += if event.r#type == EventType::Delete as i32 { "DELETE\n" } else { "PUT\n" };
        out.extend(event.prev_kv.iter().chain(&event.kv).map(|kv| pair(display, kv)));
    }
    out
}

/// Healthy ones for standard output, the others for standard error.
pub fn endpoint_health(list: &[EndpointHealth]) -> (String, String) {
    let (mut stdout, mut stderr) = (String::new(), String::new());
    for EndpointHealth { endpoint, took, error } in list {
        match error {
            None => stdout += &format!("{endpoint} is healthy: successfully committed proposal: took = {took}\n"),
            Some(error) => stderr += &format!("{endpoint} is unhealthy: failed to commit proposal: {error}\n"),
        }
    }
    (stdout, stderr)
}

fn pair(display: &Display, kv: &KeyValue) -> String {
    let shown = |bytes: &[u8]| if display.hex { hex_bytes(bytes) } else { from_bytes(bytes) };
    match display.value_only {
        true => shown(&kv.value) + "\n",
        false => format!("{}\n{}\n", shown(&kv.key), shown(&kv.value)),
    }
}
