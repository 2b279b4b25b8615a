//! What etcd answers when it says no: gRPC codes and upstream's exact texts.
//!
//! Upstream: `api/v3rpc/rpctypes/error.go` of 3.5.

use std::fmt;

/// A gRPC status code. Numbers are gRPC's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Code {
    Canceled = 1,
    Unknown = 2,
    InvalidArgument = 3,
    DeadlineExceeded = 4,
    NotFound = 5,
    PermissionDenied = 7,
    ResourceExhausted = 8,
    FailedPrecondition = 9,
    OutOfRange = 11,
    Unimplemented = 12,
    Unavailable = 14,
    DataLoss = 15,
    Unauthenticated = 16,
}

impl fmt::Display for Code {
    /// gRPC's name of the code, as Go prints it: `InvalidArgument`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// A status other than OK, as it travels from a member to a client.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Status {
    pub code: Code,
    pub message: String,
}

impl fmt::Display for Status {
    /// As grpc-go prints an error: `rpc error: code = Unavailable desc = etcdserver: no leader`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "rpc error: code = {} desc = {}", self.code, self.message)
    }
}

macro_rules! errors {
    ($($name:ident = $code:ident $text:literal;)*) => {
        /// Every refusal the engine can give, named as `rpctypes` names it without `ErrGRPC`.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum EtcdError { $($name,)* }

        impl EtcdError {
            pub fn code(self) -> Code {
                match self { $(EtcdError::$name => Code::$code,)* }
            }

            /// Upstream's exact text.
            pub fn text(self) -> &'static str {
                match self { $(EtcdError::$name => $text,)* }
            }
        }
    };
}

errors! {
    EmptyKey = InvalidArgument "etcdserver: key is not provided";
    KeyNotFound = InvalidArgument "etcdserver: key not found";
    ValueProvided = InvalidArgument "etcdserver: value is provided";
    LeaseProvided = InvalidArgument "etcdserver: lease is provided";
    TooManyOps = InvalidArgument "etcdserver: too many operations in txn request";
    DuplicateKey = InvalidArgument "etcdserver: duplicate key given in txn request";
    Compacted = OutOfRange "etcdserver: mvcc: required revision has been compacted";
    FutureRev = OutOfRange "etcdserver: mvcc: required revision is a future revision";
    LeaseNotFound = NotFound "etcdserver: requested lease not found";
    LeaseExist = FailedPrecondition "etcdserver: lease already exists";
    LeaseTtlTooLarge = OutOfRange "etcdserver: too large lease TTL";
    NoSpace = ResourceExhausted "etcdserver: mvcc: database space exceeded";
    Corrupt = DataLoss "etcdserver: corrupt cluster";
    RequestTooLarge = InvalidArgument "etcdserver: request is too large";
    TooManyRequests = ResourceExhausted "etcdserver: too many requests";
    NoLeader = Unavailable "etcdserver: no leader";
    LeaderChanged = Unavailable "etcdserver: leader changed";
    Stopped = Unavailable "etcdserver: server stopped";
    Timeout = Unavailable "etcdserver: request timed out";
    TimeoutDueToLeaderFail = Unavailable "etcdserver: request timed out, possibly due to previous leader failure";
    TimeoutDueToConnectionLost = Unavailable "etcdserver: request timed out, possibly due to connection lost";
}

impl From<EtcdError> for Status {
    fn from(error: EtcdError) -> Status {
        Status { code: error.code(), message: error.text().to_owned() }
    }
}

impl fmt::Display for EtcdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}
