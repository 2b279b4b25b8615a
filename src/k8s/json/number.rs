//! Numbers as Go prints them. The shortest digits are those of `serde_json`; where the point stands is decided here, on text.

use serde_json::Number;

/// As `encoding/json` prints: an exponent below 1e-6 and from 1e21 on.
pub fn shortest(number: &Number) -> String {
    match Digits::of(number) {
        None => number.to_string(),
        Some(digits) if digits.point < -5 || digits.point > 21 => digits.scientific(1),
        Some(digits) => digits.plain(),
    }
}

/// As `strconv.FormatFloat(…, 'g', -1, 64)` prints: an exponent below 1e-4 and from 1e21 on, of two digits at least.
pub fn shortest_g(number: &Number) -> String {
    match Digits::of(number) {
        None => number.to_string(),
        Some(digits) => {
            let precision = if digits.digits.len() as i32 > 6 && digits.digits.len() as i32 >= digits.point {
                digits.digits.len() as i32
            } else {
                6
            };
            let precision = if precision == 6 { 21 } else { precision };
            let exponent = digits.point - 1;
            if exponent < -4 || exponent >= precision { digits.scientific(2) } else { digits.plain() }
        }
    }
}

/// A float taken apart: `0.digits * 10^point`.
struct Digits {
    is_negative: bool,
    digits: String,
    point: i32,
}

impl Digits {
    /// `None` for a whole number, whose text is the same everywhere.
    fn of(number: &Number) -> Option<Digits> {
        if !number.is_f64() {
            return None;
        }
        let text = number.to_string();
        let unsigned = text.trim_start_matches('-');
        let (mantissa, exponent) = unsigned.split_once(['e', 'E']).unwrap_or((unsigned, "0"));
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let all = [whole, fraction].concat();
        let leading = all.len() - all.trim_start_matches('0').len();
        let digits = all.trim_matches('0').to_owned();
        let point = whole.len() as i32 + exponent.parse::<i32>().ok()? - leading as i32;
        let point = if digits.is_empty() { 1 } else { point };
        let digits = if digits.is_empty() { "0".to_owned() } else { digits };
        Some(Digits { is_negative: text.starts_with('-'), digits, point })
    }

    fn sign(&self) -> &'static str {
        if self.is_negative { "-" } else { "" }
    }

    fn plain(&self) -> String {
        let (sign, digits, length) = (self.sign(), &self.digits, self.digits.len() as i32);
        match self.point {
            point if point <= 0 => format!("{sign}0.{}{digits}", "0".repeat(-point as usize)),
            point if point >= length => format!("{sign}{digits}{}", "0".repeat((point - length) as usize)),
            point => format!("{sign}{}.{}", &digits[..point as usize], &digits[point as usize..]),
        }
    }

    fn scientific(&self, exponent_digits: usize) -> String {
        let (first, rest) = self.digits.split_at(1);
        let exponent = self.point - 1;
        let point = if rest.is_empty() { "" } else { "." };
        let sign = if exponent < 0 { '-' } else { '+' };
        format!("{}{first}{point}{rest}e{sign}{:0exponent_digits$}", self.sign(), exponent.abs())
    }
}
