//! Sound lessons, mistakes with their places, and hostile files.

use super::*;
use crate::lesson::markdown::Align;

const FOLDER: &str = "01-part-one/02-chapter/03-lesson";

fn read(text: &str) -> Lesson {
    parse(FOLDER, text).unwrap_or_else(|problems| panic!("{problems:?}"))
}

/// The mistakes of a file, without its name.
fn mistakes(text: &str) -> Vec<String> {
    let problems = parse(FOLDER, text).err().unwrap_or_default();
    problems.iter().map(|problem| problem.to_string().replace(&format!("{FOLDER}/lesson.md:"), "")).collect()
}

/// A lesson around this text of a step.
fn around(step: &str) -> String {
    format!(
        "---\ntitle: T\nminutes: 1\nsummary: S\n---\n\n## Step\n\n{step}\n\n```check\nnow > 5\n```\n\n```solution\nwait 1s\n```\n"
    )
}

#[test]
fn a_lesson_is_read() {
    let text = "---\n\
title: Kill the leader\n\
minutes: 10\n\
summary: >-\n  One\n  sentence.\n\
scenario: members=5\n\
seed: 42\n\
start:\n  - etcdctl put a 1\n  - \"terminal 2: etcdctl watch a\"\n\
---\n\
Hello *there*.\n\
\n\
## First\n\
\n\
See [the leader](stage:member/{leader}).\n\
\n\
```run\netcdctl get a\nfault power-off {leader}\n```\n\
\n\
```predict\nquestion: What `now`?\noptions: [One, \"Two: 2\"]\nright: 2\nbecause: |\n  It\n\n  *is*.\n```\n\
\n\
```check\nleader != \"\" &&\n  revision > 1\n```\n\
\n\
```hint\nTry.\n```\n\
```hint\nTry **harder**.\n```\n\
\n\
```solution\n# comment\netcdctl put b 2\nwait until revision > 1\ninterrupt 2\nwait 500ms\n```\n\
\n\
## Second (optional)\n\nThe end.\n";
    let lesson = read(text);
    assert_eq!(lesson.id, "part-one/chapter/lesson");
    assert_eq!((&*lesson.title, lesson.minutes, &*lesson.summary), ("Kill the leader", 10, "One sentence."));
    assert_eq!((lesson.scenario.members, lesson.seed, lesson.start.len()), (5, 42, 2));
    let typed = Act::Type { terminal: 1, text: "etcdctl watch a".to_owned() };
    assert_eq!(lesson.start[1], ScriptLine { line: 11, act: typed });
    let there = Inline::Emphasis(vec![Inline::Text("there".to_owned())]);
    let hello = vec![Inline::Text("Hello ".to_owned()), there, Inline::Text(".".to_owned())];
    assert_eq!(lesson.intro, [Block::Paragraph(hello)]);
    let [first, second] = &lesson.steps[..] else { panic!("two steps") };
    assert_eq!((Inline::plain(&first.title), first.optional, first.line), ("First".to_owned(), false, 15));
    assert_eq!(first.blocks[1..], [Block::Run(0), Block::Run(1), Block::Predict(0)]);
    assert_eq!(first.runs[1].act.label(), "power-off {leader}");
    let prediction = &first.predictions[0];
    assert_eq!((prediction.right, Inline::plain(&prediction.options[1])), (1, "Two: 2".to_owned()));
    assert_eq!(prediction.because.len(), 2);
    assert_eq!(first.check.as_ref().map(|check| check.line), Some(35));
    assert_eq!((first.hints.len(), first.solution.len()), (2, 4));
    assert_eq!((Inline::plain(&second.title), second.optional), ("Second".to_owned(), true));
    assert_eq!(parse(FOLDER, &text.replace('\n', "\r\n")).unwrap(), lesson);
}

