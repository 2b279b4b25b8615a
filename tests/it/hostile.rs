//! Everything that reads bytes from outside, given bytes that were made to upset it: no panic, and no work without end.
//!
//! `make fuzz-inputs ROUNDS=100000` gives each reader that many inputs; `make test` a few. What an input is follows from
//! the reader's name and the number of the round, which a failure names with the command that repeats it.

use crate::snapshots;
use bytes::Bytes;
use control_plane_lab::cel;
use control_plane_lab::etcd::auth::token::{TokenKind, Tokens};
use control_plane_lab::etcd::membership::ConfigChangeContext;
use control_plane_lab::etcd::wal::{self, Encoder};
use control_plane_lab::etcd::{Booted, InitialClusterState, Member, Moment, Note, Outbox};
use control_plane_lab::lab::archive::Archive;
use control_plane_lab::lab::{Input, Lab, Scenario};
use control_plane_lab::lesson::goal::LANGUAGE;
use control_plane_lab::lesson::{Catalog, catalog, facts, format};
use control_plane_lab::projection::terminal::{Screen, Window};
use control_plane_lab::raft::{ConfState, Entry, EntryType, HardState, Index, PeerId, SnapshotMetadata, Term};
use control_plane_lab::sim::{Disk, DiskProfile, Effect, EventId, HostId, Micros, Prng, SimTime};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use std::{fs, thread};

/// Something that reads what comes from outside.
struct Reader {
    name: &'static str,
    /// Rounds in `make test`; more where a round is cheap.
    rounds: u64,
    /// Makes an input.
    upset: fn(&Corpus, &mut Prng) -> Vec<u8>,
    read: fn(&[u8]),
}

const READERS: [Reader; 14] = [
    Reader { name: "snapshot", rounds: 3_000, upset: |_, prng| snapshots::upset(prng), read: snapshots::survive },
    Reader { name: "wal", rounds: 3_000, upset: |_, prng| damaged_log(prng), read: read_log },
    Reader { name: "data-directory", rounds: 1_000, upset: |_, prng| forged_log(prng), read: start_member },
    Reader { name: "change", rounds: 2_000, upset: |corpus, prng| corpus.json(prng), read: read_change },
    Reader { name: "token", rounds: 1_000, upset: |corpus, prng| corpus.json(prng), read: read_token },
    Reader { name: "world", rounds: 1_000, upset: |corpus, prng| corpus.world(prng), read: read_world },
    Reader { name: "link", rounds: 1_000, upset: |corpus, prng| corpus.link(prng), read: read_link },
    Reader { name: "scenario", rounds: 1_000, upset: |corpus, prng| corpus.scenario(prng), read: read_scenario },
    Reader { name: "input", rounds: 1_000, upset: |corpus, prng| corpus.input(prng), read: read_input },
    Reader { name: "lesson", rounds: 500, upset: |corpus, prng| corpus.lesson(prng), read: read_lesson },
    Reader { name: "catalog", rounds: 500, upset: |corpus, prng| corpus.index(prng), read: read_catalog },
    Reader { name: "cel", rounds: 2_000, upset: |corpus, prng| corpus.question(prng), read: ask },
    Reader { name: "shell", rounds: 1_000, upset: |corpus, prng| corpus.line(prng), read: type_line },
    Reader { name: "etcdctl", rounds: 1_000, upset: |corpus, prng| corpus.etcdctl(prng), read: type_line },
];

/// No input needs longer, on a slow machine either.
const PATIENCE: Duration = Duration::from_secs(20);
/// Of one reader.
const FAILURES_SHOWN: usize = 5;
/// Less than a page has.
const STACK: usize = 1 << 20;

#[test]
fn nothing_that_is_read_ends_the_page() {
    let number = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().expect("a number"));
    let only = std::env::var("READER").ok();
    let first = number("ROUND").unwrap_or(0);
    let corpus = Corpus::read();
    let mut failures = Vec::new();
    for reader in READERS.iter().filter(|reader| only.as_ref().is_none_or(|name| name == reader.name)) {
        let rounds = match (number("ROUND"), number("ROUNDS")) {
            (Some(_), None) => 1,
            (_, rounds) => rounds.unwrap_or(reader.rounds),
        };
        let began = Instant::now();
        let failed = (first..first + rounds).filter_map(|round| give(reader, round, &corpus));
        failures.extend(failed.take(FAILURES_SHOWN));
        println!("hostile: {}: {rounds} inputs in {} ms", reader.name, began.elapsed().as_millis());
    }
    assert!(failures.is_empty(), "\n{}", failures.join("\n\n"));
}

