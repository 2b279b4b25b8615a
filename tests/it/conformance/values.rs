//! Protobuf messages as the recordings write them: JSON without the fields that are proto3 defaults.

use bytes::Bytes;
use control_plane_lab::etcd::api::*;
use serde_json::{Map, Value, json};

pub fn int(value: &Value, field: &str) -> i64 {
    value.get(field).map_or(0, |value| value.as_i64().expect("a number"))
}

pub fn flag(value: &Value, field: &str) -> bool {
    value.get(field).is_some_and(|value| value.as_bool().expect("a boolean"))
}

pub fn list<'a>(value: &'a Value, field: &str) -> impl Iterator<Item = &'a Value> {
    value.get(field).map(|value| value.as_array().expect("a list")).into_iter().flatten()
}

pub fn name<T: Copy + Into<i32>>(value: &Value, field: &str, names: &[(&str, T)]) -> i32 {
    let Some(name) = value.get(field) else { return 0 };
    let name = name.as_str().expect("a name");
    names.iter().find(|(known, _)| *known == name).expect("a known name").1.into()
}

pub fn bytes(value: &Value, field: &str) -> Bytes {
    match value.get(field) {
        None => Bytes::new(),
        Some(Value::String(text)) => Bytes::from(text.clone()),
        Some(value) => match (value.get("b64"), value.get("rep")) {
            (Some(text), _) => from_base64(text.as_str().expect("base 64")).into(),
            (_, Some(run)) => {
                run[0].as_str().expect("a character").repeat(run[1].as_u64().expect("a count") as usize).into()
            }
            _ => panic!("bytes in no known form: {value}"),
        },
    }
}

/// The request that an operation makes, unless it is one of a watch stream or of the recorder itself.
pub fn request(op: &Value) -> Option<Request> {
    let text = |field: &str| op.get(field).map_or(String::new(), |value| value.as_str().expect("a text").to_owned());
    let (id, name) = (int(op, "ID"), text("name"));
    Some(match op["type"].as_str().expect("an operation has a type") {
        "range" => Request::Range(range_request(op)),
        "put" => Request::Put(put_request(op)),
        "delete_range" => Request::DeleteRange(delete_request(op)),
        "txn" => Request::Txn(txn_request(op)),
        "compact" => {
            Request::Compact(CompactionRequest { revision: int(op, "revision"), physical: flag(op, "physical") })
        }
        "lease_grant" => Request::LeaseGrant(LeaseGrantRequest { ttl: int(op, "TTL"), id }),
        "lease_revoke" => Request::LeaseRevoke(LeaseRevokeRequest { id }),
        "lease_timetolive" => Request::LeaseTimeToLive(LeaseTimeToLiveRequest { id, keys: flag(op, "keys") }),
        "lease_leases" => Request::LeaseLeases(LeaseLeasesRequest {}),
        "lease_keepalive" => Request::LeaseKeepAlive(LeaseKeepAliveRequest { id }),
        "hashkv" => Request::HashKv(HashKvRequest { revision: int(op, "revision") }),
        "defrag" => Request::Defragment(DefragmentRequest {}),
        "status" => Request::Status(StatusRequest {}),
        "auth_enable" => Request::AuthEnable(AuthEnableRequest {}),
        "auth_disable" => Request::AuthDisable(AuthDisableRequest {}),
        "auth_status" => Request::AuthStatus(AuthStatusRequest {}),
        "authenticate" => Request::Authenticate(AuthenticateRequest { name, password: text("password") }),
        "user_add" => {
            let options = |value: &Value| UserAddOptions { no_password: flag(value, "no_password") };
            let (password, options) = (text("password"), op.get("options").map(options));
            let hashed_password = text("hashedPassword");
            Request::UserAdd(AuthUserAddRequest { name, password, options, hashed_password })
        }
        "user_get" => Request::UserGet(AuthUserGetRequest { name }),
        "user_list" => Request::UserList(AuthUserListRequest {}),
        "user_delete" => Request::UserDelete(AuthUserDeleteRequest { name }),
        "user_change_password" => {
            let (password, hashed_password) = (text("password"), text("hashedPassword"));
            Request::UserChangePassword(AuthUserChangePasswordRequest { name, password, hashed_password })
        }
        "user_grant_role" => {
            Request::UserGrantRole(AuthUserGrantRoleRequest { user: text("user"), role: text("role") })
        }
        "user_revoke_role" => Request::UserRevokeRole(AuthUserRevokeRoleRequest { name, role: text("role") }),
        "role_add" => Request::RoleAdd(AuthRoleAddRequest { name }),
        "role_get" => Request::RoleGet(AuthRoleGetRequest { role: text("role") }),
        "role_list" => Request::RoleList(AuthRoleListRequest {}),
        "role_delete" => Request::RoleDelete(AuthRoleDeleteRequest { role: text("role") }),
        "role_grant_permission" => {
            let perm = op.get("perm").map(permission);
            Request::RoleGrantPermission(AuthRoleGrantPermissionRequest { name, perm })
        }
        "role_revoke_permission" => Request::RoleRevokePermission(AuthRoleRevokePermissionRequest {
            role: text("role"),
            key: bytes(op, "key"),
            range_end: bytes(op, "range_end"),
        }),
        _ => return None,
    })
}

