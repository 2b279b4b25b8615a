//! Small tools that read lines and print lines, as far as a learner of etcd needs them.

use super::binary::{self, Dd};
use super::pattern::{Pattern, Syntax};
use super::process::{Ask, Asks, Program, Tell};
use super::text;
use crate::sim::clock::civil_date;
use crate::sim::{EPOCH_SECONDS, Micros, SimTime};
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD};
use base64::{Engine as _, alphabet};
use bytes::Bytes;
use sha2::{Digest, Sha256};

/// Bytes that a filter holds back at most; what comes after is not kept.
pub const HELD_BYTES_MAX: usize = 64 << 20;

/// As `base64 -d` reads: bits that are left over do not matter.
const BASE64_READ: GeneralPurpose =
    GeneralPurpose::new(&alphabet::STANDARD, GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true));

/// What `grep` ends with if it could not do what it was asked.
const GREP_FAILED: i32 = 2;

/// Lines that `seq` prints at most.
const SEQ_MAX: u64 = 100_000;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Filter {
    kind: Kind,
    name: String,
    /// What it reads instead of standard input.
    files: Vec<String>,
    /// What was read and not yet printed: for filters by line the start of one, for the others everything.
    held: String,
    lines: usize,
    /// What it will end with.
    status: i32,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Kind {
    Cat,
    Date,
    Grep {
        pattern: Pattern,
        invert: bool,
        count: bool,
        only: bool,
        numbered: bool,
        quiet: bool,
    },
    Head {
        lines: Amount,
        bytes: Option<Amount>,
    },
    Tail {
        lines: Amount,
        bytes: Option<Amount>,
    },
    Sort {
        reverse: bool,
        numeric: bool,
        unique: bool,
    },
    Uniq {
        count: bool,
    },
    Wc {
        lines: bool,
        words: bool,
        bytes: bool,
    },
    Base64 {
        decode: bool,
        wrap: usize,
    },
    Paste {
        delimiter: char,
    },
    Cut {
        delimiter: char,
        fields: Vec<usize>,
    },
    Tr {
        from: Vec<char>,
        to: Option<Vec<char>>,
    },
    Tee {
        append: bool,
        targets: Vec<String>,
    },
    /// `hexdump -C`
    Hexdump,
    Xxd,
    Sha256,
    Dd(Dd),
}

/// A number of lines or bytes, counted from the one end or from the other: `head -n -1` leaves out the last line,
/// `tail -n +2` the first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Amount {
    Just(usize),
    AllBut(usize),
}

impl Amount {
    /// How many of `all`.
    fn of(self, all: usize) -> usize {
        match self {
            Amount::Just(count) => count.min(all),
            Amount::AllBut(count) => all.saturating_sub(count),
        }
    }
}

impl Filter {
    pub fn date() -> Filter {
        Filter::reading(Kind::Date, "date", Vec::new())
    }

    fn reading(kind: Kind, name: &str, files: Vec<String>) -> Filter {
        // `grep` has found nothing yet.
        let status = i32::from(matches!(kind, Kind::Grep { .. }));
        Filter { kind, name: name.to_owned(), files, held: String::new(), lines: 0, status }
    }

    /// `None` if there is no filter of this name.
    pub fn new(name: &str, arguments: &[String]) -> Option<Result<Filter, String>> {
        let plain = |kind: Kind, known: &str| {
            let options = Options::read(arguments, "");
            options.only(name, known).map(|()| (kind, options.rest))
        };
        let flag = |letter: char| Options::read(arguments, "").has(letter);
        let read = match name {
            "cat" => plain(Kind::Cat, ""),
            "grep" => grep(arguments),
            "head" => head(arguments),
            "tail" => tail(arguments),
            "sort" => {
                let kind = Kind::Sort { reverse: flag('r'), numeric: flag('n'), unique: flag('u') };
                plain(kind, "rnu")
            }
            "uniq" => plain(Kind::Uniq { count: flag('c') }, "c"),
            "wc" => {
                let all = Options::read(arguments, "").flags.is_empty();
                plain(Kind::Wc { lines: all || flag('l'), words: all || flag('w'), bytes: all || flag('c') }, "lwc")
            }
            "base64" => base64(arguments),
            "paste" => paste(arguments),
            "cut" => cut(arguments),
            "tr" => tr(arguments).map(|kind| (kind, Vec::new())),
            "tee" => plain(Kind::Cat, "a").map(|(_, targets)| (Kind::Tee { append: flag('a'), targets }, Vec::new())),
            "hexdump" if !flag('C') => Err("hexdump: this lab's hexdump is `hexdump -C'".to_owned()),
            "hexdump" => plain(Kind::Hexdump, "C"),
            "xxd" => plain(Kind::Xxd, ""),
            "sha256sum" => plain(Kind::Sha256, ""),
            "dd" => Dd::read(arguments).map(|(plan, files)| (Kind::Dd(plan), files)),
            _ => return None,
        };
        Some(read.map(|(kind, mut files)| {
            if files == ["-"] {
                files.clear();
            }
            Filter::reading(kind, name, files)
        }))
    }

