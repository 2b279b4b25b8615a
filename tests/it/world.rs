//! A small world to act in: what several tests do with one.

use control_plane_lab::lab::{Input, Lab, Scenario};
use control_plane_lab::sim::{Fault, HostId, Micros};

/// A world of this scenario in which a leader was elected.
pub fn lab(scenario: &str) -> Lab {
    let mut lab = Lab::new(Scenario::parse(scenario).expect("a scenario"), 1);
    run(&mut lab, 2_000);
    lab
}

pub fn run(lab: &mut Lab, millis: u64) {
    lab.run_until(lab.now() + Micros::from_millis(millis), u64::MAX);
}

/// Types a line, and says what was printed within so many milliseconds.
pub fn type_line(lab: &mut Lab, text: &str, millis: u64) -> String {
    let printed = |lab: &Lab| lab.workstation().terminals()[0].scrollback().len();
    let before = printed(lab);
    lab.input(&Input::Line { terminal: 0, text: text.to_owned() });
    run(lab, millis);
    let pieces = lab.workstation().terminals()[0].scrollback();
    pieces.iter().skip(before).map(|piece| piece.text.as_ref()).collect()
}

pub fn inflict(lab: &mut Lab, fault: Fault) {
    lab.input(&Input::Fault(fault));
}

/// A running member that does not lead.
pub fn follower(lab: &Lab) -> HostId {
    lab.members().find(|(_, member)| member.lead() != member.id()).expect("not all lead").0
}

/// No promise was broken.
pub fn sound(lab: &Lab) {
    assert_eq!(lab.check().violations().len(), 0, "{}", lab.check().violations()[0]);
}