const KINDS: [(&str, PermissionType); 3] =
    [("READ", PermissionType::Read), ("WRITE", PermissionType::Write), ("READWRITE", PermissionType::ReadWrite)];

fn permission(value: &Value) -> Permission {
    let perm_type = name(value, "permType", &KINDS);
    Permission { perm_type, key: bytes(value, "key"), range_end: bytes(value, "range_end") }
}

fn permission_value(permission: &Permission) -> Value {
    let kind = KINDS.iter().find(|(_, kind)| *kind as i32 == permission.perm_type).expect("a known kind").0;
    let (key, end) = (bytes_value(&permission.key), bytes_value(&permission.range_end));
    fields([("permType", kind.into()), ("key", key), ("range_end", end)])
}

/// A response as it is recorded. `own` is the id that the recordings call `$self`.
pub fn response(response: &Response, own: u64) -> Value {
    let header = response.header().cloned();
    let header = header_value(&header);
    match response {
        Response::Range(response) => range_value(response),
        Response::Put(response) => put_value(response),
        Response::DeleteRange(response) => delete_value(response),
        Response::Txn(response) => txn_value(response),
        Response::HashKv(HashKvResponse { hash, compact_revision, .. }) => {
            fields([("header", header), ("hash", (*hash).into()), ("compact_revision", (*compact_revision).into())])
        }
        Response::Status(status) => {
            let names = |error: &String| error.replace(&format!("memberID:{own} "), "memberID:$self ");
            let mut errors: Vec<String> = status.errors.iter().map(names).collect();
            errors.sort();
            fields([
                ("header", header),
                ("version", status.version.as_str().into()),
                ("errors", errors.into()),
                ("isLearner", status.is_learner.into()),
            ])
        }
        Response::Alarm(response) => fields([("header", header), ("alarms", alarms_value(&response.alarms, own))]),
        Response::LeaseGrant(LeaseGrantResponse { id, ttl, .. }) => {
            fields([("header", header), ("ID", (*id).into()), ("TTL", (*ttl).into())])
        }
        Response::LeaseKeepAlive(LeaseKeepAliveResponse { id, ttl, .. }) => {
            fields([("header", header), ("ID", (*id).into()), ("TTL", (*ttl).into())])
        }
        Response::LeaseTimeToLive(left) => {
            let alive = left.ttl >= 0;
            assert!(!alive || left.ttl <= left.granted_ttl, "a living lease has at most all of its time left");
            let ttl = if alive { "$ttl".into() } else { left.ttl.into() };
            fields([
                ("header", header),
                ("ID", left.id.into()),
                ("TTL", ttl),
                ("grantedTTL", left.granted_ttl.into()),
                ("keys", left.keys.iter().map(|key| bytes_value(key)).collect()),
            ])
        }
        Response::LeaseLeases(response) => {
            let leases = response.leases.iter().map(|lease| fields([("ID", lease.id.into())])).collect();
            fields([("header", header), ("leases", leases)])
        }
        Response::AuthStatus(AuthStatusResponse { enabled, auth_revision, .. }) => {
            fields([("header", header), ("enabled", (*enabled).into()), ("authRevision", (*auth_revision).into())])
        }
        Response::Authenticate(_) => fields([("header", header), ("token", "$token".into())]),
        Response::UserGet(response) => fields([("header", header), ("roles", response.roles.clone().into())]),
        Response::UserList(response) => fields([("header", header), ("users", response.users.clone().into())]),
        Response::RoleGet(response) => {
            fields([("header", header), ("perm", response.perm.iter().map(permission_value).collect())])
        }
        Response::RoleList(response) => fields([("header", header), ("roles", response.roles.clone().into())]),
        // The others say nothing but their header.
        _ => fields([("header", header)]),
    }
}

