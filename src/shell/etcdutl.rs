//! `etcdutl` 3.5.1: snapshots and data directories without a member. It works on the workstation's files.
//!
//! Upstream: `etcdutl/etcdutl` and `etcdutl/snapshot`. A restored data directory holds a write-ahead log and the database
//! under etcd's names; `lab install` gives it to a machine.
//!
//! Simplified: without Raft's own snapshot file, which only repeats what the log and the database say.

use super::etcdctl::flags::{self, Flag, Parsed};
use super::etcdctl::table::Action;
use super::etcdctl::{help, restore_trace, suggestions_among};
use super::files::FileError;
use super::filters::iso_time;
use super::printers::go::{json_string, quote};
use super::printers::table::human_bytes;
use super::printers::{Display, Format, SnapshotStatus};
use super::process::{Ask, Asks, Program, Tell};
use crate::etcd::backend::{self, HashCheck, RestoreConfig, Restorer};
use crate::etcd::bolt::{self, Writer};
use crate::sim::SimTime;
use bytes::Bytes;

const EXIT_ERROR: i32 = 1;
const EXIT_PANIC: i32 = 2;
const EXIT_BAD_FEATURE: i32 = 4;
const EXIT_BAD_ARGS: i32 = 128;

/// Where etcd keeps what within a data directory.
pub const DATABASE: &str = "member/snap/db";
pub const WAL: &str = "member/wal";
/// The first segment of a log, and the only one of a restored one.
pub const WAL_SEGMENT: &str = "0000000000000000-0000000000000000.wal";

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Etcdutl {
    arguments: Vec<String>,
}

/// A command: its words, usage line, what it does in a line, and its flags as help lists them.
struct Command {
    name: &'static str,
    usage: &'static str,
    short: &'static str,
    flags: &'static [Flag],
    required: &'static [&'static str],
}

const WRITE_OUT: Flag =
    Flag::text("write-out", "simple", "set the output format (fields, json, protobuf, simple, table)").short('w');
const HELP: Flag = Flag::bool("help", "false", "").short('h');

