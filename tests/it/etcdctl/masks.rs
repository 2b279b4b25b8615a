//! What the recorder hid because it differs from run to run.

use fancy_regex::{Captures, Regex};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::PathBuf;

pub struct Masks {
    regexes: Vec<(Regex, String)>,
    drop_lines: Regex,
    /// By command: masked columns and what stands in them.
    tables: BTreeMap<String, BTreeMap<String, String>>,
    first_lease: u64,
    first_member: u64,
}

/// Ids of one run and what the recorder wrote for them: the first that is seen is the first of its kind.
#[derive(Clone, Default)]
pub struct Ids {
    leases: Vec<u64>,
    members: Vec<u64>,
}

impl Masks {
    pub fn read(folders: &[PathBuf]) -> Masks {
        let path = folders.iter().map(|folder| folder.join("masks.json")).find(|path| path.is_file());
        let text = std::fs::read_to_string(path.expect("masks.json is there")).expect("masks.json is readable");
        let masks: Value = serde_json::from_str(&text).expect("masks.json is JSON");
        let regex = |text: &str| Regex::new(&format!("(?m){text}")).expect("a regular expression");
        let pair = |pair: &Value| {
            let text = |at: usize| pair[at].as_str().expect("two texts");
            (regex(text(0)), python_replacement(text(1)))
        };
        let table = |columns: &Value| {
            let columns = columns.as_object().expect("columns").iter();
            columns.map(|(name, mask)| (name.clone(), mask.as_str().expect("a text").to_owned())).collect()
        };
        let tables = masks["tables"].as_object().expect("tables").iter();
        let first = |kind: &str| u64::from_str_radix(masks[kind]["first"].as_str().expect("an id"), 16).expect("an id");
        Masks {
            regexes: masks["regex"].as_array().expect("a list").iter().map(pair).collect(),
            drop_lines: regex(masks["drop_lines"].as_str().expect("a text")),
            tables: tables.map(|(name, columns)| (name.clone(), table(columns))).collect(),
            first_lease: first("lease_ids"),
            first_member: first("added_member_ids"),
        }
    }

    /// A recorded command with this run's ids in the place of the recorder's.
    pub fn unmask(&self, command: &str, ids: &Ids) -> String {
        let mut command = command.to_owned();
        for (list, first) in [(&ids.leases, self.first_lease), (&ids.members, self.first_member)] {
            for (id, masked) in list.iter().zip(first..) {
                command = command.replace(&format!("{masked:016x}"), &format!("{id:016x}"));
            }
        }
        command
    }

    /// Output of this run as the recorder would have written it.
    pub fn apply(&self, command: &str, output: &str, ids: &mut Ids) -> String {
        let mut text = output.to_owned();
        for (regex, replacement) in &self.regexes {
            text = regex.replace_all(&text, replacement.as_str()).into_owned();
        }
        text = self.drop_lines.replace_all(&text, "").into_owned();
        if command.contains("check perf") {
            // The recorder hid what such a check measures, and with it the times in the check's own help; `masks.json` does
            // not say so.
            let times = Regex::new(r"(timeout|time)=\d+s\b").expect("a regular expression");
            text = times.replace_all(&text, "$1=#").into_owned();
        }
        if let Some((_, columns)) = self.tables.iter().find(|(name, _)| command.contains(name.as_str())) {
            text = mask_columns(command, &text, columns);
        }
        ids.learn(command, &text);
        for (list, first) in [(&ids.leases, self.first_lease), (&ids.members, self.first_member)] {
            for (id, masked) in list.iter().zip(first..) {
                // `member add` and its like pad an id that begins with zeros to sixteen places.
                text = text.replace(&format!("{id:>16x}"), &format!("{masked:016x}"));
                text = text.replace(&format!("{id:x}"), &format!("{masked:x}"));
                text = text.replace(&id.to_string(), &masked.to_string());
            }
        }
        in_order(command, &text)
    }
}

/// `\1` as the crate writes it.
fn python_replacement(text: &str) -> String {
    let text = text.replace('$', "$$");
    let number = Regex::new(r"\\(\d)").expect("a regular expression");
    number.replace_all(&text, |found: &Captures| format!("${{{}}}", &found[1])).into_owned()
}