/// Sorted by member, this one first, then by the alarm's name.
fn alarms_value(alarms: &[AlarmMember], own: u64) -> Value {
    let mut alarms: Vec<(u64, &str)> = alarms
        .iter()
        .map(|alarm| (if alarm.member_id == own { 0 } else { alarm.member_id }, alarm.alarm().name()))
        .collect();
    alarms.sort_unstable();
    let value = |(id, name): (u64, &str)| {
        let id = if id == 0 { Value::from("$self") } else { id.into() };
        fields([("memberID", id), ("alarm", name.into())])
    };
    alarms.into_iter().map(value).collect()
}

pub fn alarm_request(op: &Value, own: u64) -> Request {
    let actions =
        [("GET", AlarmAction::Get), ("ACTIVATE", AlarmAction::Activate), ("DEACTIVATE", AlarmAction::Deactivate)];
    let alarms = [("NONE", AlarmType::None), ("NOSPACE", AlarmType::NoSpace), ("CORRUPT", AlarmType::Corrupt)];
    let member_id = if op["memberID"] == "$self" { own } else { op["memberID"].as_u64().unwrap_or(0) };
    Request::Alarm(AlarmRequest { action: name(op, "action", &actions), member_id, alarm: name(op, "alarm", &alarms) })
}

pub fn range_request(op: &Value) -> RangeRequest {
    let orders = [("NONE", SortOrder::None), ("ASCEND", SortOrder::Ascend), ("DESCEND", SortOrder::Descend)];
    let targets = [
        ("KEY", SortTarget::Key),
        ("VERSION", SortTarget::Version),
        ("CREATE", SortTarget::Create),
        ("MOD", SortTarget::Mod),
        ("VALUE", SortTarget::Value),
    ];
    RangeRequest {
        key: bytes(op, "key"),
        range_end: bytes(op, "range_end"),
        limit: int(op, "limit"),
        revision: int(op, "revision"),
        sort_order: name(op, "sort_order", &orders),
        sort_target: name(op, "sort_target", &targets),
        serializable: flag(op, "serializable"),
        keys_only: flag(op, "keys_only"),
        count_only: flag(op, "count_only"),
        min_mod_revision: int(op, "min_mod_revision"),
        max_mod_revision: int(op, "max_mod_revision"),
        min_create_revision: int(op, "min_create_revision"),
        max_create_revision: int(op, "max_create_revision"),
    }
}

pub fn put_request(op: &Value) -> PutRequest {
    PutRequest {
        key: bytes(op, "key"),
        value: bytes(op, "value"),
        lease: int(op, "lease"),
        prev_kv: flag(op, "prev_kv"),
        ignore_value: flag(op, "ignore_value"),
        ignore_lease: flag(op, "ignore_lease"),
    }
}

