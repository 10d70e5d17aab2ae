//! What happened, and what happens: an addition.

use super::error::{self, Refusal};
use super::follow::{self, Follower};
use super::wire::event::{Event, Events};
use super::wire::name::{EventId, ListedEnvironment};
use super::wire::problem::Problem;
use super::{Params, Route, parse, render};
use crate::api::Api;
use crate::api::follow::Followers;
use crate::core::access::Caller;
use crate::core::action::{Action, ListEvents, Reply};
use crate::core::event::{After, EventPage};
use axum::Extension;
use axum::extract::{Query, State};
use axum::http::HeaderMap;
use axum::response::Response;
use std::collections::HashMap;
use utoipa_axum::routes;

pub(super) fn routes() -> Vec<Route> {
    vec![routes!(list)]
}

/// Tells what happened to deployments and other operations, in order
///
/// As one page of JSON; or, where `Accept` names `text/event-stream`, as Server-Sent Events for ever, each with the JSON of
/// one event.
#[utoipa::path(
    get, path = "/events", tag = "events", operation_id = "listEvents",
    params(
        ("after" = Option<String>, Query, pattern = "^([0-9]{1,18}|latest)$",
            description = "The event after which to begin, or `latest` for what happens from now on; the first of all if absent"),
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 1000, description = "100 if absent"),
        ("app" = Option<String>, Query, description = "Only this app's, by id or name"),
        ("environment" = inline(Option<ListedEnvironment>), Query, description = "Only those of environments of this name"),
        ("deployment" = Option<String>, Query, description = "Only this deployment's"),
        ("Last-Event-ID" = inline(Option<EventId>), Header,
            description = "Where a client that was cut off goes on following; counts more than `after`"),
    ),
    responses(
        (status = 200, content(
            (Events = "application/json"),
            (Event = "text/event-stream"),
        )),
        (status = 400, body = Problem, description = "A parameter breaks a rule"),
        (status = 404, body = Problem, description = "There is no such app or deployment"),
    ),
)]
async fn list(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Extension(followers): Extension<Followers>,
    headers: HeaderMap,
    Query(params): Params,
) -> Result<Response, Refusal> {
    let (list, is_followed) = parse::events(&params, &headers)?;
    if !is_followed {
        let page = read(&api, &caller, &params, list).await?;
        return Ok(render::json(&Events::from(&page)));
    }
    // What is wrong with the request is told before the stream begins.
    let nothing = ListEvents {
        limit: 0,
        ..list.clone()
    };
    let begin = read(&api, &caller, &params, nothing).await?;
    let first = match list.after {
        After::Serial(serial) => After::Serial(serial),
        After::Latest => After::Serial(begin.next),
    };
    let follower = Follower::join(&api, &followers, &caller, &headers)?;
    Ok(follow::events(follower, list, first))
}

async fn read(
    api: &Api,
    caller: &Caller,
    params: &HashMap<String, String>,
    list: ListEvents,
) -> Result<EventPage, Refusal> {
    let about = params.get("deployment").or_else(|| params.get("app"));
    let about = about.map_or("", String::as_str);
    match api
        .agent
        .dispatch(caller, Action::ListEvents(list))
        .await
        .map_err(|error| error::about(error, about))?
    {
        Reply::Events(page) => Ok(page),
        other => Err(Refusal::unexpected(&other)),
    }
}
