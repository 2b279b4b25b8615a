//! `ls`, `cp`, `mv`, `rm` and their like: programs that say at once what they have to say.

use super::files::{FileError, Files, Listed, base_name};
use bytes::Bytes;

/// What they are called and what they do, for `help`.
pub const COMMANDS: &[(&str, &str)] = &[
    ("cp", "copy files: cp [-r] FROM TO"),
    ("ls", "list files: ls [-l] [PATH]"),
    ("mkdir", "make directories: mkdir [-p] PATH"),
    ("mv", "give a file another name"),
    ("pwd", "print where the shell is"),
    ("rm", "remove files: rm [-rf] PATH"),
    ("rmdir", "remove empty directories"),
    ("touch", "make empty files"),
];

/// What such a program prints, and how it ends.
#[derive(Default)]
pub struct Outcome {
    pub stdout: String,
    pub stderr: String,
    pub status: i32,
}

impl Outcome {
    fn fail(&mut self, message: String) {
        self.stderr += &(message + "\n");
        self.status = 1;
    }
}

/// `None` if `name` is none of them.
pub fn run(name: &str, arguments: &[String], files: &mut Files) -> Option<Outcome> {
    let dashed = |argument: &&String| argument.len() > 1 && argument.starts_with('-');
    let letters: String = arguments.iter().take_while(dashed).flat_map(|argument| argument[1..].chars()).collect();
    let paths: Vec<&str> = arguments.iter().skip_while(dashed).map(String::as_str).collect();
    let known = match name {
        "cp" => "ra",
        "ls" => "la1h",
        "mkdir" => "p",
        "rm" => "rfR",
        "mv" | "pwd" | "rmdir" | "touch" => "",
        _ => return None,
    };
    let mut outcome = Outcome::default();
    if let Some(unknown) = letters.chars().find(|letter| !known.contains(*letter)) {
        outcome.fail(format!("{name}: option -{unknown} is not built into this lab"));
        return Some(outcome);
    }
    let has = |letter: char| letters.contains(letter);
    match name {
        "pwd" => outcome.stdout = format!("{}\n", super::files::HOME),
        "ls" => ls(&paths, has('l'), files, &mut outcome),
        _ if paths.is_empty() => outcome.fail(format!("{name}: missing operand")),
        "cp" => copy(&paths, has('r') || has('R') || has('a'), files, &mut outcome),
        "mv" => rename(&paths, files, &mut outcome),
        "rm" => remove(&paths, has('r') || has('R'), has('f'), files, &mut outcome),
        _ => {
            for path in paths {
                let (done, doing) = match name {
                    "mkdir" if has('p') => (files.make_directories(path), "cannot create directory"),
                    "mkdir" => (files.make_directory(path), "cannot create directory"),
                    "rmdir" if !files.is_directory(path) && files.exists(path) => {
                        (Err(FileError::NotDirectory), "failed to remove")
                    }
                    "rmdir" => (files.remove(path), "failed to remove"),
                    _ if files.is_directory(path) => (Ok(()), "touch"),
                    _ => (files.append(path, b""), "cannot touch"),
                };
                if let Err(error) = done {
                    let quote = if name == "mkdir" { ("\u{2018}", "\u{2019}") } else { ("'", "'") };
                    outcome.fail(format!("{name}: {doing} {}{path}{}: {error}", quote.0, quote.1));
                }
            }
        }
    }
    Some(outcome)
}

