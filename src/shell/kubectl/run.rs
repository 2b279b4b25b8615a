//! How a command runs: as a function of the answers that it has got so far.
//!
//! A command is written from top to bottom, as if requests answered at once. It is run from its beginning whenever an
//! answer arrives; what it did before is in the [`Journal`] and is not done again, and the first thing that has no answer
//! yet ends the turn with [`Stop::Pending`]. So the state of a running command is its journal: a plain value that can be
//! copied, compared and replayed. Upstream has goroutines here.
//!
//! A loop over many objects or a stream without end would make the journal long and every turn longer. Steps and
//! folds shorten it: what is over leaves only its outcome.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use serde_json::Value;

use super::config::Config;
use super::discovery::Discovery;
use super::failure::{Failure, Outcome, Stop};
use crate::etcd::http::{FetchError, FetchEvent, HttpRequest, HttpResponse};
use crate::k8s::protobuf::WatchEvent;
use crate::k8s::schema::Schema;
use crate::k8s::{json, protobuf};
use crate::shell::files::{FileError, Files};
use crate::shell::process::{Ask, Asks, Tell, Token};
use crate::sim::{EPOCH_SECONDS, Micros, SimTime};

/// More of an answer than this is not held.
const BODY_BYTES_MAX: usize = 256 << 20;
/// Longest line of a stream, and most of a stream that was not looked at yet.
const STREAM_BYTES_MAX: usize = 64 << 20;
/// Most of standard input.
const INPUT_BYTES_MAX: usize = 16 << 20;

/// What a command has done, in order, and what came of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Journal {
    entries: Vec<Entry>,
    streams: BTreeMap<Token, Incoming>,
    /// When it is told the time, because something waits for it.
    alarms: BTreeSet<SimTime>,
    /// Timers, and the requests that are given up when they go off.
    limits: BTreeMap<Token, Token>,
    tokens: u32,
    input: String,
    input_closed: bool,
    /// Warnings that were shown; each is shown once.
    warned: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Entry {
    /// When it was over.
    at: SimTime,
    what: What,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum What {
    /// It was printed, cancelled or waited for.
    Done,
    /// Asked for under a token.
    Open(Token),
    /// A request whose answer is coming in.
    Incoming(Token, Option<Box<HttpResponse>>, BytesMut),
    Answer(Token, Result<Arc<Answer>, NoAnswer>),
    /// An answer whose body is looked at as it comes.
    Streaming(Token, Arc<Answer>),
    File(Result<Bytes, FileError>),
    /// Of a file that was written, or an editor.
    Text(Result<String, String>),
    Line(Option<Bytes>),
    Late,
    /// What lies in a directory.
    Listed(Option<Vec<(String, bool)>>),
    /// Here a step begins.
    Begun,
    Step(Result<Value, Failure>),
    Memo(Memo),
    /// The state of a fold that goes on, and at its end.
    State(Value),
    Folded(Value),
}

/// Why a request has no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NoAnswer {
    Failed(FetchError),
    /// `--request-timeout` was over, before the answer began or within it.
    Late {
        has_begun: bool,
    },
}

/// Bytes of a stream that were not looked at yet.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Incoming {
    bytes: BytesMut,
    over: bool,
    /// Events stand in frames of Protobuf, not on lines.
    is_framed: bool,
}

impl Incoming {
    /// The next line; a frame as the line that it would be in JSON. Nothing at the end.
    fn line(&mut self) -> Outcome<Option<Bytes>> {
        if self.is_framed {
            return match WatchEvent::from_stream(Schema::kubernetes(), &self.bytes) {
                Ok(Some((event, length))) => {
                    let _ = self.bytes.split_to(length);
                    let event = serde_json::json!({"type": event.kind, "object": event.object});
                    Ok(Some(json::to_string(&event).into()))
                }
                Ok(None) if !self.over => Err(Stop::Pending),
                // What cannot be read ends a watch, as it does upstream.
                Ok(None) | Err(_) => Ok(None),
            };
        }
        match self.bytes.iter().position(|byte| *byte == b'\n') {
            Some(end) => Ok(Some(self.bytes.split_to(end + 1).freeze())),
            None if self.over && self.bytes.is_empty() => Ok(None),
            None if self.over => Ok(Some(std::mem::take(&mut self.bytes).freeze())),
            None => Err(Stop::Pending),
        }
    }
}

/// What a server answered.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Bytes,
    /// The body, if it is JSON.
    pub json: Option<Arc<Value>>,
}

