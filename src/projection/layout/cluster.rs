//! Members around the learner's workstation, API servers below them: fixed places, so that nobody moves when roles change.

use super::{Point, Rect};

/// How much a member's card can say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Density {
    Full,
    Medium,
    Small,
    /// For many members on a low stage: the log, and one line below it.
    Tiny,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    pub width: f64,
    pub height: f64,
    pub density: Density,
    pub members: Vec<Rect>,
    pub workstation: Rect,
    pub servers: Vec<Rect>,
}

/// Free space around the whole and between two cards.
const MARGIN: f64 = 14.0;
const GAP: f64 = 14.0;
/// Between members and what is below them: so much of a wire must be seen.
const RISE: f64 = 34.0;
/// A pane narrower than this holds two columns.
const NARROW: f64 = 520.0;

/// Places in the unit square, clockwise from the top; the last is the workstation's. It stands where no wire between
/// members passes.
const WIDE: [(usize, &[(f64, f64)]); 4] = [
    (1, &[(0.5, 0.1), (0.5, 1.0)]),
    (3, &[(0.5, 0.0), (1.0, 1.0), (0.0, 1.0), (0.5, 0.63)]),
    (5, &[(0.5, 0.0), (1.0, 0.38), (0.84, 1.0), (0.16, 1.0), (0.0, 0.38), (0.5, 0.57)]),
    (7, &[(0.5, 0.0), (0.9, 0.25), (1.0, 0.625), (0.8, 1.0), (0.2, 1.0), (0.0, 0.625), (0.1, 0.25), (0.5, 0.55)]),
];
const TALL: [(usize, &[(f64, f64)]); 4] = [
    (1, &[(0.5, 0.1), (0.5, 1.0)]),
    (3, &[(0.5, 0.0), (1.0, 1.0), (0.0, 1.0), (0.5, 0.6)]),
    (5, &[(0.5, 0.0), (1.0, 0.42), (1.0, 1.0), (0.0, 1.0), (0.0, 0.42), (0.5, 0.72)]),
    (7, &[(0.5, 0.0), (1.0, 0.3), (1.0, 0.65), (1.0, 1.0), (0.0, 1.0), (0.0, 0.65), (0.0, 0.3), (0.5, 0.5)]),
];

impl Density {
    pub const ALL: [Density; 4] = [Density::Full, Density::Medium, Density::Small, Density::Tiny];

    /// Width and height of a member's card.
    pub fn card(self) -> (f64, f64) {
        match self {
            Density::Full => (232.0, 118.0),
            Density::Medium => (186.0, 100.0),
            Density::Small => (148.0, 80.0),
            Density::Tiny => (138.0, 60.0),
        }
    }

    pub fn workstation(self) -> (f64, f64) {
        match self {
            Density::Full => (104.0, 40.0),
            Density::Medium => (84.0, 34.0),
            Density::Small => (58.0, 30.0),
            Density::Tiny => (54.0, 26.0),
        }
    }

    /// Of an API server's card.
    pub fn server(self) -> (f64, f64) {
        match self {
            Density::Full => (232.0, 92.0),
            Density::Medium => (186.0, 76.0),
            Density::Small => (148.0, 62.0),
            Density::Tiny => (118.0, 54.0),
        }
    }

    /// There is room for short words only.
    pub fn is_terse(self) -> bool {
        matches!(self, Density::Small | Density::Tiny)
    }

    /// How many entries the log strip shows.
    pub fn cells(self) -> usize {
        match self {
            Density::Full => 12,
            Density::Medium => 9,
            Density::Small | Density::Tiny => 7,
        }
    }
}

impl Plan {
    /// The most telling cards that fit the pane. In a pane too small for any, the plan is higher than the pane.
    pub fn of(members: usize, servers: usize, width: f64, height: f64) -> Plan {
        let with = |width, height, density| match servers {
            0 => Plan::with(members, width, height, density),
            _ => Plan::above(members, servers, width, height, density),
        };
        let fitting = Density::ALL.iter().map(|density| with(width, height, *density));
        if let Some(plan) = fitting.into_iter().find(Plan::is_clear) {
            return plan;
        }
        let mut height = height;
        loop {
            height += 20.0;
            let plan = with(width.max(340.0), height, Density::Tiny);
            if plan.is_clear() {
                return plan;
            }
        }
    }

    fn with(members: usize, width: f64, height: f64, density: Density) -> Plan {
        let places = if width < NARROW { TALL } else { WIDE };
        // A number of members without places of its own takes those of the next larger.
        let (_, places) = places.into_iter().find(|(count, _)| *count >= members).unwrap_or(places[3]);
        let place = |(x, y): (f64, f64), (w, h): (f64, f64), margin: f64| Rect {
            x: margin + x * (width - 2.0 * margin - w),
            y: MARGIN + y * (height - 2.0 * MARGIN - h),
            w,
            h,
        };
        // On a wide stage the cards keep together.
        let side = MARGIN.max((width - 1_000.0) / 2.0);
        Plan {
            width,
            height,
            density,
            members: places[..members].iter().map(|at| place(*at, density.card(), side)).collect(),
            workstation: place(places[places.len() - 1], density.workstation(), side),
            servers: Vec::new(),
        }
    }