const COMMANDS: &[Command] = &[
    Command {
        name: "backup",
        usage: "backup",
        short: "[legacy] offline backup of etcd directory",
        flags: &[
            Flag::text("backup-dir", "", "Path to the backup dir"),
            Flag::text("backup-wal-dir", "", "Path to the backup wal dir"),
            Flag::text("data-dir", "", "Path to the etcd data dir"),
            Flag::text("wal-dir", "", "Path to the etcd wal dir"),
            Flag::bool("with-v3", "true", "Backup v3 backend data"),
        ],
        required: &["backup-dir", "data-dir"],
    },
    Command {
        name: "defrag",
        usage: "defrag",
        short: "Defragments the storage of the etcd",
        flags: &[Flag::text("data-dir", "", "Required. Defragments a data directory not in use by etcd.")],
        required: &["data-dir"],
    },
    Command { name: "help", usage: "help [command]", short: "Help about any command", flags: &[], required: &[] },
    Command { name: "snapshot", usage: "snapshot", short: "Manages etcd node snapshots", flags: &[], required: &[] },
    Command {
        name: "snapshot restore",
        usage: "snapshot restore <filename> --data-dir {output dir} [options]",
        short: "Restores an etcd member snapshot to an etcd directory",
        flags: &[
            Flag::text("data-dir", "", "Path to the output data directory"),
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
        required: &["data-dir"],
    },
    Command {
        name: "snapshot status",
        usage: "snapshot status <filename>",
        short: "Gets backend snapshot status of a given file",
        flags: &[],
        required: &[],
    },
    Command { name: "version", usage: "version", short: "Prints the version of etcdutl", flags: &[], required: &[] },
];

impl Etcdutl {
    pub fn new(arguments: Vec<String>) -> Etcdutl {
        Etcdutl { arguments }
    }

    fn run(&self, now: SimTime, asks: &mut Asks) -> i32 {
        let (command, rest) = match find(&self.arguments) {
            Ok(found) => found,
            Err(word) => {
                let names = children(None).map(|command| command.name);
                let message =
                    format!("unknown command {} for \"etcdutl\"{}", quote(&word), suggestions_among(&word, names));
                asks.complain(format!("Error: {message}\nRun 'etcdutl --help' for usage.\nError: {message}\n"));
                return EXIT_ERROR;
            }
        };
        let own = command.map_or(&[][..], |command| command.flags);
        let known: Vec<&Flag> = own.iter().chain([&WRITE_OUT, &HELP]).collect();
        let parsed = match flags::parse(&rest, &known) {
            Ok(parsed) => parsed,
            Err(error) => return misused(command, &error, asks),
        };
        let Some(command) = command.filter(|command| command.name != "snapshot") else {
            asks.print(usage(command));
            return 0;
        };
        if parsed.value(&HELP) == "true" {
            asks.print(usage(Some(command)));
            return 0;
        }
        let missing: Vec<String> =
            command.required.iter().filter(|name| !parsed.is_set(name)).map(|name| quote(name)).collect();
        if !missing.is_empty() {
            return misused(Some(command), &format!("required flag(s) {} not set", missing.join(", ")), asks);
        }
        match command.name {
            "help" => topic(&parsed.positional, asks),
            "version" => {
                asks.print(format!("etcdutl version: {}\nAPI version: {}\n", help::VERSION, help::API_VERSION));
                0
            }
            "snapshot status" => status(&parsed, asks),
            "snapshot restore" => restore(now, &parsed, command.flags, Tool::Etcdutl, asks),
            "defrag" => defragment(now, value(&parsed, command.flags, "data-dir"), asks),
            _ => {
                // What it is for, the store of the v2 API, is not there.
                asks.complain(format!("Error: {} is not built into this lab\n", command.name));
                EXIT_ERROR
            }
        }
    }
}

impl Program for Etcdutl {
    fn tell(&mut self, now: SimTime, tell: Tell, asks: &mut Asks) {
        if tell == Tell::Start {
            let status = self.run(now, asks);
            asks.push(Ask::Exit(status));
        }
    }
}

/// Commands of etcdutl for completion: those below `words`.
pub fn subcommands(words: &[String]) -> Vec<&'static str> {
    let of = find(words).ok().and_then(|(command, _)| command);
    children(of).map(last_name).collect()
}

/// `etcdctl snapshot status` and `restore`, which are the same as here but for what they say first.
pub fn moved_from_etcdctl(now: SimTime, action: Action, parsed: &Parsed, asks: &mut Asks) -> i32 {
    if action == Action::SnapshotStatus {
        asks.complain("Deprecated: Use `etcdutl snapshot status` instead.\n\n");
        return status(parsed, asks);
    }
    asks.complain("Deprecated: Use `etcdutl snapshot restore` instead.\n\n");
    let flags = COMMANDS.iter().find(|command| command.name == "snapshot restore").map_or(&[][..], |row| row.flags);
    restore(now, parsed, flags, Tool::Etcdctl, asks)
}

fn children(of: Option<&'static Command>) -> impl Iterator<Item = &'static Command> {
    let prefix = of.map_or(String::new(), |command| format!("{} ", command.name));
    COMMANDS
        .iter()
        .filter(move |command| command.name.strip_prefix(prefix.as_str()).is_some_and(|rest| !rest.contains(' ')))
}

fn last_name(command: &Command) -> &'static str {
    command.name.rsplit(' ').next().unwrap_or(command.name)
}

/// The command that the first words name, or the word that names none; and what is left.
fn find(arguments: &[String]) -> Result<(Option<&'static Command>, Vec<String>), String> {
    let mut command: Option<&'static Command> = None;
    let mut rest = arguments.to_vec();
    // Only `-w` takes a word that is no command.
    let next_word = |rest: &[String]| {
        let mut skip = false;
        rest.iter().position(|word| {
            let is_value = std::mem::replace(&mut skip, word == "-w" || word == "--write-out");
            !is_value && !word.starts_with('-')
        })
    };
    while let Some(at) = next_word(&rest) {
        let word = rest[at].clone();
        let mut fitting = children(command).filter(|child| last_name(child).starts_with(word.as_str()));
        let exact = children(command).find(|child| last_name(child) == word);
        match (exact, fitting.next(), fitting.next()) {
            (Some(child), _, _) | (None, Some(child), None) => {
                command = Some(child);
                rest.remove(at);
            }
            _ if command.is_some() => break,
            _ => return Err(word),
        }
    }
    Ok((command, rest))
}

