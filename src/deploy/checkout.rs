//! The checkout step: the commit's tree on disk.

use super::failures;
use super::interrupt::{Interrupt, Stop};
use super::walk::Walk;
use crate::core::deployment::{Step, Wanted};
use crate::core::ports::Checkout;

impl Walk<'_> {
    /// Fetches the commit and writes out its tree; a tree that is whole already is kept. `step` is the step whose time
    /// it takes: a resumed build looks whether its tree is still whole.
    pub(super) async fn checkout(
        &self,
        interrupt: &Interrupt,
        step: Step,
    ) -> Result<Checkout, Stop> {
        let (Wanted::Commit { reference, sha, .. }, Some(remote)) =
            (&self.deployment.request.wanted, &self.secrets.remote)
        else {
            return Err(
                failures::internal("a deployment without a commit came to its checkout").into(),
            );
        };
        let source = &self.agent.ports.source;
        let work = source.checkout(remote, reference, sha, self.deployment.id);
        match interrupt.race(self.journal.follow(step, work)).await? {
            Ok(Some(checkout)) => Ok(checkout),
            Ok(None) => Err(failures::internal("the checkout ended without a result").into()),
            Err(error) => {
                let data_dir = self.agent.store.data_dir();
                let output = self.journal.last_lines();
                Err(failures::checkout(&error, &remote.url, data_dir, output).into())
            }
        }
    }
}
