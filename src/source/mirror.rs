//! A bare mirror of what was asked of a remote: fetching into it, asking it about commits, mending it.
//!
//! It is a full clone of the branches that are deployed, not a partial one: what a partial clone leaves out git
//! fetches when a tree is written, which needs the network and the credentials a second time, and a rebuild of an
//! old commit would depend on a remote that may be gone. The cost is disk.
//!
//! One call at a time works with the mirrors of a project: the caller holds the project's lock.

use super::access::Access;
use super::address::Address;
use super::fault::{Fault, is_absence};
use super::lines::Lines;
use super::place::{Place, private_dir, reference_ref};
use super::program::{Answer, Call, Program};
use super::tree::remove_all;
use crate::core::commit::{CommitDetail, Signature};
use crate::core::deployment::{CommitInfo, MAX_MESSAGE};
use crate::core::log::clean;
use crate::core::name::Sha;
use crate::core::ports::SourceError;
use crate::core::reference::Reference;
use crate::core::time::Timestamp;
use std::io;
use std::path::{Path, PathBuf};

/// Every branch and tag of the remote, fetched only to tell a commit that is elsewhere from one that is nowhere.
const EVERYTHING: [&str; 2] = [
    "+refs/heads/*:refs/longshore/heads/*",
    "+refs/tags/*:refs/longshore/tags/*",
];

/// Every ref of the remote: forges keep what was proposed and never merged on refs of their own.
const EVERY_REF: [&str; 1] = ["+refs/*:refs/longshore/any/*"];

/// Where what was fetched of branches and tags, and of every ref, is found.
const FETCHED: [&str; 3] = [
    "refs/longshore/heads",
    "refs/longshore/tags",
    "refs/longshore/any",
];

/// How many bytes of a message are shown where the whole is asked for: it is a stranger's text, and an answer should stay
/// one.
const MAX_WHOLE_MESSAGE: usize = 64 * 1024;

/// A bare repository of ours.
#[derive(Debug)]
pub(super) struct Mirror<'a> {
    program: &'a Program,
    place: &'a Place,
    dir: PathBuf,
}

impl<'a> Mirror<'a> {
    pub(super) fn at(program: &'a Program, place: &'a Place, dir: PathBuf) -> Self {
        Self {
            program,
            place,
            dir,
        }
    }

    /// Makes it ready for use, and says whether it was there before.
    pub(super) async fn open(&self) -> Result<bool, Fault> {
        if let Some(parent) = self.dir.parent() {
            private_dir(parent)?;
            remove_leftovers_of(&self.dir, parent).await?;
        }
        if self.is_there() {
            remove_locks(&self.dir)?;
            // What a merge made that did not come to its end.
            remove_all(self.merging()).await?;
            return Ok(true);
        }
        private_dir(&self.dir)?;
        let mut call = Call::new(["init", "--bare", "--quiet", "--template=", "--"]);
        call = call.argument(&self.dir);
        self.program.run(call, &Lines::unheard()).await?.success()?;
        Ok(false)
    }

    /// Whether there is one.
    pub(super) fn is_there(&self) -> bool {
        self.dir
            .symlink_metadata()
            .is_ok_and(|found| found.is_dir())
    }

    /// Where a merge is made.
    pub(super) fn merging(&self) -> PathBuf {
        self.dir.join("merging")
    }

    /// Takes off the disk what a fetch that found no space left behind: of a mirror that was there before whatever
    /// no ref of it needs, else all of it.
    pub(super) async fn give_back(&self, was_there: bool) -> Result<(), Fault> {
        if was_there {
            remove_locks(&self.dir)?;
            // Small fetches are unpacked as they come; what came of one is of no use without the rest. That git
            // cannot do it now is no second fault: its own packing does it later.
            self.ask(Call::new(["prune", "--expire=now"])).await?;
        } else if let Some(aside) = self.place.set_aside(&self.dir)? {
            remove_all(aside).await?;
        }
        Ok(())
    }

    /// Throws it away, damaged as it is, and makes an empty one.
    pub(super) async fn make_anew(&self) -> Result<(), Fault> {
        if let Some(aside) = self.place.set_aside(&self.dir)? {
            remove_all(aside).await?;
        }
        self.open().await?;
        Ok(())
    }

