use super::support::check;

/// TIME.md section 5, as written there.
#[test]
fn section_5() {
    let ny = "America/New_York";
    check(ny, "2026-03-06T14:00:00Z", "3 days", "2026-03-09T13:00:00Z");
    check(ny, "2026-03-07T07:30:00Z", "1 days", "2026-03-08T07:00:00Z");
    check(ny, "2026-10-31T05:30:00Z", "1 days", "2026-11-01T05:30:00Z");
    check(ny, "2026-11-01T04:30:00Z", "24 hours", "2026-11-02T04:30:00Z");

    let sp = "America/Sao_Paulo";
    let night = "quiet 20:00-08:00";
    check(sp, "2026-11-20T01:00:00Z", &format!("1 business_days {night} country BR"), "2026-11-24T11:00:00Z");
    check(sp, "2026-11-20T15:00:00Z", "0 minutes nohol country BR", "2026-11-21T15:00:00Z");
    check(sp, "2026-11-14T01:00:00Z", &format!("0 business_days {night}"), "2026-11-16T11:00:00Z");

    check("Asia/Tokyo", "2026-06-06T03:00:00Z", "0 minutes window mon-fri 08:00-18:00", "2026-06-07T23:00:00Z");
    check("Europe/Lisbon", "2026-03-28T22:30:00Z", "0 minutes window 20:00-06:00", "2026-03-28T22:30:00Z");
}
