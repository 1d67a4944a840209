//! Bodies that nobody sends, made of those that somebody does. The same seed gives the same body.
#![allow(dead_code, clippy::unwrap_used)]

use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use serde_json::{Value, json};

/// How many mutated inputs a parser must survive: `RITMO_FUZZ_CASES`, else `default`.
pub fn count(default: u64) -> u64 {
    std::env::var("RITMO_FUZZ_CASES").ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// The chances of a seed.
pub fn random(seed: u64) -> StdRng {
    StdRng::seed_from_u64(seed)
}

/// One of these bodies with up to three values changed, and now and then some of its bytes.
pub fn body(of: &[Value], seed: u64) -> (Vec<u8>, StdRng) {
    let mut random = random(seed);
    let mut body = of[random.random_range(0..of.len())].clone();
    for _ in 0..random.random_range(0..4) {
        value(&mut body, &mut random);
    }
    let mut raw = serde_json::to_vec(&body).unwrap();
    if random.random_bool(0.3) {
        bytes(&mut raw, &mut random);
    }
    (raw, random)
}

/// Replaces, removes or doubles something at a random place in the tree.
fn value(value: &mut Value, random: &mut StdRng) {
    let deeper = random.random_bool(0.85);
    match value {
        Value::Object(object) if deeper && !object.is_empty() => {
            let key = object.keys().nth(random.random_range(0..object.len())).unwrap().clone();
            if random.random_bool(0.05) {
                object.remove(&key);
            } else {
                self::value(&mut object[&key], random);
            }
        }
        Value::Array(items) if deeper && !items.is_empty() => {
            let index = random.random_range(0..items.len());
            if random.random_bool(0.1) {
                items.push(items[index].clone());
            } else {
                self::value(&mut items[index], random);
            }
        }
        _ => {
            let odd = [
                json!(null),
                json!(true),
                json!(0),
                json!(-1),
                json!(u64::MAX),
                json!(i64::MIN),
                json!(1e308),
                json!(""),
                json!("55"),
                json!("5511é"),
                json!("\u{0}\u{10ffff}"),
                json!("9".repeat(70_000)),
                json!("é".repeat(40_000)),
                json!([]),
                json!({}),
                json!([[[]]]),
                json!(0.000_000_000_000_1),
                json!("99999999999999999999999999999999999999.99"),
                json!("2026-02-30 25:61:61"),
                json!("2026-02-30T25:61:61Z"),
                json!({"id": "in_9"}),
                json!({"type": "edit", "message": {"type": "system"}}),
                json!("system"),
                json!("failed"),
            ];
            *value = odd[random.random_range(0..odd.len())].clone();
        }
    }
}

/// Flips, removes, cuts off or adds a few bytes.
pub fn bytes(raw: &mut Vec<u8>, random: &mut StdRng) {
    for _ in 0..random.random_range(1..6) {
        let at = random.random_range(0..raw.len().max(1));
        match random.random_range(0..4) {
            0 if at < raw.len() => raw[at] ^= 1 << random.random_range(0..8),
            1 if at < raw.len() => drop(raw.remove(at)),
            2 => raw.truncate(at),
            _ => raw.insert(at.min(raw.len()), b"\"{}[],:\\u0e\xff"[random.random_range(0..12)]),
        }
    }
}
