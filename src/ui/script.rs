//! `window.lab`: the page for other scripts, for host pages and tests. Documented in docs/scripting.md.

use super::browser;
use super::session::Session;
use super::worlds::Worlds;
use crate::etcd::backend::{Backend, HashCheck};
use crate::etcd::lease::Lessor;
use crate::lab::api_load::{ApiLoad, Verb, kept_pod};
use crate::lab::load::{self, Call, KEYS, Load};
use crate::lab::workstation::PrintedKind;
use crate::lab::{Input, Timeline};
use crate::sim::{Micros, SimTime};
use gloo_timers::future::TimeoutFuture;
use js_sys::{Object, Promise, Reflect};
use leptos::prelude::*;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::future_to_promise;

/// A line may take this long in virtual time.
const PATIENCE: Micros = Micros::from_secs(120);
/// Things that happen before the page gets a breath.
const STEPS: u64 = 5_000;
/// Calls in flight of a measured load, and how much may be asked of one.
const IN_FLIGHT: u64 = 64;
const LOAD_MAX: u32 = 1_000_000;

pub fn install(session: Session, worlds: Worlds) {
    let lab = Object::new();
    let set = |name: &str, value: &JsValue| {
        // A fresh object takes every property.
        Reflect::set(&lab, &name.into(), value).ok();
    };
    set("version", &env!("CARGO_PKG_VERSION").into());
    set("run", &function(move |line: String| future_to_promise(run(session, line))));
    set("play", &action(move || session.playing.set(true)));
    set("pause", &action(move || session.playing.set(false)));
    set("step", &action(move || session.step()));
    let seek =
        Closure::<dyn Fn(f64)>::new(move |ms: f64| session.seek(SimTime((ms.max(0.0) * 1_000.0).round() as u64)));
    set("seek", &seek.into_js_value());
    let now = Closure::<dyn Fn() -> f64>::new(move || session.look(|timeline| timeline.lab().now().0) as f64 / 1_000.0);
    set("now", &now.into_js_value());
    let hash = Closure::<dyn Fn() -> String>::new(move || session.look(|timeline| timeline.lab().hash()));
    set("hash", &hash.into_js_value());
    set("link", &fallible(move |_| worlds.link().map(JsValue::from)));
    set("input", &fallible(move |text| input(session, &text).map(|()| JsValue::UNDEFINED)));
    set("open", &fallible(move |text| worlds.open_text(&text).map(|()| JsValue::UNDEFINED)));
    set("load", &fallible(|text| load(&text).map(JsValue::from)));
    Reflect::set(&window(), &"lab".into(), &lab).ok();
}

fn action(act: impl Fn() + 'static) -> JsValue {
    Closure::<dyn Fn()>::new(act).into_js_value()
}

fn function(call: impl Fn(String) -> Promise + 'static) -> JsValue {
    Closure::<dyn Fn(String) -> Promise>::new(call).into_js_value()
}

/// What it refuses is thrown as an `Error`.
fn fallible(call: impl Fn(String) -> Result<JsValue, String> + 'static) -> JsValue {
    let throwing =
        move |text: Option<String>| call(text.unwrap_or_default()).map_err(|error| js_sys::Error::new(&error).into());
    Closure::<dyn Fn(Option<String>) -> Result<JsValue, JsValue>>::new(throwing).into_js_value()
}

/// Lets a cluster of its own work, beside the world on the page: how many milliseconds it took. For `memory`, how many
/// bytes the page's memory grew by.
fn load(text: &str) -> Result<f64, String> {
    let (what, count) = text.split_once(' ').unwrap_or((text, "1"));
    let count = count.parse::<u32>().ok().filter(|count| (1..=LOAD_MAX).contains(count));
    let count = count.ok_or_else(|| format!("expected a number from 1 to {LOAD_MAX} behind \"{what}\""))?;
    let timed = |work: &mut dyn FnMut()| {
        let start = browser::now();
        work();
        browser::now() - start
    };
    if let Some(what) = what.strip_prefix("api-") {
        return api_load(what, count, &timed);
    }
    let mut cluster = Load::default();
    Ok(match what {
        "watch" => {
            cluster.watch(count);
            timed(&mut || cluster.fan_out(count))
        }
        "range-all" => {
            cluster.run(Call::Put, KEYS, IN_FLIGHT);
            timed(&mut || cluster.run(Call::RangeAll, count.into(), 1))
        }
        "restart" => {
            let file = load::snapshot_of(count as usize);
            timed(&mut || drop(Backend::open(&file, HashCheck::Required, Lessor::default())))
        }
        "memory" => {
            let before = memory();
            let store = load::filled(count as usize, 1);
            let grown = memory() - before;
            drop(store);
            grown
        }
        _ => {
            let words = "put, txn, range, serializable-range, range-all, watch, restart, memory or api-…";
            let call = Call::named(what).ok_or_else(|| format!("unknown load \"{what}\"; expected {words}"))?;
            timed(&mut || cluster.run(call, count.into(), IN_FLIGHT))
        }
    })
}

