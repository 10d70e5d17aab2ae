//! What every handler looks at of a request, and how it answers with a list.

use super::body::Fields;
use super::error::Refusal;
use super::place::{Found, Place};
use super::urls::Urls;
use crate::api::arrival::Base;
use crate::api::page::{self, Page};
use crate::api::parameters::{self, Parameters};
use crate::api::{Api, answer, bounds};
use crate::core::access::{Caller, TOKEN_PARAMETERS};
use crate::core::action::{Action, Reply};
use crate::core::error::Error;
use crate::core::name::ProjectPath;
use crate::core::project::{ProjectRef, ProjectView};
use crate::core::rate::Allowance;
use axum::body::Body;
use axum::extract::{FromRequestParts as _, Request};
use axum::http::{HeaderMap, Uri, header};
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use serde::Serialize;

/// The largest request body, in bytes: a payload of 64 KiB whose every character is written as a code, and the rest.
const MAX_BODY: usize = 512 * 1024;

/// How many items a page has unless another number is asked for.
const PAGE: u32 = 30;

/// A request that was let in.
pub(super) struct Call {
    api: Api,
    caller: Option<Caller>,
    /// What its caller may still ask.
    pub(super) allowance: Option<Allowance>,
    /// What URLs in the answer begin with.
    pub(super) urls: Urls,
    pub(super) headers: HeaderMap,
    /// Its query.
    pub(super) query: Parameters,
    uri: Uri,
    found: Found,
    body: Bytes,
}

impl Call {
    /// Takes a request in with its body.
    pub(super) async fn of(api: Api, found: Found, request: Request) -> Result<Self, Refusal> {
        let (mut parts, body) = request.into_parts();
        let Ok(base) = Base::from_request_parts(&mut parts, &api).await;
        let head = Request::from_parts(parts, Body::empty());
        bounds::head(&head)?;
        let (mut parts, _) = head.into_parts();
        Ok(Self {
            body: bounds::whole(body, MAX_BODY).await?,
            caller: parts.extensions.remove(),
            allowance: parts.extensions.remove(),
            urls: Urls::new(base, found.prefix),
            query: Parameters::of_query(parts.uri.query().unwrap_or_default()),
            headers: parts.headers,
            uri: parts.uri,
            api,
            found,
        })
    }

    pub(super) fn place(&self) -> Place {
        self.found.place.clone()
    }

    pub(super) fn prefix(&self) -> super::place::Prefix {
        self.found.prefix
    }

    /// Who asks. Somebody who did not say so came past the door only to what is open.
    pub(super) fn caller(&self) -> Result<&Caller, Refusal> {
        let caller = self.caller.as_ref();
        caller.ok_or_else(Refusal::requires_authentication)
    }

    /// Asks for something in the caller's name.
    pub(super) async fn dispatch(&self, action: Action) -> Result<Reply, Error> {
        match &self.caller {
            Some(caller) => self.api.agent.dispatch(caller, action).await,
            None => Err(Error::Internal("nobody asks for something".to_owned())),
        }
    }

    /// The project of this path. What can be no project's path is one that there is not.
    pub(super) async fn project(&self, path: &str) -> Result<ProjectView, Refusal> {
        self.caller()?;
        let path = ProjectPath::parse(path).map_err(|_| Refusal::not_found())?;
        let which = Action::GetProject(ProjectRef::Path(path));
        match self.dispatch(which).await? {
            Reply::Project(project) => Ok(*project),
            other => Err(Refusal::unexpected(&other)),
        }
    }

    /// What the body says; it has to say something.
    pub(super) fn fields(&self) -> Result<Fields, Refusal> {
        Fields::of(&self.body)
    }

    /// What the body says, if there is one.
    pub(super) fn any_fields(&self) -> Result<Fields, Refusal> {
        Fields::of_any(&self.body)
    }

    /// Which page of a list is asked for.
    pub(super) fn page(&self) -> Page {
        Page::lenient(&self.query, PAGE)
    }

    /// What a list is narrowed to by a parameter. Generated clients send what GitHub's description calls the default.
    pub(super) fn filter(&self, name: &str) -> Option<String> {
        let text = self.query.text(name).ok().flatten()?;
        let says_something = !text.is_empty() && text != "none";
        says_something.then(|| text.into_owned())
    }

    /// A page of a list with so many items in all, as an answer of this body.
    pub(super) fn list(&self, total: u64, body: &impl Serialize) -> Response {
        let page = self.page();
        let links = page.leads_to(total).into_iter();
        let links: Vec<(&str, String)> = links.map(|(name, at)| (name, self.at(at))).collect();
        let mut response = answer::json(body).into_response();
        if !links.is_empty()
            && let Some(links) = page::link(links.into_iter())
        {
            response.headers_mut().insert(header::LINK, links);
        }
        response
    }

    /// The URL of another page. It has all that was asked for, for a client takes the next page from here alone; a token
    /// is not repeated, for URLs are written into logs.
    fn at(&self, number: u64) -> String {
        let mut left_out = vec!["page"];
        left_out.extend(TOKEN_PARAMETERS);
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(parameters::query_without(&self.uri, &left_out));
        query.append_pair("page", &number.to_string());
        format!("{}?{}", self.urls.web(&self.found.path), query.finish())
    }
}
