//! What members measured in the last minutes: small charts with a line for each member, and the alerts over them.

use super::super::session::Session;
use super::empty::{Empty, Runnable};
use crate::lab::Topic;
use crate::lab::gauges::EVERY;
use crate::projection::metrics::{Alert, Chart, Line, Measured, MetricsView as Seen};
use crate::projection::words;
use crate::sim::{Micros, SimTime};
use leptos::ev::{KeyboardEvent, PointerEvent};
use leptos::html;
use leptos::prelude::*;
use std::fmt::Write as _;

/// A chart's own units; it is stretched to the room that there is.
const WIDTH: f64 = 300.0;
const HEIGHT: f64 = 72.0;
/// Members beyond these share the last one's looks.
const LOOKS: usize = 7;

/// From when to when, and where values are read off.
#[derive(Clone, Copy)]
struct Reader {
    span: Memo<(SimTime, SimTime)>,
    cursor: RwSignal<Option<SimTime>>,
}

impl Reader {
    /// A whole second within what is shown.
    fn set(&self, to: SimTime) {
        let (from, end) = self.span.get_untracked();
        let whole = SimTime((to.0 + EVERY.0 / 2) / EVERY.0 * EVERY.0);
        self.cursor.set(Some(whole.clamp(from.max(SimTime::ZERO + EVERY).min(end), end)));
    }

    fn shift(&self, seconds: i64) {
        let (_, end) = self.span.get_untracked();
        let at = self.cursor.get_untracked().unwrap_or(end);
        let by = Micros(seconds.unsigned_abs() * EVERY.0);
        self.set(if seconds < 0 { at - by } else { at + by });
    }

    /// How far from the left, as a share of the width.
    fn share(&self, at: SimTime) -> f64 {
        let (from, to) = self.span.get();
        at.since(from).0 as f64 / to.since(from).0.max(1) as f64
    }
}

#[component]
pub fn MetricsView() -> impl IntoView {
    let session = expect_context::<Session>();
    let view = session.observe(&[Topic::Metrics], Seen::of);
    let span = Memo::new(move |_| view.with(|view| (view.from, view.to)));
    let reader = Reader { span, cursor: RwSignal::new(None) };
    let members = Memo::new(move |_| view.with(|view| view.members.clone()));
    let ids = Memo::new(move |_| view.with(|view| view.charts.iter().map(|chart| chart.id).collect::<Vec<_>>()));
    let alerts = Memo::new(move |_| view.with(|view| view.alerts.clone()));
    let is_empty = Memo::new(move |_| ids.with(Vec::is_empty));
    let on_key = move |event: KeyboardEvent| {
        let stride = if event.shift_key() { 10 } else { 1 };
        match event.key().as_str() {
            "ArrowLeft" => reader.shift(-stride),
            "ArrowRight" => reader.shift(stride),
            "Home" => reader.set(reader.span.get_untracked().0),
            "End" => reader.set(reader.span.get_untracked().1),
            "Escape" if reader.cursor.get_untracked().is_some() => reader.cursor.set(None),
            _ => return,
        }
        event.prevent_default();
    };
    // Spoken when values are read off; not with every second that passes.
    let live = move || if reader.cursor.with(Option::is_some) { "polite" } else { "off" };
    let chart = move |id: &'static str| {
        let chart = Memo::new(move |_| view.with(|view| view.charts.iter().find(|chart| chart.id == id).cloned()));
        view! { <ChartView chart members reader /> }
    };
    view! {
        <section class="metrics" aria-label="Metrics">
            <div class="view-tools">
                <p class="view-source" aria-live=live>{move || spoken(&reader)}</p>
            </div>
            <div class="view-scroll metrics-body" tabindex="0" role="region" aria-label="Charts. Left and right arrow keys read values off." on:keydown=on_key>
                <Show when=move || is_empty.get()>
                    <Empty title="Nothing is measured yet">
                        <p>"A sample is taken every second of this world. Every member tells its metrics to who asks:"</p>
                        <Runnable line="curl -s etcd-1:2379/metrics | grep -E '^etcd_(server|mvcc)'".to_owned() />
                    </Empty>
                </Show>
                <Show when=move || !is_empty.get()>
                    <Alerts alerts />
                </Show>
                <div class="metrics-charts">
                    <For each=move || ids.get() key=|id| *id children=chart />
                </div>
            </div>
        </section>
    }
}

/// Which time is shown, or read off.
fn spoken(reader: &Reader) -> String {
    let clock = |at: SimTime| format!("{}:{:02}", at.0 / 60_000_000, at.0 / 1_000_000 % 60);
    let (from, to) = reader.span.get();
    match reader.cursor.get() {
        Some(at) => format!("Values at {}", clock(at)),
        None if to == SimTime::ZERO => "A sample every second".to_owned(),
        None => format!("From {} to {}, a sample every second. Point at a chart to read it.", clock(from), clock(to)),
    }
}

