//! `curl`, as far as it is good for asking members: HTTP without TLS, one URL after the other. Texts and exit codes are
//! those of curl 7.88.1.
//
// Simplified: no progress meter, which the real one shows when its output is no terminal; header lines end without the
// carriage return; each URL has a connection of its own.

use super::process::{Ask, Asks, Program, Tell, Token};
use super::text;
use crate::etcd::http::{FetchError, FetchEvent, HttpRequest, HttpResponse};
use crate::sim::SimTime;
use bytes::Bytes;
use options::Options;
use std::collections::VecDeque;
use url::Url;
use write_out::Transfer;

mod options;
mod url;
mod write_out;

pub use options::names as option_names;

const VERSION: &str = "7.88.1";

/// Exit codes.
const REFUSED: i32 = 7;
const RESOLVE: i32 = 6;
const HTTP_ERROR: i32 = 22;
const WRITE_ERROR: i32 = 23;
const TIMED_OUT: i32 = 28;
const RECV_ERROR: i32 = 56;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Curl {
    arguments: Vec<String>,
    options: Options,
    /// What is still to be fetched, and where that goes.
    queue: VecDeque<(String, Option<String>)>,
    transfer: Transfer,
    began: SimTime,
    /// Tokens of the transfer under way begin here: itself, its time for connecting, its time in all.
    token: u32,
    status: i32,
}

impl Curl {
    pub fn new(arguments: Vec<String>) -> Curl {
        Curl {
            arguments,
            options: Options::default(),
            queue: VecDeque::new(),
            transfer: Transfer::default(),
            began: SimTime::ZERO,
            token: 0,
            status: 0,
        }
    }

    fn start(&mut self, now: SimTime, asks: &mut Asks) {
        if self.arguments.is_empty() {
            asks.complain(options::TRY);
            return asks.push(Ask::Exit(2));
        }
        match Options::read(&self.arguments) {
            Ok(options) => self.options = options,
            Err(wrong) => {
                asks.complain(wrong);
                return asks.push(Ask::Exit(2));
            }
        }
        if self.options.help || self.options.version {
            let version = format!("curl {VERSION} (control-plane-lab)\nProtocols: http\n");
            asks.print(if self.options.help { options::help() } else { version });
            return asks.push(Ask::Exit(0));
        }
        if self.options.urls.is_empty() {
            asks.complain(format!("curl: no URL specified!\n{}", options::TRY));
            return asks.push(Ask::Exit(2));
        }
        let mut outputs = self.options.outputs.iter();
        for pattern in &self.options.urls {
            let urls = if self.options.globoff { Ok(vec![pattern.clone()]) } else { url::expand(pattern) };
            let output = outputs.next();
            match urls {
                Ok(urls) => self.queue.extend(urls.into_iter().map(|url| (url, output.cloned()))),
                Err((status, why)) => {
                    asks.complain(format!("curl: ({status}) {why}\n"));
                    return asks.push(Ask::Exit(status));
                }
            }
        }
        self.next(now, asks);
    }

    /// Begins the next transfer that can be begun; without one it is done.
    fn next(&mut self, now: SimTime, asks: &mut Asks) {
        while let Some((written, file)) = self.queue.pop_front() {
            self.token += 3;
            self.began = now;
            let number = self.transfer.number + usize::from(self.token > 3);
            self.transfer = Transfer { number, file: file.unwrap_or_default(), ..Transfer::default() };
            self.transfer.written.clone_from(&written);
            match Url::parse(&written) {
                Ok(url) => self.transfer.url = url,
                Err((status, why)) => {
                    self.over(now, status, why, asks);
                    continue;
                }
            }
            if self.options.remote_name && self.transfer.file.is_empty() {
                self.transfer.file = self.transfer.url.file_name().to_owned();
            }
            return self.ask(asks);
        }
        asks.push(Ask::Exit(self.status));
    }

    fn ask(&mut self, asks: &mut Asks) {
        let Url { host, port, .. } = &self.transfer.url;
        let authority = format!("{host}:{port}");
        self.note(&format!("  Trying {authority}..."), asks);
        let request = self.request();
        self.transfer.method.clone_from(&request.method);
        self.transfer.uploaded = request.body.len();
        for (after, span) in [(1, self.options.connect_timeout), (2, self.options.max_time)] {
            if let Some(span) = span {
                asks.push(Ask::Sleep { token: Token(self.token + after), span });
            }
        }
        asks.push(Ask::Http { token: Token(self.token), authority, request });
    }

