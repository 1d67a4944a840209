"""When a step is sent: docs/TIME.md once more, written from its text alone.

It shares no code and no method with `domain`: instead of computing intervals it walks forward in small
strides and asks each instant whether it is allowed. Slow, but short enough to be held against the text.
`cases.py` asks it for the answers that `domain` has to give. Python 3.11 or later.
"""

from __future__ import annotations

import functools
import zoneinfo
from datetime import date, datetime, time, timedelta, timezone
from math import gcd

import holidays

zoneinfo.reset_tzpath(to=[])  # the pinned tzdata package, not this machine's

UTC = timezone.utc
DAY = timedelta(days=1)
DAYS = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
STRIDE = 15  # minutes: every offset in use since 1990 is a multiple of it


class Skip(Exception):
    pass


class Park(Exception):
    pass


# --- Civil time


@functools.lru_cache(maxsize=None)
def zone_of(name: str) -> zoneinfo.ZoneInfo:
    return zoneinfo.ZoneInfo(name)


@functools.lru_cache(maxsize=1_000_000)
def local(zone: str, instant: datetime) -> datetime:
    """What the clock on the wall shows."""
    return instant.astimezone(zone_of(zone)).replace(tzinfo=None, fold=0)


@functools.lru_cache(maxsize=1_000_000)
def instant_of(zone: str, wall: datetime) -> tuple[datetime, bool]:
    """The earliest instant that shows `wall`, or the first after the gap that swallowed it (then True)."""
    middle = wall.replace(tzinfo=UTC)
    offsets = {middle + k * timedelta(hours=3) for k in range(-13, 14)}
    offsets = {local(zone, t) - t.replace(tzinfo=None) for t in offsets}
    shown = [middle - offset for offset in offsets]
    shown = sorted(t for t in shown if local(zone, t) == wall)
    if shown:
        return shown[0], False
    # In a gap: walk to its end.
    t = (middle - timedelta(hours=30)).replace(minute=0, second=0)
    while local(zone, t) < wall:
        t += timedelta(minutes=STRIDE)
    return t, True


# --- The account's days


def weekday(day: date) -> str:
    return DAYS[day.weekday()]


@functools.lru_cache(maxsize=None)
def national(country: str, year: int) -> frozenset[date]:
    return frozenset(holidays.country_holidays(country, years=year))


def minutes(text: str) -> int:
    hour, minute = text.split(":")
    return int(hour) * 60 + int(minute)


