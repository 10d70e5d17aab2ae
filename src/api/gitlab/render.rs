//! Answers as JSON, and lists with the headers that lead to their other pages.

use super::PREFIX;
use crate::api::answer;
use crate::api::arrival::Base;
use crate::api::page::{self, Address, Page};
use axum::http::{HeaderValue, Uri};
use axum::response::{IntoResponse as _, Response};
use serde::Serialize;

/// In this spelling: to a client of GitLab's any other is no JSON.
const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// A JSON body with its content type.
pub(super) fn json(body: &impl Serialize) -> Response {
    answer::json_as(JSON, body)
}

/// A page of a list with so many items in all.
pub(super) fn list<T: Serialize>(
    items: &[T],
    (page, total): (Page, u64),
    (base, uri): (&Base, &Uri),
) -> Response {
    let address = Address {
        base,
        prefix: PREFIX,
        uri,
    };
    (page::headers(page, total, &address), json(&items)).into_response()
}
