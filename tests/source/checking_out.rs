//! Trees, the proof that they are whole, and mirrors that crashed or lack something.

use super::*;

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
