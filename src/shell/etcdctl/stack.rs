//! Go's stack traces, where etcdctl 3.5.1 prints one: when a variable and a flag contradict each other, and when it
//! panics. Paths and addresses are those of the released program.

use super::table::{Action, Command};

const SOURCE: &str = "/tmp/etcd-release-3.5.1/etcd/release/etcd";
const MODULES: &str = "/home/remote/sbatsche/.gvm/pkgsets/go1.16.3/global/pkg/mod";
const COMMANDS: &str = "go.etcd.io/etcd/etcdctl/v3/ctlv3/command";

/// The command's function, and the line of it from which it reads flags and variables.
fn place(command: &Command) -> (&'static str, &'static str) {
    match command.action {
        Action::Get => ("getCommandFunc", "get_command.go:64"),
        Action::Put => ("putCommandFunc", "put_command.go:72"),
        Action::Del => ("delCommandFunc", "del_command.go:49"),
        Action::Txn => ("txnCommandFunc", "txn_command.go:53"),
        Action::Compaction => ("compactionCommandFunc", "compaction_command.go:55"),
        Action::AlarmList => ("alarmListCommandFunc", "alarm_command.go:76"),
        Action::AlarmDisarm => ("alarmDisarmCommandFunc", "alarm_command.go:53"),
        Action::Defrag => ("defragCommandFunc", "defrag_command.go:52"),
        Action::EndpointHealth => ("epHealthCommandFunc", "ep_command.go:95"),
        Action::EndpointStatus => ("epStatusCommandFunc", "ep_command.go:186"),
        Action::EndpointHashKv => ("epHashKVCommandFunc", "ep_command.go:215"),
        Action::MoveLeader => ("transferLeadershipCommandFunc", "move_leader_command.go:46"),
        Action::Watch => ("watchCommandFunc", "watch_command.go:81"),
        Action::LeaseGrant => ("leaseGrantCommandFunc", "lease_command.go:68"),
        Action::LeaseRevoke => ("leaseRevokeCommandFunc", "lease_command.go:96"),
        Action::LeaseTimeToLive => ("leaseTimeToLiveCommandFunc", "lease_command.go:128"),
        Action::LeaseList => ("leaseListCommandFunc", "lease_command.go:147"),
        Action::LeaseKeepAlive => ("leaseKeepAliveCommandFunc", "lease_command.go:189"),
        Action::MemberAdd => ("memberAddCommandFunc", "member_command.go:141"),
        Action::MemberRemove => ("memberRemoveCommandFunc", "member_command.go:191"),
        Action::MemberUpdate => ("memberUpdateCommandFunc", "member_command.go:217"),
        Action::MemberList => ("memberListCommandFunc", "member_command.go:229"),
        Action::MemberPromote => ("memberPromoteCommandFunc", "member_command.go:250"),
        Action::SnapshotSave => ("snapshotSaveCommandFunc", "snapshot_command.go:105"),
        Action::MakeMirror => ("makeMirrorCommandFunc", "make_mirror_command.go:124"),
        Action::Lock => ("lockCommandFunc", "lock_command.go:50"),
        Action::Elect => ("electCommandFunc", "elect_command.go:50"),
        Action::AuthEnable => ("authEnableCommandFunc", "auth_command.go:78"),
        Action::AuthDisable => ("authDisableCommandFunc", "auth_command.go:116"),
        Action::AuthStatus => ("authStatusCommandFunc", "auth_command.go:54"),
        Action::UserAdd => ("userAddCommandFunc", "user_command.go:165"),
        Action::UserDelete => ("userDeleteCommandFunc", "user_command.go:179"),
        Action::UserGet => ("userGetCommandFunc", "user_command.go:193"),
        Action::UserList => ("userListCommandFunc", "user_command.go:220"),
        Action::UserPasswd => ("userChangePasswordCommandFunc", "user_command.go:242"),
        Action::UserGrantRole => ("userGrantRoleCommandFunc", "user_command.go:256"),
        Action::UserRevokeRole => ("userRevokeRoleCommandFunc", "user_command.go:270"),
        Action::RoleAdd => ("roleAddCommandFunc", "role_command.go:112"),
        Action::RoleDelete => ("roleDeleteCommandFunc", "role_command.go:126"),
        Action::RoleGet => ("roleGetCommandFunc", "role_command.go:141"),
        Action::RoleList => ("roleListCommandFunc", "role_command.go:155"),
        Action::RoleGrantPermission => ("roleGrantPermissionCommandFunc", "role_command.go:175"),
        Action::RoleRevokePermission => ("roleRevokePermissionCommandFunc", "role_command.go:190"),
        Action::CheckPerf => ("newCheckPerfCommand", "check.go:155"),
        Action::CheckDatascale => ("newCheckDatascaleCommand", "check.go:328"),
        // They read neither flags nor variables of a client.
        Action::Group | Action::Version | Action::Help | Action::SnapshotStatus | Action::SnapshotRestore => ("", ""),
    }
}