fn value<'a>(parsed: &'a Parsed, flags: &'static [Flag], name: &str) -> &'a str {
    flags.iter().find(|flag| flag.name == name).map_or("", |flag| parsed.value(flag))
}

/// A mistake in flags: what is wrong, how it is used, and what is wrong again.
fn misused(command: Option<&Command>, error: &str, asks: &mut Asks) -> i32 {
    asks.complain(format!("Error: {error}\n{}\nError: {error}\n", usage(command)));
    EXIT_ERROR
}

fn topic(words: &[String], asks: &mut Asks) -> i32 {
    match find(words) {
        Ok((command, _)) => asks.print(usage(command)),
        Err(_) => {
            let topics: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
            asks.complain(format!("Unknown help topic [{}]\n", topics.join(" ")));
            asks.complain(usage(None));
        }
    }
    0
}

/// Cobra's own usage text.
fn usage(command: Option<&Command>) -> String {
    let path = command.map_or("etcdutl".to_owned(), |command| format!("etcdutl {}", command.name));
    let group = command.is_none_or(|command| command.name == "snapshot");
    let mut out = match (group, command) {
        (false, Some(command)) => format!("Usage:\n  etcdutl {} [flags]\n", command.usage),
        _ => {
            let of = COMMANDS.iter().find(|row| command.is_some_and(|command| command.name == row.name));
            let line = |child: &Command| format!("  {:<11} {}\n", last_name(child), child.short);
            let list: String = children(of).map(line).collect();
            format!("Usage:\n  {path} [command]\n\nAvailable Commands:\n{list}")
        }
    };
    let help = format!("help for {}", command.map_or("etcdutl", last_name));
    let mut own: Vec<(&Flag, &str)> =
        command.map_or(&[][..], |command| command.flags).iter().map(|flag| (flag, flag.usage)).collect();
    own.push((&HELP, &help));
    own.extend(command.is_none().then_some((&WRITE_OUT, WRITE_OUT.usage)));
    own.sort_by_key(|(flag, _)| flag.name);
    out += &format!("\nFlags:\n{}", flag_lines(&own));
    if command.is_some() {
        out += &format!("\nGlobal Flags:\n{}", flag_lines(&[(&WRITE_OUT, WRITE_OUT.usage)]));
    }
    if group {
        out += &format!("\nUse \"{path} [command] --help\" for more information about a command.\n");
    }
    out
}

fn flag_lines(flags: &[(&Flag, &str)]) -> String {
    let head = |flag: &Flag| {
        let short = flag.short.map_or("      ".to_owned(), |letter| format!("  -{letter}, "));
        let kind = if flag.kind == flags::Kind::Bool { "" } else { " string" };
        format!("{short}--{}{kind}", flag.name)
    };
    let width = flags.iter().map(|(flag, _)| head(flag).len()).max().unwrap_or(0);
    let line = |(flag, usage): &(&Flag, &str)| {
        let default = match (flag.kind, flag.default) {
            (_, "" | "false") => String::new(),
            (flags::Kind::Bool, default) => format!(" (default {default})"),
            (_, default) => format!(" (default {})", quote(default)),
        };
        format!("{:<width$}   {usage}{default}\n", head(flag))
    };
    flags.iter().map(line).collect()
}

