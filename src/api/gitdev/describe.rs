//! The OpenAPI description of everything under `/v1`, made from the code at every start.

use super::Route;
use super::wire::problem::Problem;
use axum::Extension;
use axum::body::Bytes;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse as _, Response};
use utoipa::openapi::header::HeaderBuilder;
use utoipa::openapi::path::{Operation, Parameter, PathItem};
use utoipa::openapi::response::{Response as Answer, ResponseBuilder};
use utoipa::openapi::schema::{Schema, SchemaType};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{
    ContentBuilder, InfoBuilder, ObjectBuilder, OpenApi, OpenApiBuilder, Ref, RefOr,
    SecurityRequirement, ServerBuilder, Type,
};
use utoipa_axum::routes;

/// The name of the one way to say who asks.
const BEARER: &str = "bearer";

/// What every answer carries, beside its own headers.
const HEADERS: [(&str, Type, &str); 4] = [
    (
        "x-request-id",
        Type::String,
        "The id of the request, by which its cause is found in the daemon's log",
    ),
    (
        "x-ratelimit-limit",
        Type::Integer,
        "How many requests a minute the caller may send",
    ),
    (
        "x-ratelimit-remaining",
        Type::Integer,
        "How many may follow at once",
    ),
    (
        "x-ratelimit-reset",
        Type::Integer,
        "The Unix second at which as many as ever may follow at once",
    ),
];

/// What authentication and the daemon's own state can answer to every request.
const EVERYWHERE: [(&str, &str); 8] = [
    ("400", "The request is not what its headers say"),
    ("401", "The token is missing, or does not hold"),
    ("403", "The token may not do this"),
    ("414", "The path with its query is too long"),
    ("429", "The token's rate is used up"),
    ("431", "The headers are too large"),
    ("500", "longshore failed; its log has the cause"),
    (
        "503",
        "Something outside is away, the disk is full, or the database was restored from a backup",
    ),
];

/// The same for every request with a body.
const WITH_BODY: [(&str, &str); 2] = [
    ("408", "The body did not come in time"),
    ("413", "The body is too large"),
];

pub(super) fn routes() -> Vec<Route> {
    vec![routes!(description)]
}

/// What the routes are added to.
pub(super) fn begin() -> OpenApi {
    let info = InfoBuilder::new()
        .title("longshore")
        .description(Some(
            "git.dev's deployments API, and what longshore adds to it. Unknown keys of bodies and queries are ignored.",
        ))
        .version(env!("CARGO_PKG_VERSION"))
        .build();
    OpenApiBuilder::new()
        .info(info)
        .servers(Some([ServerBuilder::new().url("/v1").build()]))
        .build()
}

/// Gives the finished description to its handler.
pub(super) fn layer(description: OpenApi) -> Extension<Description> {
    let text = serde_json::to_vec(&finish(description));
    Extension(Description(Bytes::from(
        text.expect("a description is maps with text for keys"),
    )))
}

/// The description as it is sent.
#[derive(Clone)]
pub(super) struct Description(Bytes);

/// This description
#[utoipa::path(
    get, path = "/openapi.json", tag = "daemon", operation_id = "describe",
    responses((status = 200, body = serde_json::Value, description = "An OpenAPI document")),
)]
async fn description(Extension(Description(text)): Extension<Description>) -> Response {
    let kind = HeaderValue::from_static("application/json; charset=utf-8");
    ([(header::CONTENT_TYPE, kind)], text).into_response()
}

/// Adds what holds for every route: who may ask, and what can be answered before a handler is reached.
fn finish(mut description: OpenApi) -> OpenApi {
    let bearer = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .description(Some("A token; users of the unix socket need none"))
        .build();
    let components = description.components.get_or_insert_default();
    components
        .security_schemes
        .insert(BEARER.to_owned(), RefOr::T(SecurityScheme::Http(bearer)));
    let none: [&str; 0] = [];
    description.security = Some(vec![SecurityRequirement::new(BEARER, none)]);
    for item in description.paths.paths.values_mut() {
        for operation in operations(item) {
            let of_bodies = operation.request_body.is_some().then_some(WITH_BODY);
            let possible = EVERYWHERE
                .into_iter()
                .chain(of_bodies.into_iter().flatten());
            let answers = &mut operation.responses.responses;
            for (status, why) in possible {
                let answer = answers.entry(status.to_owned());
                answer.or_insert_with(|| RefOr::T(problem(why)));
            }
            for parameter in operation.parameters.iter_mut().flatten() {
                without_null(parameter);
            }
            for answer in answers.values_mut() {
                if let RefOr::T(answer) = answer {
                    add_headers(answer);
                }
            }
        }
    }
    description
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    [
        &mut item.get,
        &mut item.post,
        &mut item.put,
        &mut item.patch,
        &mut item.delete,
    ]
    .into_iter()
    .flatten()
}

fn problem(why: &str) -> Answer {
    let shape = Ref::from_schema_name(<Problem as utoipa::ToSchema>::name());
    let content = ContentBuilder::new().schema(Some(shape)).build();
    ResponseBuilder::new()
        .description(why)
        .content("application/json", content)
        .build()
}

fn add_headers(answer: &mut Answer) {
    for (name, kind, why) in HEADERS {
        let text = ObjectBuilder::new().schema_type(kind).build();
        let header = HeaderBuilder::new()
            .schema(Some(text))
            .description(Some(why));
        answer
            .headers
            .insert(name.to_owned(), RefOr::T(header.build()));
    }
}

/// What is part of a line of text can be absent, but not null.
fn without_null(parameter: &mut RefOr<Parameter>) {
    let RefOr::T(parameter) = parameter else {
        return;
    };
    match &mut parameter.schema {
        Some(RefOr::T(Schema::Object(object))) => {
            if let SchemaType::Array(types) = &mut object.schema_type {
                types.retain(|one| *one != Type::Null);
            }
        }
        Some(RefOr::T(Schema::OneOf(either))) => {
            let is_null = |one: &RefOr<Schema>| matches!(one, RefOr::T(Schema::Object(object)) if object.schema_type == SchemaType::new(Type::Null));
            either.items.retain(|one| !is_null(one));
        }
        Some(RefOr::T(_) | RefOr::Ref(_)) | None => {}
    }
}