/// The trace in the log line about a contradiction.
pub fn of_conflict(command: &Command) -> String {
    let mut frames = vec![
        ("go.etcd.io/etcd/pkg/v3/flags.verifyEnv".to_owned(), format!("{SOURCE}/pkg/flags/flag.go:85")),
        ("go.etcd.io/etcd/pkg/v3/flags.SetPflagsFromEnv".to_owned(), format!("{SOURCE}/pkg/flags/flag.go:63")),
    ];
    let mut command_frame = |function: &str, line: &str| {
        frames.push((format!("{COMMANDS}.{function}"), format!("{SOURCE}/etcdctl/ctlv3/command/{line}")));
    };
    if command.action != Action::EndpointHealth {
        command_frame("clientConfigFromCmd", "global.go:128");
    }
    match command.action {
        Action::EndpointHealth | Action::CheckPerf | Action::CheckDatascale => {}
        Action::SnapshotSave => command_frame("mustClientCfgFromCmd", "global.go:165"),
        _ => command_frame("mustClientFromCmd", "global.go:174"),
    }
    let (function, line) = place(command);
    command_frame(function, line);
    let cobra = format!("{MODULES}/github.com/spf13/cobra@v1.1.3/command.go");
    frames.extend([
        ("github.com/spf13/cobra.(*Command).execute".to_owned(), format!("{cobra}:856")),
        ("github.com/spf13/cobra.(*Command).ExecuteC".to_owned(), format!("{cobra}:960")),
        ("github.com/spf13/cobra.(*Command).Execute".to_owned(), format!("{cobra}:897")),
        ("go.etcd.io/etcd/etcdctl/v3/ctlv3.Start".to_owned(), format!("{SOURCE}/etcdctl/ctlv3/ctl.go:107")),
        ("go.etcd.io/etcd/etcdctl/v3/ctlv3.MustStart".to_owned(), format!("{SOURCE}/etcdctl/ctlv3/ctl.go:111")),
        ("main.main".to_owned(), format!("{SOURCE}/etcdctl/main.go:59")),
        ("runtime.main".to_owned(), "/home/remote/sbatsche/.gvm/gos/go1.16.3/src/runtime/proc.go:225".to_owned()),
    ]);
    let lines: Vec<String> = frames.iter().map(|(function, place)| format!("{function}\\n\\t{place}")).collect();
    lines.join("\\n")
}

/// The trace in the log line with which a restore begins.
pub fn of_restore(in_etcdctl: bool) -> String {
    let utl = "go.etcd.io/etcd/etcdutl/v3";
    let cobra = format!("{MODULES}/github.com/spf13/cobra@v1.1.3/command.go");
    let mut frames = vec![
        (format!("{utl}/snapshot.(*v3Manager).Restore"), format!("{SOURCE}/etcdutl/snapshot/v3_snapshot.go:257")),
        (
            format!("{utl}/etcdutl.SnapshotRestoreCommandFunc"),
            format!("{SOURCE}/etcdutl/etcdutl/snapshot_command.go:147"),
        ),
    ];
    frames.push(match in_etcdctl {
        true => (
            format!("{COMMANDS}.snapshotRestoreCommandFunc"),
            format!("{SOURCE}/etcdctl/ctlv3/command/snapshot_command.go:128"),
        ),
        false => (
            format!("{utl}/etcdutl.snapshotRestoreCommandFunc"),
            format!("{SOURCE}/etcdutl/etcdutl/snapshot_command.go:117"),
        ),
    });
    frames.extend([
        ("github.com/spf13/cobra.(*Command).execute".to_owned(), format!("{cobra}:856")),
        ("github.com/spf13/cobra.(*Command).ExecuteC".to_owned(), format!("{cobra}:960")),
        ("github.com/spf13/cobra.(*Command).Execute".to_owned(), format!("{cobra}:897")),
    ]);
    let go = "/home/remote/sbatsche/.gvm/gos/go1.16.3/src/runtime/proc.go:225";
    match in_etcdctl {
        true => frames.extend([
            ("go.etcd.io/etcd/etcdctl/v3/ctlv3.Start".to_owned(), format!("{SOURCE}/etcdctl/ctlv3/ctl.go:107")),
            ("go.etcd.io/etcd/etcdctl/v3/ctlv3.MustStart".to_owned(), format!("{SOURCE}/etcdctl/ctlv3/ctl.go:111")),
            ("main.main".to_owned(), format!("{SOURCE}/etcdctl/main.go:59")),
        ]),
        false => frames.extend([
            ("main.Start".to_owned(), format!("{SOURCE}/etcdutl/ctl.go:50")),
            ("main.main".to_owned(), format!("{SOURCE}/etcdutl/main.go:23")),
        ]),
    }
    frames.push(("runtime.main".to_owned(), go.to_owned()));
    let lines: Vec<String> = frames.iter().map(|(function, place)| format!("{function}\\n\\t{place}")).collect();
    lines.join("\\n")
}