/// What a body holds, in JSON or, as typed clients prefer it, in Protobuf.
fn read(body: &[u8]) -> Option<Value> {
    match body {
        [b'{' | b'[', ..] => json::parse(body).ok().map(|read| read.value),
        [b'k', b'8', b's', 0, ..] => protobuf::from_bytes(Schema::kubernetes(), body).ok(),
        _ => None,
    }
}

impl Answer {
    fn new(response: HttpResponse) -> Answer {
        let headers: Vec<(String, String)> =
            response.headers.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        let json = read(&response.body).map(Arc::new);
        Answer { status: response.status, headers, body: response.body, json }
    }

    /// Whether the body is a stream of events in Protobuf.
    fn is_framed(&self) -> bool {
        self.header("Content-Type")
            .is_some_and(|media| media.starts_with("application/vnd.kubernetes.protobuf;stream=watch"))
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.all(name).next()
    }

    pub fn all<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a str> {
        let name = name.to_owned();
        self.headers.iter().filter(move |(known, _)| known.eq_ignore_ascii_case(&name)).map(|(_, value)| &value[..])
    }
}

/// A request that was sent and whose answer may be waited for.
#[derive(Clone, Copy, Debug)]
pub struct Sent(usize);

/// A body that goes on.
#[derive(Clone, Copy, Debug)]
pub struct Stream(Token);

impl Journal {
    /// Takes in what was told; whether the command should run on.
    pub fn tell(&mut self, now: SimTime, tell: Tell, asks: &mut Asks) -> bool {
        match tell {
            Tell::Http { token, event } => self.heard(now, token, event),
            Tell::Timer { token } => match self.limits.remove(&token) {
                Some(request) => self.give_up(now, request, asks),
                None => {
                    self.over(now, token, What::Done);
                    true
                }
            },
            Tell::Edited { token, result } => {
                self.over(now, token, What::Text(result));
                true
            }
            Tell::Stdin(text) => {
                if self.input.len() + text.len() <= INPUT_BYTES_MAX {
                    self.input += &text;
                }
                false
            }
            Tell::StdinClosed => {
                self.input_closed = true;
                true
            }
            _ => true,
        }
    }

    fn heard(&mut self, now: SimTime, token: Token, event: FetchEvent) -> bool {
        if let Some(incoming) = self.streams.get_mut(&token) {
            match event {
                FetchEvent::Data { bytes, more } => {
                    if incoming.bytes.len() + bytes.len() <= STREAM_BYTES_MAX {
                        incoming.bytes.extend_from_slice(&bytes);
                    } else {
                        incoming.over = true;
                    }
                    incoming.over |= !more;
                }
                FetchEvent::Failed(_) => incoming.over = true,
                FetchEvent::Connected | FetchEvent::Answered { .. } => return false,
            }
            return true;
        }
        let is_it = |entry: &&mut Entry| matches!(&entry.what, What::Incoming(own, ..) if *own == token);
        let Some(entry) = self.entries.iter_mut().rev().find(is_it) else { return false };
        let What::Incoming(_, head, body) = &mut entry.what else { return false };
        let finished = match event {
            FetchEvent::Connected => return false,
            FetchEvent::Failed(error) => Err(NoAnswer::Failed(error)),
            FetchEvent::Answered { response, more } => {
                let response = Arc::unwrap_or_clone(response);
                if more {
                    body.extend_from_slice(&response.body);
                    *head = Some(Box::new(response));
                    // Whoever waits for a stream has its beginning.
                    return true;
                }
                Ok(response)
            }
            FetchEvent::Data { bytes, more } => {
                if body.len() + bytes.len() <= BODY_BYTES_MAX {
                    body.extend_from_slice(&bytes);
                }
                if more {
                    return false;
                }
                let Some(response) = head.take() else { return false };
                Ok(HttpResponse { body: std::mem::take(body).freeze(), ..*response })
            }
        };
        entry.at = now;
        entry.what = What::Answer(token, finished.map(|response| Arc::new(Answer::new(response))));
        true
    }

    /// A request has taken too long: a body that goes on ends here, an answer that has not come will not.
    fn give_up(&mut self, now: SimTime, token: Token, asks: &mut Asks) -> bool {
        if let Some(incoming) = self.streams.get_mut(&token) {
            if incoming.over {
                return false;
            }
            incoming.over = true;
        } else {
            let is_it = |entry: &&mut Entry| matches!(&entry.what, What::Incoming(own, ..) if *own == token);
            let Some(entry) = self.entries.iter_mut().rev().find(is_it) else { return false };
            let has_begun = matches!(&entry.what, What::Incoming(_, Some(_), _));
            *entry = Entry { at: now, what: What::Answer(token, Err(NoAnswer::Late { has_begun })) };
        }
        asks.push(Ask::Cancel { token });
        true
    }

