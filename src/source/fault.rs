//! What git's words mean. Git tells why it failed only in prose; here it is read, once.

use crate::core::ports::SourceError;
use crate::core::redact::Redactor;
use std::io::ErrorKind;

/// Why git did not do it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// The cause is known, and lies outside the mirror.
    Known(SourceError),
    /// This host's disk has no space for it, in these words.
    Full(String),
    /// Git said something else: the mirror may be damaged, and making it anew may help.
    Unexplained(String),
}

impl From<SourceError> for Fault {
    fn from(error: SourceError) -> Self {
        Self::Known(error)
    }
}

impl From<std::io::Error> for Fault {
    fn from(error: std::io::Error) -> Self {
        match error.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => Self::Full(error.to_string()),
            _ => Self::Known(SourceError::Failed(error.to_string())),
        }
    }
}

impl Fault {
    /// As the port has it; `free` is asked only of a full disk.
    pub(super) fn into_error(self, free: impl FnOnce() -> u64) -> SourceError {
        match self {
            Self::Known(error) => error,
            Self::Full(said) => SourceError::DiskFull { said, free: free() },
            Self::Unexplained(text) => SourceError::Failed(text),
        }
    }
}

/// How many of git's last lines an error holds.
const LAST_LINES: usize = 6;

/// The remote says no, or says that it has no such thing, which forges answer where they would have to say no.
const DENIED: [&str; 14] = [
    "authentication failed",
    "could not read username",
    "could not read password",
    "permission denied",
    "returned error: 401",
    "returned error: 403",
    "returned error: 407",
    "repository not found",
    "could not be found or you don't have permission",
    "access denied",
    "unauthorized",
    "too many authentication failures",
    "not authorized",
    "marked as read only",
];

/// Nothing answers, or it stopped answering.
const UNREACHABLE: [&str; 24] = [
    "could not resolve host",
    "name or service not known",
    "temporary failure in name resolution",
    "connection refused",
    "connection timed out",
    "timed out",
    "timeout was reached",
    "couldn't connect to server",
    "failed to connect",
    "unable to connect",
    "no route to host",
    "network is unreachable",
    "operation too slow",
    "connection reset",
    "connection closed",
    "broken pipe",
    "recv failure",
    "empty reply from server",
    "hung up unexpectedly",
    "early eof",
    "rpc failed",
    "unexpected disconnect",
    "returned error: 429",
    "returned error: 5",
];

/// This host's disk has no space.
const FULL: [&str; 2] = ["no space left on device", "disk quota exceeded"];

/// Faults of this host that a new mirror would only make worse.
const NOT_THE_MIRROR: [&str; 5] = [
    "read-only file system",
    "out of memory",
    "mismatched algorithms",
    "certificate",
    "does not appear to be a git repository",
];

/// Reads what git said when it failed.
pub(super) fn explain(lines: &[String]) -> Fault {
    let text = quote(lines);
    let lower = text.to_ascii_lowercase();
    let says = |phrases: &[&str]| phrases.iter().any(|phrase| lower.contains(phrase));
    // A path of this host or an object that may not be read is no matter of the remote.
    let local = says(&["insufficient permission for adding", "cannot mkdir"])
        || lower.contains("unable to create '") && !lower.contains("(publickey");
    if says_full(lines) {
        Fault::Full(text)
    } else if let Some(at) = lower.find("couldn't find remote ref ") {
        let name = text[at + "couldn't find remote ref ".len()..]
            .split([' ', ';'])
            .next()
            .unwrap_or_default();
        match name.strip_prefix("refs/tags/") {
            Some(tag) => SourceError::NoSuchTag(tag.to_owned()).into(),
            None => match name.strip_prefix("refs/heads/") {
                Some(branch) => SourceError::NoSuchBranch(branch.to_owned()).into(),
                None => SourceError::NoSuchRef(name.to_owned()).into(),
            },
        }
    } else if lower.contains("host key verification failed")
        || lower.contains("host identification has changed")
    {
        SourceError::Failed(format!(
            "the host's ssh key is not the one it had when it was first seen; if it was really changed, remove \
             the host's line from known_hosts in the data directory ({text})"
        ))
        .into()
    } else if let Some(at) = lower.find("not our ref ") {
        let commit = lower[at + "not our ref ".len()..].chars();
        let commit = commit.take_while(char::is_ascii_hexdigit).collect();
        SourceError::NoSuchCommit(commit).into()
    } else if lower.contains("does not allow request for unadvertised object") {
        SourceError::Failed(text).into()
    } else if local {
        Fault::Unexplained(text)
    } else if says(&DENIED) || lower.contains("repository '") && lower.contains("' not found") {
        SourceError::AccessDenied(text).into()
    } else if says(&NOT_THE_MIRROR) {
        SourceError::Failed(text).into()
    } else if says(&UNREACHABLE) {
        SourceError::Unreachable(text).into()
    } else {
        Fault::Unexplained(text)
    }
}