    pub fn reads_input(&self) -> bool {
        self.kind != Kind::Date && self.files.is_empty()
    }

    /// Takes one line with its newline, or the last one without. True: wants no more.
    fn line(&mut self, line: &str, asks: &mut Asks) -> bool {
        self.lines += 1;
        match &self.kind {
            Kind::Cat => asks.push(Ask::Stdout(line.to_owned())),
            Kind::Grep { .. } => return self.grep(line.trim_end_matches('\n'), asks),
            Kind::Head { lines: Amount::Just(lines), .. } => {
                if self.lines <= *lines {
                    asks.push(Ask::Stdout(line.to_owned()));
                }
                return self.lines >= *lines;
            }
            Kind::Tee { targets, .. } => {
                for target in targets {
                    if let Err(error) = asks.files.append(target, &text::to_bytes(line)) {
                        asks.push(Ask::Stderr(format!("tee: {target}: {error}\n")));
                    }
                }
                asks.push(Ask::Stdout(line.to_owned()));
            }
            Kind::Tr { from, to } => asks.push(Ask::Stdout(translate(line, from, to.as_deref()))),
            Kind::Cut { delimiter, fields } => {
                let plain = line.trim_end_matches('\n');
                let parts: Vec<&str> = plain.split(*delimiter).collect();
                let chosen: Vec<&str> = fields.iter().filter_map(|&at| parts.get(at - 1).copied()).collect();
                let chosen = if parts.len() == 1 { plain.to_owned() } else { chosen.join(&delimiter.to_string()) };
                asks.push(Ask::Stdout(chosen + "\n"));
            }
            _ => {}
        }
        false
    }

    fn grep(&mut self, line: &str, asks: &mut Asks) -> bool {
        let Kind::Grep { pattern, invert, count, only, numbered, quiet } = &self.kind else { return false };
        let found = pattern.is_in(line).and_then(|is_in| match *only && is_in && !*invert && !*count && !*quiet {
            true => pattern.all_in(line).map(|all| (true, all)),
            false => Ok((is_in, Vec::new())),
        });
        let Ok((is_in, all)) = found else {
            asks.push(Ask::Stderr("grep: memory exhausted\n".to_owned()));
            self.status = GREP_FAILED;
            return true;
        };
        if is_in == *invert {
            return false;
        }
        self.status = 0;
        let before = if *numbered { format!("{}:", self.lines) } else { String::new() };
        match (quiet, count, only) {
            (true, ..) => return true,
            (_, true, _) => self.held.push('+'),
            (.., true) => all.iter().for_each(|it| asks.print(format!("{before}{it}\n"))),
            _ => asks.print(format!("{before}{line}\n")),
        }
        false
    }

    fn by_line(&self) -> bool {
        matches!(
            &self.kind,
            Kind::Cat
                | Kind::Grep { count: false, .. }
                | Kind::Tr { .. }
                | Kind::Cut { .. }
                | Kind::Tee { .. }
                | Kind::Head { lines: Amount::Just(_), bytes: None }
        )
    }

