//! Amounts as resources are measured in: `100m`, `1.5Gi`, `2e3`. Exact decimals, no floats.
//!
//! Upstream: `k8s.io/apimachinery/pkg/api/resource`. An amount keeps the form of its suffix, is never finer than a nano (it
//! is rounded up, away from zero), and one with a binary suffix is at most 2^63-1. It is printed in the largest suffix that
//! leaves no fraction; what was already written in such a way is printed as it was written.

use std::cmp::Ordering;
use std::fmt;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quantity {
    format: Format,
    amount: Decimal,
    /// As it is printed.
    text: String,
}

/// Which family of suffixes an amount is printed with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// `12e6`
    DecimalExponent,
    /// `12Mi`
    BinarySi,
    /// `12M`
    DecimalSi,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QuantityError {
    Format,
    Numeric,
    Suffix,
}

/// `mantissa * 10^exponent`
///
/// Simplified: 38 digits count; upstream counts them all. What is printed has them all.
#[derive(Clone, Copy, Debug)]
struct Decimal {
    mantissa: i128,
    exponent: i32,
}

/// The digits that surely fit `i128`.
const DIGITS_MAX: usize = 38;
/// The digits that Go's fast path takes: what fits `int64` whatever the digits.
const FAST_DIGITS_MAX: usize = 18;
const NANO: i32 = -9;

const DECIMAL: [(&str, i32); 10] =
    [("n", -9), ("u", -6), ("m", -3), ("", 0), ("k", 3), ("M", 6), ("G", 9), ("T", 12), ("P", 15), ("E", 18)];
const BINARY: [(&str, u32); 6] = [("Ki", 10), ("Mi", 20), ("Gi", 30), ("Ti", 40), ("Pi", 50), ("Ei", 60)];

impl Quantity {
    pub fn parse(text: &str) -> Result<Quantity, QuantityError> {
        let parts = Parts::split(text)?;
        let (scale, format) = suffix(parts.suffix).ok_or(QuantityError::Suffix)?;
        match scale {
            Scale::Two(power) => parts.binary(text, power),
            Scale::Ten(power) => parts.decimal(text, power, format),
        }
    }

    pub fn new(value: i64, format: Format) -> Quantity {
        Quantity::of(Decimal { mantissa: value.into(), exponent: 0 }, format)
    }

    pub fn milli(value: i64, format: Format) -> Quantity {
        Quantity::of(Decimal { mantissa: value.into(), exponent: -3 }, format)
    }

    pub fn is_zero(&self) -> bool {
        self.amount.mantissa == 0
    }

    /// In whole units, rounded up.
    pub fn value(&self) -> i64 {
        self.scaled(0)
    }

    /// In thousandths, rounded up.
    pub fn milli_value(&self) -> i64 {
        self.scaled(-3)
    }

    /// In units of a power of ten, rounded up; at most what fits.
    fn scaled(&self, exponent: i32) -> i64 {
        let whole = self.amount.ceil_at(exponent);
        whole.clamp(i64::MIN.into(), i64::MAX.into()) as i64
    }

    /// The sum, in the form of the first that is not zero.
    pub fn add(&self, other: &Quantity) -> Quantity {
        let format = if self.is_zero() { other.format } else { self.format };
        Quantity::of(self.amount.add(other.amount), format)
    }

    /// The difference, in the form of the first that is not zero.
    pub fn sub(&self, other: &Quantity) -> Quantity {
        let less = Decimal { mantissa: -other.amount.mantissa, ..other.amount };
        let format = if self.is_zero() { other.format } else { self.format };
        Quantity::of(self.amount.add(less), format)
    }

    pub fn cmp_value(&self, other: &Quantity) -> Ordering {
        self.amount.compare(other.amount)
    }

    /// Something else only if it is finer than a thousandth.
    pub fn rounded_up_to_milli(&self) -> Option<Quantity> {
        let is_finer = self.amount.exactly_at(-3).is_none() && self.amount.exponent < -3;
        is_finer.then(|| Quantity::of(Decimal { mantissa: self.amount.ceil_at(-3), exponent: -3 }, self.format))
    }