fn status(parsed: &Parsed, asks: &mut Asks) -> i32 {
    let [path] = parsed.positional.as_slice() else {
        asks.complain("Error: snapshot status requires exactly one argument\n");
        return EXIT_BAD_ARGS;
    };
    let Some(format) = Format::parse(parsed.value(&WRITE_OUT)) else {
        asks.complain("Error: unsupported output format\n");
        return EXIT_BAD_FEATURE;
    };
    let found = match asks.files.read(path) {
        Err(error) => Err(format!("stat {path}: {}", error.in_go())),
        Ok(file) => backend::status(&file).map_err(|error| error.to_string()),
    };
    let status = match found {
        Err(message) => {
            asks.complain(format!("Error: {message}\n"));
            return EXIT_ERROR;
        }
        Ok(backend::Status { hash, revision, total_key, total_size }) => {
            SnapshotStatus { hash, revision, total_key, total_size }
        }
    };
    match (Display { format, hex: false, value_only: false }).snapshot_status(&status) {
        Ok(text) => {
            asks.print(text);
            0
        }
        Err(message) => {
            asks.complain(format!("Error: {message}\n"));
            EXIT_BAD_FEATURE
        }
    }
}

/// Which program restores: they differ in a default and in a trace.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Tool {
    Etcdctl,
    Etcdutl,
}

fn restore(now: SimTime, parsed: &Parsed, flags: &'static [Flag], tool: Tool, asks: &mut Asks) -> i32 {
    let [path] = parsed.positional.as_slice() else {
        asks.complain("Error: snapshot restore requires exactly one argument\n");
        return EXIT_BAD_ARGS;
    };
    let flag = |name: &str| value(parsed, flags, name).to_owned();
    let data_dir = match flag("data-dir") {
        given if given.is_empty() => format!("{}.etcd", flag("name")),
        given => given,
    };
    let wal_dir = match flag("wal-dir") {
        given if given.is_empty() => format!("{data_dir}/{WAL}"),
        given => given,
    };
    let skip = flags::parse_bool(&flag("skip-hash-check")) == Ok(true);
    let config = RestoreConfig {
        name: flag("name"),
        initial_cluster: flag("initial-cluster"),
        initial_cluster_token: flag("initial-cluster-token"),
        initial_advertise_peer_urls: flag("initial-advertise-peer-urls"),
        hash_check: if skip { HashCheck::Skipped } else { HashCheck::Required },
    };
    match restore_into(now, path, &data_dir, &wal_dir, &config, tool, asks) {
        Ok(()) => 0,
        Err(message) => {
            asks.complain(format!("Error: {message}\n"));
            EXIT_ERROR
        }
    }
}

fn restore_into(
    now: SimTime,
    path: &str,
    data_dir: &str,
    wal_dir: &str,
    config: &RestoreConfig,
    tool: Tool,
    asks: &mut Asks,
) -> Result<(), String> {
    let restorer = Restorer::new(config).map_err(|error| error.to_string())?;
    if asks.files.list(data_dir).is_ok_and(|inside| !inside.is_empty()) {
        return Err(format!("data-dir {} not empty or could not be read", quote(data_dir)));
    }
    if asks.files.exists(wal_dir) {
        return Err(format!("wal-dir {} exists", quote(wal_dir)));
    }
    let snap_dir = format!("{data_dir}/member/snap");
    let places = [("path", path), ("wal-dir", wal_dir), ("data-dir", data_dir), ("snap-dir", &snap_dir)];
    let shown = |(name, value): &(&str, &str)| format!("\"{name}\": {}", json_string(value));
    let places = places.iter().map(shown).collect::<Vec<_>>().join(", ");
    let trace = restore_trace(tool == Tool::Etcdctl);
    log(
        now,
        "snapshot/v3_snapshot.go:251",
        "restoring snapshot",
        &format!("{{{places}, \"stack\": \"{trace}\"}}"),
        asks,
    );
    let file = asks.files.read(path).map_err(|error| format!("open {path}: {}", error.in_go()))?;
    // What upstream has copied when it finds the file to be damaged.
    let go = |error: FileError| error.in_go();
    let database_path = format!("{data_dir}/{DATABASE}");
    asks.files.make_directories(&snap_dir).map_err(go)?;
    asks.files.write(&database_path, file.clone()).map_err(go)?;
    let database = config.hash_check.verify(&file).map_err(|error| error.to_string())?;
    let restored = backend::run(&database, restorer).map_err(|error| error.to_string())?;
    log(now, "membership/store.go:141", "Trimming membership information from the backend...", "", asks);
    for member in &restored.members {
        let urls: Vec<String> = member.peer_urls.iter().map(|url| json_string(url)).collect();
        let fields = format!(
            "{{\"cluster-id\": \"{:x}\", \"local-member-id\": \"0\", \"added-peer-id\": \"{:x}\", \
             \"added-peer-peer-urls\": [{}]}}",
            restored.cluster_id,
            member.id,
            urls.join(", ")
        );
        log(now, "membership/cluster.go:421", "added member", &fields, asks);
    }
    asks.files.make_directories(wal_dir).map_err(go)?;
    asks.files.write(&format!("{wal_dir}/{WAL_SEGMENT}"), restored.write_ahead_log(restored.node_id)).map_err(go)?;
    asks.files.write(&database_path, restored.database).map_err(go)?;
    log(now, "snapshot/v3_snapshot.go:272", "restored snapshot", &format!("{{{places}}}"), asks);
    Ok(())
}

