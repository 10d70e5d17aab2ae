//! Git as a source: real repositories over real transports.
#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on says so by panicking"
)]

#[path = "source/branches.rs"]
mod branches;
#[path = "source/checking_out.rs"]
mod checking_out;
#[path = "support/git_daemon.rs"]
mod git_daemon;
#[path = "support/git_server.rs"]
mod git_server;
#[path = "source/resolving.rs"]
mod resolving;
#[path = "support/ssh_server.rs"]
mod ssh_server;
#[path = "source/strangers.rs"]
mod strangers;
#[path = "source/submodules.rs"]
mod submodules;
#[path = "source/tags.rs"]
mod tags;

use futures_util::{FutureExt, StreamExt};
use git_daemon::GitDaemon;
use git_server::{Behaviour, GitServer, Repository};
use longshore::core::name::Sha;
use longshore::core::ports::{
    Checkout, Progress, Remote, RemoteCredentials, Revision, Source, SourceError,
};
use longshore::core::reference::Reference;
use longshore::core::secret::Secret;
use longshore::core::time::Timestamp;
use longshore::source::Git;
use ssh_server::SshServer;
use std::ffi::OsString;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;
use uuid::Uuid;

const TOKEN: &str = "s3cret/t0ken+of=the;repository";

/// A tree's id; every test has a data directory of its own.
const ID: Uuid = Uuid::from_u128(0x0195_9f3a_7c1e_7000_8000_0000_0000_0001);

/// A scratch directory with repositories in `repositories` and the source's data in `data`.
struct Scene {
    dir: tempfile::TempDir,
    git: Git,
}

impl Scene {
    fn new() -> Self {
        Self::with_data("data")
    }

    fn with_data(data: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("repositories")).unwrap();
        let git = Git::new(&dir.path().join(data)).with_environment(environment());
        Self { dir, git }
    }

    fn repositories(&self) -> PathBuf {
        self.dir.path().join("repositories")
    }

    fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    fn mirror(&self) -> PathBuf {
        self.data().join("git/acme%2Fweb.git")
    }

    fn repository(&self, name: &str) -> Repository {
        Repository::create(self.repositories().join(name))
    }

    async fn resolve(&self, remote: &Remote, commit: Option<&str>) -> Result<String, SourceError> {
        self.resolve_on(remote, "main", commit).await
    }

    async fn resolve_on(
        &self,
        remote: &Remote,
        branch: &str,
        commit: Option<&str>,
    ) -> Result<String, SourceError> {
        let branch = Reference::parse(branch, false).unwrap();
        self.resolve_at(remote, branch, commit).await
    }

    async fn resolve_at(
        &self,
        remote: &Remote,
        reference: Reference,
        commit: Option<&str>,
    ) -> Result<String, SourceError> {
        let revision = Revision {
            reference,
            commit: commit.map(str::to_owned),
        };
        let sha = self.git.resolve(remote, &revision).await?;
        Ok(sha.as_str().to_owned())
    }

    async fn checkout(&self, remote: &Remote, sha: &str) -> Result<Checkout, SourceError> {
        self.checkout_as(remote, sha, ID).await.1
    }

    async fn checkout_as(
        &self,
        remote: &Remote,
        sha: &str,
        id: Uuid,
    ) -> (Vec<String>, Result<Checkout, SourceError>) {
        self.checkout_at(remote, &branch(), sha, id).await
    }

    async fn checkout_at(
        &self,
        remote: &Remote,
        reference: &Reference,
        sha: &str,
        id: Uuid,
    ) -> (Vec<String>, Result<Checkout, SourceError>) {
        let sha = Sha::parse(sha).unwrap();
        let mut work = self.git.checkout(remote, reference, &sha, id);
        let mut lines = Vec::new();
        let mut result = None;
        while let Some(progress) = work.next().await {
            assert!(result.is_none(), "something follows the result");
            match progress {
                Ok(Progress::Line(_, text)) => lines.push(text),
                Ok(Progress::Done(checkout)) => result = Some(Ok(checkout)),
                Err(error) => result = Some(Err(error)),
            }
        }
        (lines, result.expect("the work ends with a result"))
    }
}

/// PATH and the like, as the daemon hands them over.
fn environment() -> impl Iterator<Item = (OsString, OsString)> {
    std::env::vars_os()
}

fn branch() -> Reference {
    Reference::parse("main", false).unwrap()
}

fn tag(name: &str) -> Reference {
    Reference::parse(name, true).unwrap()
}

fn remote(url: impl Into<String>) -> Remote {
    Remote {
        project: "acme/web".to_owned(),
        url: url.into(),
        credentials: None,
    }
}

fn with_token(url: String, token: &str) -> Remote {
    Remote {
        credentials: Some(RemoteCredentials::Token(Secret::new(token))),
        ..remote(url)
    }
}

fn with_key(url: String, key: Secret) -> Remote {
    Remote {
        credentials: Some(RemoteCredentials::SshKey(key)),
        ..remote(url)
    }
}

fn read(checkout: &Checkout, path: &str) -> String {
    std::fs::read_to_string(checkout.tree.join(path)).unwrap()
}

/// Every file below a directory that holds the text.
fn files_with(dir: &Path, text: &str) -> Vec<PathBuf> {
    walkdir::WalkDir::new(dir)
        .into_iter()
        .map(Result::unwrap)
        .filter(|entry| entry.file_type().is_file())
        .filter(|entry| {
            let content = std::fs::read(entry.path()).unwrap();
            content.windows(text.len()).any(|at| at == text.as_bytes())
        })
        .map(walkdir::DirEntry::into_path)
        .collect()
}

/// The processes one of whose `/proc` files holds the text.
fn processes_with(files: &[&str], text: &str) -> Vec<String> {
    let ours = std::process::id().to_string();
    let processes = std::fs::read_dir("/proc").unwrap().filter_map(|entry| {
        let name = entry.ok()?.file_name().into_string().ok()?;
        (name.bytes().all(|b| b.is_ascii_digit()) && name != ours).then_some(name)
    });
    processes
        .filter(|process| {
            files.iter().any(|file| {
                // It may have ended meanwhile.
                let content = std::fs::read(format!("/proc/{process}/{file}")).unwrap_or_default();
                content.windows(text.len()).any(|at| at == text.as_bytes())
            })
        })
        .collect()
}

/// Returns when the condition holds; fails after longer than any machine needs.
async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let waited = tokio::time::timeout(Duration::from_secs(20), async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    waited.await.unwrap_or_else(|_| panic!("not yet: {what}"));
}
