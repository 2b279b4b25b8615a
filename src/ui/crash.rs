//! The page's black box: what a mistake of ours must leave behind. A panic ends a page in WebAssembly, so the hook runs
//! with the world locked in whatever state it was in; it reads only what was written down here before.

use crate::lab::{Input, Timeline};
use crate::lab::archive::Archive;
use crate::sim::SimTime;
use std::cell::RefCell;
use std::panic::PanicHookInfo;
use wasm_bindgen::JsCast;

#[derive(Default)]
struct BlackBox {
    /// A saved world, up to its `moment` line.
    head: String,
    inputs: Vec<String>,
    /// The branch, and how many inputs it has had.
    place: (u32, u32),
    now: (u64, u64),
}

thread_local! {
    static BOX: RefCell<BlackBox> = RefCell::default();
}

/// Before an input is given to the world.
pub fn about_to(timeline: &Timeline, input: &Input) {
    let lab = timeline.lab();
    let line = format!("input {} {} {}", lab.now().0, lab.sim().steps(), input.text(lab.scenario()));
    BOX.with_borrow_mut(|record| {
        record.inputs.push(line);
        record.place.1 += 1;
    });
}

/// After the world changed. Cheap unless the playhead jumped to another past.
pub fn note(timeline: &Timeline, jumped: bool) {
    let lab = timeline.lab();
    let place = (timeline.branch().id, lab.inputs());
    BOX.with_borrow_mut(|record| {
        record.now = (lab.now().0, lab.sim().steps());
        if jumped || record.place != place {
            let archive = Archive { moment: (SimTime::ZERO, 0), ..Archive::of(timeline) };
            let text = archive.text();
            let (head, inputs): (Vec<&str>, Vec<&str>) = text.lines().partition(|line| !line.starts_with("input "));
            record.head = head.into_iter().filter(|line| !line.starts_with("moment ")).collect::<Vec<_>>().join("\n");
            record.inputs = inputs.into_iter().map(str::to_owned).collect();
            record.place = place;
        }
    });
}

/// Says what happened, on the page, with the world that it happened in.
pub fn install() {
    std::panic::set_hook(Box::new(|info| {
        console_error_panic_hook::hook(info);
        // Nothing here may panic again: what cannot be shown is in the console.
        let world = BOX.try_with(|record| record.try_borrow().ok().map(|record| record.text())).ok().flatten();
        show(info, &world.unwrap_or_default());
    }));
}

impl BlackBox {
    fn text(&self) -> String {
        let (at, steps) = self.now;
        format!("{}\nmoment {at} {steps}\n{}\n", self.head, self.inputs.join("\n"))
    }
}

fn show(info: &PanicHookInfo<'_>, world: &str) -> Option<()> {
    let document = web_sys::window()?.document()?;
    let element = |tag: &str, text: &str| {
        let element = document.create_element(tag).ok()?;
        element.set_text_content(Some(text));
        Some(element)
    };
    let panel = element("section", "")?;
    panel.set_class_name("crash");
    panel.set_attribute("role", "alert").ok()?;
    panel.append_child(element("h2", "The lab made a mistake of its own")?.as_ref()).ok()?;
    panel.append_child(element("p", &format!("{info}"))?.as_ref()).ok()?;
    let advice = "This is a fault of the lab, not of anything you did. The text below is your world: its scenario, seed and \
                  everything that you did. Copy it into a report and the mistake can be reproduced. Reload the page to go on.";
    panel.append_child(element("p", advice)?.as_ref()).ok()?;
    let text = element("textarea", "")?.dyn_into::<web_sys::HtmlTextAreaElement>().ok()?;
    text.set_value(world);
    text.set_read_only(true);
    text.set_attribute("aria-label", "Your world as text").ok()?;
    panel.append_child(text.as_ref()).ok()?;
    document.body()?.append_child(panel.as_ref()).ok()?;
    text.focus().ok()?;
    text.select();
    Some(())
}
