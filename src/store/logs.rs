//! The deployments' logs: one append-only text file each, readable with `less`.

use super::{Store, StoreError, files};
use crate::core::action::LogPage;
use crate::core::deployment::Step;
use crate::core::log::{Stream, format_line};
use crate::core::time::Timestamp;
use std::fs::{File, OpenOptions};
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use tokio::sync::watch;
use uuid::Uuid;

/// How large the output in one log may grow: days of a chatty build, and still nothing that fills a small disk.
/// longshore's own lines are written beyond it.
const MAX_LOG: u64 = 32 * 1024 * 1024;

/// The log of one deployment, open for writing.
pub struct DeploymentLog {
    path: PathBuf,
    file: Mutex<Open>,
    lines: watch::Sender<u64>,
}

struct Open {
    file: File,
    size: u64,
}

impl Store {
    /// Opens a deployment's log at its end. A line that a crash cut short is ended first.
    ///
    /// # Errors
    /// If the file cannot be opened.
    pub fn open_log(&self, deployment: Uuid) -> Result<DeploymentLog, StoreError> {
        let path = self.log_path(deployment);
        let fault = |error| files::fault(&path)(error);
        let mut file = OpenOptions::new()
            .create(true)
            .append(true)
            .read(true)
            .mode(0o600)
            .open(&path)
            .map_err(fault)?;
        let size = file
            .seek(SeekFrom::End(0))
            .map_err(|error| files::fault(&path)(error))?;
        if size > 0 {
            let mut last = [0];
            file.seek(SeekFrom::End(-1))
                .and_then(|_| file.read_exact(&mut last))
                .map_err(|error| files::fault(&path)(error))?;
            if last != *b"\n" {
                file.write_all(b"\n")
                    .map_err(|error| files::fault(&path)(error))?;
            }
        }
        Ok(DeploymentLog {
            path,
            file: Mutex::new(Open { file, size }),
            lines: self.lines.clone(),
        })
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
                return Ok(LogPage {
                    text: String::new(),
                    next: from,
                    complete: false,
                });
            }
            Err(error) => return Err(files::fault(&path)(error)),
        };
        let mut bytes = Vec::new();
        file.seek(SeekFrom::Start(from))
            .and_then(|_| file.take(limit).read_to_end(&mut bytes))
            .map_err(|error| files::fault(&path)(error))?;
        bytes.truncate(
            bytes
                .iter()
                .rposition(|byte| *byte == b'\n')
                .map_or(0, |end| end + 1),
        );
        let next = from + bytes.len() as u64;
        Ok(LogPage {
            text: String::from_utf8_lossy(&bytes).into_owned(),
            next,
            complete: false,
        })
    }

    fn log_path(&self, deployment: Uuid) -> PathBuf {
        self.data_dir.join("logs").join(format!("{deployment}.log"))
    }
}

impl DeploymentLog {
    /// Appends a line. Lines longer than they are wide are the splitter's business; the text holds no line end.
    ///
    /// # Errors
    /// If it cannot be written: a full disk, most likely.
    pub fn append(
        &self,
        at: Timestamp,
        step: Option<Step>,
        stream: Stream,
        text: &str,
    ) -> Result<(), StoreError> {
        let mut open = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let is_output = match stream {
            Stream::Stdout | Stream::Stderr => true,
            Stream::Agent => false,
        };
        let mut line = format_line(at, step, stream, text);
        if is_output && open.size >= MAX_LOG {
            return Ok(());
        }
        if is_output && open.size + line.len() as u64 >= MAX_LOG {
            line = format_line(
                at,
                step,
                Stream::Agent,
                "the log has reached 32 MiB: further output is not kept",
            );
            open.size = MAX_LOG;
        }
        line.push('\n');
        open.file
            .write_all(line.as_bytes())
            .map_err(files::fault(&self.path))?;
        open.size += line.len() as u64;
        drop(open);
        super::tell(&self.lines);
        Ok(())
    }
}
