//! What types and fields are, in a sentence each.

use std::collections::BTreeMap;
use std::sync::OnceLock;

/// Of a type, such as `Pod`; several types of one name may be told apart by their packages.
pub(super) fn of_type(package: &str, name: &str) -> Option<String> {
    let known = find(package, name, "").map(ToOwned::to_owned);
    known.or_else(|| {
        Some(format!("A list of objects of kind {}.", name.strip_suffix("List").filter(|kind| !kind.is_empty())?))
    })
}

pub(super) fn of_field(package: &str, name: &str, field: &str) -> Option<&'static str> {
    let classes = [("Condition", "*Condition"), ("List", "*List"), ("", "*")];
    let classes = classes.iter().filter(|(ending, _)| name.ends_with(ending));
    find(package, name, field).or_else(|| classes.into_iter().find_map(|(_, class)| find("", class, field)))
}

/// No field is the type itself.
fn find(package: &str, name: &str, field: &str) -> Option<&'static str> {
    type Texts = BTreeMap<(&'static str, &'static str), &'static str>;
    static TEXTS: OnceLock<Texts> = OnceLock::new();
    let texts = TEXTS.get_or_init(|| parse(include_str!("descriptions.txt")).collect());
    let of = |name: &str| texts.get(&(name, field)).copied();
    of(&format!("{package}.{name}")).or_else(|| of(name))
}

fn parse(text: &'static str) -> impl Iterator<Item = ((&'static str, &'static str), &'static str)> {
    let mut own = "";
    text.lines().filter(|line| !line.starts_with('#')).filter_map(move |line| {
        let (name, text) = line.trim_start().split_once(": ").unwrap_or((line, ""));
        if line.starts_with(' ') {
            return Some(((own, name), text));
        }
        own = name;
        (!text.is_empty()).then_some(((own, ""), text))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::k8s::schema::Schema;
    use std::collections::BTreeSet;

    #[test]
    fn only_what_there_is_is_described() {
        let schema = Schema::kubernetes();
        let mut seen = BTreeSet::new();
        for ((name, field), text) in parse(include_str!("descriptions.txt")) {
            assert!(seen.insert((name, field)), "{name}.{field} stands twice");
            assert!(text.ends_with('.') && !text.starts_with(char::is_lowercase), "{text}");
            if name.starts_with('*') {
                continue;
            }
            let bare = name.rsplit('.').next().unwrap();
            let mut known =
                schema.messages().map(|(_, message)| message).filter(|message| message.name == bare).peekable();
            assert!(known.peek().is_some(), "there is no {name}");
            let mut fields = known.flat_map(|message| &message.fields);
            assert!(field.is_empty() || fields.any(|own| own.name == field), "{name} has no {field}");
        }
    }
}