    fn over(&mut self, now: SimTime, token: Token, what: What) {
        let is_it = |entry: &&mut Entry| matches!(entry.what, What::Open(own) if own == token);
        if let Some(entry) = self.entries.iter_mut().rev().find(is_it) {
            *entry = Entry { at: now, what };
        }
    }

    /// Whether the command waits for standard input.
    pub fn reads_input(&self) -> bool {
        !self.input_closed
    }
}

/// One turn of a command.
pub struct Run<'a, 'f> {
    journal: &'a mut Journal,
    cursor: usize,
    asks: &'a mut Asks<'f>,
    /// When this turn is.
    now: SimTime,
    /// When the command is, which in the part that was done before is earlier.
    time: SimTime,
}

impl<'a, 'f> Run<'a, 'f> {
    pub fn new(journal: &'a mut Journal, began: SimTime, now: SimTime, asks: &'a mut Asks<'f>) -> Run<'a, 'f> {
        Run { journal, cursor: 0, asks, now, time: began }
    }

    /// The time, as the command knows it.
    pub fn time(&self) -> SimTime {
        self.time
    }

    /// Nanoseconds since 1970.
    pub fn unix_nanos(&self) -> i128 {
        i128::from(EPOCH_SECONDS) * 1_000_000_000 + i128::from(self.time.0) * 1_000
    }

    fn known(&mut self) -> Option<&mut Entry> {
        let entry = self.journal.entries.get_mut(self.cursor)?;
        if !matches!(entry.what, What::Open(_) | What::Incoming(..)) {
            self.time = self.time.max(entry.at);
            self.cursor += 1;
        }
        Some(entry)
    }

    fn note(&mut self, what: What) {
        self.time = self.now;
        self.journal.entries.push(Entry { at: self.now, what });
        self.cursor += 1;
    }

    fn token(&mut self) -> Token {
        self.journal.tokens += 1;
        Token(self.journal.tokens)
    }

    /// Does something once.
    fn once(&mut self, act: impl FnOnce(&mut Asks)) {
        if self.known().is_none() {
            act(self.asks);
            self.note(What::Done);
        }
    }

    pub fn print(&mut self, text: impl Into<String>) {
        self.once(|asks| asks.print(text));
    }

    pub fn complain(&mut self, text: impl Into<String>) {
        self.once(|asks| asks.complain(text));
    }

    /// A warning of the server, shown once however often it comes.
    pub fn warn_once(&mut self, text: &str) {
        if self.known().is_none() {
            if !self.journal.warned.iter().any(|known| known == text) {
                self.journal.warned.push(text.to_owned());
                self.asks.complain(format!("Warning: {text}\n"));
            }
            self.note(What::Done);
        }
    }

    pub fn read_file(&mut self, path: &str) -> Result<Bytes, FileError> {
        if let Some(Entry { what: What::File(content), .. }) = self.known() {
            return content.clone();
        }
        let content = self.asks.files.read(path);
        self.note(What::File(content.clone()));
        content
    }

    /// Names in a directory in their order, and which are directories; nothing if it is none.
    pub fn list_files(&mut self, path: &str) -> Option<Vec<(String, bool)>> {
        if let Some(Entry { what: What::Listed(listed), .. }) = self.known() {
            return listed.clone();
        }
        let listed = self.asks.files.list(path).ok().filter(|_| self.asks.files.is_directory(path));
        let names = listed.map(|listed| listed.into_iter().map(|file| (file.name, file.is_directory)).collect());
        self.note(What::Listed(Clone::clone(&names)));
        names
    }

    /// Changes files once.
    pub fn write_files(&mut self, act: impl FnOnce(&mut Files) -> Result<(), FileError>) -> Result<(), String> {
        if let Some(Entry { what: What::Text(result), .. }) = self.known() {
            return result.clone().map(drop);
        }
        let result = act(self.asks.files).map(|()| String::new()).map_err(FileError::in_go);
        self.note(What::Text(result.clone()));
        result.map(drop)
    }

