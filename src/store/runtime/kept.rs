//! One environment's runtime log in memory: its files, and how far each container was read into them.

use super::Printing;
use super::segments::Segments;
use crate::core::log::Stream;
use crate::core::ports::OutputLine;
use crate::core::runtime::{Read, Written};
use crate::store::{Store, StoreError, logs};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::watch;

/// One environment's.
pub(in crate::store) struct RuntimeLog {
    kept: Mutex<Kept>,
    /// Tells of new lines.
    pub(super) lines: watch::Sender<u64>,
}

pub(super) struct Kept {
    pub(super) segments: Segments,
    /// How far each container was read.
    pub(super) reached: BTreeMap<String, Reached>,
    /// The newest file does not say it of all of them.
    untold: bool,
}

pub(super) struct Reached {
    pub(super) cursor: String,
    process: String,
    release: i64,
    /// It was removed. Whoever still reads it gets nothing in twice: it is forgotten with the next file but one.
    is_gone: bool,
    /// How many of its lines could not be written.
    pub(super) lost: u64,
}

impl Reached {
    fn read<'a>(&'a self, container: &'a str) -> Read<'a> {
        Read {
            cursor: &self.cursor,
            release: self.release,
            process: &self.process,
            container,
        }
    }
}

impl RuntimeLog {
    /// Finds what is there. How far each container was read is in the newest two files: each begins with what the
    /// earlier ones said, and the newest may have been cut short in its beginning.
    pub(super) fn open(directory: &Path) -> Result<Self, StoreError> {
        let segments = Segments::open(directory)?;
        let mut kept = Kept {
            segments,
            reached: BTreeMap::new(),
            untold: false,
        };
        for text in kept.segments.newest_two()? {
            let reads = text.lines().filter_map(Read::parse);
            let mut told = BTreeSet::new();
            for read in reads {
                told.insert(read.container.to_owned());
                kept.see(&read);
            }
            kept.untold = kept.reached.keys().any(|name| !told.contains(name));
        }
        let end = kept.segments.end();
        Ok(Self {
            kept: Mutex::new(kept),
            lines: watch::Sender::new(end),
        })
    }

    pub(super) fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    pub(super) fn write(
        &mut self,
        store: &Store,
        of: &Printing,
        lines: &[OutputLine],
        bound: u64,
    ) -> Result<(), StoreError> {
        let mut out = String::new();
        // The last line that is in `out` or in the file.
        let mut last: Option<&str> = None;
        for line in lines {
            let cursor = line.cursor.0.as_str();
            let is_new = match last {
                Some(last) => cursor > last,
                None => self.is_new(&of.container, cursor),
            };
            if !is_new {
                continue;
            }
            if last.is_none() {
                out = self.beginning();
            }
            let written = Written {
                cursor,
                micros: 0,
                release: of.release,
                process: &of.process,
                container: &of.container,
                stream: line.stream,
                text: &line.text,
            };
            let before = out.len();
            written.write(&mut out);
            if self.segments.is_full(out.len(), bound) {
                let line = out.split_off(before);
                self.flush(of, &out, last)?;
                self.rotate(store, bound)?;
                out = line;
            }
            last = Some(cursor);
        }
        self.flush(of, &out, last)
    }

    pub(super) fn is_new(&self, container: &str, cursor: &str) -> bool {
        let reached = self.reached.get(container);
        reached.is_none_or(|reached| cursor > reached.cursor.as_str())
    }

    fn see(&mut self, read: &Read<'_>) {
        match self.reached.get_mut(read.container) {
            Some(reached) if reached.cursor.as_str() >= read.cursor => {}
            Some(reached) => read.cursor.clone_into(&mut reached.cursor),
            None => {
                let reached = Reached {
                    cursor: read.cursor.to_owned(),
                    process: read.process.to_owned(),
                    release: read.release,
                    is_gone: false,
                    lost: 0,
                };
                self.reached.insert(read.container.to_owned(), reached);
            }
        }
    }

    pub(super) fn reach(&mut self, of: &Printing, cursor: &str) -> &mut Reached {
        let reached = self
            .reached
            .entry(of.container.clone())
            .or_insert_with(|| Reached {
                cursor: String::new(),
                process: of.process.clone(),
                release: of.release,
                is_gone: false,
                lost: 0,
            });
        cursor.clone_into(&mut reached.cursor);
        reached
    }

    /// What is to be written before anything else: what a file that was cut short in its beginning does not say, and
    /// what was lost.
    fn beginning(&mut self) -> String {
        let mut out = String::new();
        for (container, reached) in &self.reached {
            if self.untold || reached.lost > 0 {
                reached.read(container).write(&mut out);
            }
            if reached.lost > 0 {
                let text = logs::gap(reached.lost);
                let line = Written {
                    cursor: &reached.cursor,
                    micros: 0,
                    release: reached.release,
                    process: &reached.process,
                    container,
                    stream: Stream::Agent,
                    text: &text,
                };
                line.write(&mut out);
            }
        }
        out
    }

    /// Writes lines of a container, up to the one of that cursor, in one piece.
    fn flush(&mut self, of: &Printing, out: &str, last: Option<&str>) -> Result<(), StoreError> {
        if out.is_empty() {
            return Ok(());
        }
        self.segments.append(out)?;
        self.untold = false;
        for reached in self.reached.values_mut() {
            reached.lost = 0;
        }
        if let Some(cursor) = last {
            self.reach(of, cursor);
        }
        Ok(())
    }

    /// Begins a new file, with how far every container was read that may still print, and lets the oldest go.
    fn rotate(&mut self, store: &Store, bound: u64) -> Result<(), StoreError> {
        let names: Vec<String> = self.reached.keys().cloned().collect();
        let removed = store.removed_names(&names)?;
        self.reached.retain(|_, reached| !reached.is_gone);
        for name in removed {
            if let Some(reached) = self.reached.get_mut(&name) {
                reached.is_gone = true;
            }
        }
        let mut out = String::new();
        let present = self.reached.iter().filter(|(_, one)| !one.is_gone);
        for (container, reached) in present {
            reached.read(container).write(&mut out);
        }
        // Until it says so the one before does.
        self.untold = true;
        self.segments.begin(&out, bound)?;
        self.untold = false;
        Ok(())
    }
}
