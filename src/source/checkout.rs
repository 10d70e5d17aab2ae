//! One checkout: the commit into the mirror, its tree into the scratch place, its submodules into the tree.

use super::access::Access;
use super::address::Address;
use super::fault::{Fault, is_absence};
use super::lines::Lines;
use super::mirror::Mirror;
use super::modules::{self, MOST, Module};
use super::place::Place;
use super::program::Program;
use crate::core::ports::SourceError;
use crate::core::reference::Reference;
use std::path::{Path, PathBuf};

/// What all parts of a checkout share.
pub(super) struct Walk<'a> {
    pub(super) program: &'a Program,
    pub(super) place: &'a Place,
    pub(super) project: &'a str,
    pub(super) access: &'a Access,
    /// Where git's index is while a tree is written.
    pub(super) index: PathBuf,
    pub(super) lines: &'a Lines,
}

/// A commit, where it comes from and where its tree goes.
struct Part<'a> {
    mirror: Mirror<'a>,
    origin: Origin<'a>,
    sha: String,
    tree: PathBuf,
}

enum Origin<'a> {
    /// The remote itself; the commit should be on this branch or in the history of this tag.
    Reference(&'a Reference),
    /// A submodule's remote. The path is for messages, from the root of the whole tree.
    Module { path: String, address: Address },
}

impl<'a> Walk<'a> {
    /// Writes the commit's tree and those of its submodules into `tree`, an empty directory.
    pub(super) async fn write(
        &self,
        mirror: Mirror<'a>,
        reference: &'a Reference,
        sha: &str,
        tree: &Path,
    ) -> Result<(), Fault> {
        let root = Part {
            mirror,
            origin: Origin::Reference(reference),
            sha: sha.to_owned(),
            tree: tree.to_owned(),
        };
        let mut pending = vec![root];
        let mut found = 0;
        while let Some(part) = pending.pop() {
            self.write_part(&part)
                .await
                .map_err(|fault| part.name(fault))?;
            for module in modules::of_commit(&part.mirror, &part.sha).await? {
                found += 1;
                if found > MOST {
                    return Err(failed(format!(
                        "the repository has more than {MOST} submodules"
                    )));
                }
                pending.push(self.module(&part, module)?);
            }
        }
        Ok(())
    }

