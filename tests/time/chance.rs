//! Random accounts, sequences and people, as the API takes them. One seed, one story.

use domain::time::Timestamp;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{Rng as _, SeedableRng as _};
use serde_json::{Value, json};

const ZONES: [&str; 16] = [
    "UTC",
    "America/Sao_Paulo",
    "America/New_York",
    "America/Santiago",
    "America/St_Johns",
    "America/Havana",
    "Europe/Lisbon",
    "Europe/Berlin",
    "Africa/Cairo",
    "Asia/Tokyo",
    "Asia/Kathmandu",
    "Asia/Beirut",
    "Australia/Lord_Howe",
    "Antarctica/Troll",
    "Pacific/Chatham",
    "Pacific/Kiritimati",
];
const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
const COUNTRIES: [&str; 12] = ["AR", "BR", "CL", "CO", "DE", "ES", "FR", "GB", "IT", "MX", "PT", "US"];

pub(crate) struct Chance(StdRng);

impl Chance {
    pub(crate) fn of(seed: u64) -> Self {
        Self(StdRng::seed_from_u64(seed))
    }

    pub(crate) fn below(&mut self, n: i64) -> i64 {
        self.0.random_range(0..n)
    }

    pub(crate) fn one_in(&mut self, n: i64) -> bool {
        self.below(n) == 0
    }

    fn one_of<T: Copy>(&mut self, all: &[T]) -> T {
        *all.choose(&mut self.0).unwrap()
    }

