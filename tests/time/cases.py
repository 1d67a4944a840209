"""The cases of docs/TIME.md with the answers of `second.py`, and the public holidays of Python's `holidays`.

    python tests/time/cases.py           writes cases.json and the list of holidays
    python tests/time/cases.py --check   fails where they differ from what is committed

Wants the packages of requirements.txt.
"""

from __future__ import annotations

import json
import random
import sys
from datetime import date, datetime, time, timedelta
from pathlib import Path

import second
from second import DAY, DAYS, UTC, local, show, zone_of

HERE = Path(__file__).parent
CASES = HERE / "cases.json"
HOLIDAYS = HERE / "../../shared/domain/src/time/holidays/holidays_2024_2035.txt"
COUNTRIES = ["AR", "BR", "CL", "CO", "DE", "ES", "FR", "GB", "IT", "MX", "PT", "US"]
WORKDAYS = DAYS[:5]


def case(name: str, zone: str, previous: str, wait: str, **more) -> dict:
    """`wait` is "3 days", "2 hours before target.starts_at" and the like; what is unlike a default is named."""
    value, unit, *date_of = wait.split()
    wait = {"value": int(value), "unit": unit}
    if date_of:
        wait[date_of[0]] = date_of[1]
    account = {"timezone": zone}
    step = {"wait": wait}
    made = {"name": name, "account": account, "step": step, "previous": previous}
    for key, value in more.items():
        if key in ("at", "window"):
            step[key] = value
        elif key == "skip_if_late":
            step[key] = dict(zip(("value", "unit"), (int(value.split()[0]), value.split()[1])))
        elif key in ("target", "now", "caught_up", "contact_timezone"):
            made[key] = value
        else:
            account[key] = value
    return made


def hours(text: str) -> dict:
    """"fri 20:00-06:00" or "09:00-17:00"."""
    *days, span = text.split()
    start, end = span.split("-")
    return {**({"days": days} if days else {}), "from": start, "to": end}


def on(*countries: str, dates: list[str] | None = None) -> dict:
    return {**({"countries": list(countries)} if countries else {}), **({"dates": dates} if dates else {})}


# --- Chosen by hand


def examples():
    """Section 5 of docs/TIME.md."""
    ny, sp, night = "America/New_York", "America/Sao_Paulo", [hours("20:00-08:00")]
    yield case("example 1", ny, "2026-03-06T14:00:00Z", "3 days")
    yield case("example 2", ny, "2026-03-07T07:30:00Z", "1 days")
    yield case("example 3", ny, "2026-10-31T05:30:00Z", "1 days")
    yield case("example 4", ny, "2026-11-01T04:30:00Z", "24 hours")
    yield case("example 5", sp, "2026-11-20T01:00:00Z", "1 business_days", quiet_hours=night, holidays=on("BR"))
    yield case("example 6", sp, "2026-11-20T15:00:00Z", "0 minutes", send_on_holidays=False, holidays=on("BR"))
    yield case("example 7", sp, "2026-11-14T01:00:00Z", "0 business_days", quiet_hours=night)
    week = hours(" ".join(WORKDAYS) + " 08:00-18:00")
    yield case("example 8", "Asia/Tokyo", "2026-06-06T03:00:00Z", "0 minutes", window=week)
    yield case("example 9", "Europe/Lisbon", "2026-03-28T22:30:00Z", "0 minutes", window=hours("20:00-06:00"))


