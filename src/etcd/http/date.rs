//! Dates as HTTP writes them.

use crate::sim::clock::civil_date;

const DAY: u64 = 86_400;

/// `Thu, 01 Jan 2026 00:00:00 GMT`, of seconds since 1970.
pub fn http(seconds: u64) -> String {
    let (days, rest) = (seconds / DAY, seconds % DAY);
    let weekday = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"][(days % 7) as usize];
    let (year, month, day) = civil_date(days as i64);
    let names = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let (hour, minute, second) = (rest / 3_600, rest / 60 % 60, rest % 60);
    format!("{weekday}, {day:02} {} {year} {hour:02}:{minute:02}:{second:02} GMT", names[(month - 1) as usize])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_as_http_writes_them() {
        assert_eq!(http(0), "Thu, 01 Jan 1970 00:00:00 GMT");
        assert_eq!(http(784_111_777), "Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(http(1_767_225_600), "Thu, 01 Jan 2026 00:00:00 GMT");
    }
}
