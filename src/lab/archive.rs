//! A world as text, and as the part of a link behind `#`: what it is made of, the seed, what the learner did, and the
//! moment. Opening one replays it; nothing of the state itself is stored, so the same text gives the same bytes anywhere.
//!
//! ```text
//!   control-plane-lab 1
//!   scenario members=3
//!   seed 7
//!   snapshot 5f1c…                         if the world began from a snapshot file: its SHA-256
//!   moment 14203118 531                     microseconds and steps of the playhead
//!   input 14160000 498 line 1 etcdctl put a 1
//! ```
//!
//! Both are read as hostile: sizes are bounded before anything is unpacked, and every mistake is named.

use super::{Import, Input, Lab, Logged, Scenario, SnapshotId, Timeline};
use crate::sim::SimTime;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use std::fmt::Write as _;

/// The first line's name and version.
const FORMAT: &str = "control-plane-lab 1";
/// A saved world is no larger than this.
pub const TEXT_BYTES_MAX: usize = 16 << 20;
/// Browsers and messengers cut longer links; such a world is saved to a file instead.
pub const LINK_BYTES_MAX: usize = 32_000;
const INPUTS_MAX: usize = 100_000;
/// The longest life that is replayed: a day.
const MOMENT_MAX: u64 = 86_400_000_000;

/// What a saved world says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Archive {
    pub scenario: Scenario,
    pub seed: u64,
    /// The snapshot file that the world began from; the file itself is not part of what is saved.
    pub snapshot: Option<SnapshotId>,
    /// The playhead: time and steps.
    pub moment: (SimTime, u64),
    pub inputs: Vec<Logged>,
}

impl Archive {
    /// The playhead's world: its branch's inputs up to here.
    pub fn of(timeline: &Timeline) -> Archive {
        let lab = timeline.lab();
        Archive {
            scenario: *lab.scenario(),
            seed: lab.seed(),
            snapshot: lab.snapshot(),
            moment: (lab.now(), lab.sim().steps()),
            inputs: timeline.branch().inputs()[..lab.inputs() as usize].to_vec(),
        }
    }

    /// Replays it to its moment.
    ///
    /// # Errors
    /// It began from a snapshot file, and `import` is none of it.
    pub fn open(self, import: Option<&Import>) -> Result<Timeline, String> {
        let lab = match (self.snapshot, import) {
            (None, _) => Lab::new(self.scenario, self.seed),
            (Some(id), Some(import)) if import.fits(id, &self.scenario) => {
                Lab::restored(self.scenario, self.seed, import)
            }
            (Some(id), _) => {
                return Err(format!(
                    "it began from a snapshot file, which is not saved with it: open that file first; \
                     its SHA-256 is {id}"
                ));
            }
        };
        let mut timeline = Timeline::begin(lab, self.inputs);
        timeline.seek_exactly(self.moment.0, self.moment.1);
        Ok(timeline)
    }

    pub fn text(&self) -> String {
        let mut text = format!("{FORMAT}\nscenario {}\nseed {}\n", self.scenario.text(), self.seed);
        if let Some(id) = self.snapshot {
            writeln!(text, "snapshot {id}").expect("a String takes everything");
        }
        writeln!(text, "moment {} {}", self.moment.0.0, self.moment.1).expect("a String takes everything");
        for Logged { at, steps, input } in &self.inputs {
            let input = input.text(&self.scenario);
            writeln!(text, "input {} {steps} {input}", at.0).expect("a String takes everything");
        }
        text
    }

    /// Reads a saved world.
    ///
    /// # Errors
    /// The line's number, what is wrong, and what was expected.
    pub fn parse(text: &str) -> Result<Archive, String> {
        if text.len() > TEXT_BYTES_MAX {
            return Err(format!("a saved world of {} bytes; at most {TEXT_BYTES_MAX} are read", text.len()));
        }
        let mut lines = text.lines();
        if lines.next() != Some(FORMAT) {
            return Err(format!("line 1: expected \"{FORMAT}\"; this is not a saved world, or one of another version"));
        }
        let mut archive = Archive {
            scenario: Scenario::default(),
            seed: 0,
            snapshot: None,
            moment: (SimTime::ZERO, 0),
            inputs: Vec::new(),
        };
        for (position, line) in lines.enumerate() {
            archive.line(line).map_err(|error| format!("line {}: {error}", position + 2))?;
        }
        if archive.inputs.last().is_some_and(|last| (last.at, last.steps) > archive.moment) {
            return Err("the moment lies before the last input".to_owned());
        }
        Ok(archive)
    }