# A zone, the day its clocks go forward, the day they go back, and a wall-clock time in the gap and in the overlap.
SHIFTS = [
    ("America/New_York", "2026-03-08", "02:30", "2026-11-01", "01:30"),
    ("Europe/Lisbon", "2026-03-29", "01:30", "2026-10-25", "01:30"),
    ("Europe/Dublin", "2027-03-28", "01:15", "2027-10-31", "01:15"),
    ("Australia/Lord_Howe", "2026-10-04", "02:10", "2026-04-05", "01:45"),
    ("Australia/Adelaide", "2026-10-04", "02:30", "2026-04-05", "02:30"),
    ("America/Santiago", "2026-09-06", "00:30", "2026-04-04", "23:30"),
    ("America/Havana", "2026-03-08", "00:30", "2026-11-01", "00:30"),
    ("Africa/Cairo", "2026-04-24", "00:30", "2026-10-29", "23:30"),
    ("Asia/Beirut", "2026-03-29", "00:15", "2026-10-24", "23:15"),
    ("Pacific/Chatham", "2026-09-27", "03:00", "2026-04-05", "03:00"),
    ("America/St_Johns", "2026-03-08", "02:30", "2026-11-01", "01:30"),
    ("Antarctica/Troll", "2026-03-29", "02:00", "2026-10-25", "02:00"),
    ("America/Nuuk", "2026-03-28", "23:30", "2026-10-24", "23:30"),
]


def shifts():
    """What the clocks' changes do to a wait, to `at`, and to each edge of a window and of quiet hours."""
    for zone, forward, skipped, back, twice in SHIFTS:
        for day, wall, what in ((forward, skipped, "gap"), (back, twice, "overlap")):
            wall_clock = time.fromisoformat(wall)
            day = date.fromisoformat(day)
            eve = wall_of(zone, datetime.combine(day - DAY, wall_clock))
            label = f"{zone}, {what}"
            yield case(f"{label}: a day after the eve", zone, eve, "1 days")
            yield case(f"{label}: two days after two before", zone, wall_of(zone, datetime.combine(day - 2 * DAY, wall_clock)), "2 days")
            yield case(f"{label}: at that time", zone, wall_of(zone, datetime.combine(day - 3 * DAY, time(12))), "3 days", at=wall)
            yield case(f"{label}: 24 hours", zone, eve, "24 hours")
            begin = (datetime.combine(day, wall_clock) - timedelta(hours=2)).time().isoformat("minutes")
            noon = wall_of(zone, datetime.combine(day - DAY, time(12)))
            yield case(f"{label}: window from it", zone, noon, "9 hours", window=hours(f"{wall}-05:50"))
            yield case(f"{label}: window up to it, from inside", zone, wall_of(zone, datetime.combine(day, wall_clock) - timedelta(minutes=20)), "25 minutes", window=hours(f"{begin}-{wall}"))
            yield case(f"{label}: quiet up to it", zone, noon, "8 hours", quiet_hours=[hours(f"18:00-{wall}")])
            yield case(f"{label}: quiet from it", zone, wall_of(zone, datetime.combine(day, wall_clock) - timedelta(minutes=30)), "50 minutes", quiet_hours=[hours(f"{wall}-07:00")])
        end = "02:45" if skipped < "02:40" else "03:10" if skipped < "03:05" else "23:50"
        yield case(f"{zone}: window inside the gap alone", zone, wall_of(zone, datetime.combine(date.fromisoformat(forward) - DAY, time(12))), "4 hours", window=hours(f"{skipped}-{end}"))


def wall_of(zone: str, wall: datetime) -> str:
    return show(second.instant_of(zone, wall)[0])


def missing_days():
    """Days that a zone never had: Samoa's 30 December 2011, Kwajalein's 21 August 1993."""
    for zone, day in (("Pacific/Apia", "2011-12-30"), ("Pacific/Kwajalein", "1993-08-21")):
        day = date.fromisoformat(day)
        eve = wall_of(zone, datetime.combine(day - DAY, time(10, 20)))
        yield case(f"{zone}: the missing day", zone, eve, "1 days")
        yield case(f"{zone}: the day after it", zone, eve, "2 days")
        yield case(f"{zone}: at nine on it", zone, eve, "1 days", at="09:00")
        yield case(f"{zone}: 24 hours", zone, eve, "24 hours")
        yield case(f"{zone}: window of its weekday", zone, eve, "20 hours", window=hours(f"{second.weekday(day)} 09:00-17:00"))
        yield case(f"{zone}: overnight window", zone, eve, "6 hours", window=hours("22:00-06:00"))
        for barred in (day, day + DAY):
            yield case(f"{zone}: the missing day, {barred} barred", zone, eve, "1 days", holidays=on(dates=[barred.isoformat()]), send_on_holidays=False)
        yield case(f"{zone}: quiet nights", zone, eve, "12 hours", quiet_hours=[hours("20:00-08:00")])


