//! The branches a remote has, as they are now.

use super::*;
use longshore::core::name::Branch;
use std::collections::BTreeMap;

async fn branches(scene: &Scene, remote: &Remote) -> BTreeMap<String, String> {
    let found = scene.git.branches(remote).await.unwrap();
    let text = |(branch, sha): (Branch, Sha)| (branch.into(), sha.into());
    found.into_iter().map(text).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_branches_of_a_remote_are_listed_over_every_transport_and_nothing_else_is() {
    let scene = Scene::new();
    let repository = scene.repository("web.git");
    let one = repository.commit("main", &[("f", "1")], "one");
    let two = repository.commit("feature/a", &[("f", "2")], "two");
    for other in [
        "refs/tags/v1",
        "refs/pull/3/merge",
        "refs/heads-of/x",
        "refs/a/refs/heads/main",
    ] {
        repository.git(&["update-ref", other, &one], "");
    }
    // Git has no objection to a name that no branch may have here.
    repository.git(&["update-ref", "refs/heads/-x", &one], "");
    let http = GitServer::start(&scene.repositories(), None).await;
    let closed = GitServer::start(&scene.repositories(), Some(TOKEN)).await;
    let ssh = SshServer::start(&scene.dir.path().join("sshd"));
    let daemon = GitDaemon::start(&scene.repositories());
    let expected = BTreeMap::from([("main".into(), one), ("feature/a".into(), two.clone())]);
    let remotes = [
        remote(http.url("web.git")),
        with_token(closed.url("web.git"), TOKEN),
        with_key(ssh.url(repository.path()), ssh.key()),
        remote(daemon.url("web.git")),
        remote(repository.path().to_str().unwrap()),
    ];
    for remote in &remotes {
        let found = branches(&scene, remote).await;
        assert_eq!(found, expected, "{}", remote.url);
    }
    repository.git(&["update-ref", "-d", "refs/heads/main"], "");
    for remote in &remotes {
        let found = branches(&scene, remote).await;
        let left = BTreeMap::from([("feature/a".to_owned(), two.clone())]);
        assert_eq!(found, left, "{}", remote.url);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_remote_without_branches_is_told_from_one_that_cannot_be_asked() {
    let mut scene = Scene::new();
    let empty = scene.repository("empty.git");
    let http = GitServer::start(&scene.repositories(), Some(TOKEN)).await;
    for remote in [
        remote(empty.path().to_str().unwrap()),
        with_token(http.url("empty.git"), TOKEN),
    ] {
        assert_eq!(branches(&scene, &remote).await, BTreeMap::new());
    }
    let refused = scene.git.branches(&remote(http.url("empty.git"))).await;
    let error = refused.unwrap_err();
    assert!(matches!(error, SourceError::AccessDenied(_)), "{error}");
    let asked = with_token(http.url("empty.git"), TOKEN);
    http.behave(Behaviour::Status(502));
    let error = scene.git.branches(&asked).await.unwrap_err();
    assert!(matches!(error, SourceError::Unreachable(_)), "{error}");
    http.behave(Behaviour::Hold);
    scene.git = scene.git.with_resolve_limit(Duration::from_millis(300));
    let error = scene.git.branches(&asked).await.unwrap_err();
    assert!(error.to_string().contains("longer than 300ms"), "{error}");
}