    /// Members above, API servers below them. Beside one or two there is room for the workstation; with more it stands
    /// below.
    fn above(members: usize, servers: usize, width: f64, height: f64, density: Density) -> Plan {
        let (w, h) = density.server();
        let (station_w, station_h) = density.workstation();
        let per_row = (((width - 2.0 * MARGIN + GAP) / (w + GAP)) as usize).max(1);
        let is_beside = servers <= 2;
        let rows = if is_beside { 1 } else { servers.div_ceil(per_row) };
        let below = if is_beside { 0.0 } else { RISE / 2.0 + station_h };
        let top = height - MARGIN - below - rows as f64 * (h + GAP) + GAP;
        let mut plan = Plan::with(members, width, top - RISE + MARGIN, density);
        plan.height = height;
        let at = |share: f64, y: f64, (w, h): (f64, f64)| {
            let x = (share * width - w / 2.0).clamp(MARGIN, (width - MARGIN - w).max(MARGIN));
            Rect { x, y, w, h }
        };
        let beside: [&[f64]; 2] = [&[0.66], &[0.2, 0.8]];
        plan.servers = (0..servers)
            .map(|number| match beside.get(servers - 1) {
                Some(shares) => at(shares[number], top, (w, h)),
                None => {
                    let row = number / per_row;
                    let in_row = per_row.min(servers - row * per_row);
                    let share = ((number % per_row) as f64 + 0.5) / in_row as f64;
                    at(share, top + row as f64 * (h + GAP), (w, h))
                }
            })
            .collect();
        let station_y = if is_beside { top + (h - station_h) / 2.0 } else { height - MARGIN - station_h };
        let share = if servers == 1 { 0.34 } else { 0.5 };
        plan.workstation = at(share, station_y, (station_w, station_h));
        plan
    }

    /// Whether nothing comes too close to anything else, nor leaves the pane.
    pub fn is_clear(&self) -> bool {
        let all: Vec<&Rect> = self.cards().collect();
        let inside = |rect: &&Rect| {
            rect.x >= 0.0 && rect.y >= 0.0 && rect.x + rect.w <= self.width && rect.y + rect.h <= self.height
        };
        let apart = |(position, rect): (usize, &&Rect)| all[..position].iter().all(|other| !rect.crowds(other, GAP));
        all.iter().all(inside) && all.iter().enumerate().all(apart)
    }

    pub fn cards(&self) -> impl Iterator<Item = &Rect> {
        self.members.iter().chain([&self.workstation]).chain(&self.servers)
    }

    /// The box of a host: a member's, then the workstation's, then an API server's.
    pub fn host(&self, host: usize) -> Rect {
        self.cards().nth(host).copied().unwrap_or(self.workstation)
    }

    /// The wire between two hosts, from edge to edge.
    pub fn wire(&self, from: usize, to: usize) -> (Point, Point) {
        let (a, b) = (self.host(from), self.host(to));
        (a.edge_towards(b.center()), b.edge_towards(a.center()))
    }

    /// The lane of messages from one host to another: to the right of the wire, so that the two directions part.
    pub fn lane(&self, from: usize, to: usize, offset: f64) -> (Point, Point) {
        let (a, b) = self.wire(from, to);
        let length = a.distance(b).max(1.0);
        let (nx, ny) = (-(b.y - a.y) / length * offset, (b.x - a.x) / length * offset);
        (Point { x: a.x + nx, y: a.y + ny }, Point { x: b.x + nx, y: b.y + ny })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The stage as the page gives it at 1440×900, 1280×720, 1024×768 and 390×844, and a wide one without a lesson.
    const PANES: [(f64, f64); 5] = [(736.0, 520.0), (640.0, 380.0), (560.0, 420.0), (390.0, 400.0), (1_300.0, 700.0)];

    #[test]
    fn nothing_overlaps_in_any_pane() {
        for members in [1, 3, 5, 7] {
            for (width, height) in PANES {
                for servers in 0..=5 {
                    let plan = Plan::of(members, servers, width, height);
                    assert_eq!((plan.members.len(), plan.servers.len()), (members, servers));
                    let which = format!("{members} members and {servers} API servers in {width}×{height}");
                    assert!(plan.is_clear(), "{which}: {plan:?}");
                    assert!(plan.width <= width, "{which} are too wide");
                }
            }
        }
    }

    #[test]
    fn many_members_fit_a_low_stage() {
        // A projector's 1280×720 with seven, a tablet's 1024×768 with five: beside a lesson, above terminals and timeline.
        for (members, width, height) in [(7, 651.0, 289.0), (5, 495.0, 327.0), (7, 495.0, 327.0)] {
            let plan = Plan::of(members, 0, width, height);
            assert_eq!((plan.width, plan.height), (width, height), "{members} members");
        }
    }

    #[test]
    fn three_members_are_told_in_full_on_a_laptop() {
        assert_eq!(Plan::of(3, 0, 736.0, 520.0).density, Density::Full);
        assert_eq!(Plan::of(3, 1, 736.0, 520.0).density, Density::Full);
        assert_ne!(Plan::of(7, 0, 736.0, 520.0).density, Density::Full);
    }

    #[test]
    fn directions_have_lanes_of_their_own() {
        let plan = Plan::of(3, 0, 736.0, 520.0);
        let ((there, _), (_, back)) = (plan.lane(1, 2, 5.0), plan.lane(2, 1, 5.0));
        assert!((there.distance(back) - 10.0).abs() < 0.001);
    }
}
