//! The git program: resolving, mirroring, checking out. The only place that runs a program.
//!
//! Nothing of the user's or the host's git configuration takes part, no hook runs, and what a repository says about
//! itself (its `.gitmodules`, its paths) is read as a stranger's words.

mod access;
mod address;
mod checkout;
mod fault;
mod holdings;
mod lines;
mod locate;
mod merge;
mod mirror;
mod modules;
mod place;
mod program;
mod resolve;
mod tree;

use crate::core::commit::CommitDetail;
use crate::core::name::{Branch, RefName, Sha};
use crate::core::ports::{
    Checkout, Located, MERGE_LIMIT, Merge, MergeRequest, RESOLVE_LIMIT, Remote, RemoteCredentials,
    Revision, Source, SourceError, Work,
};
use crate::core::redact::Redactor;
use crate::core::reference::Reference;
use access::Access;
use address::Address;
use async_trait::async_trait;
use checkout::{Walk, short};
use fault::{Fault, is_absence, redacted};
use lines::Lines;
use locate::Known;
use merge::Merging;
use mirror::Mirror;
use place::{Place, private_dir};
use program::Program;
use resolve::supported;
use std::collections::{BTreeMap, HashMap};
use std::ffi::OsString;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use uuid::Uuid;

/// Reads repositories with the git program. One of it per data directory.
#[derive(Debug)]
pub struct Git {
    place: Place,
    program: Program,
    resolve_limit: Duration,
    merge_limit: Duration,
    /// One call at a time per project: git's own locks make the second one fail instead of wait. Held across
    /// waits on purpose, it stands for a directory and not for memory.
    projects: Mutex<HashMap<String, Arc<tokio::sync::Mutex<()>>>>,
}

impl Git {
    /// Keeps mirrors in `<data_dir>/git` and trees in `<data_dir>/work`. Programs are found in the usual places.
    #[must_use]
    pub fn new(data_dir: &Path) -> Self {
        // Git is run in other directories, where a relative path would mean something else.
        let data_dir = std::path::absolute(data_dir).unwrap_or_else(|_| data_dir.to_owned());
        let place = Place::new(data_dir);
        Self {
            program: Program::new(place.home()),
            place,
            resolve_limit: RESOLVE_LIMIT,
            merge_limit: MERGE_LIMIT,
            projects: Mutex::default(),
        }
    }

    /// Passes on what git needs of the daemon's environment, and nothing else of it: PATH, the proxies, and where
    /// the certificates are.
    #[must_use]
    pub fn with_environment(
        mut self,
        environment: impl IntoIterator<Item = (OsString, OsString)>,
    ) -> Self {
        self.program.inherit(environment);
        self
    }

    /// Another limit for `resolve` than [`RESOLVE_LIMIT`].
    #[must_use]
    pub fn with_resolve_limit(mut self, limit: Duration) -> Self {
        self.resolve_limit = limit;
        self
    }

    /// Another limit for `merge` than [`MERGE_LIMIT`].
    #[must_use]
    pub fn with_merge_limit(mut self, limit: Duration) -> Self {
        self.merge_limit = limit;
        self
    }

    fn project(&self, name: &str) -> Arc<tokio::sync::Mutex<()>> {
        // A poisoned map is whole: nothing is done under the lock but this.
        let mut projects = self.projects.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(projects.entry(name.to_owned()).or_default())
    }

    fn access(&self, remote: &Remote) -> Result<Access, Fault> {
        self.place.prepare()?;
        access::remove_stale_keys(&self.place)?;
        let address = Address::parse(&remote.url).map_err(SourceError::Failed)?;
        let access = Access::new(&self.place, address, remote.credentials.as_ref())?;
        Ok(access)
    }

    /// The error as the port has it, without the credentials' values.
    fn rim(&self, remote: &Remote, fault: Fault) -> SourceError {
        let error = fault.into_error(|| self.place.free());
        redacted(error, &redactor(remote))
    }

    /// Work that somebody waits for, and only so long.
    async fn bounded<T>(
        &self,
        remote: &Remote,
        limit: Duration,
        work: impl Future<Output = Result<T, Fault>>,
    ) -> Result<T, SourceError> {
        let done = tokio::time::timeout(limit, work).await;
        let late = |_| {
            let limit = humantime::format_duration(limit);
            Err(SourceError::Unreachable(format!("it took longer than {limit}")).into())
        };
        done.unwrap_or_else(late)
            .map_err(|fault| self.rim(remote, fault))
    }

