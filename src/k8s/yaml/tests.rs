//! Texts and values.

use serde_json::json;

use super::*;

#[test]
fn an_error_has_a_place() {
    let error = parse("a: 1\nb: [1\nc: 2\n").unwrap_err();
    assert!(error.line >= 2, "{error:?}");
    assert!(error.to_string().starts_with(&format!("yaml: line {}: ", error.line)));
}

#[test]
fn keys_that_stand_twice() {
    let document = parse("a: 1\nb: 2\na: 3\n").unwrap();
    assert_eq!(document.value, json!({"a": 3, "b": 2}));
    assert_eq!(document.duplicates, [Duplicate { line: 3, key: "a".to_owned() }]);
}

#[test]
fn aliases_are_bounded() {
    let mut text = "a: &a [x, x, x, x, x, x, x, x, x]\n".to_owned();
    for (last, next) in ["ab", "bc", "cd", "de", "ef", "fg", "gh"].map(|pair| pair.split_at(1)) {
        text += &format!(
            "{next}: &{next} [*{last}, *{last}, *{last}, *{last}, *{last}, *{last}, *{last}, *{last}, *{last}]\n"
        );
    }
    assert_eq!(parse(&text).unwrap_err().message, "document contains excessive aliasing");
    assert!(parse("a: &a [*a]").is_err());
}

#[test]
fn depth_is_bounded() {
    assert!(parse(&"[".repeat(100_000)).is_err());
    assert!(parse(&"- ".repeat(100_000)).is_err());
}

#[test]
fn natural_order_of_keys() {
    let value = json!({"b": 1, "a10": 1, "a2": 1, "A": 1, "_": 1, "1": 1});
    assert_eq!(to_string(&value), "_: 1\n\"1\": 1\nA: 1\na2: 1\na10: 1\nb: 1\n");
}