def nights():
    """Windows and quiet hours over midnight, their days, and their edges."""
    zone, friday = "America/Sao_Paulo", hours("fri 20:00-06:00")
    for at, name in (
        ("2026-06-12T22:59:59Z", "a second before it opens"), ("2026-06-12T23:00:00Z", "as it opens"),
        ("2026-06-13T02:30:00Z", "before midnight"), ("2026-06-13T05:00:00Z", "Saturday at two"),
        ("2026-06-13T08:59:59Z", "its last second"), ("2026-06-13T09:00:00Z", "as it closes"),
        ("2026-06-14T05:00:00Z", "Sunday at two"),
    ):
        yield case(f"Friday's night window: {name}", zone, at, "0 minutes", window=friday)
        yield case(f"Friday's night window in business days: {name}", zone, at, "0 business_days", window=friday)
        yield case(f"quiet Friday nights: {name}", zone, at, "0 minutes", quiet_hours=[friday])
    yield case("window to 24:00, its last second", zone, "2026-06-13T02:59:59Z", "0 minutes", window=hours("18:00-24:00"))
    yield case("window to 24:00, after it", zone, "2026-06-13T03:00:00Z", "0 minutes", window=hours("18:00-24:00"))
    yield case("quiet from 00:00 to 24:00 on Saturday", zone, "2026-06-13T03:00:00Z", "0 minutes", quiet_hours=[hours("sat 00:00-24:00")])
    yield case("window within quiet hours but for an hour", zone, "2026-06-13T15:00:00Z", "0 minutes", window=hours("18:00-24:00"), quiet_hours=[hours("19:00-08:00")])
    two = [hours("sat sun 00:00-24:00"), hours("12:00-14:00"), hours("20:00-08:00")]
    yield case("three quiet hours in a row", zone, "2026-06-12T16:00:00Z", "5 hours", quiet_hours=two)
    yield case("lunch is quiet", zone, "2026-06-12T13:00:00Z", "150 minutes", quiet_hours=two)
    yield case("window opens in quiet hours that end on Monday", zone, "2026-06-12T21:30:07Z", "3 hours", quiet_hours=two, window=hours("07:00-09:00"))
    yield case("window one minute long", zone, "2026-06-12T16:00:01Z", "1 minutes", window=hours("10:01-10:02"))
    yield case("quiet on the first night of a window only", zone, "2026-06-12T22:00:00Z", "2 hours", window=hours("22:00-02:00"), quiet_hours=[hours("fri 21:00-23:30")])
    yield case("overnight window over the year's end", zone, "2026-12-31T23:30:00Z", "0 minutes", window=hours("thu 22:00-03:00"))
    yield case("never: window in quiet hours", zone, "2026-06-12T16:00:00Z", "0 minutes", window=hours("21:00-23:00"), quiet_hours=[hours("20:00-08:00")])
    yield case("never: the window opens on no business day", zone, "2026-06-12T16:00:00Z", "1 business_days", business_days=["sun"], window=hours("sat 08:00-12:00"))
    yield case("window's days are no business days, but the night runs into one", zone, "2026-06-12T16:00:00Z", "1 business_days", window=hours("sun 20:00-06:00"))


