//! `-w fields`: one `"Name" : value` a line. `--hex` changes nothing here, as upstream.

use super::go::{quote, quote_bytes};
use super::{EndpointHealth, SnapshotStatus};
use crate::etcd::api::{
    AlarmResponse, AuthRoleGetResponse, DeleteRangeResponse, EventType, HashKvResponse, KeyValue, MemberListResponse,
    PutResponse, RangeResponse, Response, ResponseHeader, ResponseOpKind, StatusResponse, TxnResponse, WatchResponse,
};

/// `None`: upstream has no fields for it.
pub fn response(response: &Response) -> Option<String> {
    let head = || header(&response.header().cloned());
    Some(match response {
        Response::Range(response) => range(response),
        Response::Put(response) => put(response),
        Response::DeleteRange(response) => delete(response),
        Response::Txn(response) => txn(response),
        Response::MemberList(response) => member_list(response),
        Response::LeaseGrant(lease) => head() + &lease_fields(lease.id, lease.ttl),
        Response::LeaseKeepAlive(lease) => head() + &lease_fields(lease.id, lease.ttl),
        Response::LeaseTimeToLive(lease) => {
            let keys: String = lease.keys.iter().map(|key| format!("\"Key\" : {}\n", quote_bytes(key))).collect();
            format!("{}{}\"GrantedTTL\" : {}\n{keys}", head(), lease_fields(lease.id, lease.ttl), lease.granted_ttl)
        }
        Response::LeaseLeases(leases) => {
            head() + &leases.leases.iter().map(|lease| format!("\"ID\" : {}\n", lease.id)).collect::<String>()
        }
        Response::Alarm(response) => alarm(response),
        Response::RoleGet(response) => role_get(response),
        Response::RoleList(response) => {
            let roles: String = response.roles.iter().map(|role| format!(" {}", quote(role))).collect();
            format!("{}\"Roles\" :{roles}\n", head())
        }
        Response::LeaseRevoke(_)
        | Response::RoleAdd(_)
        | Response::RoleDelete(_)
        | Response::RoleGrantPermission(_)
        | Response::RoleRevokePermission(_)
        | Response::UserAdd(_)
        | Response::UserDelete(_)
        | Response::UserChangePassword(_)
        | Response::UserGrantRole(_)
        | Response::UserRevokeRole(_) => head(),
        _ => return None,
    })
}

fn lease_fields(id: i64, ttl: i64) -> String {
    format!("\"ID\" : {id}\n\"TTL\" : {ttl}\n")
}

fn alarm(response: &AlarmResponse) -> String {
    let mut out = header(&response.header);
    for alarm in &response.alarms {
        let kind = super::simple::alarm_name(alarm.alarm);
        out += &format!("\"MemberID\" : {}\n\"AlarmType\" : {kind}\n\n", alarm.member_id);
    }
    out
}

fn role_get(response: &AuthRoleGetResponse) -> String {
    let mut out = header(&response.header);
    for permission in &response.perm {
        let kind = ["READ", "WRITE", "READWRITE"].get(permission.perm_type as usize).unwrap_or(&"READ");
        out += &format!("\"PermType\" :  {kind}\n\"Key\" : {}\n", quote_bytes(&permission.key));
        out += &format!("\"RangeEnd\" : {}\n", quote_bytes(&permission.range_end));
    }
    out
}

pub fn snapshot_status(status: &SnapshotStatus) -> String {
    format!(
        "\"Hash\" : {}\n\"Revision\" : {}\n\"Keys\" : {}\n\"Size\" : {}\n",
        status.hash, status.revision, status.total_key, status.total_size
    )
}

fn header(header: &Option<ResponseHeader>) -> String {
    let header = header.clone().unwrap_or_default();
    format!(
        "\"ClusterID\" : {}\n\"MemberID\" : {}\n\"Revision\" : {}\n\"RaftTerm\" : {}\n",
        header.cluster_id, header.member_id, header.revision, header.raft_term
    )
}

