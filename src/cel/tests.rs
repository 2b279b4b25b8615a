//! What expressions mean, what is refused, and what a hostile one may cost.

use super::*;
use std::borrow::Cow;

const NAMES: [&str; 4] = ["n", "text", "list", "map"];

struct Names;

impl<'a> Object<'a> for Names {
    fn field(&self, name: &str) -> Option<Value<'a>> {
        let map: Vec<(Cow<'a, str>, Value<'a>)> = vec![("a".into(), Value::Int(1)), ("b/c".into(), Value::text("x"))];
        match name {
            "n" => Some(Value::Int(7)),
            "text" => Some(Value::text("höher")),
            "list" => Some(Value::list(vec![Value::Int(3), Value::text("three"), Value::Null])),
            _ => Some(Value::Map(Rc::new(map))),
        }
    }

    fn names(&self) -> Vec<Cow<'a, str>> {
        NAMES.map(Cow::Borrowed).to_vec()
    }
}

/// A value as CEL would write it, or `!` and what went wrong.
fn evaluated(source: &str) -> String {
    fn shown(value: &Value<'_>) -> String {
        match value {
            Value::Null => "null".to_owned(),
            Value::Bool(value) => value.to_string(),
            Value::Int(value) => value.to_string(),
            Value::Uint(value) => format!("{value}u"),
            Value::Double(value) => value.to_string(),
            Value::Opaque(value) => value.kind().to_owned(),
            Value::Text(text) => format!("{text:?}"),
            Value::List(list) => {
                let items: Vec<String> =
                    (0..list.len()).filter_map(|at| list.item(at)).map(|item| shown(&item)).collect();
                format!("[{}]", items.join(", "))
            }
            Value::Map(object) => format!("{:?}", object.names()),
        }
    }
    let language = Language { names: &NAMES, functions: &[], is_full: false };
    let tree = match parse(source, &language) {
        Ok(tree) => tree,
        Err(mistake) => return format!("!{}: {}", mistake.at, mistake.message),
    };
    match eval(&tree, &Names).result {
        Ok(value) => shown(&value),
        Err(mistake) => format!("!{}: {}", mistake.at, mistake.message),
    }
}

#[track_caller]
fn check(table: &[(&str, &str)]) {
    for (source, expected) in table {
        assert_eq!(evaluated(source), *expected, "{source}");
    }
}

#[test]
fn operators_bind_as_in_the_specification() {
    check(&[
        ("1 + 2 * 3 - 4 / 2 % 3", "5"),
        ("-7 / 2", "-3"),
        ("-7 % 2", "-1"),
        ("- n + 8", "1"),
        ("10 - 2 - 3", "5"),
        ("1 < 2 == true", "true"),
        ("true || false && false", "true"),
        ("!true || true", "true"),
        ("n > 5 ? 'big' : 'small'", "\"big\""),
        ("false ? 1 : true ? 2 : 3", "2"),
        ("-9223372036854775808", "-9223372036854775808"),
        ("0x1F", "31"),
        ("'a' + \"b\" + '''c'd'''", "\"abc'd\""),
        ("r'\\n' == '\\\\n' && '\\u0041\\x42' == 'AB'", "true"),
        ("[1, 2] + [3,]", "[1, 2, 3]"),
        ("1 // the rest is silence", "1"),
    ]);
}

#[test]
fn values_are_reached_into() {
    check(&[
        ("map.a + list[0]", "4"),
        ("map['b/c']", "\"x\""),
        ("has(map.a) && !has(map.z)", "true"),
        ("'b/c' in map && !('z' in map)", "true"),
        ("'three' in list && !(4 in list)", "true"),
        ("size(list) + map.size() + size(text)", "10"),
        ("text.contains('öh') && text.startsWith('h') && text.endsWith('er')", "true"),
        ("int('42') + 1", "43"),
        ("string(42) + string(true)", "\"42true\""),
        ("{'k': 1, 'l': [2]} == {'l': [2], 'k': 1}", "true"),
        ("[1, 'a', null] == [1, 'a', null]", "true"),
        ("1 == '1'", "false"),
        ("'a' < 'b' && false < true", "true"),
    ]);
}

