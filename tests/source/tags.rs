//! Tags: the commit they name, and what they are not to be mistaken for.

use super::*;

/// An annotated tag on a commit, and the id of its own object.
fn annotate(repository: &Repository, name: &str, commit: &str) -> String {
    repository.git(&["tag", "--annotate", "--message=told", name, commit], "");
    let object = repository.git(&["rev-parse", &format!("refs/tags/{name}")], "");
    assert_ne!(object, commit);
    object
}

fn lighten(repository: &Repository, name: &str, object: &str) {
    let name = format!("refs/tags/{name}");
    repository.git(&["update-ref", &name, object], "");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tag_is_the_commit_it_names_annotated_or_not_over_every_transport() {
    let scene = Scene::new();
    let repository = scene.repository("web.git");
    let tagged = repository.commit("main", &[("f", "1")], "one");
    repository.commit("main", &[("f", "2")], "two");
    lighten(&repository, "light", &tagged);
    let object = annotate(&repository, "told", &tagged);
    annotate(&repository, "twice", &object);
    let http = GitServer::start(&scene.repositories(), Some(TOKEN)).await;
    let ssh = SshServer::start(&scene.dir.path().join("sshd"));
    for remote in [
        with_token(http.url("web.git"), TOKEN),
        with_key(ssh.url(repository.path()), ssh.key()),
        remote(repository.path().to_str().unwrap()),
    ] {
        for name in ["light", "told", "twice"] {
            let tag = tag(name);
            let found = scene.resolve_at(&remote, tag.clone(), None).await;
            assert_eq!(found, Ok(tagged.clone()), "{name} of {}", remote.url);
            let (lines, checkout) = scene.checkout_at(&remote, &tag, &tagged, ID).await;
            let checkout = checkout.unwrap();
            assert_eq!(read(&checkout, "f"), "1");
            let told = format!("Fetching tag {name} of {}", remote.url);
            assert!(lines.iter().any(|line| line.contains(&told)), "{lines:?}");
            // The server's commits are all of one time.
            let committed = Timestamp::parse("2025-03-14T10:32:00Z");
            assert_eq!(checkout.commit.committed_at, committed);
            scene.git.discard(ID).await.unwrap();
            std::fs::remove_dir_all(scene.mirror()).unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tag_and_a_branch_of_one_name_are_told_apart() {
    let scene = Scene::new();
    let repository = scene.repository("web.git");
    let old = repository.commit("v1", &[("f", "1")], "one");
    annotate(&repository, "v1", &old);
    let new = repository.commit("v1", &[("f", "2")], "two");
    // Refs that end like the tag, and one that looks like what a tag leads to.
    for other in ["refs/tags/refs/tags/v1", "refs/a/refs/tags/v1"] {
        repository.git(&["update-ref", other, &new], "");
    }
    let http = GitServer::start(&scene.repositories(), None).await;
    let remote = remote(http.url("web.git"));
    let branch = Reference::parse("v1", false).unwrap();
    for commit in [None, Some(&old[..9])] {
        let found = scene.resolve_at(&remote, tag("v1"), commit).await;
        assert_eq!(found, Ok(old.clone()));
    }
    assert_eq!(
        scene.resolve_at(&remote, branch.clone(), None).await,
        Ok(new.clone())
    );
    // The branch has it and the tag does not, although both were fetched.
    assert_eq!(
        scene.resolve_at(&remote, branch, Some(&new[..9])).await,
        Ok(new.clone())
    );
    assert_eq!(
        scene.resolve_at(&remote, tag("v1"), Some(&new[..9])).await,
        Err(SourceError::NotInTag {
            commit: new[..9].to_owned(),
            tag: "v1".to_owned()
        })
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_before_the_tag_is_found_and_the_id_of_the_tag_itself_is_none() {
    let scene = Scene::new();
    let repository = scene.repository("web.git");
    let first = repository.commit("main", &[("f", "1")], "one");
    let tagged = repository.commit("main", &[("f", "2")], "two");
    let object = annotate(&repository, "v1", &tagged);
    let http = GitServer::start(&scene.repositories(), None).await;
    let remote = remote(http.url("web.git"));
    for (asked, found) in [(&first, &first), (&tagged, &tagged)] {
        for digits in [&asked[..], &asked[..8]] {
            let resolved = scene.resolve_at(&remote, tag("v1"), Some(digits)).await;
            assert_eq!(resolved.as_ref(), Ok(found), "{digits}");
        }
    }
    for digits in [&object[..], &object[..9]] {
        assert_eq!(
            scene.resolve_at(&remote, tag("v1"), Some(digits)).await,
            Err(SourceError::NoSuchCommit(digits.to_owned()))
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_tag_is_named_as_a_tag() {
    let scene = Scene::new();
    let repository = scene.repository("web.git");
    let commit = repository.commit("v1", &[("f", "1")], "one");
    let http = GitServer::start(&scene.repositories(), None).await;
    let remote = remote(http.url("web.git"));
    for name in ["v1", "tags/v1", "v2"] {
        for asked in [None, Some(&commit[..8])] {
            let error = scene.resolve_at(&remote, tag(name), asked).await;
            assert_eq!(error, Err(SourceError::NoSuchTag(name.to_owned())));
            let text = error.unwrap_err().to_string();
            assert_eq!(text, format!("tag '{name}' does not exist"));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tag_that_moved_or_is_gone_after_it_was_resolved_changes_nothing_of_what_is_built() {
    let scene = Scene::new();
    let repository = scene.repository("web.git");
    let base = repository.commit("main", &[("f", "1")], "one");
    let resolved = repository.commit("elsewhere", &[("f", "2")], "two");
    let later = repository.commit("elsewhere", &[("f", "3")], "three");
    annotate(&repository, "moved", &resolved);
    lighten(&repository, "gone", &later);
    let http = GitServer::start(&scene.repositories(), None).await;
    let remote = remote(http.url("web.git"));
    for (name, commit) in [("moved", &resolved), ("gone", &later)] {
        let found = scene.resolve_at(&remote, tag(name), None).await;
        assert_eq!(found.as_ref(), Ok(commit));
    }
    repository.git(&["update-ref", "-d", "refs/heads/elsewhere"], "");
    lighten(&repository, "moved", &base);
    repository.git(&["update-ref", "-d", "refs/tags/gone"], "");

    let (lines, checkout) = scene
        .checkout_at(&remote, &tag("moved"), &resolved, ID)
        .await;
    assert_eq!(read(&checkout.unwrap(), "f"), "2");
    let told = "not in the history of tag moved any more; asking for the commit itself";
    assert!(lines.iter().any(|line| line.contains(told)), "{lines:?}");
    let (_, checkout) = scene.checkout_at(&remote, &tag("gone"), &later, ID).await;
    assert_eq!(read(&checkout.unwrap(), "f"), "3");
    let nowhere = "1".repeat(40);
    let (_, checkout) = scene.checkout_at(&remote, &tag("gone"), &nowhere, ID).await;
    assert_eq!(checkout, Err(SourceError::NoSuchTag("gone".into())));
    let (_, checkout) = scene
        .checkout_at(&remote, &tag("moved"), &nowhere, ID)
        .await;
    assert_eq!(checkout, Err(SourceError::NoSuchCommit(nowhere)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tag_that_names_no_commit_is_not_checked_out() {
    let scene = Scene::new();
    let repository = scene.repository("web.git");
    repository.commit("main", &[("f", "1")], "one");
    let blob = repository.git(&["rev-parse", "main:f"], "");
    lighten(&repository, "key", &blob);
    annotate(&repository, "told", &blob);
    let http = GitServer::start(&scene.repositories(), None).await;
    let remote = remote(http.url("web.git"));
    for name in ["key", "told"] {
        let found = scene.resolve_at(&remote, tag(name), None).await.unwrap();
        let (_, checkout) = scene.checkout_at(&remote, &tag(name), &found, ID).await;
        assert_eq!(checkout, Err(SourceError::NoSuchCommit(blob.clone())));
    }
}