pub fn delete_request(op: &Value) -> DeleteRangeRequest {
    DeleteRangeRequest { key: bytes(op, "key"), range_end: bytes(op, "range_end"), prev_kv: flag(op, "prev_kv") }
}

pub fn txn_request(op: &Value) -> TxnRequest {
    TxnRequest {
        compare: list(op, "compare").map(compare_request).collect(),
        success: list(op, "success").map(request_op).collect(),
        failure: list(op, "failure").map(request_op).collect(),
    }
}

pub fn compare_request(op: &Value) -> Compare {
    let results = [
        ("EQUAL", CompareResult::Equal),
        ("GREATER", CompareResult::Greater),
        ("LESS", CompareResult::Less),
        ("NOT_EQUAL", CompareResult::NotEqual),
    ];
    let targets = [
        ("VERSION", CompareTarget::Version),
        ("CREATE", CompareTarget::Create),
        ("MOD", CompareTarget::Mod),
        ("VALUE", CompareTarget::Value),
        ("LEASE", CompareTarget::Lease),
    ];
    let union = |field: &str| match field {
        "version" => Some(TargetUnion::Version(int(op, field))),
        "create_revision" => Some(TargetUnion::CreateRevision(int(op, field))),
        "mod_revision" => Some(TargetUnion::ModRevision(int(op, field))),
        "value" => Some(TargetUnion::Value(bytes(op, field))),
        "lease" => Some(TargetUnion::Lease(int(op, field))),
        _ => None,
    };
    Compare {
        result: name(op, "result", &results),
        target: name(op, "target", &targets),
        key: bytes(op, "key"),
        target_union: op.as_object().expect("a compare").keys().find_map(|field| union(field)),
        range_end: bytes(op, "range_end"),
    }
}

pub fn request_op(op: &Value) -> RequestOp {
    let kind = op.as_object().expect("an operation").iter().next();
    let request = kind.map(|(kind, op)| match kind.as_str() {
        "request_range" => RequestOpKind::Range(range_request(op)),
        "request_put" => RequestOpKind::Put(put_request(op)),
        "request_delete_range" => RequestOpKind::DeleteRange(delete_request(op)),
        "request_txn" => RequestOpKind::Txn(txn_request(op)),
        other => panic!("{other} in a transaction"),
    });
    RequestOp { request }
}

pub fn watch_request(op: &Value) -> WatchCreateRequest {
    let filters = list(op, "filters").map(|filter| match filter.as_str() {
        Some("NOPUT") => FilterType::NoPut as i32,
        Some("NODELETE") => FilterType::NoDelete as i32,
        _ => panic!("a filter named {filter}"),
    });
    WatchCreateRequest {
        key: bytes(op, "key"),
        range_end: bytes(op, "range_end"),
        start_revision: int(op, "start_revision"),
        progress_notify: flag(op, "progress_notify"),
        filters: filters.collect(),
        prev_kv: flag(op, "prev_kv"),
        watch_id: int(op, "watch_id"),
        fragment: flag(op, "fragment"),
    }
}

/// An object of the fields that are not proto3 defaults.
pub fn fields<const N: usize>(all: [(&str, Value); N]) -> Value {
    let is_default = |value: &Value| match value {
        Value::Null => true,
        Value::Bool(flag) => !flag,
        Value::Number(number) => number.as_i64() == Some(0),
        Value::String(text) => text.is_empty(),
        Value::Array(list) => list.is_empty(),
        Value::Object(_) => false,
    };
    let kept = all.into_iter().filter(|(_, value)| !is_default(value));
    kept.map(|(field, value)| (field.to_owned(), value)).collect::<Map<String, Value>>().into()
}

pub fn bytes_value(bytes: &[u8]) -> Value {
    match std::str::from_utf8(bytes) {
        Ok(text) if bytes.len() >= 64 && bytes[0].is_ascii() && bytes.iter().all(|byte| *byte == bytes[0]) => {
            json!({"rep": [&text[..1], bytes.len()]})
        }
        Ok(text) => text.into(),
        Err(_) => json!({"b64": to_base64(bytes)}),
    }
}

