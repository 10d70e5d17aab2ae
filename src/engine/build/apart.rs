//! A runtime for one build. bollard leaves a task behind that serves the build's session for as long as the engine
//! keeps that connection open, which is for ever; here it ends when the build does.

use futures_util::Stream;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::runtime::{Builder, Runtime};

/// A stream whose background tasks end with it.
pub struct Apart<S> {
    stream: S,
    /// Taken only when dropped.
    runtime: Option<Runtime>,
}

impl<S> Apart<S> {
    /// Wraps a stream that was not polled yet.
    ///
    /// # Errors
    /// The operating system gave no thread.
    pub fn new(stream: S) -> io::Result<Self> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("build")
            .enable_all()
            .build()?;
        Ok(Self {
            stream,
            runtime: Some(runtime),
        })
    }
}

impl<S: Stream + Unpin> Stream for Apart<S> {
    type Item = S::Item;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<S::Item>> {
        let this = self.get_mut();
        // What the stream spawns and connects while it is polled belongs to the runtime that is entered.
        let _entered = this.runtime.as_ref().map(Runtime::enter);
        Pin::new(&mut this.stream).poll_next(context)
    }
}

impl<S> Drop for Apart<S> {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // An async task may not wait for threads to end.
            runtime.shutdown_background();
        }
    }
}