class Rules:
    """An account's and a step's rules, as the API names them."""

    def __init__(self, case: dict, horizon: timedelta):
        self.horizon = horizon
        account, step = case.get("account", {}), case["step"]
        self.zone = account.get("timezone", "UTC")
        if account.get("use_contact_timezone") and case.get("contact_timezone"):
            self.zone = case["contact_timezone"]
        self.window = step.get("window")
        self.quiet = account.get("quiet_hours", [])
        self.open_days = account.get("business_days", DAYS[:5])
        own = account.get("holidays", {})
        self.dates = {date.fromisoformat(d) for d in own.get("dates", [])}
        self.countries = own.get("countries", [])
        self.send_on_holidays = account.get("send_on_holidays", True)
        self.spread = timedelta(minutes=account.get("spread_minutes", 0))
        self.business = step["wait"]["unit"] == "business_days"
        edges = [minutes(w[end]) for w in [*self.quiet, *([self.window] if self.window else [])] for end in ("from", "to")]
        self.stride = timedelta(minutes=gcd(STRIDE, *edges))

    def holiday(self, day: date) -> bool:
        return day in self.dates or any(day in national(c, day.year) for c in self.countries)

    def business_day(self, day: date) -> bool:
        return weekday(day) in self.open_days and not self.holiday(day)

    def barred(self, day: date) -> str | None:
        """Section 2, rule 3."""
        if self.holiday(day) and (self.business or not self.send_on_holidays):
            return "holiday"
        if self.business and weekday(day) not in self.open_days:
            return "business_day"
        return None

    def inside(self, hours: dict, t: datetime) -> bool:
        """Whether `t` lies in one of the intervals that begin on the days around it."""
        today = local(self.zone, t).date()
        start, end = minutes(hours["from"]), minutes(hours["to"])
        for day in (today - 2 * DAY, today - DAY, today, today + DAY):
            if weekday(day) not in hours.get("days", DAYS):
                continue
            midnight = datetime.combine(day, time())
            opens = midnight + timedelta(minutes=start)
            closes = midnight + timedelta(minutes=end) + (DAY if start > end else timedelta())
            if instant_of(self.zone, opens)[0] <= t < instant_of(self.zone, closes)[0]:
                return True
        return False

    def against(self, t: datetime) -> list[str]:
        """The rules of section 2 that do not allow `t`."""
        found = []
        if self.window and not self.inside(self.window, t):
            found.append("window")
        if any(self.inside(hours, t) for hours in self.quiet):
            found.append("quiet_hours")
        if barred := self.barred(local(self.zone, t).date()):
            found.append(barred)
        return found

    def first_allowed(self, start: datetime) -> tuple[datetime, set[str]]:
        """The first allowed instant at or after `start`, and what did not allow those before it."""
        t, why = start, set()
        while found := self.against(t):
            why.update(found)
            t = self.next_edge(t)
            if t > start + self.horizon:
                raise Park("never_allowed")
        return t, why

    def last_of_spread(self, first: datetime) -> datetime:
        """The last second to which spreading may put what is allowed from `first` on."""
        end = first + self.spread
        t = self.next_edge(first)
        while t <= end and not self.against(t):
            t = self.next_edge(t)
        return min(end, t - timedelta(seconds=1))

    def next_edge(self, t: datetime) -> datetime:
        """Every edge is a whole stride of UTC: nothing changes between two of them."""
        whole = t.replace(minute=0, second=0)
        return whole + ((t - whole) // self.stride + 1) * self.stride


# --- Section 1


def plus(wait: dict) -> timedelta:
    return timedelta(**{wait["unit"]: wait["value"]})


def target_field(case: dict, rules: Rules) -> tuple[datetime, datetime]:
    """The field's instant and its wall-clock time in the zone."""
    wait = case["step"]["wait"]
    name = (wait.get("before") or wait["after"]).removeprefix("target.")
    text = case.get("target", {}).get(name)
    try:
        if len(text) == 10:
            at = time.fromisoformat(case["step"].get("at", "09:00"))
            wall = datetime.combine(date.fromisoformat(text), at)
            return instant_of(rules.zone, wall)[0], wall
        value = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        raise Park("target_date_missing") from None
    if value.tzinfo is None:
        return instant_of(rules.zone, value)[0], value
    value = value.astimezone(UTC)
    return value, local(rules.zone, value)


def days_away(rules: Rules, day: date, n: int, step: timedelta) -> date:
    """`n` civil or business days from `day`, forward or back."""
    if not rules.business:
        return day + n * step
    if n == 0:
        while not rules.business_day(day):
            day += DAY
    while n > 0:
        day += step
        n -= rules.business_day(day)
    return day


def base_of(case: dict, rules: Rules, previous: datetime) -> tuple[datetime, set[str], datetime | None]:
    """The base, what adjusted it, and the target's date for a wait before it."""
    wait, at = case["step"]["wait"], case["step"].get("at")
    before, after = "before" in wait, "after" in wait
    at = at and time.fromisoformat(at)
    why: set[str] = set()
    field = None
    start, wall = previous, local(rules.zone, previous)
    if before or after:
        field, wall = target_field(case, rules)
        start = field

    def place(wall: datetime) -> datetime:
        at, skipped = instant_of(rules.zone, wall)
        if skipped:
            why.add("dst_gap")
        return at

    if wait["unit"] in ("minutes", "hours"):
        base = start - plus(wait) if before else start + plus(wait)
        civil = local(rules.zone, base)
    else:
        day = days_away(rules, wall.date(), wait["value"], -DAY if before else DAY)
        civil = datetime.combine(day, at or wall.time())
        base = place(civil)
    if not before and base < previous:
        if at:
            while base < previous:
                civil = datetime.combine(days_away(rules, civil.date(), 1, DAY), at)
                base = place(civil)
        else:
            base, civil = previous, local(rules.zone, previous)
        why.add("past")
    day = local(rules.zone, base).date()
    if rules.barred(day):
        while barred := rules.barred(day):
            why.add(barred)
            day += DAY
        base = place(datetime.combine(day, civil.time()))
    return base, why, field if before else None


# --- Sections 2 and 3


def due(case: dict, horizon: timedelta = timedelta(days=400)) -> dict:
    """`at`, with `to` where spread may put it later, and `why` sections 1 and 2 moved it; or `skip`; or `park`."""
    rules = Rules(case, horizon)
    previous = datetime.fromisoformat(case["previous"])
    now = datetime.fromisoformat(case.get("now", case["previous"]))
    late_limit = case["step"].get("skip_if_late")
    try:
        base, why, date_of_target = base_of(case, rules, previous)
        first, found = rules.first_allowed(base)
        why |= found
        last = rules.last_of_spread(first) if found & {"window", "quiet_hours"} else first
        if date_of_target:
            # A base that is late is another's business where the step says how late it may be.
            if first >= date_of_target or (base < previous and not late_limit):
                raise Skip("past")
        planned = first
        now = max(now, previous)
        if now > last:
            at, found = rules.first_allowed(now)
            late = at - first > timedelta(minutes=15)
            spread = late or found & {"window", "quiet_hours"}
            last = rules.last_of_spread(at) if spread and not case.get("caught_up") else at
            first = at
        if date_of_target and first >= date_of_target:
            raise Skip("past")
        if late_limit and first > planned + plus(late_limit):
            # A base before `previous` was past, but for what the step allows.
            raise Skip("past" if date_of_target and base < previous else "too_late")
    except Skip as skip:
        return {"skip": str(skip)}
    except Park as park:
        return {"park": str(park)}
    answer = {"at": show(first), "why": sorted(why)}
    if last > first:
        answer["to"] = show(last)
    return answer


def show(t: datetime) -> str:
    return t.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
