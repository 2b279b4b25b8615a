//! Texts and values.

use serde_json::json;

use super::*;

#[test]
fn what_html_would_misread_is_escaped() {
    assert_eq!(
        to_string(&json!({"a<b>&c": "\u{2028}é\u{7f}\u{1}"})),
        "{\"a\\u003cb\\u003e\\u0026c\":\"\\u2028é\u{7f}\\u0001\"}"
    );
}

#[test]
fn pretty_as_kubectl() {
    let value = json!({"a": [1, {}], "b": [], "c": {"d": null}});
    let expect =
        "{\n    \"a\": [\n        1,\n        {}\n    ],\n    \"b\": [],\n    \"c\": {\n        \"d\": null\n    }\n}";
    assert_eq!(to_string_pretty(&value), expect);
}

#[test]
fn an_error_has_a_place() {
    let error = parse(b"{\n  \"a\": tru\n}").unwrap_err();
    assert_eq!((error.line, error.column), (2, 11));
    assert_eq!(error.message, r"invalid character '\n' in literal true (expecting 'e')");
}

#[test]
fn the_last_of_two_counts() {
    let document = parse(br#"{"a":{"b":1,"b":2},"l":[{"x":1,"x":2}]}"#).unwrap();
    assert_eq!(document.value, json!({"a": {"b": 2}, "l": [{"x": 2}]}));
    assert_eq!(document.duplicates, ["a.b", "l[0].x"]);
}

#[test]
fn depth_is_bounded() {
    for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
        let deep = format!("{}1{}", open.repeat(100_000), close.repeat(100_000));
        assert_eq!(parse(deep.as_bytes()).unwrap_err().message, "exceeded max depth");
        let fair = format!("{}1{}", open.repeat(200), close.repeat(200));
        assert!(parse(fair.as_bytes()).is_ok());
    }
}