#[component]
fn ChartView(chart: Memo<Option<Chart>>, members: Memo<Vec<Measured>>, reader: Reader) -> impl IntoView {
    let plot = NodeRef::<html::Div>::new();
    let point = move |event: PointerEvent| {
        let Some(plot) = plot.get_untracked() else { return };
        let rect = plot.get_bounding_client_rect();
        let share = ((f64::from(event.client_x()) - rect.left()) / rect.width().max(1.0)).clamp(0.0, 1.0);
        let (from, to) = reader.span.get_untracked();
        reader.set(from + Micros((share * to.since(from).0 as f64) as u64));
    };
    let head = Memo::new(move |_| chart.with(|chart| chart.as_ref().map(|chart| (chart.title, chart.query))));
    let scale = Memo::new(move |_| {
        chart.with(|chart| chart.as_ref().map(|chart| (chart.unit.words(chart.top), chart.limit, chart.top)))
    });
    let paths = move || {
        let span = reader.span.get();
        chart.with(|chart| {
            let lines = chart.iter().flat_map(|chart| chart.lines.iter().map(|line| path(line, span, chart.top)));
            lines.enumerate().map(|(at, d)| view! { <path class=look(at) d=d /> }).collect_view()
        })
    };
    let limit = move || {
        scale.get().and_then(|(_, limit, top)| {
            let y = HEIGHT - limit? as f64 / top as f64 * HEIGHT;
            Some(view! { <line class="limit" x1="0" x2=WIDTH y1=y y2=y /> })
        })
    };
    let values = move || {
        let cursor = reader.cursor.get();
        members.with(|members| {
            chart.with(|chart| {
                let Some(chart) = chart else { return Vec::new() };
                let value = |(at, (member, line)): (usize, (&Measured, &Line))| {
                    let value = cursor.map_or_else(|| line.last(), |cursor| line.at(cursor));
                    let words = value.map_or("–".to_owned(), |value| chart.unit.words(value));
                    view! {
                        <li class=look(at)>
                            <span class="key" aria-hidden="true"></span>
                            <span class="name">{member.name.clone()}</span>
                            " "
                            <b>{words}</b>
                        </li>
                    }
                };
                members.iter().zip(&chart.lines).enumerate().map(value).collect::<Vec<_>>()
            })
        })
    };
    view! {
        <figure class="chart">
            {move || head.get().map(|(title, query)| view! {
                <figcaption title=query><span class="title">{title}</span><code>{query}</code></figcaption>
            })}
            <div class="plot" node_ref=plot on:pointermove=point on:pointerdown=point on:pointerleave=move |_| reader.cursor.set(None)>
                <svg viewBox=format!("0 0 {WIDTH} {HEIGHT}") preserveAspectRatio="none" aria-hidden="true">
                    {limit}
                    {paths}
                </svg>
                <span class="top">{move || scale.get().map(|(top, ..)| top)}</span>
                {move || reader.cursor.get().map(|at| view! {
                    <div class="cursor" style:left=format!("{}%", reader.share(at) * 100.0)></div>
                })}
            </div>
            <ul class="values">{values}</ul>
        </figure>
    }
}

fn look(member: usize) -> String {
    format!("m{}", member.min(LOOKS - 1))
}

/// A line with gaps where there is no value.
fn path(line: &Line, (from, to): (SimTime, SimTime), top: u64) -> String {
    let width = to.since(from).0.max(1) as f64;
    let (mut d, mut pen_down) = (String::new(), false);
    for (at, value) in &line.values {
        let Some(value) = value else {
            pen_down = false;
            continue;
        };
        let x = at.since(from).0 as f64 / width * WIDTH;
        let y = HEIGHT - *value as f64 / top.max(1) as f64 * HEIGHT;
        // A point of its own is seen by its round ends.
        let _ = if pen_down { write!(d, "L{x:.1} {y:.1}") } else { write!(d, "M{x:.1} {y:.1}h0") };
        pen_down = true;
    }
    d
}

#[component]
fn Alerts(alerts: Memo<Vec<Alert>>) -> impl IntoView {
    let firing = move || alerts.get().into_iter().filter(|alert| !alert.firing.is_empty()).map(fires).collect_view();
    let quiet = Memo::new(move |_| {
        alerts.with(|alerts| alerts.iter().filter(|alert| alert.firing.is_empty()).cloned().collect::<Vec<_>>())
    });
    let summary = move || match (quiet.with(Vec::len), alerts.with(Vec::len)) {
        (quiet, all) if quiet == all => format!("No alert fires; {} watched", words::count(all, "rule")),
        (quiet, _) => format!("{} quiet", words::count(quiet, "other rule")),
    };
    let rule = |alert: Alert| view! { <li><span class="name">{alert.name}</span><code>{alert.rule}</code></li> };
    view! {
        <div class="alerts">
            <ul class="firing" aria-label="Alerts that fire" aria-live="polite">{firing}</ul>
            <details>
                <summary>{summary}</summary>
                <ul class="rules">{move || quiet.get().into_iter().map(rule).collect_view()}</ul>
            </details>
        </div>
    }
}

fn fires(alert: Alert) -> impl IntoView {
    let Alert { name, severity, rule, meaning, firing } = alert;
    let who = firing.into_iter().map(|of| {
        view! {
            <li>
                <span class="who">{of.who}</span>
                " "
                <b>{of.value}</b>
                <span class="since">{format!(" since {}", words::moment(of.since))}</span>
            </li>
        }
    });
    view! {
        <li class="alert">
            <p><span class="name">{name}</span><span class="severity">{severity}</span>{meaning}</p>
            <code>{rule}</code>
            <ul class="whom">{who.collect_view()}</ul>
        </li>
    }
}
