//! What Tab may put in: commands, subcommands, flags, values of flags, hosts, variables. Driven by the same tables as
//! parsing and help.

use super::Machine;
use super::curl;
use super::environment::Environment;
use super::etcdctl;
use super::etcdctl::flags::{Flag, Kind};
use super::etcdctl::table::{Command, GLOBAL, HELP};
use super::etcdutl;
use super::grammar::is_name;
use super::kubectl;
use super::lab_cmd;
use super::printers::FORMATS;
use super::programs;

/// Candidates for the word under the cursor.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Completion {
    /// Where the text that a candidate replaces begins, in bytes; it ends at the cursor.
    pub start: usize,
    /// Sorted, each once.
    pub candidates: Vec<String>,
}

/// Completes `line` up to `cursor`, a byte position on a boundary.
pub fn complete(line: &str, cursor: usize, machine: &Machine, environment: &Environment) -> Completion {
    let (words, start) = words_before(&line[..cursor]);
    let current = &line[start..cursor];
    if let Some((at, name)) = current.rfind('$').map(|at| (at, &current[at + 1..]))
        && (name.is_empty() || is_name(name))
    {
        let names = environment.exported().map(|(name, _)| format!("${name}"));
        return sorted(start + at, &current[at..], names.collect());
    }
    let Some((program, arguments)) = words.split_first() else {
        return sorted(start, current, programs::names().map(str::to_owned).collect());
    };
    match program.as_str() {
        "curl" => sorted(start, current, curl_words(current, machine)),
        "etcdctl" => complete_etcdctl(arguments, start, current, machine),
        "etcdutl" => {
            sorted(start, current, etcdutl::subcommands(arguments).iter().map(|name| (*name).to_owned()).collect())
        }
        "kubectl" => sorted(start, current, kubectl_words(arguments, current)),
        "lab" => sorted(start, current, lab_words(arguments, machine)),
        "export" | "unset" => sorted(start, current, environment.exported().map(|(name, _)| name.to_owned()).collect()),
        _ => Completion { start, candidates: Vec::new() },
    }
}

/// The words of the command that the cursor is in, without the one that it is at; and where that one begins.
fn words_before(text: &str) -> (Vec<String>, usize) {
    let mut words: Vec<String> = Vec::new();
    let mut word: Option<String> = None;
    let mut start = text.len();
    let mut quote: Option<char> = None;
    let mut chars = text.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        let next = at + c.len_utf8();
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (Some(_), c) => word.get_or_insert_default().push(c),
            (None, '\'' | '"') => {
                if word.is_none() {
                    start = next;
                }
                word.get_or_insert_default();
                quote = Some(c);
            }
            (None, '\\') => {
                if word.is_none() {
                    start = at;
                }
                let escaped = chars.next().map(|(_, c)| c);
                word.get_or_insert_default().extend(escaped);
            }
            (None, ' ' | '\t') => words.extend(word.take()),
            (None, ';' | '|' | '&' | '(' | ')' | '\n') => {
                word = None;
                words.clear();
            }
            (None, c) => {
                if word.is_none() {
                    start = at;
                }
                word.get_or_insert_default().push(c);
            }
        }
    }
    if word.is_none() {
        start = text.len();
    }
    // What stands before the command itself.
    let is_prefix = |word: &String| {
        let assigns = word.split_once('=').is_some_and(|(name, _)| is_name(name));
        assigns || matches!(word.as_str(), "!" | "do" | "{" | "then" | "env")
    };
    let skip = words.iter().take_while(|word| is_prefix(word)).count();
    words.drain(..skip);
    (words, start)
}

fn sorted(start: usize, current: &str, mut candidates: Vec<String>) -> Completion {
    candidates.retain(|candidate| candidate.starts_with(current));
    candidates.sort();
    candidates.dedup();
    Completion { start, candidates }
}

/// Words of commands, or flags of the one that is there, and kinds of the real API.
fn kubectl_words(arguments: &[String], current: &str) -> Vec<String> {
    let words: Vec<String> = arguments.iter().filter(|word| !word.starts_with('-')).cloned().collect();
    if current.starts_with('-') {
        return kubectl::flags_of(&words);
    }
    let next: Vec<String> = kubectl::subcommands(&words).into_iter().map(str::to_owned).collect();
    if !next.is_empty() || words.len() != 1 {
        return next;
    }
    crate::k8s::registry::resources().iter().map(|resource| resource.name.to_owned()).collect()
}

/// Options, or what members serve.
fn curl_words(current: &str, machine: &Machine) -> Vec<String> {
    if current.starts_with('-') {
        return curl::option_names().collect();
    }
    let scheme = if current.starts_with("http") { "http://" } else { "" };
    let pages = ["metrics", "health", "version"];
    machine.endpoints.iter().flat_map(|host| pages.map(|page| format!("{scheme}{host}/{page}"))).collect()
}

