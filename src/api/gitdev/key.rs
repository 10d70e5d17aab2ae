//! The `Idempotency-Key` of a request, and what tells a repeated request from another one under the same key.

use super::error::Refusal;
use super::parse::Object;
use crate::api::Api;
use crate::core::action::RequestKey;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, Uri};
use ring::digest::{SHA256, digest};
use std::convert::Infallible;
use utoipa::IntoParams;
use utoipa::openapi::Required;
use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::{ObjectBuilder, SchemaType, Type};

/// The longest idempotency key: a UUID or a digest fits, a document does not.
const MAX_KEY: usize = 255;

/// What tells a repeated request from a new one, beside its body.
pub(super) struct Keyed(Uri, HeaderMap);

impl FromRequestParts<Api> for Keyed {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &Api) -> Result<Self, Infallible> {
        Ok(Self(parts.uri.clone(), parts.headers.clone()))
    }
}

/// How every operation that takes a key describes it.
impl IntoParams for Keyed {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let key = ObjectBuilder::new()
            .schema_type(SchemaType::from_iter([Type::String, Type::Null]))
            .min_length(Some(1))
            .max_length(Some(MAX_KEY));
        let parameter = ParameterBuilder::new()
            .name("Idempotency-Key")
            .parameter_in(ParameterIn::Header)
            .required(Required::False)
            .description(Some(
                "The same key with the same request within 24 hours gives the first answer again",
            ))
            .schema(Some(key));
        vec![parameter.build()]
    }
}

impl Keyed {
    pub(super) fn key(&self, body: &Object) -> Result<Option<RequestKey>, Refusal> {
        let Self(uri, headers) = self;
        key_at(uri, body, headers)
    }
}

/// A request's key where the body is not all of it: the digest must tell a restart of one app from a rollback of
/// another, and all of that stands in the path and the query.
pub(super) fn key_at(
    uri: &Uri,
    body: &Object,
    headers: &HeaderMap,
) -> Result<Option<RequestKey>, Refusal> {
    let mut asked = body.clone();
    asked.insert("path".into(), uri.path().trim_end_matches('/').into());
    if let Some(query) = uri.query() {
        asked.insert("query".into(), query.into());
    }
    key(&asked, headers)
}

pub(super) fn key(body: &Object, headers: &HeaderMap) -> Result<Option<RequestKey>, Refusal> {
    let Some(value) = headers.get("idempotency-key") else {
        return Ok(None);
    };
    let key = value
        .to_str()
        .ok()
        .filter(|key| !key.is_empty() && key.len() <= MAX_KEY);
    let key = key.ok_or_else(|| {
        Refusal::parameter("Idempotency-Key", "must be 1 to 255 visible characters")
    })?;
    let asked = serde_json::to_vec(body).map_err(|error| Refusal::internal(error.to_string()))?;
    Ok(Some(RequestKey {
        key: key.to_owned(),
        digest: digest(&SHA256, &asked).as_ref().to_vec(),
    }))
}
