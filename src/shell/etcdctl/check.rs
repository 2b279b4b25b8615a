//! `check perf` and `check datascale`: writes as fast as they should be possible, and says how it went. All times are the
//! world's; the load is the same every time.

use super::super::process::{Ask, Asks, NO_DEADLINE, Tell, Token};
use super::client::Client;
use super::flags::Parsed;
use super::kv::{is_on, text};
use super::table::{Action, Command};
use super::{EXIT_BAD_FEATURE, EXIT_ERROR, EXIT_INVALID_INPUT, Failure, Step};
use crate::etcd::api::{
    CompactionRequest, DefragmentRequest, DeleteRangeRequest, PutRequest, RangeRequest, Request, Response,
    StatusRequest,
};
use crate::etcd::client::prefix_end;
use crate::sim::{Micros, SimTime};
use bytes::Bytes;
use std::collections::{BTreeMap, VecDeque};

/// How long `perf` writes.
const DURATION: Micros = Micros::from_secs(60);
/// A progress bar's text behind its numbers, filled.
const BAR: &str = "Booooooooooooooooooooooooooooooooooooooooooooooooooooo!";

const SETUP: Token = Token(0);
const TICK: Token = Token(1);
const CLEAN_UP: Token = Token(2);
/// Puts are answered under the tokens from here on.
const PUTS: u32 = 10;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Check {
    client: Client,
    perf: bool,
    load: Load,
    prefix: Bytes,
    value: Bytes,
    started: SimTime,
    made: u64,
    /// What was made and waits for a client that is free.
    queue: VecDeque<Bytes>,
    in_flight: BTreeMap<Token, SimTime>,
    /// Of each write that succeeded.
    latencies: Vec<Micros>,
    errors: BTreeMap<String, u64>,
    finished: Option<SimTime>,
    bytes_before: i64,
    bytes_after: i64,
    compact: bool,
    /// Endpoints that are still to be defragmented, last first.
    defragment: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Load {
    /// Writes in a second, or altogether.
    limit: u64,
    clients: usize,
    key_bytes: usize,
    value_bytes: usize,
}

impl Check {
    /// The load that the flags name.
    ///
    /// # Errors
    /// It has no such name, or it is more than a world can hold.
    fn load(command: &Command, parsed: &Parsed) -> Result<Load, Failure> {
        let perf = command.action == Action::CheckPerf;
        let name = text(parsed, command.name, "load");
        let (limit, clients) = match (name, perf) {
            ("s" | "small", true) => (150, 50),
            ("m" | "medium", true) => (1_000, 200),
            ("s" | "small", false) => (10_000, 50),
            ("m" | "medium", false) => (100_000, 200),
            ("l" | "large" | "xl" | "xLarge", _) => {
                let message = format!("load {name} writes more than a world of this lab can hold; s and m fit");
                return Err(Failure::new(EXIT_ERROR, message));
            }
            _ => return Err(Failure::new(EXIT_BAD_FEATURE, format!("unknown load option {name}"))),
        };
        let (key_bytes, value_bytes) = if perf { (256, 1_024) } else { (512, 512) };
        Ok(Load { limit, clients, key_bytes, value_bytes })
    }

    pub fn plan(
        command: &Command,
        parsed: &Parsed,
    ) -> Result<impl FnOnce(Client, &mut Asks) -> Check + use<>, Failure> {
        let load = Check::load(command, parsed)?;
        let perf = command.action == Action::CheckPerf;
        let prefix = Bytes::copy_from_slice(text(parsed, command.name, "prefix").as_bytes());
        let (compact, defragment) =
            (is_on(parsed, command.name, "auto-compact"), is_on(parsed, command.name, "auto-defrag"));
        Ok(move |client: Client, asks: &mut Asks| {
            let mut endpoints = if defragment { client.via.endpoints.clone() } else { Vec::new() };
            endpoints.reverse();
            let range_end = prefix_end(&prefix);
            let request = RangeRequest { key: prefix.clone(), range_end, limit: 1, ..RangeRequest::default() };
            client.ask_within(SETUP, Request::Range(request), NO_DEADLINE, asks);
            Check {
                client,
                perf,
                load,
                prefix,
                value: Bytes::from(vec![0; load.value_bytes]),
                started: SimTime::ZERO,
                made: 0,
                queue: VecDeque::new(),
                in_flight: BTreeMap::new(),
                latencies: Vec::new(),
                errors: BTreeMap::new(),
                finished: None,
                bytes_before: 0,
                bytes_after: 0,
                compact,
                defragment: endpoints,
            }
        })
    }

    pub fn tell(&mut self, now: SimTime, tell: Tell, asks: &mut Asks) -> Step {
        match tell {
            Tell::Timer { token: TICK } => self.tick(now, asks),
            Tell::Answer { token, result } if token.0 >= PUTS => {
                let Some(sent) = self.in_flight.remove(&token) else { return Ok(None) };
                match result {
                    Ok(_) => self.latencies.push(now.since(sent)),
                    Err(error) => {
                        let text = self.client.failed(now, &error, asks);
                        *self.errors.entry(text).or_default() += 1;
                    }
                }
                self.send(now, asks);
            }
            Tell::Answer { token, result } => {
                let response =
                    result.map_err(|error| Failure::new(EXIT_ERROR, self.client.failed(now, &error, asks)))?;
                if token == SETUP {
                    self.set_up(now, response, asks)?;
                } else {
                    return self.cleaned_up(response, asks);
                }
            }
            _ => {}
        }
        self.maybe_finish(now, asks);
        Ok(None)
    }

    fn set_up(&mut self, now: SimTime, response: Response, asks: &mut Asks) -> Result<(), Failure> {
        match response {
            Response::Range(range) if !range.kvs.is_empty() => {
                let prefix = String::from_utf8_lossy(&self.prefix).into_owned();
                let message = format!(
                    "prefix {} has keys. Delete with 'etcdctl del --prefix {prefix}' first",
                    super::super::printers::go::quote(&prefix)
                );
                Err(Failure::new(EXIT_INVALID_INPUT, message))
            }
            Response::Range(_) if self.perf => {
                self.begin(now, asks);
                Ok(())
            }
            Response::Range(_) => {
                self.ask_size(SETUP, asks);
                Ok(())
            }
            Response::Status(status) => {
                self.bytes_before = status.db_size_in_use;
                let Load { limit, clients, key_bytes, value_bytes } = self.load;
                let bytes = key_bytes + value_bytes;
                asks.print(format!(
                    "Start data scale check for work load [{limit} key-value pairs, {bytes} bytes per key-value, \
                     {clients} concurrent clients].\n"
                ));
                self.begin(now, asks);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// How much a member holds. Simplified: upstream reads the process's resident memory from its metrics; a simulated
    /// member has no memory of its own, so the bytes that its database uses stand for it.
    fn ask_size(&self, token: Token, asks: &mut Asks) {
        let via = self.client.at(&self.client.via.endpoints[0]);
        let request = Request::Status(StatusRequest {});
        asks.push(Ask::Call { token, via, request, timeout: NO_DEADLINE });
    }

    fn begin(&mut self, now: SimTime, asks: &mut Asks) {
        self.started = now;
        if self.perf {
            return self.tick(now, asks);
        }
        self.send(now, asks);
    }

    /// One more write is due.
    fn tick(&mut self, now: SimTime, asks: &mut Asks) {
        if now.since(self.started) >= DURATION {
            return;
        }
        // As many wait as there are clients; then the clock waits with them.
        if self.queue.len() < self.load.clients {
            let key = self.next_key();
            self.queue.push_back(key);
        }
        self.send(now, asks);
        asks.push(Ask::Sleep { token: TICK, span: Micros(1_000_000 / self.load.limit) });
    }

    fn send(&mut self, now: SimTime, asks: &mut Asks) {
        while self.in_flight.len() < self.load.clients {
            let key = match self.queue.pop_front() {
                Some(key) => key,
                None if !self.perf && self.made < self.load.limit => self.next_key(),
                None => return,
            };
            let token = Token(PUTS + (self.latencies.len() + self.in_flight.len()) as u32 + self.failed() as u32);
            self.in_flight.insert(token, now);
            let put = PutRequest { key, value: self.value.clone(), ..PutRequest::default() };
            self.client.ask_within(token, Request::Put(put), NO_DEADLINE, asks);
        }
    }

    fn failed(&self) -> u64 {
        self.errors.values().sum()
    }

    /// A key of the load: a number spread over 63 bits, as a varint, and zeros.
    fn next_key(&mut self) -> Bytes {
        self.made += 1;
        let mut number = self.made.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 1;
        let mut key = self.prefix.to_vec();
        let start = key.len();
        number <<= 1;
        while number >= 0x80 {
            key.push(number as u8 | 0x80);
            number >>= 7;
        }
        key.push(number as u8);
        key.resize(start + self.load.key_bytes, 0);
        key.into()
    }

    /// Everything is written: measures, and deletes it.
    fn maybe_finish(&mut self, now: SimTime, asks: &mut Asks) {
        let all = match self.perf {
            true => now.since(self.started) >= DURATION && self.started > SimTime::ZERO,
            false => self.made == self.load.limit,
        };
        if !all || self.finished.is_some() || !self.in_flight.is_empty() || !self.queue.is_empty() {
            return;
        }
        self.finished = Some(now);
        let span = now.since(self.started).to_string();
        if self.perf {
            asks.print(format!(" 60 / 60 {BAR} 100.00% 1m0s\n"));
            self.delete(asks);
        } else {
            let limit = self.load.limit;
            asks.print(format!(" {limit} / {limit} {BAR} 100.00% {span}\n"));
            self.ask_size(CLEAN_UP, asks);
        }
    }

    fn delete(&self, asks: &mut Asks) {
        let request = DeleteRangeRequest {
            key: self.prefix.clone(),
            range_end: prefix_end(&self.prefix),
            ..DeleteRangeRequest::default()
        };
        self.client.ask_within(CLEAN_UP, Request::DeleteRange(request), NO_DEADLINE, asks);
    }

    fn cleaned_up(&mut self, response: Response, asks: &mut Asks) -> Step {
        match response {
            Response::Status(status) => {
                self.bytes_after = status.db_size_in_use;
                self.delete(asks);
                return Ok(None);
            }
            Response::DeleteRange(deleted) if self.compact => {
                let revision = deleted.header.map_or(0, |header| header.revision);
                asks.print(format!("Compacting with revision {revision}\n"));
                let request = Request::Compact(CompactionRequest { revision, physical: true });
                self.client.ask_within(CLEAN_UP, request, NO_DEADLINE, asks);
                return Ok(None);
            }
            Response::Compact(compacted) => {
                let revision = compacted.header.map_or(0, |header| header.revision);
                asks.print(format!("Compacted with revision {revision}\n"));
            }
            Response::Defragment(_) => {
                let endpoint = self.defragment.pop().unwrap_or_default();
                asks.print(format!("Defragmented {}\n", super::super::printers::go::quote(&endpoint)));
            }
            _ => {}
        }
        if let Some(endpoint) = self.defragment.last() {
            asks.print(format!("Defragmenting {}\n", super::super::printers::go::quote(endpoint)));
            let request = Request::Defragment(DefragmentRequest {});
            asks.push(Ask::Call { token: CLEAN_UP, via: self.client.at(endpoint), request, timeout: NO_DEADLINE });
            return Ok(None);
        }
        let (report, passed) = if self.perf { self.perf_report() } else { self.datascale_report() };
        asks.print(report);
        Ok(Some(if passed { 0 } else { EXIT_ERROR }))
    }

    fn error_report(&self) -> String {
        if self.errors.is_empty() {
            return String::new();
        }
        let lines: String =
            self.errors.iter().map(|(error, count)| format!("FAIL: ERROR({error}) -> {count}\n")).collect();
        format!("FAIL: too many errors\n{lines}")
    }

    fn perf_report(&self) -> (String, bool) {
        let total = self.finished.unwrap_or(self.started).since(self.started).0.max(1);
        let count = self.latencies.len() as u64;
        let slowest = self.latencies.iter().copied().max().unwrap_or_default();
        let deviation = deviation(&self.latencies);
        let per_second = count * 1_000_000 / total;
        let mut out = self.error_report();
        let mut passed = self.errors.is_empty();
        let mut judge = |fine: bool, good: String, bad: String| {
            passed &= fine;
            out += &format!("{}\n", if fine { good } else { bad });
        };
        judge(
            count * 10_000_000 > 9 * self.load.limit * total,
            format!("PASS: Throughput is {} writes/s", per_second + 1),
            format!("FAIL: Throughput too low: {} writes/s", per_second + 1),
        );
        judge(
            slowest <= Micros::from_millis(500),
            format!("PASS: Slowest request took {}", seconds(slowest)),
            format!("Slowest request took too long: {}", seconds(slowest)),
        );
        judge(
            deviation <= Micros::from_millis(100),
            format!("PASS: Stddev is {}", seconds(deviation)),
            format!("Stddev too high: {}", seconds(deviation)),
        );
        out += if passed { "PASS\n" } else { "FAIL\n" };
        (out, passed)
    }

    fn datascale_report(&self) -> (String, bool) {
        if !self.errors.is_empty() {
            return (self.error_report(), false);
        }
        let used = (self.bytes_after - self.bytes_before).max(0) as u64;
        // Hundredths of a MiB, rounded.
        let hundredths = (used * 100 + (1 << 19)) >> 20;
        let shown = format!("{}.{:02}", hundredths / 100, hundredths % 100);
        (format!("PASS: Approximate system memory used : {shown} MB.\n"), true)
    }
}

/// The standard deviation, to the microsecond below.
fn deviation(latencies: &[Micros]) -> Micros {
    let count = latencies.len().max(1) as u128;
    let sum: u128 = latencies.iter().map(|span| u128::from(span.0)).sum();
    let squares: u128 = latencies.iter().map(|span| u128::from(span.0) * u128::from(span.0)).sum();
    // Of n values the variance is (n Σx² - (Σx)²) / n².
    let variance = (count * squares - sum * sum) / (count * count);
    Micros(u64::try_from(variance.isqrt()).unwrap_or(u64::MAX))
}

/// `%fs`
fn seconds(span: Micros) -> String {
    format!("{}.{:06}s", span.0 / 1_000_000, span.0 % 1_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_read_as_go_prints_them() {
        assert_eq!(seconds(Micros(84_457)), "0.084457s");
        assert_eq!(
            deviation(&[
                Micros(2_000),
                Micros(4_000),
                Micros(4_000),
                Micros(4_000),
                Micros(5_000),
                Micros(5_000),
                Micros(7_000),
                Micros(9_000)
            ]),
            Micros(2_000)
        );
        assert_eq!(deviation(&[]), Micros(0));
    }
}