    fn mirror(&self, project: &str) -> Mirror<'_> {
        Mirror::at(&self.program, &self.place, self.place.mirror(project))
    }

    async fn find(&self, remote: &Remote, revision: &Revision) -> Result<Sha, Fault> {
        let digits = match revision.commit.as_deref() {
            Some(digits) if !resolve::is_commit_digits(digits) => {
                return Err(SourceError::NoSuchCommit(digits.to_owned()).into());
            }
            digits => digits,
        };
        let access = self.access(remote)?;
        if let Reference::Commit(sha) = &revision.reference {
            let digits = sha.as_str();
            return Ok(self.find_commit(remote, &access, digits).await?.sha);
        }
        let head = resolve::head(&self.program, &access, &revision.reference).await?;
        let located = locate::located(revision.reference.clone(), &head)?;
        let sha = match digits {
            None => return Ok(located.sha),
            Some(digits) if digits == head => return Ok(located.sha),
            Some(digits) => {
                let patience = self.resolve_limit / 3;
                let reference = &revision.reference;
                self.in_mirror(remote, async |mirror| {
                    resolve::commit_reachable(mirror, &access, reference, digits, patience).await
                })
                .await?
            }
        };
        Ok(locate::located(revision.reference.clone(), &sha)?.sha)
    }

    async fn look_for(&self, remote: &Remote, name: &RefName) -> Result<Located, Fault> {
        let access = self.access(remote)?;
        match locate::look(&self.program, &access, name).await? {
            Known::Ref(located) => Ok(located),
            Known::Digits(digits, otherwise) => {
                match (self.find_commit(remote, &access, &digits).await, otherwise) {
                    (Err(fault), Some(located)) if is_absence(&fault) => Ok(located),
                    (found, _) => found,
                }
            }
        }
    }

    async fn find_commit(
        &self,
        remote: &Remote,
        access: &Access,
        digits: &str,
    ) -> Result<Located, Fault> {
        let patience = self.resolve_limit / 3;
        let found = self.in_mirror(remote, async |mirror| {
            locate::commit(mirror, access, digits, patience).await
        });
        let sha = found.await?;
        let reference = Reference::parse_full(&sha)
            .map_err(|why| SourceError::Failed(format!("git named the commit '{sha}': {why}")))?;
        locate::located(reference, &sha)
    }

    /// Work with the project's mirror, alone. Where the disk is full, what is of no use without the rest is taken off it
    /// again.
    async fn in_mirror<T>(
        &self,
        remote: &Remote,
        work: impl AsyncFnOnce(&Mirror<'_>) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        let project = self.project(&remote.project);
        let _held = project.lock().await;
        let mirror = self.mirror(&remote.project);
        let was_there = mirror.is_there();
        match work(&mirror).await {
            Err(Fault::Full(said)) => {
                let free = self.place.free();
                mirror.give_back(was_there).await?;
                Err(SourceError::DiskFull { said, free }.into())
            }
            done => done,
        }
    }

    async fn bring(
        &self,
        remote: &Remote,
        reference: &Reference,
        sha: &Sha,
        id: Uuid,
        lines: &Lines,
    ) -> Result<Checkout, Fault> {
        supported(sha.as_str())?;
        let access = self.access(remote)?;
        let tree = self.place.tree(id);
        let digits = short(sha.as_str());
        if let Some(commit) = tree::proven(&self.place, id, sha) {
            lines
                .tell(format!("The tree of {digits} is there and whole"))
                .await;
            return Ok(Checkout { tree, commit });
        }
        let project = self.project(&remote.project);
        let _held = project.lock().await;
        tree::discard(&self.place, id).await?;
        private_dir(&tree)?;
        let walk = Walk {
            program: &self.program,
            place: &self.place,
            project: &remote.project,
            access: &access,
            index: self.place.index(id),
            lines,
        };
        let mirror = self.mirror(&remote.project);
        let written = walk.write(mirror, reference, sha.as_str(), &tree).await;
        if let Err(Fault::Known(SourceError::DiskFull { .. })) = written {
            tree::discard(&self.place, id).await?;
        }
        written?;
        let commit = self.mirror(&remote.project).describe(sha.as_str()).await?;
        tree::prove(&self.place, id, sha, &commit)?;
        let subject = commit.message.lines().next().unwrap_or_default();
        lines.tell(format!("Checked out {digits} {subject}")).await;
        Ok(Checkout { tree, commit })
    }
}

