//! What `etcdctl help` and `--help` print.

use super::super::printers::go::quote;
use super::flags::{Flag, Kind};
use super::table::{COMMANDS, Command, GLOBAL, HELP};

/// The version of etcd that the lab behaves as.
pub const VERSION: &str = "3.5.1";
pub const API_VERSION: &str = "3.5";

const TAB_WIDTH: usize = 8;

/// The help of `command`, or of `etcdctl` itself.
pub fn usage(command: Option<&Command>) -> String {
    let mut lines = Vec::new();
    let name = command.map_or("etcdctl", |command| command.name);
    let short = command.map_or("A simple command line client for etcd3.", |command| command.short);
    let usage = command.map_or("etcdctl".to_owned(), |command| format!("etcdctl {}", command.usage));
    lines.extend(["NAME:".to_owned(), format!("\t{name} - {short}"), String::new()]);
    lines.extend(["USAGE:".to_owned(), format!("\t{usage} [flags]"), String::new()]);
    if command.is_none() {
        lines.extend(["VERSION:".to_owned(), format!("\t{VERSION}"), String::new()]);
    }
    let subcommands = subcommands(command);
    if !subcommands.is_empty() {
        lines.extend(["API VERSION:".to_owned(), format!("\t{API_VERSION}"), String::new(), String::new()]);
        lines.push("COMMANDS:".to_owned());
        lines.extend(subcommands);
        lines.push(String::new());
    }
    if let Some(long) = command.map(|command| command.long).filter(|long| !long.is_empty()) {
        lines.push("DESCRIPTION:".to_owned());
        lines.extend(long.split('\n').map(|line| format!("\t{line}")));
        lines.push(String::new());
    }
    let help_usage = format!("help for {}", command.map_or("etcdctl", Command::last_name));
    lines.push("OPTIONS:".to_owned());
    let own: Vec<&Flag> = match command {
        None => GLOBAL.iter().collect(),
        Some(command) => command.flags.iter().chain(command.persistent).collect(),
    };
    lines.extend(flag_lines(own, Some(&help_usage)));
    lines.push(String::new());
    if let Some(command) = command {
        lines.push("GLOBAL OPTIONS:".to_owned());
        let inherited = command.parent().map_or(&[][..], |parent| parent.persistent);
        lines.extend(flag_lines(GLOBAL.iter().chain(inherited).collect(), None));
        lines.push(String::new());
    }
    align(&lines)
}

/// Every command below `command` that can be run, sorted.
fn subcommands(command: Option<&Command>) -> Vec<String> {
    let prefix = command.map_or(String::new(), |command| format!("{} ", command.name));
    let below = COMMANDS.iter().filter_map(|below| Some((below.name.strip_prefix(prefix.as_str())?, below)));
    let mut below: Vec<_> = below.filter(|(_, below)| Command::children(Some(below)).next().is_none()).collect();
    below.sort_by(|(a, _), (b, _)| a.split(' ').cmp(b.split(' ')));
    below.iter().map(|(name, below)| format!("\t{name}\t{}", below.short)).collect()
}

fn flag_lines(mut flags: Vec<&Flag>, help_usage: Option<&str>) -> Vec<String> {
    if help_usage.is_some() {
        flags.push(&HELP);
    }
    flags.sort_by_key(|flag| flag.name);
    let line = |flag: &&Flag| {
        let short = match flag.short {
            Some(letter) => format!("  -{letter}, --"),
            None => "      --".to_owned(),
        };
        let value = match flag.kind {
            Kind::Bool => format!("[={}]", flag.default),
            Kind::Text => format!("={}", quote(flag.default)),
            Kind::List | Kind::Texts => format!("=[{}]", flag.default),
            Kind::Int | Kind::Duration => format!("={}", flag.default),
        };
        let usage = if flag.name == HELP.name { help_usage.unwrap_or_default() } else { flag.usage };
        format!("{short}{}{value}\t{usage}", flag.name)
    };
    flags.iter().map(line).collect()
}

/// Go's `tabwriter` with tabs for padding: a column is as wide as its widest cell among neighbouring lines.
fn align(lines: &[String]) -> String {
    let cells: Vec<Vec<&str>> = lines.iter().map(|line| line.split('\t').collect()).collect();
    let mut widths: Vec<Vec<usize>> = cells.iter().map(|line| vec![0; line.len() - 1]).collect();
    for row in 0..cells.len() {
        for column in 0..widths[row].len() {
            if widths[row][column] > 0 {
                continue;
            }
            // The block of lines from here on that have a cell in this column; its width in tabs.
            let block = cells[row..].iter().take_while(|line| line.len() > column + 1).count();
            let widest = cells[row..row + block].iter().map(|line| line[column].chars().count()).max().unwrap_or(0);
            let width = (widest + 1).div_ceil(TAB_WIDTH) * TAB_WIDTH;
            widths[row..row + block].iter_mut().for_each(|line| line[column] = width);
        }
    }
    let mut out = String::new();
    for (line, widths) in cells.iter().zip(&widths) {
        for (cell, width) in line.iter().zip(widths) {
            out.push_str(cell);
            out.extend(std::iter::repeat_n('\t', (width - cell.chars().count()).div_ceil(TAB_WIDTH)));
        }
        out.push_str(line[line.len() - 1]);
        out.push('\n');
    }
    out
}
