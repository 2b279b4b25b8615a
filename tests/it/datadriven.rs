//! Test files in the form of `cockroachdb/datadriven`: directives, `----`, expected output up to a blank line.
//!
//! `UPDATE_EXPECT=1` rewrites the expected output of files of this repository. Commit such a change only if you
//! understand what caused it.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// One directive: `command arg key=value key=(a, b)`, with the lines up to `----` as its input.
#[derive(Debug)]
pub struct Directive {
    pub command: String,
    pub args: Vec<Arg>,
    pub input: String,
    /// Where it stands: `file:line`.
    pub position: String,
}

#[derive(Debug)]
pub struct Arg {
    pub key: String,
    pub values: Vec<String>,
}

impl Directive {
    /// Arguments without a value.
    pub fn plain(&self) -> impl Iterator<Item = &str> {
        self.args.iter().filter(|arg| arg.values.is_empty()).map(|arg| arg.key.as_str())
    }

    pub fn values(&self, key: &str) -> &[String] {
        self.args.iter().find(|arg| arg.key == key).map_or(&[], |arg| &arg.values)
    }

    pub fn value(&self, key: &str) -> Option<&str> {
        self.values(key).first().map(String::as_str)
    }

    fn parse(line: &str, position: String) -> Directive {
        let mut words = split_outside_parentheses(line, ' ').into_iter();
        let command = words.next().expect("a directive has a command");
        let args = words.map(|word| Arg::parse(&word)).collect();
        Directive { command, args, input: String::new(), position }
    }
}

impl Arg {
    fn parse(word: &str) -> Arg {
        let Some((key, value)) = word.split_once('=') else {
            return Arg { key: word.to_owned(), values: Vec::new() };
        };
        let values = match value.strip_prefix('(').and_then(|rest| rest.strip_suffix(')')) {
            Some(list) => split_outside_parentheses(list, ',').iter().map(|item| item.trim().to_owned()).collect(),
            None => vec![value.to_owned()],
        };
        Arg { key: key.to_owned(), values }
    }
}

/// Splits at `separator` where no parenthesis is open, leaving out empty parts.
fn split_outside_parentheses(text: &str, separator: char) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut depth = 0;
    for c in text.chars() {
        depth += i32::from(c == '(') - i32::from(c == ')');
        if c == separator && depth == 0 {
            parts.push(String::new());
        } else {
            parts.last_mut().expect("there is always a last part").push(c);
        }
    }
    parts.retain(|part| !part.is_empty());
    parts
}

/// What came of a file.
#[derive(Default)]
struct Report {
    /// Directives whose output was compared.
    steps: usize,
    /// Those whose output is another: where, what, and how.
    differences: Vec<String>,
}

fn run_file(path: &Path, mut handle: impl FnMut(&Directive) -> String) -> Report {
    let text = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let may_update = path.starts_with(own_testdata()) && std::env::var_os("UPDATE_EXPECT").is_some();
    let mut rewritten = String::new();
    let mut lines = text.lines().enumerate().peekable();
    let mut report = Report::default();
    while let Some((number, line)) = lines.next() {
        writeln!(rewritten, "{line}").expect("a string takes any text");
        if line.trim().is_empty() || line.starts_with('#') {
            continue;
        }
        let mut directive = Directive::parse(line.trim(), format!("{name}:{}", number + 1));
        for (_, line) in lines.by_ref() {
            writeln!(rewritten, "{line}").expect("a string takes any text");
            if line == "----" {
                break;
            }
            directive.input.push_str(line);
            directive.input.push('\n');
        }
        let mut expected = String::new();
        while let Some((_, line)) = lines.next_if(|(_, line)| !line.is_empty()) {
            expected.push_str(line);
            expected.push('\n');
        }
        let mut actual = handle(&directive);
        if !actual.ends_with('\n') {
            actual.push('\n');
        }
        if actual != expected && !may_update {
            let how = difference(&expected, &actual);
            report.differences.push(format!("{}: {}: {how}", directive.position, directive.command));
        }
        rewritten.push_str(&actual);
        report.steps += 1;
    }
    if may_update && rewritten != text {
        std::fs::write(path, rewritten).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    }
    report
}

fn difference(expected: &str, actual: &str) -> String {
    let first = expected.lines().zip(actual.lines()).take_while(|(a, b)| a == b).count();
    format!("first difference in line {} of the output\n--- expected\n{expected}--- actual\n{actual}", first + 1)
}

fn own_testdata() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/testdata")
}

pub fn own_files(folder: &str) -> Vec<PathBuf> {
    files(&own_testdata().join(folder))
}

/// The files of a folder of the conformance material; `None` if it is not here.
pub fn conformance_files(folder: &str) -> Option<Vec<PathBuf>> {
    let root = match std::env::var_os("LAB_CONFORMANCE") {
        Some(root) => PathBuf::from(root),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/conformance"),
    };
    let folder = root.join(folder);
    folder.is_dir().then(|| files(&folder))
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.expect("the folder is readable").path()).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "txt"));
    files.sort();
    files
}

/// Runs all files, each with a fresh handler, and names each, each step that differs, and how; in the last line how many
/// there were. Panics if any differs.
pub fn run_all<H: FnMut(&Directive) -> String>(what: &str, files: &[PathBuf], mut fresh: impl FnMut() -> H) {
    let (mut steps, mut differences) = (0, Vec::new());
    for file in files {
        let report = run_file(file, fresh());
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        println!("{what}: {name}: {} steps, {} differ", report.steps, report.differences.len());
        steps += report.steps;
        differences.extend(report.differences);
    }
    differences.iter().for_each(|difference| println!("{what}: {difference}"));
    println!("{what}: {} files, {steps} steps, {} differ", files.len(), differences.len());
    assert!(differences.is_empty(), "{}", differences.join("\n\n"));
}