    /// All of standard input.
    pub fn input(&mut self) -> Outcome<Bytes> {
        if let Some(Entry { what: What::File(Ok(content)), .. }) = self.known() {
            return Ok(content.clone());
        }
        if !self.journal.input_closed {
            return Err(Stop::Pending);
        }
        let content = crate::shell::text::to_bytes(&std::mem::take(&mut self.journal.input));
        self.note(What::File(Ok(content.clone())));
        Ok(content)
    }

    /// Gives a text to the terminal's editor; it comes back as it was left.
    pub fn edit(&mut self, name: &str, text: &str) -> Outcome<Result<String, String>> {
        match self.known() {
            Some(Entry { what: What::Text(result), .. }) => return Ok(result.clone()),
            Some(_) => return Err(Stop::Pending),
            None => {}
        }
        let token = self.token();
        self.asks.push(Ask::Edit { token, name: name.to_owned(), text: text.to_owned() });
        self.journal.entries.push(Entry { at: self.now, what: What::Open(token) });
        Err(Stop::Pending)
    }

    pub fn sleep(&mut self, span: Micros) -> Outcome<()> {
        match self.known() {
            Some(Entry { what: What::Open(_), .. }) => return Err(Stop::Pending),
            Some(_) => return Ok(()),
            None => {}
        }
        let token = self.token();
        self.asks.push(Ask::Sleep { token, span });
        self.journal.entries.push(Entry { at: self.now, what: What::Open(token) });
        Err(Stop::Pending)
    }

    /// Sends a request, without waiting. It is given up after so long.
    pub fn send(&mut self, authority: &str, limit: Option<Micros>, request: impl FnOnce() -> HttpRequest) -> Sent {
        let place = self.cursor;
        if self.journal.entries.len() <= place {
            let token = self.token();
            self.asks.push(Ask::Http { token, authority: authority.to_owned(), request: request() });
            if let Some(span) = limit {
                let timer = self.token();
                self.asks.push(Ask::Sleep { token: timer, span });
                self.journal.limits.insert(timer, token);
            }
            let what = What::Incoming(token, None, BytesMut::new());
            self.journal.entries.push(Entry { at: self.now, what });
        }
        self.cursor += 1;
        Sent(place)
    }

    pub fn answer(&mut self, sent: Sent) -> Outcome<Result<Arc<Answer>, NoAnswer>> {
        match self.journal.entries.get(sent.0) {
            Some(Entry { at, what: What::Answer(_, answer) }) => {
                self.time = self.time.max(*at);
                Ok(answer.clone())
            }
            Some(Entry { at, what: What::Streaming(_, answer) }) => {
                self.time = self.time.max(*at);
                Ok(Ok(answer.clone()))
            }
            _ => Err(Stop::Pending),
        }
    }

    /// The beginning of an answer, whose body may go on.
    pub fn stream(&mut self, sent: Sent) -> Outcome<Result<(Arc<Answer>, Stream), NoAnswer>> {
        let now = self.now;
        let Some(entry) = self.journal.entries.get_mut(sent.0) else { return Err(Stop::Pending) };
        let begun = match &mut entry.what {
            What::Incoming(token, head, body) => head.take().map(|response| {
                let answer = Answer::new(HttpResponse { body: Bytes::new(), ..*response });
                let is_framed = answer.is_framed();
                (*token, Arc::new(answer), Incoming { bytes: std::mem::take(body), over: false, is_framed })
            }),
            What::Answer(token, Ok(answer)) => {
                let bytes = BytesMut::from(&answer.body[..]);
                let is_framed = answer.is_framed();
                Some((*token, answer.clone(), Incoming { bytes, over: true, is_framed }))
            }
            _ => None,
        };
        if let Some((token, answer, incoming)) = begun {
            self.journal.streams.insert(token, incoming);
            *entry = Entry { at: now, what: What::Streaming(token, answer) };
        }
        let token = match &self.journal.entries[sent.0].what {
            What::Streaming(token, _) => *token,
            What::Answer(_, Err(error)) => return Ok(Err(*error)),
            _ => return Err(Stop::Pending),
        };
        Ok(self.answer(sent)?.map(|answer| (answer, Stream(token))))
    }

    /// The next line of a stream; nothing at its end.
    pub fn line(&mut self, stream: Stream) -> Outcome<Option<Bytes>> {
        if let Some(Entry { what: What::Line(line), .. }) = self.known() {
            return Ok(line.clone());
        }
        let Some(incoming) = self.journal.streams.get_mut(&stream.0) else { return Ok(None) };
        let line = incoming.line()?;
        self.note(What::Line(line.clone()));
        Ok(line)
    }

