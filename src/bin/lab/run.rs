//! `lab run`: lines for the first terminal of a world, and what they print.

use control_plane_lab::lab::workstation::{Printed, PrintedKind};
use control_plane_lab::lab::{Input, Lab, Scenario};
use control_plane_lab::sim::{Micros, SimTime};
use lexopt::prelude::*;
use serde_json::json;
use std::process::ExitCode;

/// When the first line is typed.
const BEGIN: SimTime = SimTime(2_000_000);
/// A line that takes longer stays, and the next one is typed into it.
const PATIENCE: Micros = Micros::from_secs(60);

pub fn run(mut arguments: lexopt::Parser) -> Result<ExitCode, lexopt::Error> {
    let (mut scenario, mut seed, mut until, mut lines, mut as_json) = (Scenario::default(), 1, None, Vec::new(), false);
    while let Some(argument) = arguments.next()? {
        match argument {
            Long("scenario") => scenario = Scenario::parse(&arguments.value()?.string()?)?,
            Long("seed") => seed = arguments.value()?.parse()?,
            Long("until") => until = Some(SimTime(arguments.value()?.parse::<u64>()? * 1_000_000)),
            Long("json") => as_json = true,
            Value(line) if line == "-" => {
                let text =
                    std::io::read_to_string(std::io::stdin()).map_err(|error| format!("standard input: {error}"))?;
                lines.extend(text.lines().map(str::to_owned));
            }
            Value(line) => lines.push(line.string()?),
            other => return Err(other.unexpected()),
        }
    }
    let mut lab = Lab::new(scenario, seed);
    lab.run_until(BEGIN, u64::MAX);
    let show = if as_json { show_as_json } else { show_as_text };
    let mut shown = 0;
    for text in lines {
        lab.input(&Input::Line { terminal: 0, text });
        let patience = lab.now() + PATIENCE;
        while lab.workstation().terminals()[0].is_running() && lab.now() < patience {
            lab.step();
        }
        shown = show_rest(&lab, shown, show);
    }
    if let Some(until) = until {
        lab.run_until(until, u64::MAX);
        show_rest(&lab, shown, show);
    }
    if !as_json {
        println!("-- {} after {} steps, state {}", lab.now(), lab.sim().steps(), lab.hash());
    }
    for violation in lab.check().violations() {
        eprintln!("-- broken: {violation}");
    }
    Ok(if lab.check().violations().is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Shows what was printed since, and says how much there is now.
pub fn show_rest(lab: &Lab, from: usize, show: fn(&[&Printed])) -> usize {
    let scrollback = lab.workstation().terminals()[0].scrollback();
    // Simplified: whoever prints more than a terminal keeps loses count.
    show(&scrollback.iter().skip(from).collect::<Vec<_>>());
    scrollback.len()
}

pub fn show_as_text(printed: &[&Printed]) {
    for printed in printed {
        match printed.kind {
            PrintedKind::Command => println!("[{}] $ {}", printed.at, printed.text),
            PrintedKind::Typed => println!("{}", printed.text),
            PrintedKind::Stdout => print!("{}", printed.text),
            PrintedKind::Stderr => eprint!("{}", printed.text),
            PrintedKind::Done(0) => {}
            PrintedKind::Done(status) => println!("[exit {status}]"),
        }
    }
}

/// The status is null for a line that runs on.
fn show_as_json(printed: &[&Printed]) {
    let all = |kind: PrintedKind| -> String {
        printed.iter().filter(|piece| piece.kind == kind).map(|piece| &*piece.text).collect()
    };
    let status = printed.iter().find_map(|piece| match piece.kind {
        PrintedKind::Done(status) => Some(status),
        _ => None,
    });
    let line = all(PrintedKind::Command);
    println!(
        "{}",
        json!({"line": line, "stdout": all(PrintedKind::Stdout), "stderr": all(PrintedKind::Stderr), "status": status})
    );
}
