//! Environments: list, show, create, update, stop, delete.

use super::call::Call;
use super::error::{Refusal, allow};
use super::filter::ascending;
use super::parse::Asked;
use super::path;
use super::wire::deployment::Deployment;
use super::wire::environment::{Environment, TIERS};
use super::wire::project::Project;
use super::wire::word::parse_standing;
use super::{Route, render};
use crate::api::arrival::Base;
use crate::core::access::Scope;
use crate::core::action::{
    Action, EnvironmentDetail, EnvironmentRef, ListDeployments, ListEnvironments, Order, Reply,
    StateFilter,
};
use crate::core::environment::{CreateEnvironment, Notes};
use crate::core::name::EnvironmentName;
use crate::core::project::ProjectView;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};

/// The shortest text that is searched for, in characters; GitLab's.
const SHORTEST_SEARCH: usize = 3;
/// The longest of a URL and of a description, in characters.
const LONGEST_URL: usize = 255;
const LONGEST_DESCRIPTION: usize = 10_000;

pub(super) fn routes() -> Vec<Route> {
    vec![
        ("/projects/{id}/environments", get(list).post(create)),
        (
            "/projects/{id}/environments/{environment_id}",
            get(show).put(update).delete(delete),
        ),
        (
            "/projects/{id}/environments/{environment_id}/stop",
            post(stop),
        ),
    ]
}

async fn list(mut call: Call) -> Result<Response, Refusal> {
    let page = call.asked.page();
    let name = call.asked.present("name");
    let search = call.asked.present("search");
    if name.is_some() && search.is_some() {
        call.asked
            .fault("name and search", "cannot be used together");
    }
    let standing = call.asked.word("states", parse_standing);
    let ascending = call.asked.word("sort", ascending).unwrap_or(true);
    call.asked.checked()?;
    let page = page.unwrap_or_default();
    let project = call.project().await?;
    if search
        .as_ref()
        .is_some_and(|text| text.chars().count() < SHORTEST_SEARCH)
    {
        return Err(Refusal::bad_request(
            "Search query is less than 3 characters",
        ));
    }
    let name = match name.as_deref().map(EnvironmentName::reported) {
        None => None,
        Some(Ok(name)) => Some(name),
        // What can be no name is one that no environment has.
        Some(Err(_)) => {
            return Ok(render::list::<Environment>(
                &[],
                (page, 0),
                (&call.base, &call.uri),
            ));
        }
    };
    let list = ListEnvironments {
        any_case: false,
        project: Some(project.serial),
        name,
        search,
        standing,
        ascending,
        limit: page.limit(),
        offset: page.offset(),
    };
    match call.dispatch(Action::ListEnvironments(list)).await? {
        Reply::Environments { items, total } => {
            let shown =
                |one| Environment::listed(one, Project::new(&project, &call.base), &call.base);
            let items: Vec<Environment> = items.iter().map(shown).collect();
            Ok(render::list(&items, (page, total), (&call.base, &call.uri)))
        }
        other => Err(Refusal::unexpected(&other)),
    }
}

/// The project and the environment at a path, after the caller may do what needs this scope.
async fn found(
    call: &Call,
    needed: Scope,
    number: i64,
) -> Result<(ProjectView, EnvironmentDetail), Refusal> {
    let project = call.project().await?;
    allow(&call.caller, needed)?;
    let environment = path::environment(call, &project, number).await?;
    Ok((project, environment))
}

async fn show(mut call: Call) -> Result<Response, Refusal> {
    let number = call.number("environment_id");
    call.asked.checked()?;
    let (_, environment) = found(&call, Scope::Read, number).await?;
    // GitLab's last deployment is the one that succeeded last.
    let list = ListDeployments {
        environment_id: Some(environment.id),
        states: vec![StateFilter::Succeeded],
        order: Order::Updated,
        limit: 1,
        steps: true,
        ..ListDeployments::default()
    };
    let last = match call.dispatch(Action::ListDeployments(list)).await? {
        Reply::Deployments { items, .. } => {
            items.first().map(|one| Deployment::of(one, &call.base))
        }
        other => return Err(Refusal::unexpected(&other)),
    };
    let last = last.map(Deployment::without_environment);
    Ok(render::json(&Environment::with_last(
        &environment,
        last,
        &call.base,
    )))
}