    /// What is printed once the input has ended, and the status.
    fn finish(&mut self, asks: &mut Asks) -> i32 {
        let held = std::mem::take(&mut self.held);
        let lines = || held.lines();
        let out = match &self.kind {
            Kind::Grep { count: true, .. } => {
                for line in held.split_inclusive('\n') {
                    if self.line(line, asks) {
                        return self.status;
                    }
                }
                let count = self.held.len();
                format!("{count}\n")
            }
            Kind::Cat
            | Kind::Grep { .. }
            | Kind::Tr { .. }
            | Kind::Cut { .. }
            | Kind::Tee { .. }
            | Kind::Head { bytes: None, lines: Amount::Just(_) } => {
                if !held.is_empty() {
                    self.line(&held, asks);
                }
                String::new()
            }
            Kind::Head { bytes: Some(bytes), .. } => {
                let all = text::to_bytes(&held);
                text::from_bytes(&all[..bytes.of(all.len())])
            }
            Kind::Head { lines, .. } => {
                let all: Vec<&str> = held.split_inclusive('\n').collect();
                all[..lines.of(all.len())].concat()
            }
            Kind::Date => String::new(),
            Kind::Tail { bytes: Some(bytes), .. } => {
                let all = text::to_bytes(&held);
                text::from_bytes(&all[all.len() - bytes.of(all.len())..])
            }
            Kind::Tail { lines, .. } => {
                let all: Vec<&str> = held.split_inclusive('\n').collect();
                all[all.len() - lines.of(all.len())..].concat()
            }
            Kind::Hexdump => binary::hexdump(&text::to_bytes(&held)),
            Kind::Xxd => binary::xxd(&text::to_bytes(&held)),
            Kind::Sha256 => {
                let digest = Sha256::digest(text::to_bytes(&held));
                let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
                format!("{hex}  -\n")
            }
            Kind::Dd(plan) => return plan.clone().copy(&text::to_bytes(&held), asks),
            Kind::Sort { reverse, numeric, unique } => {
                let mut all: Vec<&str> = lines().collect();
                // Simplified: `-n` reads whole numbers only.
                let number = |line: &str| {
                    let line = line.trim_start();
                    let digits = line.strip_prefix('-').unwrap_or(line);
                    let end = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
                    let value = digits[..end].parse::<i128>().unwrap_or(0);
                    if line.starts_with('-') { -value } else { value }
                };
                match numeric {
                    true => all.sort_by(|a, b| number(a).cmp(&number(b)).then_with(|| a.cmp(b))),
                    false => all.sort_unstable(),
                }
                if *unique {
                    all.dedup();
                }
                if *reverse {
                    all.reverse();
                }
                all.iter().map(|line| format!("{line}\n")).collect()
            }
            Kind::Uniq { count } => {
                let mut groups: Vec<(usize, &str)> = Vec::new();
                for line in lines() {
                    match groups.last_mut() {
                        Some((times, last)) if *last == line => *times += 1,
                        _ => groups.push((1, line)),
                    }
                }
                let show = |(times, line): &(usize, &str)| match count {
                    true => format!("{times:>7} {line}\n"),
                    false => format!("{line}\n"),
                };
                groups.iter().map(show).collect()
            }
            Kind::Wc { lines, words, bytes } => {
                let counts = counts(&held);
                let wanted = [lines, words, bytes].into_iter().zip(counts).filter(|(wanted, _)| **wanted);
                let wanted: Vec<usize> = wanted.map(|(_, count)| count).collect();
                match wanted.as_slice() {
                    [one] => format!("{one}\n"),
                    many => many.iter().map(|count| format!("{count:>7}")).collect::<Vec<_>>().join(" ") + "\n",
                }
            }
            Kind::Base64 { decode: true, .. } => {
                match BASE64_READ.decode(held.split_whitespace().collect::<String>()) {
                    Ok(bytes) => text::from_bytes(&bytes),
                    Err(_) => {
                        asks.push(Ask::Stderr("base64: invalid input\n".to_owned()));
                        return 1;
                    }
                }
            }
            Kind::Base64 { wrap, .. } => {
                let encoded = STANDARD.encode(text::to_bytes(&held));
                match wrap {
                    0 => encoded,
                    _ if encoded.is_empty() => String::new(),
                    // Base64 is ASCII, so a position is a byte.
                    _ => {
                        let starts = (0..encoded.len()).step_by(*wrap);
                        starts.map(|at| format!("{}\n", &encoded[at..encoded.len().min(at + wrap)])).collect()
                    }
                }
            }
            Kind::Paste { delimiter } => lines().collect::<Vec<_>>().join(&delimiter.to_string()) + "\n",
        };
        if !out.is_empty() {
            asks.push(Ask::Stdout(out));
        }
        self.status
    }

