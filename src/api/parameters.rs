//! What a request says beside its path, as one bag: its query, and its body as a form, a form in parts, or JSON. Whoever
//! writes a script for curl sends a form, a client library JSON; what they mean is the same.

use super::bounds::{self, Unfit};
use crate::core::time::Timestamp;
use axum::body::{Body, Bytes};
use axum::extract::{FromRequest as _, Multipart, Request};
use axum::http::{HeaderValue, Method, Uri, header};
use serde_json::{Map, Value};
use std::borrow::Cow;
use time::format_description::well_known::Iso8601;
use time::{Date, OffsetDateTime, PrimitiveDateTime, Time};

/// How many there may be: no route of any dialect knows thirty.
const MAX_PARAMETERS: usize = 200;

/// All parameters of a request. Of those of one name the last counts, and the body before the query.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Parameters(Map<String, Value>);

/// Why the parameters of a request cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Unread {
    /// The head or the body is beyond its limits, or broken.
    Unfit(Unfit),
    /// The body is not what its content type says.
    Misdeclared,
    /// No dialect reads a body of this content type.
    UnknownType(String),
    /// They are more than [`MAX_PARAMETERS`].
    TooMany,
}

impl From<Unfit> for Unread {
    fn from(unfit: Unfit) -> Self {
        Self::Unfit(unfit)
    }
}

/// What a parameter has that it cannot have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Wrong;

/// Takes the parameters out of a request whose body is at most `max` bytes; what goes on has none.
pub(super) async fn gather(request: Request, max: usize) -> (Request, Result<Parameters, Unread>) {
    let (parts, body) = request.into_parts();
    let head = Request::from_parts(parts, Body::empty());
    if let Err(unfit) = bounds::head(&head) {
        return (head, Err(unfit.into()));
    }
    let query = Parameters::of_query(head.uri().query().unwrap_or_default());
    let only_looks = matches!(*head.method(), Method::GET | Method::HEAD);
    let kind = head.headers().get(header::CONTENT_TYPE).cloned();
    let said = match bounds::whole(body, max).await {
        Ok(bytes) => of_body(kind, bytes).await,
        Err(unfit) => Err(unfit.into()),
    };
    let said = match said {
        // What only looks has said all it has to say in its path and query.
        Err(Unread::Misdeclared | Unread::UnknownType(_)) if only_looks => {
            Ok(Parameters::default())
        }
        said => said,
    };
    (head, said.and_then(|said| query.with(said)))
}

/// The parameters of a body.
async fn of_body(kind: Option<HeaderValue>, body: Bytes) -> Result<Parameters, Unread> {
    // Clients name a content type on every request, and some send `{}` where there is nothing to say.
    if body.trim_ascii().is_empty() {
        return Ok(Parameters::default());
    }
    let declared = kind.as_ref().and_then(|kind| kind.to_str().ok());
    let named = declared.unwrap_or("application/x-www-form-urlencoded");
    let named = named.split(';').next().unwrap_or_default().trim();
    match named.to_ascii_lowercase().as_str() {
        "application/x-www-form-urlencoded" => Ok(Parameters::of_form(&body)),
        "multipart/form-data" => match kind {
            Some(kind) => of_parts(kind, body).await,
            None => Err(Unread::Misdeclared),
        },
        "application/json" => match serde_json::from_slice(&body) {
            Ok(Value::Object(object)) => Ok(Parameters(object)),
            Ok(Value::Null) => Ok(Parameters::default()),
            Ok(_) | Err(_) => Err(Unread::Misdeclared),
        },
        other => Err(Unread::UnknownType(other.chars().take(100).collect())),
    }
}

/// The fields of a form in parts; a file is its text.
async fn of_parts(kind: HeaderValue, body: Bytes) -> Result<Parameters, Unread> {
    let mut request = Request::new(Body::from(body));
    request.headers_mut().insert(header::CONTENT_TYPE, kind);
    let parts = Multipart::from_request(request, &()).await;
    let mut parts = parts.map_err(|_| Unread::Misdeclared)?;
    let mut fields = Map::new();
    while let Some(part) = parts.next_field().await.map_err(|_| Unread::Misdeclared)? {
        let Some(name) = part.name().map(str::to_owned) else {
            continue;
        };
        let text = part.text().await.map_err(|_| Unread::Misdeclared)?;
        fields.insert(name, Value::String(text));
    }
    Ok(Parameters(fields))
}

impl Parameters {
    /// Those of a query with those of a body over them.
    fn with(mut self, body: Self) -> Result<Self, Unread> {
        self.0.extend(body.0);
        match self.0.len() {
            0..=MAX_PARAMETERS => Ok(self),
            _ => Err(Unread::TooMany),
        }
    }

    /// Those of a query.
    pub(super) fn of_query(query: &str) -> Self {
        Self::of_form(query.as_bytes())
    }

    fn of_form(form: &[u8]) -> Self {
        let pairs = form_urlencoded::parse(form);
        let pairs = pairs.map(|(name, value)| (name.into_owned(), Value::String(value.into())));
        Self(pairs.collect())
    }