/// The remote does not have it, or does not give it out by its id.
pub(super) fn is_absence(fault: &Fault) -> bool {
    matches!(
        fault,
        Fault::Known(
            SourceError::NoSuchCommit(_)
                | SourceError::NoSuchBranch(_)
                | SourceError::NoSuchTag(_)
                | SourceError::NoSuchRef(_)
        )
    )
}

/// Whether git says of this host's disk that it is full; a remote may say the same of its own.
fn says_full(lines: &[String]) -> bool {
    lines
        .iter()
        .map(|line| line.trim().to_ascii_lowercase())
        .filter(|line| !line.starts_with("remote:") && !line.contains("remote error:"))
        .any(|line| FULL.iter().any(|phrase| line.contains(phrase)))
}

/// Git's last lines as one, without its prefixes and without the advice it gives in every case.
fn quote(lines: &[String]) -> String {
    let said: Vec<&str> = lines
        .iter()
        .map(|line| line.trim())
        .filter(|line| {
            !line.is_empty()
                && !line.starts_with("Please make sure you have the correct access rights")
                && !line.starts_with("and the repository exists")
                && !line.starts_with("From ")
        })
        .map(|line| line.strip_prefix("fatal: ").unwrap_or(line))
        .map(|line| line.strip_prefix("error: ").unwrap_or(line))
        .collect();
    if said.is_empty() {
        return "git failed without a word".to_owned();
    }
    said[said.len().saturating_sub(LAST_LINES)..].join("; ")
}