    /// Reads its files one after another, and says how that went.
    fn read_files(&mut self, now: SimTime, asks: &mut Asks) -> i32 {
        let names = std::mem::take(&mut self.files);
        let one_by_one = matches!(
            self.kind,
            Kind::Wc { .. } | Kind::Grep { .. } | Kind::Head { .. } | Kind::Tail { .. } | Kind::Sha256
        );
        let is_grep = matches!(self.kind, Kind::Grep { .. });
        let (mut whole, mut status) = (String::new(), self.status);
        let mut contents = Vec::new();
        for name in &names {
            match self.content(name, asks) {
                Ok(content) if one_by_one => contents.push((name.as_str(), content)),
                Ok(content) => whole.push_str(&content),
                Err(message) => {
                    asks.push(Ask::Stderr(format!("{}: {message}\n", self.name)));
                    status = if is_grep { GREP_FAILED } else { 1 };
                }
            }
        }
        if !one_by_one {
            return status.max(self.run(now, whole, asks));
        }
        if let Kind::Wc { lines, words, bytes } = self.kind {
            asks.print(word_counts([lines, words, bytes], &contents));
            return status;
        }
        for (at, (name, content)) in contents.into_iter().enumerate() {
            let mut out = asks.inner();
            let one = Filter::reading(self.kind.clone(), &self.name, Vec::new()).run(now, content, &mut out);
            let mut text = String::new();
            for ask in out.into_list() {
                match ask {
                    Ask::Stdout(piece) => text.push_str(&piece),
                    Ask::Stderr(_) => asks.push(ask),
                    _ => {}
                }
            }
            let several = names.len() > 1;
            asks.print(match self.kind {
                Kind::Sha256 => text.replace("  -\n", &format!("  {name}\n")),
                Kind::Grep { .. } if several => text.lines().map(|line| format!("{name}:{line}\n")).collect(),
                Kind::Head { .. } | Kind::Tail { .. } if several => {
                    format!("{}==> {name} <==\n{text}", if at > 0 { "\n" } else { "" })
                }
                _ => text,
            });
            // `grep` is content with one file that has it, if it could read all.
            let is_content = is_grep && status.max(one) < GREP_FAILED;
            status = if is_content { status.min(one) } else { status.max(one) };
        }
        status
    }

    fn content(&self, name: &str, asks: &Asks) -> Result<String, String> {
        match (name, &self.kind) {
            ("/dev/null", _) => Ok(String::new()),
            ("/dev/zero", Kind::Head { bytes: Some(Amount::Just(bytes)), .. }) => {
                Ok("\0".repeat((*bytes).min(HELD_BYTES_MAX)))
            }
            ("/dev/zero", Kind::Dd(plan)) if plan.wanted().is_some() => Ok("\0".repeat(plan.wanted().unwrap_or(0))),
            ("/dev/zero", _) => Err("/dev/zero: it never ends; in this lab `head -c' reads from it".to_owned()),
            _ => {
                asks.files.read(name).map(|bytes| text::from_bytes(&bytes)).map_err(|error| format!("{name}: {error}"))
            }
        }
    }

    /// All of it at once, to its end.
    fn run(&mut self, now: SimTime, input: String, asks: &mut Asks) -> i32 {
        for tell in [Tell::Start, Tell::Stdin(input), Tell::StdinClosed] {
            let before = asks.len();
            self.tell(now, tell, asks);
            if let Some(Ask::Exit(status)) = asks.asked()[before..].last().cloned() {
                asks.split_off(asks.len() - 1);
                return status;
            }
        }
        0
    }

    /// `tee` begins with empty files.
    fn empty_targets(&self, asks: &mut Asks) {
        let Kind::Tee { append: false, targets } = &self.kind else { return };
        for target in targets {
            if let Err(error) = asks.files.write(target, Bytes::new()) {
                asks.push(Ask::Stderr(format!("tee: {target}: {error}\n")));
            }
        }
    }
}

/// Lines, words, bytes.
fn counts(content: &str) -> [usize; 3] {
    [content.matches('\n').count(), content.split_whitespace().count(), text::to_bytes(content).len()]
}

/// What `wc` prints of files.
fn word_counts(wanted: [bool; 3], contents: &[(&str, String)]) -> String {
    let counted: Vec<(&str, [usize; 3])> = contents.iter().map(|(name, content)| (*name, counts(content))).collect();
    let sum = |which: usize| counted.iter().map(|(_, counts)| counts[which]).sum::<usize>();
    let total = [sum(0), sum(1), sum(2)];
    let alone = counted.len() == 1 && wanted.iter().filter(|wanted| **wanted).count() == 1;
    let width = if alone { 1 } else { total[2].max(1).ilog10() as usize + 1 };
    let line = |name: &str, counts: [usize; 3]| {
        let shown =
            wanted.iter().zip(counts).filter(|(wanted, _)| **wanted).map(|(_, count)| format!("{count:>width$}"));
        shown.chain([name.to_owned()]).collect::<Vec<_>>().join(" ") + "\n"
    };
    let mut out: String = counted.iter().map(|(name, counts)| line(name, *counts)).collect();
    if counted.len() > 1 {
        out += &line("total", total);
    }
    out
}

