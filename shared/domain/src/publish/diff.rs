//! What is different between two versions of a sequence, step by step.
//!
//! A step is known by its key, as in a run that moves from one version to the other: a step with
//! another key is another step. A moved step is one of the fewest that must be taken out and put in
//! elsewhere; one that only counts differently because a step came in before it has not moved.

use serde::Serialize;
use serde_json::Value;

use super::part;
use crate::sequence::{Sequence, Step};

#[derive(Debug, Clone, PartialEq, Default, Serialize, utoipa::ToSchema)]
pub struct Diff {
    /// Fields outside the steps, such as `/name` and `/exit/on_reply`.
    pub fields: Vec<FieldChange>,
    pub steps: StepChanges,
}

#[derive(Debug, Clone, PartialEq, Default, Serialize, utoipa::ToSchema)]
pub struct StepChanges {
    /// Only in the new one, by their index there.
    pub added: Vec<StepThere>,
    /// Only in the old one, by their index there.
    pub removed: Vec<StepThere>,
    pub moved: Vec<StepMoved>,
    /// In both, and not the same.
    pub changed: Vec<StepChanged>,
}

#[derive(Debug, Clone, PartialEq, Serialize, utoipa::ToSchema)]
pub struct StepThere {
    pub key: String,
    pub index: u32,
    pub step: Step,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct StepMoved {
    pub key: String,
    /// Its index in the old one.
    pub from: u32,
    /// Its index in the new one.
    pub to: u32,
}

#[derive(Debug, Clone, PartialEq, Serialize, utoipa::ToSchema)]
pub struct StepChanged {
    pub key: String,
    /// Its index in the new one.
    pub index: u32,
    /// Their pointers lead into the new one.
    pub fields: Vec<FieldChange>,
}

/// A field that is not the same. Lists of another length are one field.
#[derive(Debug, Clone, PartialEq, Serialize, utoipa::ToSchema)]
pub struct FieldChange {
    /// JSON pointer: `/steps/1/wait/value`.
    #[schema(example = "/steps/1/wait/value")]
    pub pointer: String,
    /// Left out where the old one has no such field.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<Value>,
    /// Left out where the new one has no such field.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<Value>,
}

/// What it takes to get from one to the other. Nothing, where they say the same.
pub fn diff(from: &Sequence, to: &Sequence) -> Diff {
    let mut fields = Vec::new();
    compare(head(from).as_ref(), head(to).as_ref(), "", &mut fields);
    Diff { fields, steps: steps(&from.steps, &to.steps) }
}

/// The sequence without its steps.
fn head(of: &Sequence) -> Option<Value> {
    serde_json::to_value(Sequence { steps: Vec::new(), ..of.clone() }).ok()
}

fn steps(from: &[Step], to: &[Step]) -> StepChanges {
    let was = |key: &str| from.iter().position(|s| s.key == key);
    let is = |key: &str| to.iter().position(|s| s.key == key);
    let only =
        |(index, step): (usize, &Step)| StepThere { key: step.key.clone(), index: index as u32, step: step.clone() };
    // Those of both, in the new order, with their places.
    let both: Vec<(usize, usize)> =
        to.iter().enumerate().filter_map(|(index, step)| Some((was(&step.key)?, index))).collect();
    let stay = longest_rising(&both.iter().map(|(was, _)| *was).collect::<Vec<_>>());
    let moved = both.iter().enumerate().filter(|(n, _)| !stay.contains(n)).map(|(_, (was, is))| StepMoved {
        key: to[*is].key.clone(),
        from: *was as u32,
        to: *is as u32,
    });
    let changed = both.iter().filter_map(|(was, is)| {
        let mut fields = Vec::new();
        let [old, new] = [&from[*was], &to[*is]].map(|step| serde_json::to_value(step).ok());
        compare(old.as_ref(), new.as_ref(), &format!("/steps/{is}"), &mut fields);
        (!fields.is_empty()).then(|| StepChanged { key: to[*is].key.clone(), index: *is as u32, fields })
    });
    StepChanges {
        added: to.iter().enumerate().filter(|(_, s)| was(&s.key).is_none()).map(only).collect(),
        removed: from.iter().enumerate().filter(|(_, s)| is(&s.key).is_none()).map(only).collect(),
        moved: moved.collect(),
        changed: changed.collect(),
    }
}

/// The places of a longest rising run of these numbers, which are all different.
fn longest_rising(numbers: &[usize]) -> Vec<usize> {
    // The longest that ends in each, and what stands before it there.
    let mut best: Vec<(usize, Option<usize>)> = Vec::with_capacity(numbers.len());
    for (n, number) in numbers.iter().enumerate() {
        let before = (0..n).filter(|b| numbers[*b] < *number).max_by_key(|b| best[*b].0);
        best.push((before.map_or(1, |b| best[b].0 + 1), before));
    }
    let mut at = (0..numbers.len()).max_by_key(|n| best[*n].0);
    let mut run = Vec::new();
    while let Some(n) = at {
        run.push(n);
        at = best[n].1;
    }
    run
}

/// A field that says nothing is the same as one that is left out.
fn compare(from: Option<&Value>, to: Option<&Value>, at: &str, found: &mut Vec<FieldChange>) {
    let said = |value: Option<&Value>| value.filter(|v| !v.is_null()).cloned();
    match (from, to) {
        _ if said(from) == said(to) => {}
        (Some(Value::Object(old)), Some(Value::Object(new))) => {
            let mut names: Vec<&String> = old.keys().chain(new.keys()).collect();
            names.sort();
            names.dedup();
            for name in names {
                compare(old.get(name), new.get(name), &format!("{at}/{}", part(name)), found);
            }
        }
        (Some(Value::Array(old)), Some(Value::Array(new))) if old.len() == new.len() => {
            for (n, (old, new)) in old.iter().zip(new).enumerate() {
                compare(Some(old), Some(new), &format!("{at}/{n}"), found);
            }
        }
        _ => found.push(FieldChange { pointer: at.to_owned(), from: said(from), to: said(to) }),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn step(key: &str) -> Value {
        json!({"key": key, "wait": {"value": 1, "unit": "days"}, "channel": "whatsapp",
            "content": {"type": "text", "text": key}})
    }

    fn sequence(steps: &[Value]) -> Sequence {
        serde_json::from_value(json!({"name": "Cobrança", "target": "charge", "steps": steps})).unwrap()
    }

    /// `from` with the differences carried out.
    fn apply(from: &Sequence, diff: &Diff) -> Sequence {
        fn set(document: &mut Value, change: &FieldChange, pointer: &str) {
            let (parent, name) = pointer.rsplit_once('/').unwrap();
            let name = name.replace("~1", "/").replace("~0", "~");
            match document.pointer_mut(parent).unwrap() {
                Value::Array(list) => list[name.parse::<usize>().unwrap()] = change.to.clone().unwrap_or_default(),
                Value::Object(map) => match &change.to {
                    Some(to) => drop(map.insert(name, to.clone())),
                    None => drop(map.remove(&name)),
                },
                other => panic!("{other} has no fields"),
            }
        }
        let mut document = serde_json::to_value(Sequence { steps: Vec::new(), ..from.clone() }).unwrap();
        for change in &diff.fields {
            set(&mut document, change, &change.pointer);
        }
        let gone = |key: &str| diff.steps.removed.iter().any(|s| s.key == key);
        let moved = |key: &str| diff.steps.moved.iter().any(|s| s.key == key);
        let mut steps: Vec<Step> = from.steps.iter().filter(|s| !gone(&s.key) && !moved(&s.key)).cloned().collect();
        let added = diff.steps.added.iter().map(|s| (s.index, s.step.clone()));
        let moved = diff.steps.moved.iter().map(|s| (s.to, from.steps[s.from as usize].clone()));
        let mut put: Vec<(u32, Step)> = added.chain(moved).collect();
        put.sort_by_key(|(index, _)| *index);
        for (index, step) in put {
            steps.insert(index as usize, step);
        }
        for changed in &diff.steps.changed {
            let mut step = serde_json::to_value(&steps[changed.index as usize]).unwrap();
            for change in &changed.fields {
                let at = format!("/steps/{}", changed.index);
                set(&mut step, change, change.pointer.strip_prefix(&at).unwrap());
            }
            steps[changed.index as usize] = serde_json::from_value(step).unwrap();
        }
        Sequence { steps, ..serde_json::from_value(document).unwrap() }
    }

    #[track_caller]
    fn check(from: &Sequence, to: &Sequence, expected: Value) {
        let found = diff(from, to);
        assert_eq!(serde_json::to_value(&found).unwrap(), expected);
        assert_eq!(apply(from, &found), *to);
    }

    #[track_caller]
    fn keys(from: &[&str], to: &[&str], added: &[&str], removed: &[&str], moved: &[(&str, u32, u32)]) {
        let of = |keys: &[&str]| sequence(&keys.iter().map(|k| step(k)).collect::<Vec<_>>());
        let found = diff(&of(from), &of(to));
        let names = |steps: &[StepThere]| steps.iter().map(|s| s.key.clone()).collect::<Vec<_>>();
        assert_eq!(
            (names(&found.steps.added), names(&found.steps.removed)),
            (added.iter().map(|k| (*k).to_owned()).collect(), removed.iter().map(|k| (*k).to_owned()).collect())
        );
        let told: Vec<_> = found.steps.moved.iter().map(|m| (m.key.as_str(), m.from, m.to)).collect();
        assert_eq!(told, moved);
        assert_eq!((found.fields, found.steps.changed), (vec![], vec![]));
    }

    #[test]
    fn steps_are_known_by_their_keys() {
        keys(&["a", "b"], &["a", "b"], &[], &[], &[]);
        keys(&["a", "b"], &["a", "b", "c"], &["c"], &[], &[]);
        // What comes after a new step has not moved.
        keys(&["a", "b", "c"], &["x", "a", "b", "c"], &["x"], &[], &[]);
        keys(&["a", "b", "c"], &["a", "c"], &[], &["b"], &[]);
        keys(&["a", "b", "c"], &["c", "a", "b"], &[], &[], &[("c", 2, 0)]);
        keys(&["a", "b", "c"], &["b", "c", "a"], &[], &[], &[("a", 0, 2)]);
        keys(&["a", "b"], &["b", "a"], &[], &[], &[("b", 1, 0)]);
        keys(&["a", "b", "c", "d"], &["d", "x", "b", "c"], &["x"], &["a"], &[("d", 3, 0)]);
        // Case matters, as it does for what has been sent.
        keys(&["a"], &["A"], &["A"], &["a"], &[]);
        keys(&["a", "b"], &["c", "d"], &["c", "d"], &["a", "b"], &[]);
    }

    #[test]
    fn each_changed_field_has_its_pointer() {
        let from = sequence(&[step("a"), step("b")]);
        let mut document = serde_json::to_value(&from).unwrap();
        document["name"] = json!("Cobrança 2");
        document["exit"]["on_reply"] = json!(false);
        document["exit"]["goals"] = json!([{"event": "charge.paid"}]);
        document["entry"]["period"] = json!({"value": 30, "unit": "days"});
        document["language"] = json!("pt_BR");
        document["steps"].as_array_mut().unwrap().reverse();
        document["steps"][1]["wait"] = json!({"value": 3, "unit": "days", "after": "target.due_date"});
        document["steps"][1]["content"]["text"] = json!("Olá");
        document["steps"][0]["fallback_template"] = json!({"name": "t", "language": "es", "body": {"a/b": "x"}});
        let to: Sequence = serde_json::from_value(document).unwrap();
        let template = json!({"name": "t", "language": "es", "body": {"a/b": "x"}, "header": null, "buttons": []});
        check(
            &from,
            &to,
            json!({
                "fields": [
                    {"pointer": "/entry/period", "to": {"value": 30, "unit": "days"}},
                    {"pointer": "/exit/goals", "from": [], "to": [{"event": "charge.paid", "where": []}]},
                    {"pointer": "/exit/on_reply", "from": true, "to": false},
                    {"pointer": "/language", "to": "pt_BR"},
                    {"pointer": "/name", "from": "Cobrança", "to": "Cobrança 2"},
                ],
                "steps": {
                    "added": [], "removed": [], "moved": [{"key": "b", "from": 1, "to": 0}],
                    "changed": [
                        {"key": "b", "index": 0, "fields": [
                            {"pointer": "/steps/0/fallback_template", "to": template}]},
                        {"key": "a", "index": 1, "fields": [
                            {"pointer": "/steps/1/content/text", "from": "a", "to": "Olá"},
                            {"pointer": "/steps/1/wait/after", "to": "target.due_date"},
                            {"pointer": "/steps/1/wait/value", "from": 1, "to": 3}]},
                    ],
                },
            }),
        );
        // And back: what is taken away has no `to`.
        let back = diff(&to, &from);
        assert_eq!(apply(&to, &back), from);
        let language = back.fields.iter().find(|f| f.pointer == "/language").unwrap();
        assert_eq!((&language.from, &language.to), (&Some(json!("pt_BR")), &None));
        let mut other = to.clone();
        other.steps[0].fallback_template.as_mut().unwrap().body = serde_json::from_value(json!({"a/b": "y"})).unwrap();
        let found = diff(&to, &other);
        assert_eq!(found.steps.changed[0].fields[0].pointer, "/steps/0/fallback_template/body/a~1b");
    }

    fn any_sequence() -> impl Strategy<Value = Sequence> {
        let keys = Just(["a", "b", "c", "d", "e", "f", "g"].to_vec()).prop_shuffle();
        let texts = prop::collection::vec(("[xy]{1,2}", 0..3_u32, any::<bool>(), 0..3_usize), 7);
        (keys, texts, 1..8_usize, "[mn]{1,2}", any::<bool>(), 0..3_usize).prop_map(
            |(keys, texts, count, name, on_reply, goals)| {
                let steps: Vec<Value> = keys
                    .iter()
                    .zip(texts)
                    .take(count)
                    .map(|(key, (text, value, window, buttons))| {
                        let mut step = step(key);
                        step["wait"]["value"] = json!(value);
                        step["content"]["text"] = json!(text);
                        if window {
                            step["window"] = json!({"from": "09:00", "to": "17:00"});
                        }
                        let buttons: Vec<Value> =
                            (0..buttons).map(|i| json!({"index": i, "sub_type": "url", "value": text})).collect();
                        step["fallback_template"] = json!({"name": "t", "language": "es", "buttons": buttons});
                        step
                    })
                    .collect();
                let goals: Vec<Value> = (0..goals).map(|g| json!({"event": format!("{name}.{g}")})).collect();
                let exit = json!({"on_reply": on_reply, "goals": goals});
                serde_json::from_value(json!({"name": name, "target": "deal", "steps": steps, "exit": exit})).unwrap()
            },
        )
    }

    proptest! {
        #[test]
        fn nothing_differs_from_itself(one in any_sequence()) {
            prop_assert_eq!(diff(&one, &one), Diff::default());
        }

        #[test]
        fn carried_out_the_differences_make_the_other(from in any_sequence(), to in any_sequence()) {
            let found = diff(&from, &to);
            prop_assert_eq!(apply(&from, &found), to.clone());
            prop_assert_eq!(found == Diff::default(), from == to);
        }
    }
}
