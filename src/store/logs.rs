//! The deployments' logs: one append-only text file each, readable with `less`.

use super::{Store, StoreError, disk, files};
use crate::core::action::LogPage;
use crate::core::deployment::Step;
use crate::core::log::{Stream, format_line};
use crate::core::time::Timestamp;
use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::watch;
use uuid::Uuid;

/// How large the output in one log may grow: days of a chatty build, and still nothing that fills a small disk.
/// longshore's own lines are written beyond it.
const MAX_LOG: u64 = 32 * 1024 * 1024;

/// The log of one deployment, open for writing.
pub struct DeploymentLog {
    deployment: Uuid,
    path: PathBuf,
    /// None while the disk has no space to make it.
    file: Mutex<Option<Open>>,
    lost: Arc<Lost>,
    lines: watch::Sender<u64>,
}

struct Open {
    file: File,
    size: u64,
    /// No more output is kept.
    is_long: bool,
}

/// How many lines of which logs could not be written and are not spoken of yet.
#[derive(Default)]
pub(super) struct Lost(Mutex<BTreeMap<Uuid, u64>>);

impl Lost {
    fn of(&self, deployment: Uuid) -> u64 {
        self.lock().get(&deployment).copied().unwrap_or(0)
    }

    fn one_more(&self, deployment: Uuid) {
        *self.lock().entry(deployment).or_default() += 1;
    }

    fn told(&self, deployment: Uuid) {
        self.lock().remove(&deployment);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<Uuid, u64>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What stands where lines are missing.
pub(super) fn gap(lines: u64) -> String {
    let lines = match lines {
        1 => "1 line is".to_owned(),
        more => format!("{more} lines are"),
    };
    format!("{lines} missing here: the disk of data_dir was full")
}

impl Store {
    /// Opens a deployment's log at its end. A line that a crash cut short is ended first. Where the disk has no space
    /// to make the file it is made with the first line that finds some.
    ///
    /// # Errors
    /// If the file cannot be opened for another reason.
    pub fn open_log(&self, deployment: Uuid) -> Result<DeploymentLog, StoreError> {
        let path = self.log_path(deployment);
        let file = match open_at_end(&path) {
            Err(error) if disk::is_full(&error) => None,
            opened => Some(opened.map_err(files::fault(&path))?),
        };
        Ok(DeploymentLog {
            deployment,
            path,
            file: Mutex::new(file),
            lost: self.lost.clone(),
            lines: self.lines.clone(),
        })
    }

    /// Says in each log with missing lines that they are missing, where that can be written now.
    ///
    /// # Errors
    /// If a log cannot be opened.
    pub fn note_lost_lines(&self, now: Timestamp) -> Result<(), StoreError> {
        let deployments: Vec<Uuid> = self.lost.lock().keys().copied().collect();
        for deployment in deployments {
            self.open_log(deployment)?.tell_gap(now);
        }
        Ok(())
    }

    /// Whole lines of a log from a byte on; empty if there are none yet. `complete` is for the caller to decide.
    ///
    /// # Errors
    /// If the file cannot be read; one that does not exist is empty.
    pub fn read_log(&self, deployment: Uuid, from: u64, limit: u64) -> Result<LogPage, StoreError> {
        let path = self.log_path(deployment);
        let mut file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return self.missing_log(deployment, from);
            }
            Err(error) => return Err(files::fault(&path)(error)),
        };
        let mut bytes = Vec::new();
        let mut read = |file: &mut File| {
            // Far beyond the end the kernel refuses to read at all.
            if from < file.metadata()?.len() {
                file.seek(SeekFrom::Start(from))?;
                file.take(limit).read_to_end(&mut bytes)?;
            }
            Ok(())
        };
        read(&mut file).map_err(|error| files::fault(&path)(error))?;
        bytes.truncate(
            bytes
                .iter()
                .rposition(|byte| *byte == b'\n')
                .map_or(0, |end| end + 1),
        );
        bytes.truncate(sound(&bytes));
        let next = from + bytes.len() as u64;
        Ok(LogPage {
            text: String::from_utf8_lossy(&bytes).into_owned(),
            next,
            complete: false,
        })
    }

