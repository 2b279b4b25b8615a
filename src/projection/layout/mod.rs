//! Geometry: where things go in a pane of a given size. In pixels of the page, so that text keeps its size.

pub mod cluster;

#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Point {
    pub x: f64,
    pub y: f64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Rect {
    pub x: f64,
    pub y: f64,
    pub w: f64,
    pub h: f64,
}

impl Point {
    pub fn towards(self, other: Point, share: f64) -> Point {
        Point { x: self.x + (other.x - self.x) * share, y: self.y + (other.y - self.y) * share }
    }

    pub fn distance(self, other: Point) -> f64 {
        (self.x - other.x).hypot(self.y - other.y)
    }
}

impl Rect {
    pub fn center(&self) -> Point {
        Point { x: self.x + self.w / 2.0, y: self.y + self.h / 2.0 }
    }

    /// Whether the two come closer than `gap`.
    pub fn crowds(&self, other: &Rect, gap: f64) -> bool {
        self.x < other.x + other.w + gap
            && other.x < self.x + self.w + gap
            && self.y < other.y + other.h + gap
            && other.y < self.y + self.h + gap
    }

    /// Where the line from the centre to `to` leaves the rectangle.
    pub fn edge_towards(&self, to: Point) -> Point {
        let center = self.center();
        let (dx, dy) = (to.x - center.x, to.y - center.y);
        let reach = |half: f64, delta: f64| if delta == 0.0 { f64::INFINITY } else { half / delta.abs() };
        let share = reach(self.w / 2.0, dx).min(reach(self.h / 2.0, dy)).min(1.0);
        Point { x: center.x + dx * share, y: center.y + dy * share }
    }
}