    fn module(&self, parent: &Part<'a>, module: Module) -> Result<Part<'a>, Fault> {
        let (path, address) = match &parent.origin {
            Origin::Reference(_) => (module.path.clone(), self.access.remote()),
            Origin::Module { path, address } => (format!("{path}/{}", module.path), address),
        };
        let address = address
            .submodule(&module.url)
            .map_err(|why| failed(format!("submodule '{path}': {why}")))?;
        if !modules::is_real_dir(&parent.tree, &module.path) {
            return Err(failed(format!(
                "the place of submodule '{path}' is not a directory of the tree"
            )));
        }
        let dir = self.place.module_mirror(self.project, address.as_str());
        Ok(Part {
            mirror: Mirror::at(self.program, self.place, dir),
            origin: Origin::Module { path, address },
            sha: module.sha,
            tree: parent.tree.join(module.path),
        })
    }

    /// Where the disk is full, what is of no use without the rest is taken off it again.
    async fn write_part(&self, part: &Part<'_>) -> Result<(), Fault> {
        let was_there = part.mirror.is_there();
        match self.write_or_make_anew(part).await {
            Err(Fault::Full(said)) => {
                let free = self.place.free();
                part.mirror.give_back(was_there).await?;
                Err(SourceError::DiskFull { said, free }.into())
            }
            other => other,
        }
    }

    /// A mirror that git finds fault with for no reason we know is made anew, once.
    async fn write_or_make_anew(&self, part: &Part<'_>) -> Result<(), Fault> {
        let was_there = part.mirror.open().await?;
        match self.fetch_and_write(part).await {
            Err(Fault::Unexplained(why)) if was_there => {
                self.lines
                    .tell(format!("The mirror seems damaged and is made anew: {why}"))
                    .await;
                part.mirror.make_anew().await?;
                self.fetch_and_write(part).await
            }
            other => other,
        }
    }

    async fn fetch_and_write(&self, part: &Part<'_>) -> Result<(), Fault> {
        if !part.mirror.has(&part.sha).await? {
            match &part.origin {
                Origin::Reference(reference) => self.fetch_root(part, reference).await?,
                Origin::Module { path, address } => self.fetch_module(part, path, address).await?,
            }
            part.mirror.tidy(self.lines).await?;
        }
        part.mirror
            .write_tree(&part.sha, &part.tree, &self.index)
            .await
    }

    /// The branch or tag may have been moved or deleted since the commit was resolved: then the commit itself is asked
    /// for, which many remotes give out for a while.
    async fn fetch_root(&self, part: &Part<'_>, reference: &Reference) -> Result<(), Fault> {
        let (access, mirror, sha) = (self.access, &part.mirror, &part.sha);
        let remote = access.remote();
        let (named, away) = match reference {
            Reference::Branch(branch) => (branch.to_string(), format!("on {branch}")),
            Reference::Tag(tag) => (format!("tag {tag}"), format!("in the history of tag {tag}")),
            Reference::Other(name) => (name.to_string(), format!("in the history of {name}")),
            Reference::Commit(_) => {
                self.lines
                    .tell(format!("Fetching {} of {}", short(sha), remote.as_str()))
                    .await;
                return mirror.fetch_anywhere(access, sha, self.lines).await;
            }
        };
        self.lines
            .tell(format!("Fetching {named} of {}", remote.as_str()))
            .await;
        let gone = match mirror.fetch_reference(access, reference, self.lines).await {
            Ok(()) if mirror.has(sha).await? => return Ok(()),
            Ok(()) => SourceError::NoSuchCommit(sha.clone()).into(),
            Err(fault) if is_absence(&fault) => fault,
            Err(fault) => return Err(fault),
        };
        self.lines
            .tell(format!(
                "{} is not {away} any more; asking for the commit itself",
                short(sha)
            ))
            .await;
        match mirror.fetch_commit(access, remote, sha, self.lines).await {
            Ok(()) if mirror.has(sha).await? => Ok(()),
            Err(fault) if !is_absence(&fault) => Err(fault),
            Ok(()) | Err(_) => Err(gone),
        }
    }

    /// A submodule's commit may be on any branch or tag; most remotes give it out by its id.
    async fn fetch_module(
        &self,
        part: &Part<'_>,
        path: &str,
        address: &Address,
    ) -> Result<(), Fault> {
        let (access, mirror, sha) = (self.access, &part.mirror, &part.sha);
        self.lines
            .tell(format!("Fetching submodule {path} of {}", address.as_str()))
            .await;
        match mirror.fetch_commit(access, address, sha, self.lines).await {
            Err(fault) if is_absence(&fault) => {
                mirror.fetch_everything(access, address, self.lines).await?;
            }
            result => result?,
        }
        if mirror.has(sha).await? {
            Ok(())
        } else {
            Err(SourceError::NoSuchCommit(sha.clone()).into())
        }
    }
}

impl Part<'_> {
    /// The fault with the submodule's name in it.
    fn name(&self, fault: Fault) -> Fault {
        let Origin::Module { path, .. } = &self.origin else {
            return fault;
        };
        let named = |text: String| format!("submodule '{path}': {text}");
        match fault {
            Fault::Unexplained(text) => Fault::Unexplained(named(text)),
            Fault::Full(text) => Fault::Full(named(text)),
            Fault::Known(SourceError::DiskFull { said, free }) => SourceError::DiskFull {
                said: named(said),
                free,
            }
            .into(),
            Fault::Known(SourceError::AccessDenied(text)) => {
                SourceError::AccessDenied(named(text)).into()
            }
            Fault::Known(SourceError::Unreachable(text)) => {
                SourceError::Unreachable(named(text)).into()
            }
            Fault::Known(SourceError::Failed(text)) => failed(named(text)),
            Fault::Known(
                error @ (SourceError::NoSuchBranch(_)
                | SourceError::NoSuchTag(_)
                | SourceError::NoSuchRef(_)
                | SourceError::Empty
                | SourceError::NoSuchCommit(_)
                | SourceError::AmbiguousCommit(_)
                | SourceError::NotOnBranch { .. }
                | SourceError::NotInTag { .. }),
            ) => failed(named(format!("{error}; was it pushed?"))),
        }
    }
}

fn failed(text: String) -> Fault {
    SourceError::Failed(text).into()
}

/// As many digits as a person reads.
pub(super) fn short(sha: &str) -> &str {
    sha.get(..12).unwrap_or(sha)
}