#[async_trait]
impl Source for Git {
    async fn resolve(&self, remote: &Remote, revision: &Revision) -> Result<Sha, SourceError> {
        let found = tokio::time::timeout(self.resolve_limit, self.find(remote, revision)).await;
        found
            .unwrap_or_else(|_| Err(too_long(self.resolve_limit, revision).into()))
            .map_err(|fault| self.rim(remote, fault))
    }

    fn checkout<'a>(
        &'a self,
        remote: &'a Remote,
        reference: &'a Reference,
        sha: &'a Sha,
        tree: Uuid,
    ) -> Work<'a, Checkout, SourceError> {
        lines::work(move |lines| {
            Box::pin(async move {
                self.bring(remote, reference, sha, tree, &lines)
                    .await
                    .map_err(|fault| self.rim(remote, fault))
            })
        })
    }

    async fn locate(&self, remote: &Remote, name: &RefName) -> Result<Located, SourceError> {
        self.bounded(remote, self.resolve_limit, self.look_for(remote, name))
            .await
    }

    async fn commit(&self, remote: &Remote, sha: &Sha) -> Result<CommitDetail, SourceError> {
        let found = async {
            supported(sha.as_str())?;
            let access = self.access(remote)?;
            let patience = self.resolve_limit / 3;
            self.in_mirror(remote, async |mirror| {
                let found = locate::commit(mirror, &access, sha.as_str(), patience).await?;
                mirror.detail(&found).await
            })
            .await
        };
        self.bounded(remote, self.resolve_limit, found).await
    }

    async fn merge(&self, remote: &Remote, request: &MergeRequest) -> Result<Merge, SourceError> {
        let merged = async {
            let access = self.access(remote)?;
            self.in_mirror(remote, async |mirror| {
                let merging = Merging {
                    program: &self.program,
                    place: &self.place,
                    mirror,
                    access: &access,
                    request,
                };
                merging.run().await
            })
            .await
        };
        let merged = self.bounded(remote, self.merge_limit, merged).await?;
        Ok(match merged {
            Merge::NotPermitted(why) => Merge::NotPermitted(redactor(remote).redact(why)),
            Merge::UpToDate(_) | Merge::Merged(_) | Merge::Conflict | Merge::Immovable => merged,
        })
    }

    async fn branches(&self, remote: &Remote) -> Result<BTreeMap<Branch, Sha>, SourceError> {
        self.bounded(remote, self.resolve_limit, async {
            let access = self.access(remote)?;
            resolve::branches(&self.program, &access).await
        })
        .await
    }

    async fn discard(&self, tree: Uuid) -> Result<(), SourceError> {
        tree::discard(&self.place, tree)
            .await
            .map_err(|error| SourceError::Failed(format!("the tree could not be removed: {error}")))
    }

    async fn trees(&self) -> Result<Vec<(Uuid, u64)>, SourceError> {
        let work = self.place.work();
        blocking(move || holdings::trees(&work)).await
    }

    async fn mirror_size(&self, project: &str) -> Result<Option<u64>, SourceError> {
        let dirs = self.place.mirrors_of(project);
        blocking(move || holdings::size_of(&dirs)).await
    }

    async fn discard_mirror(&self, project: &str) -> Result<(), SourceError> {
        let lock = self.project(project);
        let _held = lock.lock().await;
        let removed = async {
            for dir in self.place.mirrors_of(project) {
                if let Some(aside) = self.place.set_aside(&dir)? {
                    tree::remove_all(aside).await?;
                }
            }
            Ok::<(), std::io::Error>(())
        };
        removed.await.map_err(|error| {
            SourceError::Failed(format!("the mirror could not be removed: {error}"))
        })
    }
}

/// What hides the credentials' values.
fn redactor(remote: &Remote) -> Redactor {
    let secret = remote
        .credentials
        .as_ref()
        .map(|credentials| match credentials {
            RemoteCredentials::Token(secret) | RemoteCredentials::SshKey(secret) => secret,
        });
    Redactor::new(secret)
}

/// Looks at the disk without holding up anything else.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> std::io::Result<T> + Send + 'static,
) -> Result<T, SourceError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(std::io::Error::other)
        .and_then(|done| done)
        .map_err(|error| SourceError::Failed(error.to_string()))
}

fn too_long(limit: Duration, revision: &Revision) -> SourceError {
    let limit = humantime::format_duration(limit);
    SourceError::Unreachable(match revision.commit {
        None => format!("it took longer than {limit}"),
        Some(_) => format!(
            "it took longer than {limit}; looking for a commit needs the history, so if the repository is large, deploy \
             the branch's head once and try again"
        ),
    })
}
