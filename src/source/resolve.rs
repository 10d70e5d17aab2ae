//! Finds the commit a revision names, on the remote as it is now.

use super::access::Access;
use super::fault::Fault;
use super::lines::Lines;
use super::mirror::Mirror;
use super::program::Program;
use crate::core::name::Branch;
use crate::core::ports::SourceError;
use std::time::Duration;

/// The branch's head. The ref's whole name is compared: git also lists refs that merely end like it, and a tag of
/// the same name is another ref.
pub(super) async fn head(
    program: &Program,
    access: &Access,
    branch: &Branch,
) -> Result<String, Fault> {
    let name = format!("refs/heads/{branch}");
    let call = access
        .call(
            "ls-remote",
            &[],
            access.remote(),
            std::slice::from_ref(&name),
        )
        // Outside of any repository, also when the data directory lies inside one.
        .variable("GIT_DIR", "/dev/null");
    let answer = program.run(call, &Lines::unheard()).await?.success()?;
    let answer = String::from_utf8_lossy(&answer);
    let head = answer
        .lines()
        .filter_map(|line| line.split_once('\t'))
        .find(|(_, found)| *found == name)
        .map(|(sha, _)| sha.to_owned());
    head.ok_or_else(|| SourceError::NoSuchBranch(branch.to_string()).into())
}

/// Whether the text is the beginning of a commit's id, so that git takes it for nothing else.
pub(super) fn is_commit_digits(text: &str) -> bool {
    let hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
    (7..=40).contains(&text.len()) && text.bytes().all(hex)
}

/// The one commit of the branch's history that begins with these digits. Needs the project's lock.
pub(super) async fn commit_on_branch(
    mirror: &Mirror<'_>,
    access: &Access,
    branch: &Branch,
    digits: &str,
    patience: Duration,
) -> Result<String, Fault> {
    let was_there = mirror.open().await?;
    match search(mirror, access, branch, digits, patience).await {
        Err(Fault::Unexplained(_)) if was_there => {
            mirror.make_anew().await?;
            search(mirror, access, branch, digits, patience).await
        }
        other => other,
    }
}

async fn search(
    mirror: &Mirror<'_>,
    access: &Access,
    branch: &Branch,
    digits: &str,
    patience: Duration,
) -> Result<String, Fault> {
    mirror
        .fetch_branch(access, branch.as_str(), &Lines::unheard())
        .await?;
    let mut found = mirror.commits_beginning_with(digits).await?;
    let mut on_branch = Vec::new();
    for commit in &found {
        if mirror.is_on_branch(commit, branch.as_str()).await? {
            on_branch.push(commit.clone());
        }
    }
    if on_branch.len() > 1 {
        return Err(SourceError::AmbiguousCommit(digits.to_owned()).into());
    }
    if let Some(commit) = on_branch.pop() {
        return Ok(commit);
    }
    if found.is_empty() {
        // Only to say which of two errors it is, so not at any price.
        let lines = Lines::unheard();
        let everything = mirror.fetch_everything(access, access.remote(), &lines);
        let _ = tokio::time::timeout(patience, everything).await;
        found = mirror.commits_beginning_with(digits).await?;
    }
    Err(if found.is_empty() {
        SourceError::NoSuchCommit(digits.to_owned())
    } else {
        SourceError::NotOnBranch {
            commit: digits.to_owned(),
            branch: branch.to_string(),
        }
    }
    .into())
}
