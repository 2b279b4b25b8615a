//! Every transcript of `tests/testdata/transcript`, run in a world of its own. `UPDATE_EXPECT=1` rewrites them.

use control_plane_lab::transcript;
use std::fs;
use std::path::PathBuf;

#[test]
fn transcripts() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/testdata/transcript");
    let mut files: Vec<PathBuf> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(!files.is_empty());
    let mut wrong = Vec::new();
    for file in &files {
        let expected = fs::read_to_string(file).unwrap();
        let actual = transcript::rewrite(&expected);
        if actual == expected {
            continue;
        }
        if std::env::var_os("UPDATE_EXPECT").is_some() {
            fs::write(file, actual).unwrap();
            continue;
        }
        let line = expected.lines().zip(actual.lines()).position(|(one, other)| one != other).unwrap_or(0);
        let show = |text: &str| text.lines().skip(line).take(12).collect::<Vec<_>>().join("\n");
        wrong.push(format!(
            "{}:{}\nexpected\n{}\nbut it is\n{}",
            file.display(),
            line + 1,
            show(&expected),
            show(&actual)
        ));
    }
    println!("{} transcripts", files.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}
