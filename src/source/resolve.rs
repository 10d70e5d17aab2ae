//! Finds the commit a revision names, on the remote as it is now.

use super::access::Access;
use super::fault::Fault;
use super::lines::Lines;
use super::mirror::Mirror;
use super::program::Program;
use crate::core::name::{Branch, Sha};
use crate::core::ports::SourceError;
use crate::core::reference::Reference;
use std::collections::BTreeMap;
use std::time::Duration;

/// The branch's head, or the commit that the tag or other ref names.
pub(super) async fn head(
    program: &Program,
    access: &Access,
    reference: &Reference,
) -> Result<String, Fault> {
    let found = first(program, access, std::slice::from_ref(reference)).await?;
    match found {
        Some((_, head)) => Ok(head),
        None => Err(missing(reference).into()),
    }
}

/// The first of these refs that the remote has, with the commit it leads to. A ref's whole name is compared: git also lists
/// refs that merely end like it, and a tag and a branch of one name are two refs.
pub(super) async fn first(
    program: &Program,
    access: &Access,
    references: &[Reference],
) -> Result<Option<(Reference, String)>, Fault> {
    // What an annotated tag leads to. Of any other ref there is no such line.
    let peeled = |name: &str| format!("{name}^{{}}");
    let names = |reference: &Reference| {
        let name = reference.full();
        match reference {
            Reference::Branch(_) => vec![name],
            Reference::Tag(_) | Reference::Other(_) | Reference::Commit(_) => {
                vec![peeled(&name), name]
            }
        }
    };
    let asked: Vec<String> = references.iter().flat_map(names).collect();
    let call = access
        .call("ls-remote", &[], access.remote(), &asked)
        // Outside of any repository, also when the data directory lies inside one.
        .variable("GIT_DIR", "/dev/null");
    let answer = program.run(call, &Lines::unheard()).await?.success()?;
    let answer = String::from_utf8_lossy(&answer);
    let listed = |wanted: &String| {
        let mut lines = answer.lines().filter_map(|line| line.split_once('\t'));
        lines
            .find(|(_, found)| found == wanted)
            .map(|(sha, _)| sha.to_owned())
    };
    Ok(references.iter().find_map(|reference| {
        let sha = names(reference).iter().find_map(listed)?;
        Some((reference.clone(), sha))
    }))
}

/// The branches of the remote with their heads. What is no branch's name here (git takes a few more) is left out.
pub(super) async fn branches(
    program: &Program,
    access: &Access,
) -> Result<BTreeMap<Branch, Sha>, Fault> {
    let call = access
        .call("ls-remote", &["--heads"], access.remote(), &[])
        .variable("GIT_DIR", "/dev/null");
    let answer = program.run(call, &Lines::unheard()).await?.success()?;
    let answer = String::from_utf8_lossy(&answer);
    let mut branches = BTreeMap::new();
    for (sha, name) in answer.lines().filter_map(|line| line.split_once('\t')) {
        supported(sha)?;
        if let (Ok(Reference::Branch(branch)), Ok(sha)) =
            (Reference::parse_full(name), Sha::parse(sha))
        {
            branches.insert(branch, sha);
        }
    }
    Ok(branches)
}

/// Refuses the ids of a kind that nothing here can work with.
pub(super) fn supported(sha: &str) -> Result<(), SourceError> {
    if sha.len() == 40 {
        return Ok(());
    }
    Err(SourceError::Failed(
        "the repository uses SHA-256 object ids, which longshore does not support; convert it to SHA-1".to_owned(),
    ))
}

fn missing(reference: &Reference) -> SourceError {
    match reference {
        Reference::Branch(branch) => SourceError::NoSuchBranch(branch.to_string()),
        Reference::Tag(tag) => SourceError::NoSuchTag(tag.to_string()),
        Reference::Other(name) => SourceError::NoSuchRef(name.to_string()),
        Reference::Commit(sha) => SourceError::NoSuchCommit(sha.to_string()),
    }
}

/// Whether the text is the beginning of a commit's id, so that git takes it for nothing else.
pub(super) fn is_commit_digits(text: &str) -> bool {
    let hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
    (7..=40).contains(&text.len()) && text.bytes().all(hex)
}

/// The one commit of the branch's or tag's history that begins with these digits. Needs the project's lock.
pub(super) async fn commit_reachable(
    mirror: &Mirror<'_>,
    access: &Access,
    reference: &Reference,
    digits: &str,
    patience: Duration,
) -> Result<String, Fault> {
    let was_there = mirror.open().await?;
    match search(mirror, access, reference, digits, patience).await {
        Err(Fault::Unexplained(_)) if was_there => {
            mirror.make_anew().await?;
            search(mirror, access, reference, digits, patience).await
        }
        other => other,
    }
}

async fn search(
    mirror: &Mirror<'_>,
    access: &Access,
    reference: &Reference,
    digits: &str,
    patience: Duration,
) -> Result<String, Fault> {
    mirror
        .fetch_reference(access, reference, &Lines::unheard())
        .await?;
    let mut found = mirror.commits_beginning_with(digits).await?;
    let mut reachable = Vec::new();
    for commit in &found {
        if mirror.is_reachable(commit, reference).await? {
            reachable.push(commit.clone());
        }
    }
    if reachable.len() > 1 {
        return Err(SourceError::AmbiguousCommit(digits.to_owned()).into());
    }
    if let Some(commit) = reachable.pop() {
        return Ok(commit);
    }
    if found.is_empty() {
        // Only to say which of two errors it is, so not at any price.
        let lines = Lines::unheard();
        let everything = mirror.fetch_everything(access, access.remote(), &lines);
        let _ = tokio::time::timeout(patience, everything).await;
        found = mirror.commits_beginning_with(digits).await?;
    }
    let commit = digits.to_owned();
    Err(match reference {
        Reference::Branch(_) | Reference::Tag(_) if found.is_empty() => {
            SourceError::NoSuchCommit(commit)
        }
        Reference::Other(_) | Reference::Commit(_) => SourceError::NoSuchCommit(commit),
        Reference::Branch(branch) => SourceError::NotOnBranch {
            commit,
            branch: branch.to_string(),
        },
        Reference::Tag(tag) => SourceError::NotInTag {
            commit,
            tag: tag.to_string(),
        },
    }
    .into())
}
