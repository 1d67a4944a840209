//! A stand-in for SSM Parameter Store, as far as Ritmo uses it: SecureStrings below a path, kept behind any
//! [`Secrets`] port. It speaks AWS's JSON and refuses what AWS refuses, by its own names.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode, header::CONTENT_TYPE};
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use domain::ids::TenantId;
use engine::ports::Secrets;
use serde_json::{Value, json};

/// Bytes of an advanced parameter's value.
const MAX_VALUE: usize = 8 * 1024;
const MAX_NAME: usize = 1_011;

/// The store. Clones are the same one.
#[derive(Debug)]
pub struct SsmStandIn<S> {
    secrets: Arc<S>,
    failures: Arc<Mutex<VecDeque<Refused>>>,
}

/// HTTP status and the service's name for a refusal.
type Refused = (u16, &'static str);

impl<S> Clone for SsmStandIn<S> {
    fn clone(&self) -> Self {
        Self { secrets: self.secrets.clone(), failures: self.failures.clone() }
    }
}

impl<S: Secrets> SsmStandIn<S> {
    pub fn new(secrets: S) -> Self {
        Self { secrets: Arc::new(secrets), failures: Arc::default() }
    }

    /// The next answer is this refusal instead.
    pub fn fail(&self, status: u16, code: &'static str) {
        self.failures.lock().unwrap_or_else(PoisonError::into_inner).push_back((status, code));
    }

    pub fn router(&self) -> Router {
        let stand_in = self.clone();
        Router::new().route(
            "/",
            post(move |headers: HeaderMap, raw: Bytes| async move {
                match stand_in.answer(&headers, &raw).await {
                    Ok(body) => response(StatusCode::OK, &body),
                    Err((status, code)) => {
                        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
                        response(status, &json!({"__type": code, "message": "Stand-in"}))
                    }
                }
            }),
        )
    }

    async fn answer(&self, headers: &HeaderMap, raw: &[u8]) -> Result<Value, Refused> {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        if !text("authorization").starts_with("AWS4-HMAC-SHA256 ") {
            return Err((400, "MissingAuthenticationToken"));
        }
        let failure = self.failures.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
        if let Some(refused) = failure {
            return Err(refused);
        }
        let body: Value = serde_json::from_slice(raw).map_err(|_| (400, "SerializationException"))?;
        let (tenant, name) = place(&body)?;
        let failed = |_| (500, "InternalServerError");
        let found = self.secrets.secret(tenant, name).await.map_err(failed)?;
        match text("x-amz-target").strip_prefix("AmazonSSM.") {
            Some("GetParameter") => {
                let value = found.ok_or((400, "ParameterNotFound"))?;
                // Without, the value is a ciphertext.
                let value = if body["WithDecryption"] == true { value.to_string() } else { "AQICAH".into() };
                Ok(json!({"Parameter": {"Name": body["Name"], "Type": "SecureString", "Value": value, "Version": 1,
                    "DataType": "text"}}))
            }
            Some("PutParameter") => {
                let value = body["Value"].as_str().filter(|value| (1..=MAX_VALUE).contains(&value.len()));
                let value = value.ok_or((400, "ValidationException"))?;
                let large = value.len() > MAX_VALUE / 2 && body["Tier"] != "Intelligent-Tiering";
                if body["Type"] != "SecureString" || large {
                    return Err((400, "ValidationException"));
                }
                if found.is_some() && body["Overwrite"] != true {
                    return Err((400, "ParameterAlreadyExists"));
                }
                let value = serde_json::from_str(value).map_err(|_| (400, "ValidationException"))?;
                self.secrets.put_secret(tenant, name, &value).await.map_err(failed)?;
                Ok(json!({"Version": 1, "Tier": "Standard"}))
            }
            Some("DeleteParameter") => {
                found.ok_or((400, "ParameterNotFound"))?;
                self.secrets.delete_secret(tenant, name).await.map_err(failed)?;
                Ok(json!({}))
            }
            _ => Err((400, "UnknownOperationException")),
        }
    }
}

/// Whose parameter, by the last two parts of its path.
fn place(body: &Value) -> Result<(TenantId, &str), Refused> {
    let path = body["Name"].as_str().unwrap_or_default();
    let known = path.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'/' | b'.' | b'-' | b'_'));
    if !path.starts_with('/') || !known || path.len() > MAX_NAME {
        return Err((400, "ValidationException"));
    }
    let mut parts = path.rsplit('/');
    let (name, tenant) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    TenantId::parse(tenant).filter(|_| !name.is_empty()).map(|tenant| (tenant, name)).ok_or((400, "ParameterNotFound"))
}

fn response(status: StatusCode, body: &Value) -> Response {
    (status, [(CONTENT_TYPE, "application/x-amz-json-1.1")], body.to_string()).into_response()
}