/// One input, in a thread whose name an overflowing stack would tell.
fn give(reader: &Reader, round: u64, corpus: &Corpus) -> Option<String> {
    let input = (reader.upset)(corpus, &mut Prng::stream(round, reader.name));
    let (read, given) = (reader.read, input.clone());
    let name = format!("READER={} ROUND={round}", reader.name);
    let began = Instant::now();
    let thread = thread::Builder::new().name(name.clone()).stack_size(STACK).spawn(move || read(&given));
    let ended = thread.expect("a thread starts").join();
    let took = began.elapsed();
    (ended.is_err() || took > PATIENCE).then(|| {
        let command = "cargo test --no-default-features --test it hostile -- --nocapture";
        format!("{took:?} for {}\nrepeat with: {name} {command}", input.escape_ascii())
    })
}

// Sound inputs, from which others are made.

struct Corpus {
    worlds: Vec<String>,
    lessons: Vec<String>,
    index: String,
    /// Lines for a shell, from lessons and transcripts.
    lines: Vec<String>,
    questions: Vec<String>,
}

fn files(folder: &Path, extension: &str, out: &mut Vec<String>) {
    let entries = fs::read_dir(folder).expect("a readable folder");
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("a readable folder").path()).collect();
    paths.sort();
    for path in paths {
        if path.is_dir() {
            files(&path, extension, out);
        } else if path.extension().is_some_and(|found| found == extension) {
            out.extend(fs::read_to_string(&path));
        }
    }
}

/// Lines of the fenced blocks of this kind.
fn fenced<'a>(lesson: &'a str, kind: &'a str) -> impl Iterator<Item = &'a str> {
    let open = format!("```{kind}\n");
    let blocks: Vec<&str> = lesson.split(open.as_str()).skip(1).filter_map(|rest| rest.split("\n```").next()).collect();
    blocks.into_iter()
}

impl Corpus {
    fn read() -> Corpus {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let gather = |folder: &str, extension: &str| {
            let mut out = Vec::new();
            files(&root.join(folder), extension, &mut out);
            out
        };
        let lessons = gather("lessons", "md");
        let transcripts = gather("tests/testdata", "txt");
        let typed = transcripts.iter().flat_map(|text| text.lines().filter_map(|line| line.strip_prefix("$ ")));
        let run = lessons.iter().flat_map(|lesson| fenced(lesson, "run")).flat_map(str::lines);
        Corpus {
            worlds: gather("tests/testdata/lab", "lab"),
            index: fs::read_to_string(root.join("lessons").join(catalog::INDEX)).expect("an index of lessons"),
            lines: typed.chain(run).map(str::to_owned).collect(),
            questions: lessons.iter().flat_map(|lesson| fenced(lesson, "check")).map(str::to_owned).collect(),
            lessons,
        }
    }

    fn world(&self, prng: &mut Prng) -> Vec<u8> {
        // Without most of its inputs it is read quickly.
        let lines: Vec<&str> = pick(&self.worlds, prng).lines().collect();
        let kept = 4 + prng.below(20) as usize;
        let text = lines[..kept.min(lines.len())].join("\n");
        twist(text.as_bytes(), WORDS_OF_WORLDS, prng)
    }

    fn link(&self, prng: &mut Prng) -> Vec<u8> {
        let world = self.world(prng);
        let text = String::from_utf8_lossy(&world);
        let link = Archive::parse(&text).ok().and_then(|archive| archive.link().ok());
        let packed = link.unwrap_or_else(|| "q1ZKzs8rKcrPUSjISUxOVSguSk5MTi1WMFSyMlTSUQrOL0pJLVKyMqoFAA".to_owned());
        if prng.below(4) == 0 {
            return twist(packed.as_bytes(), &["A", "_", "-", "=", "%"], prng);
        }
        // Damage within, packed again.
        use base64::Engine as _;
        let engine = base64::engine::general_purpose::URL_SAFE_NO_PAD;
        let bytes = engine.decode(packed).unwrap_or_default();
        engine.encode(twist(&bytes, &["\0", "\u{ff}"], prng)).into_bytes()
    }

