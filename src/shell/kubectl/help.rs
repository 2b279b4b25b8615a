//! Which command a line means, and what `-h` shows.
//!
//! Simplified: help lists usage and flags; it has no examples.

use super::table::{self, COMMANDS, Command, FAMILIES, GLOBAL};
use crate::shell::etcdctl::flags::{Flag, Kind};
use crate::shell::printers::go::quote;

/// What the words of a line come to.
pub enum Found {
    Command(&'static Command, Vec<String>),
    Text(String),
    Wrong(String),
}

/// Finds the command among the words; what is no part of its name is left for it.
pub fn find(arguments: &[String]) -> Found {
    let mut path = String::new();
    let mut rest = Vec::new();
    let mut words = arguments.iter().peekable();
    let mut asks_help = false;
    while let Some(word) = words.next() {
        if word == "--" {
            rest.push(word.clone());
            break;
        }
        if word.starts_with('-') && word.len() > 1 {
            rest.push(word.clone());
            asks_help |= word == "-h" || word == "--help";
            if takes_value(word, &path)
                && let Some(value) = words.next()
            {
                rest.push(value.clone());
            }
            continue;
        }
        if path.is_empty() && word == "help" {
            asks_help = true;
            continue;
        }
        let longer = if path.is_empty() { canonical(word).to_owned() } else { format!("{path} {}", canonical(word)) };
        if table::family(&longer).is_some() || table::find(&longer).is_some() {
            path = longer;
            if table::family(&path).is_none() {
                break;
            }
            continue;
        }
        if table::find(&path).is_some() {
            rest.push(word.clone());
            break;
        }
        if path.is_empty() {
            return Found::Wrong(unknown(word));
        }
        let text = format!(
            "error: unknown command {}\nSee 'kubectl {path} -h' for help and examples\n",
            quote(&format!("{path} {word}"))
        );
        return Found::Wrong(text);
    }
    rest.extend(words.cloned());
    match table::find(&path) {
        Some(command) if asks_help && !rest.iter().any(|word| word == "-h" || word == "--help") => {
            Found::Text(of(command))
        }
        Some(command) if table::family(&path).is_none() || !asks_help => Found::Command(command, rest),
        _ if path.is_empty() => Found::Text(overview()),
        _ => Found::Text(of_family(&path)),
    }
}

/// Other names of commands.
fn canonical(word: &str) -> &str {
    match word {
        "cm" => "configmap",
        "deploy" => "deployment",
        "ing" => "ingress",
        "ns" => "namespace",
        "pdb" => "poddisruptionbudget",
        "pc" => "priorityclass",
        "sa" => "serviceaccount",
        "svc" => "service",
        "cj" => "cronjob",
        "no" | "nodes" => "node",
        "po" | "pods" => "pod",
        "resourcequota" => "quota",
        other => other,
    }
}

/// Whether a flag that stands before the end of a command's name has its value in the next word.
fn takes_value(word: &str, path: &str) -> bool {
    if word.contains('=') {
        return false;
    }
    let own = COMMANDS.iter().filter(|command| command.path == path || command.path.starts_with(&format!("{path} ")));
    let mut flags = GLOBAL.iter().chain(own.flat_map(Command::flags));
    match word.strip_prefix("--") {
        Some(name) => flags.any(|flag| flag.name == name && flag.bare.is_none()),
        None => {
            let mut letters = word.chars().skip(1);
            let (first, more) = (letters.next(), letters.next().is_some());
            !more && flags.any(|flag| flag.short == first && flag.bare.is_none())
        }
    }
}

fn unknown(word: &str) -> String {
    let mut text = format!("error: unknown command {} for \"kubectl\"\n", quote(word));
    let mut near: Vec<&str> = super::subcommands(&[]).into_iter().filter(|name| is_near(word, name)).collect();
    near.sort_unstable();
    if !near.is_empty() {
        text += "\nDid you mean this?\n";
        near.iter().for_each(|name| text += &format!("\t{name}\n"));
    }
    text
}

/// Two letters away, or the beginning of it.
fn is_near(word: &str, name: &str) -> bool {
    name.to_lowercase().starts_with(&word.to_lowercase()) || distance(word, name) <= 2
}

/// Levenshtein's distance, of short words.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().take(64).collect(), b.chars().take(64).collect());
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut before = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let cost = before + usize::from(!x.eq_ignore_ascii_case(y));
            before = row[j + 1];
            row[j + 1] = cost.min(row[j] + 1).min(before + 1);
        }
    }
    row[b.len()]
}

fn overview() -> String {
    let mut out = "kubectl controls the Kubernetes cluster manager.\n\n Find more information at: https://kubernetes.io/docs/reference/kubectl/\n\nCommands:\n".to_owned();
    let mut lines: Vec<(&str, &str)> = COMMANDS.iter().map(|command| (command.path, command.short)).collect();
    lines.extend(FAMILIES.iter().map(|family| (family.path, family.short)));
    lines.retain(|(path, _)| !path.contains(' '));
    lines.sort_unstable();
    lines.dedup_by_key(|(path, _)| *path);
    for (path, short) in lines {
        out += &format!("  {path:<15} {short}\n");
    }
    out + "\nUsage:\n  kubectl [flags] [options]\n\nUse \"kubectl <command> --help\" for more information about a given command.\nUse \"kubectl options\" for a list of global command-line options (applies to all commands).\n"
}

fn of_family(path: &str) -> String {
    let family = table::family(path);
    let mut out = format!("{}.\n\nAvailable Commands:\n", family.map_or("", |family| family.short));
    for command in COMMANDS {
        if let Some(name) = command.path.strip_prefix(path).and_then(|rest| rest.strip_prefix(' ')) {
            out += &format!("  {name:<19} {}\n", command.short);
        }
    }
    out + &format!(
        "\nUsage:\n  kubectl {path} [flags] [options]\n\nUse \"kubectl {path} <command> --help\" for more information about a given command.\nUse \"kubectl options\" for a list of global command-line options (applies to all commands).\n"
    )
}

/// What `-h` of a command shows.
pub fn of(command: &Command) -> String {
    let mut flags: Vec<&Flag> = command.flags().collect();
    flags.sort_by_key(|flag| flag.name);
    let mut out = format!("{}.\n\nOptions:\n", command.short);
    flags.iter().for_each(|flag| out += &option(flag));
    out + &format!(
        "\nUsage:\n  kubectl {} {}\n\nUse \"kubectl options\" for a list of global command-line options (applies to all commands).\n",
        command.path, command.usage
    )
}

/// The global flags.
pub fn options() -> String {
    let lines: String = GLOBAL.iter().map(option).collect();
    format!("The following options can be passed to any command:\n\n{lines}")
}

fn option(flag: &Flag) -> String {
    let short = flag.short.map_or("    ".to_owned(), |letter| format!("-{letter}, "));
    let default = match flag.kind {
        Kind::Text => format!("'{}'", flag.default),
        Kind::List | Kind::Texts => "[]".to_owned(),
        _ => flag.default.to_owned(),
    };
    format!("    {short}--{}={default}:\n\t{}\n\n", flag.name, flag.usage)
}
