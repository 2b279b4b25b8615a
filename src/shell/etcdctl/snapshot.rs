//! `snapshot save`: fetches a member's database and puts it into a file. Upstream: `client/v3/snapshot`.

use super::super::printers::go::json_string;
use super::super::printers::table::human_bytes;
use super::super::process::{Ask, Asks, NO_DEADLINE, Tell, Token};
use super::client::{Client, Logger, epoch_time};
use super::{EXIT_INTERRUPTED, Failure, Step};
use crate::etcd::api::{Request, Response, SnapshotRequest};
use crate::etcd::error::Status;
use crate::sim::{Micros, SimTime};
use bytes::Bytes;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Save {
    client: Client,
    path: String,
    started: SimTime,
}

impl Save {
    /// It must be told of one endpoint only.
    pub fn check(client: &Client) -> Result<(), Failure> {
        match client.via.endpoints.as_slice() {
            [_] => Ok(()),
            many => {
                let many = many.join(" ");
                let message = format!("snapshot must be requested to one selected node, not multiple [{many}]");
                Err(Failure::new(EXIT_INTERRUPTED, message))
            }
        }
    }

    pub fn new(client: Client, path: &str) -> Save {
        Save { client, path: path.to_owned(), started: SimTime::ZERO }
    }

    fn part(&self) -> String {
        format!("{}.part", self.path)
    }

    /// Opens the file and asks for what goes into it.
    pub fn start(&mut self, now: SimTime, asks: &mut Asks) -> Result<(), Failure> {
        let part = self.part();
        asks.files.write(&part, Bytes::new()).map_err(|error| {
            let message = format!("could not open {part} (open {part}: {})", error.in_go());
            Failure::new(EXIT_INTERRUPTED, message)
        })?;
        log(now, 68, "created temporary db file", &[("path", &part)], asks);
        self.started = now;
        let timeout = if self.client.timeout_set { self.client.timeout } else { NO_DEADLINE };
        self.client.ask_within(Token(0), Request::Snapshot(SnapshotRequest {}), timeout, asks);
        Ok(())
    }

    pub fn tell(&mut self, now: SimTime, tell: Tell, asks: &mut Asks) -> Step {
        let Tell::Answer { result, .. } = tell else { return Ok(None) };
        let saved = match result {
            Ok(Response::Snapshot(response)) => self.fetched(now, response.blob, asks),
            Ok(_) => return Ok(None),
            Err(error) => Err(self.broken(now, &error.status, asks)),
        };
        if let Err(message) = saved {
            // Upstream removes the part whatever happens; it may be gone already.
            let _ = asks.files.remove(&self.part());
            return Err(Failure::new(EXIT_INTERRUPTED, message));
        }
        asks.print(format!("Snapshot saved at {}\n", self.path));
        Ok(Some(0))
    }

    fn opened(&self, now: SimTime, asks: &mut Asks) {
        let head = Logger::Zap.head(now, "info", "v3/maintenance.go:211");
        asks.push(Ask::Stderr(format!("{head},\"msg\":\"opened snapshot stream; downloading\"}}\n")));
        let endpoint = self.client.via.endpoints.first().map_or("", String::as_str);
        log(now, 76, "fetching snapshot", &[("endpoint", endpoint)], asks);
    }

    fn broken(&self, now: SimTime, status: &Status, asks: &mut Asks) -> String {
        let text = super::client::error_text(status);
        if text != "context deadline exceeded" {
            self.opened(now, asks);
            let head = Logger::Zap.head(now, "warn", "v3/maintenance.go:221");
            let message = "failed to receive from snapshot stream; closing";
            asks.push(Ask::Stderr(format!(
                "{head},\"msg\":\"{message}\",\"error\":{}}}\n",
                json_string(&status.to_string())
            )));
        }
        text
    }

    fn fetched(&self, now: SimTime, blob: Bytes, asks: &mut Asks) -> Result<(), String> {
        self.opened(now, asks);
        let head = Logger::Zap.head(now, "info", "v3/maintenance.go:219");
        asks.push(Ask::Stderr(format!("{head},\"msg\":\"completed snapshot read; closing\"}}\n")));
        let size = blob.len();
        if size % 512 != 32 {
            return Err(format!("sha256 checksum not found [bytes: {size}]"));
        }
        let part = self.part();
        asks.files.write(&part, blob).map_err(|error| format!("write {part}: {}", error.in_go()))?;
        let endpoint = self.client.via.endpoints.first().map_or("", String::as_str);
        let (shown, took) = (human_bytes(size as i64), ago(now.since(self.started)));
        log(now, 91, "fetched snapshot", &[("endpoint", endpoint), ("size", &shown), ("took", &took)], asks);
        let (from, to) = (&part, &self.path);
        asks.files
            .rename(from, to)
            .map_err(|error| format!("could not rename {from} to {to} (rename {from} {to}: {})", error.in_go()))?;
        log(now, 100, "saved", &[("path", to)], asks);
        Ok(())
    }
}

/// A line of the snapshot package's own log.
fn log(now: SimTime, line: u32, message: &str, fields: &[(&str, &str)], asks: &mut Asks) {
    let fields: String = fields.iter().map(|(name, value)| format!(",\"{name}\":{}", json_string(value))).collect();
    let time = epoch_time(now);
    asks.push(Ask::Stderr(format!(
        "{{\"level\":\"info\",\"ts\":{time},\"caller\":\"snapshot/v3_snapshot.go:{line}\",\"msg\":\"{message}\"{fields}}}\n"
    )));
}

/// As Go's package `humanize` tells how long ago something was.
fn ago(span: Micros) -> String {
    match span.0 / 1_000_000 {
        0 => "now".to_owned(),
        1 => "1 second ago".to_owned(),
        seconds @ 2..60 => format!("{seconds} seconds ago"),
        60..120 => "1 minute ago".to_owned(),
        seconds => format!("{} minutes ago", seconds / 60),
    }
}
