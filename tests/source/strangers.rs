//! Nothing of others takes part, and nothing of ours is shown or left.

use super::*;

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