    pub(crate) fn zone(&mut self) -> &'static str {
        self.one_of(&ZONES)
    }

    /// In 2026 or 2027, to the second; often shortly before clocks change somewhere, or the year ends.
    pub(crate) fn start(&mut self) -> Timestamp {
        let turns = ["2026-03-05", "2026-03-26", "2026-04-02", "2026-09-24", "2026-10-22", "2026-10-30", "2026-12-22"];
        let at = |text: &str| Timestamp::parse(text).unwrap();
        let day = if self.one_in(3) {
            at("2026-01-01T00:00:00Z").plus_days(self.below(700))
        } else {
            at(&format!("{}T00:00:00Z", self.one_of(&turns)))
        };
        day.plus_seconds(self.below(3 * 86_400))
    }

    fn clock(&mut self) -> String {
        format!("{:02}:{:02}", self.below(24), self.below(12) * 5)
    }

    /// Hours of five minutes to `longest`, some of them over midnight.
    fn hours(&mut self, longest: i64) -> Value {
        let clock = |minutes: i64| format!("{:02}:{:02}", minutes / 60, minutes % 60);
        let from = self.below(288) * 5;
        let to = from + 5 + self.below(longest / 5) * 5;
        let to = if to == 1_440 { "24:00".to_owned() } else { clock(to % 1_440) };
        let mut hours = json!({"from": clock(from), "to": to});
        if self.one_in(3) {
            hours["days"] = self.days();
        }
        hours
    }

    fn days(&mut self) -> Value {
        let fewest = 1 + self.below(6) as usize;
        let mut days: Vec<usize> = (0..7).collect();
        while days.len() > fewest {
            days.remove(self.below(days.len() as i64) as usize);
        }
        days.into_iter().map(|day| DAYS[day]).collect()
    }

    /// Settings for `PATCH /v1/account`.
    pub(crate) fn account(&mut self, start: Timestamp) -> Value {
        let mut account = json!({
            "timezone": self.zone(),
            "use_contact_timezone": !self.one_in(3),
            "send_on_holidays": self.one_in(2),
            "spread_minutes": if self.one_in(3) { 0 } else { self.below(120) },
            "quiet_hours": (0..self.one_of(&[0, 1, 1, 2])).map(|_| self.hours(600)).collect::<Value>(),
        });
        if self.one_in(3) {
            account["business_days"] = self.days();
        }
        let own = start.plus_days(self.below(20)).to_string()[..10].to_owned();
        let countries: Vec<&str> = (0..self.below(3)).map(|_| self.one_of(&COUNTRIES)).collect();
        account["holidays"] = json!({"countries": countries, "dates": [own]});
        account
    }

    fn wait(&mut self, charge: bool) -> Value {
        let unit = self.one_of(&["minutes", "minutes", "hours", "days", "days", "business_days", "business_days"]);
        let most = match unit {
            "minutes" => 300,
            "hours" => 60,
            _ => 9,
        };
        let value = if self.one_in(2) { self.below(2) } else { self.below(most) };
        let mut wait = json!({"value": value, "unit": unit});
        if charge && self.one_in(2) {
            let side = self.one_of(&["before", "after"]);
            wait[side] = json!(format!("target.{}", self.one_of(&["due_date", "due_date", "closes_at", "paid_at"])));
        }
        wait
    }

    fn step(&mut self, index: i64, charge: bool) -> Value {
        let wait = self.wait(charge);
        let key = format!("passo_{index}");
        let mut step = json!({
            "key": key, "channel": "whatsapp", "wait": wait,
            "content": {"type": "text",
                "text": format!("{key}: {{{{ contact.first_name | default: 'olá' }}}}, {{{{ contact.last_name | default: '-' }}}}")},
            "fallback_template": {"name": format!("modelo_{key}"), "language": "pt_BR",
                "body": ["{{ contact.first_name | default: 'tudo bem' }}", key]},
        });
        let in_days = matches!(step["wait"]["unit"].as_str(), Some("days" | "business_days"));
        // Two messages in one second meet WhatsApp's limit, which is not this test's.
        if index > 0 && !in_days && step["wait"]["value"] == 0 {
            step["wait"]["value"] = json!(1);
        }
        if self.one_in(6) {
            step["content"] = json!({"type": "whatsapp_template", "name": "sempre", "language": "pt_BR",
                "body": ["{{ contact.first_name | default: 'tudo bem' }}", key]});
        }
        if in_days && self.one_in(2) {
            step["at"] = json!(self.clock());
        }
        if !self.one_in(3) {
            step["window"] = self.hours(1_435);
        }
        if self.one_in(3) {
            step["skip_if_late"] = json!({"value": self.below(40), "unit": self.one_of(&["minutes", "hours", "days"])});
        }
        if self.one_in(10) {
            step["outside_window"] = json!("fail");
        }
        step
    }

    /// A definition for `POST /v1/sequences`, about a charge or nothing.
    pub(crate) fn sequence(&mut self) -> Value {
        let charge = self.one_in(2);
        let steps: Value = (0..2 + self.below(5)).map(|index| self.step(index, charge)).collect();
        json!({"name": "Por acaso", "target": if charge { "charge" } else { "contact" }, "steps": steps,
            "exit": {"on_reply": false}})
    }

    pub(crate) fn contact(&mut self, phone: &str) -> Value {
        let mut contact = json!({"first_name": self.one_of(&["Ana", "Bia", "Caio", "Davi"]), "phone": phone});
        if self.one_in(2) {
            contact["last_name"] = json!("Souza");
        }
        if !self.one_in(3) {
            contact["timezone"] = json!(self.zone());
        }
        contact
    }

    /// A charge's dates around `now`, in any of the forms that are read, or missing, or unreadable.
    pub(crate) fn dates(&mut self, now: Timestamp) -> Value {
        let mut dates = json!({});
        for name in ["due_date", "closes_at", "paid_at"] {
            let at = now.plus_seconds(self.below(25 * 86_400) - 3 * 86_400).to_string();
            let text = match self.below(12) {
                0..=3 => at[..10].to_owned(),
                4..=6 => at[..19].to_owned(),
                7..=8 => at,
                9..=10 => format!("{}-03:30", &at[..16]),
                _ if self.one_in(3) => "em breve".to_owned(),
                _ => continue,
            };
            dates[name] = json!(text);
        }
        dates
    }
}