    fn scenario(&self, prng: &mut Prng) -> Vec<u8> {
        let sound = "members=3 spares=1 snapshot-count=50 snapshot-catchup-entries=10 segment-size-bytes=8192 \
                     latency=20000us disk=hdd heartbeat-interval=300 election-timeout=3000 terminals=1 layout=localhost \
                     quota-backend-bytes=1000000 auto-compaction-retention=1h30m0s bcrypt-cost=10 auth-token=jwt";
        twist(sound.as_bytes(), WORDS_OF_WORLDS, prng)
    }

    fn input(&self, prng: &mut Prng) -> Vec<u8> {
        let sound =
            pick(&["fault latency etcd-1 etcd-2 50ms --jitter 5ms", "fault damage etcd-1 wal", "line 1 ls"], prng);
        twist(sound.as_bytes(), WORDS_OF_WORLDS, prng)
    }

    fn lesson(&self, prng: &mut Prng) -> Vec<u8> {
        twist(pick(&self.lessons, prng).as_bytes(), WORDS_OF_LESSONS, prng)
    }

    fn index(&self, prng: &mut Prng) -> Vec<u8> {
        twist(self.index.as_bytes(), WORDS_OF_LESSONS, prng)
    }

    fn question(&self, prng: &mut Prng) -> Vec<u8> {
        match prng.below(4) {
            0 => babble(WORDS_OF_CEL, prng),
            1 => pick(WORDS_OF_CEL, prng).repeat(1 + prng.below(2_000) as usize).into_bytes(),
            _ => twist(pick(&self.questions, prng).as_bytes(), WORDS_OF_CEL, prng),
        }
    }

    fn line(&self, prng: &mut Prng) -> Vec<u8> {
        match prng.below(4) {
            0 => babble(WORDS_OF_SHELL, prng),
            1 => pick(WORDS_OF_SHELL, prng).repeat(1 + prng.below(2_000) as usize).into_bytes(),
            _ => twist(pick(&self.lines, prng).as_bytes(), WORDS_OF_SHELL, prng),
        }
    }

    fn etcdctl(&self, prng: &mut Prng) -> Vec<u8> {
        let program = pick(&["etcdctl ", "etcdctl ", "etcdutl ", "lab ", "ETCDCTL_API=2 etcdctl "], prng);
        let mut line = program.as_bytes().to_vec();
        line.extend(babble(WORDS_OF_ETCDCTL, prng));
        line
    }

    fn json(&self, prng: &mut Prng) -> Vec<u8> {
        let sound = "{\"id\":9372538179322589801,\"peerURLs\":[\"http://10.0.0.1:2380\"],\"name\":\"m\",\
                     \"clientURLs\":[],\"isLearner\":true,\"isPromote\":false,\"username\":\"root\",\"revision\":1e3,\"exp\":-1}";
        match prng.below(3) {
            0 => pick(&["[", "{\"a\":", "{\"id\":[", "-", "\"\\u", "9"], prng)
                .repeat(1 + prng.below(3_000) as usize)
                .into_bytes(),
            _ => twist(sound.as_bytes(), &["{", "}", "[", "]", ":", ",", "null", "1e999", "-0", "\"", "\\ud800"], prng),
        }
    }
}