#[test]
fn markdown_becomes_plain_data() {
    let text = around(
        "| a | b |\n|---|--:|\n| `1` | 2 |\n\n> quote\n\n1. one\n2. two\n   - deep\n\n### Head\n\n---\n\n    code\n",
    );
    let step = &read(&text).steps[0];
    let cell = |text: &str| vec![Inline::Text(text.to_owned())];
    let paragraph = |text: &str| Block::Paragraph(cell(text));
    assert_eq!(
        step.blocks,
        [
            Block::Table {
                align: vec![Align::Start, Align::End],
                head: vec![cell("a"), cell("b")],
                rows: vec![vec![vec![Inline::Code("1".to_owned())], cell("2")]],
            },
            Block::Quote(vec![paragraph("quote")]),
            Block::List(
                Some(1),
                vec![vec![paragraph("one")], vec![paragraph("two"), Block::List(None, vec![vec![paragraph("deep")]])]]
            ),
            Block::Heading(3, cell("Head")),
            Block::Rule,
            Block::Code { language: String::new(), text: "code\n".to_owned() },
        ]
    );
}

#[test]
fn links_lead_to_the_web_to_lessons_and_to_the_stage() {
    let text = around("[a](https://etcd.io) [b](../other/x-1) [c](stage:key/color) [d](y)");
    let Block::Paragraph(inlines) = &read(&text).steps[0].blocks[0] else { panic!("a paragraph") };
    let kinds: Vec<String> = inlines
        .iter()
        .filter_map(|inline| match inline {
            Inline::Link { href, .. } => Some(href.clone()),
            Inline::Lesson { id, .. } => Some(id.clone()),
            Inline::Stage { target, .. } => Some(target.clone()),
            _ => None,
        })
        .collect();
    assert_eq!(kinds, ["https://etcd.io", "part-one/other/x-1", "key/color", "part-one/chapter/y"]);
}

#[test]
fn hostile_markdown_is_refused_with_its_place() {
    let html = "9:1: raw HTML is not shown; expected Markdown (write `<` as `&lt;`)";
    for (hostile, expected) in [
        ("<script>alert(1)</script>", html),
        ("<img src=x onerror=alert(1)>", html),
        ("a <b onclick=x>b</b>", "9:3: raw HTML is not shown; expected Markdown (write `<` as `&lt;`)"),
        ("<!-- x -->", html),
        ("![x](https://a.b/c.png)", "9:1: images are not shown; point at the stage"),
        (
            "[x](javascript:alert(1))",
            "9:1: link to \"javascript:alert(1)\": expected http(s)://…, stage:… or a relative path to a lesson",
        ),
        (
            "[x](JaVaScRiPt&#58;alert(1))",
            "9:1: link to \"JaVaScRiPt:alert(1)\": expected http(s)://…, stage:… or a relative path to a lesson",
        ),
        (
            "[x](data:text/html,x)",
            "9:1: link to \"data:text/html,x\": expected http(s)://…, stage:… or a relative path to a lesson",
        ),
        (
            "[x](//evil.example)",
            "9:1: link to \"//evil.example\": expected http(s)://…, stage:… or a relative path to a lesson",
        ),
        (
            "[x](../../../../etc)",
            "9:1: link to \"../../../../etc\": expected http(s)://…, stage:… or a relative path to a lesson",
        ),
        (
            "[x](stage:member/{boss})",
            "9:1: unknown placeholder \"{boss}\"; expected one of {leader}, {follower}, {follower2}, {off}, {watched}",
        ),
        (
            "[x](stage:window)",
            "9:1: \"stage:window\" is not on the stage; expected one of member, log, link, key, terminal, timeline, messages",
        ),
    ] {
        assert_eq!(mistakes(&around(hostile)).first().map(String::as_str), Some(expected), "{hostile}");
    }
    let deep = mistakes(&around(&">".repeat(5_000)));
    assert!(deep.iter().any(|line| line.contains("Markdown nested deeper than 12 levels")), "{deep:?}");
    for text in ["[".repeat(20_000), "*a ".repeat(20_000), "- ".repeat(5_000), "`".repeat(20_000), "|".repeat(20_000)] {
        let _ = parse(FOLDER, &around(&text));
    }
}