pub fn header_value(header: &Option<ResponseHeader>) -> Value {
    header.as_ref().map_or(Value::Null, |header| fields([("revision", header.revision.into())]))
}

pub fn kv_value(kv: &KeyValue) -> Value {
    fields([
        ("key", bytes_value(&kv.key)),
        ("create_revision", kv.create_revision.into()),
        ("mod_revision", kv.mod_revision.into()),
        ("version", kv.version.into()),
        ("value", bytes_value(&kv.value)),
        ("lease", kv.lease.into()),
    ])
}

pub fn kvs_value(kvs: &[KeyValue]) -> Value {
    kvs.iter().map(kv_value).collect()
}

pub fn range_value(response: &RangeResponse) -> Value {
    fields([
        ("header", header_value(&response.header)),
        ("kvs", kvs_value(&response.kvs)),
        ("more", response.more.into()),
        ("count", response.count.into()),
    ])
}

pub fn put_value(response: &PutResponse) -> Value {
    let previous = response.prev_kv.as_ref().map_or(Value::Null, kv_value);
    fields([("header", header_value(&response.header)), ("prev_kv", previous)])
}

pub fn delete_value(response: &DeleteRangeResponse) -> Value {
    fields([
        ("header", header_value(&response.header)),
        ("deleted", response.deleted.into()),
        ("prev_kvs", kvs_value(&response.prev_kvs)),
    ])
}

pub fn txn_value(response: &TxnResponse) -> Value {
    let responses: Vec<Value> = response.responses.iter().map(response_op_value).collect();
    fields([
        ("header", header_value(&response.header)),
        ("succeeded", response.succeeded.into()),
        ("responses", responses.into()),
    ])
}

pub fn response_op_value(op: &ResponseOp) -> Value {
    match op.response.as_ref().expect("an answer") {
        ResponseOpKind::Range(response) => json!({"response_range": range_value(response)}),
        ResponseOpKind::Put(response) => json!({"response_put": put_value(response)}),
        ResponseOpKind::DeleteRange(response) => json!({"response_delete_range": delete_value(response)}),
        ResponseOpKind::Txn(response) => json!({"response_txn": txn_value(response)}),
    }
}

pub fn watch_value(response: &WatchResponse) -> Value {
    let event = |event: &Event| {
        let kind = if event.r#type == EventType::Put as i32 { "PUT" } else { "DELETE" };
        let previous = event.prev_kv.as_ref().map_or(Value::Null, kv_value);
        let kv = event.kv.as_ref().map_or(Value::Null, kv_value);
        fields([("type", kind.into()), ("kv", kv), ("prev_kv", previous)])
    };
    fields([
        ("header", header_value(&response.header)),
        ("watch_id", response.watch_id.into()),
        ("created", response.created.into()),
        ("canceled", response.canceled.into()),
        ("compact_revision", response.compact_revision.into()),
        ("cancel_reason", response.cancel_reason.as_str().into()),
        ("fragment", response.fragment.into()),
        ("events", response.events.iter().map(event).collect()),
    ])
}

const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

pub fn to_base64(bytes: &[u8]) -> String {
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let word = chunk.iter().enumerate().fold(0u32, |word, (i, byte)| word | u32::from(*byte) << (16 - 8 * i));
        for i in 0..4 {
            let digit = BASE64[(word >> (18 - 6 * i) & 63) as usize];
            text.push(if i <= chunk.len() { digit as char } else { '=' });
        }
    }
    text
}

pub fn from_base64(text: &str) -> Vec<u8> {
    let (mut word, mut bits, mut bytes) = (0u32, 0, Vec::new());
    for digit in text.bytes().filter(|digit| *digit != b'=') {
        let value = BASE64.iter().position(|known| *known == digit).expect("a digit of base 64");
        word = word << 6 | value as u32;
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            bytes.push((word >> bits) as u8);
        }
    }
    bytes
}