#[rustfmt::skip]
const WORDS_OF_WORLDS: &[&str] = &[
    " ", "\n", "=", "-", "0", "1", "7", "18446744073709551615", "-1", "1.5", "99999999999999999999", "%", "100%", "ms", "us",
    "µs", "x", "100000x", "\\", "\\n", "é", "etcd-1", "etcd-4", "workstation", "--one-way", "--all", "--jitter", "line 1 ",
    "line 2 ", "interrupt 1", "end 9", "fault ", "cut ", "heal ", "loss ", "latency ", "drop #3", "wipe ", "join ", "damage ",
    "full-disk ", "free-disk ", "tear ", "wal", "db", "input 0 0 ", "moment 0 0", "seed ", "scenario ", "members=7",
    "spares=4", "terminals=8", "snapshot-count=1", "max-request-bytes=0", "max-txn-ops=0", "1h", "confirm-reads=off",
];
#[rustfmt::skip]
const WORDS_OF_LESSONS: &[&str] = &[
    "---\n", "```", "```run\n", "```check\n", "```predict\n", "```hint\n", "```solution\n", "## ", "# ", "> ", "- ", "1. ",
    "|", "\n", "\n\n", "    ", "\t", "**", "_", "`", "[", "](", ")", "![", "<b>", "&amp;", "{", "}", "{leader}", "{follower9}",
    "wait until ", "wait 9999h", "fault ", "line 1 ", "title: ", "seed: -1", "minutes: ", "start:\n  - ", "&a ", "*a", "!!x ",
    "? ", ": ", "|\n", ">\n", "'", "\"", "\\", "\u{feff}", "\u{0}", "é", "🦀", "right: 9", "options:\n", "because: ",
    "01-", "/", "../", "(first)", "question: ",
];
#[rustfmt::skip]
const WORDS_OF_CEL: &[&str] = &[
    "(", ")", "[", "]", "{", "}", ".", ",", "?", ":", "!", "-", "+", "*", "/", "%", "&&", "||", "==", "!=", "<", ">=", " in ",
    "0", "1", "-9223372036854775808", "9223372036854775807", "0x7f", "1.5", "1u", "'a'", "\"\\U0010FFFF\"", "r'\\'", "b'x'",
    "'''", "true", "null", "now", "since", "members", "leader", "term", "kv", "revision", "history", "commands", "terminals",
    "violations", ".all(m, ", ".exists(x, ", ".exists_one(x, ", ".map(x, ", ".filter(x, ", ".size()", "size(", "has(",
    ".contains(", ".startsWith(", ".matches(", "int(", "string(", "m", "x", "x.", " ", "\n", "//", "é", "🦀", "members[0]",
    "kv['a']", "commands[0].output", "[[", "]]", "history + history",
];
#[rustfmt::skip]
const WORDS_OF_SHELL: &[&str] = &[
    " ", " ", " ", "\n", ";", ";;", "&", "&&", "|", "||", "!", "(", ")", "{ ", "}", "$(", "${", "$", "$?", "$((", "`", "'",
    "\"", "\\", ">", ">>", "<", "<<", "<<<", "<<E\n", "\nE\n", "2>&1", "&>", "2>/dev/null", "*", "?", "~", "#", "=", "A=1",
    "$A", "for i in ", "; do ", "; done", "for i in $(seq 99); do ", "break", "break 2", "continue", "export ", "unset A",
    "echo ", "printf ", "'%s%d%*c\\x'", "cat", "tac", "sort ", "uniq -c", "head -c 9", "tail -n +0", "cut -d, -f0-", "tr a-z ",
    "grep ", "wc ", "seq 1 99999999999", "seq 9 -1 -9", "seq 0 0", "tee f", "dd ", "if=f ", "of=g ", "bs=0", "bs=1M ",
    "seek=99999999", "count=9", "skip=1 ", "xxd", "hexdump -C", "sha256sum", "sleep 1", "sleep 1e9", "sleep -1", "wait", "fg",
    "jobs", "kill %1", "sh -c '", "exit 3", "history", "clear", "date +%s", "mkdir -p a/b", "rm -r /", "mv f g", "cp -r . x",
    "ls -la", "touch f", "cd", "lab ", "etcdctl ", "etcdutl ", "env ", "test ", "[ ", " ]", "true", "false", "0", "-1", "--",
    "f", "/", "..", "é", "🦀", "\u{0}", "\u{1b}[2J", "paste -sd", "printf '\\0\\377' > f", "man ", "curl ",
];
#[rustfmt::skip]
const WORDS_OF_ETCDCTL: &[&str] = &[
    "get ", "put ", "del ", "txn ", "watch ", "lease ", "grant ", "revoke ", "keep-alive ", "timetolive ", "list ", "compaction ",
    "defrag ", "snapshot ", "save ", "status ", "restore ", "member ", "add ", "remove ", "update ", "promote ", "move-leader ",
    "endpoint ", "health ", "hashkv ", "alarm ", "disarm ", "auth ", "enable ", "disable ", "user ", "role ", "grant-role ",
    "grant-permission ", "passwd ", "lock ", "elect ", "make-mirror ", "check ", "perf ", "datascale ", "version ", "help ",
    "a ", "b ", "'' ", "'é' ", "\"a b\" ", "'\\0' ", "0 ", "1 ", "-1 ", "60 ", "ff ", "9223372036854775808 ", "1e9 ", "x=y ",
    "root ", "root:pw ", "read ", "readwrite ", "http://etcd-1:2380 ", "http:// ", "localhost:2379 ", "f ", "/dev/null ",
    "--prefix ", "--from-key ", "--rev=2 ", "--rev=-1 ", "--limit=1 ", "--order=DESCEND ", "--sort-by=VALUE ", "--keys-only ",
    "--count-only ", "--print-value-only ", "--consistency=s ", "--consistency=x ", "-w json ", "-w table ", "-w fields ",
    "-w protobuf ", "-w simple ", "-w xml ", "--hex ", "--write-out ", "--lease=1 ", "--lease=zz ", "--prev-kv ",
    "--ignore-value ", "--ignore-lease ", "--progress-notify ", "-i ", "--interactive ", "--physical ", "--cluster ",
    "--endpoints=etcd-1:2379,etcd-9:1 ", "--endpoints= ", "--command-timeout=1ms ", "--command-timeout=-1s ",
    "--dial-timeout=0 ", "--keepalive-time=1h ", "--user root:x ", "--user : ", "--password p ", "--debug ", "--cacert f ",
    "--learner ", "--peer-urls=http://e:1 ", "--data-dir d ", "--name n ", "--initial-cluster n=http://e:1 ",
    "--initial-cluster-token t ", "--initial-advertise-peer-urls http://e:1 ", "--skip-hash-check ", "--wal-dir w ",
    "--load=xl ", "--ttl=1 ", "--keys ", "--once ", "--no-password ", "--new-user-password=p ", "--from-file ", "--dest-prefix= ",
    "-- ", "- ", "-h ", "--help ", "--no-such-flag ", "-wjson ", "-w", "--rev ", "| cat ", "> f ", "< f ", "<<< 'put a 1' ",
    "<<E\nput a 1\n\nget a\n\n\nE\n", "<<E\nmod(\"a\") > \"0\"\n\nput a 1\n\nget a\n\n\nE\n", "<<E\nvalue(\"\n\nE\n", "& ", "; ",
    "power-off etcd-1 ", "install etcd-1 d ", "damage etcd-1 wal ", "full-disk etcd-1 ", "join etcd-1 ", "hosts ",
];