    /// The next line, or that the time is up: `Err` inside.
    pub fn line_before(&mut self, stream: Stream, deadline: SimTime) -> Outcome<Result<Option<Bytes>, Late>> {
        match self.known() {
            Some(Entry { what: What::Line(line), .. }) => return Ok(Ok(line.clone())),
            Some(_) => return Ok(Err(Late)),
            None => {}
        }
        match self.line(stream) {
            Err(Stop::Pending) if self.now >= deadline => {
                self.note(What::Late);
                Ok(Err(Late))
            }
            Err(Stop::Pending) => {
                // It is told when the time is up; an alarm of no use changes nothing.
                if self.journal.alarms.insert(deadline) {
                    let token = self.token();
                    self.asks.push(Ask::Sleep { token, span: deadline.since(self.now) });
                }
                Err(Stop::Pending)
            }
            other => other.map(Ok),
        }
    }

    /// Whatever has come of a stream, without looking for lines.
    pub fn chunk(&mut self, stream: Stream) -> Outcome<Option<Bytes>> {
        if let Some(Entry { what: What::Line(line), .. }) = self.known() {
            return Ok(line.clone());
        }
        let Some(incoming) = self.journal.streams.get_mut(&stream.0) else { return Ok(None) };
        let chunk = match (incoming.bytes.is_empty(), incoming.over) {
            (false, _) => Some(std::mem::take(&mut incoming.bytes).freeze()),
            (true, true) => None,
            (true, false) => return Err(Stop::Pending),
        };
        self.note(What::Line(chunk.clone()));
        Ok(chunk)
    }

    /// Gives up a stream.
    pub fn close(&mut self, stream: Stream) {
        if self.known().is_none() {
            if self.journal.streams.remove(&stream.0).is_some_and(|incoming| !incoming.over) {
                self.asks.push(Ask::Cancel { token: stream.0 });
            }
            self.note(What::Done);
        }
    }

    /// A part of a command of which only the outcome matters later: its outcome, or where it has begun.
    pub fn enter_step(&mut self) -> Entered<Result<Value, Failure>> {
        let start = self.cursor;
        match self.known() {
            Some(Entry { what: What::Step(result), .. }) => return Entered::Over(result.clone()),
            Some(_) => {}
            None => self.note(What::Begun),
        }
        Entered::Inside(start)
    }

    /// The step that has begun there is over.
    pub fn leave_step(&mut self, start: usize, result: Result<Value, Failure>) {
        self.collapse(start, What::Step(result));
    }

    /// The same for what is worked out once.
    pub fn enter_memo(&mut self) -> Entered<Memo> {
        let start = self.cursor;
        match self.known() {
            Some(Entry { what: What::Memo(memo), .. }) => return Entered::Over(memo.clone()),
            Some(_) => {}
            None => self.note(What::Begun),
        }
        Entered::Inside(start)
    }

    pub fn leave_memo(&mut self, start: usize, memo: Memo) {
        self.collapse(start, What::Memo(memo));
    }

    /// A loop whose state is a value: its outcome, or where it begins and the state it has reached.
    pub fn enter_fold(&mut self, state: &Value) -> Entered<Value, (usize, Value)> {
        let start = self.cursor;
        match self.known() {
            Some(Entry { what: What::State(state), .. }) => Entered::Inside((start, state.clone())),
            Some(Entry { what: What::Folded(state), .. }) => Entered::Over(state.clone()),
            _ => {
                self.note(What::State(state.clone()));
                Entered::Inside((start, state.clone()))
            }
        }
    }

    /// A turn of the loop is over, and perhaps the loop.
    pub fn turn_fold(&mut self, start: usize, state: Value, over: bool) {
        self.collapse(start, if over { What::Folded(state) } else { What::State(state) });
    }

    fn collapse(&mut self, start: usize, what: What) {
        self.journal.entries.truncate(start);
        self.journal.entries.push(Entry { at: self.time, what });
        self.cursor = start + 1;
    }
}

/// Whether something was done already.
#[derive(Clone, Debug)]
pub enum Entered<T, I = usize> {
    Over(T),
    Inside(I),
}

/// What is worked out once in a command.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Memo {
    Config(Arc<Config>),
    Discovery(Arc<Discovery>),
    /// The schema of a group version, as the server publishes it.
    OpenApi(Arc<Value>),
}

/// The time is up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Late;