    fn of(amount: Decimal, format: Format) -> Quantity {
        Quantity { format, amount, text: canonical(amount, format) }
    }
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Display for QuantityError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            QuantityError::Format => {
                "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
            }
            QuantityError::Numeric => "unable to parse numeric part of quantity",
            QuantityError::Suffix => "unable to parse quantity's suffix",
        })
    }
}

enum Scale {
    Ten(i32),
    Two(u32),
}

fn suffix(text: &str) -> Option<(Scale, Format)> {
    if let Some((_, power)) = DECIMAL.iter().find(|(name, _)| *name == text) {
        return Some((Scale::Ten(*power), Format::DecimalSi));
    }
    if let Some((_, power)) = BINARY.iter().find(|(name, _)| *name == text) {
        return Some((Scale::Two(*power), Format::BinarySi));
    }
    let exponent: i64 = text.strip_prefix(['e', 'E'])?.parse().ok()?;
    // Upstream lets it wrap around, too.
    Some((Scale::Ten(exponent as i32), Format::DecimalExponent))
}

/// A text taken apart.
struct Parts<'a> {
    is_negative: bool,
    /// Digits before the point, without leading zeros; `0` if there are none.
    whole: &'a str,
    fraction: &'a str,
    suffix: &'a str,
    has_digits: bool,
}

impl<'a> Parts<'a> {
    fn split(text: &'a str) -> Result<Parts<'a>, QuantityError> {
        if text.is_empty() {
            return Err(QuantityError::Format);
        }
        let is_negative = text.starts_with('-');
        let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
        let (digits, rest) = split_digits(unsigned);
        let (fraction, suffix) = rest.strip_prefix('.').map_or(("", rest), split_digits);
        let letters = suffix.trim_start_matches(|c| "eEinumkKMGTP".contains(c));
        let number = letters.strip_prefix(['-', '+']).unwrap_or(letters);
        if !number.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(QuantityError::Format);
        }
        let whole = digits.trim_start_matches('0');
        let whole = if whole.is_empty() { "0" } else { whole };
        let has_digits = !(digits.is_empty() && fraction.is_empty());
        Ok(Parts { is_negative, whole, fraction, suffix, has_digits })
    }

    fn decimal(&self, text: &str, power: i32, format: Format) -> Result<Quantity, QuantityError> {
        let digits = [self.whole, self.fraction].concat();
        let exponent = i64::from(power) - self.fraction.len() as i64;
        // Upstream's fast path, in which a text may be kept and the lack of digits is a zero.
        if digits.len() <= FAST_DIGITS_MAX && exponent >= i64::from(NANO) {
            let value: i128 = digits.parse().unwrap_or_default();
            let amount = Decimal { mantissa: self.signed(value), exponent: exponent as i32 };
            if exponent % 3 == 0 && !digits.ends_with("000") && !digits.starts_with('0') {
                return Ok(Quantity { format, amount, text: text.to_owned() });
            }
            return Ok(Quantity::of(amount, format));
        }
        if !self.has_digits {
            return Err(QuantityError::Numeric);
        }
        let (digits, exponent) = round_up(&digits, exponent);
        let amount = Decimal::from_digits(&digits, exponent, self.is_negative);
        let text = print_decimal(self.is_negative, &digits, exponent, format);
        Ok(Quantity { format, amount, text })
    }

    /// With a power of two, capped at 2^63-1.
    fn binary(&self, text: &str, power: u32) -> Result<Quantity, QuantityError> {
        let is_fast = self.fraction.is_empty() && 15 - self.whole.len() as i64 - i64::from(power) * 3 / 10 > 0;
        if !self.has_digits && !is_fast {
            return Err(QuantityError::Numeric);
        }
        // More digits than these are above the cap.
        let whole: i128 =
            if self.whole.len() > 19 { i128::from(i64::MAX) } else { self.whole.parse().unwrap_or_default() };
        let cap = i128::from(i64::MAX) * 1_000_000_000;
        let nanos = (whole << power).saturating_mul(1_000_000_000).saturating_add(fraction_nanos(self.fraction, power));
        let nanos = if whole << power > i128::from(i64::MAX) { cap } else { nanos.min(cap) };
        let is_small = nanos > 0 && nanos < 1_000_000_000;
        let format = if is_small { Format::DecimalSi } else { Format::BinarySi };
        let amount = Decimal { mantissa: self.signed(nanos), exponent: NANO };
        if is_fast && whole & 7 != 0 {
            return Ok(Quantity { format, amount, text: text.to_owned() });
        }
        Ok(Quantity::of(amount, format))
    }