fn answer(reply: Reply, base: &Base) -> Result<Response, Refusal> {
    match reply {
        Reply::Environment(environment) => Ok(render::json(&Environment::new(&environment, base))),
        other => Err(Refusal::unexpected(&other)),
    }
}

/// What of an environment's notes is given; an empty text takes one away.
struct Given {
    external_url: Option<String>,
    tier: Option<String>,
    description: Option<String>,
}

impl Given {
    fn of(asked: &mut Asked) -> Self {
        let external_url = asked.text("external_url");
        if asked.has("slug") {
            asked.fault("slug", "is automatically generated and cannot be changed");
        }
        let tier = asked.word("tier", |word| {
            let is_tier = TIERS.contains(&word);
            is_tier.then(|| word.to_owned())
        });
        Self {
            external_url,
            tier,
            description: asked.text("description"),
        }
    }

    fn over(self, notes: Notes) -> Result<Notes, Refusal> {
        let url = self.external_url.as_deref().unwrap_or_default();
        let is_web = url.is_empty() || url.starts_with("https://") || url.starts_with("http://");
        if !is_web || url.chars().any(|c| c.is_control() || c.is_whitespace()) {
            return Err(Refusal::field(
                "external_url",
                "is blocked: Only allowed schemes are http, https",
            ));
        }
        let too_long = |field: &str, most: usize| {
            Refusal::field(field, format!("is too long (maximum is {most} characters)"))
        };
        if url.chars().count() > LONGEST_URL {
            return Err(too_long("external_url", LONGEST_URL));
        }
        let description = self.description.as_deref().unwrap_or_default();
        if description.chars().count() > LONGEST_DESCRIPTION {
            return Err(too_long("description", LONGEST_DESCRIPTION));
        }
        let or_before = |given: Option<String>, before| match given {
            Some(text) => Some(text).filter(|text| !text.is_empty()),
            None => before,
        };
        Ok(Notes {
            external_url: or_before(self.external_url, notes.external_url),
            tier: or_before(self.tier, notes.tier),
            description: or_before(self.description, notes.description),
        })
    }
}

async fn create(mut call: Call) -> Result<Response, Refusal> {
    if !call.asked.has("name") {
        call.asked.fault("name", "is missing");
    }
    let name = call.asked.text("name").unwrap_or_default();
    let given = Given::of(&mut call.asked);
    call.asked.checked()?;
    let project = call.project().await?;
    allow(&call.caller, Scope::Write)?;
    if name.trim().is_empty() {
        return Err(Refusal::field("name", "can't be blank"));
    }
    let name = EnvironmentName::reported(&name)
        .map_err(|fault| Refusal::field("name", fault.to_string()))?;
    let create = CreateEnvironment {
        project: project.serial,
        name,
        notes: given.over(Notes::default())?,
    };
    let reply = call.dispatch(Action::CreateEnvironment(create)).await?;
    Ok((StatusCode::CREATED, answer(reply, &call.base)?).into_response())
}

/// A name cannot be changed; one that is given is ignored, as GitLab does.
async fn update(mut call: Call) -> Result<Response, Refusal> {
    let number = call.number("environment_id");
    let given = Given::of(&mut call.asked);
    call.asked.checked()?;
    let (_, environment) = found(&call, Scope::Write, number).await?;
    let which = EnvironmentRef::Serial(environment.serial);
    let notes = given.over(environment.notes)?;
    let action = Action::NoteEnvironment(which, notes);
    answer(call.dispatch(action).await?, &call.base)
}

/// 200, although GitLab's description of its API says 201.
async fn stop(mut call: Call) -> Result<Response, Refusal> {
    let number = call.number("environment_id");
    // There are no actions of ours that it could skip.
    call.asked.flag("force");
    call.asked.checked()?;
    let (_, environment) = found(&call, Scope::Write, number).await?;
    let which = EnvironmentRef::Serial(environment.serial);
    let action = Action::StopEnvironment(which);
    answer(call.dispatch(action).await?, &call.base)
}

async fn delete(mut call: Call) -> Result<Response, Refusal> {
    let number = call.number("environment_id");
    call.asked.checked()?;
    let (_, environment) = found(&call, Scope::Admin, number).await?;
    let which = EnvironmentRef::Serial(environment.serial);
    match call.dispatch(Action::RemoveEnvironment(which)).await? {
        Reply::Gone => Ok(StatusCode::NO_CONTENT.into_response()),
        other => Err(Refusal::unexpected(&other)),
    }
}
