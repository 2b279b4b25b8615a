//! `lab`: the engine without the page.

use control_plane_lab::etcd::Rule;
use control_plane_lab::lab::{Scenario, archive::Archive, fuzz};
use control_plane_lab::lesson;
use lexopt::prelude::*;
use std::path::Path;
use std::process::ExitCode;

mod run;
#[cfg(feature = "serve")]
mod serve;

const HELP: &str = "\
lab: the engine of Control Plane Lab, without the page

USAGE
  lab run [--scenario TEXT] [--seed N] [--until SECONDS] [--json] [LINE ...]
        types each LINE into terminal 1, one after the other, and prints what it prints; a LINE of - stands for the lines
        of standard input; --json prints an object for each, of line, stdout, stderr and status
  lab replay FILE            opens a saved world and prints its moment and state hash
  lab fuzz [--seeds N] [--first N] [--members N] [--without RULE]
        lives through 60 virtual seconds of faults with each seed and checks every promise: Raft's, linearizability of
        what clients saw, etcd's for watches; --without RULE breaks a rule, to see it caught
  lab fuzz --seed N [--events N]
        lives through one seed and prints its last events, 30 unless told
  lab serve [--scenario TEXT] [--seed N] [--port N] [--kubeconfig FILE]
        a world with API servers at 127.0.0.1 for real clients; writes a kubeconfig for them; lines of standard input are
        typed into terminal 1 (feature `serve`)
  lab lessons check [DIR]    proves every lesson: its start fails its goal, its solution reaches it
";

fn main() -> ExitCode {
    match command() {
        Ok(code) => code,
        Err(error) => {
            eprintln!("lab: {error}\n\n{HELP}");
            ExitCode::from(2)
        }
    }
}

fn command() -> Result<ExitCode, lexopt::Error> {
    let mut arguments = lexopt::Parser::from_env();
    match arguments.next()? {
        Some(Value(word)) if word == "run" => run::run(arguments),
        Some(Value(word)) if word == "replay" => replay(arguments),
        Some(Value(word)) if word == "fuzz" => search(arguments),
        Some(Value(word)) if word == "lessons" => lessons(arguments),
        Some(Value(word)) if word == "serve" => serve(arguments),
        Some(Long("help") | Short('h')) | None => {
            print!("{HELP}");
            Ok(ExitCode::SUCCESS)
        }
        Some(argument) => Err(argument.unexpected()),
    }
}

fn replay(mut arguments: lexopt::Parser) -> Result<ExitCode, lexopt::Error> {
    let file = arguments.value()?;
    let text = std::fs::read_to_string(&file).map_err(|error| format!("{}: {error}", file.to_string_lossy()))?;
    let timeline = Archive::parse(&text)?.open(None)?;
    let lab = timeline.lab();
    println!("{} after {} steps and {} inputs, state {}", lab.now(), lab.sim().steps(), lab.inputs(), lab.hash());
    Ok(ExitCode::SUCCESS)
}

#[cfg(feature = "serve")]
fn serve(mut arguments: lexopt::Parser) -> Result<ExitCode, lexopt::Error> {
    let scenario = Scenario { apiservers: 1, ..Scenario::default() };
    let mut options = serve::Options { scenario, seed: 1, port: 0, kubeconfig: None };
    while let Some(argument) = arguments.next()? {
        match argument {
            Long("scenario") => options.scenario = Scenario::parse(&arguments.value()?.string()?)?,
            Long("seed") => options.seed = arguments.value()?.parse()?,
            Long("port") => options.port = arguments.value()?.parse()?,
            Long("kubeconfig") => options.kubeconfig = Some(arguments.value()?.string()?),
            other => return Err(other.unexpected()),
        }
    }
    if options.scenario.apiservers == 0 {
        return Err("--scenario: expected apiservers=1 or more".into());
    }
    serve::serve(options).map_err(lexopt::Error::Custom)?;
    Ok(ExitCode::SUCCESS)
}

#[cfg(not(feature = "serve"))]
fn serve(_: lexopt::Parser) -> Result<ExitCode, lexopt::Error> {
    Err("serve: this program was built without it; build with --features serve".into())
}

fn lessons(mut arguments: lexopt::Parser) -> Result<ExitCode, lexopt::Error> {
    let verb = arguments.value()?;
    if verb != "check" {
        return Err(format!("lessons {}: expected check", verb.to_string_lossy()).into());
    }
    let folder = match arguments.next()? {
        None => "lessons".into(),
        Some(Value(folder)) => folder,
        Some(other) => return Err(other.unexpected()),
    };
    let checked = lesson::check_folder(Path::new(&folder), &mut |line| println!("{line}"));
    let (report, code) = match checked {
        Ok(report) => (report, ExitCode::SUCCESS),
        Err(report) => (report, ExitCode::FAILURE),
    };
    for problem in &report.problems {
        println!("{}/{problem}", folder.to_string_lossy());
    }
    println!(
        "{} lessons, {} steps, {} runs, {} problems",
        report.lessons,
        report.steps,
        report.runs,
        report.problems.len()
    );
    Ok(code)
}

fn search(mut arguments: lexopt::Parser) -> Result<ExitCode, lexopt::Error> {
    let (mut scenario, mut seeds, mut first, mut one, mut shown) = (Scenario::default(), 100_u64, 1_u64, None, 30);
    while let Some(argument) = arguments.next()? {
        match argument {
            Long("seeds") => seeds = arguments.value()?.parse()?,
            Long("first") => first = arguments.value()?.parse()?,
            Long("events") => shown = arguments.value()?.parse()?,
            Long("seed") => one = Some(arguments.value()?.parse()?),
            Long("members") => {
                scenario.members = Scenario::parse(&format!("members={}", arguments.value()?.string()?))?.members;
            }
            Long("without") => {
                let name = arguments.value()?.string()?;
                let rule = Rule::named(&name).ok_or_else(|| {
                    let names: Vec<&str> = Rule::ALL.iter().map(|rule| rule.name()).collect();
                    format!("--without {name}: expected one of {}", names.join(", "))
                })?;
                scenario.rules = scenario.rules.without(rule);
            }
            other => return Err(other.unexpected()),
        }
    }
    let range = one.map_or(first..first + seeds, |seed| seed..seed + 1);
    let (mut failed, mut acknowledged, mut watched, mut steps) = (0_u64, 0, 0, 0);
    for seed in range.clone() {
        let outcome = fuzz::run(seed, scenario);
        acknowledged += outcome.acknowledged;
        watched += outcome.watched;
        steps += outcome.steps;
        if !outcome.problems.is_empty() {
            failed += 1;
            for problem in &outcome.problems {
                println!("seed {seed}: {problem}");
            }
            println!("seed {seed}: replay with: {}", fuzz::replay_command(seed, &scenario));
        }
        if one.is_some() {
            let events: Vec<_> = outcome.lab.sim().trace().iter().rev().take(shown).collect();
            for event in events.iter().rev() {
                println!("{} {:?} <- {:?} host {} {:?}", event.at, event.id, event.cause, event.host.0, event.what);
            }
            println!("state {}", outcome.lab.hash());
        } else if (seed - range.start + 1) % 100 == 0 {
            eprintln!("{} seeds, {failed} failed", seed - range.start + 1);
        }
    }
    let passed = range.end - range.start - failed;
    println!("{acknowledged} calls answered, {watched} events watched, {steps} steps");
    println!("{passed} passed, {failed} failed");
    Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
