//! Moments as objects hold them: RFC 3339 in JSON, seconds and nanoseconds since 1970 in Protobuf.
//!
//! Upstream: `metav1.Time` (whole seconds) and `metav1.MicroTime` (microseconds). Both print UTC. The year 1 is Go's zero
//! time, which stands for no time at all.

use std::fmt::Write as _;

use crate::sim::clock::civil_date;

/// A moment in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time {
    /// Since 1970.
    pub seconds: i64,
    pub nanos: u32,
}

/// How fine a moment is printed and how its text must look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Precision {
    Seconds,
    Micros,
}

const DAY: i64 = 86_400;
/// Seconds from the year 1 to 1970.
const ZERO: i64 = -62_135_596_800;

impl Time {
    /// The last second that has four digits for its year.
    pub const MAX_SECONDS: i64 = 253_402_300_799;

    /// Go's zero time: 0001-01-01T00:00:00Z.
    pub const ZERO: Time = Time { seconds: ZERO, nanos: 0 };

    pub fn is_zero(self) -> bool {
        self == Time::ZERO
    }

    /// As far as this kind of time is kept.
    pub fn truncated(self, precision: Precision) -> Time {
        match precision {
            Precision::Seconds => Time { nanos: 0, ..self },
            Precision::Micros => Time { nanos: self.nanos - self.nanos % 1000, ..self },
        }
    }

    pub fn format(self, precision: Precision) -> String {
        let (year, month, day) = civil_date(self.seconds.div_euclid(DAY));
        let second = self.seconds.rem_euclid(DAY);
        let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
        let mut text = format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}");
        if precision == Precision::Micros {
            let _ = write!(text, ".{:06}", self.nanos / 1000);
        }
        text + "Z"
    }

    /// Reads a text as Go's `time.Parse` does; the error is Go's.
    pub fn parse(text: &str, precision: Precision) -> Result<Time, String> {
        Reader { text, rest: text, precision }.time()
    }
}

/// A text that is being read, and Go's words for what is wrong with it.
struct Reader<'a> {
    text: &'a str,
    rest: &'a str,
    precision: Precision,
}

impl Reader<'_> {
    fn time(mut self) -> Result<Time, String> {
        let year = self.digits(4, "2006")?;
        self.literal("-")?;
        let month = self.digits(2, "01")?;
        if !(1..=12).contains(&month) {
            return Err(self.out_of_range("month"));
        }
        self.literal("-")?;
        let day = self.digits(2, "02")?;
        self.literal("T")?;
        let hour = self.digits(2, "15")?;
        if hour > 23 {
            return Err(self.out_of_range("hour"));
        }
        self.literal(":")?;
        let minute = self.digits(2, "04")?;
        if minute > 59 {
            return Err(self.out_of_range("minute"));
        }
        self.literal(":")?;
        let second = self.digits(2, "05")?;
        if second > 59 {
            return Err(self.out_of_range("second"));
        }
        let nanos = self.fraction()?;
        let offset = self.offset()?;
        if !self.rest.is_empty() {
            return Err(format!("parsing time {}: extra text: {}", quote(self.text), quote(self.rest)));
        }
        if day < 1 || day > days_in(year, month) {
            return Err(self.out_of_range("day"));
        }
        let seconds = days(year, month, day) * DAY + hour * 3600 + minute * 60 + second - offset;
        Ok(Time { seconds, nanos })
    }

    fn digits(&mut self, count: usize, layout: &str) -> Result<i64, String> {
        let Some((digits, rest)) = self.rest.split_at_checked(count) else { return Err(self.cannot(layout)) };
        if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(self.cannot(layout));
        }
        self.rest = rest;
        Ok(digits.parse().unwrap_or_default())
    }

    fn literal(&mut self, text: &str) -> Result<(), String> {
        let Some(rest) = self.rest.strip_prefix(text) else { return Err(self.cannot(text)) };
        self.rest = rest;
        Ok(())
    }

    /// After seconds a fraction may stand; a micro time must have one of six digits.
    fn fraction(&mut self) -> Result<u32, String> {
        let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
        if self.precision == Precision::Micros {
            let Some(count) = self.rest.strip_prefix(['.', ',']).map(digits).filter(|count| *count >= 6) else {
                return Err(self.cannot(".000000"));
            };
            debug_assert!(count >= 6);
            let micros: u32 = self.rest[1..7].parse().unwrap_or_default();
            self.rest = &self.rest[7..];
            return Ok(micros * 1000);
        }
        let Some(count) = self.rest.strip_prefix(['.', ',']).map(digits).filter(|count| *count > 0) else {
            return Ok(0);
        };
        let nanos = format!("{:0<9.9}", &self.rest[1..=count]);
        self.rest = &self.rest[count + 1..];
        Ok(nanos.parse().unwrap_or_default())
    }

    fn offset(&mut self) -> Result<i64, String> {
        if let Some(rest) = self.rest.strip_prefix('Z') {
            self.rest = rest;
            return Ok(0);
        }
        let sign = match self.rest.as_bytes() {
            [b'+', _, _, b':', _, _, ..] => 1,
            [b'-', _, _, b':', _, _, ..] => -1,
            _ => return Err(self.cannot("Z07:00")),
        };
        let whole = self.rest;
        let number = |at: std::ops::Range<usize>| whole.get(at).and_then(|digits| digits.parse::<i64>().ok());
        let Some((hours, minutes)) = number(1..3).zip(number(4..6)) else { return Err(self.cannot("Z07:00")) };
        self.rest = &whole[6..];
        if hours > 24 || minutes > 60 {
            let part = if hours > 24 { "hour" } else { "minute" };
            return Err(self.out_of_range(&format!("time zone offset {part}")));
        }
        Ok(sign * (hours * 3600 + minutes * 60))
    }

    fn cannot(&self, layout: &str) -> String {
        let whole = match self.precision {
            Precision::Seconds => "2006-01-02T15:04:05Z07:00",
            Precision::Micros => "2006-01-02T15:04:05.000000Z07:00",
        };
        format!(r#"parsing time {} as "{whole}": cannot parse {} as "{layout}""#, quote(self.text), quote(self.rest))
    }

    fn out_of_range(&self, part: &str) -> String {
        format!("parsing time {}: {part} out of range", quote(self.text))
    }
}

