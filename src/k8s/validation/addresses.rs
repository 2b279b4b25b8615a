//! Addresses of the internet, and ranges of them.
//!
//! Upstream: `IsValidIP` and `IsValidCIDR` of `k8s.io/apimachinery/pkg/util/validation`, `ValidateNonSpecialIP`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::Errors;

/// A range of addresses: `10.0.0.0/8`.
#[derive(Clone, Copy)]
pub(super) struct Range {
    address: IpAddr,
    bits: u8,
}

impl Range {
    pub fn read(text: &str) -> Option<Range> {
        let (address, bits) = text.split_once('/')?;
        let address = read(address)?;
        let is_number = !bits.is_empty() && bits.bytes().all(|byte| byte.is_ascii_digit());
        let bits: u8 = bits.parse().ok().filter(|_| is_number)?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        (bits <= most).then_some(Range { address, bits })
    }

    pub fn is_six(self) -> bool {
        self.address.is_ipv6()
    }

    /// Whether it holds the other and more.
    pub fn is_beyond(self, other: Range) -> bool {
        let (own, its) = (number(self.address), number(other.address));
        let same_kind = self.is_six() == other.is_six();
        let width: u32 = if self.is_six() { 128 } else { 32 };
        let shift = width - u32::from(self.bits);
        let head = |number: u128| number.checked_shr(shift).unwrap_or(0);
        same_kind && self.bits < other.bits && head(own) == head(its)
    }
}

/// As Go's older parser, which allows zeros before a number.
pub(super) fn read(text: &str) -> Option<IpAddr> {
    if text.contains(':') {
        return text.parse::<Ipv6Addr>().ok().map(IpAddr::V6);
    }
    let mut parts = [0_u8; 4];
    let mut texts = text.split('.');
    for part in &mut parts {
        let own = texts.next()?;
        let is_number = !own.is_empty() && own.bytes().all(|byte| byte.is_ascii_digit());
        *part = own.parse().ok().filter(|_| is_number)?;
    }
    texts.next().is_none().then(|| IpAddr::V4(Ipv4Addr::from(parts)))
}

pub(super) fn check(errors: &mut Errors, field: &str, text: &str) -> bool {
    let is_valid = read(text).is_some();
    if !is_valid {
        errors.invalid(field, text, "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)");
    }
    is_valid
}

pub(super) fn check_range(errors: &mut Errors, field: &str, text: &str) -> bool {
    let is_valid = Range::read(text).is_some();
    if !is_valid {
        errors.invalid(field, text, "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)");
    }
    is_valid
}

/// Nobody is reached through these.
pub(super) fn check_not_special(errors: &mut Errors, field: &str, text: &str) {
    let Some(address) = read(text) else {
        return errors.invalid(field, text, "must be a valid IP address");
    };
    let (is_link_local, is_link_multicast) = match address {
        IpAddr::V4(address) => {
            let parts = address.octets();
            (address.is_link_local(), parts[..3] == [224, 0, 0])
        }
        IpAddr::V6(address) => (address.segments()[0] & 0xffc0 == 0xfe80, address.segments()[0] & 0xff0f == 0xff02),
    };
    if address.is_unspecified() {
        errors.invalid(field, text, &format!("may not be unspecified ({text})"));
    }
    if address.is_loopback() {
        errors.invalid(field, text, "may not be in the loopback range (127.0.0.0/8, ::1/128)");
    }
    if is_link_local {
        errors.invalid(field, text, "may not be in the link-local range (169.254.0.0/16, fe80::/10)");
    }
    if is_link_multicast {
        errors.invalid(field, text, "may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)");
    }
}

fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u32::from(address).into(),
        IpAddr::V6(address) => address.into(),
    }
}
