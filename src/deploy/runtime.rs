//! What running containers print: it is read as it comes and kept beyond their lives.
//!
//! Whoever reads a container begins behind the last line that is in the log, and the log takes no line twice: so it does
//! not matter how often a reading breaks off, or that two read the same container. What the log cannot take (a full disk)
//! is left with the engine, and read again later.

use super::Agent;
use super::dispatch::internal;
use super::history::History;
use super::patience::Backoff;
use crate::core::access::Caller;
use crate::core::action::{LOG_WAIT, Reply};
use crate::core::error::Error;
use crate::core::id::ContainerSerial;
use crate::core::log::Stream;
use crate::core::ports::{ContainerState, EngineError, OutputLine};
use crate::core::redact::Redactor;
use crate::core::runtime::{ReadRuntimeLog, RuntimeLine, RuntimePage, RuntimeRange};
use crate::store::{Place, Printing, StoreError};
use futures_util::StreamExt as _;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use std::collections::HashSet;
use std::time::Duration;

/// How many lines are written at once, where so many have come.
const CHUNK: usize = 256;
/// The pauses before a container whose output ended is read again: it may be started at any time, by anybody.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// After how long an output that ended is read again although nothing says that there is more.
const LOOK_ANYWAY: Duration = Duration::from_secs(300);
/// What is said of an output whose log driver cannot be read back.
const UNREADABLE: &str = "The container's output cannot be read";
/// How long it is rested after the database failed.
const REST: Duration = Duration::from_secs(5);
/// How much of a log one request looks through for lines that are meant: a log of the usual size.
const MOST_LOOKED_AT: u64 = 64 * 1024 * 1024;
/// How much text one answer holds, but for its last line.
const MOST_TEXT: usize = 1024 * 1024;

impl Agent {
    /// Keeps what running containers print, until `stop`. Beside [`Agent::drive`], and not a part of it: a flood of lines
    /// keeps no deployment waiting, and what is driven in a test asks the engine the same questions with it and without.
    pub async fn keep_output(&self, stop: impl Future<Output = ()>) {
        tokio::select! {
            biased;
            () = stop => {}
            () = self.follow_all() => {}
        }
    }

    async fn follow_all(&self) {
        let mut history = self.history.subscribe();
        // A sender that is gone is the end of the process.
        let _ = history
            .wait_for(|history| matches!(history, History::Whole))
            .await;
        let mut changes = self.store.changes();
        let mut followed: FuturesUnordered<BoxFuture<'_, ContainerSerial>> =
            FuturesUnordered::new();
        let mut known = HashSet::new();
        loop {
            changes.borrow_and_update();
            match self.store.printing() {
                Ok(all) => {
                    for one in all {
                        if known.insert(one.serial) {
                            followed.push(Box::pin(self.follow_one(one)));
                        }
                    }
                }
                Err(error) => {
                    tracing::warn!(%error, "it cannot be seen whose output is to be kept");
                    self.ports.clock.sleep(REST).await;
                }
            }
            tokio::select! {
                biased;
                Some(serial) = followed.next(), if !followed.is_empty() => {
                    known.remove(&serial);
                }
                changed = changes.changed() => if changed.is_err() {
                    return;
                },
            }
        }
    }

    /// Reads a container's output again and again, until it is no longer live. What it still prints then is read before
    /// it is removed.
    async fn follow_one(&self, of: Printing) -> ContainerSerial {
        let mut backoff = Backoff::new(FIRST_PAUSE, LONGEST_PAUSE);
        let (mut said, mut told) = (String::new(), false);
        loop {
            let before = self.store.printed_until(&of).ok();
            let run = self.run_of(&of).await;
            let read = self.follow_once(&of).await;
            if self.store.printed_until(&of).ok() != before {
                backoff = Backoff::new(FIRST_PAUSE, LONGEST_PAUSE);
            }
            let is_whole = read.is_ok();
            let why = read
                .err()
                .map_or_else(String::new, |why| Self::why(&of, why));
            // Once may be by chance: an engine that is removing a container refuses to read it, too.
            let is_twice = why == said;
            if !is_twice {
                told = false;
            } else if !why.is_empty() && !told {
                told = true;
                if why.starts_with(UNREADABLE) {
                    let now = self.ports.clock.now();
                    let _ = self.store.say_of_printed(&of, now, &why);
                }
                tracing::warn!(container = %of.container, why, "output is not kept; trying again");
            }
            said = why;
            if !self
                .until_more(&of, is_whole, run.as_ref(), &mut backoff)
                .await
            {
                return of.serial;
            }
        }
    }

