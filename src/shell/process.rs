//! What a program on the simulated workstation may do, and what it is told.
//!
//! A program is a state machine: the workstation *tells* it something, it *asks* for things. It holds no socket, clock or
//! thread, so a world with running programs in it can be copied, rewound and replayed like any other value.

use crate::etcd::api::{Request, Response, WatchCreateRequest, WatchResponse};
use crate::etcd::error::Status;
use crate::sim::{Micros, SimTime};

/// Names a call, a watch or a timer within one program. The program chooses it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Token(pub u32);

/// What a program asks of the workstation.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Ask {
    Stdout(String),
    Stderr(String),
    /// One unary RPC to whichever of `endpoints` (`host:port` or URL) can be reached; answered by [`Tell::Answer`] after
    /// at most `timeout`.
    Call {
        token: Token,
        endpoints: Vec<String>,
        request: Request,
        timeout: Micros,
    },
    /// A watch that survives broken streams; answered by [`Tell::Watch`] until it fails or is cancelled.
    Watch {
        token: Token,
        endpoints: Vec<String>,
        request: WatchCreateRequest,
    },
    /// Asks every open watch stream for a progress response.
    WatchProgress {
        token: Token,
    },
    CancelWatch {
        token: Token,
    },
    Sleep {
        token: Token,
        span: Micros,
    },
    /// The learner's hand on the machines: see `sim::fault`.
    Fault(crate::sim::fault::Fault),
    /// The program ends; nothing that it asks afterwards happens.
    Exit(i32),
}

/// What the workstation tells a program.
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
    Timer {
        token: Token,
    },
    /// A line typed into the terminal, without its newline. The shell passes text on to the programs inside it as it
    /// was typed or piped, newlines included.
    Stdin(String),
    StdinClosed,
    /// Ctrl-C.
    Interrupt,
}

/// Why a call failed: the status the program sees, and the one clientv3's retry interceptor writes to its log.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CallError {
    pub status: Status,
    /// For `"error":"…"` of the log line, e.g. `rpc error: code = DeadlineExceeded desc = latest balancer error: …`.
    pub log: String,
}

/// A running program.
pub trait Program {
    fn tell(&mut self, now: SimTime, tell: Tell, asks: &mut Vec<Ask>);
}
