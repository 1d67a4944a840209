//! From JSON to a type: every error of shape with its pointer and a stable code.

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use serde_path_to_error::{Path, Segment};

use crate::problem::{FieldError, Problem};

/// More errors than this help nobody.
const MAX_ERRORS: usize = 50;

/// The text as JSON: 400 when it is none.
pub(crate) fn parse(bytes: &[u8]) -> Result<Value, Problem> {
    serde_json::from_slice(bytes).map_err(|error| {
        let at = format!("line {}, column {}", error.line(), error.column());
        Problem::new(http::StatusCode::BAD_REQUEST, "malformed_json", format!("the body is not JSON: {at}"))
    })
}

/// The value as a `T`; 422 with every error that can be told apart.
pub(crate) fn shape<T: DeserializeOwned>(value: Value) -> Result<T, Problem> {
    match collect(value) {
        (Some(read), errors) if errors.is_empty() => Ok(read),
        (_, errors) => Err(Problem::invalid(errors)),
    }
}

/// The value as a `T` with its wrong parts left out, where it can be read then, and these errors.
/// Serde stops at the first error: what it names is taken out and the rest is read again.
pub(crate) fn collect<T: DeserializeOwned>(mut value: Value) -> (Option<T>, Vec<FieldError>) {
    let mut errors: Vec<FieldError> = Vec::new();
    loop {
        if !value.is_object() {
            return (None, vec![FieldError::new("", "invalid_type", "must be an object")]);
        }
        let error = match serde_path_to_error::deserialize::<_, T>(&value) {
            Ok(read) => return (Some(read), errors),
            Err(error) => error,
        };
        let message = error.inner().to_string();
        let mut found = field_error(error.path(), &message);
        // A map with keys of a type of its own does not say which entry it was.
        if matches!(error.path().iter().next_back(), Some(Segment::Unknown)) {
            found.pointer = entry_of::<T>(&value, found.pointer, &message);
        }
        let at = found.pointer.clone();
        // A part that was taken out may be missed: it is named already.
        let inside = format!("{at}/");
        if !errors.iter().any(|e| e.pointer == at || e.pointer.starts_with(&inside)) {
            errors.push(found);
        }
        if errors.len() == MAX_ERRORS || !take_out(&mut value, &at) {
            return (None, errors);
        }
    }
}

fn field_error(path: &Path, message: &str) -> FieldError {
    let mut pointer = String::new();
    for segment in path {
        match segment {
            Segment::Seq { index } => pointer.push_str(&format!("/{index}")),
            Segment::Map { key } => push(&mut pointer, key),
            Segment::Enum { .. } | Segment::Unknown => {}
        }
    }
    let named = || message.split('`').nth(1).unwrap_or_default();
    if message.starts_with("missing field") {
        push(&mut pointer, named());
        return FieldError::new(pointer, "required", "is required");
    }
    if message.starts_with("unknown field") {
        // With `flatten` the path may stop at the object.
        if !pointer.ends_with(&escape(named())) {
            push(&mut pointer, named());
        }
        return FieldError::new(pointer, "unknown_field", "is not a known field");
    }
    let code = match message {
        // A list where an object belongs is one of the wrong length to serde.
        m if m.starts_with("invalid type") || m.starts_with("invalid length") => "invalid_type",
        m if m.starts_with("not an id of the form") => "unknown_reference",
        _ => "invalid_value",
    };
    FieldError::new(pointer, code, detail(message))
}

/// Serde's words, without the position that a value has none of.
fn detail(message: &str) -> String {
    match message.split_once(", expected ") {
        Some((_, expected)) => format!("must be {expected}"),
        None => message.to_owned(),
    }
}

