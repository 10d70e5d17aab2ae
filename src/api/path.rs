//! What the braces of a path stand for.

use super::Api;
use axum::extract::{FromRequestParts as _, Path};
use axum::http::request::Parts;
use std::collections::HashMap;

/// What stands for the names in braces; nothing where that is no text.
pub(super) async fn holes(parts: &mut Parts, api: &Api) -> HashMap<String, String> {
    match Path::from_request_parts(parts, api).await {
        Ok(Path(named)) => named,
        Err(_) => HashMap::new(),
    }
}
