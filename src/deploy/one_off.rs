//! Running a command once, in a container of its own, from wherever an attempt at it stands to its end. Who it is run for,
//! and what its end means, is not known here.

use super::containers::network;
use super::failures;
use super::interrupt::Stop;
use super::journal::LAST_LINES;
use super::patience::{Backoff, Patience};
use crate::core::container::{ContainerRow, OutputCursor};
use crate::core::one_off::{Attempt, End, Next, Stage, next};
use crate::core::ports::{ContainerSpec, ContainerState, EngineError};
use crate::store::{Owner, Place, StoreError};
use futures_util::StreamExt as _;
use std::collections::VecDeque;
use std::time::Duration;

/// How long a container that was to be started must be seen as not started before it is started once more: whatever was
/// asked of the engine before it went away has been done by then, or never will be.
const SETTLES: Duration = Duration::from_secs(2);
/// The first pause before an engine is looked at again.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
/// How often it is looked at whether a command still runs, whatever its output says.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// How often it is written down how far the output was read: a process that is killed repeats at most this much of it in
/// the log.
const NOTE_EVERY: Duration = Duration::from_secs(1);

/// An attempt at work.
pub(super) struct OneOff<'a> {
    pub(super) patience: Patience<'a>,
    pub(super) place: &'a Place,
    owner: Owner<'a>,
    pub(super) attempt: Attempt,
    heard: Heard,
}

/// What was heard of it.
struct Heard {
    /// Reading began there, in this process.
    from: Option<OutputCursor>,
    cursor: Option<OutputCursor>,
    /// How far that is written down, and when it was.
    noted: Option<OutputCursor>,
    noted_at: Duration,
    last: VecDeque<String>,
}

/// What this process knows of the attempt besides its row.
#[derive(Default)]
struct Seen {
    /// How often the engine had been lost when the command was last seen to run, or was started.
    losses: Option<u64>,
    /// Since when it is seen as not started, after its start was asked for.
    not_started: Option<Duration>,
    /// What the engine said to its start.
    refused: Option<String>,
}

impl<'a> OneOff<'a> {
    pub(super) fn new(
        patience: Patience<'a>,
        place: &'a Place,
        owner: Owner<'a>,
        attempt: Attempt,
    ) -> Self {
        let from = attempt.container.read_until.clone();
        let heard = Heard {
            cursor: from.clone(),
            noted: from.clone(),
            from,
            noted_at: Duration::ZERO,
            last: VecDeque::new(),
        };
        Self {
            patience,
            place,
            owner,
            attempt,
            heard,
        }
    }

    /// Brings the attempt to its end. `spec` says what is to be made, if it is not there yet. How far its output was read is
    /// written down, however this ends.
    pub(super) async fn go(
        &mut self,
        spec: impl Fn(&ContainerRow) -> Result<ContainerSpec, Stop>,
    ) -> Result<End, Stop> {
        let ended = self.walk(spec).await;
        self.note()?;
        ended
    }

    /// Writes down how far its output was read.
    fn note(&mut self) -> Result<(), StoreError> {
        let heard = &mut self.heard;
        if let Some(cursor) = heard
            .cursor
            .as_ref()
            .filter(|_| heard.cursor != heard.noted)
        {
            let store = &self.patience.agent.store;
            store.record_read(self.attempt.container.serial, cursor)?;
            heard.noted = Some(cursor.clone());
        }
        Ok(())
    }

    async fn walk(
        &mut self,
        spec: impl Fn(&ContainerRow) -> Result<ContainerSpec, Stop>,
    ) -> Result<End, Stop> {
        let agent = self.patience.agent;
        let mut seen = Seen::default();
        let mut pauses = Backoff::new(FIRST_PAUSE, LOOK_EVERY);
        loop {
            let look = self.look().await?;
            let watched = seen.losses == Some(agent.watch.losses());
            match next(self.attempt.stage, look.as_ref(), watched) {
                Next::Make => self.make(&spec).await?,
                Next::Start => self.begin(&mut seen).await?,
                Next::LookAgain => {
                    if let Some(why) = seen.refused {
                        return Ok(End::NotStarted(why));
                    }
                    let clock = &agent.ports.clock;
                    let since = *seen.not_started.get_or_insert_with(|| clock.monotonic());
                    if clock.monotonic() - since >= SETTLES {
                        self.begin(&mut seen).await?;
                    } else {
                        let pause = clock.sleep(pauses.pause());
                        self.patience.interrupt.race(pause).await?;
                    }
                }
                Next::Follow => {
                    seen.losses = Some(agent.watch.losses());
                    self.follow(&mut pauses).await?;
                }
                Next::Over(end) => {
                    self.listen(false).await;
                    return Ok(end);
                }
            }
        }
    }

