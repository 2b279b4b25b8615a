//! What GNU grep 3.8 does with the same patterns, and that nothing takes too long.

use super::*;

fn pattern(syntax: Syntax, text: &str) -> Result<Pattern, String> {
    Pattern::new(text, syntax, false, false)
}

#[track_caller]
fn check(syntax: Syntax, text: &str, line: &str, expected: bool) {
    assert_eq!(pattern(syntax, text).unwrap().is_in(line), Ok(expected), "{text} in {line}");
}

#[test]
fn extended_patterns() {
    for (text, line, expected) in [
        ("^etcd_(mvcc|disk)", "etcd_disk_x", true),
        ("^etcd_(mvcc|disk)", "x etcd_disk", false),
        ("a+b?c{2}$", "xaacc", true),
        ("a+b?c{2}$", "xaaccc", false),
        ("c{1,2}d", "ccccd", true),
        ("^a{,2}$", "aa", true),
        ("^a{,2}$", "aaa", false),
        ("^[^#]", "# HELP", false),
        ("[0-9]+\\.[0-9]+", "sum 0.014", true),
        ("[0-9]+\\.[0-9]+", "sum 0x014", false),
        ("[[:digit:]_]{3}", "a1_2b", true),
        ("\\bput\\b", "a put b", true),
        ("\\bput\\b", "input", false),
        ("\\<put\\>", "a put b", true),
        ("\\<put", "input", false),
        ("a|", "zzz", true),
        ("[]a]", "]", true),
        ("[[.-.]x]", "-", true),
        ("[[=a=]-c]", "b", true),
        // Brackets and braces that mean nothing, and operators that have nothing to repeat.
        ("a)", "a)", true),
        ("a{x", "a{x", true),
        ("a{1", "a{1", true),
        ("^*+ab", "ab", true),
        ("^(*ab)", "ab", true),
    ] {
        check(Syntax::Extended, text, line, expected);
    }
    check(Syntax::Extended, "(a*)*b", &"a".repeat(5_000), false);
}

#[test]
fn basic_patterns() {
    for (text, line, expected) in [
        ("^a*$", "aaa", true),
        ("*x", "*x", true),
        ("^*x", "*x", true),
        ("\\(*x\\)", "*x", true),
        ("a+", "aa", false),
        ("a\\+$", "aa", true),
        ("\\+a", "+a", true),
        ("\\{1\\}a", "{1}a", true),
        ("\\(ab\\)\\{2\\}", "abab", true),
        ("a\\|b", "b", true),
        ("\\(^a\\)", "ba", false),
        ("a^b", "a^b", true),
        ("a$b", "a$b", true),
        (" 0$", "x 0", true),
        (" 0$", "x 00", false),
        ("a{2}", "aa", false),
        ("a)", "a)", true),
        ("1.2", "1x2", true),
    ] {
        check(Syntax::Basic, text, line, expected);
    }
}

#[test]
fn letters_are_those_of_all_alphabets() {
    for (text, line, expected) in [
        ("^\\w+$", "ключ_1", true),
        ("^[[:alpha:]]+$", "é", true),
        ("^[[:upper:]]", "ключ", false),
        ("^[[:upper:]]", "Ключ", true),
        ("[[:punct:]]", "a«b", true),
        ("\\W", "ключ", false),
    ] {
        check(Syntax::Extended, text, line, expected);
    }
    let any_case = |text: &str, line: &str| Pattern::new(text, Syntax::Extended, true, false).unwrap().is_in(line);
    assert_eq!(any_case("ключ", "КЛЮЧ"), Ok(true));
    assert_eq!(any_case("[[:upper:]]", "a"), Ok(true));
    assert_eq!(any_case("[^a]", "A"), Ok(false));
}

#[test]
fn what_is_found_is_the_leftmost_and_longest() {
    let all = |text: &str, line: &str| Pattern::new(text, Syntax::Extended, true, false).unwrap().all_in(line).unwrap();
    assert_eq!(all("[a-z]+", "Ab 12 cD"), ["Ab", "cD"]);
    assert_eq!(all("a|ab|abc", "abcab"), ["abc", "ab"]);
    assert_eq!(all("x*", "aXXb"), ["XX"]);
    assert_eq!(all("b$\nab", "abab"), ["ab", "ab"]);
    assert_eq!(all("^a", "aa"), ["a"]);
}

#[test]
fn broken_patterns_are_refused_in_greps_words() {
    let unmatched_set = "Unmatched [, [^, [:, [., or [=";
    for (syntax, text, expected) in [
        (Syntax::Extended, "(", "Unmatched ( or \\("),
        (Syntax::Basic, "\\(", "Unmatched ( or \\("),
        (Syntax::Basic, "a\\)", "Unmatched ) or \\)"),
        (Syntax::Extended, "[a", unmatched_set),
        (Syntax::Extended, "[]", unmatched_set),
        (Syntax::Extended, "[^]", unmatched_set),
        (Syntax::Extended, "[[:", unmatched_set),
        (Syntax::Extended, "[[.a", unmatched_set),
        (Syntax::Extended, "[[:alpha:]", unmatched_set),
        (Syntax::Extended, "[[:nope:]]", "Invalid character class name"),
        (Syntax::Extended, "[:space:]", "character class syntax is [[:space:]], not [:space:]"),
        (Syntax::Extended, "[[.space.]]", "Invalid collation character"),
        (Syntax::Extended, "[z-a]", "Invalid range end"),
        (Syntax::Extended, "a{3,2}", "Invalid content of \\{\\}"),
        (Syntax::Basic, "a\\{x\\}", "Invalid content of \\{\\}"),
        (Syntax::Basic, "a\\{1", "Unmatched \\{"),
        (Syntax::Extended, "a{32768}", TOO_BIG),
        (Syntax::Extended, "a{99999999999999999999}", TOO_BIG),
        (Syntax::Extended, "\\", "Trailing backslash"),
        (Syntax::Extended, "\\1", "Invalid back reference"),
        (Syntax::Extended, "(a)\\1", "\\1: references are not built into this lab's grep"),
    ] {
        assert_eq!(pattern(syntax, text).err().as_deref(), Some(expected), "{text}");
    }
}

#[test]
fn large_patterns_and_long_searches_end() {
    for text in ["(".repeat(200), format!("a{}", "*".repeat(100_000)), "((a{200}){200}){200}".to_owned()] {
        assert_eq!(pattern(Syntax::Extended, &text).err().as_deref(), Some(TOO_BIG));
    }
    assert_eq!(pattern(Syntax::Extended, "(((){999}){999}){999}").err().as_deref(), Some(TOO_BIG));
    assert!(pattern(Syntax::Extended, "a{999}").is_ok());
    let slow = pattern(Syntax::Extended, "(a?){5000}b").unwrap();
    assert_eq!(slow.is_in(&"a".repeat(100_000)), Err(Exhausted));
    assert_eq!(slow.all_in(&"a".repeat(100_000)), Err(Exhausted));
}

#[test]
fn words_and_fixed_texts() {
    let word = |text: &str, line: &str| Pattern::new(text, Syntax::Fixed, false, true).unwrap().is_in(line).unwrap();
    assert!(word("put", "a put.") && !word("put", "input") && word("a.b", "x a.b y") && !word("a.b", "axb"));
    let words = Pattern::new("foo|foobar", Syntax::Extended, false, true).unwrap();
    assert_eq!(words.all_in("foo-bar foobar foos").unwrap(), ["foo", "foobar"]);
}