/// A line of zap's console log.
fn log(now: SimTime, caller: &str, message: &str, fields: &str, asks: &mut Asks) {
    let time = iso_time(now);
    let time = time.split_once('.').map_or(time.as_str(), |(seconds, _)| seconds);
    let fields = if fields.is_empty() { String::new() } else { format!("\t{fields}") };
    asks.complain(format!("{time}Z\tinfo\t{caller}\t{message}{fields}\n"));
}

/// The same buckets in pages of their own, without those that are free.
fn rewrite(database: &Bytes) -> Result<Bytes, String> {
    let mut writer = Writer::new();
    for item in bolt::items(database) {
        let item = item.map_err(|error| error.to_string())?;
        writer.write(item).map_err(|error| error.to_string())?;
    }
    writer.finish(1).map_err(|error| error.to_string())
}

/// `etcdutl defrag`: writes the database of a directory anew, without its free pages.
pub fn defragment(now: SimTime, directory: &str, asks: &mut Asks) -> i32 {
    let path = format!("{directory}/{DATABASE}");
    let old = match asks.files.read(&path) {
        Ok(old) => old,
        Err(error) => {
            // Upstream panics. Simplified: without Go's stack trace, of which some words differ from run to run.
            let time = iso_time(now);
            let time = time.split_once('.').map_or(time.as_str(), |(seconds, _)| seconds);
            let why = format!("open {path}: {}", error.in_go());
            asks.complain(format!(
                "{time}Z\tpanic\tbackend/backend.go:182\tfailed to open database\t{{\"path\": {}, \"error\": {}}}\n\
                 panic: failed to open database\n",
                json_string(&path),
                json_string(&why)
            ));
            return EXIT_PANIC;
        }
    };
    let sizes = |prefix: &str, bytes: usize| {
        let human = human_bytes(bytes as i64);
        format!("\"{prefix}-bytes\": {bytes}, \"{prefix}\": \"{human}\"")
    };
    let used = |file: &Bytes| backend::status(file).map_or(file.len(), |status| status.total_size as usize);
    let shown = json_string(&path);
    let before = format!(
        "{{\"path\": {shown}, {}, {}}}",
        sizes("current-db-size", old.len()),
        sizes("current-db-size-in-use", used(&old))
    );
    log(now, "backend/backend.go:481", "defragmenting", &before, asks);
    let new = match rewrite(&old) {
        Ok(new) => new,
        Err(error) => {
            asks.complain(format!("Error: Failed to defragment etcd data[{directory}] ({error})\n"));
            return EXIT_ERROR;
        }
    };
    let less = |new: usize, old: usize| new as i64 - old as i64;
    let after = format!(
        "{{\"path\": {shown}, \"current-db-size-bytes-diff\": {}, {}, \"current-db-size-in-use-bytes-diff\": {}, {}, \
         \"took\": 0}}",
        less(new.len(), old.len()),
        sizes("current-db-size", new.len()),
        less(used(&new), used(&old)),
        sizes("current-db-size-in-use", used(&new))
    );
    if let Err(error) = asks.files.write(&path, new) {
        asks.complain(format!("Error: Failed to defragment etcd data[{directory}] ({})\n", error.in_go()));
        return EXIT_ERROR;
    }
    log(now, "backend/backend.go:539", "finished defragmenting directory", &after, asks);
    0
}