/// As package time quotes.
fn quote(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            ' '..='~' => out.push(c),
            _ => c.to_string().bytes().for_each(|byte| {
                let _ = write!(out, "\\x{byte:02x}");
            }),
        }
    }
    out + "\""
}

fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

pub(in crate::k8s) fn days_in(year: i64, month: i64) -> i64 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days from 1970 to a date of the Gregorian calendar.
fn days(year: i64, month: i64, day: i64) -> i64 {
    // Years begin in March here, so that the leap day is the last.
    let year = if month <= 2 { year - 1 } else { year };
    let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expect: &str) {
        let read = Time::parse(text, Precision::Seconds);
        assert_eq!(read.map_or_else(|error| error, |time| time.format(Precision::Seconds)), expect);
    }

    #[test]
    fn seconds() {
        check("2026-11-21T18:00:00Z", "2026-11-21T18:00:00Z");
        check("2024-02-29T23:59:59.999+01:00", "2024-02-29T22:59:59Z");
        check("1969-12-31T23:59:59-00:30", "1970-01-01T00:29:59Z");
        check("0001-01-01T00:00:00Z", "0001-01-01T00:00:00Z");
        check("2023-02-29T00:00:00Z", r#"parsing time "2023-02-29T00:00:00Z": day out of range"#);
        check("now", r#"parsing time "now" as "2006-01-02T15:04:05Z07:00": cannot parse "now" as "2006""#);
        check("2023-02-28T00:00:00Zulu", r#"parsing time "2023-02-28T00:00:00Zulu": extra text: "ulu""#);
        assert!(Time::parse("0001-01-01T00:00:00Z", Precision::Seconds).unwrap().is_zero());
    }

    #[test]
    fn microseconds() {
        let time = Time::parse("2026-11-21T18:00:00.123456Z", Precision::Micros).unwrap();
        assert_eq!(
            (time.nanos, time.format(Precision::Micros)),
            (123_456_000, "2026-11-21T18:00:00.123456Z".to_owned())
        );
        let error = Time::parse("2026-11-21T18:00:00Z", Precision::Micros).unwrap_err();
        assert!(error.ends_with(r#"cannot parse "Z" as ".000000""#), "{error}");
    }
}
