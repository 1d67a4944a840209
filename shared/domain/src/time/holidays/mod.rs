//! Nationwide public holidays by country, computed from their rules.
//!
//! The lists follow the public category of Python's `holidays` package, observed substitutes
//! included, and equal it for every country and year of `holidays_2024_2035.txt` (package 0.108).
//! The rules are those in force from 2024 on; an earlier year gets the same rules, not its own
//! history. What a government fixes by yearly decree (Argentina's bridge days) is a table that
//! ends with the last decree. Spain's days on a Sunday are not listed: each region decides
//! whether and where they move.

mod americas;
mod europe;
#[cfg(test)]
mod tests;
mod year;

use chrono::NaiveDate;
use year::Year;

/// Whether [`national_holidays`] knows the country (ISO 3166-1 alpha-2, upper case).
pub fn country_supported(country: &str) -> bool {
    rules(country).is_some()
}

/// The nationwide public holidays of a country (ISO 3166-1 alpha-2, upper case) in a year, in
/// order, observed substitutes included. Empty for a country that is not supported.
pub fn national_holidays(country: &str, year: i32) -> Vec<NaiveDate> {
    match rules(country) {
        Some(rules) if (1..=9999).contains(&year) => {
            let mut year = Year::new(year);
            rules(&mut year);
            year.into_days()
        }
        _ => Vec::new(),
    }
}

fn rules(country: &str) -> Option<fn(&mut Year)> {
    Some(match country {
        "AR" => americas::argentina,
        "BR" => americas::brazil,
        "CL" => americas::chile,
        "CO" => americas::colombia,
        "DE" => europe::germany,
        "ES" => europe::spain,
        "FR" => europe::france,
        "GB" => europe::united_kingdom,
        "IT" => europe::italy,
        "MX" => americas::mexico,
        "PT" => europe::portugal,
        "US" => americas::united_states,
        _ => return None,
    })
}