    fn request(&self) -> HttpRequest {
        let options = &self.options;
        let method = match (&options.request, options.head, &options.data) {
            (Some(method), ..) => method.as_str(),
            (None, true, _) => "HEAD",
            (None, false, Some(_)) => "POST",
            (None, false, None) => "GET",
        };
        let agent = options.user_agent.clone().unwrap_or_else(|| format!("curl/{VERSION}"));
        let mut headers = vec![
            ("Host".to_owned(), self.transfer.url.authority.clone()),
            ("User-Agent".to_owned(), agent),
            ("Accept".to_owned(), "*/*".to_owned()),
        ];
        let body = options.data.as_deref().map(text::to_bytes).unwrap_or_default();
        if options.data.is_some() {
            headers.push(("Content-Length".to_owned(), body.len().to_string()));
            headers.push(("Content-Type".to_owned(), "application/x-www-form-urlencoded".to_owned()));
        }
        for header in &options.headers {
            // `Name:` takes a header away, `Name: value` gives or replaces one.
            let Some((name, value)) = header.split_once(':') else { continue };
            headers.retain(|(known, _)| !known.eq_ignore_ascii_case(name));
            if !value.trim().is_empty() {
                headers.push((name.to_owned(), value.trim().to_owned()));
            }
        }
        HttpRequest { method: method.to_owned(), target: self.transfer.url.target.clone(), headers, body }
    }

    /// A line of `-v`.
    fn note(&self, line: &str, asks: &mut Asks) {
        if self.options.verbose {
            asks.complain(format!("* {line}\n"));
        }
    }

    fn heard(&mut self, now: SimTime, event: FetchEvent, asks: &mut Asks) {
        match event {
            FetchEvent::Connected => self.connected(now, asks),
            FetchEvent::Answered { response, more } => self.answered(now, &response, more, asks),
            FetchEvent::Data { bytes, more } => self.went_on(now, bytes, more, asks),
            FetchEvent::Failed(error) => self.failed(now, error, asks),
        }
    }

    fn connected(&mut self, now: SimTime, asks: &mut Asks) {
        self.transfer.connected = Some(now.since(self.began));
        let Url { host, port, .. } = &self.transfer.url;
        // Names have no addresses here.
        self.note(&format!("Connected to {host} ({host}) port {port} (#{})", self.transfer.number), asks);
        if self.options.verbose {
            let HttpRequest { method, target, headers, .. } = self.request();
            let mut said = format!("> {method} {target} HTTP/1.1\n");
            headers.iter().for_each(|(name, value)| said += &format!("> {name}: {value}\n"));
            asks.complain(said + "> \n");
        }
    }

    fn answered(&mut self, now: SimTime, response: &HttpResponse, more: bool, asks: &mut Asks) {
        let head = head(response);
        let transfer = &mut self.transfer;
        transfer.answered = Some(now.since(self.began));
        transfer.status = response.status;
        transfer.headers = response.headers.len();
        // With the carriage returns that it travelled with.
        transfer.header_bytes = head.len() + head.lines().count();
        transfer.content_type = response.header("Content-Type").unwrap_or_default().to_owned();
        if self.options.verbose {
            asks.complain(head.lines().map(|line| format!("< {line}\n")).collect::<String>());
        }
        if self.options.fail && response.status >= 400 {
            self.note(&format!("The requested URL returned error: {}", response.status), asks);
            self.note(&format!("Closing connection {}", self.transfer.number), asks);
            let why = format!("The requested URL returned error: {}", response.status);
            self.over(now, HTTP_ERROR, why, asks);
            return self.next(now, asks);
        }
        let head = if self.options.include || self.options.head { head } else { String::new() };
        let begun = Bytes::from([head.as_bytes(), &response.body].concat());
        self.transfer.body_bytes = response.body.len();
        self.took(now, begun, more, false, asks);
    }

    fn went_on(&mut self, now: SimTime, bytes: Bytes, more: bool, asks: &mut Asks) {
        self.transfer.body_bytes += bytes.len();
        self.took(now, bytes, more, true, asks);
    }

