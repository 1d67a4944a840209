//! `application/problem+json` for everything that is refused, and the one table from what the
//! engine refuses to what HTTP says.

use std::borrow::Cow;

use axum::response::{IntoResponse, Response};
use engine::accounts::{Fault, Invalid};
use engine::{PortError, Refused};
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;

/// RFC 9457.
#[derive(Debug, Clone, PartialEq)]
pub struct Problem {
    pub status: StatusCode,
    /// Stable, for programs.
    pub code: Cow<'static, str>,
    /// For people.
    pub detail: String,
    pub errors: Vec<FieldError>,
    /// Seconds.
    pub retry_after: Option<u32>,
}

/// What is wrong with one field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct FieldError {
    /// RFC 6901, from the request's body.
    #[schema(example = "/steps/1/wait/unit")]
    pub pointer: String,
    #[schema(value_type = String)]
    pub code: Cow<'static, str>,
    pub detail: String,
}

impl FieldError {
    pub fn new(pointer: impl Into<String>, code: impl Into<Cow<'static, str>>, detail: impl Into<String>) -> Self {
        Self { pointer: pointer.into(), code: code.into(), detail: detail.into() }
    }

    /// The same, seen from an object that holds the checked one.
    pub fn under(mut self, pointer: &str) -> Self {
        self.pointer.insert_str(0, pointer);
        self
    }
}

impl From<Fault> for FieldError {
    fn from(fault: Fault) -> Self {
        Self::new(fault.pointer, fault.code, fault.detail)
    }
}

/// The body as it is sent.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = ProblemDetails)]
pub(crate) struct ProblemBody<'a> {
    #[serde(rename = "type")]
    #[schema(example = "urn:ritmo:unknown_field")]
    type_: String,
    title: &'a str,
    status: u16,
    #[schema(example = "unknown_field")]
    code: &'a str,
    detail: &'a str,
    #[serde(skip_serializing_if = "<[FieldError]>::is_empty")]
    errors: &'a [FieldError],
}

impl Problem {
    pub fn new(status: StatusCode, code: impl Into<Cow<'static, str>>, detail: impl Into<String>) -> Self {
        Self { status, code: code.into(), detail: detail.into(), errors: Vec::new(), retry_after: None }
    }

    /// A rule's refusal by its code.
    pub fn rule(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(status_of(code), code, detail)
    }

    pub fn not_found(what: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", format!("there is no such {what}"))
    }

    /// 422 for these fields. Its code is theirs where they agree, so that one wrong field needs no
    /// second look.
    pub fn invalid(errors: Vec<FieldError>) -> Self {
        let mut codes = errors.iter().map(|e| &e.code);
        let first = codes.next().cloned().unwrap_or(Cow::Borrowed("invalid"));
        let code = if codes.all(|c| *c == first) { first } else { Cow::Borrowed("invalid") };
        let detail = match errors.as_slice() {
            [one] if one.pointer.is_empty() => one.detail.clone(),
            [one] => format!("{} {}", one.pointer, one.detail),
            many => format!("{} fields are wrong", many.len()),
        };
        Self { errors, ..Self::new(StatusCode::UNPROCESSABLE_ENTITY, code, detail) }
    }

    pub fn field(pointer: impl Into<String>, code: &'static str, detail: impl Into<String>) -> Self {
        Self::invalid(vec![FieldError::new(pointer, code, detail)])
    }

    /// An object that a body names and that is not there.
    pub fn unknown_reference(pointer: &str, what: &str) -> Self {
        Self::field(pointer, "unknown_reference", format!("there is no such {what}"))
    }

    /// The errors as seen from the whole body, when a part of it was checked.
    pub fn under(mut self, pointer: &str) -> Self {
        if !self.errors.is_empty() {
            self = Self { errors: self.errors.into_iter().map(|e| e.under(pointer)).collect(), ..self };
            if let [one] = self.errors.as_slice() {
                self.detail = format!("{} {}", one.pointer, one.detail);
            }
        }
        self
    }

    /// What a verb says of an object in the path: unknown is 404 however it names it.
    pub fn of_path(refused: impl Into<Invalid>) -> Self {
        match refused.into() {
            Invalid::Refused(Refused::Unknown { what, .. }) => Self::not_found(what),
            other => other.into(),
        }
    }

    /// What a verb says of an object that the body names at `pointer`.
    pub fn of_body(refused: impl Into<Invalid>, pointer: &str) -> Self {
        match refused.into() {
            Invalid::Refused(Refused::Unknown { what, .. }) => Self::unknown_reference(pointer, what),
            other => other.into(),
        }
    }

    pub(crate) fn cursor() -> Self {
        Self::rule("invalid_cursor", "the cursor is none that this list has given")
    }

    pub(crate) fn internal() -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "something went wrong on our side")
    }

    fn again(status: StatusCode, code: &'static str, detail: &str, seconds: u32) -> Self {
        Self { retry_after: Some(seconds), ..Self::new(status, code, detail) }
    }
}

