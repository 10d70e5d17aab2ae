//! Telling what happened, and waiting for more of it.

use super::Agent;
use super::dispatch::internal;
use crate::core::access::Caller;
use crate::core::action::{LOG_WAIT, ListEvents, Reply};
use crate::core::error::Error;
use crate::core::event::{After, EventPage, Narrow};

/// How many blocks of history one request looks through for events that are meant: what is further away is asked for
/// with the next request.
const MOST_BLOCKS: usize = 16;

impl Agent {
    pub(super) async fn list_events(
        &self,
        caller: &Caller,
        list: ListEvents,
    ) -> Result<Reply, Error> {
        let app = match &list.app {
            Some(app) => Some(self.visible_app(caller, app)?),
            None => None,
        };
        if let Some(deployment) = list.deployment {
            self.shown(caller, deployment.into())?;
        }
        let narrow = Narrow {
            app,
            environment: list.environment,
            deployment: list.deployment,
        };
        let after = match list.after {
            After::Serial(serial) => serial,
            After::Latest => self.store.last_event().map_err(internal)?,
        };
        let mut changes = self.store.changes();
        let mut closing = self.closing.subscribe();
        let give_up = self.ports.clock.sleep(LOG_WAIT);
        tokio::pin!(give_up);
        let mut from = after;
        loop {
            changes.borrow_and_update();
            let page = self.look_for_events(caller, &narrow, from, list.limit)?;
            let newest = self.store.last_event().map_err(internal)?;
            let is_over = *closing.borrow_and_update();
            let is_behind = page.next < newest;
            if !page.events.is_empty() || is_behind || !list.wait || is_over {
                return Ok(Reply::Events(page));
            }
            from = page.next;
            tokio::select! {
                biased;
                _ = changes.changed() => {}
                _ = closing.changed() => {}
                () = &mut give_up => return Ok(Reply::Events(page)),
            }
        }
    }

    fn look_for_events(
        &self,
        caller: &Caller,
        narrow: &Narrow,
        after: i64,
        limit: u32,
    ) -> Result<EventPage, Error> {
        let mut all = EventPage {
            events: Vec::new(),
            next: after,
        };
        for _ in 0..MOST_BLOCKS {
            let found = u32::try_from(all.events.len()).unwrap_or(limit);
            let rest = limit.saturating_sub(found);
            let page = self.store.events(caller.reach, narrow, all.next, rest);
            let page = page.map_err(internal)?;
            let went_on = page.next > all.next;
            all.next = page.next;
            all.events.extend(page.events);
            let found = u32::try_from(all.events.len()).unwrap_or(limit);
            if found >= limit || !went_on {
                break;
            }
        }
        Ok(all)
    }
}
