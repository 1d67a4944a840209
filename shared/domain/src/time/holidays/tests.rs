#![allow(clippy::unwrap_used)]

use super::{country_supported, national_holidays};

/// A line each: country, year, its days.
const LISTS: &str = include_str!("holidays_2024_2035.txt");

#[test]
fn every_country_and_year_equals_the_published_list() {
    for line in LISTS.lines() {
        let (country, rest) = line.split_once(' ').unwrap();
        let (year, days) = rest.split_once(' ').unwrap();
        let computed = national_holidays(country, year.parse().unwrap());
        let computed: Vec<_> = computed.iter().map(|day| day.format("%m-%d").to_string()).collect();
        assert_eq!(computed.join(" "), days, "{country} {year}");
    }
    assert_eq!(LISTS.lines().count(), 12 * 12);
}

#[test]
fn lists_are_sorted_without_repeats_in_their_year() {
    for country in ["AR", "BR", "CL", "CO", "DE", "ES", "FR", "GB", "IT", "MX", "PT", "US"] {
        assert!(country_supported(country));
        for year in (1..=9999).step_by(7) {
            let days = national_holidays(country, year);
            assert!(days.is_sorted_by(|a, b| a < b), "{country} {year}");
            assert!(days.iter().all(|d| chrono::Datelike::year(d) == year), "{country} {year}");
        }
    }
}

#[test]
fn an_unknown_country_or_year_has_none() {
    assert!(!country_supported("XX") && !country_supported("br"));
    assert!(national_holidays("XX", 2026).is_empty());
    assert!(national_holidays("BR", i32::MAX).is_empty());
}