    fn signed(&self, value: i128) -> i128 {
        if self.is_negative { -value } else { value }
    }
}

fn split_digits(text: &str) -> (&str, &str) {
    let end = text.bytes().position(|byte| !byte.is_ascii_digit()).unwrap_or(text.len());
    text.split_at(end)
}

/// The fraction times 2^power in nanos, rounded up.
fn fraction_nanos(fraction: &str, power: u32) -> i128 {
    // Each digit is worth 2^power * 10^9 / 10^place; the carries of a long division run from the last digit to the first.
    const PLACES_MAX: usize = 120;
    let (near, far) = fraction.split_at(fraction.len().min(PLACES_MAX));
    let mut digits: Vec<i128> = near.bytes().map(|byte| i128::from(byte - b'0')).collect();
    if far.bytes().any(|byte| byte != b'0') {
        digits.push(1);
    }
    let (mut carry, mut is_inexact) = (0i128, false);
    let factor = (1i128 << power) * 1_000_000_000;
    for digit in digits.iter().rev() {
        let value = digit * factor + carry;
        is_inexact |= value % 10 != 0;
        carry = value / 10;
    }
    carry + i128::from(is_inexact)
}

/// Digits and exponent, no finer than a nano.
fn round_up(digits: &str, exponent: i64) -> (String, i32) {
    let surplus = i64::from(NANO) - exponent;
    if surplus <= 0 || digits.bytes().all(|byte| byte == b'0') {
        return (digits.to_owned(), exponent.clamp(i32::MIN.into(), i32::MAX.into()) as i32);
    }
    let kept = digits.len().saturating_sub(surplus as usize);
    let is_exact = digits[kept..].bytes().all(|byte| byte == b'0');
    let digits = if is_exact { digits[..kept].to_owned() } else { increment(&digits[..kept]) };
    (digits, NANO)
}

/// One more, in decimal digits.
fn increment(digits: &str) -> String {
    let nines = digits.len() - digits.trim_end_matches('9').len();
    let (head, _) = digits.split_at(digits.len() - nines);
    let zeros = "0".repeat(nines);
    match head.as_bytes().split_last() {
        Some((last, head)) => format!("{}{}{zeros}", String::from_utf8_lossy(head), last - b'0' + 1),
        None => format!("1{zeros}"),
    }
}

fn canonical(amount: Decimal, format: Format) -> String {
    let binary = || {
        let is_small = amount.compare(Decimal::ONE_KI).is_lt() && amount.compare(Decimal::ONE_KI.negated()).is_gt();
        let whole = amount.whole().filter(|_| !is_small && format == Format::BinarySi)?;
        let power = (1..=6).rev().find(|power| whole % (1i128 << (10 * power)) == 0).unwrap_or(0);
        // An amount of 2^70 has no suffix upstream either; none is that large.
        let name = if power == 0 { "" } else { BINARY[power - 1].0 };
        Some(format!("{}{name}", whole >> (10 * power)))
    };
    if amount.mantissa == 0 {
        return "0".to_owned();
    }
    let decimal = if format == Format::BinarySi { Format::DecimalSi } else { format };
    binary().unwrap_or_else(|| {
        let digits = amount.mantissa.unsigned_abs().to_string();
        print_decimal(amount.mantissa < 0, &digits, amount.exponent, decimal)
    })
}

fn print_decimal(is_negative: bool, digits: &str, exponent: i32, format: Format) -> String {
    let digits = digits.trim_start_matches('0');
    let stripped = digits.trim_end_matches('0');
    if stripped.is_empty() {
        return "0".to_owned();
    }
    let exponent = i64::from(exponent) + (digits.len() - stripped.len()) as i64;
    let shift = exponent.rem_euclid(3);
    let exponent = exponent - shift;
    let name = match format {
        Format::DecimalExponent if exponent != 0 => format!("e{exponent}"),
        Format::DecimalExponent => String::new(),
        // Beyond the largest suffix upstream prints none.
        _ => {
            let found = DECIMAL.iter().find(|(_, power)| i64::from(*power) == exponent);
            found.map_or(String::new(), |(name, _)| (*name).to_owned())
        }
    };
    let sign = if is_negative { "-" } else { "" };
    format!("{sign}{stripped}{}{name}", "0".repeat(shift as usize))
}

