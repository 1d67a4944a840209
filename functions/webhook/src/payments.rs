//! `POST /webhooks/{stripe|asaas|mercadopago|standard}/{source_id}`.

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use channels::Webhook;
use channels::payments::{Unusable, normalise, verify};
use domain::ids::SourceId;
use domain::payment::{PaymentProvider, PaymentSource};
use engine::credentials::in_force;
use engine::payments::Told;
use engine::ports::Store as _;
use engine::{Engine, Ports};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::http::{busy, credentials, problem, renewed};

/// Far more than any provider's event.
pub const MAX_PAYMENT_BODY: usize = 1024 * 1024;

const PROVIDERS: [PaymentProvider; 4] =
    [PaymentProvider::Stripe, PaymentProvider::Asaas, PaymentProvider::Mercadopago, PaymentProvider::Standard];

pub(crate) fn routes<P: Ports>() -> Router<Arc<Engine<P>>> {
    let route = |router: Router<_>, provider: PaymentProvider| {
        let path = format!("/webhooks/{}/{{source_id}}", provider.as_str());
        router.route(
            &path,
            post(move |state, path, query, headers, raw| receive(provider, state, path, query, headers, raw)),
        )
    };
    PROVIDERS.into_iter().fold(Router::new(), route).layer(DefaultBodyLimit::max(MAX_PAYMENT_BODY))
}

async fn receive<P: Ports>(
    provider: PaymentProvider,
    State(engine): State<Arc<Engine<P>>>,
    Path(source_id): Path<String>,
    Query(query): Query<Vec<(String, String)>>,
    headers: HeaderMap,
    raw: Bytes,
) -> Result<Response, Response> {
    let source = source(&engine, provider, &source_id).await?;
    let webhook = Webhook { raw: &raw, headers: &headers, query: &query };
    let (tenant, name, now) = (source.id.tenant(), source.id.to_string(), engine.now());
    let proves = |known: &Value| {
        let known = in_force(known, now);
        let secrets: Vec<&str> = known.iter().filter_map(|known| known["secret"].as_str()).collect();
        verify(provider, &webhook, &secrets, now)
    };
    let known = credentials(&engine, tenant, &name).await?;
    if !proves(&known) && !renewed(&engine, tenant, &name, &known).await?.is_some_and(|known| proves(&known)) {
        tracing::warn!(source = %source.id, "webhook with a wrong signature");
        let detail = "the webhook is not signed by this payment source, or not now";
        return Err(problem(StatusCode::UNAUTHORIZED, "bad_signature", detail));
    }
    let told = match normalise(provider, &webhook) {
        Ok(None) => return Ok(StatusCode::OK.into_response()),
        Ok(Some(notice)) => engine.told(&source, notice).await,
        Err(thin @ Unusable::Thin) => return Err(problem(StatusCode::BAD_REQUEST, "thin_event", &thin.to_string())),
        // Told again it would be as unreadable: taken, and shown to whoever looks.
        Err(Unusable::Malformed) => {
            tracing::warn!(source = %source.id, "proven payment webhook that is no JSON");
            engine.unreadable(&source, &hex(&raw)).await.map(|()| Told::Applied)
        }
    };
    match told {
        Ok(Told::Applied) => Ok(StatusCode::OK.into_response()),
        // Asaas stops a whole queue after some failures; it is kept, and will be applied.
        Ok(Told::Queued) if provider == PaymentProvider::Asaas => Ok(StatusCode::OK.into_response()),
        Ok(Told::Queued) => Err(busy()),
        Err(error) => {
            tracing::warn!(source = %source.id, %error, "payment webhook not applied");
            Err(busy())
        }
    }
}

/// The payment source that this address names.
async fn source<P: Ports>(engine: &Engine<P>, provider: PaymentProvider, id: &str) -> Result<PaymentSource, Response> {
    let none = || problem(StatusCode::NOT_FOUND, "not_found", "there is no such webhook");
    let id = SourceId::parse(id).ok_or_else(none)?;
    let source = engine.store.source(id).await.map_err(|_| busy())?;
    source.filter(|source| source.provider == provider).ok_or_else(none)
}

fn hex(raw: &[u8]) -> String {
    Sha256::digest(raw).iter().take(16).map(|b| format!("{b:02x}")).collect()
}