/// Simple, JSON and table output with the masked columns' content replaced.
fn mask_columns(command: &str, text: &str, columns: &BTreeMap<String, String>) -> String {
    let replace = |pattern: &str, with: &str, text: &str| {
        Regex::new(pattern).expect("a regular expression").replace_all(text, with).into_owned()
    };
    if command.contains("snapshot status") {
        let text = replace(r#""(hash|totalSize)":\d+"#, "\"$1\":#", text);
        let text = replace(r#"(?m)^"(Hash|Size)" : \d+$"#, "\"$1\" : #", &text);
        let text = replace(r"(?m)^[0-9a-f]+, (\d+), (\d+), [0-9.]+ \w+$", "#, $1, $2, #", &text);
        return mask_table(&text, columns);
    }
    let text = if command.contains("endpoint status") {
        let simple = r"(?m)^([^,|\n]+, [^,\n]+, [^,\n]+), [^,\n]+, (true|false), (true|false), \d+, \d+, \d+, ";
        replace(simple, "$1, #, $2, $3, #, #, #, ", text)
    } else {
        text.to_owned()
    };
    mask_table(&text, columns)
}

fn mask_table(text: &str, columns: &BTreeMap<String, String>) -> String {
    let mut heads: Vec<String> = Vec::new();
    let mut out = String::new();
    for line in text.split_inclusive('\n') {
        let Some(row) = line.strip_prefix('|') else {
            out += line;
            continue;
        };
        let row = row.trim_end();
        let cells: Vec<&str> = row.strip_suffix('|').unwrap_or(row).split('|').collect();
        if heads.is_empty() {
            heads = cells.iter().map(|cell| cell.trim().to_owned()).collect();
        } else {
            let masked = heads.iter().zip(&cells).map(|(head, cell)| match columns.get(head) {
                Some(mask) if !cell.trim().is_empty() => mask.clone(),
                _ => cell.trim().to_owned(),
            });
            out += &format!("|{}|\n", masked.collect::<Vec<_>>().join("|"));
            continue;
        }
        out += line;
    }
    out
}

/// Whether the texts are equal; tables are compared cell by cell, for those with a masked column were drawn anew.
pub fn alike(recorded: &str, printed: &str) -> bool {
    let canonical = |text: &str| -> Vec<String> {
        let line = |line: &str| match line.strip_prefix('|') {
            Some(row) => row.split('|').map(str::trim).collect::<Vec<_>>().join("|"),
            None if line.starts_with("+-") => "+-".to_owned(),
            None => line.to_owned(),
        };
        text.split('\n').map(line).collect()
    };
    canonical(recorded) == canonical(printed)
}

impl Ids {
    /// Takes notice of ids that are printed for the first time.
    fn learn(&mut self, command: &str, text: &str) {
        let find = |pattern: &str, radix: u32| -> Vec<u64> {
            let regex = Regex::new(pattern).expect("a regular expression");
            let found = regex.captures_iter(text).filter_map(Result::ok);
            found.filter_map(|found| u64::from_str_radix(&found[1], radix).ok()).collect()
        };
        let mut leases = find(r"lease ([0-9a-f]{16}) granted with", 16);
        if command.contains("lease grant") {
            leases.extend(find(r#""ID":(\d+),"TTL""#, 10));
            leases.extend(find(r#"(?m)^"ID" : (\d+)$"#, 10));
        }
        if command.contains("lock") || command.contains("elect") {
            leases.extend(find(r"(?m)^\S+/([0-9a-f]{15,16})$", 16));
        }
        if command.contains("lease list") {
            let mut listed = find(r"(?m)^([0-9a-f]{16})$", 16);
            listed.sort_unstable();
            leases.extend(listed);
        }
        let mut members = find(r"Member +([0-9a-f]{1,16}) added", 16);
        if command.contains("member add") {
            members.extend(find(r#""member":\{"ID":(\d+)"#, 10));
        }
        for (known, seen) in [(&mut self.leases, leases), (&mut self.members, members)] {
            for id in seen {
                if !known.contains(&id) {
                    known.push(id);
                }
            }
        }
    }
}

/// The recorder put in order what etcd lists in none.
fn in_order(command: &str, text: &str) -> String {
    let mut lines: Vec<String> = text.split('\n').map(str::to_owned).collect();
    if command.contains("lease list") {
        sort_run(&mut lines, |line| line.len() == 16 && line.bytes().all(|byte| byte.is_ascii_hexdigit()));
    }
    if command.contains("member list") {
        sort_run(&mut lines, |line| line.contains("started, "));
        sort_run(&mut lines, |line| line.starts_with("| ") && line.contains("started"));
    }
    for line in &mut lines {
        if let Some((head, tail)) = line.split_once("attached keys([") {
            let mut keys: Vec<&str> = tail.trim_end_matches("])").split(' ').collect();
            keys.sort_unstable();
            *line = format!("{head}attached keys([{}])", keys.join(" "));
        }
        if let Some(members) = line.strip_prefix("ETCD_INITIAL_CLUSTER=\"") {
            let mut members: Vec<&str> = members.trim_end_matches('"').split(',').collect();
            members.sort_unstable();
            *line = format!("ETCD_INITIAL_CLUSTER=\"{}\"", members.join(","));
        }
        if line.starts_with("{\"header\"") && line.contains("\"members\":[") {
            *line = members_in_order(line);
        }
    }
    lines.join("\n")
}

fn sort_run(lines: &mut [String], fits: impl Fn(&str) -> bool) {
    let places: Vec<usize> = (0..lines.len()).filter(|at| fits(&lines[*at])).collect();
    let mut sorted: Vec<String> = places.iter().map(|at| lines[*at].clone()).collect();
    sorted.sort();
    places.into_iter().zip(sorted).for_each(|(at, line)| lines[at] = line);
}

fn members_in_order(line: &str) -> String {
    // Masks stand where numbers were.
    let quoted = line.replace(":#", ":\"#\"");
    let Ok(mut value) = serde_json::from_str::<Value>(&quoted) else { return line.to_owned() };
    if let Some(members) = value["members"].as_array_mut() {
        members.sort_by_key(|member| member["ID"].as_u64());
    }
    value.to_string().replace(":\"#\"", ":#")
}