fn pick<'a, T>(from: &'a [T], prng: &mut Prng) -> &'a T {
    &from[prng.below(from.len() as u64) as usize]
}

/// A text of such words.
fn babble(words: &[&str], prng: &mut Prng) -> Vec<u8> {
    (0..1 + prng.below(14)).flat_map(|_| pick(words, prng).bytes()).collect()
}

/// A sound input with something done to it: bytes lost, doubled, moved and put in.
fn twist(sound: &[u8], words: &[&str], prng: &mut Prng) -> Vec<u8> {
    let mut bytes = sound.to_vec();
    for _ in 0..1 + prng.below(5) {
        let at = prng.below(bytes.len() as u64 + 1) as usize;
        let len = (1 + prng.below(12) as usize).min(bytes.len() - at);
        match prng.below(8) {
            0 => drop(bytes.drain(at..at + len)),
            1 => bytes.truncate(at),
            2 if at < bytes.len() => bytes[at] ^= 1 << prng.below(8),
            3 if at < bytes.len() => bytes[at] = prng.next_u64() as u8,
            4 => {
                let piece = bytes[at..at + len].to_vec();
                let times = 1 + prng.below(40) as usize;
                bytes.splice(at..at, piece.repeat(times));
            }
            5 => {
                let piece: Vec<u8> = bytes.drain(at..at + len).collect();
                let to = prng.below(bytes.len() as u64 + 1) as usize;
                bytes.splice(to..to, piece);
            }
            _ => drop(bytes.splice(at..at, pick(words, prng).bytes())),
        }
    }
    bytes
}

// The readers.

fn text(input: &[u8]) -> String {
    String::from_utf8_lossy(input).into_owned()
}

fn empty_disk() -> Disk {
    Disk::new(DiskProfile::SSD, Prng::stream(1, "disk"))
}