    async fn look(&self) -> Result<Option<ContainerState>, Stop> {
        let engine = &self.patience.agent.ports.engine;
        let name = &self.attempt.container.name;
        let look = async || engine.inspect(name).await;
        let observed = self.patience.call(look).await?;
        let observed =
            observed.map_err(|error| failures::engine("look at the container", error))?;
        Ok(observed.map(|observed| observed.state))
    }

    async fn make(
        &mut self,
        spec: &impl Fn(&ContainerRow) -> Result<ContainerSpec, Stop>,
    ) -> Result<(), Stop> {
        let agent = self.patience.agent;
        let engine = &agent.ports.engine;
        let network = network(self.place)
            .ok_or_else(|| failures::internal("the environment's network is too small"))?;
        let made = async || engine.ensure_network(&network).await;
        let made = self.patience.call(made).await?;
        made.map_err(|error| failures::engine("make the environment's network", error))?;
        let laid = async || agent.lay(self.place).await;
        let laid = self.patience.call(laid).await?;
        laid.map_err(|error| failures::engine("make the network of a connection", error))??;
        let spec = spec(&self.attempt.container)?;
        let created = self.patience.call(async || engine.create(&spec).await);
        created
            .await?
            .map_err(|error| failures::engine("create the container", error))?;
        let now = agent.ports.clock.now();
        agent.store.record_made(&self.attempt.container, now)?;
        self.attempt.stage = Stage::Made;
        Ok(())
    }

    /// Asks the engine once. Whether it was done when no answer came, the next look tells; the call is not repeated: a
    /// command that has ended meanwhile would run again.
    async fn begin(&mut self, seen: &mut Seen) -> Result<(), Stop> {
        let agent = self.patience.agent;
        self.patience.interrupt.check()?;
        let now = agent.ports.clock.now();
        agent
            .store
            .record_starting(self.owner, &self.attempt, now)?;
        self.attempt.stage = Stage::Starting;
        seen.losses = Some(agent.watch.losses());
        seen.not_started = None;
        match agent.ports.engine.start(&self.attempt.container.name).await {
            Ok(()) => {}
            Err(EngineError::Unavailable(_)) => agent.watch.lose(),
            Err(error) => seen.refused = Some(error.to_string()),
        }
        Ok(())
    }

    /// What it prints goes into the log until it ends, or it is time to look whether it has.
    async fn follow(&mut self, pauses: &mut Backoff) -> Result<(), Stop> {
        let clock = self.patience.agent.ports.clock.clone();
        let interrupt = self.patience.interrupt;
        let before = self.heard.cursor.clone();
        let followed = async {
            tokio::select! {
                biased;
                () = self.listen(true) => {}
                () = clock.sleep(LOOK_EVERY) => {}
            }
        };
        let began = clock.monotonic();
        interrupt.race(followed).await?;
        if self.heard.cursor == before && clock.monotonic() - began < LOOK_EVERY {
            // An engine that tells of no end and of no output, and still shows it as running.
            interrupt.race(clock.sleep(pauses.pause())).await?;
        } else {
            *pauses = Backoff::new(FIRST_PAUSE, LOOK_EVERY);
        }
        Ok(())
    }

    async fn listen(&mut self, follow: bool) {
        let Patience {
            agent,
            journal,
            step,
            ..
        } = self.patience;
        let row = &self.attempt.container;
        let heard = &mut self.heard;
        let after = heard.cursor.clone();
        let mut lines = agent.ports.engine.output(&row.name, after, follow);
        while let Some(Ok(line)) = lines.next().await {
            let text = journal.output(step, line.stream, line.text);
            push(&mut heard.last, text);
            heard.cursor = Some(line.cursor.clone());
            let now = agent.ports.clock.monotonic();
            if now - heard.noted_at >= NOTE_EVERY {
                heard.noted_at = now;
                // Where it fails the next line tries again.
                if agent.store.record_read(row.serial, &line.cursor).is_ok() {
                    heard.noted = Some(line.cursor);
                }
            }
        }
    }

    /// The last lines it printed, not redacted. What an earlier process has read is asked for again.
    pub(super) async fn last_lines(&self) -> Vec<String> {
        let mut last = self.heard.last.clone();
        if self.heard.from.is_some() {
            let name = &self.attempt.container.name;
            let mut lines = self.patience.agent.ports.engine.output(name, None, false);
            let mut all = VecDeque::new();
            while let Some(Ok(line)) = lines.next().await {
                push(&mut all, line.text);
            }
            if !all.is_empty() {
                last = all;
            }
        }
        last.into()
    }
}

impl Drop for OneOff<'_> {
    /// The program ends, and the command goes on: the next one reads on where this one stopped.
    fn drop(&mut self) {
        if let Err(error) = self.note() {
            tracing::debug!(%error, "how far an output was read is not written down");
        }
    }
}

fn push(last: &mut VecDeque<String>, text: String) {
    if last.len() == LAST_LINES {
        last.pop_front();
    }
    last.push_back(text);
}
