//! Environments: list, show, create, update, stop, delete.

use super::error::{Refusal, allow};
use super::filter::ascending;
use super::parse::Asked;
use super::path::{self, Named};
use super::wire::deployment::Deployment;
use super::wire::environment::{Environment, TIERS};
use super::wire::project::Project;
use super::wire::word::parse_standing;
use super::{Route, render};
use crate::api::Api;
use crate::api::arrival::Base;
use crate::core::access::{Caller, Scope};
use crate::core::action::{
    Action, EnvironmentDetail, EnvironmentRef, ListDeployments, ListEnvironments, Reply,
    StateFilter,
};
use crate::core::environment::{CreateEnvironment, Notes};
use crate::core::name::EnvironmentName;
use crate::core::project::ProjectView;
use axum::Extension;
use axum::extract::State;
use axum::http::{StatusCode, Uri};
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

async fn list(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    base: Base,
    uri: Uri,
    named: Named,
    mut asked: Asked,
) -> Result<Response, Refusal> {
    let page = asked.page();
    let name = asked.present("name");
    let search = asked.present("search");
    if name.is_some() && search.is_some() {
        asked.fault("name and search", "cannot be used together");
    }
    let standing = asked.word("states", parse_standing);
    let ascending = asked.word("sort", ascending).unwrap_or(true);
    asked.checked()?;
    let page = page.unwrap_or_default();
    let project = named.project(&api, &caller).await?;
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
        Some(Err(_)) => return Ok(render::list::<Environment>(&[], (page, 0), (&base, &uri))),
    };
    let list = ListEnvironments {
        project: Some(project.serial),
        name,
        search,
        standing,
        ascending,
        limit: page.limit(),
        offset: page.offset(),
    };
    match api
        .agent
        .dispatch(&caller, Action::ListEnvironments(list))
        .await?
    {
        Reply::Environments { items, total } => {
            let shown = |one| Environment::listed(one, Project::new(&project, &base), &base);
            let items: Vec<Environment> = items.iter().map(shown).collect();
            Ok(render::list(&items, (page, total), (&base, &uri)))
        }
        other => Err(Refusal::unexpected(&other)),
    }
}

/// The project and the environment at a path, after the caller may do what needs this scope.
async fn found(
    api: &Api,
    caller: &Caller,
    needed: Scope,
    named: &Named,
    number: i64,
) -> Result<(ProjectView, EnvironmentDetail), Refusal> {
    let project = named.project(api, caller).await?;
    allow(caller, needed)?;
    let environment = path::environment(api, caller, &project, number).await?;
    Ok((project, environment))
}

async fn show(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    base: Base,
    named: Named,
    mut asked: Asked,
) -> Result<Response, Refusal> {
    let number = asked.id("environment_id", named.text("environment_id"));
    asked.checked()?;
    let (_, environment) = found(&api, &caller, Scope::Read, &named, number).await?;
    // GitLab's last deployment is the last that succeeded.
    let list = ListDeployments {
        environment_id: Some(environment.id),
        states: vec![StateFilter::Succeeded],
        limit: 1,
        steps: true,
        ..ListDeployments::default()
    };
    let last = match api
        .agent
        .dispatch(&caller, Action::ListDeployments(list))
        .await?
    {
        Reply::Deployments { items, .. } => items.first().map(|one| Deployment::of(one, &base)),
        other => return Err(Refusal::unexpected(&other)),
    };
    let last = last.map(Deployment::without_environment);
    Ok(render::json(&Environment::with_last(
        &environment,
        last,
        &base,
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

async fn create(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    base: Base,
    named: Named,
    mut asked: Asked,
) -> Result<Response, Refusal> {
    if !asked.has("name") {
        asked.fault("name", "is missing");
    }
    let name = asked.text("name").unwrap_or_default();
    let given = Given::of(&mut asked);
    asked.checked()?;
    let project = named.project(&api, &caller).await?;
    allow(&caller, Scope::Write)?;
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
    let reply = api
        .agent
        .dispatch(&caller, Action::CreateEnvironment(create))
        .await?;
    Ok((StatusCode::CREATED, answer(reply, &base)?).into_response())
}

/// A name cannot be changed; one that is given is ignored, as GitLab does.
async fn update(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    base: Base,
    named: Named,
    mut asked: Asked,
) -> Result<Response, Refusal> {
    let number = asked.id("environment_id", named.text("environment_id"));
    let given = Given::of(&mut asked);
    asked.checked()?;
    let (_, environment) = found(&api, &caller, Scope::Write, &named, number).await?;
    let which = EnvironmentRef::Serial(environment.serial);
    let notes = given.over(environment.notes)?;
    let action = Action::NoteEnvironment(which, notes);
    answer(api.agent.dispatch(&caller, action).await?, &base)
}

/// 200, although GitLab's description of its API says 201.
async fn stop(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    base: Base,
    named: Named,
    mut asked: Asked,
) -> Result<Response, Refusal> {
    let number = asked.id("environment_id", named.text("environment_id"));
    // There are no actions of ours that it could skip.
    asked.flag("force");
    asked.checked()?;
    let (_, environment) = found(&api, &caller, Scope::Write, &named, number).await?;
    let which = EnvironmentRef::Serial(environment.serial);
    let action = Action::StopEnvironment(which);
    answer(api.agent.dispatch(&caller, action).await?, &base)
}

async fn delete(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    named: Named,
    mut asked: Asked,
) -> Result<Response, Refusal> {
    let number = asked.id("environment_id", named.text("environment_id"));
    asked.checked()?;
    let (_, environment) = found(&api, &caller, Scope::Admin, &named, number).await?;
    let which = EnvironmentRef::Serial(environment.serial);
    match api
        .agent
        .dispatch(&caller, Action::RemoveEnvironment(which))
        .await?
    {
        Reply::Gone => Ok(StatusCode::NO_CONTENT.into_response()),
        other => Err(Refusal::unexpected(&other)),
    }
}