/// The error without secret values, should a remote have sent one back.
pub(super) fn redacted(error: SourceError, redactor: &Redactor) -> SourceError {
    let clear = |text| redactor.redact(text);
    match error {
        SourceError::NoSuchBranch(text) => SourceError::NoSuchBranch(clear(text)),
        SourceError::NoSuchTag(text) => SourceError::NoSuchTag(clear(text)),
        SourceError::NoSuchRef(text) => SourceError::NoSuchRef(clear(text)),
        SourceError::Empty => SourceError::Empty,
        SourceError::NoSuchCommit(text) => SourceError::NoSuchCommit(clear(text)),
        SourceError::AmbiguousCommit(text) => SourceError::AmbiguousCommit(clear(text)),
        SourceError::NotOnBranch { commit, branch } => SourceError::NotOnBranch {
            commit: clear(commit),
            branch: clear(branch),
        },
        SourceError::NotInTag { commit, tag } => SourceError::NotInTag {
            commit: clear(commit),
            tag: clear(tag),
        },
        SourceError::AccessDenied(text) => SourceError::AccessDenied(clear(text)),
        SourceError::Unreachable(text) => SourceError::Unreachable(clear(text)),
        SourceError::DiskFull { said, free } => SourceError::DiskFull {
            said: clear(said),
            free,
        },
        SourceError::Failed(text) => SourceError::Failed(clear(text)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn word(lines: &str) -> &'static str {
        let lines: Vec<String> = lines.lines().map(str::to_owned).collect();
        match explain(&lines) {
            Fault::Unexplained(_) => "unexplained",
            Fault::Full(_) => "full",
            Fault::Known(error) => match error {
                SourceError::NoSuchBranch(_) => "no branch",
                SourceError::NoSuchTag(_) => "no tag",
                SourceError::NoSuchRef(_) => "no ref",
                SourceError::Empty => "empty",
                SourceError::NoSuchCommit(_) => "no commit",
                SourceError::AmbiguousCommit(_) => "ambiguous",
                SourceError::NotOnBranch { .. } => "not on branch",
                SourceError::NotInTag { .. } => "not in tag",
                SourceError::AccessDenied(_) => "denied",
                SourceError::Unreachable(_) => "unreachable",
                SourceError::DiskFull { .. } => "full",
                SourceError::Failed(_) => "failed",
            },
        }
    }

    #[test]
    fn what_git_and_the_forges_say_is_understood() {
        for (said, expected) in [
            (
                "fatal: couldn't find remote ref refs/heads/nope",
                "no branch",
            ),
            ("fatal: couldn't find remote ref refs/tags/v1", "no tag"),
            (
                "fatal: couldn't find remote ref refs/pull/3/merge",
                "no ref",
            ),
            (
                "ERROR: The key you are authenticating with has been marked as read only.\nfatal: Could not read from remote repository.",
                "denied",
            ),
            ("fatal: Authentication failed for 'https://h/a/'", "denied"),
            (
                "fatal: could not read Username for 'https://h': terminal prompts disabled",
                "denied",
            ),
            (
                "git@h: Permission denied (publickey).\nfatal: Could not read from remote repository.\n\nPlease make sure you have the correct access rights\nand the repository exists.",
                "denied",
            ),
            (
                "remote: Repository not found.\nfatal: repository 'https://h/a/' not found",
                "denied",
            ),
            (
                "ERROR: Repository not found.\nfatal: Could not read from remote repository.",
                "denied",
            ),
            (
                "fatal: unable to access 'https://h/a/': The requested URL returned error: 403",
                "denied",
            ),
            (
                "fatal: unable to access 'https://h/a/': The requested URL returned error: 502",
                "unreachable",
            ),
            (
                "fatal: unable to access 'https://h/a/': Could not resolve host: h",
                "unreachable",
            ),
            (
                "fatal: unable to access 'http://127.0.0.1:1/x/': Failed to connect to 127.0.0.1 port 1 after 0 ms: Couldn't connect to server",
                "unreachable",
            ),
            (
                "ssh: connect to host h port 22: Connection refused\nfatal: Could not read from remote repository.",
                "unreachable",
            ),
            (
                "ssh: connect to host h port 22: Connection timed out",
                "unreachable",
            ),
            (
                "fatal: early EOF\nfatal: fetch-pack: invalid index-pack output",
                "unreachable",
            ),
            (
                "fatal: remote error: upload-pack: not our ref 1111111111111111111111111111111111111111",
                "no commit",
            ),
            (
                "error: Server does not allow request for unadvertised object 11",
                "failed",
            ),
            (
                "Host key verification failed.\nfatal: Could not read from remote repository.",
                "failed",
            ),
            ("fatal: write error: No space left on device", "full"),
            (
                "fatal: write error: No space left on device\nfatal: early EOF\nfatal: fetch-pack: invalid index-pack output",
                "full",
            ),
            (
                "remote: fatal: unable to write: No space left on device\nfatal: early EOF",
                "unreachable",
            ),
            (
                "fatal: unable to access 'https://h/': SSL certificate problem: self-signed certificate",
                "failed",
            ),
            (
                "fatal: '/nowhere' does not appear to be a git repository",
                "failed",
            ),
            ("fatal: not a git repository: 'x.git'", "unexplained"),
            ("fatal: bad object refs/longshore/branch/ab", "unexplained"),
            (
                "error: unable to create 'x.lock': File exists",
                "unexplained",
            ),
            (
                "fatal: Unable to create 'x/HEAD.lock': Permission denied",
                "unexplained",
            ),
            ("", "unexplained"),
        ] {
            assert_eq!(word(said), expected, "{said}");
        }
    }

    #[test]
    fn an_error_names_the_branch_and_leaves_out_advice() {
        assert_eq!(
            explain(&["fatal: couldn't find remote ref refs/heads/a/b".to_owned()]),
            Fault::Known(SourceError::NoSuchBranch("a/b".to_owned()))
        );
        assert_eq!(
            quote(&[
                "fatal: x".into(),
                String::new(),
                "and the repository exists.".into()
            ]),
            "x"
        );
    }
}
