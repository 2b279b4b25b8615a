//! What a program on the simulated workstation may do, and what it is told.
//!
//! A program is a state machine: the workstation *tells* it something, it *asks* for things. It holds no socket, clock or
//! thread, so a world with running programs in it can be copied, rewound and replayed like any other value. Files are at
//! hand while it is told something ([`Asks::files`]), and only then.

use super::files::Files;
use crate::etcd::api::{LeaseKeepAliveResponse, Request, Response, WatchCreateRequest, WatchResponse};
use crate::etcd::client::Credentials;
use crate::etcd::error::Status;
use crate::etcd::http::{FetchEvent, HttpRequest};
use crate::k8s::apiserver::Flags;
use crate::sim::{HostId, Micros, SimTime};
use bytes::Bytes;
use std::sync::Arc;

/// Names a call, a watch or a timer within one program. The program chooses it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Token(pub u32);

/// A client of etcd as a program describes it: where it knocks (`host:port` or URL), and as whom. A program's calls under
/// the same description share connections and login, as they share one `clientv3.Client`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Via {
    pub endpoints: Vec<String>,
    pub user: Option<Credentials>,
}

/// What a program asks of the workstation.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Ask {
    Stdout(String),
    Stderr(String),
    /// Authenticates the client; answered by [`Tell::Answer`] after at most `timeout`.
    Login {
        token: Token,
        via: Via,
        timeout: Micros,
    },
    /// One unary RPC to whichever endpoint can be reached; answered by [`Tell::Answer`] after at most `timeout`.
    Call {
        token: Token,
        via: Via,
        request: Request,
        timeout: Micros,
    },
    /// A watch that survives broken streams; answered by [`Tell::Watch`] until it fails or is cancelled.
    Watch {
        token: Token,
        via: Via,
        request: WatchCreateRequest,
    },
    /// Asks every open watch stream for a progress response.
    WatchProgress {
        token: Token,
    },
    /// Ends a watch, a keep-alive or an HTTP request.
    Cancel {
        token: Token,
    },
    /// Keeps a lease alive until it is cancelled; answered by [`Tell::KeptAlive`].
    KeepAlive {
        token: Token,
        via: Via,
        lease: i64,
    },
    /// One HTTP request to `host:port`; answered by [`Tell::Http`], also when the connection is there.
    Http {
        token: Token,
        authority: String,
        request: HttpRequest,
    },
    Sleep {
        token: Token,
        span: Micros,
    },
    /// Gives the learner a text to edit, under the name of a file; answered by [`Tell::Edited`].
    Edit {
        token: Token,
        name: String,
        text: String,
    },
    /// The learner's hand on the machines: see `sim::fault`.
    Fault(crate::sim::fault::Fault),
    /// What the learner's hand does besides faults.
    Order(Order),
    /// The program has ended.
    Exit(i32),
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Order {
    /// Gives a machine this write-ahead log and this database in the place of its own, and starts its member.
    Install { host: HostId, wal: Bytes, database: Bytes },
    /// Starts the API server of a machine anew with these flags.
    Configure { host: HostId, flags: Arc<Flags> },
    /// Gives a plugin that guards keys another key.
    RotateKey { plugin: String },
}

/// What is told to a program.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Tell {
    Start,
    Answer {
        token: Token,
        result: Result<Response, CallError>,
    },
    Watch {
        token: Token,
        result: Result<WatchResponse, Status>,
    },
    /// The lease was renewed; or, with nothing, it is gone or was not renewed in time and nobody tries any more.
    KeptAlive {
        token: Token,
        response: Option<LeaseKeepAliveResponse>,
    },
    Http {
        token: Token,
        event: FetchEvent,
    },
    Timer {
        token: Token,
    },
    /// The text as it was left, or why it could not be edited.
    Edited {
        token: Token,
        result: Result<String, String>,
    },
    /// A line typed into the terminal, without its newline. The shell passes text on to the programs inside it as it
    /// was typed or piped, newlines included.
    Stdin(String),
    StdinClosed,
    /// Ctrl-C. The program ends, now or after it has cleaned up.
    Interrupt,
}

/// How long a call may take that has no deadline upstream. Simplified: a day.
pub const NO_DEADLINE: Micros = Micros::from_secs(24 * 60 * 60);

