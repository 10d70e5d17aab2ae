//! Submodules, wanted and hostile.

use super::*;

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