    fn line(&mut self, line: &str) -> Result<(), String> {
        let (key, value) = line.split_once(' ').unwrap_or((line, ""));
        match key {
            "" => {}
            "scenario" => self.scenario = Scenario::parse(value)?,
            "seed" => self.seed = value.parse().map_err(|_| format!("seed \"{value}\": expected a number"))?,
            "snapshot" => {
                let id = SnapshotId::parse(value);
                self.snapshot = Some(id.ok_or_else(|| format!("snapshot \"{value}\": expected a SHA-256"))?);
            }
            "moment" => self.moment = moment(&mut value.split(' '))?,
            "input" => {
                let mut words = value.splitn(3, ' ');
                let (at, steps) = moment(&mut words)?;
                if self.inputs.last().is_some_and(|last| (last.at, last.steps) > (at, steps) || last.steps > steps) {
                    return Err("an input may not lie before the one above it".to_owned());
                }
                if self.inputs.len() == INPUTS_MAX {
                    return Err(format!("more than {INPUTS_MAX} inputs"));
                }
                let input = Input::parse(words.next().unwrap_or_default(), &self.scenario)?;
                self.inputs.push(Logged { at, steps, input });
            }
            _ => return Err(format!("unknown word \"{key}\"; expected scenario, seed, snapshot, moment or input")),
        }
        Ok(())
    }

    /// The world packed for a link.
    ///
    /// # Errors
    /// It is too long for one; save a file.
    pub fn link(&self) -> Result<String, String> {
        let packed = URL_SAFE_NO_PAD.encode(miniz_oxide::deflate::compress_to_vec(self.text().as_bytes(), 9));
        if packed.len() > LINK_BYTES_MAX {
            return Err(format!(
                "this world needs a link of {} characters, more than the {LINK_BYTES_MAX} that survive being sent; \
                 save it as a file instead",
                packed.len()
            ));
        }
        Ok(packed)
    }

    /// Reads what [`Archive::link`] made.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn from_link(packed: &str) -> Result<Archive, String> {
        if packed.len() > 4 * LINK_BYTES_MAX {
            return Err("the link is too long to be one of ours".to_owned());
        }
        let bytes = URL_SAFE_NO_PAD.decode(packed).map_err(|_| "the link is damaged: not base64url".to_owned())?;
        let text = miniz_oxide::inflate::decompress_to_vec_with_limit(&bytes, TEXT_BYTES_MAX)
            .map_err(|_| "the link is damaged, or cut short: it does not unpack".to_owned())?;
        let text = String::from_utf8(text).map_err(|_| "the link is damaged: not text".to_owned())?;
        Archive::parse(&text)
    }
}

fn moment<'a>(words: &mut impl Iterator<Item = &'a str>) -> Result<(SimTime, u64), String> {
    let mut number = |what: &str| {
        let word = words.next().unwrap_or_default();
        word.parse::<u64>().map_err(|_| format!("\"{word}\": expected {what}"))
    };
    let (at, steps) = (number("a time in microseconds")?, number("a number of steps")?);
    if at > MOMENT_MAX {
        return Err(format!("{at} microseconds; worlds are replayed for at most {MOMENT_MAX}"));
    }
    Ok((SimTime(at), steps))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::{Fault, HostId};

    fn lived() -> Timeline {
        let mut timeline = Timeline::new(Scenario::default(), 7);
        timeline.run_until(SimTime(1_500_000), u64::MAX);
        timeline.act(Input::Line { terminal: 0, text: "etcdctl put a 'first \\ edition'".to_owned() });
        timeline.run_until(SimTime(1_700_000), u64::MAX);
        timeline.act(Input::Fault(Fault::PowerOff { host: HostId(0) }));
        timeline.run_until(SimTime(4_000_000), u64::MAX);
        timeline.step();
        timeline
    }

    #[test]
    fn a_link_brings_back_the_same_bytes() {
        let timeline = lived();
        let archive = Archive::of(&timeline);
        let back = Archive::from_link(&archive.link().unwrap()).unwrap();
        assert_eq!(back, archive);
        assert_eq!(back.open(None).unwrap().lab().hash(), timeline.lab().hash());
    }

    #[test]
    fn damage_is_named_and_never_believed() {
        let good = Archive::of(&lived()).link().unwrap();
        for position in (0..good.len()).step_by(7) {
            let mut bad = good.clone().into_bytes();
            bad[position] = if bad[position] == b'A' { b'B' } else { b'A' };
            // Whatever comes of it, it is an error or a world that opens.
            if let Ok(archive) = Archive::from_link(&String::from_utf8(bad).unwrap()) {
                assert!(archive.inputs.len() <= 3);
            }
        }
        let wrong = |text: &str| Archive::parse(text).unwrap_err();
        assert!(wrong("hello").contains("not a saved world"));
        assert!(wrong("control-plane-lab 1\nseed x").starts_with("line 2: seed \"x\": expected a number"));
        assert!(wrong("control-plane-lab 1\ninput 5 5 end 1\ninput 4 4 end 1").starts_with("line 3: an input may not"));
        assert!(wrong("control-plane-lab 1\nmoment 99999999999999 0").contains("at most"));
        assert!(Archive::from_link("%%%").unwrap_err().contains("not base64url"));
        assert!(Archive::from_link(&"A".repeat(1 << 20)).unwrap_err().contains("too long"));
    }
}
