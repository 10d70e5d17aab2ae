//! What must be so before a deployment is taken in: the branch has everything of the default branch, and the commit's checks
//! are well.

use super::Agent;
use super::create::not_located;
use super::dispatch::internal;
use super::projects::git;
use crate::core::access::Caller;
use crate::core::commit_status::Contexts;
use crate::core::deployment::Wanted;
use crate::core::error::Error;
use crate::core::id::ProjectSerial;
use crate::core::name::{Branch, Sha};
use crate::core::particulars::{Conditions, Particulars};
use crate::core::ports::{Located, Merge, MergeRequest};
use crate::core::reference::Reference;
use crate::core::spec::{SourceSpec, Spec};
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
        project: ProjectSerial,
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

    /// Merges the default branch into the branch that is to be deployed, if something of it is missing there. The default
    /// branch is the app's, whichever the environment takes when none is named: of one repository there is one.
    async fn brought_up_to_date(
        &self,
        caller: &Caller,
        (place, spec): (&Place, &Spec),
        wanted: Wanted,
        besides: &Particulars,
    ) -> Result<Gate, Error> {
        let (
            Wanted::Commit {
                reference,
                sha,
                asked,
            },
            SourceSpec::Git(git),
        ) = (&wanted, &spec.source)
        else {
            return Ok(Gate::Open(wanted));
        };
        if !git.auto_merge {
            return Ok(Gate::Open(wanted));
        }
        let from = self
            .default_branch(place)
            .unwrap_or_else(|| git.branch.clone());
        let written = besides.written.clone();
        let written = written.unwrap_or_else(|| reference.to_string());
        let remote = self.reached(&place.project, git)?;
        let into = Located {
            // A commit that was picked out of a branch is deployed as it is: the branch's head is another.
            reference: match asked {
                Some(_) => Reference::Commit(sha.clone()),
                None => reference.clone(),
            },
            sha: sha.clone(),
        };
        let request = MergeRequest {
            author: author(&caller.principal.name),
            email: address(&caller.principal.name),
            at: self.ports.clock.now(),
            from: from.clone(),
            into,
        };
        let merged = self.ports.source.merge(&remote, &request).await;
        match merged.map_err(|error| not_located(error, &remote.url, &written))? {
            Merge::UpToDate(now) if asked.is_none() => Ok(Gate::Open(Wanted::Commit {
                reference: now.reference,
                sha: now.sha,
                asked: None,
            })),
            Merge::UpToDate(_) => Ok(Gate::Open(wanted)),
            Merge::Merged(head) => {
                self.note_push(&git.repository.url, reference, (sha, &head))?;
                Ok(Gate::Merged {
                    from,
                    into: written,
                })
            }
            Merge::Conflict | Merge::Immovable => Err(Error::MergeConflict {
                from: from.to_string(),
                into: written,
            }),
            Merge::NotPermitted(said) => Err(Error::MergeRefused {
                from: from.to_string(),
                into: written,
                why: format!(
                    "{} did not take the push ({said}). Give the `credentials` of app '{}' the right to push, or set `auto_merge = false` for it.",
                    remote.url, place.app_name
                ),
            }),
        }
    }

    fn default_branch(&self, place: &Place) -> Option<Branch> {
        let settings = self.settings();
        let mut apps = settings.apps.iter();
        let app = apps.find(|app| app.id == place.app_id)?;
        Some(git(app)?.branch.clone())
    }

    /// What we pushed is news to nobody here: the environments that follow the branch, and have seen what it was made of,
    /// have seen it. Where something was pushed before that is still to be looked at, this is looked at with it.
    fn note_push(
        &self,
        url: &str,
        reference: &Reference,
        (before, head): (&Sha, &Sha),
    ) -> Result<(), Error> {
        let settings = self.settings();
        let all = settings.apps.iter().flat_map(|app| {
            let all = app.environments.iter();
            all.map(|(name, spec)| (app.id, name, &spec.source))
        });
        let follows = |source: &SourceSpec| match (source, reference) {
            (SourceSpec::Git(git), Reference::Branch(branch)) => {
                git.repository.url == url && git.branch == *branch
            }
            (SourceSpec::Git(_) | SourceSpec::Image(_), _) => false,
        };
        let following = all.filter(|(_, _, source)| follows(source));
        let following: Vec<_> = following.map(|(app, name, _)| (app, name)).collect();
        self.store
            .note_push(&following, (before, head))
            .map_err(internal)
    }
}

/// The name on a merge commit: what git takes of a principal's. Git takes none that is only dots and the like.
fn author(principal: &str) -> String {
    let kept = principal.chars();
    let kept = kept.filter(|c| !c.is_control() && !"<>".contains(*c));
    let name = kept.collect::<String>().trim().to_owned();
    match name.chars().any(char::is_alphanumeric) {
        true => name,
        false => "longshore".to_owned(),
    }
}

/// The address beside it, at a domain that is reserved for being nobody's: a principal has none.
fn address(principal: &str) -> String {
    let local = principal.chars().map(|c| match c {
        c if c.is_ascii_alphanumeric() => c.to_ascii_lowercase(),
        _ => '-',
    });
    let local: String = local.take(64).collect();
    match local.trim_matches('-') {
        "" => "longshore@longshore.invalid".to_owned(),
        local => format!("{local}@longshore.invalid"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_merge_commit_is_signed_with_what_git_takes() {
        for (principal, name, mail) in [
            ("ci", "ci", "ci@longshore.invalid"),
            ("Ann B.", "Ann B.", "ann-b@longshore.invalid"),
            ("a<b>\nc", "abc", "a-b--c@longshore.invalid"),
            ("...", "longshore", "longshore@longshore.invalid"),
            ("", "longshore", "longshore@longshore.invalid"),
            ("Jürgen", "Jürgen", "j-rgen@longshore.invalid"),
        ] {
            assert_eq!(
                (&author(principal)[..], &address(principal)[..]),
                (name, mail)
            );
        }
    }
}
