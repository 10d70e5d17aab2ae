//! The access log: lines gathered by each worker and written by a thread of its own, so that a slow reader of standard
//! output holds up no request. What it cannot take in time is counted and said, not lost silently.

use super::clock;
use crate::core::access;
use crate::core::hook;
use crate::core::ingress::AccessLog;
use crate::core::route::Service;
use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;
use time::OffsetDateTime;

/// A worker hands its lines over when there are so many bytes of them …
const FULL: usize = 32 * 1024;
/// … or so long after the first: what was asked is to be seen while one looks.
pub(super) const LONGEST: Duration = Duration::from_millis(100);
/// So many handfuls wait for the writer: with full ones that is 8 MiB, some 40 000 requests.
const WAITING: usize = 256;

/// Where workers hand their lines.
#[derive(Clone, Debug)]
pub(super) struct Outlet {
    sender: SyncSender<(Vec<u8>, u64)>,
    dropped: Arc<AtomicU64>,
}

/// Starts the writer; it ends when every outlet is gone and everything is written.
pub(super) fn start(
    to: Box<dyn Write + Send>,
    dropped: Arc<AtomicU64>,
) -> std::io::Result<(Outlet, std::thread::JoinHandle<()>)> {
    let (sender, receiver) = sync_channel(WAITING);
    let lost = Arc::clone(&dropped);
    let writer = std::thread::Builder::new()
        .name("access-log".into())
        .spawn(move || write(&receiver, to, &lost))?;
    Ok((Outlet { sender, dropped }, writer))
}

fn write(receiver: &Receiver<(Vec<u8>, u64)>, mut to: Box<dyn Write + Send>, dropped: &AtomicU64) {
    let mut told = 0;
    for (lines, count) in receiver {
        if let Err(error) = to.write_all(&lines).and_then(|()| to.flush()) {
            dropped.fetch_add(count, Relaxed);
            tracing::debug!(%error, "the access log cannot be written");
        }
        let lost = dropped.load(Relaxed);
        if lost != told {
            tracing::warn!(
                lines = lost - told,
                "access log lines were dropped: whoever reads standard output is too slow or gone"
            );
            told = lost;
        }
    }
}

/// What is said of a request.
#[derive(Debug)]
pub(super) struct Entry<'a> {
    pub client: &'a str,
    pub method: &'a str,
    pub target: &'a str,
    pub version: &'static str,
    pub host: &'a str,
    pub status: u16,
    /// Of the bodies.
    pub sent: u64,
    pub received: u64,
    pub took: Duration,
    pub request_id: &'a str,
    pub app: &'a str,
    pub environment: &'a str,
    /// Of our own answer.
    pub error: Option<&'static str>,
}

/// One worker's lines.
#[derive(Debug)]
pub(super) struct Log {
    style: AccessLog,
    outlet: Outlet,
    lines: RefCell<Vec<u8>>,
    count: Cell<u64>,
    /// The second that was written out last, and how.
    stamp: RefCell<(u64, String)>,
}

impl Log {
    pub fn new(style: AccessLog, outlet: Outlet) -> Self {
        Self {
            style,
            outlet,
            lines: RefCell::default(),
            count: Cell::new(0),
            stamp: RefCell::default(),
        }
    }

    /// Writes a line. True: it is the first since the last handing over.
    pub fn write(&self, entry: &Entry<'_>) -> bool {
        // The API's paths are ours to know: of a hook's, a part is a secret, and some parameters carry a token.
        let target = match entry.app {
            Service::API => match hook::shown(entry.target) {
                Cow::Owned(masked) => Cow::Owned(masked),
                Cow::Borrowed(target) => access::shown(target),
            },
            _ => Cow::Borrowed(entry.target),
        };
        let entry = &Entry {
            target: &target,
            ..*entry
        };
        let mut lines = self.lines.borrow_mut();
        let first = lines.is_empty();
        match self.style {
            AccessLog::Off => return false,
            AccessLog::Common => self.common(&mut lines, entry),
            AccessLog::Json => json(&mut lines, entry),
        }
        self.count.set(self.count.get() + 1);
        if lines.len() >= FULL {
            drop(lines);
            self.hand_over();
            return false;
        }
        first
    }

    /// Gives what there is to the writer.
    pub fn hand_over(&self) {
        let lines = std::mem::take(&mut *self.lines.borrow_mut());
        let count = self.count.take();
        if !lines.is_empty() && self.outlet.sender.try_send((lines, count)).is_err() {
            self.outlet.dropped.fetch_add(count, Relaxed);
        }
    }

    fn common(&self, out: &mut Vec<u8>, entry: &Entry<'_>) {
        let now = clock::wall();
        let mut stamp = self.stamp.borrow_mut();
        if stamp.0 != now.as_secs() || stamp.1.is_empty() {
            *stamp = (now.as_secs(), common_time(now));
        }
        // Writing to a list of bytes cannot fail.
        let _ = write!(out, "{} - - [{}] \"", entry.client, stamp.1);
        escape(out, entry.method);
        out.push(b' ');
        escape(out, entry.target);
        let _ = write!(out, " {}\" {} {} ", entry.version, entry.status, entry.sent);
        out.push(b'"');
        escape(out, entry.host);
        let _ = writeln!(
            out,
            "\" {}.{:06} {}",
            entry.took.as_secs(),
            entry.took.subsec_micros(),
            if entry.request_id.is_empty() {
                "-"
            } else {
                entry.request_id
            }
        );
    }
}

fn common_time(now: Duration) -> String {
    let format = time::macros::format_description!(
        "[day]/[month repr:short]/[year]:[hour]:[minute]:[second] +0000"
    );
    i64::try_from(now.as_secs())
        .ok()
        .and_then(|seconds| OffsetDateTime::from_unix_timestamp(seconds).ok())
        .and_then(|time| time.format(format).ok())
        .unwrap_or_default()
}

