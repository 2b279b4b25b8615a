//! `-w simple`: what scripts and people read.

use super::super::text::from_bytes;
use super::go::hex_bytes;
use super::{Display, EndpointHealth, lines, table};
use crate::etcd::api::{
    DeleteRangeResponse, EventType, KeyValue, PutResponse, RangeResponse, Response, ResponseOpKind, TxnResponse,
    WatchResponse,
};

pub fn response(display: &Display, response: &Response) -> String {
    match response {
        Response::Range(response) => range(display, response),
        Response::Put(response) => put(display, response),
        Response::DeleteRange(response) => delete(display, response),
        Response::Txn(response) => txn(display, response),
        Response::MemberList(response) => lines(&table::member_rows(response)),
        // The commands that make these calls print lines of their own.
        _ => String::new(),
    }
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
