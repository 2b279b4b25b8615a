//! Proves lessons: the start fails the goal, the solution reaches it under several seeds, no promise of Raft is broken.

use super::catalog::{Catalog, INDEX};
use super::markdown::{Block, Inline};
use super::script::{self, ScriptLine};
use super::{Lesson, Problem, format};
use crate::etcd::Member;
use crate::lab::{Lab, Timeline};
use crate::raft::PeerId;
use crate::sim::{Micros, SimTime};

/// A solution must hold whatever the dice say: the lesson's own seed and the four after it.
pub const SEEDS: u64 = 5;
/// How long a check may take to become true after its solution is done.
const PATIENCE: Micros = Micros::from_secs(60);
/// How long a new cluster may take to be ready.
const READY: Micros = Micros::from_secs(30);

/// What a check of lessons found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    pub lessons: usize,
    pub steps: usize,
    /// Runs of whole solutions.
    pub runs: usize,
    pub problems: Vec<Problem>,
}

/// A world in which this lesson can begin: every member knows the leader and where clients reach the others, and the
/// lesson's `start` is done.
///
/// # Errors
/// Why the start cannot be done.
pub fn prepare(lesson: &Lesson, seed: u64) -> Result<Timeline, Problem> {
    let mut timeline = Timeline::new(lesson.scenario, seed);
    if !script::wait(&mut timeline, READY, is_ready) {
        return Err(problem(lesson, 0, seed, format!("the cluster is not ready after {READY}")));
    }
    perform(lesson, &lesson.start, seed, &mut timeline, SimTime::ZERO)?;
    Ok(timeline)
}

fn is_ready(lab: &Lab) -> bool {
    let knows = |member: &Member| {
        member.lead() != PeerId::NONE && member.members().iter().all(|member| !member.client_urls.is_empty())
    };
    lab.members().count() == lab.cluster().peers.len() && lab.members().all(|(_, member)| knows(member))
}

/// Proves one lesson. What is wrong with it, once for each place.
pub fn check_lesson(lesson: &Lesson) -> Vec<Problem> {
    let mut problems: Vec<Problem> = Vec::new();
    for seed in lesson.seed..lesson.seed + SEEDS {
        for problem in check_with(lesson, seed) {
            if !problems.iter().any(|known| known.line == problem.line) {
                problems.push(problem);
            }
        }
    }
    problems.sort();
    problems
}

fn check_with(lesson: &Lesson, seed: u64) -> Vec<Problem> {
    let mut timeline = match prepare(lesson, seed) {
        Ok(timeline) => timeline,
        Err(problem) => return vec![problem],
    };
    let mut problems = start_fails(lesson, seed, &timeline);
    if let Err(problem) = solve(lesson, seed, &mut timeline) {
        problems.push(problem);
    }
    for violation in timeline.lab().check().violations() {
        problems.push(problem(lesson, 0, seed, format!("{}: {}", violation.property.name(), violation.what)));
    }
    problems
}

/// The first check and the last that must be reached are both still open when the learner begins.
fn start_fails(lesson: &Lesson, seed: u64, timeline: &Timeline) -> Vec<Problem> {
    let checks: Vec<_> =
        lesson.steps.iter().filter(|step| !step.optional).filter_map(|step| step.check.as_ref()).collect();
    let mut ends = vec![checks.first(), checks.last()];
    ends.dedup();
    let since = timeline.lab().now();
    let done = ends.into_iter().flatten().filter(|check| check.holds(timeline.lab(), since));
    let message = "this check holds before the learner has done anything; expected it to be false after the start";
    done.map(|check| problem(lesson, check.line, seed, message)).collect()
}

/// Does every step's solution and waits for its check.
fn solve(lesson: &Lesson, seed: u64, timeline: &mut Timeline) -> Result<(), Problem> {
    for step in &lesson.steps {
        let since = timeline.lab().now();
        let Some(check) = &step.check else { continue };
        if check.holds(timeline.lab(), since) {
            let message = "this check holds before the step's solution is done; expected it to ask for something new";
            return Err(problem(lesson, check.line, seed, message));
        }
        perform(lesson, &step.solution, seed, timeline, since)?;
        if !script::wait(timeline, PATIENCE, |lab| check.holds(lab, since)) {
            let why = match check.judge(timeline.lab(), since).holds {
                Err(error) => error,
                Ok(_) => "it is still false".to_owned(),
            };
            let message = format!("the solution does not reach this check within {PATIENCE}: {why}");
            return Err(problem(lesson, check.line, seed, message));
        }
    }
    Ok(())
}

