//! Objects that nobody has words for: their fields, named for people.

use serde_json::Value;

use super::super::builder::Info;
use super::super::client::Kube;
use super::super::failure::Outcome;
use super::write::{Page, plain, text};

pub fn object(kube: &mut Kube, info: &Info, page: &mut Page) -> Outcome<()> {
    let object = &info.object;
    let metadata = &object["metadata"];
    let events = if page.shows_events { Some(super::events_of(kube, info, true)?) } else { None };
    page.field(0, "Name", text(&metadata["name"]));
    page.field(0, "Namespace", text(&metadata["namespace"]));
    page.labels("Labels", &metadata["labels"]);
    page.annotations("Annotations", &metadata["annotations"]);
    content(page, 0, object, "");
    if let Some(events) = events {
        super::table_of_events(kube, events, page);
    }
    Ok(())
}

/// What was shown above, and what nobody wants to see.
const SKIPPED: [&str; 5] =
    [".metadata.managedFields", ".metadata.name", ".metadata.namespace", ".metadata.labels", ".metadata.annotations"];

fn content(page: &mut Page, level: usize, value: &Value, path: &str) {
    let Some(map) = value.as_object() else { return };
    let mut names: Vec<&String> = map.keys().collect();
    names.sort();
    for name in names {
        let own = format!("{path}.{name}");
        if SKIPPED.contains(&&own[..]) {
            continue;
        }
        match &map[name] {
            inner @ Value::Object(_) => {
                page.line(level, &format!("{}:", label(name)));
                content(page, level + 1, inner, &own);
            }
            Value::Array(items) => {
                page.line(level, &format!("{}:", label(name)));
                for item in items {
                    match item {
                        Value::Object(_) => content(page, level + 1, item, &own),
                        item => page.line(level + 1, &plain(item)),
                    }
                }
            }
            Value::Null => page.field(level, &label(name), "<nil>"),
            plain_value => page.field(level, &label(name), &plain(plain_value)),
        }
    }
}

/// `creationTimestamp` as `Creation Timestamp`, `uid` as `UID`.
fn label(field: &str) -> String {
    if field.chars().any(|c| !c.is_alphabetic() && c != '-') {
        return field.to_owned();
    }
    let mut words: Vec<String> = Vec::new();
    let chars: Vec<char> = field.chars().collect();
    for (at, c) in chars.iter().enumerate() {
        let before = at.checked_sub(1).map(|at| chars[at]);
        let after = chars.get(at + 1);
        let begins = match before {
            None => true,
            Some(before) if c.is_uppercase() => {
                before.is_lowercase() || !before.is_alphabetic() || after.is_some_and(|after| after.is_lowercase())
            }
            Some(before) => *c == '-' || before == '-',
        };
        if begins {
            words.push(String::new());
        }
        words.last_mut().into_iter().for_each(|word| word.push(*c));
    }
    const ACRONYMS: [&str; 5] = ["API", "URL", "UID", "OSB", "GUID"];
    let shown = words.iter().map(|word| match word.to_uppercase() {
        upper if ACRONYMS.contains(&&upper[..]) => upper,
        _ => super::write::title(word),
    });
    shown.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::label;

    #[test]
    fn fields_are_named_for_people() {
        assert_eq!(label("creationTimestamp"), "Creation Timestamp");
        assert_eq!(label("apiVersion"), "API Version");
        assert_eq!(label("uid"), "UID");
        assert_eq!(label("a.b"), "a.b");
    }
}