fn escape(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

fn push(pointer: &mut String, key: &str) {
    pointer.push('/');
    pointer.push_str(&escape(key));
}

/// The entry without which the error is another one, or the map where none is to blame.
fn entry_of<T: DeserializeOwned>(value: &Value, map: String, message: &str) -> String {
    let keys = value.pointer(&map).and_then(Value::as_object).map(|object| object.keys().cloned().collect());
    let keys: Vec<String> = keys.unwrap_or_default();
    let to_blame = keys.into_iter().take(MAX_ERRORS).map(|key| format!("{map}/{}", escape(&key))).find(|pointer| {
        let mut without = value.clone();
        take_out(&mut without, pointer) && T::deserialize(&without).err().is_none_or(|e| e.to_string() != message)
    });
    to_blame.unwrap_or(map)
}

/// Takes a wrong part out: the field itself, or the nearest one around it that stands in an object.
/// Elements of lists stay, because taking one out renumbers the others. `false` when nothing is left.
fn take_out(value: &mut Value, pointer: &str) -> bool {
    let mut pointer = pointer;
    while let Some((parent, key)) = pointer.rsplit_once('/') {
        let key = key.replace("~1", "/").replace("~0", "~");
        if let Some(Value::Object(object)) = value.pointer_mut(parent)
            && object.remove(&key).is_some()
        {
            return true;
        }
        pointer = parent;
    }
    false
}

/// RFC 7396: the patch's fields over the document's, null removes one.
pub(crate) fn merge_patch(document: &mut Value, patch: Value) {
    let Value::Object(patch) = patch else {
        *document = patch;
        return;
    };
    if !document.is_object() {
        *document = Value::Object(Map::new());
    }
    let Value::Object(fields) = document else { return };
    for (name, value) in patch {
        if value.is_null() {
            fields.remove(&name);
        } else {
            merge_patch(fields.entry(name).or_insert(Value::Null), value);
        }
    }
}

#[cfg(test)]
mod tests {
    use domain::account::Settings;
    use domain::sequence::Sequence;
    use serde_json::json;

    use super::*;

    fn errors_of<T: DeserializeOwned>(value: Value) -> Vec<(String, String)> {
        collect::<T>(value).1.into_iter().map(|e| (e.pointer, e.code.into_owned())).collect()
    }

    fn sequence() -> Value {
        let step = json!({"key": "a", "wait": {"value": 1, "unit": "days"}, "channel": "whatsapp",
            "content": {"type": "text", "text": "x"}});
        json!({"name": "Cobrança", "target": "charge", "steps": [step.clone(), step]})
    }

    #[test]
    fn a_sequence_of_the_right_shape_passes() {
        assert_eq!(errors_of::<Sequence>(sequence()), []);
    }

    #[test]
    fn every_error_of_shape_has_its_pointer() {
        let check = |pointer: &str, value: Value, expected: &str, code: &str| {
            let mut wrong = sequence();
            let (parent, key) = pointer.rsplit_once('/').expect("a pointer");
            let parent = wrong.pointer_mut(parent).expect("the parent is there");
            match parent {
                Value::Array(list) => list[key.parse::<usize>().expect("an index")] = value,
                other => other[key.replace("~1", "/")] = value,
            }
            assert_eq!(errors_of::<Sequence>(wrong), [(expected.to_owned(), code.to_owned())], "{pointer}");
        };
        check("/steps/1/wait/unit", json!("weeks"), "/steps/1/wait/unit", "invalid_value");
        check("/steps/1/wait/unit", json!(5), "/steps/1/wait/unit", "invalid_type");
        check("/steps/1/wait/value", json!("3"), "/steps/1/wait/value", "invalid_type");
        check("/steps/1/wait/value", json!(-3), "/steps/1/wait/value", "invalid_value");
        check("/steps/1/wait/value", json!(1.5), "/steps/1/wait/value", "invalid_type");
        check("/steps/0/wait/units", json!("days"), "/steps/0/wait/units", "unknown_field");
        check("/steps/0/colour", json!("red"), "/steps/0/colour", "unknown_field");
        check("/a~1b", json!(1), "/a~1b", "unknown_field");
        check("/target", json!("invoice"), "/target", "invalid_value");
        check("/steps/0/at", json!("25:00"), "/steps/0/at", "invalid_value");
        check("/steps/0/sender_id", json!("snd_1"), "/steps/0/sender_id", "unknown_reference");
        check("/steps/1", json!("x"), "/steps/1", "invalid_type");
        check("/steps", json!({}), "/steps", "invalid_type");
        check("/exit", json!({"goals": [{"where": []}]}), "/exit/goals/0/event", "required");
        check(
            "/steps/0/fallback_template",
            json!({"name": "t", "language": "pt_BR", "body": 5}),
            "/steps/0/fallback_template/body",
            "invalid_value",
        );
    }

    #[test]
    fn a_missing_field_is_named_where_it_should_stand() {
        let mut wrong = sequence();
        wrong["steps"][1].as_object_mut().expect("a step").remove("wait");
        assert_eq!(errors_of::<Sequence>(wrong), [("/steps/1/wait".into(), "required".into())]);
        assert_eq!(errors_of::<Sequence>(json!({})), [("/name".into(), "required".into())]);
    }

    #[test]
    fn a_body_is_an_object() {
        for value in [json!("x"), json!(1), json!(null), json!([])] {
            assert_eq!(errors_of::<Settings>(value), [(String::new(), "invalid_type".into())]);
        }
    }

    #[test]
    fn several_errors_are_found_at_once() {
        let found = errors_of::<Settings>(json!({
            "enabled": "yes", "colour": 1, "business_days": ["mon", "funday"], "ai": {"provider": "magic"},
            "default_senders": {"whatsapp": "snd_1", "fax": "snd_2"}
        }));
        let pointers: Vec<_> = found.iter().map(|(p, _)| p.as_str()).collect();
        for expected in [
            "/enabled",
            "/colour",
            "/ai/provider",
            "/default_senders/whatsapp",
            "/default_senders/fax",
            "/business_days/1",
        ] {
            assert!(pointers.contains(&expected), "{expected} in {pointers:?}");
        }
    }

    #[test]
    fn text_that_is_no_json_is_400() {
        for text in ["", "{", "{\"a\":}", "nonsense", "{} {}"] {
            let problem = parse(text.as_bytes()).expect_err("is malformed");
            assert_eq!((problem.status.as_u16(), &*problem.code), (400, "malformed_json"), "{text}");
        }
    }

    #[test]
    fn a_merge_patch_merges() {
        let mut document = json!({"a": {"b": 1, "c": 2}, "d": [1, 2], "e": 3});
        merge_patch(&mut document, json!({"a": {"b": null, "x": {"y": null, "z": 1}}, "d": [3], "e": null, "f": 4}));
        assert_eq!(document, json!({"a": {"c": 2, "x": {"z": 1}}, "d": [3], "f": 4}));
    }
}