fn perform(
    lesson: &Lesson,
    lines: &[ScriptLine],
    seed: u64,
    timeline: &mut Timeline,
    since: SimTime,
) -> Result<(), Problem> {
    for line in lines {
        script::perform(timeline, &line.act, since).map_err(|message| problem(lesson, line.line, seed, message))?;
    }
    Ok(())
}

fn problem(lesson: &Lesson, line: usize, seed: u64, message: impl Into<String>) -> Problem {
    let message = format!("{} (seed {seed})", message.into());
    Problem { file: lesson.file.clone(), line, column: 0, message }
}

/// Checks a catalogue whose files `read` gives by their path under `lessons/`; `progress` is told each lesson's title.
///
/// # Errors
/// The report, if it has problems.
pub fn check_all(
    read: &dyn Fn(&str) -> Result<String, String>,
    progress: &mut dyn FnMut(&str),
) -> Result<Report, Report> {
    let mut report = Report::default();
    let whole = |file: &str, message: String| Problem { file: file.to_owned(), line: 0, column: 0, message };
    let catalog = match read(INDEX).map_err(|error| vec![whole(INDEX, error)]).and_then(|text| Catalog::parse(&text)) {
        Ok(catalog) => catalog,
        Err(problems) => return Err(Report { problems, ..report }),
    };
    for entry in &catalog.entries {
        progress(&entry.title);
        report.lessons += 1;
        let file = entry.file();
        let text = match read(&file) {
            Ok(text) => text,
            Err(error) => {
                report.problems.push(whole(&file, error));
                continue;
            }
        };
        match format::parse(&entry.folder, &text) {
            Err(problems) => report.problems.extend(problems),
            Ok(lesson) => {
                report.steps += lesson.steps.len();
                report.runs += SEEDS as usize;
                if lesson.title != entry.title {
                    let message = format!("\"{}\", but the lesson's title is \"{}\"", entry.title, lesson.title);
                    report.problems.push(Problem { file: INDEX.to_owned(), line: entry.line, column: 0, message });
                }
                report.problems.extend(lost_links(&lesson, &catalog));
                report.problems.extend(check_lesson(&lesson));
            }
        }
    }
    if report.problems.is_empty() { Ok(report) } else { Err(report) }
}

/// Checks the lessons in a folder, and that its index names every one of them.
///
/// # Errors
/// The report, if it has problems.
#[cfg(not(target_arch = "wasm32"))]
pub fn check_folder(folder: &std::path::Path, progress: &mut dyn FnMut(&str)) -> Result<Report, Report> {
    let read = |path: &str| std::fs::read_to_string(folder.join(path)).map_err(|error| error.to_string());
    let result = check_all(&read, progress);
    let index = read(INDEX).unwrap_or_default();
    let unknown: Vec<Problem> = lesson_files(folder)
        .into_iter()
        .filter(|file| !index.contains(file.trim_end_matches("/lesson.md")))
        .map(|file| Problem { file, line: 0, column: 0, message: format!("not in {INDEX}, so nobody will find it") })
        .collect();
    if unknown.is_empty() {
        return result;
    }
    let mut report = result.unwrap_or_else(|report| report);
    report.problems.extend(unknown);
    Err(report)
}

/// Every `lesson.md` three folders down, by its path.
#[cfg(not(target_arch = "wasm32"))]
fn lesson_files(folder: &std::path::Path) -> Vec<String> {
    let inside = |path: &str| {
        let entries = std::fs::read_dir(folder.join(path)).into_iter().flatten().flatten();
        let mut names: Vec<String> = entries.filter_map(|entry| entry.file_name().into_string().ok()).collect();
        names.sort();
        names
    };
    let mut paths = vec![String::new()];
    for _ in 0..3 {
        let deeper = |path: &String| inside(path).into_iter().map(|name| format!("{path}{name}/")).collect::<Vec<_>>();
        paths = paths.iter().flat_map(deeper).collect();
    }
    paths.iter().map(|path| format!("{path}lesson.md")).filter(|file| folder.join(file).is_file()).collect()
}

