//! Merges one branch into another and pushes the merge, both or neither.
//!
//! ```text
//! fetch both ─▶ behind? ─no──▶ UpToDate
//!     ▲           │ a branch? ─no──▶ Immovable
//!     │           ▼
//!     │         merge ─conflict──▶ Conflict
//!     │           ▼
//!     └─moved── push, if the branch is where it was fetched ─▶ Merged | NotPermitted
//! ```
//!
//! What is made is made in a repository of its own inside the mirror, which borrows the mirror's objects: whatever ends the
//! work, the mirror has nothing of it, and what is left of that repository is removed when the mirror is next used. The
//! remote takes the whole push or nothing.

use super::access::Access;
use super::fault::Fault;
use super::lines::Lines;
use super::locate::located;
use super::mirror::Mirror;
use super::place::{Place, private_dir};
use super::program::{Answer, Call, Program};
use super::resolve;
use super::tree::remove_all;
use crate::core::name::Branch;
use crate::core::ports::{Located, Merge, MergeRequest, SourceError};
use crate::core::reference::Reference;

/// How often it is begun anew because somebody else pushed meanwhile. Whoever pushes more often than that does not want it
/// merged now.
const TRIES: usize = 4;

/// The first git that merges without a work tree.
const MERGES_TREES: (u32, u32) = (2, 38);

/// One merge. The project's lock is held.
pub(super) struct Merging<'a> {
    pub(super) program: &'a Program,
    pub(super) place: &'a Place,
    pub(super) mirror: &'a Mirror<'a>,
    pub(super) access: &'a Access,
    pub(super) request: &'a MergeRequest,
}

/// A branch that is behind: where it and the other were when they were fetched.
struct Behind<'a> {
    branch: &'a Branch,
    head: String,
    from: String,
}

enum Pushed {
    Taken,
    /// Somebody moved the branch meanwhile.
    Moved,
    Refused(String),
}