    /// A value as it was given; `null` is absent.
    fn given(&self, name: &str) -> Option<&Value> {
        self.0.get(name).filter(|value| !value.is_null())
    }

    /// Whether there is one of this name.
    pub(super) fn has(&self, name: &str) -> bool {
        self.given(name).is_some()
    }

    /// A text. Numbers and flags are taken as they are written.
    pub(super) fn text(&self, name: &str) -> Result<Option<Cow<'_, str>>, Wrong> {
        Ok(match self.given(name) {
            None => None,
            Some(Value::String(text)) => Some(Cow::Borrowed(text)),
            Some(Value::Number(number)) => Some(Cow::Owned(number.to_string())),
            Some(Value::Bool(flag)) => Some(Cow::Owned(flag.to_string())),
            Some(Value::Null | Value::Array(_) | Value::Object(_)) => return Err(Wrong),
        })
    }

    /// Yes or no, in the spellings that forms have for it.
    pub(super) fn flag(&self, name: &str) -> Result<Option<bool>, Wrong> {
        let Some(text) = self.text(name)? else {
            return Ok(None);
        };
        match text.to_ascii_lowercase().as_str() {
            "true" | "t" | "yes" | "y" | "on" | "1" => Ok(Some(true)),
            "false" | "f" | "no" | "n" | "off" | "0" => Ok(Some(false)),
            _ => Err(Wrong),
        }
    }

    /// A whole number.
    pub(super) fn integer(&self, name: &str) -> Result<Option<i64>, Wrong> {
        let text = self.text(name)?;
        let read = text.map(|text| text.trim().parse().map_err(|_| Wrong));
        read.transpose()
    }

    /// A time in any form of ISO 8601; without an offset it is UTC, without a time the day's beginning.
    pub(super) fn time(&self, name: &str) -> Result<Option<Timestamp>, Wrong> {
        let text = self.text(name)?;
        text.map(|text| time(text.trim()).ok_or(Wrong)).transpose()
    }
}

fn time(text: &str) -> Option<Timestamp> {
    // Between day and time some write a space; what else is a space was the plus of an offset before a form was read.
    let written = match text.split_once(' ') {
        Some((day, rest)) if !day.contains('T') => format!("{day}T{}", rest.replace(' ', "")),
        _ => text.replace(' ', "+"),
    };
    let written = written
        .strip_suffix("UTC")
        .map_or(written.clone(), |rest| format!("{rest}Z"));
    let with_offset = || OffsetDateTime::parse(&written, &Iso8601::DEFAULT).ok();
    let in_utc = || {
        let time = PrimitiveDateTime::parse(&written, &Iso8601::DEFAULT);
        time.ok().map(PrimitiveDateTime::assume_utc)
    };
    let day = || {
        let day = Date::parse(&written, &Iso8601::DEFAULT).ok()?;
        Some(PrimitiveDateTime::new(day, Time::MIDNIGHT).assume_utc())
    };
    let at = with_offset().or_else(in_utc).or_else(day)?;
    let millis = at.unix_timestamp_nanos().div_euclid(1_000_000);
    i64::try_from(millis).ok().map(Timestamp)
}

