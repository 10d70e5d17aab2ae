//! Replies to git.dev's answers, with our additions.

use super::wire::PageMeta;
use super::wire::deployment::{Created, address};
use super::wire::log::{LogLine, LogLines};
use super::wire::operation::Operations;
use crate::api::Api;
pub(super) use crate::api::answer::json;
use crate::api::arrival::Base;
use crate::core::access::Caller;
use crate::core::action::{Action, ChangeView, DeploymentView, LogPage, ReadLog, Reply};
use crate::core::error::Error;
use crate::core::log::parse_line;
use axum::body::{Body, Bytes};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use uuid::Uuid;

/// Where to go on reading a log, in bytes.
const NEXT: HeaderName = HeaderName::from_static("x-longshore-next");
/// Whether no line will follow.
const COMPLETE: HeaderName = HeaderName::from_static("x-longshore-complete");

pub(super) fn created(view: &DeploymentView, base: &Base) -> Response {
    let body = Created::new(view, base);
    let location = HeaderValue::from_str(&address(base, &body.id))
        .unwrap_or_else(|_| HeaderValue::from_static("/v1/deployments"));
    (
        StatusCode::CREATED,
        [(header::LOCATION, location)],
        json(&body),
    )
        .into_response()
}

/// An addition: changes of environments.
pub(super) fn changes(views: &[ChangeView], status: StatusCode) -> Response {
    (status, json(&Operations::from(views))).into_response()
}

/// An addition: whole lines, and where to go on.
pub(super) fn log_piece(page: LogPage) -> Response {
    let headers = [
        (NEXT, HeaderValue::from(page.next)),
        (
            COMPLETE,
            HeaderValue::from_static(if page.complete { "true" } else { "false" }),
        ),
    ];
    (headers, [(header::CONTENT_TYPE, PLAIN)], page.text).into_response()
}

const PLAIN: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");

pub(super) async fn read_piece(
    api: &Api,
    caller: &Caller,
    deployment: Uuid,
    from: u64,
) -> Result<LogPage, Error> {
    let read = ReadLog {
        deployment,
        from,
        limit: u64::MAX,
        wait: false,
    };
    match api.agent.dispatch(caller, Action::ReadLog(read)).await? {
        Reply::Log(page) => Ok(page),
        _ => Err(Error::Internal("a reply does not fit its action".into())),
    }
}

/// The whole log, piece by piece, so that a large one is never held in memory.
pub(super) fn whole_log(api: Api, caller: Caller, deployment: Uuid, first: LogPage) -> Response {
    let pieces = stream::unfold(Some(first), move |page| {
        let (api, caller) = (api.clone(), caller.clone());
        async move {
            let page = page.filter(|page| !page.text.is_empty())?;
            let next = read_piece(&api, &caller, deployment, page.next).await.ok();
            Some((
                Ok::<Bytes, std::convert::Infallible>(Bytes::from(page.text)),
                next,
            ))
        }
    });
    ([(header::CONTENT_TYPE, PLAIN)], Body::from_stream(pieces)).into_response()
}

/// A page of a log as JSON objects.
pub(super) async fn log_lines(
    api: &Api,
    caller: &Caller,
    deployment: Uuid,
    limit: u64,
    offset: u64,
) -> Result<Response, Error> {
    let (mut data, mut total, mut from) = (Vec::new(), 0u64, 0u64);
    loop {
        let page = read_piece(api, caller, deployment, from).await?;
        if page.text.is_empty() {
            break;
        }
        from = page.next;
        for line in page.text.lines().filter_map(parse_line) {
            if total >= offset && total - offset < limit {
                data.push(LogLine::from(line));
            }
            total += 1;
        }
    }
    let meta = PageMeta {
        limit,
        offset,
        total,
    };
    Ok(json(&LogLines { data, meta }))
}