/// The same for an API server. Lists and watches are of a world that has as many pods, or watchers, as the count says.
fn api_load(what: &str, count: u32, timed: &dyn Fn(&mut dyn FnMut()) -> f64) -> Result<f64, String> {
    let mut load = ApiLoad::default();
    let in_flight = IN_FLIGHT as usize;
    Ok(match what {
        "list" | "list-etcd" => {
            load.fill(count.into());
            timed(&mut || {
                load.list(what == "list-etcd");
            })
        }
        "watch" => {
            load.fill(1);
            load.watch(count);
            timed(&mut || load.fan_out())
        }
        "encode" | "decode" => {
            let (endpoint, object) = kept_pod();
            let bytes = endpoint.encode(&object)?;
            timed(&mut || {
                for _ in 0..count {
                    match what {
                        "encode" => drop(endpoint.encode(&object)),
                        _ => drop(endpoint.decode(&bytes, 1)),
                    }
                }
            })
        }
        "memory" => {
            let before = memory();
            load.fill(count.into());
            memory() - before
        }
        _ => {
            let words = "create, get, patch, update, delete, list, list-etcd, watch, encode, decode or memory";
            let verb = Verb::named(what).ok_or_else(|| format!("unknown load \"api-{what}\"; expected {words}"))?;
            if verb != Verb::Create {
                load.fill(if verb == Verb::Delete { count.into() } else { 1_000 });
            }
            timed(&mut || load.run(verb, count.into(), in_flight))
        }
    })
}

/// Bytes that the page's code has taken from the browser.
fn memory() -> f64 {
    let memory: js_sys::WebAssembly::Memory = wasm_bindgen::memory().unchecked_into();
    f64::from(memory.buffer().unchecked_into::<js_sys::ArrayBuffer>().byte_length())
}

fn input(session: Session, text: &str) -> Result<(), String> {
    let input = session.look(|timeline| Input::parse(text, timeline.lab().scenario()))?;
    session.act(input);
    Ok(())
}

/// Types a line into the first terminal and lets time run until it is done, paused or not.
async fn run(session: Session, line: String) -> Result<JsValue, JsValue> {
    let running = |timeline: &Timeline| timeline.lab().workstation().terminals()[0].is_running();
    if session.look(running) {
        return Err(js_sys::Error::new("terminal 1 still runs a program; lab.input(\"interrupt 1\") ends it").into());
    }
    session.act(Input::Line { terminal: 0, text: line });
    let end = session.look(|timeline| timeline.lab().now()) + PATIENCE;
    while !session.run_until_idle(0, end, STEPS) {
        if session.look(|timeline| timeline.lab().now()) >= end {
            return Err(js_sys::Error::new(&format!("the line is not done after {PATIENCE} of virtual time")).into());
        }
        TimeoutFuture::new(0).await;
    }
    Ok(session.look(last_answer).into())
}

/// What the last line of the first terminal printed: `{stdout, stderr, code}`.
fn last_answer(timeline: &Timeline) -> Object {
    let pieces = timeline.lab().workstation().terminals()[0].scrollback();
    let (mut stdout, mut stderr, mut code) = (String::new(), String::new(), 0);
    let start = pieces.iter().rposition(|piece| piece.kind == PrintedKind::Command).map_or(0, |position| position + 1);
    for piece in pieces.iter().skip(start) {
        match piece.kind {
            PrintedKind::Stdout => stdout.push_str(&piece.text),
            PrintedKind::Stderr => stderr.push_str(&piece.text),
            PrintedKind::Done(status) => code = status,
            PrintedKind::Command | PrintedKind::Typed => {}
        }
    }
    let answer = Object::new();
    for (name, value) in [("stdout", stdout.into()), ("stderr", stderr.into()), ("code", JsValue::from(code))] {
        // A fresh object takes every property.
        Reflect::set(&answer, &name.into(), &value).ok();
    }
    answer
}
