//! One lesson: a Markdown file with YAML front matter. Reading it collects every mistake instead of stopping at the first.
//!
//! ````text
//!   ---
//!   title: Kill the leader          required      scenario: members=3     see lab::scenario
//!   minutes: 10                     required      seed: 7                 start: [script lines]
//!   summary: One sentence.          required      view: cluster
//!   ---
//!   Prose that introduces the lesson.
//!
//!   ## A step                       `## A step (optional)` need not be done; optional steps come last
//!   Prose with ```run, ```predict, ```check, ```hint and ```solution blocks.
//! ````

use super::markdown::{self, Block, Inline, Piece};
use super::script::{self, Act, ScriptLine};
use super::yaml::{self, Kind, Node};
use super::{Goal, Problem, Problems};
use crate::lab::Scenario;

/// Bytes of a lesson file: a long one has a tenth of this.
pub const FILE_MAX: usize = 256 << 10;
pub const STEPS_MAX: usize = 30;
/// Predictions, hints and the like within one step.
const PARTS_MAX: usize = 10;
/// Lines of one script.
const LINES_MAX: usize = 100;
/// The seed of a lesson that names none.
const SEED: u64 = 1;
/// What may stand after the three ticks of a block that is only shown.
const LANGUAGES: [&str; 8] = ["", "text", "console", "sh", "json", "yaml", "go", "cel"];
/// The names of a lesson's front matter.
const KEYS: [&str; 7] = ["title", "minutes", "summary", "scenario", "seed", "start", "view"];
/// Views that a lesson may open with.
const VIEWS: [&str; 4] = ["cluster", "revisions", "keys", "watches"];

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lesson {
    /// `brain-and-memory/elections/kill-the-leader`: the folders without their numbers.
    pub id: String,
    /// For mistakes that show only when it is run.
    pub file: String,
    pub title: String,
    pub minutes: u32,
    pub summary: String,
    pub scenario: Scenario,
    pub seed: u64,
    pub view: String,
    /// What happens before the learner begins.
    pub start: Vec<ScriptLine>,
    pub intro: Vec<Block>,
    pub steps: Vec<Step>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Step {
    pub line: usize,
    pub title: Vec<Inline>,
    pub optional: bool,
    /// In order; [`Block::Run`] and [`Block::Predict`] stand where those do.
    pub blocks: Vec<Block>,
    /// What the learner may click: typed lines and faults.
    pub runs: Vec<ScriptLine>,
    pub predictions: Vec<Prediction>,
    /// A step without one is done as soon as the steps before it are.
    pub check: Option<Goal>,
    /// Each says more than the one before.
    pub hints: Vec<Vec<Block>>,
    pub solution: Vec<ScriptLine>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prediction {
    pub question: Vec<Inline>,
    pub options: Vec<Vec<Inline>>,
    /// From 0.
    pub right: usize,
    pub because: Vec<Block>,
}

/// The id of the lesson in this folder, `01-part/02-chapter/03-lesson`.
pub fn id(folder: &str) -> Option<String> {
    let slug = |part: &str| {
        let (number, slug) = part.split_once('-')?;
        let sound = !number.is_empty()
            && number.bytes().all(|b| b.is_ascii_digit())
            && slug.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
            && !slug.is_empty();
        sound.then(|| slug.to_owned())
    };
    let parts: Option<Vec<String>> = folder.split('/').map(slug).collect();
    parts.filter(|parts| parts.len() == 3).map(|parts| parts.join("/"))
}

/// Reads the text of `lessons/<folder>/lesson.md`.
///
/// # Errors
/// Every mistake that was found, in the order of the file.
pub fn parse(folder: &str, text: &str) -> Result<Lesson, Vec<Problem>> {
    let file = format!("{folder}/lesson.md");
    let mut problems = Problems::new(&file);
    let id = id(folder).unwrap_or_else(|| {
        let message = "expected folders NN-part/NN-chapter/NN-lesson in lower case, with hyphens for spaces";
        problems.add(0, 0, message);
        String::new()
    });
    if text.len() > FILE_MAX {
        problems.add(0, 0, format!("{} bytes; a lesson has at most {FILE_MAX}", text.len()));
        return Err(problems.into_sorted());
    }
    let text = text.strip_prefix('\u{feff}').unwrap_or(text).replace("\r\n", "\n");
    let Some((matter, body, body_line)) = split(&text) else {
        problems.add(1, 0, "expected front matter: a line ---, then title, minutes and summary, then a line ---");
        return Err(problems.into_sorted());
    };
    let mut lesson = Lesson {
        id,
        file,
        title: String::new(),
        minutes: 0,
        summary: String::new(),
        scenario: Scenario::default(),
        seed: SEED,
        view: VIEWS[0].to_owned(),
        start: Vec::new(),
        intro: Vec::new(),
        steps: Vec::new(),
    };
    front_matter(matter, &mut lesson, &mut problems);
    read_body(body, body_line, &mut lesson, &mut problems);
    if problems.is_empty() { Ok(lesson) } else { Err(problems.into_sorted()) }
}

/// Front matter (from line 2), body, and the line on which the body begins.
fn split(text: &str) -> Option<(&str, &str, usize)> {
    let rest = text.strip_prefix("---\n")?;
    let end = if rest.starts_with("---\n") { 0 } else { rest.find("\n---\n")? + 1 };
    let (matter, body) = (&rest[..end], &rest[end + 4..]);
    Some((matter, body, matter.matches('\n').count() + 3))
}

// Front matter.

fn front_matter(text: &str, lesson: &mut Lesson, problems: &mut Problems) {
    let faults = problems.list.len();
    let entries = match yaml::parse(text, 2, problems) {
        Some(Node { kind: Kind::Map(entries), .. }) => entries,
        Some(node) => return problems.add(node.line, node.column, "expected front matter of the form key: value"),
        None if problems.list.len() > faults => return,
        None => Vec::new(),
    };
    let value = |key: &str| entries.iter().find(|(name, _)| name.text() == Some(key)).map(|(_, value)| value);
    for (position, (key, _)) in entries.iter().enumerate() {
        let name = key.text().unwrap_or_default();
        if !KEYS.contains(&name) {
            problems.add(key.line, key.column, format!("unknown key \"{name}\"; expected one of {}", KEYS.join(", ")));
        } else if entries[..position].iter().any(|(other, _)| other.text() == Some(name)) {
            problems.add(key.line, key.column, format!("\"{name}\" stands here twice"));
        }
    }
    let mut required = |key: &str| match value(key).map(|node| (node, node.text())) {
        Some((_, Some(text))) if !text.trim().is_empty() => text.trim().to_owned(),
        Some((node, _)) => {
            problems.add(node.line, node.column, format!("{key}: expected text"));
            String::new()
        }
        None => {
            problems.add(1, 0, format!("no {key} in the front matter"));
            String::new()
        }
    };
    lesson.title = required("title");
    lesson.summary = required("summary");
    let minutes = required("minutes");
    if let Some(node) = value("minutes")
        && !minutes.is_empty()
    {
        lesson.minutes = number(node, &minutes, "minutes", 1, 240, problems) as u32;
    }
    if let Some(node) = value("seed") {
        lesson.seed = number(node, node.text().unwrap_or_default(), "seed", 0, u64::MAX - 100, problems);
    }
    if let Some(node) = value("scenario") {
        match Scenario::parse(node.text().unwrap_or_default()) {
            Ok(scenario) => lesson.scenario = scenario,
            Err(message) => problems.add(node.line, node.column, format!("scenario: {message}")),
        }
    }
    if let Some(node) = value("view") {
        match node.text().filter(|view| VIEWS.contains(view)) {
            Some(view) => lesson.view = view.to_owned(),
            None => problems.add(node.line, node.column, format!("view: expected {}", VIEWS.join(", "))),
        }
    }
    match value("start") {
        None => {}
        Some(Node { kind: Kind::List(items), line, .. }) => {
            if items.len() > LINES_MAX {
                problems.add(*line, 0, format!("start: {} lines; at most {LINES_MAX}", items.len()));
            }
            for item in items.iter().take(LINES_MAX) {
                match item.text() {
                    Some(text) => {
                        lesson.start.extend(script::parse_line(text, item.line, &lesson.scenario, problems));
                    }
                    None => problems.add(item.line, item.column, "start: expected a list of script lines"),
                }
            }
        }
        Some(node) => problems.add(node.line, node.column, "start: expected a list of script lines"),
    }
}

fn number(node: &Node, text: &str, key: &str, least: u64, most: u64, problems: &mut Problems) -> u64 {
    match text.parse().ok().filter(|number| (least..=most).contains(number)) {
        Some(number) => number,
        None => {
            problems.add(node.line, node.column, format!("{key}: {text}: expected a number from {least} to {most}"));
            least
        }
    }
}

// The body.

fn read_body(body: &str, first_line: usize, lesson: &mut Lesson, problems: &mut Problems) {
    for piece in markdown::read(body, first_line, &lesson.id, problems) {
        match piece {
            Piece::Block(block) => match lesson.steps.last_mut() {
                Some(step) => step.blocks.push(block),
                None => lesson.intro.push(block),
            },
            Piece::Step { line, title } => {
                if lesson.steps.len() == STEPS_MAX {
                    problems.add(line, 0, format!("more than {STEPS_MAX} steps"));
                    break;
                }
                lesson.steps.push(new_step(line, title));
            }
            Piece::Fence { line, info, text } => fence(line, &info, &text, lesson, problems),
        }
    }
    if lesson.steps.is_empty() {
        problems.add(first_line, 0, "no steps; expected at least one heading ## with what to do");
    }
    if !lesson.steps.is_empty() && lesson.steps.iter().all(|step| step.check.is_none()) {
        problems.add(first_line, 0, "no step has a check; expected at least one ```check block");
    }
    let mut seen_optional = false;
    for step in &lesson.steps {
        if seen_optional && !step.optional {
            problems.add(step.line, 0, "a step that must be done after an optional one; optional steps come last");
        }
        seen_optional |= step.optional;
        if step.check.is_some() && step.solution.is_empty() {
            problems.add(step.line, 0, "this step has a check but no solution; expected a ```solution block");
        }
    }
}

const OPTIONAL: &str = "(optional)";

fn new_step(line: usize, mut title: Vec<Inline>) -> Step {
    let mut optional = false;
    if let Some(Inline::Text(last)) = title.last_mut()
        && let Some(before) = last.trim_end().strip_suffix(OPTIONAL)
    {
        *last = before.trim_end().to_owned();
        optional = true;
    }
    Step { line, title, optional, ..Step::default() }
}

fn fence(line: usize, info: &str, text: &str, lesson: &mut Lesson, problems: &mut Problems) {
    let is_special = ["run", "predict", "check", "hint", "solution"].contains(&info);
    if !is_special && !LANGUAGES.contains(&info) {
        let expected = format!("run, predict, check, hint, solution, or a language: {}", LANGUAGES[1..].join(", "));
        return problems.add(line - 1, 0, format!("unknown block \"{info}\"; expected {expected}"));
    }
    let scenario = lesson.scenario;
    let Some(step) = lesson.steps.last_mut() else {
        if is_special {
            problems.add(line - 1, 0, format!("a {info} block before the first step"));
        } else {
            lesson.intro.push(Block::Code { language: info.to_owned(), text: text.to_owned() });
        }
        return;
    };
    match info {
        "run" => {
            for run in script(line, text, &scenario, problems) {
                if matches!(run.act, Act::Wait(_) | Act::WaitUntil(_)) {
                    problems.add(run.line, 0, "a learner cannot click a wait; expected a line to type or a fault");
                }
                step.blocks.push(Block::Run(step.runs.len()));
                step.runs.push(run);
            }
        }
        "solution" => step.solution.extend(script(line, text, &scenario, problems)),
        "predict" => {
            if let Some(prediction) = prediction(line, text, &lesson.id, problems) {
                step.blocks.push(Block::Predict(step.predictions.len()));
                step.predictions.push(prediction);
            }
        }
        "check" if step.check.is_some() => problems.add(line - 1, 0, "a second check in this step; join them with &&"),
        "check" => step.check = Goal::parse(text, line, 1, problems),
        "hint" => step.hints.push(markdown::read_blocks(text, line, &lesson.id, problems)),
        _ => step.blocks.push(Block::Code { language: info.to_owned(), text: text.to_owned() }),
    }
    if step.runs.len() > LINES_MAX || step.predictions.len() > PARTS_MAX || step.hints.len() > PARTS_MAX {
        problems.add(line - 1, 0, format!("too many {info} blocks in one step"));
        step.runs.truncate(LINES_MAX);
        step.predictions.truncate(PARTS_MAX);
        step.hints.truncate(PARTS_MAX);
    }
}

fn script(first_line: usize, text: &str, scenario: &Scenario, problems: &mut Problems) -> Vec<ScriptLine> {
    let lines = text.lines().enumerate().take(LINES_MAX);
    let read = |(number, line)| script::parse_line(line, first_line + number, scenario, problems);
    let out: Vec<ScriptLine> = lines.filter_map(read).collect();
    if out.is_empty() && text.trim().is_empty() {
        problems.add(first_line, 0, "an empty block; expected one line or more");
    }
    if text.lines().count() > LINES_MAX {
        problems.add(first_line + LINES_MAX, 0, format!("more than {LINES_MAX} lines"));
    }
    out
}

/// `question`, `options`, `right` (from 1) and `because`.
fn prediction(line: usize, text: &str, lesson: &str, problems: &mut Problems) -> Option<Prediction> {
    const KEYS: [&str; 4] = ["question", "options", "right", "because"];
    let faults = problems.list.len();
    let entries = match yaml::parse(text, line, problems) {
        Some(Node { kind: Kind::Map(entries), .. }) => entries,
        _ if problems.list.len() > faults => return None,
        _ => {
            problems.add(line, 0, format!("expected a prediction with {}", KEYS.join(", ")));
            return None;
        }
    };
    for (key, _) in &entries {
        let name = key.text().unwrap_or_default();
        if !KEYS.contains(&name) {
            problems.add(key.line, key.column, format!("unknown key \"{name}\"; expected one of {}", KEYS.join(", ")));
        }
    }
    let mut value = |key: &str| {
        let found = entries.iter().find(|(name, _)| name.text() == Some(key)).map(|(_, value)| value);
        if found.is_none() {
            problems.add(line, 0, format!("no \"{key}\" in this prediction"));
        }
        found
    };
    let (question, options, right, because) = (value(KEYS[0])?, value(KEYS[1])?, value(KEYS[2])?, value(KEYS[3])?);
    let options: Vec<Vec<Inline>> = match &options.kind {
        Kind::List(items) if (2..=PARTS_MAX).contains(&items.len()) => items
            .iter()
            .map(|item| markdown::read_inlines(item.text().unwrap_or_default(), item.line, lesson, problems))
            .collect(),
        _ => {
            problems.add(options.line, 0, format!("options: expected a list of 2 to {PARTS_MAX} answers"));
            return None;
        }
    };
    let most = options.len() as u64;
    let right = number(right, right.text().unwrap_or_default(), "right", 1, most, problems) as usize - 1;
    let question = markdown::read_inlines(question.text().unwrap_or_default(), question.line, lesson, problems);
    let because = markdown::read_blocks(because.text().unwrap_or_default(), because.line, lesson, problems);
    Some(Prediction { question, options, right, because })
}

#[cfg(test)]
mod tests;