impl PartialEq for Decimal {
    fn eq(&self, other: &Decimal) -> bool {
        self.compare(*other).is_eq()
    }
}

impl Eq for Decimal {}

impl Decimal {
    const ONE_KI: Decimal = Decimal { mantissa: 1024, exponent: 0 };

    fn negated(self) -> Decimal {
        Decimal { mantissa: -self.mantissa, ..self }
    }

    fn from_digits(digits: &str, exponent: i32, is_negative: bool) -> Decimal {
        let digits = digits.trim_start_matches('0');
        let (near, far) = digits.split_at(digits.len().min(DIGITS_MAX));
        let mantissa: i128 = near.parse().unwrap_or_default();
        let exponent = exponent.saturating_add(far.len() as i32);
        Decimal { mantissa: if is_negative { -mantissa } else { mantissa }, exponent }
    }

    /// Without trailing zeros.
    fn stripped(mut self) -> Decimal {
        if self.mantissa == 0 {
            return Decimal { mantissa: 0, exponent: 0 };
        }
        while self.mantissa % 10 == 0 {
            self.mantissa /= 10;
            self.exponent = self.exponent.saturating_add(1);
        }
        self
    }

    /// In units of 10^exponent, if that fits and is exact.
    fn exactly_at(self, exponent: i32) -> Option<i128> {
        let this = self.stripped();
        let shift = this.exponent.checked_sub(exponent)?;
        let factor = 10i128.checked_pow(u32::try_from(shift).ok()?)?;
        this.mantissa.checked_mul(factor)
    }

    fn whole(self) -> Option<i128> {
        self.exactly_at(0)
    }

    /// In units of 10^exponent, rounded up away from zero; the largest there is if it does not fit.
    fn ceil_at(self, exponent: i32) -> i128 {
        if let Some(exact) = self.exactly_at(exponent) {
            return exact;
        }
        let bound = if self.mantissa < 0 { i128::MIN } else { i128::MAX };
        let shift = i64::from(exponent) - i64::from(self.exponent);
        if shift <= 0 {
            return bound;
        }
        let divisor = u32::try_from(shift).ok().and_then(|shift| 10i128.checked_pow(shift)).unwrap_or(i128::MAX);
        self.mantissa / divisor + if self.mantissa % divisor == 0 { 0 } else { self.mantissa.signum() }
    }

    fn compare(self, other: Decimal) -> Ordering {
        let (a, b) = (self.stripped(), other.stripped());
        if a.mantissa.signum() != b.mantissa.signum() || a.mantissa == 0 {
            return a.mantissa.signum().cmp(&b.mantissa.signum());
        }
        let exponent = a.exponent.min(b.exponent);
        match (a.exactly_at(exponent), b.exactly_at(exponent)) {
            (Some(a), Some(b)) => a.cmp(&b),
            // One is so much finer that only the place of the first digit counts.
            _ => {
                let place = |this: Decimal| this.mantissa.unsigned_abs().ilog10() as i64 + i64::from(this.exponent);
                let magnitude = place(a).cmp(&place(b));
                if a.mantissa < 0 { magnitude.reverse() } else { magnitude }
            }
        }
    }

    fn add(self, other: Decimal) -> Decimal {
        let (a, b) = (self.stripped(), other.stripped());
        if a.mantissa == 0 || b.mantissa == 0 {
            return if a.mantissa == 0 { b } else { a };
        }
        let exponent = a.exponent.min(b.exponent);
        let sum = a.exactly_at(exponent).zip(b.exactly_at(exponent)).and_then(|(a, b)| a.checked_add(b));
        match sum {
            Some(mantissa) => Decimal { mantissa, exponent },
            // Simplified: of two amounts 38 digits apart the smaller is lost.
            None => {
                let magnitude = |this: Decimal| Decimal { mantissa: this.mantissa.saturating_abs(), ..this };
                if magnitude(a).compare(magnitude(b)).is_lt() { b } else { a }
            }
        }
    }
}
