//! What stands in the head of every answer.

use crate::api::RequestId;
use crate::api::door::X_RATELIMIT;
use crate::core::rate::Allowance;
use crate::core::time::Timestamp;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::middleware::Next;
use axum::response::Response;
use time::OffsetDateTime;
use time::macros::format_description;

const MEDIA_TYPE: HeaderName = HeaderName::from_static("x-github-media-type");
const REQUEST_ID: HeaderName = HeaderName::from_static("x-github-request-id");
const VERSION: HeaderName = HeaderName::from_static("x-github-api-version");
const SELECTED: HeaderName = HeaderName::from_static("x-github-api-version-selected");
const USED: HeaderName = HeaderName::from_static("x-ratelimit-used");
const RESOURCE: HeaderName = HeaderName::from_static("x-ratelimit-resource");

/// The version of the API where none is asked for; there is no other.
const DEFAULT_VERSION: HeaderValue = HeaderValue::from_static("2022-11-28");

/// How many previews are named back: there never were more.
const MAX_PREVIEWS: usize = 20;

/// Puts them there.
pub(super) async fn dress(request: Request, next: Next) -> Response {
    let asked = request.headers();
    let media_type = media_type(asked);
    let version = asked.get(VERSION).cloned().unwrap_or(DEFAULT_VERSION);
    let id = request.extensions().get::<RequestId>();
    let id = id.and_then(|RequestId(id)| HeaderValue::from_str(id).ok());
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    headers.insert(MEDIA_TYPE, media_type);
    headers.insert(SELECTED, version);
    if let Some(id) = id {
        headers.insert(REQUEST_ID, id);
    }
    // What one is told is stale a second later: a client that keeps it would wait for what has ended.
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert(
        header::VARY,
        HeaderValue::from_static("Accept, Authorization, Cookie, X-GitHub-OTP"),
    );
    response
}

/// What the client accepts, in GitHub's words: its previews, or the plain form. They change nothing.
fn media_type(headers: &HeaderMap) -> HeaderValue {
    let lines = headers.get_all(header::ACCEPT).iter();
    let wanted = lines.flat_map(|line| line.to_str().unwrap_or_default().split(','));
    let wanted = wanted.map(|one| one.split(';').next().unwrap_or_default().trim());
    let named: Vec<String> = wanted
        .filter_map(|one| one.strip_prefix("application/vnd.github."))
        .filter_map(|one| {
            let name = one.strip_suffix("+json").unwrap_or(one);
            let is_preview = name.ends_with("-preview") && name.bytes().all(is_of_a_name);
            is_preview.then(|| format!("github.{name}; format=json"))
        })
        .take(MAX_PREVIEWS)
        .collect();
    let plain = HeaderValue::from_static("github.v3; format=json");
    match named.as_slice() {
        [] => plain,
        named => HeaderValue::from_str(&named.join(", ")).unwrap_or(plain),
    }
}

fn is_of_a_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'-'
}

/// A time in a head (RFC 9110, section 5.6.7).
pub(super) fn last_modified(at: Timestamp) -> Option<HeaderValue> {
    let format = format_description!(
        "[weekday repr:short], [day] [month repr:short] [year] [hour]:[minute]:[second] GMT"
    );
    let at = OffsetDateTime::from_unix_timestamp(at.0.div_euclid(1000)).ok()?;
    HeaderValue::from_str(&at.format(format).ok()?).ok()
}

/// GitHub counts down to a second at which everything may be asked again, so what is told is how many one may ask at
/// once, not how many in a minute.
pub(super) fn tell_limit(allowance: Allowance, headers: &mut HeaderMap) {
    let [limit, remaining, reset] = X_RATELIMIT;
    headers.insert(limit, allowance.burst.into());
    headers.insert(remaining, allowance.remaining.into());
    headers.insert(reset, allowance.full_at.into());
    let used = allowance.burst.saturating_sub(allowance.remaining);
    headers.insert(USED, used.into());
    headers.insert(RESOURCE, HeaderValue::from_static("core"));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_told_as_http_does() {
        let at = last_modified(Timestamp(1_470_915_155_444)).unwrap();
        assert_eq!(at, "Thu, 11 Aug 2016 11:32:35 GMT");
    }

    #[test]
    fn the_media_type_names_the_previews_that_were_asked_for() {
        for (accept, expected) in [
            ("", "github.v3; format=json"),
            ("*/*", "github.v3; format=json"),
            ("application/vnd.github.v3+json", "github.v3; format=json"),
            ("application/vnd.github+json", "github.v3; format=json"),
            (
                "application/vnd.github.ant-man-preview+json",
                "github.ant-man-preview; format=json",
            ),
            (
                "application/vnd.github.ant-man-preview+json, application/vnd.github.flash-preview+json;q=0.9,*/*",
                "github.ant-man-preview; format=json, github.flash-preview; format=json",
            ),
            (
                "application/vnd.github.x\"y-preview+json",
                "github.v3; format=json",
            ),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT, HeaderValue::from_str(accept).unwrap());
            assert_eq!(media_type(&headers), expected, "{accept}");
        }
    }
}