    /// A log that is not there: nothing was written yet, or it was given up. Then one line says so.
    fn missing_log(&self, deployment: Uuid, from: u64) -> Result<LogPage, StoreError> {
        let removed = match from {
            0 => self.log_removed_at(deployment)?,
            _ => None,
        };
        let text = removed.map_or_else(String::new, |at| {
            let said = "This log was removed: it was older than retention.logs";
            format_line(at, None, Stream::Agent, said) + "\n"
        });
        Ok(LogPage {
            next: from + text.len() as u64,
            text,
            complete: false,
        })
    }

    pub(super) fn log_path(&self, deployment: Uuid) -> PathBuf {
        self.data_dir.join("logs").join(format!("{deployment}.log"))
    }
}

/// How many of the bytes to give at once: up to a line that a crash cut inside a character, or that line alone. So the
/// place of every line in the file follows from the lengths of those before it.
fn sound(bytes: &[u8]) -> usize {
    let Err(fault) = std::str::from_utf8(bytes) else {
        return bytes.len();
    };
    let good = &bytes[..fault.valid_up_to()];
    let line = good.iter().rposition(|byte| *byte == b'\n');
    let first = bytes.iter().position(|byte| *byte == b'\n');
    line.or(first).map_or(bytes.len(), |end| end + 1)
}

fn open_at_end(path: &Path) -> std::io::Result<Open> {
    let mut file = OpenOptions::new()
        .create(true)
        .append(true)
        .read(true)
        .mode(0o600)
        .open(path)?;
    let mut size = file.seek(SeekFrom::End(0))?;
    if size > 0 {
        let mut last = [0];
        file.seek(SeekFrom::End(-1))?;
        file.read_exact(&mut last)?;
        if last != *b"\n" {
            file.write_all(b"\n")?;
            size += 1;
        }
    }
    Ok(Open {
        file,
        size,
        is_long: size >= MAX_LOG,
    })
}

impl DeploymentLog {
    /// Appends a line. Lines longer than they are wide are the splitter's business; the text holds no line end.
    /// A line that cannot be written is counted, and the next one that can be is preceded by one that says how many
    /// are missing.
    ///
    /// # Errors
    /// If it cannot be written (a full disk, most likely); of a row of lost lines only the first says so.
    pub fn append(
        &self,
        at: Timestamp,
        step: Option<Step>,
        stream: Stream,
        text: &str,
    ) -> Result<(), StoreError> {
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let missing = self.lost.of(self.deployment);
        let before = match missing {
            0 => String::new(),
            missing => format_line(at, step, Stream::Agent, &gap(missing)) + "\n",
        };
        match self.write(&mut file, before, at, step, stream, text) {
            Ok(()) => {
                drop(file);
                if missing > 0 {
                    self.lost.told(self.deployment);
                }
                super::tell(&self.lines);
                Ok(())
            }
            Err(error) => {
                self.lost.one_more(self.deployment);
                if missing == 0 {
                    Err(files::fault(&self.path)(error))
                } else {
                    Ok(())
                }
            }
        }
    }

    fn write(
        &self,
        file: &mut Option<Open>,
        before: String,
        at: Timestamp,
        step: Option<Step>,
        stream: Stream,
        text: &str,
    ) -> std::io::Result<()> {
        let open = match file {
            Some(open) => open,
            None => file.insert(open_at_end(&self.path)?),
        };
        let is_output = match stream {
            Stream::Stdout | Stream::Stderr => true,
            Stream::Agent => false,
        };
        let mut line = format_line(at, step, stream, text);
        if is_output && open.is_long {
            return Ok(());
        }
        let is_last = is_output && open.size + line.len() as u64 >= MAX_LOG;
        if is_last {
            line = format_line(
                at,
                step,
                Stream::Agent,
                "the log has reached 32 MiB: further output is not kept",
            );
        }
        let whole = format!("{before}{line}\n");
        if let Err(error) = open.file.write_all(whole.as_bytes()) {
            // A part of a line may have been written; taking it away needs no space. Where even that fails, the
            // next opening of the log ends it.
            if open.file.set_len(open.size).is_err() {
                *file = None;
            }
            return Err(error);
        }
        open.size += whole.len() as u64;
        open.is_long |= is_last;
        Ok(())
    }

    fn tell_gap(&self, at: Timestamp) {
        let missing = self.lost.of(self.deployment);
        if missing == 0 {
            return;
        }
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let told = self.write(
            &mut file,
            String::new(),
            at,
            None,
            Stream::Agent,
            &gap(missing),
        );
        if told.is_ok() {
            self.lost.told(self.deployment);
            super::tell(&self.lines);
        }
    }
}