def calendars():
    """Holidays, business days, year ends and leap days."""
    zones = dict(AR="America/Argentina/Buenos_Aires", BR="America/Sao_Paulo", CL="America/Santiago", CO="America/Bogota", DE="Europe/Berlin", ES="Europe/Madrid", FR="Europe/Paris", GB="Europe/London", IT="Europe/Rome", MX="America/Mexico_City", PT="Europe/Lisbon", US="America/New_York")
    for country, zone in zones.items():
        for year, dates in ((2026, ("04-01", "12-23")), (2027, ("06-30", "12-31")), (2028, ("03-24",))):
            for day in dates:
                at = wall_of(zone, datetime.fromisoformat(f"{year}-{day}T10:00:00"))
                yield case(f"{country}: business days from {year}-{day}", zone, at, f"{1 + year % 3} business_days", holidays=on(country))
        day = next(d for d in sorted(second.national(country, 2026)) if d > date(2026, 4, 30))
        at = wall_of(zone, datetime.combine(day - DAY, time(18, 30)))
        yield case(f"{country}: {day} is barred", zone, at, "24 hours", holidays=on(country), send_on_holidays=False)
        yield case(f"{country}: {day} is sent on", zone, at, "1 days", holidays=on(country))
    ny, sp = "America/New_York", "America/Sao_Paulo"
    off = {"holidays": on("US"), "send_on_holidays": False}
    yield case("US: the observed day and the Saturday are both barred", ny, "2026-07-02T16:00:00Z", "1 days", **off)
    yield case("US: New Year 2028 is observed in 2027", ny, "2027-12-30T16:00:00Z", "1 business_days", **off)
    yield case("two countries", sp, "2026-11-19T15:00:00Z", "5 business_days", holidays=on("BR", "US"))
    yield case("an account's own date", sp, "2026-12-23T15:00:00Z", "1 business_days", holidays=on("BR", dates=["2026-12-24", "2026-12-28"]))
    yield case("window on a barred day", sp, "2026-12-23T15:00:00Z", "2 days", window=hours("fri 09:00-12:00"), holidays=on("BR"), send_on_holidays=False)
    yield case("a night window ends where a barred day begins", sp, "2026-12-25T00:00:00Z", "4 hours", window=hours("20:00-06:00"), holidays=on("BR"), send_on_holidays=False)
    for n in (0, 1, 2, 10, 30):
        for previous, name in (("2026-12-31T13:00:00Z", "New Year's Eve"), ("2027-01-02T13:00:00Z", "a Saturday"), ("2028-02-28T13:00:00Z", "before a leap day")):
            yield case(f"{n} business days from {name}", sp, previous, f"{n} business_days", holidays=on("BR"))
            yield case(f"{n} business days from {name}, at 08:15", sp, previous, f"{n} business_days", at="08:15", holidays=on("BR"))
            yield case(f"{n} days from {name}, at 08:15", sp, previous, f"{n} days", at="08:15")
    for days in (1, 365, 366):
        yield case(f"{days} days from a leap day", sp, "2028-02-29T13:00:00Z", f"{days} days")
    yield case("a day before a leap day", sp, "2028-02-28T13:00:00Z", "1 days")
    yield case("Sunday to Thursday", "Asia/Dubai", "2026-06-11T08:00:00Z", "1 business_days", business_days=["sun", "mon", "tue", "wed", "thu"])
    yield case("Saturday only", sp, "2026-06-11T08:00:00Z", "2 business_days", business_days=["sat"])
    yield case("the civil day is another than UTC's, west", "Pacific/Pago_Pago", "2027-01-01T05:00:00Z", "1 business_days", holidays=on("US"))
    yield case("the civil day is another than UTC's, east", "Pacific/Kiritimati", "2026-12-31T11:00:00Z", "1 business_days", holidays=on("US"))