    /// A piece of the answer has come, the last one unless there is `more`.
    fn took(&mut self, now: SimTime, bytes: Bytes, more: bool, appends: bool, asks: &mut Asks) {
        if let Err(warning) = self.put(bytes, appends, asks) {
            asks.complain(warning);
            if more {
                asks.push(Ask::Cancel { token: Token(self.token) });
            }
            self.over(now, WRITE_ERROR, "Failure writing output to destination".to_owned(), asks);
            return self.next(now, asks);
        }
        if !more {
            let Url { host, .. } = &self.transfer.url;
            self.note(&format!("Connection #{} to host {host} left intact", self.transfer.number), asks);
            self.over(now, 0, String::new(), asks);
            self.next(now, asks);
        }
    }

    /// Puts what was fetched where it should go.
    fn put(&self, bytes: Bytes, appends: bool, asks: &mut Asks) -> Result<(), String> {
        let file = &self.transfer.file;
        if file.is_empty() || file == "-" {
            asks.print(text::from_bytes(&bytes));
            return Ok(());
        }
        if file == "/dev/null" {
            return Ok(());
        }
        let written = if appends { asks.files.append(file, &bytes) } else { asks.files.write(file, bytes) };
        written.map_err(|error| format!("Warning: Failed to open the file {file}: {error}\n"))
    }

    fn failed(&mut self, now: SimTime, error: FetchError, asks: &mut Asks) {
        let Url { host, port, .. } = &self.transfer.url;
        let after = now.since(self.began).0 / 1_000;
        let connect = format!("Failed to connect to {host} port {port} after {after} ms: Couldn't connect to server");
        let (status, why) = match error {
            FetchError::NoSuchHost => (RESOLVE, format!("Could not resolve host: {host}")),
            FetchError::Refused => {
                self.note(&format!("connect to {host} port {port} failed: Connection refused"), asks);
                (REFUSED, connect)
            }
            FetchError::ConnectTimedOut => {
                self.note(&format!("connect to {host} port {port} failed: Connection timed out"), asks);
                (TIMED_OUT, connect)
            }
            FetchError::Reset => (RECV_ERROR, "Recv failure: Connection reset by peer".to_owned()),
        };
        self.broken(now, status, why, asks);
    }

    /// The time for connecting, or for all of it, is up.
    fn timed_out(&mut self, now: SimTime, in_all: bool, asks: &mut Asks) {
        let Url { host, port, .. } = &self.transfer.url;
        let after = now.since(self.began).0 / 1_000;
        let why = match (in_all, self.transfer.connected.is_some()) {
            (false, true) => return,
            (false, false) => format!("Failed to connect to {host} port {port} after {after} ms: Timeout was reached"),
            (true, false) => format!("Connection timed out after {after} milliseconds"),
            (true, true) => format!("Operation timed out after {after} milliseconds with 0 bytes received"),
        };
        asks.push(Ask::Cancel { token: Token(self.token) });
        self.broken(now, TIMED_OUT, why, asks);
    }

    fn broken(&mut self, now: SimTime, status: i32, why: String, asks: &mut Asks) {
        self.note(&why, asks);
        self.note(&format!("Closing connection {}", self.transfer.number), asks);
        self.over(now, status, why, asks);
        self.next(now, asks);
    }

    /// A transfer has ended. The last one's status is curl's.
    fn over(&mut self, now: SimTime, status: i32, why: String, asks: &mut Asks) {
        self.status = status;
        if status != 0 && (!self.options.silent || self.options.show_error) {
            asks.complain(format!("curl: ({status}) {why}\n"));
        }
        (self.transfer.exit, self.transfer.error) = (status, why);
        self.transfer.total = now.since(self.began);
        if let Some(format) = &self.options.write_out {
            let (out, complaints) = write_out::format(format, &self.transfer);
            asks.complain(complaints);
            asks.print(out);
        }
    }
}

/// The lines before the body.
fn head(response: &HttpResponse) -> String {
    let mut head = format!("HTTP/1.1 {} {}\n", response.status, response.reason());
    response.headers.iter().for_each(|(name, value)| head += &format!("{name}: {value}\n"));
    head + "\n"
}

impl Program for Curl {
    fn tell(&mut self, now: SimTime, tell: Tell, asks: &mut Asks) {
        match tell {
            Tell::Start => self.start(now, asks),
            Tell::Http { token, event } if token.0 == self.token => self.heard(now, event, asks),
            Tell::Timer { token } if token.0 == self.token + 1 => self.timed_out(now, false, asks),
            Tell::Timer { token } if token.0 == self.token + 2 => self.timed_out(now, true, asks),
            Tell::Interrupt => asks.push(Ask::Exit(130)),
            _ => {}
        }
    }
}
