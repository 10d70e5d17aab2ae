//! Numbers in texts.

use std::ops::RangeInclusive;
use std::str::FromStr;

/// A number in plain digits, if it is within these bounds.
pub(super) fn within<N: FromStr + PartialOrd>(text: &str, bounds: RangeInclusive<N>) -> Option<N> {
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
    let value = text.parse().ok();
    value.filter(|value| is_number && bounds.contains(value))
}