impl Program for Filter {
    fn tell(&mut self, now: SimTime, tell: Tell, asks: &mut Asks) {
        match tell {
            Tell::Start if self.kind == Kind::Date => {
                asks.push(Ask::Stdout(format!("{}\n", iso_time(now))));
                asks.push(Ask::Exit(0));
            }
            Tell::Start if !self.files.is_empty() => {
                let status = self.read_files(now, asks);
                asks.push(Ask::Exit(status));
            }
            Tell::Start if matches!(self.kind, Kind::Head { lines: Amount::Just(0), bytes: None }) => {
                asks.push(Ask::Exit(0));
            }
            Tell::Start => self.empty_targets(asks),
            Tell::Stdin(chunk) if self.by_line() => {
                let all = std::mem::take(&mut self.held) + &chunk;
                for line in all.split_inclusive('\n') {
                    if !line.ends_with('\n') {
                        self.held = line.to_owned();
                    } else if self.line(line, asks) {
                        asks.push(Ask::Exit(self.status));
                        return;
                    }
                }
            }
            Tell::Stdin(chunk) if self.held.len() + chunk.len() <= HELD_BYTES_MAX => self.held.push_str(&chunk),
            Tell::StdinClosed => {
                let status = self.finish(asks);
                asks.push(Ask::Exit(status));
            }
            Tell::Interrupt => asks.push(Ask::Exit(130)),
            _ => {}
        }
    }
}

/// One-letter options, those with a value, and the rest.
#[derive(Default)]
struct Options {
    flags: Vec<char>,
    values: Vec<(char, String)>,
    rest: Vec<String>,
}

impl Options {
    /// Letters in `with_value` take one.
    fn read(arguments: &[String], with_value: &str) -> Options {
        let mut options = Options::default();
        let mut arguments = arguments.iter();
        while let Some(argument) = arguments.next() {
            if argument == "--" {
                options.rest.extend(arguments.by_ref().cloned());
                break;
            }
            let Some(letters) = argument.strip_prefix('-').filter(|letters| !letters.is_empty()) else {
                options.rest.push(argument.clone());
                continue;
            };
            for (at, letter) in letters.char_indices() {
                if with_value.contains(letter) {
                    let attached = &letters[at + letter.len_utf8()..];
                    let value = match attached {
                        "" => arguments.next().cloned().unwrap_or_default(),
                        attached => attached.to_owned(),
                    };
                    options.values.push((letter, value));
                    break;
                }
                options.flags.push(letter);
            }
        }
        options
    }

    fn has(&self, letter: char) -> bool {
        self.flags.contains(&letter)
    }

    fn value(&self, letter: char) -> Option<&str> {
        self.values.iter().rev().find(|(name, _)| *name == letter).map(|(_, value)| value.as_str())
    }

    fn number(&self, program: &str, letter: char, default: usize) -> Result<usize, String> {
        match self.value(letter) {
            None => Ok(default),
            Some(text) => text.parse().map_err(|_| format!("{program}: invalid number: '{text}'")),
        }
    }

    /// A number; with `other` before it, one that is counted from the other end.
    fn amount(&self, program: &str, letter: char, other: char) -> Result<Option<Amount>, String> {
        let Some(text) = self.value(letter) else { return Ok(None) };
        let bare = text.trim_start_matches(['-', '+']);
        let (digits, unit) = match bare.strip_suffix(['K', 'k']) {
            Some(digits) => (digits, 1 << 10),
            None => bare.strip_suffix('M').map_or((bare, 1), |digits| (digits, 1 << 20)),
        };
        let number = digits.parse::<usize>().ok().and_then(|number| number.checked_mul(unit));
        let number = number.ok_or_else(|| format!("{program}: invalid number: '{text}'"))?;
        Ok(Some(if text.starts_with(other) { Amount::AllBut(number) } else { Amount::Just(number) }))
    }

    fn only(&self, program: &str, known: &str) -> Result<(), String> {
        match self.flags.iter().find(|flag| !known.contains(**flag)) {
            None => Ok(()),
            Some(flag) => Err(format!("{program}: option -{flag} is not built into this lab")),
        }
    }
}