    /// Brings the branch or tag up to date; what it was before is forgotten.
    pub(super) async fn fetch_reference(
        &self,
        access: &Access,
        reference: &Reference,
        lines: &Lines,
    ) -> Result<(), Fault> {
        let refs = [format!(
            "+{}:{}",
            reference.full(),
            reference_ref(reference)
        )];
        self.fetch(access, access.remote(), &[], &refs, lines).await
    }

    /// Brings one commit, if the remote gives out commits that are asked for by their id.
    pub(super) async fn fetch_commit(
        &self,
        access: &Access,
        address: &Address,
        sha: &str,
        lines: &Lines,
    ) -> Result<(), Fault> {
        let refs = [format!("+{sha}:refs/longshore/wanted")];
        self.fetch(access, address, &[], &refs, lines).await
    }

    /// Brings a commit, wherever in the repository it is: as most remotes do, by its id, else with every branch and tag, at
    /// last with every other ref. It is here afterwards, or it is nowhere.
    pub(super) async fn fetch_anywhere(
        &self,
        access: &Access,
        sha: &str,
        lines: &Lines,
    ) -> Result<(), Fault> {
        let remote = access.remote();
        match self.fetch_commit(access, remote, sha, lines).await {
            // A remote of the old kind says in its own words that it does not give it out so.
            Err(Fault::Known(SourceError::Failed(_))) | Ok(()) => {}
            Err(fault) if is_absence(&fault) => {}
            Err(fault) => return Err(fault),
        }
        if self.has(sha).await? {
            return Ok(());
        }
        self.fetch_everything(access, remote, lines).await?;
        if self.has(sha).await? {
            return Ok(());
        }
        self.fetch_every_ref(access, lines).await?;
        match self.has(sha).await? {
            true => Ok(()),
            false => Err(SourceError::NoSuchCommit(sha.to_owned()).into()),
        }
    }

    /// Brings every ref there is.
    pub(super) async fn fetch_every_ref(
        &self,
        access: &Access,
        lines: &Lines,
    ) -> Result<(), Fault> {
        let refs = EVERY_REF.map(str::to_owned);
        self.fetch(access, access.remote(), &["--prune"], &refs, lines)
            .await
    }

    /// Brings two branches up to date at once.
    pub(super) async fn fetch_both(
        &self,
        access: &Access,
        both: [&Reference; 2],
    ) -> Result<(), Fault> {
        let refs = both.map(|one| format!("+{}:{}", one.full(), reference_ref(one)));
        self.fetch(access, access.remote(), &[], &refs, &Lines::unheard())
            .await
    }

    /// Brings every branch and tag.
    pub(super) async fn fetch_everything(
        &self,
        access: &Access,
        address: &Address,
        lines: &Lines,
    ) -> Result<(), Fault> {
        let refs = EVERYTHING.map(str::to_owned);
        self.fetch(access, address, &["--prune"], &refs, lines)
            .await
    }

    async fn fetch(
        &self,
        access: &Access,
        address: &Address,
        more: &[&str],
        refs: &[String],
        lines: &Lines,
    ) -> Result<(), Fault> {
        let mut options = vec![
            "--progress",
            "--no-tags",
            "--no-write-fetch-head",
            "--no-recurse-submodules",
            "--no-auto-maintenance",
            // The remote itself may be shallow (a CI system's copy).
            "--update-shallow",
        ];
        if self.is_shallow() {
            // Then take what it has meanwhile.
            options.push("--unshallow");
        }
        options.extend(more);
        let call = access.call("fetch", &options, address, refs);
        self.run(call, lines).await?.success()?;
        Ok(())
    }

    /// Whether the commit is here.
    pub(super) async fn has(&self, sha: &str) -> Result<bool, Fault> {
        let call = Call::new(["cat-file", "-e", &format!("{sha}^{{commit}}")]);
        Ok(self.ask(call).await?.code == 0)
    }

