//! Runs the git program: with an environment of our own making, in a process group of its own that is killed when
//! the call is dropped, reading what it says with limits.

use super::fault::{Fault, explain};
use super::lines::{Lines, worth_showing};
use crate::core::log::{LineSplitter, Stream};
use crate::core::ports::SourceError;
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::{Child, Command};

/// More than git answers to anything we ask; a remote decides how much that is.
const MAX_ANSWER: usize = 8 * 1024 * 1024;

/// How many of the last lines are kept for an error.
const KEPT_LINES: usize = 20;

/// Where programs are looked for unless the daemon's own PATH is given.
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// What git may know of the daemon's environment: where programs are, and how the network is reached.
const INHERITED: [&str; 12] = [
    "PATH",
    "http_proxy",
    "https_proxy",
    "HTTPS_PROXY",
    "all_proxy",
    "ALL_PROXY",
    "no_proxy",
    "NO_PROXY",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "GIT_SSL_CAINFO",
    "GIT_SSL_CAPATH",
];

/// The git program.
#[derive(Debug)]
pub(super) struct Program {
    home: PathBuf,
    inherited: Vec<(OsString, OsString)>,
}

/// One call of it.
#[derive(Debug)]
pub(super) struct Call {
    arguments: Vec<OsString>,
    directory: Option<PathBuf>,
    environment: Vec<(OsString, OsString)>,
    settings: Vec<(String, OsString)>,
}

/// What it came to.
#[derive(Debug)]
pub(super) struct Answer {
    /// The exit status.
    pub(super) code: i32,
    stdout: Vec<u8>,
    last_lines: Vec<String>,
}

impl Call {
    pub(super) fn new<S: AsRef<OsStr>>(arguments: impl IntoIterator<Item = S>) -> Self {
        let arguments = arguments.into_iter().map(|a| a.as_ref().to_owned());
        Self {
            arguments: arguments.collect(),
            directory: None,
            environment: Vec::new(),
            settings: Vec::new(),
        }
    }

    /// A further argument.
    pub(super) fn argument(mut self, argument: impl Into<OsString>) -> Self {
        self.arguments.push(argument.into());
        self
    }

    /// An argument put before all others.
    pub(super) fn global(mut self, argument: impl Into<OsString>) -> Self {
        self.arguments.insert(0, argument.into());
        self
    }

    pub(super) fn inside(mut self, directory: &Path) -> Self {
        self.directory = Some(directory.to_owned());
        self
    }

    pub(super) fn variable(mut self, name: &str, value: impl Into<OsString>) -> Self {
        self.environment.push((name.into(), value.into()));
        self
    }

    /// A git setting, passed through the environment.
    pub(super) fn setting(mut self, name: impl Into<String>, value: impl Into<OsString>) -> Self {
        self.settings.push((name.into(), value.into()));
        self
    }
}

impl Answer {
    /// What it printed, if it succeeded.
    pub(super) fn success(self) -> Result<Vec<u8>, Fault> {
        if self.code == 0 {
            Ok(self.stdout)
        } else {
            Err(self.fault())
        }
    }

    /// What a push with `--porcelain` says of the ref that the remote did not take: `[remote rejected] (…)`.
    pub(super) fn refusal(&self) -> Option<String> {
        let text = String::from_utf8_lossy(&self.stdout);
        let line = text.lines().find_map(|line| line.strip_prefix("!\t"))?;
        let said = line.split_once('\t').map_or(line, |(_, said)| said);
        Some(crate::core::log::clean(said.as_bytes()))
    }

    /// What the remote says of itself among git's complaints, as people wrote it there.
    pub(super) fn remote_words(&self) -> Vec<String> {
        let words = self
            .last_lines
            .iter()
            .filter_map(|line| line.strip_prefix("remote:"));
        let words = words.map(|line| line.trim().to_owned());
        words.filter(|line| !line.is_empty()).collect()
    }

    /// Whether it complained of nothing.
    pub(super) fn is_silent(&self) -> bool {
        self.last_lines.is_empty()
    }

    /// Why it did not succeed.
    pub(super) fn fault(&self) -> Fault {
        explain(&self.last_lines)
    }
}

impl Program {
    pub(super) fn new(home: PathBuf) -> Self {
        Self {
            home,
            inherited: vec![("PATH".into(), DEFAULT_PATH.into())],
        }
    }

    /// Takes what git may know of it from the daemon's environment.
    pub(super) fn inherit(&mut self, environment: impl IntoIterator<Item = (OsString, OsString)>) {
        for (name, value) in environment {
            if INHERITED.iter().any(|known| name == *known) && !value.is_empty() {
                self.inherited.retain(|(known, _)| *known != name);
                self.inherited.push((name, value));
            }
        }
    }

    /// Runs it to its end; its complaints go to `lines` as they come. Dropping the future kills it.
    pub(super) async fn run(&self, call: Call, lines: &Lines) -> Result<Answer, Fault> {
        let mut running = Running::start(self.command(call))?;
        let stdout = running.child.stdout.take();
        let stderr = running.child.stderr.take();
        let (stdout, last_lines) =
            tokio::try_join!(read_answer(stdout), read_complaints(stderr, lines))?;
        let status = running.end().await?;
        match status.code() {
            Some(code) => Ok(Answer {
                code,
                stdout,
                last_lines,
            }),
            None => Err(SourceError::Failed(format!(
                "git was killed from outside ({status}); the host may be short of memory"
            ))
            .into()),
        }
    }

