//! Following by Server-Sent Events: a log line by line, and what happens event by event. The id of each is the place to
//! go on at, in the log's file or in the order of events: a client that comes back, to this process or to the next one,
//! gets exactly what it has not seen. What is not read is not read ahead.

use super::error::Refusal;
use super::wire::event::Event as WireEvent;
use super::wire::log::LogLine;
use super::wire::runtime::RuntimeLine as WireLine;
use crate::api::follow::{Followers, Following, MAX_FOLLOWERS};
use crate::api::{Api, auth};
use crate::core::access::Caller;
use crate::core::action::{Action, ListEvents, LogPage, ReadLog, Reply};
use crate::core::event::{After, Event as CoreEvent};
use crate::core::log::parse_line;
use crate::core::runtime::{ReadRuntimeLog, RuntimeLine, RuntimePage, RuntimeRange};
use crate::core::secret::Secret;
use axum::http::HeaderMap;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse as _, Response};
use futures_util::{Stream, stream};
use serde::Serialize;
use std::collections::VecDeque;
use std::convert::Infallible;
use std::time::Duration;
use uuid::Uuid;

/// How often a comment is sent when there is nothing else: proxies end a connection that is silent for a minute.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// How many lines of a runtime log are read at once.
const LINES_AT_ONCE: u32 = 1000;

/// Somebody who follows.
pub(super) struct Follower {
    api: Api,
    caller: Caller,
    token: Option<Secret>,
    _place: Following,
}

impl Follower {
    /// Takes a place among the followers.
    pub(super) fn join(
        api: &Api,
        followers: &Followers,
        caller: &Caller,
        headers: &HeaderMap,
    ) -> Result<Self, Refusal> {
        let place = followers.join();
        Ok(Self {
            api: api.clone(),
            caller: caller.clone(),
            token: auth::bearer(headers),
            _place: place.ok_or_else(|| Refusal::too_many_followers(MAX_FOLLOWERS))?,
        })
    }

    /// Asks for more, as whom the token makes the follower by now; `None` where following ends.
    async fn ask(&mut self, action: Action) -> Option<Reply> {
        let agent = &self.api.agent;
        if agent.is_closing() {
            return None;
        }
        // It may have been revoked, or have expired.
        if let Some(token) = &self.token {
            self.caller = agent.token_caller(token).ok()?;
        }
        agent.dispatch(&self.caller, action).await.ok()
    }
}

/// A deployment's log from a page on that was read already, until its end.
pub(super) fn log(follower: Follower, deployment: Uuid, first: LogPage) -> Response {
    let state = Log {
        follower,
        deployment,
        page: first,
        given: 0,
        has_ended: false,
    };
    answer(stream::unfold(state, Log::next))
}

struct Log {
    follower: Follower,
    deployment: Uuid,
    page: LogPage,
    /// How many bytes of the page's text were given.
    given: usize,
    has_ended: bool,
}

impl Log {
    async fn next(mut self) -> Option<(Result<Event, Infallible>, Self)> {
        loop {
            if let Some(event) = self.line() {
                return Some((Ok(event), self));
            }
            if self.has_ended {
                return None;
            }
            if self.page.complete {
                self.has_ended = true;
                let end = Event::default().event("end").data("{}");
                return Some((Ok(end.id(self.page.next.to_string())), self));
            }
            let read = ReadLog {
                deployment: self.deployment,
                from: self.page.next,
                limit: 0,
                wait: true,
            };
            match self.follower.ask(Action::ReadLog(read)).await? {
                Reply::Log(page) => (self.page, self.given) = (page, 0),
                other => {
                    tracing::error!(?other, "a reply does not fit its action");
                    return None;
                }
            }
        }
    }

    /// The page's next line; one that a crash cut short before its text says nothing.
    fn line(&mut self) -> Option<Event> {
        loop {
            let rest = self.page.text.get(self.given..)?;
            let end = rest.find('\n')?;
            self.given += end + 1;
            if let Some(line) = parse_line(&rest[..end]) {
                let left = self.page.text.len() - self.given;
                let place = self.page.next - left as u64;
                return event(&LogLine::from(line)).map(|event| event.id(place.to_string()));
            }
        }
    }
}

/// Everything that happens from here on.
pub(super) fn events(follower: Follower, list: ListEvents, first: After) -> Response {
    let state = Happening {
        follower,
        list: ListEvents {
            after: first,
            wait: true,
            ..list
        },
        events: VecDeque::new(),
    };
    answer(stream::unfold(state, Happening::next))
}

struct Happening {
    follower: Follower,
    list: ListEvents,
    events: VecDeque<CoreEvent>,
}

impl Happening {
    async fn next(mut self) -> Option<(Result<Event, Infallible>, Self)> {
        loop {
            if let Some(happened) = self.events.pop_front() {
                let id = happened.serial.to_string();
                let event = event(&WireEvent::from(&happened))?;
                return Some((Ok(event.id(id)), self));
            }
            // A long history in which nothing is meant is looked through in pieces.
            tokio::task::yield_now().await;
            let asked = Action::ListEvents(self.list.clone());
            match self.follower.ask(asked).await? {
                Reply::Events(page) => {
                    self.list.after = After::Serial(page.next);
                    self.events = page.events.into();
                }
                other => {
                    tracing::error!(?other, "a reply does not fit its action");
                    return None;
                }
            }
        }
    }
}

/// A runtime log from a page on that was read already, for ever.
pub(super) fn runtime(follower: Follower, read: ReadRuntimeLog, first: RuntimePage) -> Response {
    let state = Printing {
        follower,
        read: ReadRuntimeLog {
            limit: LINES_AT_ONCE,
            ..read
        },
        lines: first.lines.into(),
        next: first.next,
    };
    answer(stream::unfold(state, Printing::next))
}

struct Printing {
    follower: Follower,
    read: ReadRuntimeLog,
    lines: VecDeque<RuntimeLine>,
    /// Where to go on behind the lines.
    next: u64,
}

impl Printing {
    async fn next(mut self) -> Option<(Result<Event, Infallible>, Self)> {
        loop {
            if let Some(line) = self.lines.pop_front() {
                // The next line is not before that place, wherever exactly it is.
                let place = match self.lines.front() {
                    Some(next) => next.offset,
                    None => self.next,
                };
                let event = event(&WireLine::from(&line))?;
                return Some((Ok(event.id(place.to_string())), self));
            }
            // A long log in which nothing is meant is looked through in pieces.
            tokio::task::yield_now().await;
            self.read.range = RuntimeRange::From {
                offset: self.next,
                wait: true,
            };
            let asked = Action::ReadRuntimeLog(self.read.clone());
            match self.follower.ask(asked).await? {
                Reply::RuntimeLog(page) => {
                    self.next = page.next;
                    self.lines = page.lines.into();
                }
                other => {
                    tracing::error!(?other, "a reply does not fit its action");
                    return None;
                }
            }
        }
    }
}

fn event(data: &impl Serialize) -> Option<Event> {
    let made = Event::default().json_data(data);
    made.inspect_err(|error| tracing::error!(%error, "an event cannot be written"))
        .ok()
}

fn answer(events: impl Stream<Item = Result<Event, Infallible>> + Send + 'static) -> Response {
    let keep_alive = KeepAlive::new().interval(KEEP_ALIVE).text("still here");
    Sse::new(events).keep_alive(keep_alive).into_response()
}
