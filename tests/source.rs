//! Git as a source: real repositories over real transports.
#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on says so by panicking"
)]

#[path = "support/ssh_server.rs"]
mod ssh_server;
mod support;

use futures_util::{FutureExt, StreamExt};
use longshore::core::name::{Branch, Sha};
use longshore::core::ports::{
    Checkout, Progress, Remote, RemoteCredentials, Revision, Source, SourceError,
};
use longshore::core::secret::Secret;
use longshore::source::Git;
use ssh_server::SshServer;
use std::ffi::OsString;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;
use support::git_server::{Behaviour, GitServer, Repository};
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
        let revision = Revision {
            branch: Branch::parse(branch).unwrap(),
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
        let (branch, sha) = (branch(), Sha::parse(sha).unwrap());
        let mut work = self.git.checkout(remote, &branch, &sha, id);
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

fn branch() -> Branch {
    Branch::parse("main").unwrap()
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

// ---------------------------------------------------------------------------------------------------------------
// Resolving.

#[tokio::test(flavor = "multi_thread")]
async fn the_head_of_a_branch_is_found_over_every_transport() {
    let scene = Scene::new();
    let repository = scene.repository("web.git");
    repository.commit("main", &[("f", "1")], "one");
    let head = repository.commit("main", &[("f", "2")], "two");
    let http = GitServer::start(&scene.repositories(), Some(TOKEN)).await;
    let ssh = SshServer::start(&scene.dir.path().join("sshd"));
    for remote in [
        with_token(http.url("web.git"), TOKEN),
        with_key(ssh.url(repository.path()), ssh.key()),
        remote(repository.path().to_str().unwrap()),
        remote(format!("file://{}", repository.path().display())),
    ] {
        assert_eq!(scene.resolve(&remote, None).await, Ok(head.clone()));
        let checkout = scene.checkout(&remote, &head).await.unwrap();
        assert_eq!(read(&checkout, "f"), "2", "{}", remote.url);
        scene.git.discard(ID).await.unwrap();
        std::fs::remove_dir_all(scene.mirror()).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tag_or_another_ref_that_ends_alike_is_not_the_branch() {
    let scene = Scene::new();
    let repository = scene.repository("web.git");
    let old = repository.commit("main", &[("f", "1")], "one");
    let new = repository.commit("main", &[("f", "2")], "two");
    for other in [
        "refs/tags/main",
        "refs/a/refs/heads/main",
        "refs/heads/refs/heads/main",
    ] {
        repository.git(&["update-ref", other, &old], "");
    }
    repository.git(&["update-ref", "refs/tags/only-a-tag", &old], "");
    let http = GitServer::start(&scene.repositories(), None).await;
    for url in [http.url("web.git"), repository.path().display().to_string()] {
        let remote = remote(url);
        assert_eq!(scene.resolve(&remote, None).await, Ok(new.clone()));
        assert_eq!(
            scene.resolve_on(&remote, "only-a-tag", None).await,
            Err(SourceError::NoSuchBranch("only-a-tag".into()))
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_is_found_by_its_first_digits_if_it_is_on_the_branch() {
    let scene = Scene::new();
    let repository = scene.repository("web.git");
    let first = repository.commit("main", &[("f", "1")], "one");
    let head = repository.commit("main", &[("f", "2")], "two");
    let blob = repository.git(&["rev-parse", "main:f"], "");
    repository.git(&["update-ref", "refs/heads/other", &first], "");
    let elsewhere = repository.commit("other", &[("g", "3")], "three");
    let http = GitServer::start(&scene.repositories(), Some(TOKEN)).await;
    let remote = with_token(http.url("web.git"), TOKEN);
    for found in [&first[..], &first[..7], &head[..], &head[..12]] {
        let whole = if first.starts_with(found) {
            &first
        } else {
            &head
        };
        assert_eq!(
            scene.resolve(&remote, Some(found)).await.as_ref(),
            Ok(whole)
        );
    }
    for digits in [&elsewhere[..], &elsewhere[..8]] {
        assert_eq!(
            scene.resolve(&remote, Some(digits)).await,
            Err(SourceError::NotOnBranch {
                commit: digits.to_owned(),
                branch: "main".to_owned()
            })
        );
    }
    let nonsense = ["1111111", &"1".repeat(40), &blob, &blob[..9]];
    let options = [
        "--all",
        "-h",
        "HEAD",
        "",
        "main",
        "123456",
        &"a".repeat(41),
        "ABCDEF12",
    ];
    for digits in nonsense.into_iter().chain(options) {
        assert_eq!(
            scene.resolve(&remote, Some(digits)).await,
            Err(SourceError::NoSuchCommit(digits.to_owned()))
        );
    }
}

/// Two commits whose ids begin with the same seven digits, both reachable from `main`.
fn ambiguous_commits(repository: &Repository) -> String {
    let tree = repository.git(&["hash-object", "-t", "tree", "-w", "--stdin"], "");
    let text = |n: u32| {
        let who = "A <a@example.com> 1741948320 +0000";
        format!("tree {tree}\nauthor {who}\ncommitter {who}\n\n{n}\n")
    };
    let mut seen = std::collections::HashMap::new();
    let (one, two) = (0..)
        .find_map(|n| {
            let body = text(n);
            let object = format!("commit {}\0{body}", body.len());
            let id =
                ring::digest::digest(&ring::digest::SHA1_FOR_LEGACY_USE_ONLY, object.as_bytes());
            let id = id.as_ref();
            let digits = [id[0], id[1], id[2], id[3] >> 4];
            seen.insert(digits, n).map(|before| (before, n))
        })
        .unwrap();
    let write = |n| repository.git(&["hash-object", "-t", "commit", "-w", "--stdin"], &text(n));
    let (one, two) = (write(one), write(two));
    assert_eq!(one[..7], two[..7]);
    assert_ne!(one, two);
    let merge = ["commit-tree", &tree, "-p", &one, "-p", &two, "-m", "both"];
    let merge = repository.git(&merge, "");
    repository.git(&["update-ref", "refs/heads/main", &merge], "");
    repository.git(&["update-ref", "refs/heads/one", &one], "");
    one
}

#[tokio::test(flavor = "multi_thread")]
async fn digits_that_two_commits_of_the_branch_share_are_ambiguous() {
    let scene = Scene::new();
    let repository = scene.repository("web.git");
    let one = ambiguous_commits(&repository);
    let remote = remote(repository.path().to_str().unwrap());
    assert_eq!(
        scene.resolve(&remote, Some(&one[..7])).await,
        Err(SourceError::AmbiguousCommit(one[..7].to_owned()))
    );
    assert_eq!(scene.resolve(&remote, Some(&one)).await, Ok(one.clone()));
    // On this branch there is only one of them, although the mirror knows both.
    let found = scene.resolve_on(&remote, "one", Some(&one[..7])).await;
    assert_eq!(found, Ok(one));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_branch_that_is_missing_is_named_also_in_an_empty_repository() {
    let scene = Scene::new();
    let empty = remote(scene.repository("empty.git").path().to_str().unwrap());
    let repository = scene.repository("web.git");
    repository.commit("main", &[("f", "1")], "one");
    let http = GitServer::start(&scene.repositories(), None).await;
    for (remote, branch) in [
        (&empty, "main"),
        (&remote(http.url("empty.git")), "main"),
        (&remote(http.url("web.git")), "mai"),
        (&remote(http.url("web.git")), "heads/main"),
        (&remote(repository.path().to_str().unwrap()), "nope"),
    ] {
        for commit in [None, Some("1234567")] {
            assert_eq!(
                scene.resolve_on(remote, branch, commit).await,
                Err(SourceError::NoSuchBranch(branch.to_owned()))
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_remote_that_refuses_is_told_from_one_that_does_not_answer() {
    let scene = Scene::new();
    scene
        .repository("web.git")
        .commit("main", &[("f", "1")], "one");
    let http = GitServer::start(&scene.repositories(), Some(TOKEN)).await;
    for refused in [
        remote(http.url("web.git")),
        with_token(http.url("web.git"), "wrong-token"),
        with_token(http.url("no-such.git"), TOKEN),
    ] {
        let error = scene.resolve(&refused, None).await.unwrap_err();
        assert!(matches!(error, SourceError::AccessDenied(_)), "{error}");
        let error = scene.checkout(&refused, &"1".repeat(40)).await.unwrap_err();
        assert!(matches!(error, SourceError::AccessDenied(_)), "{error}");
        assert!(!error.to_string().contains("token"), "{error}");
    }
    http.behave(Behaviour::Status(403));
    let remote_ = with_token(http.url("web.git"), TOKEN);
    let error = scene.resolve(&remote_, None).await.unwrap_err();
    assert!(matches!(error, SourceError::AccessDenied(_)), "{error}");

    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = closed.local_addr().unwrap().port();
    drop(closed);
    http.behave(Behaviour::Status(502));
    for url in [
        http.url("web.git"),
        format!("http://127.0.0.1:{port}/web.git"),
        format!("ssh://git@127.0.0.1:{port}/web.git"),
        format!("git://127.0.0.1:{port}/web.git"),
        "http://no-such-host.invalid/web.git".to_owned(),
        "git@no-such-host.invalid:acme/web.git".to_owned(),
    ] {
        let error = scene.resolve(&remote(url), None).await.unwrap_err();
        assert!(matches!(error, SourceError::Unreachable(_)), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_remote_that_is_silent_for_too_long_is_unreachable() {
    let scene = Scene::new();
    let http = GitServer::start(&scene.repositories(), None).await;
    http.behave(Behaviour::Hold);
    let git = Git::new(&scene.data()).with_resolve_limit(Duration::from_millis(300));
    let revision = Revision {
        branch: branch(),
        commit: None,
    };
    let error = git.resolve(&remote(http.url("web.git")), &revision).await;
    assert_eq!(
        error,
        Err(SourceError::Unreachable("it took longer than 300ms".into()))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn addresses_that_run_programs_and_a_missing_git_are_refused_in_words() {
    let scene = Scene::new();
    let touched = scene.dir.path().join("touched");
    for url in [
        format!("ext::touch {}", touched.display()),
        format!("--upload-pack=touch {}", touched.display()),
        "fd::0".to_owned(),
        "ftp://127.0.0.1/x".to_owned(),
    ] {
        let error = scene.resolve(&remote(url), None).await.unwrap_err();
        assert!(matches!(error, SourceError::Failed(_)), "{error}");
    }
    assert!(!touched.exists());
    let nowhere = scene.repositories().join("no-such.git");
    let remote_ = remote(nowhere.to_str().unwrap());
    let error = scene.resolve(&remote_, None).await.unwrap_err();
    assert!(
        error.to_string().contains("does not appear to be a git"),
        "{error}"
    );

    let empty = scene.dir.path().as_os_str().to_owned();
    let git = Git::new(&scene.data()).with_environment([("PATH".into(), empty)]);
    let revision = Revision {
        branch: branch(),
        commit: None,
    };
    let error = git.resolve(&remote_, &revision).await.unwrap_err();
    assert!(error.to_string().contains("install git"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repository_with_sha256_ids_is_refused_in_words() {
    let scene = Scene::new();
    let repository = scene.repositories().join("new.git");
    std::fs::create_dir(&repository).unwrap();
    let within = scene.repository("outer.git");
    let path = repository.to_str().unwrap();
    within.git(
        &["init", "--quiet", "--bare", "--object-format=sha256", path],
        "",
    );
    let arguments = [
        "--git-dir",
        path,
        "hash-object",
        "-t",
        "tree",
        "-w",
        "--stdin",
    ];
    let tree = within.git(&arguments, "");
    let commit = within.git(&["--git-dir", path, "commit-tree", "-m", "one", &tree], "");
    within.git(
        &["--git-dir", path, "update-ref", "refs/heads/main", &commit],
        "",
    );
    let error = scene.resolve(&remote(path), None).await.unwrap_err();
    assert!(error.to_string().contains("SHA-256"), "{error}");
    let error = scene.checkout(&remote(path), &commit).await.unwrap_err();
    assert!(error.to_string().contains("SHA-256"), "{error}");
}

// ---------------------------------------------------------------------------------------------------------------
// Checking out.

#[tokio::test(flavor = "multi_thread")]
async fn a_tree_is_written_with_its_commit_and_without_a_git_directory() {
    let scene = Scene::new();
    let repository = scene.repository("web.git");
    let message = format!("Subject\u{1b}[31m\n\n{}", "ü".repeat(2000));
    let script = repository.git(&["hash-object", "-w", "--stdin"], "#!/bin/sh\n");
    let target = repository.git(&["hash-object", "-w", "--stdin"], "/etc/passwd");
    let sha = repository.commit_entries(
        "main",
        &[("100755", "bin/run", script), ("120000", "link", target)],
        &message,
    );
    let http = GitServer::start(&scene.repositories(), Some(TOKEN)).await;
    let remote = with_token(http.url("web.git"), TOKEN);
    let (lines, checkout) = scene.checkout_as(&remote, &sha, ID).await;
    let checkout = checkout.unwrap();
    assert_eq!(checkout.commit.author, "Ada Lovelace");
    assert_eq!(checkout.commit.author_email, "ada@example.com");
    assert_eq!(checkout.commit.message.chars().count(), 1000);
    assert!(checkout.commit.message.starts_with("Subject\n\nüü"));
    let first = format!("Fetching main of {}", http.url("web.git"));
    let last = format!("Checked out {} Subject", &sha[..12]);
    assert_eq!(lines, [first, last]);
    let mode = |path: &Path| path.symlink_metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&checkout.tree.join("bin/run")) & 0o100, 0o100);
    assert_eq!(
        std::fs::read_link(checkout.tree.join("link")).unwrap(),
        Path::new("/etc/passwd")
    );
    assert!(!checkout.tree.join(".git").exists());
    for dir in ["git", "work", "git/keys", "git/home", "git/acme%2Fweb.git"] {
        assert_eq!(mode(&scene.data().join(dir)), 0o700, "{dir}");
    }
    assert_eq!(mode(&checkout.tree), 0o700);
    assert_eq!(files_with(&scene.data(), TOKEN), Vec::<PathBuf>::new());
    scene.git.discard(ID).await.unwrap();
    scene.git.discard(ID).await.unwrap();
    let left = std::fs::read_dir(scene.data().join("work")).unwrap();
    assert_eq!(left.count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_whole_tree_is_kept_and_any_other_is_made_anew() {
    let scene = Scene::new();
    let repository = scene.repository("web.git");
    let sha = repository.commit("main", &[("f", "text")], "one");
    let other = repository.commit("main", &[("f", "other")], "two");
    let http = GitServer::start(&scene.repositories(), None).await;
    let remote = remote(http.url("web.git"));
    let made = scene.checkout(&remote, &sha).await.unwrap();
    std::fs::write(made.tree.join("trace"), "").unwrap();
    let requests = http.seen().len();
    let kept = scene.checkout(&remote, &sha).await.unwrap();
    assert_eq!(kept, made);
    assert!(kept.tree.join("trace").exists() && http.seen().len() == requests);

    let marker = scene.data().join(format!("work/{ID}.whole"));
    let proof = std::fs::read_to_string(&marker).unwrap();
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
    for broken in [
        String::new(),
        proof[..proof.len() / 2].to_owned(),
        proof.replace(&sha, &other),
        proof.replace(boot.trim(), "another boot"),
    ] {
        std::fs::write(made.tree.join("trace"), "").unwrap();
        std::fs::write(made.tree.join("f"), "half").unwrap();
        std::fs::write(&marker, broken).unwrap();
        let anew = scene.checkout(&remote, &sha).await.unwrap();
        assert!(!anew.tree.join("trace").exists());
        assert_eq!(read(&anew, "f"), "text");
    }
    // Another commit under the same id, a tree that is gone, a tree that is a way out.
    let anew = scene.checkout(&remote, &other).await.unwrap();
    assert_eq!(read(&anew, "f"), "other");
    std::fs::remove_dir_all(&anew.tree).unwrap();
    let anew = scene.checkout(&remote, &other).await.unwrap();
    assert_eq!(read(&anew, "f"), "other");
    let outside = scene.dir.path().join("outside");
    std::fs::rename(&anew.tree, &outside).unwrap();
    std::os::unix::fs::symlink(&outside, &anew.tree).unwrap();
    std::fs::write(outside.join("f"), "mine").unwrap();
    let anew = scene.checkout(&remote, &other).await.unwrap();
    assert_eq!(read(&anew, "f"), "other");
    assert_eq!(std::fs::read_to_string(outside.join("f")).unwrap(), "mine");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_that_was_pushed_away_after_it_was_resolved_is_still_checked_out() {
    let scene = Scene::new();
    let repository = scene.repository("web.git");
    let base = repository.commit("main", &[("f", "1")], "one");
    let resolved = repository.commit("main", &[("f", "2")], "two");
    repository.git(&["update-ref", "refs/heads/main", &base], "");
    let http = GitServer::start(&scene.repositories(), None).await;
    let remote = remote(http.url("web.git"));
    let (lines, checkout) = scene.checkout_as(&remote, &resolved, ID).await;
    assert_eq!(read(&checkout.unwrap(), "f"), "2");
    assert!(
        lines
            .iter()
            .any(|line| line.contains("not on main any more")),
        "{lines:?}"
    );

    let later = repository.commit("main", &[("f", "3")], "three");
    repository.git(&["update-ref", "-d", "refs/heads/main"], "");
    let checkout = scene.checkout(&remote, &later).await.unwrap();
    assert_eq!(read(&checkout, "f"), "3");
    let nowhere = "1".repeat(40);
    assert_eq!(
        scene.checkout(&remote, &nowhere).await,
        Err(SourceError::NoSuchBranch("main".into()))
    );
    repository.git(&["update-ref", "refs/heads/main", &base], "");
    assert_eq!(
        scene.checkout(&remote, &nowhere).await,
        Err(SourceError::NoSuchCommit(nowhere))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn branches_whose_names_exclude_each_other_share_a_mirror() {
    let scene = Scene::new();
    let repository = scene.repository("web.git");
    let first = repository.commit("a", &[("f", "1")], "one");
    let head = repository.commit("a", &[("f", "2")], "two");
    let remote = remote(repository.path().to_str().unwrap());
    let found = scene.resolve_on(&remote, "a", Some(&first[..9])).await;
    assert_eq!(found, Ok(first.clone()));
    repository.git(&["update-ref", "-d", "refs/heads/a"], "");
    repository.git(&["update-ref", "refs/heads/a/b", &head], "");
    let found = scene.resolve_on(&remote, "a/b", Some(&first[..9])).await;
    assert_eq!(found, Ok(first));
}

#[tokio::test(flavor = "multi_thread")]
async fn many_checkouts_of_one_project_take_turns_and_all_succeed() {
    let scene = Scene::new();
    let repository = scene.repository("web.git");
    let shas: Vec<String> = (0..6)
        .map(|n| repository.commit("main", &[("f", &n.to_string())], "more"))
        .collect();
    let http = GitServer::start(&scene.repositories(), None).await;
    let remote = remote(http.url("web.git"));
    // Each speaks while it works with the mirror; the order in which they spoke shows whether they took turns.
    let spoke = std::sync::Mutex::new(Vec::new());
    let checkouts = shas.iter().enumerate().map(|(n, sha)| {
        let (scene, remote, spoke) = (&scene, &remote, &spoke);
        async move {
            let (branch, parsed) = (branch(), Sha::parse(sha).unwrap());
            let id = Uuid::from_u128(n as u128);
            let mut work = scene.git.checkout(remote, &branch, &parsed, id);
            while let Some(progress) = work.next().await {
                match progress.unwrap() {
                    Progress::Line(_, text) => spoke.lock().unwrap().push((n, text)),
                    Progress::Done(checkout) => assert_eq!(read(&checkout, "f"), n.to_string()),
                }
            }
            let found = scene.resolve(remote, Some(&sha[..10])).await;
            assert_eq!(found.as_ref(), Ok(sha));
        }
    });
    futures_util::future::join_all(checkouts).await;
    let spoke = spoke.into_inner().unwrap();
    let mut turns: Vec<usize> = spoke.iter().map(|(n, _)| *n).collect();
    turns.dedup();
    assert_eq!(turns.len(), shas.len(), "{spoke:?}");
    assert!(
        !spoke.iter().any(|(_, text)| text.contains("damaged")),
        "{spoke:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mirror_that_a_crash_damaged_is_mended_or_made_anew() {
    let scene = Scene::new();
    let repository = scene.repository("web.git");
    let first = repository.commit("main", &[("f", "1")], "one");
    let remote = remote(repository.path().to_str().unwrap());
    scene.checkout(&remote, &first).await.unwrap();
    let mirror = scene.mirror();
    let branch_ref = || {
        let refs = mirror.join("refs/longshore/branch");
        let mut refs = std::fs::read_dir(refs).unwrap().map(|e| e.unwrap().path());
        refs.find(|path| path.extension().is_none()).unwrap()
    };
    let damages: [(&str, &dyn Fn()); 6] = [
        ("locks", &|| {
            for lock in [
                "HEAD.lock",
                "config.lock",
                "packed-refs.lock",
                "shallow.lock",
            ] {
                std::fs::write(mirror.join(lock), "").unwrap();
            }
            std::fs::write(branch_ref().with_extension("lock"), "").unwrap();
            std::fs::write(mirror.join("objects/pack/tmp_pack_x"), "half").unwrap();
        }),
        ("no HEAD", &|| {
            std::fs::remove_file(mirror.join("HEAD")).unwrap();
        }),
        ("an empty object", &|| {
            for object in walkdir::WalkDir::new(mirror.join("objects")) {
                let object = object.unwrap();
                if object.file_type().is_file() {
                    std::fs::remove_file(object.path()).unwrap();
                    std::fs::write(object.path(), "").unwrap();
                }
            }
        }),
        ("no objects", &|| {
            std::fs::remove_dir_all(mirror.join("objects")).unwrap();
            std::fs::create_dir(mirror.join("objects")).unwrap();
        }),
        ("an empty ref", &|| {
            std::fs::write(branch_ref(), "").unwrap()
        }),
        ("an empty directory", &|| {
            std::fs::remove_dir_all(&mirror).unwrap();
            std::fs::create_dir(&mirror).unwrap();
        }),
    ];
    for (n, (damage, inflict)) in damages.into_iter().enumerate() {
        inflict();
        let text = format!("after {damage}");
        let sha = repository.commit("main", &[("f", &text)], &text);
        let found = if n % 2 == 0 {
            let checkout = scene.checkout(&remote, &sha).await;
            read(
                &checkout.unwrap_or_else(|error| panic!("{damage}: {error}")),
                "f",
            )
        } else {
            let found = scene.resolve(&remote, Some(&first[..12])).await;
            assert_eq!(found.as_ref(), Ok(&first), "{damage}");
            read(&scene.checkout(&remote, &sha).await.unwrap(), "f")
        };
        assert_eq!(found, text);
    }
    assert!(!mirror.join("objects/pack/tmp_pack_x").exists());
    let left = std::fs::read_dir(scene.data().join("git")).unwrap();
    assert_eq!(left.count(), 3, "home, keys and the mirror");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_remote_without_its_history_can_be_deployed() {
    let scene = Scene::new();
    let repository = scene.repository("web.git");
    repository.commit("main", &[("f", "1")], "one");
    let middle = repository.commit("main", &[("f", "2")], "two");
    let head = repository.commit("main", &[("f", "3")], "three");
    let shallow = scene.repositories().join("shallow.git");
    let origin = format!("file://{}", repository.path().display());
    let path = shallow.to_str().unwrap();
    repository.git(
        &["clone", "--quiet", "--bare", "--depth=1", &origin, path],
        "",
    );
    let remote = remote(path);
    let checkout = scene.checkout(&remote, &head).await.unwrap();
    assert_eq!(read(&checkout, "f"), "3");
    let found = scene.resolve(&remote, Some(&middle[..9])).await;
    assert_eq!(found, Err(SourceError::NoSuchCommit(middle[..9].into())));
    repository.git(
        &[
            "--git-dir",
            path,
            "fetch",
            "--quiet",
            "--unshallow",
            &origin,
        ],
        "",
    );
    let found = scene.resolve(&remote, Some(&middle[..9])).await;
    assert_eq!(found, Ok(middle));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repository_on_this_host_may_belong_to_another_user() {
    let scene = Scene::new();
    let repository = scene.repository("web.git");
    let sha = repository.commit("main", &[("f", "1")], "one");
    for entry in walkdir::WalkDir::new(repository.path()) {
        std::os::unix::fs::lchown(entry.unwrap().path(), Some(65534), None)
            .expect("giving a repository to another user needs root: run this test as root");
    }
    for url in [
        repository.path().display().to_string(),
        format!("file://{}", repository.path().display()),
    ] {
        let remote = remote(url);
        assert_eq!(scene.resolve(&remote, None).await, Ok(sha.clone()));
        scene.checkout(&remote, &sha).await.unwrap();
        scene.git.discard(ID).await.unwrap();
        std::fs::remove_dir_all(scene.mirror()).unwrap();
    }
}

// ---------------------------------------------------------------------------------------------------------------
// Submodules.

fn commit_with_module(repository: &Repository, path: &str, url: &str, sha: &str) -> String {
    let text = format!("[submodule \"{path}\"]\n\tpath = {path}\n\turl = {url}\n");
    let modules = repository.git(&["hash-object", "-w", "--stdin"], &text);
    let entries = [
        ("100644", ".gitmodules", modules),
        ("160000", path, sha.to_owned()),
    ];
    repository.commit_entries("main", &entries, "with a submodule")
}

#[tokio::test(flavor = "multi_thread")]
async fn submodules_come_from_their_own_remotes_and_only_ours_sees_the_token() {
    let scene = Scene::new();
    let elsewhere = scene.dir.path().join("elsewhere");
    let foreign = Repository::create(elsewhere.join("foreign.git"));
    let foreign_sha = foreign.commit("trunk", &[("far", "away")], "foreign");
    let ours = GitServer::start(&scene.repositories(), Some(TOKEN)).await;
    let theirs = GitServer::start(&elsewhere, None).await;

    let inner = scene.repository("lib.git");
    let url = theirs.url("foreign.git");
    commit_with_module(&inner, "deep/er", &url, &foreign_sha);
    // The super-project names a commit that no branch has any more.
    let inner_sha = inner.commit("main", &[("near", "by")], "inner");
    inner.git(
        &["update-ref", "refs/heads/main", &format!("{inner_sha}~1")],
        "",
    );
    let outer = scene.repository("web.git");
    let sha = commit_with_module(&outer, "libs/lib", "../lib.git", &inner_sha);

    let remote = with_token(ours.url("web.git"), TOKEN);
    let (lines, checkout) = scene.checkout_as(&remote, &sha, ID).await;
    let checkout = checkout.unwrap_or_else(|error| panic!("{error}: {lines:?}"));
    assert_eq!(read(&checkout, "libs/lib/near"), "by");
    assert_eq!(read(&checkout, "libs/lib/deep/er/far"), "away");
    assert!(
        lines
            .iter()
            .any(|line| line.contains("submodule libs/lib/deep/er of"))
    );
    let git_files = walkdir::WalkDir::new(&checkout.tree).into_iter();
    assert!(
        git_files
            .map(Result::unwrap)
            .all(|entry| entry.file_name() != ".git")
    );
    assert!(ours.seen().iter().any(|seen| seen.authorization.is_some()));
    assert!(!theirs.seen().is_empty());
    assert!(
        theirs
            .seen()
            .iter()
            .all(|seen| seen.authorization.is_none())
    );
    assert_eq!(files_with(&scene.data(), TOKEN), Vec::<PathBuf>::new());

    // A second time everything is here already.
    let requests = (ours.seen().len(), theirs.seen().len());
    scene.git.discard(ID).await.unwrap();
    scene.checkout(&remote, &sha).await.unwrap();
    assert_eq!((ours.seen().len(), theirs.seen().len()), requests);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_foreign_remote_that_asks_for_a_password_does_not_get_ours() {
    let scene = Scene::new();
    let repository = scene.repository("web.git");
    let sha = repository.commit("main", &[("f", "1")], "one");
    let ours = GitServer::start(&scene.repositories(), Some(TOKEN)).await;
    let theirs = GitServer::start(&scene.repositories(), Some("something else")).await;
    let base = theirs.url("");
    ours.behave(Behaviour::Redirect(base.trim_end_matches('/').to_owned()));
    let remote_ = with_token(ours.url("web.git"), TOKEN);
    let error = scene.resolve(&remote_, None).await.unwrap_err();
    assert!(matches!(error, SourceError::AccessDenied(_)), "{error}");
    ours.behave(Behaviour::Serve);

    let outer = scene.repository("outer.git");
    let outer_sha = commit_with_module(&outer, "m", &theirs.url("web.git"), &sha);
    let remote_ = with_token(ours.url("outer.git"), TOKEN);
    let error = scene.checkout(&remote_, &outer_sha).await.unwrap_err();
    assert!(matches!(error, SourceError::AccessDenied(_)), "{error}");
    assert!(error.to_string().contains("submodule 'm'"), "{error}");
    assert!(!theirs.seen().is_empty());
    assert!(
        theirs
            .seen()
            .iter()
            .all(|seen| seen.authorization.is_none())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_submodules_run_nothing_and_read_nothing_of_this_host() {
    let scene = Scene::new();
    let secret = Repository::create(scene.dir.path().join("secret.git"));
    let secret_sha = secret.commit("main", &[("secret", "1")], "secret");
    let touched = scene.dir.path().join("touched");
    let http = GitServer::start(&scene.repositories(), None).await;
    let outer = scene.repository("web.git");
    for (n, url) in [
        format!("ext::sh -c touch% {}", touched.display()),
        format!("\"!touch {}\"", touched.display()),
        format!("--upload-pack=touch {}", touched.display()),
        format!("file://{}", secret.path().display()),
        secret.path().display().to_string(),
        "../../../../../secret.git".to_owned(),
        format!("ssh://-oProxyCommand=touch {}/x", touched.display()),
        "http://user:password@127.0.0.1/x".to_owned(),
    ]
    .into_iter()
    .enumerate()
    {
        let sha = commit_with_module(&outer, "m", &url, &secret_sha);
        let id = Uuid::from_u128(n as u128);
        let error = scene
            .checkout_as(&remote(http.url("web.git")), &sha, id)
            .await
            .1;
        let error = error.unwrap_err();
        assert!(matches!(error, SourceError::Failed(_)), "{url}: {error}");
        assert!(!error.to_string().contains("password@"), "{error}");
    }
    // From a remote on this host git itself would allow its neighbours to the user, and does not to a submodule.
    let sha = commit_with_module(&outer, "m", "../../secret.git", &secret_sha);
    let local = remote(outer.path().to_str().unwrap());
    let error = scene.checkout(&local, &sha).await.unwrap_err();
    assert!(
        error.to_string().contains("submodule may not read"),
        "{error}"
    );
    assert!(!touched.exists());
    assert_eq!(
        files_with(&scene.data().join("work"), "secret=1"),
        Vec::<PathBuf>::new()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_gitmodules_gets_wrong_is_told_or_does_no_harm() {
    let scene = Scene::new();
    let inner = scene.repository("lib.git");
    let inner_sha = inner.commit("main", &[("f", "1")], "inner");
    let http = GitServer::start(&scene.repositories(), None).await;
    let remote = remote(http.url("web.git"));
    let outer = scene.repository("web.git");
    // A submodule nobody describes stays an empty directory, as in a clone.
    let entries = [("160000", "orphan", inner_sha.clone())];
    let sha = outer.commit_entries("main", &entries, "orphan");
    let checkout = scene.checkout(&remote, &sha).await.unwrap();
    assert_eq!(
        std::fs::read_dir(checkout.tree.join("orphan"))
            .unwrap()
            .count(),
        0
    );

    let nonsense = "[submodule \"a\"]\npath = ../../a\nurl = ../lib.git\n[submodule \"b\"]\npath = absent\n\
        url = ../lib.git\n[submodule \"c\"]\npath = orphan\nurl = ../lib.git\nupdate = none\n[submodule \"d\"]\n\
        path = --all\n[include]\npath = /etc/passwd\n";
    let sha = outer.commit("main", &[(".gitmodules", nonsense)], "nonsense");
    let checkout = scene.checkout(&remote, &sha).await.unwrap();
    assert_eq!(
        std::fs::read_dir(checkout.tree.join("orphan"))
            .unwrap()
            .count(),
        0
    );

    let sha = outer.commit("main", &[(".gitmodules", "[[[")], "broken");
    let error = scene.checkout(&remote, &sha).await.unwrap_err();
    assert!(
        error.to_string().contains("not a valid git config"),
        "{error}"
    );

    let sha = commit_with_module(&outer, "orphan", "../lib.git", &"1".repeat(40));
    let error = scene.checkout(&remote, &sha).await.unwrap_err();
    assert!(error.to_string().contains("submodule 'orphan'"), "{error}");
    assert!(error.to_string().contains(&"1".repeat(40)), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tree_cannot_bring_a_git_directory_or_write_through_a_symlink() {
    let scene = Scene::new();
    let outside = scene.dir.path().join("outside");
    std::fs::create_dir(&outside).unwrap();
    let repository = scene.repository("web.git");
    repository.commit("main", &[("f", "1")], "one");
    let link = repository.git(&["hash-object", "-w", "--stdin"], outside.to_str().unwrap());
    let file = repository.git(&["hash-object", "-w", "--stdin"], "[core]\n");
    let inner = repository.git(&["mktree"], &format!("100644 blob {file}\tconfig\n"));
    // A link and a directory of one name; git's own checks do not let such trees be made otherwise.
    let twice = format!("120000 blob {link}\ta\n040000 tree {inner}\ta\n");
    let below = format!("120000 blob {link}\ta\n100644 blob {file}\ta/config\n");
    for entries in [
        format!("120000 blob {link}\t.git\n"),
        format!("040000 tree {inner}\t.git\n"),
        format!("040000 tree {inner}\t.GIT\n"),
        format!("040000 tree {inner}\t..\n"),
        format!("120000 blob {link}\t.gitmodules\n"),
        twice,
        below,
    ] {
        let raw = raw_tree(&entries);
        let path = scene.dir.path().join("tree");
        std::fs::write(&path, raw).unwrap();
        let write = [
            "hash-object",
            "-t",
            "tree",
            "-w",
            "--literally",
            path.to_str().unwrap(),
        ];
        let tree = repository.git(&write, "");
        let commit = repository.git(&["commit-tree", "-m", "hostile", &tree], "");
        repository.git(&["update-ref", "refs/heads/main", &commit], "");
        let remote = remote(repository.path().to_str().unwrap());
        let result = scene.checkout(&remote, &commit).await;
        assert!(
            std::fs::read_dir(&outside).unwrap().next().is_none(),
            "{entries}"
        );
        if let Ok(checkout) = result {
            let names = walkdir::WalkDir::new(&checkout.tree)
                .into_iter()
                .map(Result::unwrap);
            let mut names = names.map(|entry| entry.file_name().to_ascii_lowercase());
            assert!(names.all(|name| name != ".git"), "{entries}");
        }
    }
}

/// A tree object's bytes, written without git's checks.
fn raw_tree(entries: &str) -> Vec<u8> {
    let mut raw = Vec::new();
    for line in entries.lines() {
        let (about, name) = line.split_once('\t').unwrap();
        let mut about = about.split(' ');
        let mode = about.next().unwrap().trim_start_matches('0');
        let id = about.nth(1).unwrap();
        raw.extend(format!("{mode} {name}\0").as_bytes());
        raw.extend((0..20).map(|n| u8::from_str_radix(&id[2 * n..2 * n + 2], 16).unwrap()));
    }
    raw
}

// ---------------------------------------------------------------------------------------------------------------
// Nothing of others takes part, nothing of ours is left.

#[tokio::test(flavor = "multi_thread")]
async fn no_hook_runs_and_no_configuration_of_others_takes_part() {
    let scene = Scene::new();
    let repository = scene.repository("web.git");
    let first = repository.commit("main", &[("f", "1")], "one");
    // The data directory lies inside somebody's repository that rewrites addresses.
    let here = scene.dir.path();
    let outer = Repository::create(here.join(".git"));
    let rewrite = "url.http://127.0.0.1:1/.insteadOf";
    let base = scene.repositories();
    let base = base.to_str().unwrap();
    outer.git(&["config", rewrite, base], "");
    let here = here.to_str().unwrap();
    let rewriting = [
        ("GIT_CONFIG_COUNT", "1"),
        ("GIT_CONFIG_KEY_0", rewrite),
        ("GIT_CONFIG_VALUE_0", base),
        ("GIT_DIR", here),
        ("GIT_TRACE", "1"),
    ];
    let rewriting = rewriting.map(|(name, value)| (name.into(), value.into()));
    let git = Git::new(&scene.data())
        .with_environment(environment())
        .with_environment(rewriting);
    let scene = Scene { git, ..scene };
    let remote = remote(repository.path().to_str().unwrap());
    assert_eq!(scene.resolve(&remote, None).await, Ok(first.clone()));
    scene.checkout(&remote, &first).await.unwrap();

    let touched = scene.dir.path().join("touched");
    let hooks = scene.mirror().join("hooks");
    std::fs::create_dir(&hooks).unwrap();
    for hook in [
        "reference-transaction",
        "post-checkout",
        "post-index-change",
        "pre-auto-gc",
    ] {
        let script = format!("#!/bin/sh\ntouch {}\n", touched.display());
        std::fs::write(hooks.join(hook), script).unwrap();
        std::fs::set_permissions(hooks.join(hook), std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    let sha = repository.commit("main", &[("f", "2")], "two");
    scene.checkout(&remote, &sha).await.unwrap();
    assert!(!touched.exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_checkout_ends_every_process_of_it_and_shows_the_token_to_nobody() {
    let scene = Scene::new();
    let repository = scene.repository("web.git");
    let sha = repository.commit("main", &[("f", "1")], "one");
    let http = GitServer::start(&scene.repositories(), Some(TOKEN)).await;
    http.behave(Behaviour::Hold);
    let remote = with_token(http.url("web.git"), TOKEN);
    let (branch, parsed) = (branch(), Sha::parse(&sha).unwrap());
    let mirror = scene.mirror();
    let mirror = mirror.to_str().unwrap();
    let mut work = scene.git.checkout(&remote, &branch, &parsed, ID);
    let first = work.next().await.unwrap().unwrap();
    assert!(matches!(first, Progress::Line(..)));
    tokio::select! {
        _ = work.next() => panic!("it cannot end while the server holds"),
        () = http.arrived(1) => {}
    }
    let running = processes_with(&["cmdline", "environ"], mirror);
    assert!(running.len() >= 2, "git and its transport: {running:?}");
    assert!(!processes_with(&["environ"], "LONGSHORE_GIT_CREDENTIAL").is_empty());
    assert_eq!(processes_with(&["cmdline"], TOKEN), Vec::<String>::new());
    assert_eq!(files_with(&scene.data(), TOKEN), Vec::<PathBuf>::new());
    drop(work);
    until("git has ended", || {
        processes_with(&["cmdline", "environ"], mirror).is_empty()
    })
    .await;
    http.behave(Behaviour::Serve);
    let checkout = scene.checkout(&remote, &sha).await.unwrap();
    assert_eq!(read(&checkout, "f"), "1");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_token_is_in_no_argument_of_any_process_while_it_is_used() {
    let scene = Scene::new();
    let repository = scene.repository("web.git");
    let sha = repository.commit("main", &[("f", "1")], "one");
    let http = GitServer::start(&scene.repositories(), Some(TOKEN)).await;
    let remote = with_token(http.url("web.git"), TOKEN);
    let mut seen = Vec::new();
    for n in 0..10 {
        let id = Uuid::from_u128(n);
        let work = scene
            .checkout_as(&remote, &sha, id)
            .map(|(_, result)| result.unwrap());
        tokio::pin!(work);
        loop {
            seen.extend(processes_with(&["cmdline"], TOKEN));
            // Between two looks the work gets as far as it can without waiting.
            if (&mut work).now_or_never().is_some() {
                break;
            }
            tokio::task::yield_now().await;
        }
        std::fs::remove_dir_all(scene.mirror()).unwrap();
    }
    assert_eq!(seen, Vec::<String>::new());
}

// ---------------------------------------------------------------------------------------------------------------
// ssh.

#[tokio::test(flavor = "multi_thread")]
async fn an_ssh_key_lives_in_a_private_file_only_as_long_as_the_call() {
    let scene = Scene::with_data("it's 100% \"data\"");
    let data = scene.dir.path().join("it's 100% \"data\"");
    let repository = scene.repository("web.git");
    let sha = repository.commit("main", &[("f", "1")], "one");
    let ssh = SshServer::start(&scene.dir.path().join("sshd"));
    let remote_ = with_key(ssh.url(repository.path()), ssh.key());
    std::fs::create_dir_all(data.join("git/keys/0-0")).unwrap();
    std::fs::write(
        data.join("git/keys/0-0/key"),
        "of a process that was killed",
    )
    .unwrap();

    let (branch, parsed) = (branch(), Sha::parse(&sha).unwrap());
    let mut work = scene.git.checkout(&remote_, &branch, &parsed, ID);
    work.next().await.unwrap().unwrap();
    let keys = std::fs::read_dir(data.join("git/keys")).unwrap();
    let keys: Vec<PathBuf> = keys.map(|entry| entry.unwrap().path()).collect();
    assert_eq!(keys.len(), 1);
    let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&keys[0]), mode(&keys[0].join("key"))), (0o700, 0o600));
    drop(work);
    let left = || std::fs::read_dir(data.join("git/keys")).unwrap().count();
    assert_eq!(left(), 0);
    let checkout = scene.checkout(&remote_, &sha).await.unwrap();
    assert_eq!((read(&checkout, "f").as_str(), left()), ("1", 0));
    let line = ssh.key();
    let line = line.expose().lines().nth(1).unwrap();
    assert_eq!(files_with(&data, line), Vec::<PathBuf>::new());
    let known = std::fs::read_to_string(data.join("known_hosts")).unwrap();
    assert!(known.starts_with("[127.0.0.1]:"), "{known}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_strange_key_or_none_is_refused_and_a_changed_host_is_told() {
    let scene = Scene::new();
    let repository = scene.repository("web.git");
    repository.commit("main", &[("f", "1")], "one");
    let mut ssh = SshServer::start(&scene.dir.path().join("sshd"));
    let url = ssh.url(repository.path());
    for refused in [
        remote(url.clone()),
        with_key(url.clone(), ssh.strange_key()),
        with_key(url.clone(), Secret::new("no key at all")),
        with_token(url.clone(), TOKEN),
    ] {
        let error = scene.resolve(&refused, None).await.unwrap_err();
        assert!(matches!(error, SourceError::AccessDenied(_)), "{error}");
    }
    let remote_ = with_key(url, ssh.key());
    scene.resolve(&remote_, None).await.unwrap();
    ssh.change_host_key();
    let error = scene.resolve(&remote_, None).await.unwrap_err();
    assert!(matches!(error, SourceError::Failed(_)), "{error}");
    assert!(error.to_string().contains("known_hosts"), "{error}");
}