    /// The commits whose ids begin with these digits.
    pub(super) async fn commits_beginning_with(&self, digits: &str) -> Result<Vec<String>, Fault> {
        if digits.len() == 40 {
            // An annotated tag has an id of its own, which is no commit's although it leads to one.
            let is_commit = self.has(digits).await? && self.kind(digits).await? == "commit";
            return Ok(is_commit.then(|| digits.to_owned()).into_iter().collect());
        }
        let call = Call::new(["rev-parse", &format!("--disambiguate={digits}")]);
        let objects = self.ask(call).await?.success()?;
        let mut commits = Vec::new();
        for id in String::from_utf8_lossy(&objects).lines() {
            if self.kind(id).await? == "commit" {
                commits.push(id.to_owned());
            }
        }
        Ok(commits)
    }

    async fn kind(&self, id: &str) -> Result<String, Fault> {
        let kind = self
            .ask(Call::new(["cat-file", "-t", id]))
            .await?
            .success()?;
        Ok(String::from_utf8_lossy(&kind).trim().to_owned())
    }

    /// Whether the commit is in the history of any ref, as they were last fetched together.
    pub(super) async fn is_on_any_ref(&self, sha: &str) -> Result<bool, Fault> {
        let contains = format!("--contains={sha}");
        let options = [
            "for-each-ref",
            "--count=1",
            "--format=%(refname)",
            &contains,
        ];
        let call = Call::new(options.into_iter().chain(FETCHED));
        Ok(!self.ask(call).await?.success()?.is_empty())
    }

    /// The commit that a branch or another ref led to when it was last fetched; `None` if what it leads to is no commit.
    pub(super) async fn head_of(&self, reference: &Reference) -> Result<Option<String>, Fault> {
        let name = format!("{}^{{commit}}", reference_ref(reference));
        let call = Call::new(["rev-parse", "--verify", "--quiet", &name]);
        let answer = self.ask(call).await?;
        if answer.code == 1 {
            return Ok(None);
        }
        let said = answer.success()?;
        Ok(Some(String::from_utf8_lossy(&said).trim().to_owned()))
    }

    /// Whether the remote itself has only the newest part of the history.
    pub(super) fn is_shallow(&self) -> bool {
        self.dir.join("shallow").exists()
    }

    /// Whether the one commit is in the history of the other.
    pub(super) async fn is_ancestor(&self, one: &str, other: &str) -> Result<bool, Fault> {
        let call = Call::new(["merge-base", "--is-ancestor", one, other]);
        let answer = self.ask(call).await?;
        match answer.code {
            0 => Ok(true),
            1 => Ok(false),
            _ => Err(answer.fault()),
        }
    }

    /// Whether the commit is in the history of the branch or tag, as that was last fetched.
    pub(super) async fn is_reachable(&self, sha: &str, from: &Reference) -> Result<bool, Fault> {
        self.is_ancestor(sha, &reference_ref(from)).await
    }

    /// What the commit says of itself, without what could move a terminal's cursor.
    pub(super) async fn describe(&self, sha: &str) -> Result<CommitInfo, Fault> {
        let call = Call::new([
            "log",
            "-1",
            "--no-show-signature",
            "--encoding=UTF-8",
            "--format=%an%n%ae%n%ct%n%B",
            sha,
            "--",
        ]);
        let text = self.ask(call).await?.success()?;
        let mut lines = text.split(|byte| *byte == b'\n').map(clean);
        let author = lines.next().unwrap_or_default();
        let author_email = lines.next().unwrap_or_default();
        let committed = lines.next().and_then(|seconds| seconds.parse().ok());
        let millis = |seconds: i64| seconds.checked_mul(1000).map(Timestamp);
        let message: String = lines.collect::<Vec<_>>().join("\n");
        Ok(CommitInfo {
            message: message.trim().chars().take(MAX_MESSAGE).collect(),
            author,
            author_email,
            committed_at: committed.and_then(millis),
        })
    }

