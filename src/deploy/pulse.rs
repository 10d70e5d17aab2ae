//! Whether the driver turns and the store answers: asked from outside, answered by the driver itself, so that what blocks
//! either leaves the question open.

use super::Agent;
use crate::store::StoreError;
use std::sync::PoisonError;
use tokio::sync::{mpsc, oneshot};

type Question = oneshot::Sender<Result<(), StoreError>>;

/// Questions on their way to the driver.
pub(super) struct Pulse {
    ask: mpsc::Sender<Question>,
    asked: std::sync::Mutex<Option<mpsc::Receiver<Question>>>,
}

impl Default for Pulse {
    fn default() -> Self {
        let (ask, asked) = mpsc::channel(1);
        Self {
            ask,
            asked: std::sync::Mutex::new(Some(asked)),
        }
    }
}

impl Agent {
    /// Returns when the driver has come by and looked at the store; not before it drives, nor while either hangs.
    ///
    /// # Errors
    /// If the store answers that it cannot be read.
    pub async fn pulse(&self) -> Result<(), StoreError> {
        let (question, answer) = oneshot::channel();
        if self.pulse.ask.send(question).await.is_err() {
            return Err(StoreError::Closed);
        }
        answer.await.unwrap_or(Err(StoreError::Closed))
    }

    /// Answers for as long as the driver drives.
    pub(super) async fn answer_pulses(&self) {
        let asked = {
            let mut asked = self
                .pulse
                .asked
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            asked.take()
        };
        // Only a second driver of one agent would find it gone.
        let Some(mut asked) = asked else {
            return std::future::pending().await;
        };
        while let Some(question) = asked.recv().await {
            // Who no longer waits for the answer needs none.
            let _ = question.send(self.store.answers());
        }
    }
}
