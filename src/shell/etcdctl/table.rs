//! etcdctl's commands and flags, as 3.5.1 has them: one static table drives parsing, help and completion.
//!
//! Names, usage lines and flag texts are facts of the upstream program: a learner who reads them here meets the same
//! words on a real machine.

use super::flags::Flag;

/// What a command does when it is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// Only holds subcommands; shows its help.
    Group,
    Help,
    Version,
    Get,
    Put,
    Del,
    Txn,
    Compaction,
    Watch,
    EndpointHealth,
    EndpointStatus,
    EndpointHashKv,
    MemberList,
    AlarmDisarm,
    AlarmList,
    AuthDisable,
    AuthEnable,
    AuthStatus,
    CheckDatascale,
    CheckPerf,
    Defrag,
    Elect,
    LeaseGrant,
    LeaseKeepAlive,
    LeaseList,
    LeaseRevoke,
    LeaseTimeToLive,
    Lock,
    MakeMirror,
    MemberAdd,
    MemberPromote,
    MemberRemove,
    MemberUpdate,
    MoveLeader,
    RoleAdd,
    RoleDelete,
    RoleGet,
    RoleGrantPermission,
    RoleList,
    RoleRevokePermission,
    SnapshotRestore,
    SnapshotSave,
    SnapshotStatus,
    UserAdd,
    UserDelete,
    UserGet,
    UserGrantRole,
    UserList,
    UserPasswd,
    UserRevokeRole,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Command {
    /// Its words, e.g. `lease grant`.
    pub name: &'static str,
    /// The usage line without `etcdctl` before and `[flags]` behind.
    pub usage: &'static str,
    pub short: &'static str,
    pub long: &'static str,
    /// Its own flags, sorted by name; `--help` goes without saying.
    pub flags: &'static [Flag],
    /// Flags that its subcommands have as well.
    pub persistent: &'static [Flag],
    /// Least and most arguments, and what it says about any other number.
    pub arity: (usize, usize, &'static str),
    pub action: Action,
}

/// What a row leaves out.
const COMMAND: Command = Command {
    name: "",
    usage: "",
    short: "",
    long: "",
    flags: &[],
    persistent: &[],
    arity: (0, usize::MAX, ""),
    action: Action::Group,
};

impl Command {
    /// The last of its words.
    pub fn last_name(&self) -> &'static str {
        self.name.rsplit(' ').next().unwrap_or(self.name)
    }

    /// The command that it is a subcommand of.
    pub fn parent(&self) -> Option<&'static Command> {
        let (parent, _) = self.name.rsplit_once(' ')?;
        COMMANDS.iter().find(|command| command.name == parent)
    }

    /// Its subcommands, or the commands of `etcdctl` itself; in the order in which they were registered.
    pub fn children(of: Option<&Command>) -> impl Iterator<Item = &'static Command> {
        let prefix = of.map_or(String::new(), |command| format!("{} ", command.name));
        COMMANDS
            .iter()
            .filter(move |command| command.name.strip_prefix(prefix.as_str()).is_some_and(|rest| !rest.contains(' ')))
    }

    /// Its own flags and those that its parent gives it, without the global ones.
    pub fn all_flags(&self) -> impl Iterator<Item = &'static Flag> {
        let inherited = self.parent().map_or(&[][..], |parent| parent.persistent);
        self.flags.iter().chain(self.persistent).chain(inherited)
    }
}

pub const HELP: Flag = Flag::bool("help", "false", "").short('h');

/// Flags of every command, sorted by name.
pub const GLOBAL: &[Flag] = &[
    Flag::text("cacert", "", "verify certificates of TLS-enabled secure servers using this CA bundle"),
    Flag::text("cert", "", "identify secure client using this TLS certificate file"),
    Flag::duration("command-timeout", "5s", "timeout for short running command (excluding dial timeout)"),
    Flag::bool("debug", "false", "enable client-side debug logging"),
    Flag::duration("dial-timeout", "2s", "dial timeout for client connections"),
    Flag::text("discovery-srv", "", "domain name to query for SRV records describing cluster endpoints").short('d'),
    Flag::text("discovery-srv-name", "", "service name to query when using DNS discovery"),
    Flag::list("endpoints", "127.0.0.1:2379", "gRPC endpoints"),
    Flag::bool("hex", "false", "print byte strings as hex encoded strings"),
    Flag::bool("insecure-discovery", "true", "accept insecure SRV records describing cluster endpoints"),
    Flag::bool(
        "insecure-skip-tls-verify",
        "false",
        "skip server certificate verification (CAUTION: this option should be enabled only for testing purposes)",
    ),
    Flag::bool("insecure-transport", "true", "disable transport security for client connections"),
    Flag::duration("keepalive-time", "2s", "keepalive time for client connections"),
    Flag::duration("keepalive-timeout", "6s", "keepalive timeout for client connections"),
    Flag::text("key", "", "identify secure client using this TLS key file"),
    Flag::text(
        "password",
        "",
        "password for authentication (if this option is used, --user option shouldn't include password)",
    ),
    Flag::text("user", "", "username[:password] for authentication (prompt if password is not supplied)"),
    Flag::text("write-out", "simple", "set the output format (fields, json, protobuf, simple, table)").short('w'),
];

