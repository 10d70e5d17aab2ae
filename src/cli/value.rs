//! A secret's value as it is given: from a file, from a pipe, or typed without being shown. Never from an argument,
//! which every user of the host can read.

use super::exit::Error;
use super::output::Output;
use crate::core::secret::{MAX_SECRET, Secret, check_value, without_line_end};
use nix::sys::termios::{LocalFlags, SetArg, Termios, tcgetattr, tcsetattr};
use std::io::{self, IsTerminal as _, Read, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;

/// The value in a file.
pub fn from_file(path: &Path) -> Result<Secret, Error> {
    let what = path.display().to_string();
    let file = std::fs::File::open(path)
        .map_err(|error| Error::failed(format!("{what} cannot be read: {error}")))?;
    checked(file, &what)
}

/// The token in a file; others who can read that file can use it, which is told.
pub fn token(path: &Path, output: Output) -> Result<Secret, Error> {
    let what = path.display();
    let text = std::fs::read_to_string(path)
        .map_err(|error| Error::failed(format!("the token file {what} cannot be read: {error}")))?;
    let token = text.trim();
    if token.is_empty() || token.contains(char::is_whitespace) {
        return Err(Error::failed(format!(
            "the token file {what} must hold a token and nothing else"
        )));
    }
    let mode = std::fs::metadata(path).map(|found| found.permissions().mode());
    if mode.is_ok_and(|mode| mode & 0o004 != 0) {
        output.note(&format!(
            "warning: every user of this host can read the token in {what}: `chmod 600 {what}`"
        ));
    }
    Ok(Secret::new(token.to_owned()))
}

/// The value on standard input: all of it from a pipe, a line that is not shown from a terminal. `None` if whoever
/// was asked gave up with Ctrl-C.
pub async fn from_stdin(output: Output, name: &str) -> Result<Option<Secret>, Error> {
    if io::stdin().is_terminal() {
        return ask(output, name).await;
    }
    checked(io::stdin().lock(), "standard input").map(Some)
}

async fn ask(output: Output, name: &str) -> Result<Option<Secret>, Error> {
    let failed = |error: io::Error| Error::failed(format!("cannot ask for the value: {error}"));
    let mut interrupts = signal(SignalKind::interrupt()).map_err(failed)?;
    let hidden = Hidden::begin().map_err(|error| failed(error.into()))?;
    let mut stderr = io::stderr();
    let _ = write!(stderr, "value of {name} (not shown): ");
    let _ = stderr.flush();
    let answer = tokio::select! {
        answer = line() => Some(answer),
        _ = interrupts.recv() => None,
    };
    drop(hidden);
    output.say("");
    match answer {
        Some(answer) => checked(answer.map_err(failed)?.as_bytes(), "the value").map(Some),
        None => Ok(None),
    }
}

/// A thread of its own waits for it, because the runtime would wait for one of its own threads before it lets the
/// program end.
async fn line() -> io::Result<String> {
    let (sender, receiver) = oneshot::channel();
    std::thread::spawn(move || {
        let mut line = String::new();
        let read = io::stdin().read_line(&mut line);
        let _ = sender.send(read.map(|_| line));
    });
    receiver
        .await
        .unwrap_or_else(|_| Err(io::ErrorKind::UnexpectedEof.into()))
}

fn checked(from: impl Read, what: &str) -> Result<Secret, Error> {
    let mut bytes = Vec::new();
    // A line end more is left out again.
    let most = MAX_SECRET as u64 + 3;
    from.take(most)
        .read_to_end(&mut bytes)
        .map_err(|error| Error::failed(format!("{what} cannot be read: {error}")))?;
    let text = String::from_utf8(bytes).map_err(|_| {
        Error::usage(format!(
            "{what} is not UTF-8 text; encode it, with base64 say"
        ))
    })?;
    let value = without_line_end(&text);
    check_value(value).map_err(|fault| Error::usage(format!("{what} {fault}")))?;
    Ok(Secret::new(value))
}

/// Keeps a terminal from showing what is typed, for as long as it lives.
struct Hidden(Termios);

impl Hidden {
    fn begin() -> nix::Result<Self> {
        let before = tcgetattr(io::stdin())?;
        let mut silent = before.clone();
        silent.local_flags.remove(LocalFlags::ECHO);
        tcsetattr(io::stdin(), SetArg::TCSAFLUSH, &silent)?;
        Ok(Self(before))
    }
}

impl Drop for Hidden {
    fn drop(&mut self) {
        // What was typed and not read is thrown away, so that it does not reach the shell.
        let _ = tcsetattr(io::stdin(), SetArg::TCSAFLUSH, &self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> Result<String, String> {
        match checked(bytes, "it") {
            Ok(secret) => Ok(secret.expose().to_owned()),
            Err(Error::Ended { message, .. }) => Err(message),
            Err(Error::PipeClosed | Error::Refused(_)) => panic!("nothing is written or asked"),
        }
    }

    #[test]
    fn one_line_end_is_left_out_and_what_no_variable_can_hold_is_refused() {
        assert_eq!(read(b"a\nb\n\n").as_deref(), Ok("a\nb\n"));
        assert_eq!(read(b"a b\r\n").as_deref(), Ok("a b"));
        let largest = vec![b'x'; MAX_SECRET];
        assert_eq!(read(&largest).map(|value| value.len()), Ok(MAX_SECRET));
        assert!(read(&[largest.as_slice(), b"\r\n"].concat()).is_ok());
        for (bytes, part) in [
            (&b"\n"[..], "it is empty"),
            (b"a\0b", "NUL"),
            (b"\xff", "not UTF-8"),
            (&vec![b'x'; MAX_SECRET + 1], "larger than 1 MiB"),
            (&vec![b'x'; 3 * MAX_SECRET], "larger than 1 MiB"),
        ] {
            let said = read(bytes).unwrap_err();
            assert!(said.contains(part), "{said}");
        }
    }
}