impl Ask {
    /// The token of an ask that is answered or that names an earlier one.
    pub fn token(&self) -> Option<Token> {
        match self {
            Ask::Login { token, .. }
            | Ask::Call { token, .. }
            | Ask::Watch { token, .. }
            | Ask::WatchProgress { token }
            | Ask::Cancel { token }
            | Ask::KeepAlive { token, .. }
            | Ask::Http { token, .. }
            | Ask::Sleep { token, .. }
            | Ask::Edit { token, .. } => Some(*token),
            Ask::Stdout(_) | Ask::Stderr(_) | Ask::Fault(_) | Ask::Order(_) | Ask::Exit(_) => None,
        }
    }

    /// The same ask under another token.
    pub fn under(mut self, new: Token) -> Ask {
        match &mut self {
            Ask::Login { token, .. }
            | Ask::Call { token, .. }
            | Ask::Watch { token, .. }
            | Ask::WatchProgress { token }
            | Ask::Cancel { token }
            | Ask::KeepAlive { token, .. }
            | Ask::Http { token, .. }
            | Ask::Sleep { token, .. }
            | Ask::Edit { token, .. } => *token = new,
            Ask::Stdout(_) | Ask::Stderr(_) | Ask::Fault(_) | Ask::Order(_) | Ask::Exit(_) => {}
        }
        self
    }
}

impl Tell {
    /// The token of what is an answer.
    pub fn token(&self) -> Option<Token> {
        match self {
            Tell::Answer { token, .. }
            | Tell::Watch { token, .. }
            | Tell::KeptAlive { token, .. }
            | Tell::Http { token, .. }
            | Tell::Timer { token }
            | Tell::Edited { token, .. } => Some(*token),
            Tell::Start | Tell::Stdin(_) | Tell::StdinClosed | Tell::Interrupt => None,
        }
    }

    /// The same answer under another token.
    pub fn under(mut self, new: Token) -> Tell {
        match &mut self {
            Tell::Answer { token, .. }
            | Tell::Watch { token, .. }
            | Tell::KeptAlive { token, .. }
            | Tell::Http { token, .. }
            | Tell::Timer { token }
            | Tell::Edited { token, .. } => *token = new,
            Tell::Start | Tell::Stdin(_) | Tell::StdinClosed | Tell::Interrupt => {}
        }
        self
    }
}

/// Why a call failed: the status the program sees, and the one clientv3's retry interceptor writes to its log.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CallError {
    pub status: Status,
    /// For `"error":"…"` of the log line, e.g. `rpc error: code = DeadlineExceeded desc = latest balancer error: …`.
    pub log: String,
}

/// Where a program puts what it asks while it is told something, and the files of its machine.
#[derive(Debug)]
pub struct Asks<'a> {
    list: Vec<Ask>,
    pub files: &'a mut Files,
}

impl<'a> Asks<'a> {
    pub fn new(files: &'a mut Files) -> Asks<'a> {
        Asks { list: Vec::new(), files }
    }

    /// For a program inside the program.
    pub fn inner(&mut self) -> Asks<'_> {
        Asks::new(self.files)
    }

    pub fn push(&mut self, ask: Ask) {
        self.list.push(ask);
    }

    /// Text for standard output, unless there is none.
    pub fn print(&mut self, text: impl Into<String>) {
        let text = text.into();
        if !text.is_empty() {
            self.list.push(Ask::Stdout(text));
        }
    }

    /// Text for standard error, unless there is none.
    pub fn complain(&mut self, text: impl Into<String>) {
        let text = text.into();
        if !text.is_empty() {
            self.list.push(Ask::Stderr(text));
        }
    }

    pub fn len(&self) -> usize {
        self.list.len()
    }

    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Takes what was asked from this position on.
    pub fn split_off(&mut self, at: usize) -> Vec<Ask> {
        self.list.split_off(at)
    }

    pub fn asked(&self) -> &[Ask] {
        &self.list
    }

    pub fn into_list(self) -> Vec<Ask> {
        self.list
    }
}

impl Extend<Ask> for Asks<'_> {
    fn extend<I: IntoIterator<Item = Ask>>(&mut self, asks: I) {
        self.list.extend(asks);
    }
}

/// A running program.
pub trait Program {
    fn tell(&mut self, now: SimTime, tell: Tell, asks: &mut Asks);
}
