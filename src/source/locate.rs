//! Finds what a name means that does not say whether it is a branch, a tag, a commit or another ref.

use super::access::Access;
use super::fault::Fault;
use super::lines::Lines;
use super::mirror::Mirror;
use super::program::Program;
use super::resolve::{first, supported};
use crate::core::name::{RefName, Sha};
use crate::core::ports::{Located, SourceError};
use crate::core::reference::{Reference, commit_digits};
use std::time::Duration;

/// What the remote is known to say of a name, before any commit is looked for.
pub(super) enum Known {
    /// It has the ref.
    Ref(Located),
    /// These may be the digits of a commit; if there is none of them, this is what the name means.
    Digits(String, Option<Located>),
}

/// Asks the remote for the refs the name may mean. All the digits of a commit mean the commit, also where somebody called a
/// branch so: nobody else can make that name mean something else.
pub(super) async fn look(
    program: &Program,
    access: &Access,
    name: &RefName,
) -> Result<Known, Fault> {
    let meant = Reference::meant_by(name.as_str());
    let found = match meant.is_empty() {
        true => None,
        false => first(program, access, &meant).await?,
    };
    let found = found.map(|(reference, sha)| located(reference, &sha));
    let found = found.transpose()?;
    match (found, commit_digits(name.as_str())) {
        (found, Some(digits)) if digits.len() == 40 => Ok(Known::Digits(digits, found)),
        (Some(found), _) => Ok(Known::Ref(found)),
        (None, Some(digits)) => Ok(Known::Digits(digits, None)),
        (None, None) => {
            let branches = super::resolve::branches(program, access).await?;
            Err(match branches.is_empty() {
                true => SourceError::Empty,
                false => SourceError::NoSuchRef(name.to_string()),
            }
            .into())
        }
    }
}

/// The reference with its commit, whose id git gave.
pub(super) fn located(reference: Reference, sha: &str) -> Result<Located, Fault> {
    supported(sha)?;
    let sha = Sha::parse(sha)
        .map_err(|why| SourceError::Failed(format!("git named the commit '{sha}', which {why}")))?;
    Ok(Located { reference, sha })
}

/// The one commit of the repository that begins with these digits, wherever it is. Needs the project's lock.
pub(super) async fn commit(
    mirror: &Mirror<'_>,
    access: &Access,
    digits: &str,
    patience: Duration,
) -> Result<String, Fault> {
    let was_there = mirror.open().await?;
    match search(mirror, access, digits, patience).await {
        Err(Fault::Unexplained(_)) if was_there => {
            mirror.make_anew().await?;
            search(mirror, access, digits, patience).await
        }
        other => other,
    }
}

async fn search(
    mirror: &Mirror<'_>,
    access: &Access,
    digits: &str,
    patience: Duration,
) -> Result<String, Fault> {
    let lines = Lines::unheard();
    if digits.len() == 40 {
        if mirror.commits_beginning_with(digits).await?.is_empty() {
            mirror.fetch_anywhere(access, digits, &lines).await?;
        }
        return one(digits, mirror.commits_beginning_with(digits).await?);
    }
    mirror
        .fetch_everything(access, access.remote(), &lines)
        .await?;
    let mut found = mirror.commits_beginning_with(digits).await?;
    if found.is_empty() {
        // What was proposed and never merged, but not at any price.
        let everything = mirror.fetch_every_ref(access, &lines);
        if let Ok(done) = tokio::time::timeout(patience, everything).await {
            done?;
        }
        found = mirror.commits_beginning_with(digits).await?;
    }
    let mut there = Vec::new();
    for commit in &found {
        if mirror.is_on_any_ref(commit).await? {
            there.push(commit.clone());
        }
    }
    // What is on no ref any more was there once, and means something only if nothing else does.
    one(digits, if there.is_empty() { found } else { there })
}

fn one(digits: &str, mut commits: Vec<String>) -> Result<String, Fault> {
    match (commits.pop(), commits.is_empty()) {
        (Some(commit), true) => Ok(commit),
        (Some(_), false) => Err(SourceError::AmbiguousCommit(digits.to_owned()).into()),
        (None, _) => Err(SourceError::NoSuchCommit(digits.to_owned()).into()),
    }
}
