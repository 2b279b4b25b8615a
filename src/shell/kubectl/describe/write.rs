//! Lines of a description, and values as they stand in them.

use serde_json::Value;

use crate::k8s::meta::quantity::Quantity;
use crate::k8s::meta::time::{Precision, Time};
use crate::shell::kubectl::apply::LAST_APPLIED;
use crate::shell::kubectl::config::list;
pub use crate::shell::kubectl::config::text;
use crate::shell::kubectl::print::columns::go_value;
use crate::shell::kubectl::print::table;

/// An annotation longer than this is shown below its name, and not whole.
const ANNOTATION_MAX: usize = 140;

/// A description that is being written: cells are parted by tabs.
pub struct Page {
    pub out: String,
    pub shows_events: bool,
}

impl Page {
    /// A line, indented by two blanks a level.
    pub fn line(&mut self, level: usize, line: &str) {
        self.put(level, line);
        self.out.push('\n');
    }

    pub fn put(&mut self, level: usize, text: &str) {
        (0..level).for_each(|_| self.out.push_str("  "));
        self.out.push_str(text);
    }

    /// A name and its value.
    pub fn field(&mut self, level: usize, name: &str, value: &str) {
        self.line(level, &format!("{name}:\t{value}"));
    }

    /// Labels or a selector, one on each line.
    pub fn labels(&mut self, title: &str, labels: &Value) {
        self.labels_at("", title, labels);
    }

    pub fn labels_at(&mut self, indent: &str, title: &str, labels: &Value) {
        self.out += &format!("{indent}{title}:\t");
        let pairs = sorted(labels);
        if pairs.is_empty() {
            self.out += "<none>\n";
        }
        for (at, (name, value)) in pairs.into_iter().enumerate() {
            if at > 0 {
                self.out.push('\t');
            }
            self.out += &format!("{name}={value}\n");
        }
    }

    pub fn annotations(&mut self, title: &str, annotations: &Value) {
        self.annotations_at("", title, annotations);
    }

    pub fn annotations_at(&mut self, indent: &str, title: &str, annotations: &Value) {
        self.out += &format!("{indent}{title}:\t");
        let mut pairs = sorted(annotations);
        pairs.retain(|(name, _)| name != LAST_APPLIED);
        if pairs.is_empty() {
            self.out += "<none>\n";
        }
        for (at, (name, value)) in pairs.into_iter().enumerate() {
            if at > 0 {
                self.out.push('\t');
            }
            let value = value.strip_suffix('\n').unwrap_or(&value);
            if value.len() + name.len() + 2 > ANNOTATION_MAX || value.contains('\n') {
                self.out += &format!("{name}:\n");
                for line in value.split('\n') {
                    self.out += &format!("\t  {}\n", shorten(line, ANNOTATION_MAX - 2));
                }
            } else {
                self.out += &format!("{name}: {value}\n");
            }
        }
    }

    /// Name, namespace, labels and annotations.
    pub fn head(&mut self, object: &Value, with_namespace: bool) {
        let metadata = &object["metadata"];
        self.field(0, "Name", text(&metadata["name"]));
        if with_namespace {
            self.field(0, "Namespace", text(&metadata["namespace"]));
        }
        self.labels("Labels", &metadata["labels"]);
        self.annotations("Annotations", &metadata["annotations"]);
    }
}

fn shorten(line: &str, most: usize) -> String {
    match line.char_indices().nth(most) {
        Some((end, _)) => format!("{}...", &line[..end]),
        None => line.to_owned(),
    }
}

fn sorted(map: &Value) -> Vec<(String, String)> {
    let mut pairs: Vec<(String, String)> =
        map.as_object().into_iter().flatten().map(|(name, value)| (name.clone(), plain(value))).collect();
    pairs.sort();
    pairs
}

pub fn int(value: &Value) -> i64 {
    value.as_i64().unwrap_or(0)
}

/// A value as Go's `%v` prints it.
pub fn plain(value: &Value) -> String {
    if value.is_null() { String::new() } else { go_value(value) }
}

pub fn or<'t>(text: &'t str, other: &'t str) -> &'t str {
    if text.is_empty() { other } else { text }
}

/// How long ago something was.
pub fn age(moment: &Value, now: i128) -> String {
    table::age(moment, now)
}

/// `Fri, 02 Jan 2026 03:04:05 +0000`
pub fn date(moment: &Value) -> String {
    let parsed = moment
        .as_str()
        .and_then(|text| Time::parse(text, Precision::Seconds).or_else(|_| Time::parse(text, Precision::Micros)).ok());
    let Some(time) = parsed else { return "<unset>".to_owned() };
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    let shown = time.format(Precision::Seconds);
    let part = |range: std::ops::Range<usize>| shown.get(range).unwrap_or_default();
    let month = part(5..7).parse::<usize>().unwrap_or(1).clamp(1, 12);
    let weekday = DAYS[time.seconds.div_euclid(86_400).rem_euclid(7) as usize];
    format!("{weekday}, {} {} {} {} +0000", part(8..10), MONTHS[month - 1], part(0..4), part(11..19))
}

/// The zero time of Go, where no moment is known.
pub fn date_or_zero(moment: &Value) -> String {
    if moment.is_string() { date(moment) } else { "Mon, 01 Jan 0001 00:00:00 +0000".to_owned() }
}

/// `a=1,b in (c,d)`, of the selector of a workload.
pub fn selector_text(selector: &Value) -> String {
    let mut parts: Vec<String> =
        sorted(&selector["matchLabels"]).iter().map(|(name, value)| format!("{name}={value}")).collect();
    for expression in list(&selector["matchExpressions"]) {
        let key = text(&expression["key"]);
        let mut values: Vec<&str> = list(&expression["values"]).iter().map(text).collect();
        values.sort_unstable();
        let values = values.join(",");
        parts.push(match text(&expression["operator"]) {
            "In" => format!("{key} in ({values})"),
            "NotIn" => format!("{key} notin ({values})"),
            "Exists" => key.to_owned(),
            _ => format!("!{key}"),
        });
    }
    parts.sort();
    parts.join(",")
}

pub fn selector_or_none(selector: &Value) -> String {
    or(&selector_text(selector), "<none>").to_owned()
}

/// An amount as it is printed.
pub fn amount(value: &Value) -> String {
    let written = plain(value);
    Quantity::parse(&written).map_or(written, |amount| amount.to_string())
}

/// Names and amounts, sorted.
pub fn amounts(map: &Value) -> Vec<(String, String)> {
    let mut pairs: Vec<(String, String)> =
        map.as_object().into_iter().flatten().map(|(name, value)| (name.clone(), amount(value))).collect();
    pairs.sort();
    pairs
}

/// `Kind/name` of who controls it.
pub fn controller(object: &Value) -> Option<String> {
    let owners = list(&object["metadata"]["ownerReferences"]);
    let owner = owners.iter().find(|owner| owner["controller"] == true)?;
    Some(format!("{}/{}", text(&owner["kind"]), text(&owner["name"])))
}

pub fn yes(value: &Value) -> bool {
    value == true
}

/// Go's title case of a word: `true` as `True`.
pub fn title(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map(|first| first.to_uppercase().collect::<String>() + chars.as_str()).unwrap_or_default()
}
