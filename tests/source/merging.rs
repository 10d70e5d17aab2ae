//! Merging one branch into another and pushing it: both or neither, whatever gets in between.

use super::*;
use longshore::core::name::{Branch, RefName};
use longshore::core::ports::{Located, Merge, MergeRequest};
use std::process::{Command, Stdio};

/// `topic` and `main` from one commit, each a commit further; the last one of `topic` and of `main`.
fn diverged(repository: &Repository) -> (String, String) {
    let base = repository.commit("main", &[("f", "1\n2\n3\n"), ("kept", "k")], "base");
    repository.git(&["update-ref", "refs/heads/topic", &base], "");
    let topic = repository.commit("topic", &[("f", "one\n2\n3\n"), ("t", "t")], "topic");
    let main = repository.commit("main", &[("f", "1\n2\nthree\n"), ("m", "m")], "main");
    repository.git(&["config", "http.receivepack", "true"], "");
    repository.git(&["config", "daemon.receivepack", "true"], "");
    (topic, main)
}

/// The same, and the two do not go together.
fn at_odds(repository: &Repository) -> (String, String) {
    let (_, main) = diverged(repository);
    let topic = repository.commit("topic", &[("f", "1\n2\nTHREE\n")], "topic too");
    (topic, main)
}

fn head(repository: &Repository, branch: &str) -> String {
    repository.git(&["rev-parse", &format!("refs/heads/{branch}")], "")
}

async fn located(scene: &Scene, remote: &Remote, name: &str) -> Located {
    let name = RefName::parse(name).unwrap();
    scene.git.locate(remote, &name).await.unwrap()
}

fn request(into: Located) -> MergeRequest {
    MergeRequest {
        into,
        from: Branch::parse("main").unwrap(),
        author: "release bot".to_owned(),
        email: "release-bot@longshore.invalid".to_owned(),
        at: Timestamp::parse("2025-05-06T07:08:09Z").unwrap(),
    }
}

/// Locates the name and merges `main` into it.
async fn merge(scene: &Scene, remote: &Remote, name: &str) -> Result<Merge, SourceError> {
    let into = located(scene, remote, name).await;
    scene.git.merge(remote, &request(into)).await
}

#[track_caller]
fn merged(merge: Result<Merge, SourceError>) -> String {
    match merge {
        Ok(Merge::Merged(sha)) => sha.into(),
        other => panic!("not merged: {other:?}"),
    }
}

#[track_caller]
fn refused(merge: Result<Merge, SourceError>) -> String {
    match merge {
        Ok(Merge::NotPermitted(why)) => why,
        other => panic!("not refused: {other:?}"),
    }
}

fn up_to_date(name: &str, sha: &str) -> Result<Merge, SourceError> {
    Ok(Merge::UpToDate(Located {
        reference: Reference::parse_full(name).unwrap(),
        sha: Sha::parse(sha).unwrap(),
    }))
}

fn parents(repository: &Repository, commit: &str) -> Vec<String> {
    let text = repository.git(&["log", "-1", "--format=%P", commit], "");
    text.split_whitespace().map(str::to_owned).collect()
}

/// How many merges lead to the branch.
fn merges(repository: &Repository, branch: &str) -> usize {
    let all = repository.git(
        &["rev-list", "--merges", &format!("refs/heads/{branch}")],
        "",
    );
    all.lines().count()
}

/// Nothing of a merge is in the mirror: no object that no fetched ref leads to, and no place where one was made.
#[track_caller]
fn nothing_is_left(scene: &Scene) {
    assert!(!scene.mirror().join("merging").exists());
    let mirror = scene.mirror();
    let dir = mirror.to_str().unwrap();
    let outside = scene.repository("asks.git");
    let loose = outside.git(
        &["--git-dir", dir, "fsck", "--unreachable", "--no-reflogs"],
        "",
    );
    assert_eq!(loose, "");
    std::fs::remove_dir_all(outside.path()).unwrap();
}

