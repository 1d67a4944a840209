//! `GET /v1/openapi.json`: OpenAPI 3.1 from the table of routes and the types that handlers use.

use std::collections::BTreeMap;

use domain::account::Role;
use utoipa::ToSchema;
use utoipa::openapi::path::{HttpMethod, Operation, OperationBuilder, Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::request_body::RequestBodyBuilder;
use utoipa::openapi::schema::{ArrayBuilder, ComponentsBuilder, ObjectBuilder, OneOfBuilder, Schema, Type};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{
    ContentBuilder, InfoBuilder, OpenApi, OpenApiBuilder, PathsBuilder, Ref, RefOr, Required, ResponseBuilder,
};

use crate::auth::Access;
use crate::guard::Takes;
use crate::problem::ProblemBody;
use crate::routes::Spec;

type Named = (String, RefOr<Schema>);

/// The schema of a body, with those that it refers to.
#[derive(Clone)]
pub(crate) struct Shape {
    schema: RefOr<Schema>,
    named: Vec<Named>,
}

impl Shape {
    pub(crate) fn one<T: ToSchema>() -> Self {
        let mut named = vec![(T::name().into_owned(), T::schema())];
        T::schemas(&mut named);
        Self { schema: Ref::from_schema_name(T::name()).into(), named }
    }

    pub(crate) fn list<T: ToSchema>() -> Self {
        let Self { schema, named } = Self::one::<T>();
        let cursor = ObjectBuilder::new()
            .schema_type(utoipa::openapi::schema::SchemaType::from_iter([Type::String, Type::Null]));
        let page = ObjectBuilder::new()
            .property("data", ArrayBuilder::new().items(schema))
            .required("data")
            .property("next_cursor", cursor)
            .required("next_cursor");
        Self { schema: page.into(), named }
    }

    pub(crate) fn one_or_more<T: ToSchema>() -> Self {
        let Self { schema, named } = Self::one::<T>();
        let either = OneOfBuilder::new().item(schema.clone()).item(ArrayBuilder::new().items(schema));
        Self { schema: either.into(), named }
    }

    pub(crate) fn any() -> Self {
        Self { schema: ObjectBuilder::new().schema_type(Type::Object).into(), named: Vec::new() }
    }

    pub(crate) fn text() -> Self {
        Self { schema: ObjectBuilder::new().schema_type(Type::String).into(), named: Vec::new() }
    }
}

/// The whole document.
pub(crate) fn document(specs: &[Spec]) -> OpenApi {
    let mut named: BTreeMap<String, RefOr<Schema>> = Shape::one::<ProblemBody<'_>>().named.into_iter().collect();
    let mut paths = PathsBuilder::new().build();
    for spec in specs {
        let shapes = spec.request.iter().map(|(_, shape, _)| shape);
        for shape in shapes.chain(spec.answers.iter().filter_map(|(_, _, shape)| shape.as_ref())) {
            named.extend(shape.named.iter().cloned());
        }
        paths.add_path_operation(spec.path, vec![spec.method.clone()], operation(spec));
    }
    let bearer = |what: &str| {
        SecurityScheme::Http(HttpBuilder::new().scheme(HttpAuthScheme::Bearer).description(Some(what)).build())
    };
    let components = ComponentsBuilder::new()
        .schemas_from_iter(named)
        .security_scheme("key", bearer("an account's API key, `rk_…`"))
        .security_scheme("operator", bearer("the deployment's operator key"))
        .build();
    let info = InfoBuilder::new()
        .title("Ritmo")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some("Follow-up cadences: when, whether, once, and why a message goes out."));
    OpenApiBuilder::new().info(info).paths(paths).components(Some(components)).build()
}

fn operation(spec: &Spec) -> Operation {
    let mut operation = OperationBuilder::new()
        .operation_id(Some(operation_id(spec)))
        .summary(Some(spec.summary))
        .tag(spec.path.split('/').find(|s| !matches!(*s, "" | "v1")).unwrap_or("service"));
    for name in path_parameters(spec.path) {
        operation = operation.parameter(parameter(name, ParameterIn::Path, None));
    }
    for (name, what) in &spec.query {
        operation = operation.parameter(parameter(name, ParameterIn::Query, Some(what)));
    }
    if spec.if_match {
        let what = "the revision that was read, in double quotes; 428 without, 412 when stale";
        operation = operation.parameter(parameter("If-Match", ParameterIn::Header, Some(what)));
    }
    if spec.method == HttpMethod::Post {
        let what = "the same key and body give the same answer for 24 h";
        operation = operation.parameter(parameter("Idempotency-Key", ParameterIn::Header, Some(what)));
    }
    if let Some((content_type, shape, required)) = &spec.request {
        let content = ContentBuilder::new().schema(Some(shape.schema.clone())).build();
        let required = if *required { Required::True } else { Required::False };
        let body = RequestBodyBuilder::new().content(*content_type, content).required(Some(required)).build();
        operation = operation.request_body(Some(body));
    }
    for (status, what, shape) in &spec.answers {
        let mut response = ResponseBuilder::new().description(*what);
        if let Some(shape) = shape {
            let content = ContentBuilder::new().schema(Some(shape.schema.clone())).build();
            response = response.content("application/json", content);
        }
        operation = operation.response(status.to_string(), response.build());
    }
    if spec.policy.access != Access::Public {
        let problem = ContentBuilder::new().schema(Some(Ref::from_schema_name("ProblemDetails"))).build();
        let refused = ResponseBuilder::new().description("a problem").content("application/problem+json", problem);
        operation = operation.response("default", refused.build());
    }
    operation = match spec.policy.access {
        Access::Public => operation,
        Access::Operator => operation.security(SecurityRequirement::new("operator", [""; 0])),
        Access::Key(role) => {
            operation.description(Some(needs(role, spec))).security(SecurityRequirement::new("key", [""; 0]))
        }
    };
    operation.build()
}

fn needs(role: Role, spec: &Spec) -> String {
    let role = match role {
        Role::Viewer => "viewer",
        Role::Agent => "agent",
        Role::Manager => "manager",
        Role::Admin => "admin",
    };
    let module = if spec.policy.needs_module { " 403 `module_disabled` while the account is not enabled." } else { "" };
    let size = if spec.policy.takes == Takes::Csv { " At most 5 MiB." } else { "" };
    format!("Needs a key of role {role} or above.{module}{size}")
}

/// `post_contacts_import`, `get_sequences_id_versions_n`.
fn operation_id(spec: &Spec) -> String {
    let method = match spec.method {
        HttpMethod::Post => "post",
        HttpMethod::Put => "put",
        HttpMethod::Patch => "patch",
        HttpMethod::Delete => "delete",
        _ => "get",
    };
    let words = spec.path.split(['/', '{', '}', '-', '.']).filter(|w| !matches!(*w, "" | "v1"));
    [method].into_iter().chain(words).collect::<Vec<_>>().join("_")
}

fn path_parameters(path: &'static str) -> impl Iterator<Item = &'static str> {
    path.split('/').filter_map(|s| s.strip_prefix('{')?.strip_suffix('}'))
}

fn parameter(name: &str, place: ParameterIn, what: Option<&str>) -> Parameter {
    let required = if matches!(place, ParameterIn::Path) { Required::True } else { Required::False };
    let text = ObjectBuilder::new().schema_type(Type::String);
    ParameterBuilder::new()
        .name(name)
        .parameter_in(place)
        .required(required)
        .description(what)
        .schema(Some(text))
        .build()
}