/// Every command, in the order in which upstream registers them; suggestions follow it.
pub const COMMANDS: &[Command] = &[
    Command {
        name: "get",
        usage: "get [options] <key> [range_end]",
        short: "Gets the key or a range of keys",
        flags: &[
            Flag::text("consistency", "l", "Linearizable(l) or Serializable(s)"),
            Flag::bool("count-only", "false", "Get only the count"),
            Flag::bool(
                "from-key",
                "false",
                "Get keys that are greater than or equal to the given key using byte compare",
            ),
            Flag::bool("keys-only", "false", "Get only the keys"),
            Flag::int("limit", "0", "Maximum number of results"),
            Flag::text("order", "", "Order of results; ASCEND or DESCEND (ASCEND by default)"),
            Flag::bool("prefix", "false", "Get keys with matching prefix"),
            Flag::bool("print-value-only", "false", "Only write values when using the \"simple\" output format"),
            Flag::int("rev", "0", "Specify the kv revision"),
            Flag::text("sort-by", "", "Sort target; CREATE, KEY, MODIFY, VALUE, or VERSION"),
        ],
        arity: (1, usize::MAX, "get command needs one argument as key and an optional argument as range_end"),
        action: Action::Get,
        ..COMMAND
    },
    Command {
        name: "put",
        usage: "put [options] <key> <value> (<value> can also be given from stdin)",
        short: "Puts the given key into the store",
        long: "Puts the given key into the store.\n\n\
               When <value> begins with '-', <value> is interpreted as a flag.\n\
               Insert '--' for workaround:\n\n\
               $ put <key> -- <value>\n\
               $ put -- <key> <value>\n\n\
               If <value> isn't given as a command line argument and '--ignore-value' is not specified,\n\
               this command tries to read the value from standard input.\n\n\
               If <lease> isn't given as a command line argument and '--ignore-lease' is not specified,\n\
               this command tries to read the value from standard input.\n\n\
               For example,\n\
               $ cat file | put <key>\n\
               will store the content of the file to <key>.",
        flags: &[
            Flag::bool("ignore-lease", "false", "updates the key using its current lease"),
            Flag::bool("ignore-value", "false", "updates the key using its current value"),
            Flag::text("lease", "0", "lease ID (in hexadecimal) to attach to the key"),
            Flag::bool("prev-kv", "false", "return the previous key-value pair before modification"),
        ],
        action: Action::Put,
        ..COMMAND
    },
    Command {
        name: "del",
        usage: "del [options] <key> [range_end]",
        short: "Removes the specified key or range of keys [key, range_end)",
        flags: &[
            Flag::bool(
                "from-key",
                "false",
                "delete keys that are greater than or equal to the given key using byte compare",
            ),
            Flag::bool("prefix", "false", "delete keys with matching prefix"),
            Flag::bool("prev-kv", "false", "return deleted key-value pairs"),
        ],
        arity: (1, 2, "del command needs one argument as key and an optional argument as range_end"),
        action: Action::Del,
        ..COMMAND
    },
    Command {
        name: "txn",
        usage: "txn [options]",
        short: "Txn processes all the requests in one transaction",
        flags: &[Flag::bool("interactive", "false", "Input transaction in interactive mode").short('i')],
        arity: (0, 0, "txn command does not accept argument"),
        action: Action::Txn,
        ..COMMAND
    },
    Command {
        name: "compaction",
        usage: "compaction [options] <revision>",
        short: "Compacts the event history in etcd",
        flags: &[Flag::bool(
            "physical",
            "false",
            "'true' to wait for compaction to physically remove all old revisions",
        )],
        arity: (1, 1, "compaction command needs 1 argument"),
        action: Action::Compaction,
        ..COMMAND
    },
    Command {
        name: "alarm",
        usage: "alarm <subcommand>",
        short: "Alarm related commands",
        action: Action::Group,
        ..COMMAND
    },
    Command {
        name: "alarm disarm",
        usage: "alarm disarm",
        short: "Disarms all alarms",
        arity: (0, 0, "alarm disarm command accepts no arguments"),
        action: Action::AlarmDisarm,
        ..COMMAND
    },
    Command {
        name: "alarm list",
        usage: "alarm list",
        short: "Lists all alarms",
        arity: (0, 0, "alarm list command accepts no arguments"),
        action: Action::AlarmList,
        ..COMMAND
    },
    Command {
        name: "defrag",
        usage: "defrag",
        short: "Defragments the storage of the etcd members with given endpoints",
        flags: &[
            Flag::bool("cluster", "false", "use all endpoints from the cluster member list"),
            Flag::text("data-dir", "", "Optional. If present, defragments a data directory not in use by etcd."),
        ],
        action: Action::Defrag,
        ..COMMAND
    },
    Command {
        name: "endpoint",
        usage: "endpoint <subcommand>",
        short: "Endpoint related commands",
        persistent: &[Flag::bool("cluster", "false", "use all endpoints from the cluster member list")],
        action: Action::Group,
        ..COMMAND
    },
    Command {
        name: "endpoint health",
        usage: "endpoint health",
        short: "Checks the healthiness of endpoints specified in `--endpoints` flag",
        action: Action::EndpointHealth,
        ..COMMAND
    },
    Command {
        name: "endpoint status",
        usage: "endpoint status",
        short: "Prints out the status of endpoints specified in `--endpoints` flag",
        long: "When --write-out is set to simple, this command prints out comma-separated status lists for each endpoint.\n\
               The items in the lists are endpoint, ID, version, db size, is leader, is learner, raft term, raft index, raft applied index, errors.",
        action: Action::EndpointStatus,
        ..COMMAND
    },
    Command {
        name: "endpoint hashkv",
        usage: "endpoint hashkv",
        short: "Prints the KV history hash for each endpoint in --endpoints",
        flags: &[Flag::int("rev", "0", "maximum revision to hash (default: all revisions)")],
        action: Action::EndpointHashKv,
        ..COMMAND
    },
    Command {
        name: "move-leader",
        usage: "move-leader <transferee-member-id>",
        short: "Transfers leadership to another etcd cluster member.",
        arity: (1, 1, "move-leader command needs 1 argument"),
        action: Action::MoveLeader,
        ..COMMAND
    },
    Command {
        name: "watch",
        usage: "watch [options] [key or prefix] [range_end] [--] [exec-command arg1 arg2 ...]",
        short: "Watches events stream on keys or prefixes",
        flags: &[
            Flag::bool("interactive", "false", "Interactive mode").short('i'),
            Flag::bool("prefix", "false", "Watch on a prefix if prefix is set"),
            Flag::bool("prev-kv", "false", "get the previous key-value pair before the event happens"),
            Flag::bool("progress-notify", "false", "get periodic watch progress notification from server"),
            Flag::int("rev", "0", "Revision to start watching"),
        ],
        action: Action::Watch,
        ..COMMAND
    },
    Command {
        name: "version",
        usage: "version",
        short: "Prints the version of etcdctl",
        action: Action::Version,
        ..COMMAND
    },
    Command {
        name: "lease",
        usage: "lease <subcommand>",
        short: "Lease related commands",
        action: Action::Group,
        ..COMMAND
    },
    Command {
        name: "lease grant",
        usage: "lease grant <ttl>",
        short: "Creates leases",
        arity: (1, 1, "lease grant command needs TTL argument"),
        action: Action::LeaseGrant,
        ..COMMAND
    },
    Command {
        name: "lease revoke",
        usage: "lease revoke <leaseID>",
        short: "Revokes leases",
        arity: (1, 1, "lease revoke command needs 1 argument"),
        action: Action::LeaseRevoke,
        ..COMMAND
    },
    Command {
        name: "lease timetolive",
        usage: "lease timetolive <leaseID> [options]",
        short: "Get lease information",
        flags: &[Flag::bool("keys", "false", "Get keys attached to this lease")],
        arity: (1, 1, "lease timetolive command needs lease ID as argument"),
        action: Action::LeaseTimeToLive,
        ..COMMAND
    },
    Command {
        name: "lease list",
        usage: "lease list",
        short: "List all active leases",
        action: Action::LeaseList,
        ..COMMAND
    },
    Command {
        name: "lease keep-alive",
        usage: "lease keep-alive [options] <leaseID>",
        short: "Keeps leases alive (renew)",
        flags: &[Flag::bool(
            "once",
            "false",
            "Resets the keep-alive time to its original value and cobrautl.Exits immediately",
        )],
        arity: (1, 1, "lease keep-alive command needs lease ID as argument"),
        action: Action::LeaseKeepAlive,
        ..COMMAND
    },
    Command {
        name: "member",
        usage: "member <subcommand>",
        short: "Membership related commands",
        action: Action::Group,
        ..COMMAND
    },
    Command {
        name: "member add",
        usage: "member add <memberName> [options]",
        short: "Adds a member into the cluster",
        flags: &[
            Flag::bool("learner", "false", "indicates if the new member is raft learner"),
            Flag::text("peer-urls", "", "comma separated peer URLs for the new member."),
        ],
        arity: (1, usize::MAX, "member name not provided"),
        action: Action::MemberAdd,
        ..COMMAND
    },
    Command {
        name: "member remove",
        usage: "member remove <memberID>",
        short: "Removes a member from the cluster",
        arity: (1, 1, "member ID is not provided"),
        action: Action::MemberRemove,
        ..COMMAND
    },
    Command {
        name: "member update",
        usage: "member update <memberID> [options]",
        short: "Updates a member in the cluster",
        flags: &[Flag::text("peer-urls", "", "comma separated peer URLs for the updated member.")],
        arity: (1, 1, "member ID is not provided"),
        action: Action::MemberUpdate,
        ..COMMAND
    },
    Command {
        name: "member list",
        usage: "member list",
        short: "Lists all members in the cluster",
        long: "When --write-out is set to simple, this command prints out comma-separated member lists for each endpoint.\n\
               The items in the lists are ID, Status, Name, Peer Addrs, Client Addrs, Is Learner.",
        action: Action::MemberList,
        ..COMMAND
    },
    Command {
        name: "member promote",
        usage: "member promote <memberID>",
        short: "Promotes a non-voting member in the cluster",
        long: "Promotes a non-voting learner member to a voting one in the cluster.",
        arity: (1, 1, "member ID is not provided"),
        action: Action::MemberPromote,
        ..COMMAND
    },
    Command {
        name: "snapshot",
        usage: "snapshot <subcommand>",
        short: "Manages etcd node snapshots",
        action: Action::Group,
        ..COMMAND
    },
    Command {
        name: "snapshot save",
        usage: "snapshot save <filename>",
        short: "Stores an etcd node backend snapshot to a given file",
        arity: (1, 1, "snapshot save expects one argument"),
        action: Action::SnapshotSave,
        ..COMMAND
    },
    Command {
        name: "snapshot restore",
        usage: "snapshot restore <filename> [options]",
        short: "Restores an etcd member snapshot to an etcd directory",
        long: "Moved to `etcdctl snapshot restore ...`",
        flags: &[
            Flag::text("data-dir", "", "Path to the data directory"),
            Flag::text(
                "initial-advertise-peer-urls",
                "http://localhost:2380",
                "List of this member's peer URLs to advertise to the rest of the cluster",
            ),
            Flag::text(
                "initial-cluster",
                "default=http://localhost:2380",
                "Initial cluster configuration for restore bootstrap",
            ),
            Flag::text(
                "initial-cluster-token",
                "etcd-cluster",
                "Initial cluster token for the etcd cluster during restore bootstrap",
            ),
            Flag::text("name", "default", "Human-readable name for this member"),
            Flag::bool(
                "skip-hash-check",
                "false",
                "Ignore snapshot integrity hash value (required if copied from data directory)",
            ),
            Flag::text("wal-dir", "", "Path to the WAL directory (use --data-dir if none given)"),
        ],
        action: Action::SnapshotRestore,
        ..COMMAND
    },
    Command {
        name: "snapshot status",
        usage: "snapshot status <filename>",
        short: "[deprecated] Gets backend snapshot status of a given file",
        long: "When --write-out is set to simple, this command prints out comma-separated status lists for each endpoint.\n\
               The items in the lists are hash, revision, total keys, total size.\n\n\
               Moved to 'etcdctl snapshot status ...'",
        action: Action::SnapshotStatus,
        ..COMMAND
    },
    Command {
        name: "make-mirror",
        usage: "make-mirror [options] <destination>",
        short: "Makes a mirror at the destination etcd cluster",
        arity: (1, 1, "make-mirror takes one destination argument"),
        flags: &[
            Flag::text("dest-cacert", "", "Verify certificates of TLS enabled secure servers using this CA bundle"),
            Flag::text(
                "dest-cert",
                "",
                "Identify secure client using this TLS certificate file for the destination cluster",
            ),
            Flag::bool("dest-insecure-transport", "true", "Disable transport security for client connections"),
            Flag::text("dest-key", "", "Identify secure client using this TLS key file"),
            Flag::text(
                "dest-password",
                "",
                "Destination password for authentication (if this option is used, --user option shouldn't include password)",
            ),
            Flag::text(
                "dest-prefix",
                "",
                "destination prefix to mirror a prefix to a different prefix in the destination cluster",
            ),
            Flag::text(
                "dest-user",
                "",
                "Destination username[:password] for authentication (prompt if password is not supplied)",
            ),
            Flag::bool("no-dest-prefix", "false", "mirror key-values to the root of the destination cluster"),
            Flag::text("prefix", "", "Key-value prefix to mirror"),
        ],
        action: Action::MakeMirror,
        ..COMMAND
    },
    Command {
        name: "lock",
        usage: "lock <lockname> [exec-command arg1 arg2 ...]",
        short: "Acquires a named lock",
        flags: &[Flag::int("ttl", "10", "timeout for session")],
        arity: (1, usize::MAX, "lock takes a lock name argument and an optional command to execute"),
        action: Action::Lock,
        ..COMMAND
    },
    Command {
        name: "elect",
        usage: "elect <election-name> [proposal]",
        short: "Observes and participates in leader election",
        flags: &[Flag::bool("listen", "false", "observation mode").short('l')],
        arity: (1, 2, "elect takes one election name argument and an optional proposal argument"),
        action: Action::Elect,
        ..COMMAND
    },
    Command {
        name: "auth",
        usage: "auth <enable or disable>",
        short: "Enable or disable authentication",
        action: Action::Group,
        ..COMMAND
    },
    Command {
        name: "auth enable",
        usage: "auth enable",
        short: "Enables authentication",
        arity: (0, 0, "auth enable command does not accept any arguments"),
        action: Action::AuthEnable,
        ..COMMAND
    },
    Command {
        name: "auth disable",
        usage: "auth disable",
        short: "Disables authentication",
        arity: (0, 0, "auth disable command does not accept any arguments"),
        action: Action::AuthDisable,
        ..COMMAND
    },
    Command {
        name: "auth status",
        usage: "auth status",
        short: "Returns authentication status",
        arity: (0, 0, "auth status command does not accept any arguments"),
        action: Action::AuthStatus,
        ..COMMAND
    },
    Command {
        name: "user",
        usage: "user <subcommand>",
        short: "User related commands",
        action: Action::Group,
        ..COMMAND
    },
    Command {
        name: "user add",
        usage: "user add <user name or user:password> [options]",
        short: "Adds a new user",
        flags: &[
            Flag::bool("interactive", "true", "Read password from stdin instead of interactive terminal"),
            Flag::text("new-user-password", "", "Supply password from the command line flag"),
            Flag::bool("no-password", "false", "Create a user without password (CN based auth only)"),
        ],
        arity: (1, 1, "user add command requires user name as its argument"),
        action: Action::UserAdd,
        ..COMMAND
    },
    Command {
        name: "user delete",
        usage: "user delete <user name>",
        short: "Deletes a user",
        arity: (1, 1, "user delete command requires user name as its argument"),
        action: Action::UserDelete,
        ..COMMAND
    },
    Command {
        name: "user get",
        usage: "user get <user name> [options]",
        short: "Gets detailed information of a user",
        flags: &[Flag::bool("detail", "false", "Show permissions of roles granted to the user")],
        arity: (1, 1, "user get command requires user name as its argument"),
        action: Action::UserGet,
        ..COMMAND
    },
    Command {
        name: "user list",
        usage: "user list",
        short: "Lists all users",
        arity: (0, 0, "user list command requires no arguments"),
        action: Action::UserList,
        ..COMMAND
    },
    Command {
        name: "user passwd",
        usage: "user passwd <user name> [options]",
        short: "Changes password of user",
        flags: &[Flag::bool(
            "interactive",
            "true",
            "If true, read password from stdin instead of interactive terminal",
        )],
        arity: (1, 1, "user passwd command requires user name as its argument"),
        action: Action::UserPasswd,
        ..COMMAND
    },
    Command {
        name: "user grant-role",
        usage: "user grant-role <user name> <role name>",
        short: "Grants a role to a user",
        arity: (2, 2, "user grant command requires user name and role name as its argument"),
        action: Action::UserGrantRole,
        ..COMMAND
    },
    Command {
        name: "user revoke-role",
        usage: "user revoke-role <user name> <role name>",
        short: "Revokes a role from a user",
        arity: (2, 2, "user revoke-role requires user name and role name as its argument"),
        action: Action::UserRevokeRole,
        ..COMMAND
    },
    Command {
        name: "role",
        usage: "role <subcommand>",
        short: "Role related commands",
        action: Action::Group,
        ..COMMAND
    },
    Command {
        name: "role add",
        usage: "role add <role name>",
        short: "Adds a new role",
        arity: (1, 1, "role add command requires role name as its argument"),
        action: Action::RoleAdd,
        ..COMMAND
    },
    Command {
        name: "role delete",
        usage: "role delete <role name>",
        short: "Deletes a role",
        arity: (1, 1, "role delete command requires role name as its argument"),
        action: Action::RoleDelete,
        ..COMMAND
    },
    Command {
        name: "role get",
        usage: "role get <role name>",
        short: "Gets detailed information of a role",
        arity: (1, 1, "role get command requires role name as its argument"),
        action: Action::RoleGet,
        ..COMMAND
    },
    Command {
        name: "role list",
        usage: "role list",
        short: "Lists all roles",
        arity: (0, 0, "role list command requires no arguments"),
        action: Action::RoleList,
        ..COMMAND
    },
    Command {
        name: "role grant-permission",
        usage: "role grant-permission [options] <role name> <permission type> <key> [endkey]",
        short: "Grants a key to a role",
        flags: &[
            Flag::bool(
                "from-key",
                "false",
                "grant a permission of keys that are greater than or equal to the given key using byte compare",
            ),
            Flag::bool("prefix", "false", "grant a prefix permission"),
        ],
        arity: (
            3,
            usize::MAX,
            "role grant command requires role name, permission type, and key [endkey] as its argument",
        ),
        action: Action::RoleGrantPermission,
        ..COMMAND
    },
    Command {
        name: "role revoke-permission",
        usage: "role revoke-permission <role name> <key> [endkey]",
        short: "Revokes a key from a role",
        flags: &[
            Flag::bool(
                "from-key",
                "false",
                "revoke a permission of keys that are greater than or equal to the given key using byte compare",
            ),
            Flag::bool("prefix", "false", "revoke a prefix permission"),
        ],
        arity: (2, usize::MAX, "role revoke-permission command requires role name and key [endkey] as its argument"),
        action: Action::RoleRevokePermission,
        ..COMMAND
    },
    Command {
        name: "check",
        usage: "check <subcommand>",
        short: "commands for checking properties of the etcd cluster",
        action: Action::Group,
        ..COMMAND
    },
    Command {
        name: "check perf",
        usage: "check perf [options]",
        short: "Check the performance of the etcd cluster",
        flags: &[
            Flag::bool("auto-compact", "false", "Compact storage with last revision after test is finished."),
            Flag::bool("auto-defrag", "false", "Defragment storage after test is finished."),
            Flag::text(
                "load",
                "s",
                "The performance check's workload model. Accepted workloads: s(small), m(medium), l(large), xl(xLarge)",
            ),
            Flag::text("prefix", "/etcdctl-check-perf/", "The prefix for writing the performance check's keys."),
        ],
        action: Action::CheckPerf,
        ..COMMAND
    },
    Command {
        name: "check datascale",
        usage: "check datascale [options]",
        short: "Check the memory usage of holding data for different workloads on a given server endpoint.",
        long: "If no endpoint is provided, localhost will be used. If multiple endpoints are provided, first endpoint will be used.",
        flags: &[
            Flag::bool("auto-compact", "false", "Compact storage with last revision after test is finished."),
            Flag::bool("auto-defrag", "false", "Defragment storage after test is finished."),
            Flag::text(
                "load",
                "s",
                "The datascale check's workload model. Accepted workloads: s(small), m(medium), l(large), xl(xLarge)",
            ),
            Flag::text("prefix", "/etcdctl-check-datascale/", "The prefix for writing the datascale check's keys."),
        ],
        action: Action::CheckDatascale,
        ..COMMAND
    },
    Command { name: "help", usage: "help [command]", short: "Help about any command", action: Action::Help, ..COMMAND },
];
