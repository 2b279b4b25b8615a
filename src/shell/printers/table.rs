//! `-w table`, as the Go package `tablewriter` draws it: headings in capitals and centred, cells to the right.

use super::super::text::shown;
use super::{EndpointHealth, SnapshotStatus};
use crate::etcd::api::{HashKvResponse, MemberListResponse, StatusResponse};

/// A cell's text is wrapped at this width.
const WRAP_WIDTH: usize = 30;

/// What a line that is too long costs, beside the square of what it is too long by.
const TOO_LONG_COST: i64 = 100_000;

pub fn member_rows(response: &MemberListResponse) -> Vec<Vec<String>> {
    let row = |member: &crate::etcd::api::Member| {
        // A member that has not announced itself has no name yet.
        let status = if member.name.is_empty() { "unstarted" } else { "started" };
        vec![
            format!("{:x}", member.id),
            status.to_owned(),
            member.name.clone(),
            member.peer_urls.join(","),
            member.client_urls.join(","),
            member.is_learner.to_string(),
        ]
    };
    response.members.iter().map(row).collect()
}

pub fn member_list(response: &MemberListResponse) -> String {
    draw(&["ID", "Status", "Name", "Peer Addrs", "Client Addrs", "Is Learner"], &member_rows(response))
}

pub fn status_rows(list: &[(String, StatusResponse)]) -> Vec<Vec<String>> {
    let row = |(endpoint, status): &(String, StatusResponse)| {
        let member = status.header.as_ref().map_or(0, |header| header.member_id);
        vec![
            endpoint.clone(),
            format!("{member:x}"),
            status.version.clone(),
            human_bytes(status.db_size),
            (status.leader == member).to_string(),
            status.is_learner.to_string(),
            status.raft_term.to_string(),
            status.raft_index.to_string(),
            status.raft_applied_index.to_string(),
            status.errors.join(", "),
        ]
    };
    list.iter().map(row).collect()
}

pub fn endpoint_status(list: &[(String, StatusResponse)]) -> String {
    let head = [
        "endpoint",
        "ID",
        "version",
        "db size",
        "is leader",
        "is learner",
        "raft term",
        "raft index",
        "raft applied index",
        "errors",
    ];
    draw(&head, &status_rows(list))
}

pub fn hash_rows(list: &[(String, HashKvResponse)]) -> Vec<Vec<String>> {
    list.iter().map(|(endpoint, hash)| vec![endpoint.clone(), hash.hash.to_string()]).collect()
}

pub fn endpoint_hash_kv(list: &[(String, HashKvResponse)]) -> String {
    draw(&["endpoint", "hash"], &hash_rows(list))
}

pub fn endpoint_health(list: &[EndpointHealth]) -> String {
    let row = |EndpointHealth { endpoint, took, error }: &EndpointHealth| {
        let healthy = error.is_none().to_string();
        vec![endpoint.clone(), healthy, took.clone(), error.clone().unwrap_or_default()]
    };
    draw(&["endpoint", "health", "took", "error"], &list.iter().map(row).collect::<Vec<_>>())
}

pub fn snapshot_rows(status: &SnapshotStatus) -> Vec<Vec<String>> {
    let size = i64::try_from(status.total_size).unwrap_or(i64::MAX);
    vec![vec![
        format!("{:x}", status.hash),
        status.revision.to_string(),
        status.total_key.to_string(),
        human_bytes(size),
    ]]
}

pub fn snapshot_status(status: &SnapshotStatus) -> String {
    draw(&["hash", "revision", "total keys", "total size"], &snapshot_rows(status))
}

/// As Go's package `humanize` shows a size: two digits below ten units, whole units above; a unit is a thousand of the last.
pub fn human_bytes(size: i64) -> String {
    let size = size.max(0) as u64;
    if size < 10 {
        return format!("{size} B");
    }
    let units = ["B", "kB", "MB", "GB", "TB", "PB", "EB"];
    let mut unit = 0;
    let mut scale = 1u64;
    while unit + 1 < units.len() && size / scale >= 1_000 {
        scale = scale.saturating_mul(1_000);
        unit += 1;
    }
    // Rounded to tenths, half up.
    let tenths = (u128::from(size) * 10 + u128::from(scale) / 2) / u128::from(scale);
    if tenths < 100 {
        return format!("{}.{} {}", tenths / 10, tenths % 10, units[unit]);
    }
    // Go rounds halves to even.
    let (whole, rest) = (tenths / 10, tenths % 10);
    let up = rest > 5 || (rest == 5 && whole % 2 == 1);
    format!("{} {}", whole + u128::from(up), units[unit])
}