def ats():
    """`at` on the day, before and after `previous`."""
    zone = "America/New_York"
    for wait in ("0 days", "1 days", "0 business_days", "1 business_days"):
        for at in ("09:00", "14:00", "14:01", "00:00", "23:59"):
            yield case(f"{wait} at {at}, sent on Friday at two", zone, "2026-06-05T18:00:00Z", wait, at=at)
    yield case("the time has passed by a second", zone, "2026-06-05T18:00:01Z", "0 days", at="14:00")
    yield case("at the first 01:30, sent at the second", zone, "2026-11-01T06:30:00Z", "0 days", at="01:30")
    yield case("0 days from the second 01:30", zone, "2026-11-01T06:30:00Z", "0 days")
    yield case("0 minutes from the second 01:30", zone, "2026-11-01T06:30:00Z", "0 minutes")
    yield case("at in the gap of today", zone, "2026-03-08T07:10:00Z", "0 days", at="02:30")
    yield case("at in the gap, next day barred", zone, "2026-03-07T17:00:00Z", "1 days", at="02:30", holidays=on(dates=["2026-03-08"]), send_on_holidays=False)
    yield case("at outside the window", zone, "2026-06-05T18:00:00Z", "1 days", at="07:00", window=hours("09:00-17:00"))
    yield case("a wall-clock time with seconds", zone, "2026-03-06T14:20:37Z", "2 days")


def dates_of_targets():
    """Before and after a date of the target."""
    zone = "America/Sao_Paulo"
    values = ["2026-12-01", "2026-12-01T15:30:00", "2026-12-01T15:30:00Z", "2026-12-01T23:30:00-08:00", "2026-12-05", "2026-12-06T10:00:00+02:00"]
    waits = ["30 minutes", "2 hours", "0 days", "1 days", "3 days", "0 business_days", "1 business_days", "4 business_days"]
    for value in values:
        for wait in waits:
            for side in ("before", "after"):
                yield case(f"{wait} {side} {value}", zone, "2026-11-10T12:00:00Z", f"{wait} {side} target.due_date", target={"due_date": value}, holidays=on("BR"))
    for wait in ("0 days", "2 days", "1 business_days"):
        for side in ("before", "after"):
            for value in ("2026-12-01", "2026-12-01T15:30:00"):
                yield case(f"{wait} {side} {value}, at 07:30", zone, "2026-11-10T12:00:00Z", f"{wait} {side} target.due_date", at="07:30", target={"due_date": value})
    for value in ("", "soon", "2026-02-30", "2026-13-01", "2026-12-01T25:00:00", None):
        target = {} if value is None else {"due_date": value}
        yield case(f"unreadable date {value!r}", zone, "2026-11-10T12:00:00Z", "1 days before target.due_date", target=target)
    after = [("1 days", {}), ("1 days", {"at": "08:00"}), ("0 business_days", {"at": "08:00"}), ("3 hours", {}), ("2 business_days", {})]
    for wait, more in after:
        for previous in ("2026-12-03T18:00:00Z", "2026-12-04T10:00:00Z", "2026-12-04T23:00:00Z"):
            yield case(f"{wait} after a date long past {more}, sent {previous}", zone, previous, f"{wait} after target.due_date", target={"due_date": "2026-11-20"}, **more)
    before = {"target": {"due_date": "2026-12-01"}}
    for previous, name in (("2026-11-29T12:00:00Z", "just in time"), ("2026-11-29T12:00:01Z", "a second late"), ("2026-11-30T18:00:00Z", "a day late"), ("2026-12-01T12:00:00Z", "at the date"), ("2026-12-02T12:00:00Z", "after the date")):
        yield case(f"2 days before: {name}", zone, previous, "2 days before target.due_date", **before)
        yield case(f"2 days before, may be late: {name}", zone, previous, "2 days before target.due_date", skip_if_late="4 days", **before)
        yield case(f"2 days before, may be 3 hours late: {name}", zone, previous, "2 days before target.due_date", skip_if_late="3 hours", **before)
    yield case("before: moved by the window past the date", zone, "2026-11-10T12:00:00Z", "1 hours before target.due_date", window=hours("10:00-12:00"), **before)
    yield case("before: moved by quiet hours, still in time", zone, "2026-11-10T12:00:00Z", "12 hours before target.due_date", quiet_hours=[hours("20:00-08:00")], **before)
    yield case("before: the day is barred", zone, "2026-12-10T12:00:00Z", "1 days before target.due_date", target={"due_date": "2026-12-26"}, holidays=on("BR"), send_on_holidays=False)
    yield case("before: the day is barred, two days left", zone, "2026-12-10T12:00:00Z", "2 days before target.due_date", target={"due_date": "2026-12-27"}, holidays=on("BR"), send_on_holidays=False)
    yield case("a date at a wall-clock time that DST skips", "America/New_York", "2026-03-01T12:00:00Z", "30 minutes after target.due_date", target={"due_date": "2026-03-08T02:30:00"})
    yield case("days before such a date", "America/New_York", "2026-03-01T12:00:00Z", "1 days before target.due_date", target={"due_date": "2026-03-08T02:30:00"})
    yield case("days after such a date", "America/New_York", "2026-03-01T12:00:00Z", "1 days after target.due_date", target={"due_date": "2026-03-08T02:30:00"})
    yield case("a date at a wall-clock time that comes twice", "America/New_York", "2026-10-01T12:00:00Z", "30 minutes before target.due_date", target={"due_date": "2026-11-01T01:30:00"})