    /// Waits until a container's output is to be read again; false if it is no longer live. Reading is dear: to find the
    /// end of an output the engine reads all it has of it. So what has ended, and was read to its end, is only read again
    /// when it has been started.
    async fn until_more(
        &self,
        of: &Printing,
        is_whole: bool,
        run: Option<&String>,
        backoff: &mut Backoff,
    ) -> bool {
        let mut waited = Duration::ZERO;
        loop {
            let pause = backoff.pause();
            self.ports.clock.sleep(pause).await;
            waited += pause;
            if matches!(self.store.is_printing(of.serial), Ok(false)) {
                return false;
            }
            if !is_whole || waited >= LOOK_ANYWAY || self.prints_again(of, run).await {
                return true;
            }
        }
    }

    /// Which run of a container it is in; `None` if that is not known.
    async fn run_of(&self, of: &Printing) -> Option<String> {
        let observed = self.ports.engine.inspect(&of.container).await;
        observed.ok().flatten().map(|observed| observed.run)
    }

    /// Whether a container whose output ended may have printed more. An engine that does not answer is asked for it.
    async fn prints_again(&self, of: &Printing, before: Option<&String>) -> bool {
        match self.ports.engine.inspect(&of.container).await {
            Ok(Some(observed)) => {
                let runs = matches!(observed.state, ContainerState::Running { .. });
                Some(&observed.run) != before || (runs && !observed.restarts)
            }
            Ok(None) => false,
            Err(_) => true,
        }
    }

    /// Why an output was not read to its end, as far as it is worth a word: of an engine that is gone others speak,
    /// loudly.
    fn why(of: &Printing, why: Unread) -> String {
        match why {
            Unread::Engine(EngineError::NotFound(_) | EngineError::Unavailable(_)) => String::new(),
            Unread::Engine(error) => format!("{UNREADABLE}: {error}"),
            Unread::Store(error) => format!("{}: {error}", of.environment),
        }
    }

    /// Reads on from where the log ends, until the engine ends it.
    async fn follow_once(&self, of: &Printing) -> Result<(), Unread> {
        let mut reading = self.reading(of, true)?;
        while let Some(read) = reading.next().await {
            let (lines, end) = read;
            self.store
                .keep_printed(of, &lines, self.settings().retention.runtime_logs)?;
            end?;
        }
        Ok(())
    }

    /// What a container that was live still has to say goes into the runtime log. What that cannot take is given up, or
    /// a full disk would keep a container for ever: a line will say how many.
    pub(super) async fn keep_the_rest(&self, of: &Printing) -> Result<(), Unread> {
        let mut reading = self.reading(of, false)?;
        while let Some(read) = reading.next().await {
            let (lines, end) = read;
            let bound = self.settings().retention.runtime_logs;
            if let Err(error) = self.store.keep_printed(of, &lines, bound) {
                tracing::warn!(%error, container = %of.container, "lines of its output are lost");
                self.store.lose_printed(of, &lines)?;
            }
            match end {
                Ok(()) => {}
                Err(error @ EngineError::Unavailable(_)) => return Err(error.into()),
                // What cannot be read back (a log driver without reading) is not there to be lost.
                Err(error) => {
                    let text = format!("{UNREADABLE}: {error}");
                    let _ = self.store.say_of_printed(of, self.ports.clock.now(), &text);
                }
            }
        }
        Ok(())
    }