/// Links to lessons that are not there.
fn lost_links(lesson: &Lesson, catalog: &Catalog) -> Vec<Problem> {
    let mut ids = Vec::new();
    let steps = lesson.steps.iter().flat_map(|step| {
        let predicted = step.predictions.iter().flat_map(|prediction| prediction.because.iter());
        step.blocks.iter().chain(step.hints.iter().flatten()).chain(predicted)
    });
    lesson.intro.iter().chain(steps).for_each(|block| links(block, &mut ids));
    let lost = ids.into_iter().filter(|id| catalog.position(id).is_none());
    let file = || lesson.file.clone();
    lost.map(|id| Problem {
        file: file(),
        line: 0,
        column: 0,
        message: format!("link to \"{id}\": there is no such lesson"),
    })
    .collect()
}

fn links(block: &Block, ids: &mut Vec<String>) {
    match block {
        Block::Paragraph(inlines) | Block::Heading(_, inlines) => links_in(inlines, ids),
        Block::List(_, items) => items.iter().flatten().for_each(|block| links(block, ids)),
        Block::Quote(blocks) => blocks.iter().for_each(|block| links(block, ids)),
        Block::Table { head, rows, .. } => {
            head.iter().chain(rows.iter().flatten()).for_each(|cell| links_in(cell, ids));
        }
        Block::Code { .. } | Block::Rule | Block::Run(_) | Block::Predict(_) => {}
    }
}

fn links_in(inlines: &[Inline], ids: &mut Vec<String>) {
    for inline in inlines {
        match inline {
            Inline::Lesson { id, text } => {
                ids.push(id.clone());
                links_in(text, ids);
            }
            Inline::Emphasis(inner) | Inline::Strong(inner) => links_in(inner, ids),
            Inline::Link { text, .. } | Inline::Stage { text, .. } => links_in(text, ids),
            Inline::Text(_) | Inline::Code(_) | Inline::Break => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(check: &str, solution: &str) -> Vec<String> {
        let text = format!(
            "---\ntitle: T\nminutes: 1\nsummary: S\nstart:\n  - etcdctl put seen 1\n---\n## One\n\n```check\n{check}\n```\n\n\
             ```solution\n{solution}\n```\n"
        );
        let lesson = format::parse("01-a/01-b/01-c", &text).unwrap_or_else(|problems| panic!("{problems:?}"));
        check_lesson(&lesson)
            .iter()
            .map(|problem| problem.to_string().replace("01-a/01-b/01-c/lesson.md:", ""))
            .collect()
    }

    #[test]
    fn a_sound_lesson_passes() {
        let check = "kv[\"seen\"].value == \"2\" && members.all(m, m.up && m.kv[\"seen\"].version == 2) && violations == [] && \
                     history.exists(e, e.kind == \"write\" && e.revision == 3 && e.at >= since) && term == 2 && \
                     terminals[1].lines.exists(l, l.line.startsWith(\"echo etcd-\") && l.stdout.contains(leader))";
        let none: [&str; 0] = [];
        assert_eq!(problems(check, "etcdctl put seen 2\nterminal 2: echo {leader}"), none);
    }

    #[test]
    fn what_does_not_hold_is_named() {
        assert_eq!(
            problems("\"seen\" in kv", "wait 1s"),
            [
                "11: this check holds before the learner has done anything; expected it to be false after the start (seed 1)",
            ]
        );
        assert_eq!(
            problems("\"b\" in kv", "etcdctl put c 1"),
            ["11: the solution does not reach this check within 1m0s: it is still false (seed 1)"]
        );
        assert_eq!(
            problems("kv[\"b\"].value == \"1\"", "wait 1s"),
            [
                "11: the solution does not reach this check within 1m0s: no such key: b (line 1, column 3 of the check) (seed 1)",
            ]
        );
        assert_eq!(
            problems("\"b\" in kv", "wait until revision > 5"),
            ["15: still not so after 30s: revision > 5 (seed 1)"]
        );
        assert_eq!(problems("\"b\" in kv", "fault power-on {off}"), ["15: there is no {off} now (seed 1)"]);
        assert_eq!(
            problems("\"b\" in kv", "etcdctl watch x\netcdctl put b 1"),
            [
                "16: terminal 1 is still busy after 30s, so \"etcdctl put b 1\" cannot be typed; expected interrupt 1 before \
                 (seed 1)",
            ]
        );
    }
}