const INTERESTING: [u64; 9] = [0, 1, 2, 3, 7, 1 << 20, i64::MAX as u64, u64::MAX - 1, u64::MAX];

fn sound_entries() -> Vec<Entry> {
    let lab = lived();
    let log = wal::recover(lab.sim().disk(HostId(0)), true).expect("a sound log");
    log.entries
}

/// A log whose checksums are right and whose content is not.
fn forged_log(prng: &mut Prng) -> Vec<u8> {
    let mut out = Vec::new();
    let mut write = |chunk: Bytes| out.extend_from_slice(&chunk);
    let mut encoder = Encoder::default();
    encoder.crc(&mut write);
    let peer = Scenario::default().cluster().peers[0].id.0;
    encoder.metadata(if prng.below(8) == 0 { prng.next_u64() } else { peer }, prng.below(3), &mut write);
    let number = |prng: &mut Prng, near: u64| match prng.below(6) {
        0 => *pick(&INTERESTING, prng),
        1 => near + 1,
        _ => near,
    };
    for (position, sound) in sound_entries().into_iter().enumerate() {
        if prng.below(8) == 0 {
            let commit = Index(number(prng, position as u64));
            let state = HardState { term: Term(number(prng, 2)), vote: PeerId(number(prng, peer)), commit };
            encoder.hard_state(&state, &mut write);
        }
        if prng.below(12) == 0 {
            let conf_state = ConfState { voters: vec![PeerId(number(prng, peer))], ..ConfState::default() };
            let index = Index(number(prng, position as u64));
            let snapshot = SnapshotMetadata { conf_state, index, term: Term(number(prng, 1)) };
            encoder.snapshot(&snapshot, &mut write);
        }
        let mut entry = sound;
        match prng.below(12) {
            0 => entry.index = Index(number(prng, entry.index.0)),
            1 => entry.term = Term(number(prng, entry.term.0)),
            2 => entry.data = twist(&entry.data, &["\u{0}", "\u{ff}", "{\"", "["], prng).into(),
            3 => {
                entry.entry_type =
                    *pick(&[EntryType::EntryNormal, EntryType::EntryConfChange, EntryType::EntryConfChangeV2], prng)
            }
            4 => entry.data = Bytes::new(),
            _ => {}
        }
        encoder.entry(&entry, &mut write);
    }
    let commit = Index(number(prng, 12));
    encoder.hard_state(&HardState { term: Term(number(prng, 2)), vote: PeerId(0), commit }, &mut write);
    out
}

/// Such a log with bytes changed as well.
fn damaged_log(prng: &mut Prng) -> Vec<u8> {
    let log = forged_log(prng);
    twist(&log, &["\0\0\0\0\0\0\0\u{80}", "\u{10}\0\0\0\0\0\0\0", "\u{7f}\u{7f}\u{7f}\u{7f}\0\0\0\0"], prng)
}

fn read_log(input: &[u8]) {
    let mut disk = empty_disk();
    disk.append(wal::segment(0, Index(0)), Bytes::copy_from_slice(input));
    for cut_torn_tail in [true, false] {
        if let Ok(log) = wal::recover(&disk, cut_torn_tail) {
            assert!(log.entries.len() <= input.len());
            wal::repair(&mut disk, &log);
        }
    }
    wal::middle(&disk);
}

/// Starts a member on a log and lets it live for a while; its disk is quick and nobody answers.
fn start_member(input: &[u8]) {
    let cluster = std::sync::Arc::new(Scenario::parse("members=1").expect("a scenario").cluster());
    let mut disk = empty_disk();
    disk.append(wal::segment(0, Index(0)), Bytes::copy_from_slice(input));
    let mut at = Moment { now: SimTime(1_000_000), event: EventId(1) };
    let mut out = Outbox::default();
    let booted = Member::boot(&cluster, HostId(0), &mut disk, InitialClusterState::New, 1, at, &mut out);
    let Booted::Running(mut member) = booted else { return };
    let mut due = Vec::new();
    for _ in 0..400 {
        for effect in out.drain() {
            match effect {
                Effect::Sync { note: Note::Member(note), .. } | Effect::Wake { note: Note::Member(note), .. } => {
                    due.push(note)
                }
                _ => {}
            }
        }
        if member.has_stopped() || due.is_empty() {
            return;
        }
        at.now += Micros(50_000);
        let note = due.remove(0);
        member.wake(at, note, &mut out);
    }
}

