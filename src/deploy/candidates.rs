//! The candidates of a rollout, a container for each process of the release: made, started, and waited for, all at the
//! same time. What they print goes into the deployment's log.

use super::containers::{container_spec, network, spoken};
use super::failures;
use super::interrupt::{Interrupt, Stop};
use super::journal::LAST_LINES;
use super::secrets::unreadable;
use super::walk::Walk;
use crate::core::container::{ContainerRow, OutputCursor, WEB};
use crate::core::deployment::Step;
use crate::core::failure::{Failure, FailureCode};
use crate::core::name::VariableName;
use crate::core::release::ReleaseContent;
use crate::core::secret::Secret;
use crate::core::spec::{Check, Health};
use futures_util::StreamExt as _;
use futures_util::future::join_all;
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// How much longer than it is to stay up a process may take before it counts as not ready: the looks at it take time, too.
const BEYOND_STAYING_UP: Duration = Duration::from_secs(5);

/// What was heard of a candidate.
#[derive(Default)]
struct Heard {
    cursor: Option<OutputCursor>,
    last: VecDeque<String>,
}

impl Walk<'_> {
    /// Makes the candidates, ready to start; the old containers still run.
    pub(super) async fn create(
        &self,
        interrupt: &Interrupt,
        content: &ReleaseContent,
        variables: &BTreeMap<VariableName, Secret>,
    ) -> Result<Vec<ContainerRow>, Stop> {
        let agent = self.agent;
        let engine = &agent.ports.engine;
        let network = network(self.place)
            .ok_or_else(|| failures::internal("the environment's network is too small"))?;
        let made = self
            .patience(interrupt, Step::Rollout)
            .call(async || engine.ensure_network(&network).await)
            .await?;
        made.map_err(|error| failures::engine("make the environment's network", error))?;
        let mut candidates = Vec::new();
        for process in content.process_names() {
            let candidate = self.create_one(interrupt, content, variables, process);
            candidates.push(candidate.await?);
        }
        Ok(candidates)
    }

    async fn create_one(
        &self,
        interrupt: &Interrupt,
        content: &ReleaseContent,
        variables: &BTreeMap<VariableName, Secret>,
        process: &str,
    ) -> Result<ContainerRow, Stop> {
        let agent = self.agent;
        let engine = &agent.ports.engine;
        let env = agent
            .store
            .container_env(self.place, &content.run, variables);
        let env = env.map_err(unreadable)?;
        // They may have changed since the deployment began.
        self.journal.hide(&env.hidden);
        let now = agent.ports.clock.now();
        let row = agent.store.intend_candidate(
            &self.deployment,
            &self.place.slug(),
            process,
            &env.hidden,
            now,
        )?;
        let spec = container_spec(self.place, content, env, &row, self.labels(process)?)?;
        let text = format!(
            "{}Creating container {} at {}",
            spoken(process),
            row.name,
            row.address
        );
        self.journal.agent(Step::Rollout, &text);
        let created = self
            .patience(interrupt, Step::Rollout)
            .call(async || engine.create(&spec).await)
            .await?;
        created.map_err(|error| failures::engine("create the container", error))?;
        agent.store.record_made(&row, agent.ports.clock.now())?;
        Ok(row)
    }

    pub(super) async fn start(
        &self,
        interrupt: &Interrupt,
        candidates: &[ContainerRow],
    ) -> Result<(), Stop> {
        let engine = &self.agent.ports.engine;
        for row in candidates {
            let text = format!("{}Starting {}", spoken(&row.process), row.name);
            self.journal.agent(Step::Rollout, &text);
            let started = self
                .patience(interrupt, Step::Rollout)
                .call(async || engine.start(&row.name).await)
                .await?;
            started.map_err(|error| failures::engine("start the container", error))?;
        }
        Ok(())
    }

    /// Waits until all are ready, or one will not be: then none is waited for any longer.
    pub(super) async fn wait_until_ready(
        &self,
        interrupt: &Interrupt,
        candidates: &[ContainerRow],
        content: &ReleaseContent,
    ) -> Result<(), Stop> {
        let heard: Vec<Mutex<Heard>> = candidates.iter().map(|_| Mutex::default()).collect();
        // Waiting that has become pointless ends between two calls to the engine, never inside one.
        let together = interrupt.branch();
        let first = Mutex::new(None);
        let waits = candidates.iter().zip(&heard).map(async |(row, heard)| {
            let waited = match content.process(&row.process) {
                Some((_, check)) => self.wait_for_one(&together, row, check, heard).await,
                None => Err(failures::internal("a candidate is of no process").into()),
            };
            if let Err(stop) = waited {
                let mut first = first.lock().unwrap_or_else(PoisonError::into_inner);
                first.get_or_insert(of_process(stop, row));
                together.end();
            }
        });
        tokio::select! {
            biased;
            never = interrupt.hand_on(&together) => never,
            _ = join_all(waits) => {}
        }
        let first = first.into_inner().unwrap_or_else(PoisonError::into_inner);
        let mut outcome = first.map_or(Ok(()), Err);
        if outcome.is_ok() {
            outcome = self.still_run(interrupt, candidates, &heard).await;
        }
        for (row, heard) in candidates.iter().zip(heard) {
            let heard = heard.into_inner().unwrap_or_else(PoisonError::into_inner);
            if let Some(cursor) = heard.cursor {
                self.agent.store.record_read(row.serial, &cursor)?;
            }
        }
        outcome
    }

    /// Waits for one while what it prints goes into the log.
    async fn wait_for_one(
        &self,
        interrupt: &Interrupt,
        row: &ContainerRow,
        check: &Check,
        heard: &Mutex<Heard>,
    ) -> Result<(), Stop> {
        let health = self.health(row, check);
        let outcome = tokio::select! {
            biased;
            outcome = self.until_ready(interrupt, row, &health) => outcome,
            never = async { self.listen(row, None, true, heard).await; std::future::pending().await } => never,
        };
        self.conclude(row, outcome, heard).await
    }

    /// Ready or failed: what it has printed until now belongs to the log; it may have been quicker than the listener.
    async fn conclude(
        &self,
        row: &ContainerRow,
        outcome: Result<(), Stop>,
        heard: &Mutex<Heard>,
    ) -> Result<(), Stop> {
        if matches!(outcome, Ok(()) | Err(Stop::Failed(_))) {
            let so_far = lock(heard).cursor.clone();
            self.listen(row, so_far, false, heard).await;
        }
        outcome.map_err(|stop| match stop {
            Stop::Failed(failure) if failure.code != FailureCode::EngineUnavailable => {
                Stop::from(Failure {
                    output: lock(heard).last.iter().cloned().collect(),
                    ..*failure
                })
            }
            Stop::Failed(_) | Stop::Moved | Stop::Store(_) => stop,
        })
    }

    /// One that was ready early may have ended while the others were waited for.
    async fn still_run(
        &self,
        interrupt: &Interrupt,
        candidates: &[ContainerRow],
        heard: &[Mutex<Heard>],
    ) -> Result<(), Stop> {
        if candidates.len() == 1 {
            return Ok(());
        }
        for (row, heard) in candidates.iter().zip(heard) {
            let runs = self.still_runs(interrupt, row).await;
            let concluded = match runs {
                Ok(()) => continue,
                ended => self.conclude(row, ended, heard).await,
            };
            concluded.map_err(|stop| of_process(stop, row))?;
        }
        Ok(())
    }

    fn health(&self, row: &ContainerRow, check: &Check) -> Health {
        let own = &self.spec.rollout.health;
        let timeout = match (row.process.as_str(), check) {
            (WEB, _) | (_, Check::Http { .. } | Check::Tcp { .. } | Check::Image) => own.timeout,
            // The app's own timeout was not made for what a worker has to stay up.
            (_, Check::StaysUp(time)) => own.timeout.max(*time + BEYOND_STAYING_UP),
        };
        Health {
            check: check.clone(),
            interval: own.interval,
            timeout,
        }
    }

    /// The container's output goes into the log, until it ends, or the engine does.
    async fn listen(
        &self,
        row: &ContainerRow,
        after: Option<OutputCursor>,
        follow: bool,
        heard: &Mutex<Heard>,
    ) {
        let before = spoken(&row.process);
        let mut lines = self.agent.ports.engine.output(&row.name, after, follow);
        while let Some(Ok(line)) = lines.next().await {
            let text = format!("{before}{}", line.text);
            let text = self.journal.output(Step::Rollout, line.stream, text);
            let mut heard = lock(heard);
            if heard.last.len() == LAST_LINES {
                heard.last.pop_front();
            }
            heard.last.push_back(text);
            heard.cursor = Some(line.cursor);
        }
    }
}

fn lock(heard: &Mutex<Heard>) -> std::sync::MutexGuard<'_, Heard> {
    heard.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Says which process it was, if it was not the one that serves.
fn of_process(stop: Stop, row: &ContainerRow) -> Stop {
    match stop {
        Stop::Failed(failure)
            if failure.code != FailureCode::EngineUnavailable && row.process != WEB =>
        {
            Stop::from(Failure {
                message: format!("process {}: {}", row.process, failure.message),
                ..*failure
            })
        }
        Stop::Failed(_) | Stop::Moved | Stop::Store(_) => stop,
    }
}