def late():
    """Planned later than meant."""
    zone, nine = "America/Sao_Paulo", hours("mon tue wed thu fri 09:00-17:00")
    friday = "2026-06-12T14:00:00Z"
    for now, name in (("2026-06-12T14:59:00Z", "early"), ("2026-06-12T15:00:00Z", "in time"), ("2026-06-12T15:10:00Z", "10 minutes late"), ("2026-06-12T18:00:00Z", "3 hours late"), ("2026-06-12T20:30:00Z", "after closing"), ("2026-06-14T12:00:00Z", "on Sunday"), ("2026-06-15T13:00:00Z", "on Monday")):
        yield case(f"late: {name}", zone, friday, "1 hours", window=nine, now=now)
        yield case(f"late, up to 2 hours: {name}", zone, friday, "1 hours", window=nine, now=now, skip_if_late="2 hours")
        yield case(f"late, up to 3 days: {name}", zone, friday, "1 hours", window=nine, now=now, skip_if_late="3 days")
        yield case(f"late, decided before: {name}", zone, friday, "1 hours", window=nine, now=now, caught_up=True, spread_minutes=60)
        yield case(f"late, business days: {name}", zone, friday, "0 business_days", quiet_hours=[hours("20:00-08:00")], now=now)
        yield case(f"late, before a date: {name}", zone, friday, "1 days before target.starts_at", target={"starts_at": "2026-06-13T15:00:00Z"}, now=now, skip_if_late="1 days")
    yield case("exactly as late as it may be", zone, friday, "1 hours", now="2026-06-12T17:00:00Z", skip_if_late="2 hours")
    yield case("a second later than it may be", zone, friday, "1 hours", now="2026-06-12T17:00:01Z", skip_if_late="2 hours")
    yield case("may not be late at all", zone, friday, "1 hours", now="2026-06-12T15:00:01Z", skip_if_late="0 minutes")


