//! One table of routes: the router and the OpenAPI document are both made from it, so neither can
//! have what the other lacks.

use std::sync::Arc;

use axum::Router;
use axum::handler::Handler;
use axum::middleware::from_fn_with_state;
use axum::routing::{MethodFilter, MethodRouter, on};
use domain::account::Role;
use engine::{Engine, Ports};
use utoipa::ToSchema;
use utoipa::openapi::path::HttpMethod;

use crate::auth::Access;
use crate::guard::{Policy, Takes, guard};
use crate::openapi::Shape;

/// What one path does for one method.
pub(crate) struct Route<P: Ports> {
    pub(crate) spec: Spec,
    handler: MethodRouter<Arc<Engine<P>>>,
}

/// A route without its handler: what the document says of it.
#[derive(Clone)]
pub(crate) struct Spec {
    pub(crate) method: HttpMethod,
    pub(crate) path: &'static str,
    pub(crate) summary: &'static str,
    pub(crate) policy: Policy,
    pub(crate) query: Vec<(&'static str, &'static str)>,
    pub(crate) if_match: bool,
    /// Content type and shape; `false` where it may be left out.
    pub(crate) request: Option<(&'static str, Shape, bool)>,
    pub(crate) answers: Vec<(u16, &'static str, Option<Shape>)>,
}

/// Starts a route; without further words it takes no body and needs no module.
pub(crate) fn route<P, H, T>(method: HttpMethod, path: &'static str, access: Access, handler: H) -> Route<P>
where
    P: Ports,
    H: Handler<T, Arc<Engine<P>>>,
    T: 'static,
{
    let filter = match method {
        HttpMethod::Post => MethodFilter::POST,
        HttpMethod::Put => MethodFilter::PUT,
        HttpMethod::Patch => MethodFilter::PATCH,
        HttpMethod::Delete => MethodFilter::DELETE,
        _ => MethodFilter::GET,
    };
    let policy = Policy { access, needs_module: false, takes: Takes::Nothing };
    let spec = Spec {
        method,
        path,
        summary: "",
        policy,
        query: Vec::new(),
        if_match: false,
        request: None,
        answers: Vec::new(),
    };
    Route { spec, handler: on(filter, handler) }
}

macro_rules! verbs {
    ($($verb:ident $method:ident),+) => {$(
        pub(crate) fn $verb<P, H, T>(path: &'static str, role: Role, handler: H) -> Route<P>
        where
            P: Ports,
            H: Handler<T, Arc<Engine<P>>>,
            T: 'static,
        {
            route(HttpMethod::$method, path, Access::Key(role), handler)
        }
    )+};
}

verbs!(get Get, post Post, put Put, patch Patch, delete Delete);

impl<P: Ports> Route<P> {
    pub(crate) fn says(mut self, summary: &'static str) -> Self {
        self.spec.summary = summary;
        self
    }

    pub(crate) fn needs_module(mut self) -> Self {
        self.spec.policy.needs_module = true;
        self
    }

    pub(crate) fn takes<T: ToSchema>(mut self) -> Self {
        self.spec.policy.takes = Takes::Json;
        self.spec.request = Some(("application/json", Shape::one::<T>(), true));
        self
    }

    /// A body whose every field has a default.
    pub(crate) fn may_take<T: ToSchema>(mut self) -> Self {
        self.spec.policy.takes = Takes::Json;
        self.spec.request = Some(("application/json", Shape::one::<T>(), false));
        self
    }

    /// An object or a list of them.
    pub(crate) fn takes_one_or_more<T: ToSchema>(mut self) -> Self {
        self.spec.policy.takes = Takes::Json;
        self.spec.request = Some(("application/json", Shape::one_or_more::<T>(), true));
        self
    }

    pub(crate) fn takes_csv(mut self) -> Self {
        self.spec.policy.takes = Takes::Csv;
        self.spec.request = Some(("text/csv", Shape::text(), true));
        self
    }

    pub(crate) fn asks(mut self, name: &'static str, what: &'static str) -> Self {
        self.spec.query.push((name, what));
        self
    }

    pub(crate) fn wants_if_match(mut self) -> Self {
        self.spec.if_match = true;
        self
    }

    pub(crate) fn gives<T: ToSchema>(mut self, status: u16, what: &'static str) -> Self {
        self.spec.answers.push((status, what, Some(Shape::one::<T>())));
        self
    }

    /// An object that is described elsewhere.
    pub(crate) fn gives_any(mut self, status: u16, what: &'static str) -> Self {
        self.spec.answers.push((status, what, Some(Shape::any())));
        self
    }

    pub(crate) fn lists<T: ToSchema>(mut self) -> Self {
        self.spec.answers.push((200, "a page", Some(Shape::list::<T>())));
        self.asks("limit", "entries a page, 50 unless said otherwise, at most 200")
            .asks("cursor", "the `next_cursor` of the page before")
    }

    pub(crate) fn gives_nothing(mut self) -> Self {
        self.spec.answers.push((204, "done", None));
        self
    }
}

/// The router of all routes, each behind its guard.
pub(crate) fn assemble<P: Ports>(engine: &Arc<Engine<P>>, routes: Vec<Route<P>>) -> Router<Arc<Engine<P>>> {
    routes.into_iter().fold(Router::new(), |router, Route { spec, handler }| {
        let guarded = handler.route_layer(from_fn_with_state((engine.clone(), spec.policy), guard::<P>));
        router.route(spec.path, guarded)
    })
}