    /// Which git it is: the first two numbers of its version, `None` if it does not say.
    pub(super) async fn version(&self) -> Result<Option<(u32, u32)>, Fault> {
        let answer = self.run(Call::new(["version"]), &Lines::unheard()).await?;
        Ok(version_in(&String::from_utf8_lossy(&answer.success()?)))
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "the one place that runs a program, and only git"
    )]
    fn command(&self, call: Call) -> Command {
        let settings = [
            // No program is ever run because a repository or a user's configuration says so.
            ("core.hooksPath", "/dev/null"),
            ("core.fsmonitor", "false"),
            ("core.attributesFile", "/dev/null"),
            ("credential.helper", ""),
            ("submodule.recurse", "false"),
            ("fetch.recurseSubmodules", "false"),
            ("gc.autoDetach", "false"),
            // A server that sends less than a byte a second for a minute has hung.
            ("http.lowSpeedLimit", "1"),
            ("http.lowSpeedTime", "60"),
        ]
        .into_iter()
        .map(|(name, value)| (name.to_owned(), OsString::from(value)))
        .chain(call.settings);
        let mut command = Command::new("git");
        command
            .args(&call.arguments)
            .current_dir(call.directory.as_ref().unwrap_or(&self.home))
            .env_clear()
            .envs(self.inherited.iter().map(|(name, value)| (name, value)))
            .env("HOME", &self.home)
            .env("LC_ALL", "C")
            .env("GIT_TERMINAL_PROMPT", "0")
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_ATTR_NOSYSTEM", "1")
            .env("GIT_NO_REPLACE_OBJECTS", "1")
            .env("GIT_NO_LAZY_FETCH", "1")
            .env("GIT_LITERAL_PATHSPECS", "1")
            // Allows nothing; a call that goes to a remote names its transport.
            .env("GIT_ALLOW_PROTOCOL", "none")
            .envs(call.environment);
        let mut count = 0;
        for (name, value) in settings {
            command
                .env(format!("GIT_CONFIG_KEY_{count}"), name)
                .env(format!("GIT_CONFIG_VALUE_{count}"), value);
            count += 1;
        }
        command
            .env("GIT_CONFIG_COUNT", count.to_string())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0);
        command
    }
}

/// A git that was started, with the programs it started itself: one process group.
struct Running {
    child: Child,
    group: Option<Pid>,
}

impl Running {
    fn start(mut command: Command) -> Result<Self, Fault> {
        let child = command.spawn().map_err(|error| {
            SourceError::Failed(match error.kind() {
                std::io::ErrorKind::NotFound => {
                    "the git program was not found; install git on this host".to_owned()
                }
                _ => format!("git could not be started: {error}"),
            })
        })?;
        let group = child
            .id()
            .and_then(|id| i32::try_from(id).ok())
            .map(Pid::from_raw);
        Ok(Self { child, group })
    }

    async fn end(&mut self) -> Result<ExitStatus, Fault> {
        let status = self.child.wait().await?;
        // The number may belong to somebody else from now on.
        self.group = None;
        Ok(status)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(group) = self.group {
            // Fails only when the group has ended by itself.
            let _ = killpg(group, Signal::SIGKILL);
        }
    }
}

fn version_in(said: &str) -> Option<(u32, u32)> {
    let mut numbers = said.strip_prefix("git version ")?.split(['.', ' ']);
    let mut number = || numbers.next()?.trim().parse().ok();
    Some((number()?, number()?))
}

async fn read_answer(pipe: Option<impl AsyncRead + Unpin>) -> Result<Vec<u8>, Fault> {
    let mut answer = Vec::new();
    if let Some(pipe) = pipe {
        let limit = u64::try_from(MAX_ANSWER).unwrap_or(u64::MAX);
        pipe.take(limit).read_to_end(&mut answer).await?;
    }
    if answer.len() < MAX_ANSWER {
        Ok(answer)
    } else {
        Err(SourceError::Failed("git's answer is too long to be sensible".to_owned()).into())
    }
}

async fn read_complaints(
    pipe: Option<impl AsyncRead + Unpin>,
    lines: &Lines,
) -> Result<Vec<String>, Fault> {
    let mut splitter = LineSplitter::default();
    let mut last = VecDeque::with_capacity(KEPT_LINES);
    let mut piece = vec![0; 8 * 1024];
    if let Some(mut pipe) = pipe {
        loop {
            let read = pipe.read(&mut piece).await?;
            let mut complete = splitter.push(&piece[..read]);
            if read == 0 {
                complete.extend(splitter.finish());
            }
            for line in complete.into_iter().filter(|line| worth_showing(line)) {
                let line = line.trim_end().to_owned();
                if last.len() == KEPT_LINES {
                    last.pop_front();
                }
                last.push_back(line.clone());
                lines.say(Stream::Stderr, line).await;
            }
            if read == 0 {
                break;
            }
        }
    }
    Ok(last.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_of_every_build_of_git_is_read() {
        for (said, version) in [
            ("git version 2.47.3\n", Some((2, 47))),
            ("git version 2.39.5 (Apple Git-154)\n", Some((2, 39))),
            ("git version 2.34.1.windows.1\n", Some((2, 34))),
            ("git version 3.0\n", Some((3, 0))),
            ("git version 2.50.GIT\n", Some((2, 50))),
            ("something else", None),
        ] {
            assert_eq!(version_in(said), version, "{said}");
        }
    }
}
