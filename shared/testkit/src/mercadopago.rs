//! A stand-in for Mercado Pago's payments API: the one route that is read back, with its refusals. A
//! payment source is pointed at it by `config.base_url`. Facts are from Mercado Pago's API reference.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, StatusCode, header::AUTHORIZATION};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};

/// The handle. Clones are the same stand-in.
#[derive(Debug, Clone)]
pub struct MercadopagoStandIn {
    access_token: String,
    inner: Arc<Mutex<Inner>>,
}

#[derive(Debug, Default)]
struct Inner {
    payments: BTreeMap<String, Value>,
    failures: VecDeque<u16>,
    asked: Vec<String>,
}

impl MercadopagoStandIn {
    /// The API of one seller, who has this token.
    pub fn new(access_token: &str) -> Self {
        Self { access_token: access_token.to_owned(), inner: Arc::default() }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes a payment, or changes it as the seller's customer does.
    pub fn put(&self, id: u64, mut payment: Value) {
        payment["id"] = json!(id);
        self.inner().payments.insert(id.to_string(), payment);
    }

    /// The next answer is this status instead.
    pub fn fail(&self, status: u16) {
        self.inner().failures.push_back(status);
    }

    /// Every payment that was asked for, in order, refused requests included.
    pub fn asked(&self) -> Vec<String> {
        self.inner().asked.clone()
    }

    pub fn router(&self) -> Router {
        Router::new().route("/v1/payments/{id}", get(payment)).with_state(self.clone())
    }
}

type Answer = (StatusCode, Json<Value>);

fn refusal(status: StatusCode, error: &str, message: &str) -> Answer {
    (status, Json(json!({"message": message, "error": error, "status": status.as_u16(), "cause": []})))
}

async fn payment(
    State(stand_in): State<MercadopagoStandIn>,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Answer {
    let mut inner = stand_in.inner();
    inner.asked.push(id.clone());
    if let Some(status) = inner.failures.pop_front() {
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        return refusal(status, "stand_in_fault", "Stand-in fault");
    }
    let token = headers.get(AUTHORIZATION).and_then(|v| v.to_str().ok()).and_then(|v| v.strip_prefix("Bearer "));
    match token {
        Some(token) if token == stand_in.access_token => {}
        Some(_) => return refusal(StatusCode::UNAUTHORIZED, "unauthorized", "invalid access token"),
        None => return refusal(StatusCode::UNAUTHORIZED, "unauthorized", "must provide your access_token to proceed"),
    }
    if query.is_some() || !id.bytes().all(|b| b.is_ascii_digit()) {
        return refusal(StatusCode::BAD_REQUEST, "bad_request", "invalid parameters");
    }
    match inner.payments.get(&id) {
        Some(payment) => (StatusCode::OK, Json(payment.clone())),
        None => refusal(StatusCode::NOT_FOUND, "not_found", "Payment not found"),
    }
}
