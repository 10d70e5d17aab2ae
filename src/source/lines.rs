//! Work that talks while it goes on, as the stream the port wants: lines first, the result last. Dropping the
//! stream drops the work.

use crate::core::log::Stream;
use crate::core::ports::{Progress, SourceError, Work};
use futures_util::future::BoxFuture;
use futures_util::stream::{self, StreamExt};
use tokio::sync::mpsc;

/// Lines that wait for the reader before the work waits too.
const BUFFERED: usize = 64;

/// Where lines go.
#[derive(Clone, Debug)]
pub(super) struct Lines(Option<mpsc::Sender<(Stream, String)>>);

impl Lines {
    /// Nobody listens.
    pub(super) fn unheard() -> Self {
        Self(None)
    }

    pub(super) async fn say(&self, stream: Stream, text: String) {
        if let Some(sender) = &self.0 {
            // Fails only when the reader is gone, and then the work is dropped as well.
            let _ = sender.send((stream, text)).await;
        }
    }

    /// longshore's own words.
    pub(super) async fn tell(&self, text: String) {
        self.say(Stream::Agent, text).await;
    }
}

enum State<'a, T> {
    Running(
        BoxFuture<'a, Result<T, SourceError>>,
        mpsc::Receiver<(Stream, String)>,
    ),
    Ended(Result<T, SourceError>, mpsc::Receiver<(Stream, String)>),
    Told,
}

/// Makes the stream of work that is given a place for its lines.
pub(super) fn work<'a, T: Send + 'a>(
    start: impl FnOnce(Lines) -> BoxFuture<'a, Result<T, SourceError>>,
) -> Work<'a, T, SourceError> {
    let (sender, receiver) = mpsc::channel(BUFFERED);
    let running = State::Running(start(Lines(Some(sender))), receiver);
    stream::unfold(running, step).boxed()
}

async fn step<T>(
    mut state: State<'_, T>,
) -> Option<(Result<Progress<T>, SourceError>, State<'_, T>)> {
    loop {
        state = match state {
            State::Running(mut work, mut lines) => tokio::select! {
                biased;
                Some((stream, text)) = lines.recv() => {
                    return Some((Ok(Progress::Line(stream, text)), State::Running(work, lines)));
                }
                result = &mut work => State::Ended(result, lines),
            },
            State::Ended(result, mut lines) => match lines.try_recv() {
                Ok((stream, text)) => {
                    return Some((
                        Ok(Progress::Line(stream, text)),
                        State::Ended(result, lines),
                    ));
                }
                Err(_) => return Some((result.map(Progress::Done), State::Told)),
            },
            State::Told => return None,
        };
    }
}

/// Whether a line of git's is worth a place in a deployment's log: what the remote says, faults, and what a long
/// download came to. Counters and git's list of refs (of our own making) are not.
pub(super) fn worth_showing(line: &str) -> bool {
    let from_remote = line.strip_prefix("remote: ");
    let said = from_remote.unwrap_or(line).trim();
    if let Some(received) = said.strip_prefix("Receiving objects:") {
        return received.ends_with("done.");
    }
    let counters = [
        "Enumerating objects:",
        "Counting objects:",
        "Compressing objects:",
        "Resolving deltas:",
        "Unpacking objects:",
        "Updating files:",
        "Checking connectivity:",
        "Total ",
        "From ",
    ];
    !said.is_empty()
        && !said.contains("% (")
        && !counters.iter().any(|counter| said.starts_with(counter))
        && (from_remote.is_some() || !line.starts_with(' '))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_and_lists_of_refs_are_left_out() {
        for (line, shown) in [
            ("remote: Enumerating objects: 3, done.", false),
            ("remote: Total 3 (delta 0), reused 3 (delta 0)", false),
            ("remote: ", false),
            ("From https://example.com/a", false),
            (
                " * [new branch]      main -> refs/longshore/branch/ab",
                false,
            ),
            ("Receiving objects:  45% (9/20)", false),
            (" 45% (9/20), 1.0 MiB | 2.0 MiB/s", false),
            (
                "Receiving objects: 100% (20/20), 2.0 MiB | 2.0 MiB/s, done.",
                true,
            ),
            ("remote: This repository moved.", true),
            ("fatal: could not read Username", true),
            ("Warning: Permanently added '[127.0.0.1]:22'", true),
        ] {
            assert_eq!(worth_showing(line), shown, "{line}");
        }
    }

    #[tokio::test]
    async fn every_line_comes_before_the_result() {
        let stream = work(|lines| {
            Box::pin(async move {
                for n in 0..200 {
                    lines.tell(n.to_string()).await;
                }
                Ok(())
            })
        });
        let all: Vec<_> = stream.collect().await;
        assert_eq!(all.len(), 201);
        assert_eq!(all[200], Ok(Progress::Done(())));
    }
}
