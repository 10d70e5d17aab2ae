//! Finding the commit, and saying why there is none.

use super::*;

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
pub fn ambiguous_commits(repository: &Repository) -> (String, String) {
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
    (one, two)
}

#[tokio::test(flavor = "multi_thread")]
async fn digits_that_two_commits_of_the_branch_share_are_ambiguous() {
    let scene = Scene::new();
    let repository = scene.repository("web.git");
    let (one, _) = ambiguous_commits(&repository);
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
        reference: branch(),
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
        reference: branch(),
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
