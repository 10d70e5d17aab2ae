//! What a commit of a mirror says of itself.

use super::fault::Fault;
use super::mirror::Mirror;
use super::program::Call;
use crate::core::commit::{CommitDetail, Signature};
use crate::core::deployment::{CommitInfo, MAX_MESSAGE};
use crate::core::log::clean;
use crate::core::name::Sha;
use crate::core::ports::SourceError;
use crate::core::time::Timestamp;

/// How many bytes of a message are shown where the whole is asked for: it is a stranger's text, and an answer should stay
/// one.
const MAX_WHOLE_MESSAGE: usize = 64 * 1024;

impl Mirror<'_> {
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
}