/// What would end the quotation or the line, or move a terminal's cursor, is written as a code, as Apache does.
fn escape(out: &mut Vec<u8>, text: &str) {
    for byte in text.bytes() {
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
            b' '..=b'~' => out.push(byte),
            // Writing to a list of bytes cannot fail.
            _ => drop(write!(out, "\\x{byte:02x}")),
        }
    }
}

fn json(out: &mut Vec<u8>, entry: &Entry<'_>) {
    let now = clock::wall();
    let time = i64::try_from(now.as_secs())
        .ok()
        .and_then(|seconds| OffsetDateTime::from_unix_timestamp(seconds).ok())
        .map(|time| time + Duration::from_micros(u64::from(now.subsec_micros())))
        .and_then(|time| {
            time.format(&time::format_description::well_known::Rfc3339)
                .ok()
        })
        .unwrap_or_default();
    // Writing to a list of bytes cannot fail.
    let _ = write!(out, "{{\"time\":\"{time}\"");
    for (name, value) in [
        ("client", entry.client),
        ("method", entry.method),
        ("host", entry.host),
        ("target", entry.target),
        ("version", entry.version),
        ("app", entry.app),
        ("environment", entry.environment),
        ("request_id", entry.request_id),
    ] {
        let _ = write!(out, ",\"{name}\":");
        let _ = serde_json::to_writer(&mut *out, value);
    }
    let _ = write!(
        out,
        ",\"status\":{},\"bytes\":{},\"bytes_in\":{},\"duration_us\":{}",
        entry.status,
        entry.sent,
        entry.received,
        entry.took.as_micros()
    );
    if let Some(error) = entry.error {
        let _ = write!(out, ",\"error\":\"{error}\"");
    }
    out.extend_from_slice(b"}\n");
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    #[derive(Clone, Default)]
    struct Shared(Arc<Mutex<Vec<u8>>>);

    impl Write for Shared {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn written(style: AccessLog, target: &str, host: &str) -> String {
        written_of(style, "web", target, host)
    }

    fn written_of(style: AccessLog, app: &str, target: &str, host: &str) -> String {
        let shared = Shared::default();
        let (outlet, writer) = start(Box::new(shared.clone()), Arc::default()).unwrap();
        let log = Log::new(style, outlet);
        log.write(&Entry {
            client: "10.0.0.9",
            method: "GET",
            target,
            version: "HTTP/1.1",
            host,
            status: 200,
            sent: 12,
            received: 3,
            took: Duration::from_micros(1_000_205),
            request_id: "id",
            app,
            environment: "production",
            error: Some("no_route"),
        });
        log.hand_over();
        drop(log);
        writer.join().unwrap();
        String::from_utf8(shared.0.lock().unwrap().clone()).unwrap()
    }

    #[test]
    fn common_lines_have_host_time_and_id_behind_and_cannot_be_forged() {
        let line = written(AccessLog::Common, "/a\" 200\\\u{e9}\n", "web");
        assert!(line.starts_with("10.0.0.9 - - ["), "{line}");
        assert!(
            line.ends_with(
                "] \"GET /a\\\" 200\\\\\\xc3\\xa9\\x0a HTTP/1.1\" 200 12 \"web\" 1.000205 id\n"
            ),
            "{line}"
        );
        assert_eq!(line.lines().count(), 1);
    }

    #[test]
    fn json_lines_are_objects() {
        let line = written(AccessLog::Json, "/a\"}\n", "web");
        let value: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(value["target"], "/a\"}\n");
        assert_eq!(value["duration_us"], 1_000_205);
        assert_eq!(value["error"], "no_route");
        assert_eq!(line.lines().count(), 1);
    }

    #[test]
    fn a_hooks_address_is_in_no_line_and_an_apps_own_path_of_that_name_is() {
        let target = "/hooks/apps/5/deploy/abcdefgh";
        for style in [AccessLog::Common, AccessLog::Json] {
            let line = written_of(style, Service::API, target, "deploy");
            assert!(
                line.contains("/hooks/***") && !line.contains("abcdefgh"),
                "{line}"
            );
            let line = written(style, target, "web");
            assert!(line.contains(target), "{line}");
        }
    }

    #[test]
    fn a_token_in_a_query_is_in_no_line() {
        let target = "/api/v4/user?private_token=abcdefgh&x=1";
        for style in [AccessLog::Common, AccessLog::Json] {
            let line = written_of(style, Service::API, target, "deploy");
            assert!(line.contains("?private_token=***&x=1"), "{line}");
            assert!(!line.contains("abcdefgh"), "{line}");
        }
    }

    #[test]
    fn what_a_stuck_reader_does_not_take_is_counted() {
        struct Stuck(std::sync::mpsc::Receiver<()>);
        impl Write for Stuck {
            fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
                // Until the test lets go.
                let _ = self.0.recv();
                Ok(bytes.len())
            }
            fn flush(&mut self) -> std::io::Result<()> {
                Ok(())
            }
        }
        let (release, held) = std::sync::mpsc::channel();
        let dropped = Arc::new(AtomicU64::new(0));
        let (outlet, writer) = start(Box::new(Stuck(held)), Arc::clone(&dropped)).unwrap();
        for _ in 0..WAITING + 10 {
            if outlet.sender.try_send((vec![b'\n'], 1)).is_err() {
                outlet.dropped.fetch_add(1, Relaxed);
            }
        }
        assert!(dropped.load(Relaxed) >= 9);
        drop((release, outlet));
        writer.join().unwrap();
    }
}