/// What a filter does, and the files that it reads.
type Read = Result<(Kind, Vec<String>), String>;

fn grep(arguments: &[String]) -> Read {
    let mut options = Options::read(arguments, "e");
    options.only("grep", "ivcoFEnqw")?;
    let named: Vec<&str> = options.values.iter().map(|(_, text)| text.as_str()).collect();
    let text = match named.is_empty() {
        false => named.join("\n"),
        true if options.rest.is_empty() => return Err("grep: usage: grep [-cEFinoqvw] PATTERN [FILE]...".to_owned()),
        true => options.rest.remove(0),
    };
    let syntax = match (options.has('F'), options.has('E')) {
        (true, _) => Syntax::Fixed,
        (false, true) => Syntax::Extended,
        (false, false) => Syntax::Basic,
    };
    let pattern =
        Pattern::new(&text, syntax, options.has('i'), options.has('w')).map_err(|why| format!("grep: {why}"))?;
    let kind = Kind::Grep {
        pattern,
        invert: options.has('v'),
        count: options.has('c'),
        only: options.has('o'),
        numbered: options.has('n'),
        quiet: options.has('q'),
    };
    Ok((kind, options.rest))
}

/// `-5` as short for `-n 5`, which is what the first word may be.
fn old_count(arguments: &[String]) -> Vec<String> {
    let mut arguments = arguments.to_vec();
    if let Some(first) = arguments.first_mut()
        && let Some(count) = first.strip_prefix('-').filter(|count| count.parse::<usize>().is_ok())
    {
        *first = format!("-n{count}");
    }
    arguments
}

fn head(arguments: &[String]) -> Read {
    let options = Options::read(&old_count(arguments), "nc");
    options.only("head", "")?;
    let lines = options.amount("head", 'n', '-')?.unwrap_or(Amount::Just(10));
    let bytes = options.amount("head", 'c', '-')?;
    Ok((Kind::Head { lines, bytes }, options.rest))
}

fn tail(arguments: &[String]) -> Read {
    let options = Options::read(&old_count(arguments), "nc");
    options.only("tail", "")?;
    // `+1` begins with the first.
    let from = |amount: Amount| match amount {
        Amount::AllBut(first) => Amount::AllBut(first.saturating_sub(1)),
        just @ Amount::Just(_) => just,
    };
    let lines = options.amount("tail", 'n', '+')?.map_or(Amount::Just(10), from);
    let bytes = options.amount("tail", 'c', '+')?.map(from);
    Ok((Kind::Tail { lines, bytes }, options.rest))
}

fn base64(arguments: &[String]) -> Read {
    let options = Options::read(arguments, "w");
    options.only("base64", "d")?;
    let kind = Kind::Base64 { decode: options.has('d'), wrap: options.number("base64", 'w', 76)? };
    Ok((kind, options.rest))
}

fn paste(arguments: &[String]) -> Read {
    let options = Options::read(arguments, "d");
    options.only("paste", "s")?;
    if !options.has('s') {
        return Err("paste: only -s is built into this lab".to_owned());
    }
    let delimiter = options.value('d').and_then(|d| d.chars().next()).unwrap_or('\t');
    Ok((Kind::Paste { delimiter }, options.rest))
}

fn cut(arguments: &[String]) -> Read {
    let options = Options::read(arguments, "df");
    options.only("cut", "")?;
    let fields = options.value('f').unwrap_or_default().split(',').map(str::parse::<usize>);
    let fields: Vec<usize> = fields
        .map(|field| field.ok().filter(|field| *field > 0).ok_or("cut: -f takes numbers such as 1,3".to_owned()))
        .collect::<Result<_, _>>()?;
    let delimiter = options.value('d').and_then(|d| d.chars().next()).unwrap_or('\t');
    Ok((Kind::Cut { delimiter, fields }, options.rest))
}

fn tr(arguments: &[String]) -> Result<Kind, String> {
    let options = Options::read(arguments, "");
    options.only("tr", "d")?;
    let set = |text: &str| -> Vec<char> {
        let text: Vec<char> = text.replace("\\n", "\n").replace("\\t", "\t").replace("\\0", "\0").chars().collect();
        let mut set = Vec::new();
        let mut at = 0;
        while at < text.len() {
            if let (Some('-'), Some(end)) = (text.get(at + 1), text.get(at + 2)) {
                // A range of characters is at most the size of Unicode; ASCII is what people write.
                set.extend((text[at]..=*end).take(256));
                at += 3;
            } else {
                set.push(text[at]);
                at += 1;
            }
        }
        set
    };
    match (options.has('d'), options.rest.as_slice()) {
        (true, [from]) => Ok(Kind::Tr { from: set(from), to: None }),
        (false, [from, to]) if !to.is_empty() => Ok(Kind::Tr { from: set(from), to: Some(set(to)) }),
        _ => Err("tr: usage: tr SET1 SET2, or tr -d SET1".to_owned()),
    }
}