fn complete_etcdctl(arguments: &[String], start: usize, current: &str, machine: &Machine) -> Completion {
    let command = etcdctl::lookup(arguments);
    let own = command.into_iter().flat_map(Command::all_flags);
    let flags: Vec<&Flag> = own.chain(GLOBAL).chain([&HELP]).collect();
    // `--flag=va`
    if let Some((name, value)) = current.strip_prefix("--").and_then(|flag| flag.split_once('=')) {
        let at = start + current.len() - value.len();
        let values = flags.iter().find(|flag| flag.name == name).map(|flag| values_of(flag, machine));
        return list_item(at, value, values.unwrap_or_default());
    }
    // `--flag va`, `-w va`
    let wants_value = arguments.last().and_then(|last| {
        let long = last.strip_prefix("--");
        let short = || last.strip_prefix('-').filter(|letters| letters.chars().count() == 1);
        flags.iter().find(|flag| match long {
            Some(name) => flag.name == name,
            None => short().is_some_and(|letter| flag.short.is_some_and(|own| letter.starts_with(own))),
        })
    });
    if let Some(flag) = wants_value.filter(|flag| flag.kind != Kind::Bool) {
        return list_item(start, current, values_of(flag, machine));
    }
    if current.starts_with('-') {
        return sorted(start, current, flags.iter().map(|flag| format!("--{}", flag.name)).collect());
    }
    let of = match command {
        Some(command) if command.name == "help" => {
            let topic: Vec<String> = arguments.iter().skip_while(|word| *word != "help").skip(1).cloned().collect();
            etcdctl::lookup(&topic)
        }
        command => command,
    };
    sorted(start, current, Command::children(of).map(|child| child.last_name().to_owned()).collect())
}

/// Completes the last item of a list with commas.
fn list_item(start: usize, current: &str, values: Vec<String>) -> Completion {
    let at = current.rfind(',').map_or(0, |comma| comma + 1);
    sorted(start + at, &current[at..], values)
}

fn values_of(flag: &Flag, machine: &Machine) -> Vec<String> {
    let fixed: &[&str] = match flag.name {
        "write-out" => &FORMATS,
        "order" => &["ASCEND", "DESCEND"],
        "sort-by" => &["CREATE", "KEY", "MODIFY", "VALUE", "VERSION"],
        "consistency" => &["l", "s"],
        "load" => &["s", "m", "l", "xl"],
        "endpoints" => return machine.endpoints.clone(),
        _ if flag.kind == Kind::Bool => &["true", "false"],
        _ => &[],
    };
    fixed.iter().map(|value| (*value).to_owned()).collect()
}

fn lab_words(arguments: &[String], machine: &Machine) -> Vec<String> {
    let verbs = || lab_cmd::VERBS.iter().map(|(verb, _, _)| (*verb).to_owned()).chain(["--help".to_owned()]);
    let Some((verb, rest)) = arguments.split_first() else { return verbs().collect() };
    let hosts_wanted = match verb.as_str() {
        "power-off" | "power-on" | "restart" | "kill" | "start" | "wipe" | "join" | "install" | "slow-disk"
        | "full-disk" | "free-disk" | "damage" | "tear" => 1,
        "cut" | "heal" | "latency" | "loss" | "duplicate" | "reorder" => 2,
        _ => 0,
    };
    let given = rest.iter().filter(|word| !word.starts_with('-')).count();
    let mut words: Vec<String> = match given < hosts_wanted {
        true => machine.hosts.iter().filter(|host| !rest.contains(host)).cloned().collect(),
        false => Vec::new(),
    };
    let flag = match verb.as_str() {
        "cut" => Some("--one-way"),
        "heal" if given == 0 => Some("--all"),
        "latency" if given == 3 => Some("--jitter"),
        _ => None,
    };
    if verb == "damage" && given == 1 {
        words.extend(["wal", "db"].map(str::to_owned));
    }
    words.extend(flag.map(str::to_owned));
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(line: &str, expect: &[&str]) {
        let machine = Machine {
            hosts: vec!["etcd-1".into(), "etcd-2".into()],
            endpoints: vec!["etcd-1:2379".into(), "etcd-2:2379".into()],
            ..Machine::default()
        };
        let mut environment = Environment::default();
        environment.export("ETCDCTL_ENDPOINTS", Some("x".into()));
        let Completion { start, candidates } = complete(line, line.len(), &machine, &environment);
        let shown: Vec<String> = candidates.iter().map(|candidate| format!("{}{candidate}", &line[..start])).collect();
        assert_eq!(shown, expect);
    }

    #[test]
    fn completes_what_the_tables_know() {
        check("etcdc", &["etcdctl"]);
        check("etcdctl endpoint h", &["etcdctl endpoint hashkv", "etcdctl endpoint health"]);
        check("etcdctl help lease g", &["etcdctl help lease grant"]);
        check("etcdctl get a --pr", &["etcdctl get a --prefix", "etcdctl get a --print-value-only"]);
        check("etcdctl get a -w j", &["etcdctl get a -w json"]);
        check("etcdctl --write-out=t", &["etcdctl --write-out=table"]);
        check("etcdctl --endpoints etcd-1:2379,etcd-2", &["etcdctl --endpoints etcd-1:2379,etcd-2:2379"]);
        check("A=1 etcdctl m", &["A=1 etcdctl make-mirror", "A=1 etcdctl member", "A=1 etcdctl move-leader"]);
        check("etcdctl get a | so", &["etcdctl get a | sort"]);
        check("lab power-o", &["lab power-off", "lab power-on"]);
        check("lab damage etcd-1 ", &["lab damage etcd-1 db", "lab damage etcd-1 wal"]);
        check("lab cut etcd-1 ", &["lab cut etcd-1 --one-way", "lab cut etcd-1 etcd-2"]);
        check("echo $ETC", &["echo $ETCDCTL_ENDPOINTS"]);
        check("etcdctl get ключ --or", &["etcdctl get ключ --order"]);
        check("echo x", &[]);
    }
}