    /// Everything that the commit says of itself.
    pub(super) async fn detail(&self, sha: &str) -> Result<CommitDetail, Fault> {
        let call = Call::new([
            "log",
            "-1",
            "--no-show-signature",
            "--encoding=UTF-8",
            "--format=%T%n%P%n%an%n%ae%n%at%n%cn%n%ce%n%ct%n%B",
            sha,
            "--",
        ]);
        let text = self.ask(call).await?.success()?;
        let mut lines = text.split(|byte| *byte == b'\n').map(clean);
        let mut line = || lines.next().unwrap_or_default();
        let (tree, parents) = (line(), line());
        let mut signature = || Signature {
            name: line(),
            email: line(),
            at: Timestamp(
                line()
                    .parse::<i64>()
                    .map_or(0, |at| at.saturating_mul(1000)),
            ),
        };
        let (author, committer) = (signature(), signature());
        let id = |text: &str| {
            Sha::parse(text).map_err(|why| {
                SourceError::Failed(format!("git named an object '{text}', which {why}"))
            })
        };
        let message = lines.collect::<Vec<_>>().join("\n");
        let message = message.trim_end();
        let end = message.floor_char_boundary(MAX_WHOLE_MESSAGE);
        Ok(CommitDetail {
            sha: id(sha)?,
            tree: id(&tree)?,
            parents: parents
                .split_whitespace()
                .map(id)
                .collect::<Result<_, _>>()?,
            message: message[..end].to_owned(),
            author,
            committer,
        })
    }

    /// Writes the commit's tree into an empty directory, by way of an index of its own. The tree gets no `.git`:
    /// a build has no use for it, and nothing in it can lead git elsewhere.
    pub(super) async fn write_tree(
        &self,
        sha: &str,
        tree: &Path,
        index: &Path,
    ) -> Result<(), Fault> {
        for left in [index.to_owned(), index.with_extension("index.lock")] {
            match std::fs::remove_file(left) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
                Ok(()) | Err(_) => {}
            }
        }
        let mut work_tree = std::ffi::OsString::from("--work-tree=");
        work_tree.push(tree);
        let call = Call::new(["read-tree", "--reset", "-u", sha])
            .global(work_tree)
            .inside(tree)
            .variable("GIT_INDEX_FILE", index);
        self.ask(call).await?.success()?;
        std::fs::remove_file(index)?;
        Ok(())
    }

    /// Packs what many small fetches left, when git finds it is time; the big old pack is not written again.
    /// That it fails is no reason to fail a deployment.
    pub(super) async fn tidy(&self, lines: &Lines) -> Result<(), Fault> {
        let call = Call::new(["gc", "--auto", "--quiet", "--keep-largest-pack"]);
        if let Err(fault) = self.ask(call).await?.success() {
            let why = fault.into_error(|| self.place.free());
            lines
                .tell(format!("The mirror could not be packed: {why}"))
                .await;
        }
        Ok(())
    }

    /// Asks a question that needs no remote.
    pub(super) async fn ask(&self, call: Call) -> Result<Answer, Fault> {
        self.run(call, &Lines::unheard()).await
    }

    async fn run(&self, call: Call, lines: &Lines) -> Result<Answer, Fault> {
        let mut git_dir = std::ffi::OsString::from("--git-dir=");
        git_dir.push(&self.dir);
        self.program.run(call.global(git_dir), lines).await
    }
}

/// Removes mirrors that were set aside and whose removal was interrupted.
async fn remove_leftovers_of(dir: &Path, parent: &Path) -> io::Result<()> {
    let Some(name) = dir.file_name() else {
        return Ok(());
    };
    let mut prefix = name.to_owned();
    prefix.push(".gone-");
    for entry in std::fs::read_dir(parent)? {
        let entry = entry?;
        let found = entry.file_name();
        if found
            .as_encoded_bytes()
            .starts_with(prefix.as_encoded_bytes())
        {
            remove_all(entry.path()).await?;
        }
    }
    Ok(())
}

/// Removes the lock and temporary files of a git that was killed: the project's lock is held, so no git that
/// could own them runs.
fn remove_locks(dir: &Path) -> io::Result<()> {
    let entries = walkdir::WalkDir::new(dir)
        .into_iter()
        .filter_entry(|entry| {
            // Loose objects' directories hold nothing that is in anybody's way; git's own packing clears them.
            let name = entry.file_name().as_encoded_bytes();
            !(entry.depth() == 2 && name.len() == 2 && entry.file_type().is_dir())
        });
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name().as_encoded_bytes();
        let in_packs = entry
            .path()
            .parent()
            .is_some_and(|dir| dir.ends_with("objects/pack"));
        let temporary = in_packs && (name.starts_with(b"tmp_") || name.starts_with(b".tmp-"));
        if entry.file_type().is_file() && (name.ends_with(b".lock") || temporary) {
            std::fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}