impl Merging<'_> {
    /// A mirror that git finds fault with for no reason we know is made anew, once.
    pub(super) async fn run(&self) -> Result<Merge, Fault> {
        let was_there = self.mirror.open().await?;
        let merged = match self.merge().await {
            Err(Fault::Unexplained(_)) if was_there => {
                self.mirror.make_anew().await?;
                self.merge().await
            }
            other => other,
        };
        remove_all(self.mirror.merging()).await?;
        merged
    }

    async fn merge(&self) -> Result<Merge, Fault> {
        for _ in 0..TRIES {
            let into = &self.request.into;
            let Some((head, from)) = self.fetch().await? else {
                return Ok(Merge::UpToDate(into.clone()));
            };
            if self.mirror.is_ancestor(&from, &head).await? {
                let now = located(into.reference.clone(), &head)?;
                return Ok(Merge::UpToDate(now));
            }
            let Reference::Branch(branch) = &into.reference else {
                return Ok(Merge::Immovable);
            };
            if self.mirror.is_shallow() {
                return Ok(Merge::NotPermitted(
                    "the remote has only the newest part of the history (it is shallow)".to_owned(),
                ));
            }
            let behind = Behind { branch, head, from };
            let Some(commit) = self.make(&behind).await? else {
                return Ok(Merge::Conflict);
            };
            match self.push(&behind, &commit).await? {
                Pushed::Taken => {
                    let Located { sha, .. } = located(into.reference.clone(), &commit)?;
                    return Ok(Merge::Merged(sha));
                }
                Pushed::Refused(why) => return Ok(Merge::NotPermitted(why)),
                Pushed::Moved => {}
            }
        }
        Err(SourceError::Unreachable(format!(
            "'{}' was moved by somebody else each of {TRIES} times; try again",
            self.request.into.reference
        ))
        .into())
    }

    /// Where the two are now; `None` if the other branch is not there.
    async fn fetch(&self) -> Result<Option<(String, String)>, Fault> {
        let Located { reference, sha } = &self.request.into;
        let from = Reference::Branch(self.request.from.clone());
        if *reference == from {
            return Ok(None);
        }
        let lines = Lines::unheard();
        let fetched = match reference {
            Reference::Branch(_) => {
                self.mirror
                    .fetch_both(self.access, [reference, &from])
                    .await
            }
            Reference::Tag(_) | Reference::Commit(_) | Reference::Other(_) => {
                if !self.mirror.has(sha.as_str()).await? {
                    self.mirror
                        .fetch_anywhere(self.access, sha.as_str(), &lines)
                        .await?;
                }
                self.mirror
                    .fetch_reference(self.access, &from, &lines)
                    .await
            }
        };
        match fetched {
            Err(Fault::Known(SourceError::NoSuchBranch(gone)))
                if gone == self.request.from.as_str() =>
            {
                return Ok(None);
            }
            other => other?,
        }
        let head = match reference {
            Reference::Branch(_) => self.mirror.head_of(reference).await?,
            Reference::Tag(_) | Reference::Commit(_) | Reference::Other(_) => Some(sha.to_string()),
        };
        let from = self.mirror.head_of(&from).await?;
        head.zip(from)
            .map(Some)
            .ok_or_else(|| Fault::Unexplained("a fetched branch is not there".to_owned()))
    }

    /// The merge commit, made beside the mirror; `None` if the two do not merge.
    async fn make(&self, behind: &Behind<'_>) -> Result<Option<String>, Fault> {
        let Behind { branch, head, from } = behind;
        let base = self
            .mirror
            .ask(Call::new(["merge-base", "--", head, from]))
            .await?;
        match base.code {
            0 => {}
            1 => return Ok(None),
            _ => return Err(base.fault()),
        }
        self.prepare().await?;
        let trees = self
            .program
            .version()
            .await?
            .is_none_or(|it| it >= MERGES_TREES);
        let tree = match trees {
            true => self.merged_tree(head, from).await?,
            false => self.merged_in_a_work_tree(head, from).await?,
        };
        let Some(tree) = tree else {
            return Ok(None);
        };
        let message = format!("Merge branch '{}' into {branch}", self.request.from);
        let call = self.signed(Call::new([
            "commit-tree",
            "--no-gpg-sign",
            "-p",
            head,
            "-p",
            from,
            "-m",
            &message,
            &tree,
        ]));
        Ok(Some(one_line(&self.ask(call).await?.success()?)))
    }

    /// An empty repository that borrows the mirror's objects.
    async fn prepare(&self) -> Result<(), Fault> {
        let dir = self.mirror.merging();
        remove_all(dir.clone()).await?;
        private_dir(&dir)?;
        let call = Call::new(["init", "--bare", "--quiet", "--template=", "--"]);
        let call = call.argument(&dir);
        self.program.run(call, &Lines::unheard()).await?.success()?;
        let info = dir.join("objects/info");
        private_dir(&info)?;
        // From its own `objects` to the mirror's.
        write(&info.join("alternates"), "../../objects\n")?;
        Ok(())
    }

    async fn merged_tree(&self, head: &str, from: &str) -> Result<Option<String>, Fault> {
        let call = Call::new(["merge-tree", "--write-tree", "--no-messages", head, from])
            // What the branch says of its files, such as `merge=union`.
            .variable("GIT_ATTR_SOURCE", head);
        let answer = self.ask(call).await?;
        match answer.code {
            1 => Ok(None),
            _ => Ok(Some(one_line(&answer.success()?))),
        }
    }

    /// The same for an older git, which merges only files that are there.
    async fn merged_in_a_work_tree(&self, head: &str, from: &str) -> Result<Option<String>, Fault> {
        let dir = self.mirror.merging().join("tree");
        private_dir(&dir)?;
        let within = |call: Call| {
            let mut work_tree = std::ffi::OsString::from("--work-tree=");
            work_tree.push(&dir);
            call.global(work_tree).inside(&dir)
        };
        for call in [
            Call::new(["update-ref", "--no-deref", "HEAD", head]),
            within(Call::new(["read-tree", "--reset", "-u", head])),
        ] {
            self.ask(call).await?.success()?;
        }
        let options = ["--no-ff", "--no-commit", "--no-stat", "--quiet"];
        let call = Call::new(["merge"].into_iter().chain(options)).argument(from);
        let answer = self.ask(self.signed(within(call))).await?;
        match answer.code {
            1 => Ok(None),
            _ => {
                answer.success()?;
                let tree = self.ask(Call::new(["write-tree"])).await?.success()?;
                Ok(Some(one_line(&tree)))
            }
        }
    }

    fn signed(&self, call: Call) -> Call {
        let MergeRequest {
            author, email, at, ..
        } = self.request;
        let date = format!("@{} +0000", at.0.div_euclid(1000));
        ["AUTHOR", "COMMITTER"].into_iter().fold(call, |call, who| {
            call.variable(&format!("GIT_{who}_NAME"), author)
                .variable(&format!("GIT_{who}_EMAIL"), email)
                .variable(&format!("GIT_{who}_DATE"), &date)
        })
    }

    /// Whatever git or the remote says, where the branch is afterwards is what counts.
    async fn push(&self, behind: &Behind<'_>, commit: &str) -> Result<Pushed, Fault> {
        let name = format!("refs/heads/{}", behind.branch);
        let lease = format!("--force-with-lease={name}:{}", behind.head);
        let options = [
            "--porcelain",
            "--no-verify",
            "--no-follow-tags",
            "--no-signed",
            "--recurse-submodules=no",
            &lease,
        ];
        let refs = [format!("{commit}:{name}")];
        let answer = self.ask(self.access.push(&options, &refs)).await?;
        if answer.code == 0 {
            return Ok(Pushed::Taken);
        }
        let reference = Reference::Branch(behind.branch.clone());
        match resolve::head(self.program, self.access, &reference).await {
            Ok(now) if now == commit => Ok(Pushed::Taken),
            Ok(now) if now == behind.head => refused(&answer),
            Ok(_) | Err(Fault::Known(SourceError::NoSuchBranch(_))) => Ok(Pushed::Moved),
            Err(fault) => Err(fault),
        }
    }

    async fn ask(&self, call: Call) -> Result<Answer, Fault> {
        let dir = self.mirror.merging();
        let made = Mirror::at(self.program, self.place, dir);
        made.ask(call).await
    }
}

/// Why the remote did not take it. What it says of the branch is an answer; without that, it may not have been reached.
fn refused(answer: &Answer) -> Result<Pushed, Fault> {
    if let Some(refusal) = answer.refusal() {
        let mut words = answer.remote_words();
        words.push(refusal);
        return Ok(Pushed::Refused(words.join("; ")));
    }
    match answer.fault() {
        Fault::Known(SourceError::AccessDenied(text) | SourceError::Failed(text))
        | Fault::Unexplained(text) => Ok(Pushed::Refused(text)),
        fault @ (Fault::Known(_) | Fault::Full(_)) => Err(fault),
    }
}

fn one_line(answer: &[u8]) -> String {
    let text = String::from_utf8_lossy(answer);
    text.lines().next().unwrap_or_default().trim().to_owned()
}

fn write(path: &std::path::Path, text: &str) -> std::io::Result<()> {
    use std::io::Write as _;
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    options.open(path)?.write_all(text.as_bytes())
}
