//! The processes of an environment, as they are now.

use super::Agent;
use super::dispatch::internal;
use crate::core::access::Caller;
use crate::core::action::{AppRef, Reply};
use crate::core::container::{ContainerRow, WEB};
use crate::core::error::Error;
use crate::core::name::{EnvironmentName, ProcessName};
use crate::core::ports::ContainerState;
use crate::core::process::{ProcessKind, ProcessSpec, ProcessView, process_id};
use crate::core::spec::RunSpec;
use crate::store::{Live, Place};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::iter::once;

impl Agent {
    /// What the live release runs, and how each of it stands; without one, what the configuration would run. An engine that
    /// cannot be asked leaves the rest to be seen.
    pub(super) async fn list_processes(
        &self,
        caller: &Caller,
        app: &AppRef,
        environment: Option<&EnvironmentName>,
    ) -> Result<Reply, Error> {
        let place = self.place(caller, app, environment)?;
        let live = self.store.live(place.environment).map_err(internal)?;
        let views = match &live {
            // A job has nothing that runs on.
            Some(live) if live.release.content.job.is_some() => Vec::new(),
            Some(live) => {
                let content = &live.release.content;
                views(&place, &content.run, &content.processes, Some(live))
            }
            None => match self.configured(&place) {
                Some(spec) if spec.job.is_some() => Vec::new(),
                Some(spec) => views(&place, &spec.run, &spec.processes, None),
                None => Vec::new(),
            },
        };
        let mut shown = Vec::with_capacity(views.len());
        for view in views {
            let state = match &view.container {
                Some(name) => self.state_of(name).await,
                None => None,
            };
            shown.push(ProcessView { state, ..view });
        }
        Ok(Reply::Processes(shown))
    }

    async fn state_of(&self, container: &str) -> Option<ContainerState> {
        match self.ports.engine.inspect(container).await {
            Ok(observed) => observed.map(|observed| observed.state),
            Err(error) => {
                tracing::debug!(container, %error, "a process cannot be looked at");
                None
            }
        }
    }
}

fn views(
    place: &Place,
    app: &RunSpec,
    processes: &BTreeMap<ProcessName, ProcessSpec>,
    live: Option<&Live>,
) -> Vec<ProcessView> {
    let web = once((WEB, Cow::Borrowed(app)));
    let workers = processes
        .iter()
        .map(|(name, process)| (name.as_str(), Cow::Owned(process.run(app))));
    let view = |(name, run): (&str, Cow<'_, RunSpec>)| {
        let row = live.and_then(|live| container(live, name));
        let command = run.entrypoint.iter().chain(&run.command).cloned();
        ProcessView {
            id: process_id(place.environment_id, name),
            name: name.to_owned(),
            kind: match name {
                WEB => ProcessKind::Web,
                _ => ProcessKind::Worker,
            },
            command: command.collect(),
            port: run.port,
            memory: run.memory,
            millicpus: run.millicpus,
            container: row.map(|row| row.name.clone()),
            state: None,
            release: row.and(live).map(|live| live.release.number),
            since: row.and(live).map(|live| live.release.created_at),
        }
    };
    web.chain(workers).map(view).collect()
}

fn container<'a>(live: &'a Live, process: &str) -> Option<&'a ContainerRow> {
    live.containers.iter().find(|row| row.process == process)
}
