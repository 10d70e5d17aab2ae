//! The files of one runtime log.

use crate::store::{StoreError, files};
use std::fs::{File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

/// In how many parts a log goes: an eighth of it is lost at a time.
const PARTS: u64 = 8;
/// The largest file: as much is read when a process opens the log.
const LARGEST: u64 = 8 * 1024 * 1024;

/// The files, the oldest first.
pub(super) struct Segments {
    directory: PathBuf,
    all: Vec<Segment>,
    /// The newest, open for writing.
    file: Option<File>,
    /// How long the newest one's beginning is, as far as this process wrote it.
    beginning: u64,
}

/// One file.
#[derive(Clone, Debug)]
pub(super) struct Segment {
    /// The byte of the log at which it begins.
    pub(super) start: u64,
    /// How long it is; what stands behind that is a line that was cut short.
    pub(super) len: u64,
    pub(super) path: PathBuf,
    /// The earliest and the latest time in it, once somebody has looked.
    pub(super) span: Option<(i64, i64)>,
}

impl Segment {
    pub(super) fn end(&self) -> u64 {
        self.start + self.len
    }
}

/// Where a byte of the log is.
pub(super) enum Spot {
    /// In this file, which is the newest or not.
    In(Segment, bool),
    /// No longer there; the next one that is.
    Gone(u64),
    /// Not yet.
    End(u64),
}

fn size(bound: u64) -> u64 {
    (bound / PARTS).min(LARGEST)
}

impl Segments {
    /// Finds the files and cuts off a line that an earlier process did not end.
    pub(super) fn open(directory: &Path) -> Result<Self, StoreError> {
        let mut segments = Self {
            directory: directory.to_owned(),
            all: Vec::new(),
            file: None,
            beginning: 0,
        };
        let entries = match std::fs::read_dir(directory) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(segments),
            entries => entries.map_err(files::fault(directory))?,
        };
        for entry in entries {
            let entry = entry.map_err(files::fault(directory))?;
            let name = entry.file_name();
            let digits = name.to_str().and_then(|name| name.strip_suffix(".log"));
            let Some(start) = digits.and_then(|digits| digits.parse().ok()) else {
                continue;
            };
            let path = entry.path();
            let len = entry.metadata().map_err(files::fault(&path))?.len();
            segments.all.push(Segment {
                start,
                len,
                path,
                span: None,
            });
        }
        segments.all.sort_unstable_by_key(|segment| segment.start);
        if let Some(newest) = segments.all.last_mut() {
            let bytes = std::fs::read(&newest.path).map_err(files::fault(&newest.path))?;
            let whole = bytes.iter().rposition(|byte| *byte == b'\n');
            newest.len = whole.map_or(0, |end| end as u64 + 1);
            if newest.len < bytes.len() as u64 {
                segments.newest()?;
            }
        }
        Ok(segments)
    }

    /// The text of the newest two, the newest last.
    pub(super) fn newest_two(&self) -> Result<Vec<String>, StoreError> {
        let read = |segment: &Segment| {
            let file = File::open(&segment.path).map_err(files::fault(&segment.path))?;
            let mut bytes = Vec::new();
            file.take(segment.len)
                .read_to_end(&mut bytes)
                .map_err(files::fault(&segment.path))?;
            Ok(String::from_utf8_lossy(&bytes).into_owned())
        };
        let from = self.all.len().saturating_sub(2);
        self.all[from..].iter().map(read).collect()
    }

    /// Where the next line begins.
    pub(super) fn end(&self) -> u64 {
        self.all.last().map_or(0, Segment::end)
    }

    /// Whether so much more does not fit into the newest file.
    pub(super) fn is_full(&self, more: usize, bound: u64) -> bool {
        self.all.last().is_some_and(|newest| {
            newest.len > self.beginning && newest.len + more as u64 > size(bound)
        })
    }

    /// Writes whole lines: all of them, or none.
    pub(super) fn append(&mut self, lines: &str) -> Result<(), StoreError> {
        if self.all.is_empty() {
            self.make(0)?;
        }
        let file = self.newest()?;
        let written = file.write_all(lines.as_bytes());
        let Some(newest) = self.all.last_mut() else {
            return Ok(());
        };
        if let Err(error) = written {
            // A part may have been written. Taking it away needs no space; where even that fails it is done before
            // the next line.
            let cut = self.file.as_ref().map(|file| file.set_len(newest.len));
            if !matches!(cut, Some(Ok(()))) {
                self.file = None;
            }
            return Err(files::fault(&newest.path)(error));
        }
        newest.len += lines.len() as u64;
        Ok(())
    }

    /// Begins a file with these lines, and lets the oldest go, so that the log with a whole new file stays within its
    /// bound.
    pub(super) fn begin(&mut self, lines: &str, bound: u64) -> Result<(), StoreError> {
        self.make(self.end())?;
        self.append(lines)?;
        self.beginning = lines.len() as u64;
        let newest = self.all.len() - 1;
        let mut total: u64 = self.all[..newest].iter().map(|one| one.len).sum();
        while total + size(bound) > bound && self.all.len() > 1 {
            let oldest = &self.all[0];
            match std::fs::remove_file(&oldest.path) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(files::fault(&oldest.path)(error));
                }
                Ok(()) | Err(_) => {}
            }
            total -= oldest.len;
            self.all.remove(0);
        }
        Ok(())
    }

    pub(super) fn spot(&self, at: u64) -> Spot {
        let newest = self.all.len().saturating_sub(1);
        let found = self.all.iter().position(|one| at < one.end());
        match found {
            None => Spot::End(self.end()),
            Some(index) if self.all[index].start <= at => {
                Spot::In(self.all[index].clone(), index == newest)
            }
            Some(index) => Spot::Gone(self.all[index].start),
        }
    }

    /// The file that holds the byte before this one; `None` if there is nothing before it.
    pub(super) fn before(&self, at: u64) -> Option<(Segment, bool)> {
        let index = self
            .all
            .iter()
            .rposition(|one| one.start < at && one.len > 0)?;
        Some((self.all[index].clone(), index + 1 == self.all.len()))
    }

    /// Somebody has looked at every line of a file that will get no more.
    pub(super) fn know_span(&mut self, start: u64, span: (i64, i64)) {
        if let Some(one) = self.all.iter_mut().find(|one| one.start == start) {
            one.span = Some(span);
        }
    }

    fn make(&mut self, start: u64) -> Result<(), StoreError> {
        files::make_private_dir(&self.directory)?;
        let path = self.directory.join(format!("{start:020}.log"));
        files::make_private_file(&path)?;
        // One that was begun and got no line is there already.
        if self.all.last().is_none_or(|newest| newest.start != start) {
            self.all.push(Segment {
                start,
                len: 0,
                path,
                span: None,
            });
        }
        self.file = None;
        self.beginning = 0;
        Ok(())
    }

    /// The newest file, with nothing behind its last whole line.
    fn newest(&mut self) -> Result<&mut File, StoreError> {
        if self.file.is_none()
            && let Some(newest) = self.all.last()
        {
            let open = || {
                let file = OpenOptions::new()
                    .create(true)
                    .append(true)
                    .mode(0o600)
                    .open(&newest.path)?;
                file.set_len(newest.len)?;
                Ok(file)
            };
            self.file = Some(open().map_err(files::fault(&newest.path))?);
        }
        self.file
            .as_mut()
            .ok_or_else(|| StoreError::Unusable("a runtime log has no file".into()))
    }
}
