//! Range checks of what a recipe may hold: every refusal names the key, the value typed and the
//! values allowed, in the same words everywhere.

use std::ops::{Bound, RangeBounds};

use crate::{Error, Result};

/// Refuses a `value` that is not finite or lies outside `range`; `key` is its path in the recipe.
///
/// # Errors
/// [`Error::Recipe`] naming the key, the value and the range.
pub fn number(key: &str, value: f64, range: impl RangeBounds<f64>) -> Result<()> {
    if value.is_finite() && range.contains(&value) {
        return Ok(());
    }
    let lower = match range.start_bound() {
        Bound::Included(bound) => Some(format!("at least {bound}")),
        Bound::Excluded(bound) => Some(format!("greater than {bound}")),
        Bound::Unbounded => None,
    };
    let upper = match range.end_bound() {
        Bound::Included(bound) => Some(format!("at most {bound}")),
        Bound::Excluded(bound) => Some(format!("less than {bound}")),
        Bound::Unbounded => None,
    };
    let limits: Vec<String> = lower.into_iter().chain(upper).collect();
    let limits = if limits.is_empty() {
        "finite".into()
    } else {
        limits.join(" and ")
    };
    Err(Error::Recipe(format!(
        "`{key} = {value}`: must be a number that is {limits}"
    )))
}

/// Everything above zero, for [`number`].
pub const POSITIVE: (Bound<f64>, Bound<f64>) = (Bound::Excluded(0.0), Bound::Unbounded);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_names_key_value_and_range() {
        let text = |result: Result<()>| result.unwrap_err().to_string();
        assert_eq!(
            text(number("miner.rho.p_switch", 1.5, 0.0..=1.0)),
            "`miner.rho.p_switch = 1.5`: must be a number that is at least 0 and at most 1"
        );
        assert_eq!(
            text(number("objective.margin", f64::NAN, 0.0..)),
            "`objective.margin = NaN`: must be a number that is at least 0"
        );
        assert_eq!(
            text(number("a", f64::INFINITY, ..)),
            "`a = inf`: must be a number that is finite"
        );
        assert!(text(number("a", 0.0, POSITIVE)).contains("greater than 0"));
        assert!(number("a", 0.0, 0.0..).is_ok());
    }
}
