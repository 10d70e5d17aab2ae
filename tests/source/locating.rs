//! What a name means that does not say whether it is a branch, a tag, a commit or another ref.

use super::*;
use longshore::core::name::RefName;
use longshore::core::ports::Located;

async fn locate(scene: &Scene, remote: &Remote, name: &str) -> Result<Located, SourceError> {
    let name = RefName::parse(name).unwrap();
    scene.git.locate(remote, &name).await
}

/// What it names and the commit that is there, as text.
async fn found(scene: &Scene, remote: &Remote, name: &str) -> (String, String) {
    let located = locate(scene, remote, name).await;
    let located = located.unwrap_or_else(|error| panic!("{name} of {}: {error}", remote.url));
    (located.reference.full(), located.sha.to_string())
}

fn set(repository: &Repository, name: &str, object: &str) {
    repository.git(&["update-ref", name, object], "");
}

/// A commit that no ref leads to.
fn loose_commit(repository: &Repository, parent: &str, message: &str) -> String {
    let tree = format!("{parent}^{{tree}}");
    repository.git(&["commit-tree", &tree, "-p", parent, "-m", message], "")
}

fn no_ref(name: &str) -> Result<Located, SourceError> {
    Err(SourceError::NoSuchRef(name.to_owned()))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_is_what_it_says_over_every_transport() {
    let scene = Scene::new();
    let repository = scene.repository("web.git");
    let one = repository.commit("main", &[("f", "1")], "one");
    let two = repository.commit("main", &[("f", "2")], "two");
    set(&repository, "refs/heads/feature/a", &one);
    repository.git(&["tag", "--annotate", "--message=told", "v1", &one], "");
    let proposed = loose_commit(&repository, &two, "proposed");
    set(&repository, "refs/pull/3/merge", &proposed);
    let http = GitServer::start(&scene.repositories(), None).await;
    let closed = GitServer::start(&scene.repositories(), Some(TOKEN)).await;
    let ssh = SshServer::start(&scene.dir.path().join("sshd"));
    let daemon = GitDaemon::start(&scene.repositories());
    let remotes = [
        remote(repository.path().to_str().unwrap()),
        remote(http.url("web.git")),
        with_token(closed.url("web.git"), TOKEN),
        with_key(ssh.url(repository.path()), ssh.key()),
        remote(daemon.url("web.git")),
    ];
    for (place, remote) in remotes.into_iter().enumerate() {
        let upper = one.to_ascii_uppercase();
        let names = [
            ("main", "refs/heads/main", &two),
            ("heads/main", "refs/heads/main", &two),
            ("refs/heads/main", "refs/heads/main", &two),
            ("feature/a", "refs/heads/feature/a", &one),
            ("v1", "refs/tags/v1", &one),
            ("tags/v1", "refs/tags/v1", &one),
            ("refs/tags/v1", "refs/tags/v1", &one),
            ("refs/pull/3/merge", "refs/pull/3/merge", &proposed),
            (&one[..], &one[..], &one),
            (&upper[..], &one[..], &one),
            (&upper[..9], &one[..], &one),
            (&two[..7], &two[..], &two),
            (&proposed[..], &proposed[..], &proposed),
            (&proposed[..10], &proposed[..], &proposed),
        ];
        // What a name means does not depend on the way there: one way is asked for all, the others for a part each.
        let asked = names.into_iter().skip(place.saturating_sub(1));
        for (name, reference, sha) in asked.step_by(if place == 0 { 1 } else { 4 }) {
            let expected = (reference.to_owned(), sha.clone());
            assert_eq!(found(&scene, &remote, name).await, expected, "{name}");
        }
        let blob = repository.git(&["rev-parse", "main:f"], "");
        let tag = repository.git(&["rev-parse", "refs/tags/v1"], "");
        for nothing in [&"1".repeat(40), "1234567", &blob, &tag, &blob[..8]] {
            let error = locate(&scene, &remote, nothing).await;
            let expected = Err(SourceError::NoSuchCommit(nothing.to_owned()));
            assert_eq!(error, expected, "{nothing} of {}", remote.url);
        }
        for nothing in [
            "nope",
            "heads/v1",
            "tags/main",
            "refs/pull/4/merge",
            "ma",
            "refs/heads",
        ] {
            assert_eq!(locate(&scene, &remote, nothing).await, no_ref(nothing));
        }
        scene.git.discard_mirror("acme/web").await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_one_name_the_branch_comes_before_the_tag_and_both_before_the_digits_of_a_commit() {
    let scene = Scene::new();
    let repository = scene.repository("web.git");
    let one = repository.commit("main", &[("f", "1")], "one");
    let two = repository.commit("main", &[("f", "2")], "two");
    let remote = remote(repository.path().to_str().unwrap());
    let digits = &one[..9];
    set(&repository, &format!("refs/tags/{digits}"), &two);
    let tag = (format!("refs/tags/{digits}"), two.clone());
    assert_eq!(found(&scene, &remote, digits).await, tag);
    set(&repository, &format!("refs/heads/{digits}"), &one);
    let branch = (format!("refs/heads/{digits}"), one.clone());
    assert_eq!(found(&scene, &remote, digits).await, branch);
    assert_eq!(found(&scene, &remote, &format!("tags/{digits}")).await, tag);

    // A branch that is called like a qualified name.
    set(&repository, "refs/heads/heads/main", &one);
    assert_eq!(found(&scene, &remote, "heads/main").await.1, two);
    set(&repository, "refs/heads/tags/x", &one);
    let named = ("refs/heads/tags/x".to_owned(), one.clone());
    assert_eq!(found(&scene, &remote, "tags/x").await, named);

    // All the digits mean the commit, whatever somebody called a branch; if there is no such commit, the branch.
    set(&repository, &format!("refs/heads/{one}"), &two);
    assert_eq!(found(&scene, &remote, &one).await, (one.clone(), one));
    let nowhere = "a".repeat(40);
    set(&repository, &format!("refs/heads/{nowhere}"), &two);
    let named = (format!("refs/heads/{nowhere}"), two);
    assert_eq!(found(&scene, &remote, &nowhere).await, named);
}

#[tokio::test(flavor = "multi_thread")]
async fn digits_that_two_commits_share_are_ambiguous_unless_one_is_on_no_ref_any_more() {
    let scene = Scene::new();
    let repository = scene.repository("web.git");
    let (one, two) = resolving::ambiguous_commits(&repository);
    let remote = remote(repository.path().to_str().unwrap());
    assert_eq!(
        locate(&scene, &remote, &one[..7]).await,
        Err(SourceError::AmbiguousCommit(one[..7].to_owned()))
    );
    for whole in [&one, &two] {
        assert_eq!(&found(&scene, &remote, whole).await.1, whole);
    }
    set(&repository, "refs/heads/main", &one);
    assert_eq!(found(&scene, &remote, &one[..7]).await.1, one);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_is_checked_out_whatever_becomes_of_the_branch_it_was_on() {
    let scene = Scene::new();
    let repository = scene.repository("web.git");
    let one = repository.commit("main", &[("f", "1")], "one");
    let gone = repository.commit("gone", &[("f", "gone")], "gone");
    let proposed = loose_commit(&repository, &one, "proposed");
    set(&repository, "refs/pull/3/merge", &proposed);
    let http = GitServer::start(&scene.repositories(), Some(TOKEN)).await;
    let remote = with_token(http.url("web.git"), TOKEN);
    let commit = locate(&scene, &remote, &gone[..8]).await.unwrap();
    let pull = locate(&scene, &remote, "refs/pull/3/merge").await.unwrap();
    repository.commit("main", &[("f", "2")], "two");
    set(&repository, "refs/pull/3/merge", &one);
    repository.git(&["update-ref", "-d", "refs/heads/gone"], "");
    let cases = [(commit, gone, "gone"), (pull, proposed, "1")];
    // With what was fetched to find it, as after a restart, and without any of it.
    for round in 0..2 {
        for (located, sha, text) in &cases {
            let (lines, checkout) = scene
                .checkout_at(&remote, &located.reference, sha, ID)
                .await;
            let checkout = checkout.unwrap_or_else(|error| panic!("{error}: {lines:?}"));
            assert_eq!(read(&checkout, "f"), *text, "{round}");
            let again = scene
                .checkout_at(&remote, &located.reference, sha, ID)
                .await;
            assert_eq!(again.1, Ok(checkout), "{:?}", again.0);
            scene.git.discard(ID).await.unwrap();
        }
        scene.git.discard_mirror("acme/web").await.unwrap();
    }
    let nowhere = "1".repeat(40);
    let reference = Reference::parse_full(&nowhere).unwrap();
    let (_, checkout) = scene.checkout_at(&remote, &reference, &nowhere, ID).await;
    assert_eq!(checkout, Err(SourceError::NoSuchCommit(nowhere)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_remote_that_gives_out_no_commit_by_its_id_is_asked_for_all_it_has() {
    let scene = Scene::new();
    let repository = scene.repository("web.git");
    let one = repository.commit("main", &[("f", "1")], "one");
    repository.commit("main", &[("f", "2")], "two");
    let proposed = loose_commit(&repository, &one, "proposed");
    set(&repository, "refs/pull/3/head", &proposed);
    // The protocol of old, in which only what refs lead to is given out.
    repository.git(&["config", "protocol.version", "0"], "");
    let http = GitServer::start(&scene.repositories(), None).await;
    http.speak_of_old();
    let remote = remote(http.url("web.git"));
    for sha in [&one, &proposed] {
        assert_eq!(&found(&scene, &remote, sha).await.1, sha);
        scene.git.discard_mirror("acme/web").await.unwrap();
    }
    let nothing = "1".repeat(40);
    let missing = Err(SourceError::NoSuchCommit(nothing.clone()));
    assert_eq!(locate(&scene, &remote, &nothing).await, missing);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_repository_is_told_from_one_without_that_name() {
    let scene = Scene::new();
    let empty = scene.repository("empty.git");
    let http = GitServer::start(&scene.repositories(), None).await;
    for remote in [
        remote(empty.path().to_str().unwrap()),
        remote(http.url("empty.git")),
    ] {
        for name in ["main", "refs/heads/main", "v1", "refs/pull/1/head"] {
            let error = locate(&scene, &remote, name).await;
            assert_eq!(error, Err(SourceError::Empty), "{name}");
        }
        let digits = "1".repeat(40);
        assert_eq!(
            locate(&scene, &remote, &digits).await,
            Err(SourceError::NoSuchCommit(digits))
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn names_that_git_would_read_otherwise_are_no_names() {
    let scene = Scene::new();
    let repository = scene.repository("web.git");
    let one = repository.commit("main", &[("f", "1")], "one");
    for odd in ["-x", "--upload-pack=evil"] {
        set(&repository, &format!("refs/heads/{odd}"), &one);
    }
    for odd in [
        "-x",
        "--upload-pack=touch /tmp/x",
        "a..b",
        "main\nmain",
        "main^{}",
        "main~1",
        "*",
        "@",
        "refs/heads/*",
        "",
        "main:x",
        "HEAD",
    ] {
        assert!(RefName::parse(odd).is_err(), "{odd}");
    }
    let remote = remote(repository.path().to_str().unwrap());
    // What may be written, and could be an option where it is cut off.
    for odd in ["heads/-x", "refs/heads/-x", "refs/heads/--upload-pack=evil"] {
        assert_eq!(locate(&scene, &remote, odd).await, no_ref(odd));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_remote_that_is_down_slow_or_refusing_is_told_apart_when_a_name_is_looked_for() {
    let mut scene = Scene::new();
    let repository = scene.repository("web.git");
    let one = repository.commit("main", &[("f", "1")], "one");
    let http = GitServer::start(&scene.repositories(), Some(TOKEN)).await;
    let asked = with_token(http.url("web.git"), TOKEN);
    // Also where the commit is here already: the remote's word counts.
    found(&scene, &asked, &one).await;
    let names = ["main", &one[..], &one[..7]];
    for name in names {
        let wrong = with_token(http.url("web.git"), "wrong-token");
        let error = locate(&scene, &wrong, name).await.unwrap_err();
        assert!(matches!(error, SourceError::AccessDenied(_)), "{error}");
        assert!(!error.to_string().contains("wrong-token"), "{error}");
    }
    http.behave(Behaviour::Status(503));
    for name in names {
        let error = locate(&scene, &asked, name).await.unwrap_err();
        assert!(matches!(error, SourceError::Unreachable(_)), "{error}");
    }
    http.behave(Behaviour::Hold);
    scene.git = scene.git.with_resolve_limit(Duration::from_millis(200));
    for name in names {
        let error = locate(&scene, &asked, name).await.unwrap_err();
        assert!(error.to_string().contains("longer than 200ms"), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_tells_everything_of_itself_over_every_transport() {
    let scene = Scene::new();
    let repository = scene.repository("web.git");
    let one = repository.commit("main", &[("f", "1")], "one");
    let body = "subject\n\n  indented\nlast \u{1b}[31mred\n\n\n";
    let two = repository.commit("main", &[("f", "2")], body);
    let side = repository.commit("side", &[("g", "3")], "side");
    let tree = repository.git(&["rev-parse", "main^{tree}"], "");
    let merge = [
        "-c",
        "i18n.commitEncoding=UTF-8",
        "commit-tree",
        &tree,
        "-p",
        &two,
        "-p",
        &side,
        "-m",
        "both",
    ];
    let merge = repository.git(&merge, "");
    set(&repository, "refs/pull/1/merge", &merge);
    let http = GitServer::start(&scene.repositories(), Some(TOKEN)).await;
    let ssh = SshServer::start(&scene.dir.path().join("sshd"));
    let daemon = GitDaemon::start(&scene.repositories());
    for remote in [
        with_token(http.url("web.git"), TOKEN),
        with_key(ssh.url(repository.path()), ssh.key()),
        remote(daemon.url("web.git")),
        remote(repository.path().to_str().unwrap()),
    ] {
        let commit = async |sha: &str| {
            let sha = Sha::parse(sha).unwrap();
            scene.git.commit(&remote, &sha).await
        };
        let first = commit(&one).await.unwrap();
        assert_eq!((first.sha.as_str(), first.parents.len()), (&one[..], 0));
        let second = commit(&two).await.unwrap();
        assert_eq!(second.tree.as_str(), tree);
        assert_eq!(second.parents[..], [Sha::parse(&one).unwrap()]);
        assert_eq!(second.message, "subject\n\n  indented\nlast red");
        let at = Timestamp::parse("2025-03-14T10:32:00Z").unwrap();
        for who in [second.author, second.committer] {
            assert_eq!(who.name, "Ada Lovelace");
            assert_eq!((who.email.as_str(), who.at), ("ada@example.com", at));
        }
        let both = commit(&merge).await.unwrap();
        assert_eq!(
            both.parents,
            [&two, &side].map(|sha| Sha::parse(sha).unwrap())
        );
        let nowhere = "1".repeat(40);
        let missing = Err(SourceError::NoSuchCommit(nowhere.clone()));
        assert_eq!(commit(&nowhere).await, missing);
        scene.git.discard_mirror("acme/web").await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_is_shown_whole_up_to_a_bound() {
    let scene = Scene::new();
    let repository = scene.repository("web.git");
    let long = repository.commit("main", &[("f", "1")], &"ä".repeat(3000));
    let longest = repository.commit("main", &[("f", "2")], &"ä".repeat(70_000));
    let remote = remote(repository.path().to_str().unwrap());
    for (sha, bytes) in [(long, 6000), (longest, 64 * 1024)] {
        let sha = Sha::parse(&sha).unwrap();
        let commit = scene.git.commit(&remote, &sha).await.unwrap();
        assert_eq!(commit.message.len(), bytes);
    }
}