fn translate(line: &str, from: &[char], to: Option<&[char]>) -> String {
    let replace = |c: char| match (from.iter().position(|from| *from == c), to) {
        (None, _) => Some(c),
        (Some(_), None) => None,
        (Some(at), Some(to)) => to.get(at).or(to.last()).copied(),
    };
    line.chars().filter_map(replace).collect()
}

pub fn echo(arguments: &[String]) -> String {
    let (mut newline, mut escapes) = (true, false);
    let mut words = arguments;
    while let [first, rest @ ..] = words {
        match first.as_str() {
            "-n" => newline = false,
            "-e" => escapes = true,
            _ => break,
        }
        words = rest;
    }
    let mut out = words.join(" ");
    if escapes {
        out = unescape(&out);
    }
    if newline {
        out.push('\n');
    }
    out
}

/// Backslash escapes of `echo -e` and `printf`.
fn unescape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        match chars.next() {
            Some('n') => out.push('\n'),
            Some('t') => out.push('\t'),
            Some('r') => out.push('\r'),
            Some('\\') | None => out.push('\\'),
            Some(c) => {
                out.push('\\');
                out.push(c);
            }
        }
    }
    out
}

pub fn printf(arguments: &[String]) -> Result<String, String> {
    let Some((pattern, mut values)) = arguments.split_first() else {
        return Err("printf: usage: printf format [arguments]".to_owned());
    };
    let pattern = unescape(pattern);
    let mut out = String::new();
    loop {
        let mut taken = false;
        let mut chars = pattern.chars();
        while let Some(c) = chars.next() {
            if c != '%' {
                out.push(c);
                continue;
            }
            match chars.next() {
                Some('%') => out.push('%'),
                Some(kind @ ('s' | 'd')) => {
                    let default = if kind == 's' { "" } else { "0" };
                    let (value, rest) = match values.split_first() {
                        Some((value, rest)) => (value.as_str(), rest),
                        None => (default, values),
                    };
                    values = rest;
                    taken = true;
                    out.push_str(value);
                }
                other => return Err(format!("printf: `%{}' is not built into this lab", other.unwrap_or(' '))),
            }
        }
        // As in C's descendants, the pattern is used again while there are values.
        if values.is_empty() || !taken {
            return Ok(out);
        }
    }
}

pub fn seq(arguments: &[String]) -> Result<String, String> {
    let numbers =
        arguments.iter().map(|text| text.parse::<i64>().map_err(|_| format!("seq: invalid argument: '{text}'")));
    let numbers = numbers.collect::<Result<Vec<i64>, String>>()?;
    let (first, step, last) = match numbers.as_slice() {
        [last] => (1, 1, *last),
        [first, last] => (*first, 1, *last),
        [first, step, last] => (*first, *step, *last),
        _ => return Err("seq: missing operand".to_owned()),
    };
    if step == 0 {
        return Err("seq: the step must not be 0".to_owned());
    }
    let count = (i128::from(last) - i128::from(first)) / i128::from(step) + 1;
    if count > i128::from(SEQ_MAX) {
        return Err(format!("seq: more than {SEQ_MAX} lines"));
    }
    Ok((0..count.max(0)).map(|n| format!("{}\n", i128::from(first) + n * i128::from(step))).collect())
}

