//! The right to use a remote, handed to git so that nobody else sees it: a token through the environment and only
//! to the remote's own origin, a private key through a file that is gone when the call is.

use super::address::{Address, Transport};
use super::place::{Place, private_dir};
use super::program::Call;
use crate::core::ports::{RemoteCredentials, SourceError};
use crate::core::secret::Secret;
use std::ffi::OsString;
use std::fs::{DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// What git's credential helper prints. Git asks it only for the origin it is configured for, also after a
/// redirect, and `printenv` takes the value from the environment, not from an argument.
const HELPER: &str = "!f() { test \"$1\" = get && printenv LONGSHORE_GIT_CREDENTIAL; }; f";

/// A remote that belongs to another user is readable if the file system says so; git would refuse it because that
/// repository's configuration is read. `upload-pack` runs nothing that a repository's configuration names.
const LOCAL_UPLOAD_PACK: &str =
    "--upload-pack=git -c 'safe.directory=*' -c core.hooksPath=/dev/null upload-pack";

/// What a call needs to use a remote and those of its submodules that live at the same place.
#[derive(Debug)]
pub(super) struct Access {
    remote: Address,
    known_hosts: PathBuf,
    proof: Proof,
}

#[derive(Debug)]
enum Proof {
    Nothing,
    Token(Secret),
    Key(KeyFile),
}

impl Access {
    pub(super) fn new(
        place: &Place,
        remote: Address,
        credentials: Option<&RemoteCredentials>,
    ) -> Result<Self, SourceError> {
        let proof = match credentials {
            None => Proof::Nothing,
            Some(RemoteCredentials::Token(token)) => Proof::Token(one_line(token)?),
            Some(RemoteCredentials::SshKey(key)) => {
                Proof::Key(KeyFile::write(place, key).map_err(|error| {
                    SourceError::Failed(format!("the ssh key could not be written: {error}"))
                })?)
            }
        };
        Ok(Self {
            remote,
            known_hosts: place.known_hosts(),
            proof,
        })
    }

    /// The remote itself.
    pub(super) fn remote(&self) -> &Address {
        &self.remote
    }

    /// A git command that reads at `address`: `verb`, options, the address, then `refs`, which no option can follow.
    pub(super) fn call(
        &self,
        verb: &str,
        options: &[&str],
        address: &Address,
        refs: &[String],
    ) -> Call {
        let mut arguments = vec![verb];
        arguments.extend(options);
        if *address.transport() == Transport::Local {
            arguments.push(LOCAL_UPLOAD_PACK);
        }
        self.reach(arguments, address, refs)
    }

    /// A push to the remote itself. On this host it runs that repository's hooks as ours, so git's own rule stays: only into
    /// what belongs to our user.
    pub(super) fn push(&self, options: &[&str], refs: &[String]) -> Call {
        let mut arguments = vec!["push"];
        arguments.extend(options);
        self.reach(arguments, &self.remote, refs)
    }

    fn reach<'a>(
        &self,
        mut arguments: Vec<&'a str>,
        address: &'a Address,
        refs: &'a [String],
    ) -> Call {
        arguments.extend(["--", address.as_str()]);
        arguments.extend(refs.iter().map(String::as_str));
        let call =
            Call::new(arguments).variable("GIT_ALLOW_PROTOCOL", address.transport().allowed());
        let ours = address.transport() == self.remote.transport();
        match address.transport() {
            Transport::Http { origin } | Transport::Https { origin } => match &self.proof {
                Proof::Token(token) if ours => call
                    .setting(format!("credential.{origin}.helper"), HELPER)
                    .variable(
                        "LONGSHORE_GIT_CREDENTIAL",
                        format!("username=x-access-token\npassword={}", token.expose()),
                    ),
                Proof::Token(_) | Proof::Key(_) | Proof::Nothing => call,
            },
            Transport::Ssh { .. } => {
                let key = match &self.proof {
                    Proof::Key(key) if ours => Some(key.path.as_path()),
                    Proof::Key(_) | Proof::Token(_) | Proof::Nothing => None,
                };
                call.variable("GIT_SSH_COMMAND", ssh_command(key, &self.known_hosts))
                    .variable("GIT_SSH_VARIANT", "ssh")
            }
            Transport::Local | Transport::Daemon { .. } => call,
        }
    }
}