/// Draws a table.
pub fn draw(head: &[&str], rows: &[Vec<String>]) -> String {
    let wrapped: Vec<Vec<Vec<String>>> =
        rows.iter().map(|row| row.iter().map(|cell| wrap(&shown(cell.clone()))).collect()).collect();
    let width = |column: usize| {
        let cells = wrapped.iter().filter_map(|row| row.get(column)).flatten();
        cells.map(|line| line.chars().count()).chain([head[column].chars().count()]).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..head.len()).map(width).collect();
    let rule: String = widths.iter().map(|width| format!("+{}", "-".repeat(width + 2))).collect::<String>() + "+\n";
    let mut out = rule.clone();
    for (title, &width) in head.iter().zip(&widths) {
        let title = title.to_uppercase();
        let gap = width - title.chars().count();
        out += &format!("| {}{title}{} ", " ".repeat(gap / 2), " ".repeat(gap - gap / 2));
    }
    out += "|\n";
    out += &rule;
    for row in &wrapped {
        let height = row.iter().map(Vec::len).max().unwrap_or(0);
        for line in 0..height {
            for (cell, &width) in row.iter().zip(&widths) {
                out += &format!("| {:>width$} ", cell.get(line).map_or("", String::as_str));
            }
            out += "|\n";
        }
    }
    if !rows.is_empty() {
        out += &rule;
    }
    out
}

/// Breaks a cell's text so that its lines are about equally long.
fn wrap(text: &str) -> Vec<String> {
    let words: Vec<&str> = text.split_whitespace().collect();
    if text.chars().count() <= WRAP_WIDTH || words.len() < 2 {
        return vec![text.to_owned()];
    }
    let widths: Vec<i64> = words.iter().map(|word| word.chars().count() as i64).collect();
    let limit = widths.iter().copied().max().unwrap_or(0).max(WRAP_WIDTH as i64);
    let length = |from: usize, to: usize| widths[from..to].iter().sum::<i64>() + (to - from - 1) as i64;
    // Best break after each word, from the end: cost is the square of what a line leaves free, the last line is free.
    let count = words.len();
    let mut cost = vec![i64::MAX / 4; count + 1];
    let mut next = vec![count; count];
    for from in (0..count).rev() {
        if length(from, count) <= limit {
            cost[from] = 0;
            continue;
        }
        for to in from + 1..count {
            let free = limit - length(from, to);
            let this = free * free + cost[to] + if free < 0 { TOO_LONG_COST } else { 0 };
            if this < cost[from] {
                (cost[from], next[from]) = (this, to);
            }
        }
    }
    let mut lines = Vec::new();
    let mut from = 0;
    while from < count {
        lines.push(words[from..next[from]].join(" "));
        from = next[from];
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_read_as_humanize_writes_them() {
        let shown: Vec<String> = [0, 9, 20_480, 16_384, 999, 1_500_000, 9_990_000].map(human_bytes).to_vec();
        assert_eq!(shown, ["0 B", "9 B", "20 kB", "16 kB", "999 B", "1.5 MB", "10 MB"]);
    }

    #[test]
    fn long_cells_are_wrapped() {
        let rows = [vec!["127.0.0.1:2379".to_owned(), "etcdserver: request timed out, possibly due to x".to_owned()]];
        let expect = "\
+----------------+---------------------------+
|    ENDPOINT    |           ERROR           |
+----------------+---------------------------+
| 127.0.0.1:2379 |       etcdserver: request |
|                | timed out, possibly due   |
+----------------+---------------------------+
";
        let drawn = draw(&["endpoint", "error"], &rows);
        assert_eq!(drawn.lines().count(), expect.lines().count());
        assert!(drawn.lines().all(|line| line.chars().count() == drawn.lines().next().unwrap().chars().count()));
    }
}