/// The query of a request without some of its parameters.
pub(super) fn query_without<'a>(
    uri: &'a Uri,
    left_out: &'a [&'a str],
) -> impl Iterator<Item = (Cow<'a, str>, Cow<'a, str>)> {
    let pairs = form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes());
    pairs.filter(|(name, _)| !left_out.contains(&name.as_ref()))
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn read(
        method: &str,
        query: &str,
        kind: Option<&str>,
        body: &str,
    ) -> Result<Parameters, Unread> {
        let mut request = Request::builder().method(method).uri(format!("/x?{query}"));
        if let Some(kind) = kind {
            request = request.header("content-type", kind);
        }
        let request = request.body(Body::from(body.to_owned())).unwrap();
        gather(request, 1024).await.1
    }

    fn texts(found: Result<Parameters, Unread>) -> Vec<(String, String)> {
        let found = found.unwrap().0.into_iter();
        found
            .map(|(name, value)| {
                (
                    name,
                    value.as_str().map_or(value.to_string(), str::to_owned),
                )
            })
            .collect()
    }

    const FORM: &str = "application/x-www-form-urlencoded";

    #[tokio::test]
    async fn query_form_parts_and_json_say_the_same() {
        let expected = texts(read("POST", "tag=false&ref=a+b%2Fc", None, "").await);
        assert_eq!(
            expected,
            [
                ("ref".into(), "a b/c".into()),
                ("tag".into(), "false".to_owned())
            ]
        );
        let parts = "--X\r\nContent-Disposition: form-data; name=\"ref\"\r\n\r\na b/c\r\n\
            --X\r\nContent-Disposition: form-data; name=\"tag\"\r\n\r\nfalse\r\n--X--\r\n";
        for (kind, body) in [
            (Some(FORM), "tag=false&ref=a%20b/c"),
            (None, "tag=false&ref=a%20b/c"),
            (
                Some("application/json; charset=utf-8"),
                r#"{"tag":false,"ref":"a b/c"}"#,
            ),
            (Some("multipart/form-data; boundary=X"), parts),
        ] {
            assert_eq!(
                texts(read("PUT", "", kind, body).await),
                expected,
                "{kind:?}"
            );
            let over_the_query = read("PUT", "ref=q", kind, body).await;
            assert_eq!(texts(over_the_query), expected, "{kind:?}");
        }
    }

    #[tokio::test]
    async fn a_body_where_there_is_nothing_to_say_is_no_fault() {
        let json = Some("application/json");
        for (method, body) in [
            ("GET", ""),
            ("GET", "{}"),
            ("DELETE", "{}"),
            ("DELETE", " \n"),
            ("GET", "{"),
            ("POST", "null"),
        ] {
            let found = read(method, "a=b", json, body).await;
            assert_eq!(
                texts(found),
                [("a".to_owned(), "b".to_owned())],
                "{method} {body}"
            );
        }
    }

    #[tokio::test]
    async fn a_body_that_is_not_what_it_says_is_refused() {
        let json = Some("application/json");
        for (kind, body) in [
            (json, "{"),
            (json, "[]"),
            (json, "1"),
            (Some("multipart/form-data"), "x"),
            (Some("multipart/form-data; boundary=X"), "--X\r\n"),
        ] {
            assert_eq!(
                read("POST", "", kind, body).await,
                Err(Unread::Misdeclared),
                "{body}"
            );
        }
        let xml = read("POST", "", Some("text/xml"), "<a/>").await;
        assert_eq!(xml, Err(Unread::UnknownType("text/xml".into())));
        let large = read("POST", "", None, &"a".repeat(1025)).await;
        assert_eq!(large, Err(Unread::Unfit(Unfit::LargeBody(1024))));
        let many: Vec<String> = (0..=MAX_PARAMETERS).map(|name| name.to_string()).collect();
        assert_eq!(
            read("GET", &many.join("&"), None, "").await,
            Err(Unread::TooMany)
        );
        let long = "a".repeat(bounds::MAX_URI);
        assert_eq!(
            read("GET", &long, None, "").await,
            Err(Unread::Unfit(Unfit::LongUri))
        );
    }

    #[test]
    fn flags_and_numbers_are_read_from_every_spelling() {
        let flag = |text: &str| Parameters::of_query(&format!("a={text}")).flag("a");
        for text in ["true", "t", "yes", "y", "on", "1", "TRUE", "On"] {
            assert_eq!(flag(text), Ok(Some(true)), "{text}");
        }
        for text in ["false", "f", "no", "n", "off", "0", "False"] {
            assert_eq!(flag(text), Ok(Some(false)), "{text}");
        }
        for text in ["", "2", "maybe", "truefalse"] {
            assert_eq!(flag(text), Err(Wrong), "{text}");
        }
        let number = |text: &str| Parameters::of_query(&format!("a={text}")).integer("a");
        assert_eq!((number("7"), number("-1")), (Ok(Some(7)), Ok(Some(-1))));
        for text in ["", "7.0", "x", "99999999999999999999999"] {
            assert_eq!(number(text), Err(Wrong), "{text}");
        }
        let json = serde_json::json!({ "tag": false, "n": 7, "list": [], "none": null, "one": 1 });
        let Value::Object(json) = json else {
            unreachable!()
        };
        let json = Parameters(json);
        assert_eq!(json.flag("tag"), Ok(Some(false)));
        assert_eq!(json.flag("one"), Ok(Some(true)));
        assert_eq!(json.integer("n"), Ok(Some(7)));
        assert_eq!(json.text("n"), Ok(Some("7".into())));
        assert_eq!(
            (json.text("list"), json.flag("list")),
            (Err(Wrong), Err(Wrong))
        );
        assert_eq!(json.text("none"), Ok(None));
        assert!(!json.has("none") && json.has("list"));
    }

    #[test]
    fn times_are_read_from_every_form_of_iso_8601() {
        let noon = Ok(Some(Timestamp(1_552_651_200_123)));
        for text in [
            "2019-03-15T12:00:00.123Z",
            "2019-03-15T14:00:00.123%2B02:00",
            // A plus that nobody encoded.
            "2019-03-15T14:00:00.123+02:00",
            "2019-03-15 14:00:00.123%2B02:00",
            "2019-03-15T12:00:00.123",
            "2019-03-15 12:00:00.123 UTC",
            "20190315T120000.123Z",
            "2019-03-15T12:00:00,123Z",
        ] {
            let found = Parameters::of_query(&format!("a={text}")).time("a");
            assert_eq!(found, noon, "{text}");
        }
        let day = Parameters::of_query("a=2019-03-15").time("a");
        assert_eq!(day, Ok(Some(Timestamp(1_552_608_000_000))));
        for text in [
            "",
            "yesterday",
            "2019-13-15",
            "1552651200",
            "2019-03-15T25:00:00Z",
        ] {
            let found = Parameters::of_query(&format!("a={text}")).time("a");
            assert_eq!(found, Err(Wrong), "{text}");
        }
    }
}
