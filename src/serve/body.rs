//! Bodies on their way in and out: a request's must come in time, an answer's end makes the connection idle again.

use super::connection::Progress;
use axum::BoxError;
use axum::body::{Body, HttpBody};
use bytes::Bytes;
use hyper::body::{Frame, Incoming, SizeHint};
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::time::Sleep;

/// A request's body that has to be there whole within a time, counted from the first wait for it.
pub(super) struct Timed {
    pub(super) body: Incoming,
    pub(super) limit: Duration,
    pub(super) timer: Option<Pin<Box<Sleep>>>,
    /// Its end was seen.
    pub(super) is_read: bool,
    pub(super) progress: Arc<Progress>,
}

impl HttpBody for Timed {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(context) {
            self.is_read |= frame.is_none();
            return Poll::Ready(frame.map(|frame| frame.map_err(BoxError::from)));
        }
        let limit = self.limit;
        let timer = self
            .timer
            .get_or_insert_with(|| Box::pin(tokio::time::sleep(limit)));
        ready!(timer.as_mut().poll(context));
        let late = io::Error::new(io::ErrorKind::TimedOut, "the body did not come in time");
        Poll::Ready(Some(Err(late.into())))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Timed {
    fn drop(&mut self) {
        if !self.is_read && !self.body.is_end_stream() {
            self.progress.left_unread();
        }
    }
}

/// An answer's body; when it is gone the request is over.
pub(super) struct Held {
    pub(super) body: Body,
    /// Held for what its end does.
    pub(super) _under_way: UnderWay,
}

impl HttpBody for Held {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A request from its head to the end of its answer, or to the client's end.
pub(super) struct UnderWay(Arc<Progress>);

impl UnderWay {
    pub(super) fn begin(progress: Arc<Progress>) -> Self {
        progress.busy();
        Self(progress)
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.answered();
    }
}
