//! Prometheus' text format, byte for byte as client_golang's `expfmt` writes it: families by name, samples by the values of
//! their labels, numbers as Go's `%g` has them. Numbers are decimal fractions of integers here, never floating point.

use super::Histogram;
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// `mantissa` with its decimal point moved `scale` digits to the left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Number {
    mantissa: i128,
    scale: u32,
}

/// Microseconds told in seconds, and in milliseconds.
pub const SECONDS: u32 = 6;
pub const MILLISECONDS: u32 = 3;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Counter,
    Gauge,
    Histogram,
}

/// What is going to be told.
#[derive(Debug, Default)]
pub struct Page(BTreeMap<&'static str, Family>);

#[derive(Debug)]
struct Family {
    help: &'static str,
    kind: Kind,
    /// By the values of the labels, which have the same names in all samples.
    samples: BTreeMap<Vec<String>, (Labels, Sample)>,
}

/// Names and values, in the order of the names.
type Labels = Vec<(&'static str, String)>;

#[derive(Debug)]
enum Sample {
    Number(Number),
    Histogram { buckets: Vec<(Number, u64)>, sum: Number, count: u64 },
}

impl From<u64> for Number {
    fn from(value: u64) -> Number {
        Number { mantissa: value.into(), scale: 0 }
    }
}

impl From<i64> for Number {
    fn from(value: i64) -> Number {
        Number { mantissa: value.into(), scale: 0 }
    }
}

impl Number {
    pub fn scaled(mantissa: u64, scale: u32) -> Number {
        Number { mantissa: mantissa.into(), scale }
    }

    /// Go's `strconv.FormatFloat(x, 'g', -1, 64)`, for what such a number can hold exactly.
    fn write(self, out: &mut String) {
        let mut digits = self.mantissa.unsigned_abs().to_string();
        if self.mantissa == 0 {
            return out.push('0');
        }
        if self.mantissa < 0 {
            out.push('-');
        }
        // How many digits are before the point, as if the number were written 0.ddd × 10^point.
        let point = digits.len() as i64 - i64::from(self.scale);
        digits.truncate(digits.trim_end_matches('0').len());
        let exponent = point - 1;
        if !(-4..6).contains(&exponent) {
            let (first, rest) = digits.split_at(1);
            out.push_str(first);
            if !rest.is_empty() {
                let _ = write!(out, ".{rest}");
            }
            let sign = if exponent < 0 { '-' } else { '+' };
            let _ = write!(out, "e{sign}{:02}", exponent.abs());
        } else if point <= 0 {
            let _ = write!(out, "0.{}{digits}", "0".repeat(point.unsigned_abs() as usize));
        } else {
            let whole = point as usize;
            if digits.len() <= whole {
                let _ = write!(out, "{digits}{}", "0".repeat(whole - digits.len()));
            } else {
                let _ = write!(out, "{}.{}", &digits[..whole], &digits[whole..]);
            }
        }
    }
}

impl Page {
    pub fn counter(&mut self, name: &'static str, help: &'static str, value: u64) {
        self.sample(name, help, Kind::Counter, Vec::new(), Sample::Number(value.into()));
    }

    pub fn gauge(&mut self, name: &'static str, help: &'static str, value: impl Into<Number>) {
        self.sample(name, help, Kind::Gauge, Vec::new(), Sample::Number(value.into()));
    }

    /// A sample among others of its family.
    pub fn labelled(
        &mut self,
        (name, help, kind): (&'static str, &'static str, Kind),
        labels: &[(&'static str, &str)],
        value: impl Into<Number>,
    ) {
        self.sample(name, help, kind, owned(labels), Sample::Number(value.into()));
    }

    /// `scale` says what the histogram's whole numbers are millionths or thousandths of.
    pub fn histogram<const FIRST: u64, const BUCKETS: usize>(
        &mut self,
        (name, help): (&'static str, &'static str),
        labels: &[(&'static str, &str)],
        histogram: &Histogram<FIRST, BUCKETS>,
        scale: u32,
    ) {
        let bucket = |(end, count)| (Number::scaled(end, scale), count);
        let sample = Sample::Histogram {
            buckets: histogram.cumulative().into_iter().map(bucket).collect(),
            sum: Number::scaled(histogram.sum(), scale),
            count: histogram.count(),
        };
        self.sample(name, help, Kind::Histogram, owned(labels), sample);
    }

    /// A histogram whose buckets anybody chose: the end of each, and how much is not beyond it. `scale` is that of the ends;
    /// the sum is in microseconds.
    pub fn buckets(
        &mut self,
        (name, help): (&'static str, &'static str),
        labels: &[(&'static str, &str)],
        buckets: Vec<(u64, u64)>,
        scale: u32,
        (sum, count): (u64, u64),
    ) {
        let buckets = buckets.into_iter().map(|(end, below)| (Number::scaled(end, scale), below)).collect();
        let sample = Sample::Histogram { buckets, sum: Number::scaled(sum, SECONDS), count };
        self.sample(name, help, Kind::Histogram, owned(labels), sample);
    }

    /// A histogram of `count` things that took no time.
    pub fn instants<const FIRST: u64, const BUCKETS: usize>(
        &mut self,
        name: (&'static str, &'static str),
        labels: &[(&'static str, &str)],
        count: u64,
        scale: u32,
    ) {
        self.histogram(name, labels, &Histogram::<FIRST, BUCKETS>::instants(count), scale);
    }

    fn sample(&mut self, name: &'static str, help: &'static str, kind: Kind, mut labels: Labels, sample: Sample) {
        labels.sort();
        let family = self.0.entry(name).or_insert_with(|| Family { help, kind, samples: BTreeMap::new() });
        let values = labels.iter().map(|(_, value)| value.clone()).collect();
        family.samples.insert(values, (labels, sample));
    }

    pub fn text(&self) -> String {
        let mut out = String::new();
        for (name, family) in &self.0 {
            let kind = match family.kind {
                Kind::Counter => "counter",
                Kind::Gauge => "gauge",
                Kind::Histogram => "histogram",
            };
            let help = family.help.replace('\\', "\\\\").replace('\n', "\\n");
            let _ = write!(out, "# HELP {name} {help}\n# TYPE {name} {kind}\n");
            for (labels, sample) in family.samples.values() {
                sample.write(name, labels, &mut out);
            }
        }
        out
    }
}

fn owned(labels: &[(&'static str, &str)]) -> Labels {
    labels.iter().map(|(name, value)| (*name, (*value).to_owned())).collect()
}

impl Sample {
    fn write(&self, name: &str, labels: &Labels, out: &mut String) {
        match self {
            Sample::Number(number) => line(out, name, "", labels, None, *number),
            Sample::Histogram { buckets, sum, count } => {
                for (end, below) in buckets {
                    let mut le = String::new();
                    end.write(&mut le);
                    line(out, name, "_bucket", labels, Some(&le), (*below).into());
                }
                line(out, name, "_bucket", labels, Some("+Inf"), (*count).into());
                line(out, name, "_sum", labels, None, *sum);
                line(out, name, "_count", labels, None, (*count).into());
            }
        }
    }
}

/// One line; `le` comes behind the labels.
fn line(out: &mut String, name: &str, suffix: &str, labels: &Labels, le: Option<&str>, value: Number) {
    out.push_str(name);
    out.push_str(suffix);
    let all = labels.iter().map(|(name, value)| (*name, value.as_str())).chain(le.map(|le| ("le", le)));
    let mut before = '{';
    for (name, value) in all {
        let value = value.replace('\\', "\\\\").replace('\n', "\\n").replace('"', "\\\"");
        let _ = write!(out, "{before}{name}=\"{value}\"");
        before = ',';
    }
    if before == ',' {
        out.push('}');
    }
    out.push(' ');
    value.write(out);
    out.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(value: impl Into<Number>) -> String {
        let mut out = String::new();
        value.into().write(&mut out);
        out
    }

    #[test]
    fn numbers_are_as_go_prints_them() {
        let whole = [0, 7, 10, 999_999, 1_000_000, 1_234_567, 2_147_483_648_u64].map(number);
        assert_eq!(whole, ["0", "7", "10", "999999", "1e+06", "1.234567e+06", "2.147483648e+09"]);
        assert_eq!([number(-1_i64), number(-2_500_000_i64)], ["-1", "-2.5e+06"]);
        let micros = [100, 1_000, 8_192_000, 1_500_000, 1, 99, 20_000_000, 1_234_567_000_000];
        let seconds = micros.map(|micros| number(Number::scaled(micros, SECONDS)));
        assert_eq!(seconds, ["0.0001", "0.001", "8.192", "1.5", "1e-06", "9.9e-05", "20", "1.234567e+06"]);
    }

    #[test]
    fn a_page_is_as_client_golang_writes_it() {
        let mut page = Page::default();
        page.gauge("z", "Last.", 2_147_483_648_u64);
        let calls = ("calls_total", "By \\ and\nmore.", Kind::Counter);
        page.labelled(calls, &[("b", "two"), ("a", "x")], 1_u64);
        page.labelled(calls, &[("b", "one"), ("a", "x")], 2_u64);
        page.labelled(calls, &[("b", "1"), ("a", "a \"quoted\" \\ value\n")], 3_u64);
        let mut histogram = Histogram::<1_000, 3>::default();
        [500, 3_000, 9_000_000].into_iter().for_each(|micros| histogram.observe(micros));
        page.histogram(("h_seconds", "Spans."), &[("To", "ab")], &histogram, SECONDS);
        let expected = [
            r#"# HELP calls_total By \\ and\nmore."#,
            "# TYPE calls_total counter",
            r#"calls_total{a="a \"quoted\" \\ value\n",b="1"} 3"#,
            r#"calls_total{a="x",b="one"} 2"#,
            r#"calls_total{a="x",b="two"} 1"#,
            "# HELP h_seconds Spans.",
            "# TYPE h_seconds histogram",
            r#"h_seconds_bucket{To="ab",le="0.001"} 1"#,
            r#"h_seconds_bucket{To="ab",le="0.002"} 1"#,
            r#"h_seconds_bucket{To="ab",le="0.004"} 2"#,
            r#"h_seconds_bucket{To="ab",le="+Inf"} 3"#,
            r#"h_seconds_sum{To="ab"} 9.0035"#,
            r#"h_seconds_count{To="ab"} 3"#,
            "# HELP z Last.",
            "# TYPE z gauge",
            "z 2.147483648e+09",
        ];
        assert_eq!(page.text().lines().collect::<Vec<_>>(), expected);
    }
}
