//! One row of a CSV as a contact: the answer to a small file and the job worker use the same.
//!
//! If it dies, see `upsert_contact`: a row done twice is an update.

use domain::account::User;
use domain::contact::Profile;
use domain::ids::{Ids, TenantId};
use serde_json::{Map, Value};

use super::check_profile;
use crate::accounts::Fault;
use crate::ports::Ports;
use crate::{Engine, PortError, Refused};

/// Why a row made no contact.
#[derive(Debug, Clone, PartialEq)]
pub enum RowRefused {
    /// The row is at fault.
    Row { field: Option<String>, code: String, detail: String },
    /// A passing fault: the same row again, later.
    Port(PortError),
}

impl RowRefused {
    fn row(code: &str, detail: String) -> Self {
        Self::Row { field: None, code: code.into(), detail }
    }
}

impl<P: Ports> Engine<P> {
    /// Makes or merges a row's contact; `true` when it was made.
    pub async fn import_row(
        &self,
        tenant: TenantId,
        default_country: Option<&str>,
        row: &Map<String, Value>,
        ids: &mut Ids,
    ) -> Result<bool, RowRefused> {
        let profile = profile_of(row).and_then(|profile| check_profile(profile, default_country)).map_err(row_fault)?;
        match self.upsert_contact(tenant, profile, ids).await {
            Ok((_, created)) => Ok(created),
            Err(Refused::Rule { code, detail, .. }) => Err(RowRefused::row(code, detail)),
            Err(Refused::Unknown { what, .. }) => {
                Err(RowRefused::row("unknown_reference", format!("there is no such {what}")))
            }
            Err(Refused::Busy) => Err(RowRefused::Port(PortError::Transient(Refused::Busy.to_string()))),
            Err(Refused::Port(error)) => Err(RowRefused::Port(error)),
        }
    }
}

/// A row reports its first fault; its line is corrected as a whole anyway.
fn row_fault(faults: Vec<Fault>) -> RowRefused {
    let fault = faults.into_iter().next().unwrap_or_else(|| Fault::required(""));
    let field = fault.pointer.trim_start_matches('/').replace('/', ".").replace("~1", "/").replace("~0", "~");
    let field = (!field.is_empty()).then_some(field);
    RowRefused::Row { field, code: fault.code.into(), detail: fault.detail }
}

/// Columns named like a contact's fields are those, `assignee.name` and `assignee.email` the
/// assignee's; all others are attributes. Empty cells say nothing.
fn profile_of(row: &Map<String, Value>) -> Result<Profile, Vec<Fault>> {
    let mut profile = Profile::default();
    let mut assignee = User { name: String::new(), email: String::new() };
    for (column, cell) in row {
        let text = match cell {
            Value::String(text) => text.trim(),
            _ => continue,
        };
        if text.is_empty() {
            continue;
        }
        let value = text.to_owned();
        match column.trim() {
            "" => {
                let detail = "the row has more cells than the header, or its column has no name";
                return Err(vec![Fault::new("", "unnamed_column", detail)]);
            }
            "external_id" => profile.external_id = Some(value),
            "first_name" => profile.first_name = Some(value),
            "last_name" => profile.last_name = Some(value),
            "email" => profile.email = Some(value),
            "phone" => profile.phone = Some(value),
            "whatsapp_id" => profile.whatsapp_id = Some(value),
            "timezone" => profile.timezone = Some(value),
            "country" => profile.country = Some(value),
            "language" => profile.language = Some(value),
            "assignee.name" | "assignee_name" => assignee.name = value,
            "assignee.email" | "assignee_email" => assignee.email = value,
            other => {
                let name = other.strip_prefix("attributes.").unwrap_or(other);
                profile.attributes.insert(name.to_owned(), Value::String(value));
            }
        }
    }
    if !assignee.email.is_empty() {
        if assignee.name.is_empty() {
            assignee.name.clone_from(&assignee.email);
        }
        profile.assignee = Some(assignee);
    } else if !assignee.name.is_empty() {
        return Err(vec![Fault::required("/assignee/email")]);
    }
    Ok(profile)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn row(value: Value) -> Map<String, Value> {
        value.as_object().cloned().expect("an object")
    }

    #[test]
    fn columns_are_fields_or_attributes() {
        let profile = profile_of(&row(json!({
            "email": "a@b.co", "phone": "", "plan": "pro", "attributes.city": "Recife", "assignee.email": "x@y.co"
        })))
        .expect("is fine");
        assert_eq!(profile.email.as_deref(), Some("a@b.co"));
        assert_eq!(profile.phone, None);
        assert_eq!(profile.attributes.keys().collect::<Vec<_>>(), ["city", "plan"]);
        assert_eq!(profile.assignee.map(|a| a.name).as_deref(), Some("x@y.co"));
    }

    #[test]
    fn a_fault_names_its_column() {
        let check = |value: Value, field: Option<&str>, code: &str| {
            let faults = profile_of(&row(value)).and_then(|p| check_profile(p, None)).expect_err("is wrong");
            let RowRefused::Row { field: found, code: why, .. } = row_fault(faults) else { panic!("not the row's") };
            assert_eq!((found.as_deref(), why.as_str()), (field, code));
        };
        check(json!({"email": "x"}), Some("email"), "invalid_email");
        check(json!({"plan": "pro"}), None, "required");
        check(json!({"email": "a@b.co", "": "extra"}), None, "unnamed_column");
        check(json!({"email": "a@b.co", "assignee.name": "Ana"}), Some("assignee.email"), "required");
    }
}