/// A program of this text that the remote runs when somebody pushes.
fn hook(repository: &Repository, name: &str, text: &str) {
    script(&repository.path().join("hooks").join(name), text);
}

fn script(path: &Path, text: &str) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, format!("#!/bin/sh\n{text}\n")).unwrap();
    std::fs::set_permissions(path, PermissionsExt::from_mode(0o755)).unwrap();
}

#[expect(
    clippy::disallowed_methods,
    reason = "the git that a stand-in passes its calls on to"
)]
fn real_git() -> String {
    let found = Command::new("sh")
        .args(["-c", "command -v git"])
        .stderr(Stdio::null())
        .output()
        .unwrap();
    String::from_utf8(found.stdout).unwrap().trim().to_owned()
}

/// A git that runs this text before it passes the call on to the real one, which is `$GIT`.
fn stand_in(scene: &mut Scene, text: &str) {
    let dir = scene.dir.path().join("stand-in");
    let real = real_git();
    script(
        &dir.join("git"),
        &format!("GIT={real}\n{text}\nexec $GIT \"$@\""),
    );
    let mut path = dir.into_os_string();
    path.push(":");
    let (_, usual) = environment().find(|(name, _)| name == "PATH").unwrap();
    path.push(usual);
    let environment = environment().filter(|(name, _)| name != "PATH");
    scene.git = Git::new(&scene.data())
        .with_environment(environment.chain([(OsString::from("PATH"), path)]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_branch_that_is_behind_gets_the_other_merged_and_pushed_over_every_transport() {
    let scene = Scene::new();
    let http = GitServer::start(&scene.repositories(), None).await;
    let closed = GitServer::start(&scene.repositories(), Some(TOKEN)).await;
    let ssh = SshServer::start(&scene.dir.path().join("sshd"));
    let daemon = GitDaemon::start(&scene.repositories());
    let path = scene.repositories().join("web.git");
    for remote in [
        remote(http.url("web.git")),
        with_token(closed.url("web.git"), TOKEN),
        with_key(ssh.url(&path), ssh.key()),
        remote(daemon.url("web.git")),
        remote(path.to_str().unwrap()),
        remote(format!("file://{}", path.display())),
    ] {
        let repository = scene.repository("web.git");
        let (topic, main) = diverged(&repository);
        let commit = merged(merge(&scene, &remote, "topic").await);
        assert_eq!(head(&repository, "topic"), commit, "{}", remote.url);
        assert_eq!(head(&repository, "main"), main);
        assert_eq!(parents(&repository, &commit), [topic, main]);
        let show = |path: &str| repository.git(&["show", &format!("{commit}:{path}")], "");
        assert_eq!(show("f"), "one\n2\nthree");
        assert_eq!([show("t"), show("m"), show("kept")], ["t", "m", "k"]);
        let who = repository.git(
            &["log", "-1", "--format=%an|%ae|%at|%cn|%ce|%ct|%B", &commit],
            "",
        );
        let at = Timestamp::parse("2025-05-06T07:08:09Z").unwrap().0 / 1000;
        let signed = format!("release bot|release-bot@longshore.invalid|{at}");
        let message = "Merge branch 'main' into topic";
        assert_eq!(who, format!("{signed}|{signed}|{message}"));
        nothing_is_left(&scene);
        // Now it is not behind, and is checked out as it is.
        let again = merge(&scene, &remote, "refs/heads/topic").await;
        assert_eq!(again, up_to_date("refs/heads/topic", &commit));
        assert_eq!(merges(&repository, "topic"), 1);
        let branch = Reference::parse("topic", false).unwrap();
        let (_, checkout) = scene.checkout_at(&remote, &branch, &commit, ID).await;
        assert_eq!(read(&checkout.unwrap(), "m"), "m");
        scene.git.discard(ID).await.unwrap();
        scene.git.discard_mirror("acme/web").await.unwrap();
        std::fs::remove_dir_all(repository.path()).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_behind_is_left_alone() {
    let scene = Scene::new();
    let repository = scene.repository("web.git");
    let (topic, main) = diverged(&repository);
    let ahead = {
        repository.git(&["update-ref", "refs/heads/ahead", &main], "");
        repository.commit("ahead", &[("a", "a")], "ahead")
    };
    repository.git(&["tag", "--annotate", "--message=told", "v2", &ahead], "");
    let remote = remote(repository.path().to_str().unwrap());
    for (name, full, sha) in [
        ("main", "refs/heads/main", &main),
        ("ahead", "refs/heads/ahead", &ahead),
        ("v2", "refs/tags/v2", &ahead),
        (&ahead[..8], &ahead[..], &ahead),
        (&main[..], &main[..], &main),
    ] {
        let merged = merge(&scene, &remote, name).await;
        assert_eq!(merged, up_to_date(full, sha), "{name}");
    }
    // Where there is no such branch to be behind of, nothing is.
    let into = located(&scene, &remote, "topic").await;
    let request = MergeRequest {
        from: Branch::parse("trunk").unwrap(),
        ..request(into)
    };
    let merged = scene.git.merge(&remote, &request).await;
    assert_eq!(merged, up_to_date("refs/heads/topic", &topic));
    nothing_is_left(&scene);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_branch_with_nothing_of_its_own_gets_a_merge_commit_too() {
    let scene = Scene::new();
    let repository = scene.repository("web.git");
    let base = repository.commit("main", &[("f", "1")], "base");
    repository.git(&["update-ref", "refs/heads/topic", &base], "");
    let main = repository.commit("main", &[("f", "2")], "main");
    let remote = remote(repository.path().to_str().unwrap());
    let commit = merged(merge(&scene, &remote, "topic").await);
    assert_eq!(parents(&repository, &commit), [base, main]);
}

#[tokio::test(flavor = "multi_thread")]
async fn branches_with_odd_names_are_merged_like_others() {
    let scene = Scene::new();
    let touched = scene.dir.path().join("touched");
    let odd = format!("a;touch${{IFS}}{}", touched.display()).replace('/', "_");
    for (n, name) in [
        "feature/ünï",
        "it's\"$(x)`y`",
        &odd,
        "x-;-y",
        "heads",
        "1234567",
    ]
    .into_iter()
    .enumerate()
    {
        let repository = scene.repository(&format!("{n}.git"));
        let (topic, main) = diverged(&repository);
        let full = format!("refs/heads/{name}");
        repository.git(&["update-ref", &full, &topic], "");
        let remote = Remote {
            project: format!("acme/{n}"),
            ..remote(repository.path().to_str().unwrap())
        };
        let commit = merged(merge(&scene, &remote, name).await);
        assert_eq!(head(&repository, name), commit);
        assert_eq!(parents(&repository, &commit), [topic.clone(), main]);
        assert_eq!(head(&repository, "topic"), topic);
    }
    assert!(!touched.exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_conflict_changes_nothing_anywhere_however_often_it_is_asked() {
    let scene = Scene::new();
    let repository = scene.repository("web.git");
    let (topic, main) = at_odds(&repository);
    let http = GitServer::start(&scene.repositories(), Some(TOKEN)).await;
    let remote = with_token(http.url("web.git"), TOKEN);
    let refs = || repository.git(&["for-each-ref"], "");
    let objects = || repository.git(&["count-objects", "-v"], "");
    let before = (refs(), objects());
    for _ in 0..2 {
        assert_eq!(merge(&scene, &remote, "topic").await, Ok(Merge::Conflict));
        assert_eq!((refs(), objects()), before);
        nothing_is_left(&scene);
    }
    assert_eq!(head(&repository, "topic"), topic);
    assert_eq!(head(&repository, "main"), main);
    let pushes = http.seen().into_iter();
    let pushes: Vec<_> = pushes
        .filter(|seen| seen.path.contains("receive-pack"))
        .collect();
    assert!(pushes.is_empty(), "{pushes:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn branches_without_a_common_commit_are_a_conflict() {
    let scene = Scene::new();
    let repository = scene.repository("web.git");
    repository.commit("main", &[("f", "1")], "one");
    let alone = repository.commit("alone", &[("g", "2")], "two");
    let remote = remote(repository.path().to_str().unwrap());
    assert_eq!(merge(&scene, &remote, "alone").await, Ok(Merge::Conflict));
    assert_eq!(head(&repository, "alone"), alone);
    nothing_is_left(&scene);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_branch_says_of_its_files_is_heeded_in_a_merge() {
    let scene = Scene::new();
    let repository = scene.repository("web.git");
    let rule = (".gitattributes", "log merge=union\n");
    let base = repository.commit("main", &[rule, ("log", "1\n")], "base");
    repository.git(&["update-ref", "refs/heads/topic", &base], "");
    repository.commit("topic", &[("log", "1\ntopic\n")], "topic");
    repository.commit("main", &[("log", "1\nmain\n")], "main");
    let remote = remote(repository.path().to_str().unwrap());
    let commit = merged(merge(&scene, &remote, "topic").await);
    let log = repository.git(&["show", &format!("{commit}:log")], "");
    assert_eq!(log, "1\ntopic\nmain");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tag_a_commit_and_another_ref_that_are_behind_cannot_be_moved() {
    let scene = Scene::new();
    let repository = scene.repository("web.git");
    let (topic, _) = diverged(&repository);
    for name in ["refs/tags/v1", "refs/pull/3/head"] {
        repository.git(&["update-ref", name, &topic], "");
    }
    repository.git(&["tag", "--annotate", "--message=told", "v2", &topic], "");
    let http = GitServer::start(&scene.repositories(), None).await;
    let remote = remote(http.url("web.git"));
    let before = repository.git(&["for-each-ref"], "");
    for name in ["v1", "v2", "refs/pull/3/head", &topic[..], &topic[..7]] {
        let merged = merge(&scene, &remote, name).await;
        assert_eq!(merged, Ok(Merge::Immovable), "{name}");
        scene.git.discard_mirror("acme/web").await.unwrap();
    }
    assert_eq!(repository.git(&["for-each-ref"], ""), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_remote_that_may_only_be_read_is_told_with_its_words_and_nothing_changes() {
    let scene = Scene::new();
    let repository = scene.repository("web.git");
    let (topic, _) = diverged(&repository);
    repository.git(&["config", "http.receivepack", "false"], "");
    repository.git(&["config", "daemon.receivepack", "false"], "");
    let http = GitServer::start(&scene.repositories(), Some(TOKEN)).await;
    let daemon = GitDaemon::start(&scene.repositories());
    for (remote, words) in [
        (with_token(http.url("web.git"), TOKEN), "403"),
        (remote(daemon.url("web.git")), "access denied"),
    ] {
        for _ in 0..2 {
            let why = refused(merge(&scene, &remote, "topic").await);
            assert!(why.contains(words), "{why}");
            assert!(!why.contains(TOKEN), "{why}");
            assert_eq!(head(&repository, "topic"), topic);
            nothing_is_left(&scene);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hook_of_the_remote_that_says_no_is_heard_over_every_transport() {
    let scene = Scene::new();
    let repository = scene.repository("web.git");
    let (topic, main) = diverged(&repository);
    let http = GitServer::start(&scene.repositories(), Some(TOKEN)).await;
    let ssh = SshServer::start(&scene.dir.path().join("sshd"));
    let daemon = GitDaemon::start(&scene.repositories());
    let remotes = [
        with_token(http.url("web.git"), TOKEN),
        with_key(ssh.url(repository.path()), ssh.key()),
        remote(daemon.url("web.git")),
        remote(repository.path().to_str().unwrap()),
    ];
    // The second one says what would be no answer of the remote, were it git that said it.
    for (hook_name, said) in [
        ("pre-receive", "topic is protected, says the house"),
        (
            "update",
            "connection timed out while waiting for an approval",
        ),
    ] {
        hook(
            &repository,
            hook_name,
            &format!("echo '{said}' >&2; exit 1"),
        );
        for remote in &remotes {
            let why = refused(merge(&scene, remote, "topic").await);
            assert!(why.contains(said), "{}: {why}", remote.url);
            assert!(why.contains("declined"), "{}: {why}", remote.url);
            assert_eq!(head(&repository, "topic"), topic);
            assert_eq!(head(&repository, "main"), main);
            nothing_is_left(&scene);
        }
        std::fs::remove_file(repository.path().join("hooks").join(hook_name)).unwrap();
    }
    // Nothing stands in its way afterwards.
    merged(merge(&scene, &remotes[0], "topic").await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_that_the_remote_says_back_is_not_shown() {
    let scene = Scene::new();
    let repository = scene.repository("web.git");
    diverged(&repository);
    hook(
        &repository,
        "pre-receive",
        &format!("echo 'not with {TOKEN}' >&2; exit 1"),
    );
    let http = GitServer::start(&scene.repositories(), Some(TOKEN)).await;
    let remote = with_token(http.url("web.git"), TOKEN);
    let why = refused(merge(&scene, &remote, "topic").await);
    assert!(why.contains("not with") && !why.contains(TOKEN), "{why}");
}

/// Moves `topic` to a commit that is there already, in the middle of a push: what a hook may not do, were it asked.
fn move_topic(repository: &Repository, to: &str) -> String {
    format!(
        "env -u GIT_QUARANTINE_PATH -u GIT_OBJECT_DIRECTORY -u GIT_ALTERNATE_OBJECT_DIRECTORIES {} --git-dir '{}' \
         update-ref refs/heads/topic {to}",
        real_git(),
        repository.path().display()
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn what_somebody_pushes_in_between_is_kept_and_looked_at_again() {
    // Before our push begins, and while the remote takes it.
    for in_the_middle in [false, true] {
        let mut scene = Scene::new();
        let repository = scene.repository("web.git");
        let (topic, main) = diverged(&repository);
        repository.git(&["update-ref", "refs/heads/theirs", &topic], "");
        let theirs = repository.commit("theirs", &[("x", "x")], "theirs");
        repository.git(&["update-ref", "-d", "refs/heads/theirs"], "");
        let once = scene.dir.path().join("once");
        let push = format!(
            "if mkdir '{}' 2>/dev/null; then {}; fi",
            once.display(),
            move_topic(&repository, &theirs)
        );
        match in_the_middle {
            true => hook(&repository, "pre-receive", &push),
            false => stand_in(
                &mut scene,
                &format!("case \" $* \" in *' push '*) {push};; esac"),
            ),
        }
        let remote = remote(repository.path().to_str().unwrap());
        let commit = merged(merge(&scene, &remote, "topic").await);
        assert!(once.exists());
        assert_eq!(parents(&repository, &commit), [theirs, main]);
        assert_eq!(head(&repository, "topic"), commit);
        nothing_is_left(&scene);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn if_somebody_else_brought_it_up_to_date_or_deleted_it_in_between_that_is_the_answer() {
    for deleted in [false, true] {
        let mut scene = Scene::new();
        let repository = scene.repository("web.git");
        let (topic, main) = diverged(&repository);
        let tree = repository.git(&["rev-parse", "main^{tree}"], "");
        let theirs = [
            "commit-tree",
            &tree,
            "-p",
            &topic,
            "-p",
            &main,
            "-m",
            "theirs",
        ];
        let theirs = repository.git(&theirs, "");
        let moved = match deleted {
            true => format!(
                "$GIT --git-dir '{}' update-ref -d refs/heads/topic",
                repository.path().display()
            ),
            false => move_topic(&repository, &theirs),
        };
        stand_in(
            &mut scene,
            &format!("case \" $* \" in *' push '*) {moved};; esac"),
        );
        let remote = remote(repository.path().to_str().unwrap());
        let merge = merge(&scene, &remote, "topic").await;
        match deleted {
            true => assert_eq!(merge, Err(SourceError::NoSuchBranch("topic".into()))),
            false => assert_eq!(merge, up_to_date("refs/heads/topic", &theirs)),
        }
        nothing_is_left(&scene);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_branch_that_never_stands_still_is_given_up_and_never_overwritten() {
    let mut scene = Scene::new();
    let repository = scene.repository("web.git");
    let (topic, _) = diverged(&repository);
    // Whoever pushes gets in between each time, with a new commit.
    let path = repository.path().display();
    let push = format!(
        "new=$($GIT --git-dir '{path}' -c user.name=x -c user.email=x@example.com commit-tree -p refs/heads/topic \
         -m more 'refs/heads/topic^{{tree}}') && $GIT --git-dir '{path}' update-ref refs/heads/topic $new"
    );
    stand_in(
        &mut scene,
        &format!("case \" $* \" in *' push '*) {push};; esac"),
    );
    let remote = remote(repository.path().to_str().unwrap());
    let error = merge(&scene, &remote, "topic").await.unwrap_err();
    assert!(matches!(error, SourceError::Unreachable(_)), "{error}");
    assert!(
        error.to_string().contains("moved by somebody else"),
        "{error}"
    );
    assert_eq!(merges(&repository, "topic"), 0);
    let theirs = format!("{topic}..refs/heads/topic");
    let theirs = repository.git(&["rev-list", "--count", &theirs], "");
    assert_eq!(theirs, "4");
    nothing_is_left(&scene);
}

#[tokio::test(flavor = "multi_thread")]
async fn equal_merges_at_once_make_one_merge_commit() {
    let scene = Scene::new();
    let repository = scene.repository("web.git");
    diverged(&repository);
    let http = GitServer::start(&scene.repositories(), Some(TOKEN)).await;
    let remote = with_token(http.url("web.git"), TOKEN);
    let other = Git::new(&scene.dir.path().join("other")).with_environment(environment());
    let request = request(located(&scene, &remote, "topic").await);
    // Four of one agent, and two of another, which only the remote keeps apart from them.
    let later = MergeRequest {
        at: Timestamp(request.at.0 + 1000),
        ..request.clone()
    };
    let (ours, theirs) = (
        scene.git.merge(&remote, &request),
        other.merge(&remote, &later),
    );
    let more = futures_util::future::join_all((0..3).map(|_| scene.git.merge(&remote, &request)));
    let again = other.merge(&remote, &later);
    let (one, two, three, four) = tokio::join!(ours, theirs, more, again);
    let all: Vec<_> = [one, two, four].into_iter().chain(three).collect();
    let commit = head(&repository, "topic");
    let made = all
        .iter()
        .filter(|done| matches!(done, Ok(Merge::Merged(sha)) if sha.as_str() == commit));
    assert_eq!(made.count(), 1, "{all:?}");
    let rest = up_to_date("refs/heads/topic", &commit);
    assert_eq!(
        all.iter().filter(|done| **done == rest).count(),
        5,
        "{all:?}"
    );
    assert_eq!(merges(&repository, "topic"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_remote_that_is_down_slow_or_refusing_leaves_the_branch_as_it_is() {
    let mut scene = Scene::new();
    let repository = scene.repository("web.git");
    let (topic, _) = diverged(&repository);
    let http = GitServer::start(&scene.repositories(), Some(TOKEN)).await;
    let remote = with_token(http.url("web.git"), TOKEN);
    let request = request(located(&scene, &remote, "topic").await);
    let wrong = with_token(http.url("web.git"), "wrong-token");
    let error = scene.git.merge(&wrong, &request).await.unwrap_err();
    assert!(matches!(error, SourceError::AccessDenied(_)), "{error}");
    http.behave(Behaviour::Status(502));
    let error = scene.git.merge(&remote, &request).await.unwrap_err();
    assert!(matches!(error, SourceError::Unreachable(_)), "{error}");
    http.behave(Behaviour::Hold);
    scene.git = scene.git.with_merge_limit(Duration::from_millis(200));
    let error = scene.git.merge(&remote, &request).await.unwrap_err();
    assert!(error.to_string().contains("longer than 200ms"), "{error}");
    assert_eq!(head(&repository, "topic"), topic);

    // It goes away between the fetch and the push.
    http.behave(Behaviour::Serve);
    let down = scene.dir.path().join("down");
    stand_in(
        &mut scene,
        &format!(
            "case \" $* \" in *' push '*|*' ls-remote '*) if [ -e '{0}' ]; then echo 'fatal: unable to access: Connection refused' >&2; \
             exit 128; fi;; esac",
            down.display()
        ),
    );
    std::fs::write(&down, "").unwrap();
    let error = scene.git.merge(&remote, &request).await.unwrap_err();
    assert!(matches!(error, SourceError::Unreachable(_)), "{error}");
    assert_eq!(head(&repository, "topic"), topic);
    nothing_is_left(&scene);
    std::fs::remove_file(&down).unwrap();
    merged(scene.git.merge(&remote, &request).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_push_whose_answer_got_lost_is_known_by_what_the_remote_has() {
    let mut scene = Scene::new();
    let repository = scene.repository("web.git");
    diverged(&repository);
    stand_in(
        &mut scene,
        "case \" $* \" in *' push '*) $GIT \"$@\" >/dev/null 2>&1; echo 'fatal: the remote end hung up unexpectedly' >&2; \
         exit 128;; esac",
    );
    let remote = remote(repository.path().to_str().unwrap());
    let commit = merged(merge(&scene, &remote, "topic").await);
    assert_eq!(head(&repository, "topic"), commit);
    assert_eq!(merges(&repository, "topic"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shallow_remote_gets_no_merge_that_would_be_a_guess() {
    let scene = Scene::new();
    let repository = scene.repository("web.git");
    diverged(&repository);
    let shallow = scene.repositories().join("shallow.git");
    let from = format!("file://{}", repository.path().display());
    let to = shallow.to_str().unwrap();
    let clone = [
        "clone",
        "--quiet",
        "--bare",
        "--depth=1",
        "--no-single-branch",
        &from,
        to,
    ];
    repository.git(&clone, "");
    let remote = remote(to);
    let why = refused(merge(&scene, &remote, "topic").await);
    assert!(why.contains("shallow"), "{why}");
    nothing_is_left(&scene);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_older_git_merges_with_files_to_the_same_result() {
    let mut scene = Scene::new();
    let (good, bad) = (scene.repository("web.git"), scene.repository("odds.git"));
    let (topic, main) = diverged(&good);
    // A file that was renamed on one side and changed on the other.
    let moved = good.git(&["hash-object", "-w", "--stdin"], "1\n2\n3\n4\n5\n6\n");
    let entry = |path| ("100644", path, moved.clone());
    let base = good.commit_entries("old", &[entry("was")], "base");
    good.git(&["update-ref", "refs/heads/renamed", &base], "");
    at_odds(&bad);
    let log = scene.dir.path().join("calls");
    stand_in(
        &mut scene,
        &format!(
            "echo \"$*\" >> '{}'\ncase \" $* \" in *' merge-tree '*) exit 128;; *' version '*) echo 'git version 2.34.1'; exit;; esac",
            log.display()
        ),
    );
    let remote_ = remote(good.path().to_str().unwrap());
    let commit = merged(merge(&scene, &remote_, "topic").await);
    assert_eq!(parents(&good, &commit), [topic, main]);
    let show = |path: &str| good.git(&["show", &format!("{commit}:{path}")], "");
    assert_eq!(
        [show("f"), show("m"), show("t")],
        ["one\n2\nthree", "m", "t"]
    );
    nothing_is_left(&scene);
    let other = Remote {
        project: "acme/odds".to_owned(),
        ..remote(bad.path().to_str().unwrap())
    };
    let before = bad.git(&["for-each-ref"], "");
    for _ in 0..2 {
        assert_eq!(merge(&scene, &other, "topic").await, Ok(Merge::Conflict));
    }
    assert_eq!(bad.git(&["for-each-ref"], ""), before);
    let calls = std::fs::read_to_string(log).unwrap();
    assert!(
        calls.contains(" merge ") && !calls.contains("merge-tree"),
        "{calls}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_is_in_an_argument_nobody_is_asked_and_no_hook_of_ours_runs() {
    let mut scene = Scene::new();
    let repository = scene.repository("web.git");
    diverged(&repository);
    let log = scene.dir.path().join("calls");
    stand_in(
        &mut scene,
        &format!("echo \"$GIT_TERMINAL_PROMPT $*\" >> '{}'", log.display()),
    );
    let http = GitServer::start(&scene.repositories(), Some(TOKEN)).await;
    let remote = with_token(http.url("web.git"), TOKEN);
    // A hook where git would look for one, had it not been told otherwise.
    merge(&scene, &remote, "main").await.unwrap();
    let touched = scene.dir.path().join("touched");
    for dir in ["hooks", "merging/hooks"] {
        for name in [
            "pre-push",
            "pre-merge-commit",
            "commit-msg",
            "reference-transaction",
        ] {
            let path = scene.mirror().join(dir).join(name);
            script(&path, &format!("touch '{}'", touched.display()));
        }
    }
    merged(merge(&scene, &remote, "topic").await);
    assert!(!touched.exists());
    let calls = std::fs::read_to_string(log).unwrap();
    assert!(
        calls.contains(" push ") && !calls.contains(TOKEN),
        "{calls}"
    );
    assert!(calls.lines().all(|line| line.starts_with("0 ")), "{calls}");
}

/// The process is killed at each of the calls of git that a merge makes, before and after that call.
#[tokio::test(flavor = "multi_thread")]
async fn killed_at_any_moment_it_is_merged_or_not_and_asking_again_ends_it() {
    let (mut moments, mut pushed_before) = (0, 0);
    for after in [false, true] {
        for at in 1.. {
            let mut scene = Scene::new();
            let repository = scene.repository("web.git");
            let (topic, main) = diverged(&repository);
            let remote = remote(repository.path().to_str().unwrap());
            let request = request(located(&scene, &remote, "topic").await);
            let (count, held) = (
                scene.dir.path().join("count"),
                scene.dir.path().join("held"),
            );
            let hang = format!("touch '{}'; exec tail -f /dev/null", held.display());
            let hang = match after {
                true => format!("$GIT \"$@\" >/dev/null 2>&1; {hang}"),
                false => hang,
            };
            let count = count.display();
            stand_in(
                &mut scene,
                &format!("echo >> '{count}'\nif [ $(wc -l < '{count}') = {at} ]; then {hang}; fi"),
            );
            let merging = scene.git.merge(&remote, &request);
            let killed = tokio::select! {
                done = merging => { merged(done); false }
                () = until("a call is held", || held.exists()) => true,
            };
            let now = head(&repository, "topic");
            let was_pushed = now != topic;
            if was_pushed {
                assert_eq!(parents(&repository, &now), [topic.clone(), main.clone()]);
            }
            // The next process on the same directory.
            scene.git = Git::new(&scene.data()).with_environment(environment());
            let again = scene.git.merge(&remote, &request).await;
            let now = head(&repository, "topic");
            match was_pushed {
                true => assert_eq!(again, up_to_date("refs/heads/topic", &now)),
                false => assert_eq!(merged(again), now),
            }
            assert_eq!(parents(&repository, &now), [topic, main]);
            assert_eq!(merges(&repository, "topic"), 1);
            nothing_is_left(&scene);
            if !killed {
                break;
            }
            moments += 1;
            pushed_before += usize::from(was_pushed);
        }
    }
    println!("killed at {moments} moments, at {pushed_before} of them after the push");
    assert!(
        moments >= 16 && pushed_before >= 1,
        "{moments} {pushed_before}"
    );
}