#[test]
fn macros_go_through_lists_and_keys() {
    check(&[
        ("[1, 2, 3].all(x, x > 0) && [1, 2].exists(x, x == 2)", "true"),
        ("[].all(x, false) && ![].exists(x, true)", "true"),
        ("[1, 2, 2].exists_one(x, x == 2)", "false"),
        ("[1, 2, 3].filter(x, x % 2 == 1).map(x, x * n)", "[7, 21]"),
        ("[1, 2, 3].map(x, x > 1, x + 1)", "[3, 4]"),
        ("map.exists(k, k.contains('/'))", "true"),
        ("[1, 2].all(x, [3, 4].exists(y, y == x + 2))", "true"),
        ("[1].all(n, n == 1) && n == 7", "true"),
    ]);
}

#[test]
fn one_side_may_decide_although_the_other_fails() {
    check(&[
        ("1 / 0 == 1 || true", "true"),
        ("true || 1 / 0 == 1", "true"),
        ("1 / 0 == 1 && false", "false"),
        ("[0, 1].exists(x, 1 / x == 1)", "true"),
        ("[0, 1].all(x, 1 / x == 2)", "false"),
        ("1 / 0 == 1 || false", "!2: division by zero"),
        ("[0].exists(x, 1 / x == 1)", "!16: division by zero"),
    ]);
}

#[test]
fn mistakes_are_named() {
    check(&[
        ("", "!0: unexpected end of the expression; expected a value"),
        ("1 +", "!3: unexpected end of the expression; expected a value"),
        ("leadr == 1", "!0: unknown name `leadr`; expected one of n, text, list, map"),
        (
            "list.exist(x, x)",
            "!5: unknown function `exist`; expected all, exists, exists_one, map, filter, size, contains, \
                             startsWith or endsWith",
        ),
        ("len(list)", "!0: unknown function `len`; expected size, int, string or has"),
        ("n = 1", "!2: unexpected `=`; expected an operator or the end"),
        ("(n", "!2: unexpected end of the expression; expected `)`"),
        ("'abc", "!0: a string without its closing '"),
        ("'\\q'", "!0: an unknown escape in a string; expected \\n, \\t, \\\\, \\\", \\', \\xHH or \\uHHHH"),
        ("1.5", "!0: \"1\" is no int; expected a whole number of 64 bits"),
        ("1u", "!0: \"1u\" is no int; expected a whole number of 64 bits"),
        ("9223372036854775808", "!0: 9223372036854775808 is too large for an int"),
        ("#", "!0: unexpected character `#`"),
        ("has(n)", "!0: has() takes a field: has(a.b)"),
        ("list.all(1, true)", "!9: unexpected `1`; expected a name for each item: all(x, …)"),
        ("map.z", "!4: no such key: z"),
        ("n.z", "!0: int has no fields"),
        ("list[9]", "!4: index 9 is outside a list of 3"),
        ("n + text", "!2: this operator does not apply to int and string"),
        ("9223372036854775807 + 1", "!20: int overflow"),
        ("-(-9223372036854775807 - 1)", "!0: int overflow"),
        ("n < text", "!2: int and string have no order"),
        ("n && true", "!0: expected bool, found int"),
        ("n.contains('x')", "!2: this function does not apply to (int, string)"),
        ("{'a': 1, 'a': 2}", "!9: repeated key: a"),
        ("int('x')", "!0: this string is no int"),
    ]);
}

#[test]
fn no_expression_is_too_long_too_deep_or_too_costly() {
    assert!(evaluated(&"1+".repeat(3_000)).contains("an expression of 6000 bytes; at most 4096 are read"));
    for (open, close) in [("(", ")"), ("[", "]"), ("!", ""), ("- ", ""), ("list[", "]"), ("true ? 1 : ", "")] {
        let deep = format!("{}true{}", open.repeat(300), close.repeat(300));
        assert!(evaluated(&deep).contains("nested deeper than 40 levels"), "{open}");
    }
    assert!(evaluated(&format!("list{}", ".a".repeat(300))).contains("nested deeper"));
    assert!(evaluated(&format!("1{}", " + 1".repeat(300))).contains("nested deeper"));
    // A long chain of && is not a deep one.
    assert_eq!(evaluated(&format!("true{}", " && true".repeat(400))), "true");
    let ten = "[1,2,3,4,5,6,7,8,9,0]";
    let nested = (0..8).fold("true".to_owned(), |inner, at| format!("{ten}.all(x{at}, {inner})"));
    assert!(evaluated(&nested).contains("takes more than 1000000 steps"));
    // Nothing absorbs running out.
    assert!(evaluated(&format!("true && ({nested}) || true")).contains("takes more than"));
    let doubling = (0..30).fold("[text]".to_owned(), |inner, at| format!("{inner}.map(x{at}, x{at} + x{at})"));
    assert!(evaluated(&doubling).contains("takes more than"));
}