/// What a compare of `txn` looked like when clientv3 panicked over it.
pub struct BadCompare<'a> {
    pub line: &'a str,
    pub key: &'a [u8],
    /// The line of `parseCompare` that made the compare, by its target.
    pub target: Target,
    /// How many arguments stood behind `txn`.
    pub arguments: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Target {
    Version,
    Create,
    Mod,
    Value,
    Lease,
}

/// An address of the heap, as a trace shows it. Simplified: always the same.
const ADDRESS: &str = "0xc000124460";
/// The address of everything that has no size.
const ZERO_BASE: &str = "0x155b998";

/// The trace of a panic in `clientv3.Compare`.
pub fn of_compare(bad: &BadCompare) -> String {
    let client = "go.etcd.io/etcd/client/v3";
    let file = format!("{SOURCE}/client/v3/compare.go");
    let commands = format!("{SOURCE}/etcdctl/ctlv3/command/txn_command.go");
    let mut frames: Vec<(String, String)> = Vec::new();
    if bad.target == Target::Lease {
        frames.push((format!("{client}.mustInt64(...)"), format!("{file}:130")));
        frames.push((format!("{client}.mustInt64orLeaseID(...)"), format!("{file}:139")));
        let zeros = "0x0, ".repeat(9);
        frames.push((format!("{client}.Compare(0x400000000, {zeros}...)"), format!("{file}:64 +0x46c")));
    } else {
        // Target and result share a word.
        let head = ["0x0", "0x100000000", "0x200000000", "0x300000000", "0x400000000"][bad.target as usize];
        let length = bad.key.len();
        let key = if length == 0 { ZERO_BASE } else { ADDRESS };
        let zeros = "0x0, ".repeat(6);
        let words = format!("{head}, {key}, {length:#x}, {:#x}, {zeros}...", size_class(length));
        frames.push((format!("{client}.Compare({words})"), format!("{file}:46 +0x512")));
    }
    let at = ["185 +0xcca", "189 +0x59e", "193 +0x7be", "196 +0xabe", "198 +0xe65"][bad.target as usize];
    let line = format!("{ADDRESS}, {:#x}", bad.line.len());
    frames.push((format!("{COMMANDS}.parseCompare({line}, {line}, 0x0)"), format!("{commands}:{at}")));
    let words = format!("{ADDRESS}, 0xfbe9d0, {ADDRESS}, 0xfbeb90");
    frames.push((format!("{COMMANDS}.readCompares({words})"), format!("{commands}:88 +0xb7")));
    let (count, list) = (bad.arguments, if bad.arguments == 0 { ZERO_BASE } else { ADDRESS });
    let words = format!("{ADDRESS}, {list}, 0x0, {count:#x}");
    frames.push((format!("{COMMANDS}.txnCommandFunc({words})"), format!("{commands}:55 +0x1ed")));
    let cobra = format!("{MODULES}/github.com/spf13/cobra@v1.1.3/command.go");
    let words = format!("{ADDRESS}, {list}, {count:#x}, {count:#x}, {ADDRESS}, {list}");
    frames.extend([
        (format!("github.com/spf13/cobra.(*Command).execute({words})"), format!("{cobra}:856 +0x2c2")),
        (
            "github.com/spf13/cobra.(*Command).ExecuteC(0x151d1e0, 0xb, 0xe9702e, 0xb)".to_owned(),
            format!("{cobra}:960 +0x375"),
        ),
        ("github.com/spf13/cobra.(*Command).Execute(...)".to_owned(), format!("{cobra}:897")),
        (
            "go.etcd.io/etcd/etcdctl/v3/ctlv3.Start(0x0, 0x155bf90)".to_owned(),
            format!("{SOURCE}/etcdctl/ctlv3/ctl.go:107 +0x7a"),
        ),
        ("go.etcd.io/etcd/etcdctl/v3/ctlv3.MustStart()".to_owned(), format!("{SOURCE}/etcdctl/ctlv3/ctl.go:111 +0x25")),
        ("main.main()".to_owned(), format!("{SOURCE}/etcdctl/main.go:59 +0x77")),
    ]);
    let frames: String = frames.iter().map(|(function, place)| format!("{function}\n\t{place}\n")).collect();
    format!("\ngoroutine 1 [running]:\n{frames}")
}

/// What Go's allocator gives for so many bytes.
fn size_class(bytes: usize) -> usize {
    let classes = [0, 8, 16, 24, 32, 48, 64, 80, 96, 112, 128, 144, 160, 176, 192, 208, 224, 240, 256];
    classes.into_iter().find(|class| *class >= bytes).unwrap_or(bytes.next_multiple_of(32))
}