fn pair(prefix: &str, kv: &KeyValue) -> String {
    format!(
        "\"{prefix}Key\" : {}\n\"{prefix}CreateRevision\" : {}\n\"{prefix}ModRevision\" : {}\n\
         \"{prefix}Version\" : {}\n\"{prefix}Value\" : {}\n\"{prefix}Lease\" : {}\n",
        quote_bytes(&kv.key),
        kv.create_revision,
        kv.mod_revision,
        kv.version,
        quote_bytes(&kv.value),
        kv.lease
    )
}

fn range(response: &RangeResponse) -> String {
    let pairs: String = response.kvs.iter().map(|kv| pair("", kv)).collect();
    format!("{}{pairs}\"More\" : {}\n\"Count\" : {}\n", header(&response.header), response.more, response.count)
}

fn put(response: &PutResponse) -> String {
    header(&response.header) + &response.prev_kv.as_ref().map_or(String::new(), |kv| pair("Prev", kv))
}

fn delete(response: &DeleteRangeResponse) -> String {
    let pairs: String = response.prev_kvs.iter().map(|kv| pair("Prev", kv)).collect();
    format!("{}\"Deleted\" : {}\n{pairs}", header(&response.header), response.deleted)
}

fn txn(response: &TxnResponse) -> String {
    let mut out = format!("{}\"Succeeded\" : {}\n", header(&response.header), response.succeeded);
    for op in response.responses.iter().filter_map(|op| op.response.as_ref()) {
        out += &match op {
            ResponseOpKind::Range(response) => range(response),
            ResponseOpKind::Put(response) => put(response),
            ResponseOpKind::DeleteRange(response) => delete(response),
            ResponseOpKind::Txn(response) => txn(response),
        };
    }
    out
}

fn member_list(response: &MemberListResponse) -> String {
    let mut out = header(&response.header);
    for member in &response.members {
        out += &format!("\"ID\" : {}\n\"Name\" : {}\n", member.id, quote(&member.name));
        out.extend(member.peer_urls.iter().map(|url| format!("\"PeerURL\" : {}\n", quote(url))));
        out.extend(member.client_urls.iter().map(|url| format!("\"ClientURL\" : {}\n", quote(url))));
        out += &format!("\"IsLearner\" : {}\n\n", member.is_learner);
    }
    out
}

pub fn watch(response: &WatchResponse) -> String {
    let mut out = header(&response.header);
    for event in &response.events {
        let kind = if event.r#type == EventType::Delete as i32 { "DELETE" } else { "PUT" };
        out += &format!("\"Type\" : {kind}\n");
        out.extend(event.prev_kv.iter().map(|kv| pair("Prev", kv)));
        out.extend(event.kv.iter().map(|kv| pair("", kv)));
    }
    out
}

pub fn endpoint_status(list: &[(String, StatusResponse)]) -> String {
    let one = |(endpoint, status): &(String, StatusResponse)| {
        format!(
            "{}\"Version\" : {}\n\"DBSize\" : {}\n\"Leader\" : {}\n\"IsLearner\" : {}\n\"RaftIndex\" : {}\n\
             \"RaftTerm\" : {}\n\"RaftAppliedIndex\" : {}\n\"Errors\" : [{}]\n\"Endpoint\" : {}\n\n",
            header(&status.header),
            quote(&status.version),
            status.db_size,
            status.leader,
            status.is_learner,
            status.raft_index,
            status.raft_term,
            status.raft_applied_index,
            status.errors.join(" "),
            quote(endpoint)
        )
    };
    list.iter().map(one).collect()
}

pub fn endpoint_hash_kv(list: &[(String, HashKvResponse)]) -> String {
    let one = |(endpoint, hash): &(String, HashKvResponse)| {
        format!("{}\"Endpoint\" : {}\n\"Hash\" : {}\n\n", header(&hash.header), quote(endpoint), hash.hash)
    };
    list.iter().map(one).collect()
}

pub fn endpoint_health(list: &[EndpointHealth]) -> String {
    let one = |EndpointHealth { endpoint, took, error }: &EndpointHealth| {
        let healthy = error.is_none();
        let error = error.as_deref().unwrap_or_default();
        format!(
            "\"Endpoint\" : {}\n\"Health\" : {healthy}\n\"Took\" : {took}\n\"Error\" : {error}\n\n",
            quote(endpoint)
        )
    };
    list.iter().map(one).collect()
}