    /// A container's output behind what is in the log, redacted, in chunks; each with the error that ended it.
    fn reading<'a>(
        &'a self,
        of: &'a Printing,
        follow: bool,
    ) -> Result<
        impl futures_util::Stream<Item = (Vec<OutputLine>, Result<(), EngineError>)> + Send + Unpin + 'a,
        Unread,
    > {
        // Looked up each time: a container that was made again has today's secrets.
        let redactor = Redactor::new(&self.store.hidden_values(of.serial)?);
        let after = self.store.printed_until(of)?;
        let chunks = self
            .ports
            .engine
            .output(&of.container, after, follow)
            .ready_chunks(CHUNK);
        Ok(chunks.map(move |chunk| {
            let mut lines = Vec::with_capacity(chunk.len());
            for line in chunk {
                match line {
                    Ok(line) => lines.push(OutputLine {
                        text: redactor.redact(line.text),
                        ..line
                    }),
                    Err(error) => return (lines, Err(error)),
                }
            }
            (lines, Ok(()))
        }))
    }

    /// Lines of an environment's runtime log.
    pub(super) async fn read_runtime_log(
        &self,
        caller: &Caller,
        read: ReadRuntimeLog,
    ) -> Result<Reply, Error> {
        let place = self.place(caller, &read.app, read.environment.as_ref())?;
        let page = match read.range {
            RuntimeRange::Last => self.last_lines(&place, &read).await,
            RuntimeRange::From { offset, wait } => {
                self.lines_from(&place, &read, offset, wait).await
            }
        };
        page.map(Reply::RuntimeLog).map_err(internal)
    }

    /// The newest lines that are meant. Looks no further back than a request may.
    async fn last_lines(
        &self,
        place: &Place,
        read: &ReadRuntimeLog,
    ) -> Result<RuntimePage, StoreError> {
        let limit = read.limit as usize;
        let next = self.store.printed_end(place.environment_id)?;
        let (mut lines, mut text, mut looked_at) = (Vec::new(), 0, 0);
        let mut before = next;
        while lines.len() < limit && text < MOST_TEXT {
            let left = limit - lines.len();
            let piece =
                self.store
                    .printed_before(place.environment_id, before, &read.filter, left)?;
            text += size(&piece.lines);
            looked_at += piece.looked_at;
            lines.extend(piece.lines);
            if piece.is_end {
                break;
            }
            before = piece.next;
            if looked_at > MOST_LOOKED_AT {
                lines.extend(self.not_looked_at(place, before)?);
                break;
            }
            self.let_others().await;
        }
        lines.reverse();
        Ok(RuntimePage { lines, next })
    }

    /// A line of ours in place of the older ones that one request does not look at.
    fn not_looked_at(&self, place: &Place, before: u64) -> Result<Option<RuntimeLine>, StoreError> {
        let all = crate::core::runtime::RuntimeFilter::default();
        let piece = self
            .store
            .printed_before(place.environment_id, before, &all, 1)?;
        Ok(piece.lines.into_iter().next().map(|line| RuntimeLine {
            stream: Stream::Agent,
            severity: None,
            text: "Lines from here back were not looked at: ask for those until this time".into(),
            ..line
        }))
    }

    /// The lines that are meant from a byte on, as many as one request may look at.
    async fn lines_from(
        &self,
        place: &Place,
        read: &ReadRuntimeLog,
        offset: u64,
        wait: bool,
    ) -> Result<RuntimePage, StoreError> {
        let limit = read.limit as usize;
        let mut told = self.store.printed_lines(place.environment_id)?;
        let mut closing = self.closing.subscribe();
        let give_up = self.ports.clock.sleep(LOG_WAIT);
        tokio::pin!(give_up);
        let (mut text, mut looked_at) = (0, 0);
        let mut page = RuntimePage {
            lines: Vec::new(),
            next: offset,
        };
        loop {
            told.borrow_and_update();
            let left = limit.saturating_sub(page.lines.len());
            let piece =
                self.store
                    .printed_from(place.environment_id, page.next, &read.filter, left)?;
            page.next = piece.next;
            text += size(&piece.lines);
            looked_at += piece.looked_at;
            page.lines.extend(piece.lines);
            let is_full = page.lines.len() >= limit || text >= MOST_TEXT;
            if is_full || looked_at > MOST_LOOKED_AT {
                return Ok(page);
            }
            if !piece.is_end {
                self.let_others().await;
                continue;
            }
            let is_over = *closing.borrow_and_update();
            if !page.lines.is_empty() || !wait || is_over {
                return Ok(page);
            }
            looked_at = 0;
            tokio::select! {
                biased;
                _ = told.changed() => {}
                _ = closing.changed() => {}
                () = &mut give_up => return Ok(page),
            }
        }
    }

    /// A long look through a log keeps nobody else waiting.
    async fn let_others(&self) {
        self.ports.clock.sleep(Duration::ZERO).await;
    }
}

fn size(lines: &[RuntimeLine]) -> usize {
    lines.iter().map(|line| line.text.len()).sum()
}

/// Why a container's output was not read to its end.
pub(super) enum Unread {
    Engine(EngineError),
    Store(StoreError),
}

impl From<EngineError> for Unread {
    fn from(error: EngineError) -> Self {
        Self::Engine(error)
    }
}

impl From<StoreError> for Unread {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}
