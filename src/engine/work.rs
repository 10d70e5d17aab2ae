//! A future that talks while it works, as a stream. Nothing is spawned: dropping the stream drops the work.

use crate::core::ports::EngineError;
use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::{self, BoxStream};
use tokio::sync::mpsc;

/// How many items may wait for the reader: enough that a burst of build output does not go back and forth between
/// the two for every line, few enough to be nothing in memory.
const WAITING: usize = 64;

/// Where the work puts what it has to say.
pub struct Out<T>(mpsc::Sender<T>);

impl<T> Out<T> {
    /// Says something; waits while the reader is behind.
    pub async fn say(&self, item: T) {
        // The receiving end lives in the stream that polls the work, so nobody can be told that it is gone.
        let _ = self.0.send(item).await;
    }
}

struct Talk<'a, T> {
    said: mpsc::Receiver<T>,
    /// Gone once it has ended, and its `Out` with it, which ends `said`.
    work: Option<BoxFuture<'a, Result<(), EngineError>>>,
    error: Option<EngineError>,
}

/// Runs the work inside a stream of what it says. An error is the stream's last item.
pub fn talking<'a, T, W>(work: impl FnOnce(Out<T>) -> W) -> BoxStream<'a, Result<T, EngineError>>
where
    T: Send + 'a,
    W: Future<Output = Result<(), EngineError>> + Send + 'a,
{
    let (sender, said) = mpsc::channel(WAITING);
    let talk = Talk {
        said,
        work: Some(Box::pin(work(Out(sender)))),
        error: None,
    };
    stream::unfold(talk, next).boxed()
}

async fn next<T>(mut talk: Talk<'_, T>) -> Option<(Result<T, EngineError>, Talk<'_, T>)> {
    while let Some(work) = &mut talk.work {
        tokio::select! {
            biased;
            Some(item) = talk.said.recv() => return Some((Ok(item), talk)),
            result = work => {
                talk.error = result.err();
                talk.work = None;
            }
        }
    }
    match talk.said.recv().await {
        Some(item) => Some((Ok(item), talk)),
        None => talk.error.take().map(|error| (Err(error), talk)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn everything_said_comes_in_order_and_the_error_comes_last() {
        let items: Vec<_> = talking(|out: Out<usize>| async move {
            for n in 0..WAITING * 3 {
                out.say(n).await;
            }
            Err(EngineError::Refused("no".to_owned()))
        })
        .collect()
        .await;
        assert_eq!(items.len(), WAITING * 3 + 1);
        assert!(
            items[..WAITING * 3]
                .iter()
                .enumerate()
                .all(|(n, item)| *item == Ok(n))
        );
        assert!(items[WAITING * 3].is_err());
    }
}