/// Git's credential protocol is one value a line, so a token of two lines would set something else.
fn one_line(token: &Secret) -> Result<Secret, SourceError> {
    let value = token.expose().trim();
    if value.is_empty() || value.chars().any(char::is_control) {
        return Err(SourceError::Failed(
            "the token for the repository is empty or holds a line break; check the credentials it is read from"
                .to_owned(),
        ));
    }
    Ok(Secret::new(value))
}

/// ssh without the user's configuration, agent, keys or known hosts; a host's key is taken when first seen and must
/// stay the same. Git gives the text to a shell, hence the quoting.
fn ssh_command(key: Option<&Path>, known_hosts: &Path) -> OsString {
    let mut command =
        b"ssh -F /dev/null -o BatchMode=yes -o IdentitiesOnly=yes -o IdentityAgent=none \
        -o PreferredAuthentications=publickey -o StrictHostKeyChecking=accept-new \
        -o GlobalKnownHostsFile=/dev/null -o ConnectTimeout=20 -o ServerAliveInterval=15 \
        -o ServerAliveCountMax=4 -o UserKnownHostsFile="
            .to_vec();
    command.extend(quoted(known_hosts));
    command.extend(b" -o IdentityFile=");
    match key {
        Some(path) => command.extend(quoted(path)),
        None => command.extend(b"none"),
    }
    OsString::from_vec(command)
}

/// For ssh's option parser (double quotes, `%` doubled) inside the shell's single quotes.
fn quoted(path: &Path) -> Vec<u8> {
    let mut out = b"'\"".to_vec();
    for &byte in path.as_os_str().as_bytes() {
        match byte {
            b'\'' => out.extend(b"'\\''"),
            b'%' => out.extend(b"%%"),
            b'"' | b'\\' => out.extend([b'\\', byte]),
            byte => out.push(byte),
        }
    }
    out.extend(b"\"'");
    out
}

/// A private key in a directory of its own, both gone when this is dropped.
#[derive(Debug)]
struct KeyFile {
    path: PathBuf,
}

impl KeyFile {
    fn write(place: &Place, key: &Secret) -> io::Result<Self> {
        let keys = place.keys();
        private_dir(&keys)?;
        let dir = loop {
            let dir = keys.join(format!("{}-{}", std::process::id(), place.next_number()));
            match DirBuilder::new().mode(0o700).create(&dir) {
                Ok(()) => break dir,
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        };
        let file = Self {
            path: dir.join("key"),
        };
        // ssh wants a line end after the last line, which reading a secret's file took off.
        let mut text = key.expose().replace("\r\n", "\n").trim().to_owned();
        text.push('\n');
        OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&file.path)?
            .write_all(text.as_bytes())?;
        Ok(file)
    }
}

impl Drop for KeyFile {
    fn drop(&mut self) {
        // What cannot be removed now is removed by `remove_stale_keys` of the next process.
        let _ = std::fs::remove_file(&self.path);
        if let Some(dir) = self.path.parent() {
            let _ = std::fs::remove_dir(dir);
        }
    }
}

/// Removes keys that a process left which was killed. The data directory is locked, so whoever is not this
/// process is gone.
pub(super) fn remove_stale_keys(place: &Place) -> io::Result<()> {
    let ours = format!("{}-", std::process::id());
    for entry in std::fs::read_dir(place.keys())? {
        let entry = entry?;
        if !entry.file_name().as_bytes().starts_with(ours.as_bytes()) {
            std::fs::remove_dir_all(entry.path())?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_stays_one_word_for_shell_and_ssh() {
        assert_eq!(
            quoted(Path::new("/a b/it's 100%")),
            b"'\"/a b/it'\\''s 100%%\"'".to_vec()
        );
    }

    #[test]
    fn a_token_of_two_lines_is_refused() {
        for bad in ["", " ", "a\nurl=https://evil"] {
            assert!(one_line(&Secret::new(bad)).is_err());
        }
        assert_eq!(one_line(&Secret::new("abc\n")).unwrap().expose(), "abc");
    }
}
