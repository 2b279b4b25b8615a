//! Every lesson is a test: its start fails its goal, its solution reaches it under five seeds.

use control_plane_lab::lesson::{check_folder, runner::SEEDS};
use std::path::Path;

#[test]
fn every_lesson_can_be_solved_and_none_solves_itself() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("lessons");
    match check_folder(&folder, &mut |_| {}) {
        Ok(report) => {
            assert!(report.lessons >= 18, "{report:?}");
            assert_eq!(report.runs, report.lessons * SEEDS as usize);
        }
        Err(report) => {
            let problems: Vec<String> = report.problems.iter().map(ToString::to_string).collect();
            panic!("{}", problems.join("\n"));
        }
    }
}
