//! Conditional requests: an answer to a look has a tag, and who has seen that tag is told that nothing has changed.

use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use ring::digest::{SHA256, digest};
use std::fmt::Write as _;

/// No answer of this dialect is larger, in bytes: a page has a hundred deployments, each with a payload of 64 KiB.
const MAX_ANSWER: usize = 64 * 1024 * 1024;

/// Tags what was answered with 200 or 201, and answers a look for what its asker has with 304.
pub(super) async fn check(request: Request, next: Next) -> Response {
    let is_look = matches!(*request.method(), Method::GET | Method::HEAD);
    let seen: Vec<HeaderValue> = request
        .headers()
        .get_all(header::IF_NONE_MATCH)
        .iter()
        .cloned()
        .collect();
    let response = next.run(request).await;
    let has_tag = match response.status() {
        StatusCode::OK => is_look,
        StatusCode::CREATED => true,
        _ => false,
    };
    if !has_tag {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    let body = match to_bytes(body, MAX_ANSWER).await {
        Ok(body) => body,
        Err(error) => {
            tracing::error!(%error, "an answer is larger than any is");
            return StatusCode::INTERNAL_SERVER_ERROR.into_response();
        }
    };
    let tag = tag(&body);
    if let Ok(value) = HeaderValue::from_str(&format!("W/{tag}")) {
        parts.headers.insert(header::ETAG, value);
    }
    if is_look && has_seen(&seen, &tag) {
        return (StatusCode::NOT_MODIFIED, kept(parts.headers)).into_response();
    }
    Response::from_parts(parts, Body::from(body))
}

/// What of an answer's head is said again where its body is not.
fn kept(mut headers: HeaderMap) -> HeaderMap {
    headers.remove(header::CONTENT_TYPE);
    headers.remove(header::CONTENT_LENGTH);
    headers
}

fn tag(body: &[u8]) -> String {
    let mut tag = String::from("\"");
    for byte in digest(&SHA256, body).as_ref() {
        // Writing to a text cannot fail.
        let _ = write!(tag, "{byte:02x}");
    }
    tag + "\""
}

/// Compared weakly (RFC 9110, section 8.8.3.2): a tag that somebody made strong or weak on the way is the same.
fn has_seen(lines: &[HeaderValue], tag: &str) -> bool {
    let lines = lines.iter().map(|line| line.to_str().unwrap_or_default());
    let mut tags = lines.flat_map(|line| line.split(','));
    tags.any(|one| {
        let one = one.trim();
        one == "*" || one.strip_prefix("W/").unwrap_or(one) == tag
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_is_found_in_every_form_of_a_list() {
        let tag = tag(b"{}");
        let seen = |lines: &[String]| {
            let lines: Vec<HeaderValue> = lines
                .iter()
                .map(|line| HeaderValue::from_str(line).unwrap())
                .collect();
            has_seen(&lines, &tag)
        };
        assert!(seen(&[format!("W/{tag}")]));
        assert!(seen(std::slice::from_ref(&tag)));
        assert!(seen(&[format!("\"a\", W/{tag} , \"b\"")]));
        assert!(seen(&["\"a\"".to_owned(), tag.clone()]));
        assert!(seen(&["*".to_owned()]));
        assert!(!seen(&["W/\"a\"".to_owned()]));
        assert!(!seen(&[tag.trim_matches('"').to_owned()]));
        assert!(!seen(&[]));
    }
}