#[test]
fn mistakes_are_collected_with_their_places() {
    let text = "---\ntitel: T\nminutes: soon\nsummary: S\nscenario: members=4\nstart:\n  - fault explode etcd-1\n---\n\
# Top\n\n```check\ntrue\n```\n\n## Step\n\n```chek\n1\n```\n\n```check\nleadr == \"\" &&\n  now >\n```\n\n\
```run\nwait 3s\nterminal 9: ls\nfault power-off {boss}\n```\n\n```solution\nwait 3 days\nwait until now >\n```\n\n\
```predict\nquestion: Q\noptions: [A]\nright: 1\n```\n";
    assert_eq!(
        mistakes(text),
        [
            "1: no title in the front matter",
            "2:1: unknown key \"titel\"; expected one of title, minutes, summary, scenario, seed, start, view",
            "3:10: minutes: soon: expected a number from 1 to 240",
            "5:11: scenario: members=4: expected 1, 3, 5 or 7",
            "7:1: unknown fault \"explode\"",
            "9: no step has a check; expected at least one ```check block",
            "9:1: a heading of level 1 is the title, which stands in the front matter; expected ## or ###",
            "11: a check block before the first step",
            "17: unknown block \"chek\"; expected run, predict, check, hint, solution, or a language: text, console, sh, \
             json, yaml, go, cel",
            "22:1: unknown name `leadr`; expected one of now, since, members, leader, term, kv, revision, history, \
             commands, terminals, violations",
            "27: a learner cannot click a wait; expected a line to type or a fault",
            "28:1: \"9\" is not a terminal; expected a number from 1 to 2",
            "29:1: unknown placeholder \"{boss}\"; expected one of {leader}, {follower}, {follower2}, {off}, {watched}",
            "33:1: \"3 days\" is no time to wait; expected such as 3s or 500ms, at most 30s, or until …",
            "34:17: unexpected end of the expression; expected a value",
            "38: no \"because\" in this prediction",
        ]
    );
}

#[test]
fn a_file_that_is_no_lesson_says_so() {
    assert_eq!(
        mistakes("Hello"),
        ["1: expected front matter: a line ---, then title, minutes and summary, then a line ---"]
    );
    assert_eq!(mistakes("---\n---\n").len(), 4);
    assert_eq!(mistakes("---\n- a\n---\n## S\n")[0], "2:1: expected front matter of the form key: value");
    assert!(mistakes("---\na: [\n---\n## S\n")[0].contains("not YAML"));
    assert!(mistakes("---\na: &x 1\nb: *x\n---\n## S\n").iter().any(|line| line.contains("aliases are not read")));
    let deep = format!("---\na: {}\n---\n## S\n", "[".repeat(100));
    assert!(mistakes(&deep)[0].contains("nested deeper than 8 levels"));
    let large = "x".repeat(FILE_MAX + 1);
    assert!(parse(FOLDER, &large).unwrap_err()[0].message.contains("bytes; a lesson has at most 262144"));
    let name = parse("lesson", &around("x")).unwrap_err()[0].to_string();
    assert_eq!(
        name,
        "lesson/lesson.md: expected folders NN-part/NN-chapter/NN-lesson in lower case, with hyphens for spaces"
    );
}

#[test]
fn optional_steps_come_last_and_checks_have_solutions() {
    let text = around("x") + "\n## More (optional)\n\nx\n\n## Must\n\n```check\ntrue\n```\n\n```check\nfalse\n```\n";
    assert_eq!(
        mistakes(&text),
        [
            "23: a step that must be done after an optional one; optional steps come last",
            "23: this step has a check but no solution; expected a ```solution block",
            "29: a second check in this step; join them with &&",
        ]
    );
}