def spreads():
    """Where spreading may put it: the answer is `at` to `to`."""
    zone = "America/Sao_Paulo"
    some = {"spread_minutes": 45}
    yield case("spread: not moved", zone, "2026-06-12T14:00:00Z", "1 hours", window=hours("09:00-17:00"), **some)
    yield case("spread: moved by the window", zone, "2026-06-12T20:00:00Z", "1 hours", window=hours("09:00-17:00"), **some)
    yield case("spread: moved by quiet hours", zone, "2026-06-12T23:30:00Z", "1 hours", quiet_hours=[hours("20:00-08:00")], **some)
    yield case("spread: moved by a holiday alone", zone, "2026-11-19T15:00:00Z", "1 days", holidays=on("BR"), send_on_holidays=False, **some)
    yield case("spread: a short window bounds it", zone, "2026-06-12T20:00:00Z", "1 hours", window=hours("09:00-09:10"), **some)
    yield case("spread: quiet hours bound it", zone, "2026-06-12T20:00:00Z", "1 hours", window=hours("09:00-17:00"), quiet_hours=[hours("09:20-10:00")], **some)
    yield case("spread: midnight before a barred day bounds it", zone, "2026-12-24T20:00:00Z", "1 hours", window=hours("23:40-03:00"), holidays=on("BR"), send_on_holidays=False, **some)
    yield case("spread: 15 minutes late are none", zone, "2026-06-12T14:00:00Z", "1 hours", now="2026-06-12T15:15:00Z", window=hours("09:00-17:00"), **some)
    yield case("spread: more are late", zone, "2026-06-12T14:00:00Z", "1 hours", now="2026-06-12T15:15:01Z", window=hours("09:00-17:00"), **some)
    yield case("spread: a little late, and moved by a weekend alone", zone, "2026-06-13T02:58:00Z", "0 business_days", now="2026-06-13T03:03:00Z", **some)
    yield case("spread: late shortly before closing", zone, "2026-06-12T14:00:00Z", "1 hours", now="2026-06-12T19:50:00Z", window=hours("09:00-17:00"), **some)
    yield case("spread: late after closing", zone, "2026-06-12T14:00:00Z", "1 hours", now="2026-06-12T23:00:00Z", window=hours("09:00-17:00"), **some)


def zones_of_contacts():
    """The contact's own zone, and the account's holidays in it."""
    night = [hours("20:00-08:00")]
    for use in (True, False):
        for zone in ("Asia/Tokyo", "America/Los_Angeles", "Asia/Kathmandu"):
            yield case(f"a contact in {zone}, used: {use}", "America/Sao_Paulo", "2026-11-19T11:30:00Z", "1 business_days", quiet_hours=night, holidays=on("BR"), use_contact_timezone=use, contact_timezone=zone)
            yield case(f"a contact in {zone}, at 09:00, used: {use}", "America/Sao_Paulo", "2026-03-07T11:30:00Z", "1 days", at="09:00", use_contact_timezone=use, contact_timezone=zone)
    yield case("a contact without a zone", "America/Sao_Paulo", "2026-11-19T11:30:00Z", "1 days", quiet_hours=night, use_contact_timezone=True)


# --- By chance

ZONES = [zone for zone, *_ in SHIFTS] + [
    "UTC", "America/Sao_Paulo", "Asia/Tokyo", "Asia/Kolkata", "Asia/Kathmandu", "Pacific/Kiritimati", "Pacific/Pago_Pago",
    "Europe/London", "Europe/Berlin", "Australia/Sydney", "America/Mexico_City", "Africa/Casablanca", "Asia/Gaza",
]


def changes(zone: str) -> list[datetime]:
    """When the zone's clocks change from 2026 to 2028, to the hour."""
    t, found = datetime(2026, 1, 1, tzinfo=UTC), []
    while t.year < 2029:
        if t.astimezone(zone_of(zone)).utcoffset() != (t + DAY).astimezone(zone_of(zone)).utcoffset():
            found.append(t + timedelta(hours=12))
        t += DAY
    return found