fn ls(paths: &[&str], long: bool, files: &Files, outcome: &mut Outcome) {
    let here = ["."];
    let paths = if paths.is_empty() { &here } else { paths };
    // Simplified: a long listing shows kind, size and name; there are no owners, modes and times.
    let line = |listed: &Listed| match long {
        true => format!("{} {:>10} {}\n", if listed.is_directory { 'd' } else { '-' }, listed.bytes, listed.name),
        false => format!("{}\n", listed.name),
    };
    let mut blocks = Vec::new();
    for path in paths {
        match files.list(path) {
            Ok(list) if paths.len() > 1 && files.is_directory(path) => {
                blocks.push(format!("{path}:\n{}", list.iter().map(line).collect::<String>()));
            }
            Ok(list) => blocks.push(list.iter().map(line).collect()),
            Err(error) => {
                outcome.fail(format!("ls: cannot access '{path}': {error}"));
                outcome.status = 2;
            }
        }
    }
    outcome.stdout = blocks.join(if paths.len() > 1 { "\n" } else { "" });
}

/// Where `from` goes when it is told to go to `to`: into a directory, or under that name.
fn target(from: &str, to: &str, files: &Files) -> String {
    if files.is_directory(to) { format!("{to}/{}", base_name(from)) } else { to.to_owned() }
}

/// The last of the paths and those before it, if several may go there.
fn sources<'a>(program: &str, paths: &[&'a str], files: &Files) -> Result<(Vec<&'a str>, &'a str), String> {
    match paths {
        [from @ .., to] if !from.is_empty() => match from.len() > 1 && !files.is_directory(to) {
            true => Err(format!("{program}: target '{to}' is not a directory")),
            false => Ok((from.to_vec(), to)),
        },
        [only] => Err(format!("{program}: missing destination file operand after '{only}'")),
        _ => Err(format!("{program}: missing file operand")),
    }
}

fn copy(paths: &[&str], recursive: bool, files: &mut Files, outcome: &mut Outcome) {
    let (from, to) = match sources("cp", paths, files) {
        Ok(found) => found,
        Err(message) => return outcome.fail(message),
    };
    for from in from {
        let into = target(from, to, files);
        if files.is_directory(from) && !recursive {
            outcome.fail(format!("cp: -r not specified; omitting directory '{from}'"));
        } else if let Err((path, error)) = copy_tree(from, &into, files, DEPTH_MAX) {
            outcome.fail(format!("cp: cannot copy '{path}': {error}"));
        }
    }
}

/// Directories inside directories that are copied.
const DEPTH_MAX: usize = 64;

fn copy_tree(from: &str, to: &str, files: &mut Files, depth: usize) -> Result<(), (String, FileError)> {
    let named = |error: FileError| (from.to_owned(), error);
    if !files.is_directory(from) {
        let content: Bytes = files.read(from).map_err(named)?;
        return files.write(to, content).map_err(|error| (to.to_owned(), error));
    }
    let inside = files.list(from).map_err(named)?;
    if depth == 0 {
        return Err(named(FileError::NameTooLong));
    }
    files.make_directories(to).map_err(|error| (to.to_owned(), error))?;
    for listed in inside {
        copy_tree(&format!("{from}/{}", listed.name), &format!("{to}/{}", listed.name), files, depth - 1)?;
    }
    Ok(())
}

fn rename(paths: &[&str], files: &mut Files, outcome: &mut Outcome) {
    let (from, to) = match sources("mv", paths, files) {
        Ok(found) => found,
        Err(message) => return outcome.fail(message),
    };
    for from in from {
        let into = target(from, to, files);
        if let Err(error) = files.rename(from, &into) {
            outcome.fail(match error {
                FileError::NotFound if !files.exists(from) => format!("mv: cannot stat '{from}': {error}"),
                error => format!("mv: cannot move '{from}' to '{into}': {error}"),
            });
        }
    }
}

fn remove(paths: &[&str], recursive: bool, force: bool, files: &mut Files, outcome: &mut Outcome) {
    for path in paths {
        let done = match files.is_directory(path) {
            true if recursive => files.remove_all(path),
            true => Err(FileError::IsDirectory),
            false => files.remove(path),
        };
        match done {
            Ok(()) => {}
            Err(FileError::NotFound) if force => {}
            Err(error) => outcome.fail(format!("rm: cannot remove '{path}': {error}")),
        }
    }
}