/// The status of a rule's code. What is not listed is about the content: 422.
pub(crate) fn status_of(code: &str) -> StatusCode {
    match code {
        "unauthorized" => StatusCode::UNAUTHORIZED,
        "forbidden" | "module_disabled" | "not_owner" | "system_sequence" => StatusCode::FORBIDDEN,
        "enrollment_finished"
        | "sequence_in_use"
        | "template_in_use"
        | "sender_in_use"
        | "impact_changed"
        | "approval_void"
        | "identity_conflict"
        | "idempotency_in_progress" => StatusCode::CONFLICT,
        "stale_revision" => StatusCode::PRECONDITION_FAILED,
        "precondition_required" => StatusCode::PRECONDITION_REQUIRED,
        "too_large" => StatusCode::PAYLOAD_TOO_LARGE,
        "unsupported_media_type" => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        _ => StatusCode::UNPROCESSABLE_ENTITY,
    }
}

impl From<Refused> for Problem {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Unknown { what, pointer: "" } => Self::not_found(what),
            Refused::Unknown { what, pointer } => Self::unknown_reference(pointer, what),
            Refused::Rule { code, pointer, detail } => {
                let errors = pointer.map(|p| FieldError::new(p, code, detail.clone())).into_iter().collect();
                Self { errors, ..Self::rule(code, detail) }
            }
            Refused::Busy => {
                Self::again(StatusCode::SERVICE_UNAVAILABLE, "busy", "the object changes too often right now", 1)
            }
            Refused::Port(error) => error.into(),
        }
    }
}

impl From<PortError> for Problem {
    fn from(error: PortError) -> Self {
        // What failed is for the log: it names our parts, not the caller's.
        match &error {
            PortError::Throttled(_) => {
                tracing::warn!(%error, "throttled");
                Self::again(StatusCode::TOO_MANY_REQUESTS, "throttled", "too many requests right now", 1)
            }
            PortError::Transient(_) => {
                tracing::warn!(%error, "a passing fault");
                Self::again(StatusCode::SERVICE_UNAVAILABLE, "unavailable", "temporarily unavailable", 2)
            }
            PortError::Poison(what) if what == "cursor" => Self::cursor(),
            PortError::Poison(_) => {
                tracing::error!(%error, "unreadable data");
                Self::internal()
            }
        }
    }
}

impl From<Invalid> for Problem {
    fn from(invalid: Invalid) -> Self {
        match invalid {
            Invalid::Faults(faults) => Self::invalid(faults.into_iter().map(FieldError::from).collect()),
            Invalid::Refused(refused) => refused.into(),
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = ProblemBody {
            type_: format!("urn:ritmo:{}", self.code),
            title: self.status.canonical_reason().unwrap_or("Error"),
            status: self.status.as_u16(),
            code: &self.code,
            detail: &self.detail,
            errors: &self.errors,
        };
        let bytes = serde_json::to_vec(&body).unwrap_or_default();
        let mut response = (self.status, [(header::CONTENT_TYPE, "application/problem+json")], bytes).into_response();
        if let Some(seconds) = self.retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_have_their_status() {
        let check = |refused: Refused, status: u16, code: &str| {
            let problem = Problem::from(refused);
            assert_eq!((problem.status.as_u16(), &*problem.code), (status, code));
        };
        check(Refused::Unknown { what: "contact", pointer: "" }, 404, "not_found");
        check(Refused::Unknown { what: "contact", pointer: "/contact_id" }, 422, "unknown_reference");
        check(Refused::Busy, 503, "busy");
        check(PortError::Throttled("x".into()).into(), 429, "throttled");
        check(PortError::Transient("x".into()).into(), 503, "unavailable");
        check(PortError::Poison("x".into()).into(), 500, "internal");
        check(PortError::Poison("cursor".into()).into(), 422, "invalid_cursor");
        for (code, status) in [
            ("enrollment_finished", 409),
            ("sequence_in_use", 409),
            ("template_in_use", 409),
            ("sender_in_use", 409),
            ("identity_conflict", 409),
            ("not_owner", 403),
            ("module_disabled", 403),
            ("stale_revision", 412),
            ("sequence_not_published", 422),
            ("sequence_archived", 422),
            ("target_required", 422),
            ("reentry_refused", 422),
        ] {
            check(Refused::rule(code, "why"), status, code);
        }
    }

    #[test]
    fn what_passes_says_when_to_come_back() {
        for error in [PortError::Throttled("x".into()), PortError::Transient("x".into())] {
            let response = Problem::from(error).into_response();
            assert!(response.headers().contains_key(header::RETRY_AFTER));
        }
    }

    #[test]
    fn faults_of_a_part_point_into_the_whole() {
        let problem = Problem::field("/phone", "invalid_phone", "is no phone number").under("/contact");
        assert_eq!(problem.errors[0].pointer, "/contact/phone");
        assert_eq!(problem.detail, "/contact/phone is no phone number");
        assert_eq!(problem.code, "invalid_phone");
    }

    #[test]
    fn several_kinds_of_faults_have_a_common_code() {
        let errors = |codes: [&'static str; 2]| codes.map(|c| FieldError::new("/x", c, "why")).to_vec();
        assert_eq!(Problem::invalid(errors(["required", "required"])).code, "required");
        assert_eq!(Problem::invalid(errors(["required", "too_long"])).code, "invalid");
    }

    #[test]
    fn a_path_is_never_422() {
        let unknown = Refused::Unknown { what: "sequence", pointer: "/sequence_id" };
        assert_eq!(Problem::of_path(unknown.clone()).status, StatusCode::NOT_FOUND);
        assert_eq!(Problem::of_body(unknown, "/sequence_id").status, StatusCode::UNPROCESSABLE_ENTITY);
    }
}
