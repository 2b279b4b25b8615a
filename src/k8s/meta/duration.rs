//! Ages as tables show them: `119s`, `9m59s`, `2d1h`.
//!
//! Upstream: `k8s.io/apimachinery/pkg/util/duration`.

const SECOND: i64 = 1_000_000_000;
const MINUTE: i64 = 60;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;
const YEAR: i64 = 365 * DAY;

/// Two units at most, always cut off, the finer one only while it matters.
pub fn human(nanoseconds: i64) -> String {
    if nanoseconds <= -2 * SECOND {
        return "<invalid>".to_owned();
    }
    let seconds = nanoseconds.max(0) / SECOND;
    let two = |unit: i64, name: char, finer: i64, finer_name: char| {
        let rest = seconds % unit / finer;
        if rest == 0 {
            format!("{}{name}", seconds / unit)
        } else {
            format!("{}{name}{rest}{finer_name}", seconds / unit)
        }
    };
    match seconds {
        0..120 => format!("{seconds}s"),
        120..600 => two(MINUTE, 'm', 1, 's'),
        600..10_800 => format!("{}m", seconds / MINUTE),
        10_800..28_800 => two(HOUR, 'h', MINUTE, 'm'),
        28_800..172_800 => format!("{}h", seconds / HOUR),
        172_800..691_200 => two(DAY, 'd', HOUR, 'h'),
        691_200..63_072_000 => format!("{}d", seconds / DAY),
        63_072_000..252_288_000 => two(YEAR, 'y', DAY, 'd'),
        _ => format!("{}y", seconds / YEAR),
    }
}
