//! Server-Sent Events: bytes to events, in whatever pieces they come.

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use std::collections::VecDeque;
use std::time::Duration;
use tokio::task::JoinSet;

/// How long nothing at all may come: the daemon sends a comment several times in that time.
const SILENCE: Duration = Duration::from_secs(90);

/// The longest event taken; a stranger could send one without an end.
const MAX_EVENT: usize = 1024 * 1024;

/// One event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Event {
    /// What to go on after.
    pub id: Option<String>,
    /// Its kind; empty where none is named.
    pub kind: String,
    /// Its data, lines joined.
    pub data: String,
}

/// The events of one answer.
pub struct Events {
    body: Incoming,
    /// Ends the connection when this is dropped.
    _connection: JoinSet<hyper::Result<()>>,
    parser: Parser,
    ready: VecDeque<Event>,
}

impl Events {
    /// Reads that body.
    pub fn new(body: Incoming, connection: JoinSet<hyper::Result<()>>) -> Self {
        Self {
            body,
            _connection: connection,
            parser: Parser::default(),
            ready: VecDeque::new(),
        }
    }

    /// The next event; `None` when no more come from here.
    pub async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Some(event);
            }
            let frame = tokio::time::timeout(SILENCE, self.body.frame()).await;
            let bytes: Bytes = frame.ok()??.ok()?.into_data().unwrap_or_default();
            self.ready.extend(self.parser.take(&bytes));
            if self.parser.pending() > MAX_EVENT {
                return None;
            }
        }
    }
}

/// Takes bytes and gives the events that are whole.
#[derive(Debug, Default)]
struct Parser {
    line: Vec<u8>,
    /// Whether the last byte was a carriage return: a line feed then ends nothing.
    returned: bool,
    event: Event,
    has_data: bool,
}

impl Parser {
    fn take(&mut self, bytes: &[u8]) -> Vec<Event> {
        let mut events = Vec::new();
        for &byte in bytes {
            let after_return = std::mem::replace(&mut self.returned, byte == b'\r');
            match byte {
                b'\n' if after_return => {}
                b'\n' | b'\r' => {
                    let line = std::mem::take(&mut self.line);
                    events.extend(self.end_of_line(&String::from_utf8_lossy(&line)));
                }
                other => self.line.push(other),
            }
        }
        events
    }

    fn pending(&self) -> usize {
        self.line.len() + self.event.data.len()
    }

    fn end_of_line(&mut self, line: &str) -> Option<Event> {
        if line.is_empty() {
            let event = std::mem::take(&mut self.event);
            let is_event = std::mem::take(&mut self.has_data) || !event.kind.is_empty();
            return is_event.then_some(event);
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "id" => self.event.id = Some(value.to_owned()),
            "event" => value.clone_into(&mut self.event.kind),
            "data" => {
                if std::mem::replace(&mut self.has_data, true) {
                    self.event.data.push('\n');
                }
                self.event.data.push_str(value);
            }
            // A comment that keeps the connection alive, or a field of a later version.
            _ => {}
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const STREAM: &str = ": hello\n\nid: 7\ndata: {\"a\":1}\n\nevent: end\n\nid:8\r\ndata:x\r\ndata: y\r\n\r\nretry: 5\n\ndata: cut";

    fn event(id: Option<&str>, kind: &str, data: &str) -> Event {
        Event {
            id: id.map(str::to_owned),
            kind: kind.to_owned(),
            data: data.to_owned(),
        }
    }

    #[test]
    fn comments_are_left_out_and_an_event_that_was_cut_off_is_none() {
        let mut parser = Parser::default();
        assert_eq!(
            parser.take(STREAM.as_bytes()),
            [
                event(Some("7"), "", "{\"a\":1}"),
                event(None, "end", ""),
                event(Some("8"), "", "x\ny"),
            ]
        );
        assert_eq!(parser.pending(), "cut".len() + "data: ".len());
    }

    proptest! {
        #[test]
        fn the_pieces_it_comes_in_change_nothing(cuts in prop::collection::vec(0..STREAM.len(), 0..12)) {
            let whole = Parser::default().take(STREAM.as_bytes());
            let mut cuts = cuts;
            cuts.extend([0, STREAM.len()]);
            cuts.sort_unstable();
            let mut parser = Parser::default();
            let mut events = Vec::new();
            for pair in cuts.windows(2) {
                events.extend(parser.take(&STREAM.as_bytes()[pair[0]..pair[1]]));
            }
            prop_assert_eq!(events, whole);
        }
    }
}