/// `2`, `0.5`, `1s`, `3m`, `1h`: a span in the words of `sleep`.
pub fn seconds(text: &str) -> Option<Micros> {
    let (number, unit) = match text.char_indices().last()? {
        (at, 's') => (&text[..at], 1_000_000),
        (at, 'm') => (&text[..at], 60_000_000),
        (at, 'h') => (&text[..at], 3_600_000_000),
        _ => (text, 1_000_000),
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let digits = |text: &str| text.chars().all(|c| c.is_ascii_digit());
    if number.is_empty() || number == "." || !digits(whole) || !digits(fraction) || fraction.len() > 6 {
        return None;
    }
    let whole: u64 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    let parts: u64 = if fraction.is_empty() { 0 } else { fraction.parse().ok()? };
    let part_unit = 10u64.pow(fraction.len() as u32);
    whole.checked_mul(unit)?.checked_add(parts * unit / part_unit).map(Micros)
}

/// The world's clock as `2026-01-01T00:00:05.000Z`: Go's ISO 8601 with milliseconds.
pub fn iso_time(now: SimTime) -> String {
    let seconds = EPOCH_SECONDS + now.0 / 1_000_000;
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    let (year, month, day) = civil_date(days as i64);
    let millis = now.0 / 1_000 % 1_000;
    format!("{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}.{millis:03}Z", rest / 3600, rest / 60 % 60, rest % 60)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shell::files::Files;

    fn run(name: &str, arguments: &[&str], input: &str) -> String {
        let arguments: Vec<String> = arguments.iter().map(|argument| (*argument).to_owned()).collect();
        let mut filter = match Filter::new(name, &arguments).unwrap() {
            Ok(filter) => filter,
            Err(error) => return error,
        };
        let mut files = Files::default();
        let mut asks = Asks::new(&mut files);
        for tell in [Tell::Start, Tell::Stdin(input.to_owned()), Tell::StdinClosed] {
            if !asks.asked().iter().any(|ask| matches!(ask, Ask::Exit(_))) {
                filter.tell(SimTime::ZERO, tell, &mut asks);
            }
        }
        let text = |ask: &Ask| match ask {
            Ask::Stdout(text) => text.clone(),
            Ask::Exit(0) => String::new(),
            other => format!("{other:?}"),
        };
        asks.asked().iter().map(text).collect()
    }

    #[test]
    fn filters_do_what_their_namesakes_do() {
        assert_eq!(run("sort", &["-r"], "b\na\nc"), "c\nb\na\n");
        assert_eq!(run("sort", &["-n"], "10\n9\n-1\n"), "-1\n9\n10\n");
        assert_eq!(run("head", &["-2"], "1\n2\n3\n"), "1\n2\n");
        assert_eq!(run("tail", &["-n", "1"], "1\n2\n3\n"), "3\n");
        assert_eq!(run("tail", &["-1"], "1\n2\n3\n"), "3\n");
        assert_eq!(run("head", &["-c", "-2"], "1\n2\n3\n"), "1\n2\n");
        assert_eq!(run("grep", &["-v", "b"], "abc\nxyz\n"), "xyz\n");
        assert_eq!(run("grep", &["-c", "b"], "abc\nb\nxyz\n"), "2\n");
        assert_eq!(run("grep", &["b"], "xyz\n"), "Exit(1)");
        let slow = ["-E", "(a?){5000}b"];
        assert_eq!(
            run("grep", &slow, &format!("{}\n", "a".repeat(100_000))),
            r#"Stderr("grep: memory exhausted\n")Exit(2)"#
        );
        assert_eq!(run("wc", &["-l"], "a\nb\n"), "2\n");
        assert_eq!(run("wc", &["-c"], "\u{F7FF}"), "1\n");
        assert_eq!(run("base64", &[], "\u{F7FF}\u{F7FE}a"), "//5h\n");
        assert_eq!(run("base64", &["-d"], "aG\nk="), "hi");
        assert_eq!(run("base64", &["-d"], "aGl="), "hi");
        assert_eq!(run("paste", &["-sd+"], "1\n2\n3\n"), "1+2+3\n");
        assert_eq!(run("cut", &["-d,", "-f1,3"], "a,b,c\n"), "a,c\n");
        assert_eq!(run("tr", &["a-c", "A-C"], "abcd\n"), "ABCd\n");
        assert_eq!(run("uniq", &["-c"], "a\na\nb\n"), "      2 a\n      1 b\n");
        assert_eq!(printf(&["%s-%d\\n".into(), "a".into(), "1".into(), "b".into()]).unwrap(), "a-1\nb-0\n");
        assert_eq!(seq(&["2".into(), "4".into()]).unwrap(), "2\n3\n4\n");
    }

    #[test]
    fn times() {
        assert_eq!(iso_time(SimTime::ZERO), "2026-01-01T00:00:00.000Z");
        assert_eq!(iso_time(SimTime(86_400_000_000 * 59 + 1_500_000)), "2026-03-01T00:00:01.500Z");
        assert_eq!(seconds("0.5"), Some(Micros(500_000)));
        assert_eq!(seconds("2m"), Some(Micros(120_000_000)));
        assert_eq!(seconds("x"), None);
    }
}