fn read_change(input: &[u8]) {
    ConfigChangeContext::decode(input);
}

fn read_token(input: &[u8]) {
    use base64::Engine as _;
    let part = |bytes: &[u8]| base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes);
    for token in [text(input), format!("{}.{}.{}", part(b"{\"alg\":\"HS256\"}"), part(input), part(input))] {
        for kind in [TokenKind::Simple, TokenKind::Jwt] {
            let mut tokens = Tokens::new(kind, 1);
            tokens.enable(SimTime(1));
            tokens.info(&token, 1, SimTime(2));
            tokens.index(&token);
        }
    }
}

/// A world that is read is opened, if that does not take long.
fn open(archive: Archive) {
    let Archive { moment, inputs, .. } = &archive;
    if moment.0 <= SimTime(3_000_000) && inputs.len() <= 8 {
        // Without the snapshot file that it may name, it says so.
        archive.open(None).ok();
    }
}

fn read_world(input: &[u8]) {
    if let Ok(archive) = Archive::parse(&text(input)) {
        assert_eq!(Archive::parse(&archive.text()).as_ref(), Ok(&archive));
        open(archive);
    }
}

fn read_link(input: &[u8]) {
    if let Ok(archive) = Archive::from_link(&text(input)) {
        open(archive);
    }
}

fn read_scenario(input: &[u8]) {
    if let Ok(scenario) = Scenario::parse(&text(input)) {
        assert_eq!(Scenario::parse(&scenario.text()), Ok(scenario));
        Lab::new(scenario, 1).run_until(SimTime(200_000), 2_000);
    }
}

fn read_input(input: &[u8]) {
    let scenario = Scenario::default();
    if let Ok(read) = Input::parse(&text(input), &scenario) {
        assert_eq!(Input::parse(&read.text(&scenario), &scenario).as_ref(), Ok(&read));
        let mut lab = lived();
        lab.input(&read);
        settle(&mut lab);
    }
}

fn read_lesson(input: &[u8]) {
    let _ = format::parse("01-a/01-b/01-c", &text(input)).map_err(|problems| {
        problems.iter().map(ToString::to_string).for_each(drop);
    });
}

fn read_catalog(input: &[u8]) {
    drop(Catalog::parse(&text(input)));
}

fn ask(input: &[u8]) {
    let lab = lived();
    if let Ok(tree) = cel::parse(&text(input), &LANGUAGE) {
        let facts = facts::Facts::new(&lab, SimTime::ZERO);
        let outcome = cel::eval(&tree, &facts);
        assert!(outcome.spent <= cel::FUEL + 1);
    }
}

/// A world in which a little has happened. Made once; copies share what they hold.
fn lived() -> Lab {
    static LIVED: std::sync::OnceLock<std::sync::Mutex<Lab>> = std::sync::OnceLock::new();
    let make = || {
        let mut lab = Lab::new(Scenario::parse("members=1 spares=1").expect("a scenario"), 7);
        lab.run_until(SimTime(2_000_000), u64::MAX);
        let line = "etcdctl put a 1; etcdctl put b 2; etcdctl lease grant 60; etcdctl del b; echo text > f".to_owned();
        lab.input(&Input::Line { terminal: 0, text: line });
        lab.run_until(SimTime(3_000_000), u64::MAX);
        std::sync::Mutex::new(lab)
    };
    LIVED.get_or_init(make).lock().expect("nobody panics with it").clone()
}

fn settle(lab: &mut Lab) {
    let end = lab.now() + Micros::from_secs(5);
    lab.run_until(end, 20_000);
}

fn type_line(input: &[u8]) {
    let mut lab = lived();
    lab.input(&Input::Line { terminal: 0, text: text(input) });
    settle(&mut lab);
    for line in ["put a 1", "", "get a", ""] {
        lab.input(&Input::Line { terminal: 0, text: line.to_owned() });
    }
    lab.input(&Input::EndOfInput { terminal: 0 });
    settle(&mut lab);
    lab.input(&Input::Interrupt { terminal: 0 });
    settle(&mut lab);
    drop(Screen::of(&lab, Window { terminal: 0, lines: 100, cleared: None }));
}