def by_chance(seed: int, number: int):
    rng = random.Random(seed)
    moments = {zone: changes(zone) for zone in ZONES}
    turns = [datetime(2026, 12, 31, 12, tzinfo=UTC), datetime(2027, 12, 31, 12, tzinfo=UTC), datetime(2028, 2, 29, 12, tzinfo=UTC)]

    def clock(round_to: int = 5) -> str:
        return f"{rng.randrange(24):02}:{rng.randrange(0, 60, round_to):02}"

    def span(days: bool) -> dict:
        start, end = clock(), rng.choice([clock(), clock(), "24:00"])
        while start == end:
            end = clock()
        chosen = sorted(rng.sample(DAYS, rng.randint(1, 6)), key=DAYS.index)
        return {**({"days": chosen} if days else {}), "from": start, "to": end}

    i = 0
    while i < number:
        zone = rng.choice(ZONES)
        near = rng.choice(moments[zone] or turns) if rng.random() < 0.6 else rng.choice(turns)
        if rng.random() < 0.2:
            near = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=rng.randrange(1000))
        previous = near + timedelta(seconds=rng.randint(-4 * 86400, 2 * 86400))
        if rng.random() < 0.5:
            previous = previous.replace(second=0, minute=previous.minute // 5 * 5)
        unit = rng.choice(["minutes", "hours", "days", "days", "business_days", "business_days"])
        most = {"minutes": 600, "hours": 100, "days": 8, "business_days": 6}[unit]
        wait = f"{rng.choice([0, 1, rng.randint(0, most)])} {unit}"
        more: dict = {}
        if rng.random() < 0.35:
            side = rng.choice(["before", "after"])
            wait += f" {side} target.day"
            day = previous + timedelta(seconds=rng.randint(-2 * 86400, 9 * 86400))
            form = rng.choice(["%Y-%m-%d", "%Y-%m-%dT%H:%M:00", "%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%dT%H:%M:00+05:30"])
            more["target"] = {"day": day.strftime(form)}
        if unit in ("days", "business_days") and rng.random() < 0.4:
            more["at"] = clock()
        if rng.random() < 0.5:
            more["window"] = span(rng.random() < 0.4)
        if rng.random() < 0.4:
            more["quiet_hours"] = [span(rng.random() < 0.3) for _ in range(rng.randint(1, 2))]
        if rng.random() < 0.5:
            own = [(previous + rng.randint(0, 9) * DAY).date().isoformat()] if rng.random() < 0.4 else None
            more["holidays"] = on(*rng.sample(COUNTRIES, rng.randint(0 if own else 1, 2)), dates=own)
            more["send_on_holidays"] = rng.random() < 0.4
        if rng.random() < 0.2:
            more["business_days"] = sorted(rng.sample(DAYS, rng.randint(1, 6)), key=DAYS.index)
        if rng.random() < 0.2:
            more["use_contact_timezone"] = rng.random() < 0.7
            more["contact_timezone"] = rng.choice(ZONES)
        if rng.random() < 0.3:
            more["now"] = show(previous + timedelta(seconds=rng.randint(0, 10 * 86400)))
            more["caught_up"] = rng.random() < 0.2
        elif rng.random() < 0.3:
            more["spread_minutes"] = rng.randint(1, 90)
        if rng.random() < 0.3:
            more["skip_if_late"] = rng.choice(["30 minutes", "6 hours", "2 days"])
        made = case(f"by chance {i}", zone, show(previous), wait, **more)
        # Those that are never allowed take long to walk through; there are some among the chosen ones.
        if "never_allowed" not in second.due(made, horizon=timedelta(days=20)).values():
            yield made
            i += 1


# --- Files


def table() -> str:
    groups = [examples, shifts, missing_days, nights, calendars, ats, dates_of_targets, late, spreads, zones_of_contacts]
    cases = [made for group in groups for made in group()] + list(by_chance(seed=5, number=320))
    lines = [json.dumps({**made, "expect": second.due(made)}, separators=(",", ":")) for made in cases]
    return "[\n" + ",\n".join(lines) + "\n]\n"


def lists() -> str:
    """A line each: country, year, its days."""
    return "".join(
        f"{country} {year} {' '.join(sorted(f'{day:%m-%d}' for day in second.national(country, year)))}\n"
        for country in COUNTRIES for year in range(2024, 2036)
    )


def main() -> int:
    stale = 0
    for path, text in ((CASES, table()), (HOLIDAYS, lists())):
        if "--check" not in sys.argv:
            path.write_text(text)
        elif path.read_text() != text:
            print(f"{path.resolve()} is not what cases.py makes of it: write it anew and read the difference")
            stale = 1
    return stale


if __name__ == "__main__":
    sys.exit(main())
