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
    MemberExist = FailedPrecondition "etcdserver: member ID already exist";
    PeerUrlExist = FailedPrecondition "etcdserver: Peer URLs already exists";
    MemberNotEnoughStarted = FailedPrecondition "etcdserver: re-configuration failed due to not enough started members";
    MemberBadUrls = InvalidArgument "etcdserver: given member URLs are invalid";
    MemberNotFound = NotFound "etcdserver: member not found";
    MemberNotLearner = FailedPrecondition "etcdserver: can only promote a learner member";
    LearnerNotReady = FailedPrecondition "etcdserver: can only promote a learner member which is in sync with leader";
    TooManyLearners = FailedPrecondition "etcdserver: too many learner members in cluster";
    RootUserNotExist = FailedPrecondition "etcdserver: root user does not exist";
    RootRoleNotExist = FailedPrecondition "etcdserver: root user does not have root role";
    UserAlreadyExist = FailedPrecondition "etcdserver: user name already exists";
    UserEmpty = InvalidArgument "etcdserver: user name is empty";
    UserNotFound = FailedPrecondition "etcdserver: user name not found";
    RoleAlreadyExist = FailedPrecondition "etcdserver: role name already exists";
    RoleNotFound = FailedPrecondition "etcdserver: role name not found";
    RoleEmpty = InvalidArgument "etcdserver: role name is empty";
    AuthFailed = InvalidArgument "etcdserver: authentication failed, invalid user ID or password";
    PermissionNotGiven = InvalidArgument "etcdserver: permission not given";
    PermissionDenied = PermissionDenied "etcdserver: permission denied";
    RoleNotGranted = FailedPrecondition "etcdserver: role is not granted to the user";
    PermissionNotGranted = FailedPrecondition "etcdserver: permission is not granted to the role";
    AuthNotEnabled = FailedPrecondition "etcdserver: authentication is not enabled";
    InvalidAuthToken = Unauthenticated "etcdserver: invalid auth token";
    InvalidAuthMgmt = InvalidArgument "etcdserver: invalid auth management";
    AuthOldRevision = InvalidArgument "etcdserver: revision of auth store is old";
    NotLeader = FailedPrecondition "etcdserver: not leader";
    Unhealthy = Unavailable "etcdserver: unhealthy cluster";
    NotSupportedForLearner = Unavailable "etcdserver: rpc not supported for learner";
    BadLeaderTransferee = FailedPrecondition "etcdserver: bad leader transferee";
    TimeoutLeaderTransfer = Unknown "etcdserver: request timed out, leader transfer took too long";
    NoPasswordUser = Unknown "auth: authentication failed, password was given for no password user";
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
