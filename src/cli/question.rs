//! Questions to somebody at a terminal: what Ctrl-C means while a deployment is watched, and whether what cannot be
//! undone is meant.

use super::echo::in_foreground;
use super::exit::Error;
use super::output::Output;
use std::io::{self, Write};
use tokio::signal::unix::Signal;
use tokio::sync::oneshot;

/// What the watcher wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Choice {
    /// Cancel the deployment.
    Cancel,
    /// Stop watching; the deployment goes on.
    Stop,
    /// Go on watching.
    Watch,
}

/// Asks on the terminal; elsewhere, and at a second Ctrl-C, it means: stop watching.
pub async fn ask(output: Output, interrupts: &mut Signal) -> Choice {
    if !output.can_ask() || !in_foreground() {
        return Choice::Stop;
    }
    loop {
        let mut stderr = io::stderr();
        let _ = write!(
            stderr,
            "\r[c]ancel the deployment, [s]top watching, or [w]atch on? "
        );
        let _ = stderr.flush();
        let answer = tokio::select! {
            answer = line() => answer,
            _ = interrupts.recv() => {
                output.say("");
                return Choice::Stop;
            }
        };
        if answer.is_none() {
            output.say("");
        }
        if let Some(choice) = understand(answer.as_deref()) {
            return choice;
        }
    }
}

/// Asks whether something that cannot be undone is meant. Only a clear yes is one.
///
/// # Errors
/// If nobody can be asked.
pub fn confirm(output: Output, text: &str) -> Result<bool, Error> {
    if !output.can_ask() {
        return Err(Error::usage(format!(
            "{text} Nobody can be asked here: give --yes if it is meant"
        )));
    }
    let mut stderr = io::stderr();
    let _ = write!(stderr, "{text} [y/N] ");
    let _ = stderr.flush();
    let mut answer = String::new();
    let read = io::stdin().read_line(&mut answer);
    let is_yes = matches!(answer.trim().to_lowercase().as_str(), "y" | "yes");
    Ok(read.is_ok() && is_yes)
}

/// A line from standard input; `None` at its end. A thread of its own waits for it, because the runtime would wait
/// for one of its own threads before it lets the program end.
async fn line() -> Option<String> {
    let (sender, receiver) = oneshot::channel();
    std::thread::spawn(move || {
        let mut line = String::new();
        let read = io::stdin().read_line(&mut line);
        let _ = sender.send(read.is_ok_and(|bytes| bytes > 0).then_some(line));
    });
    receiver.await.ok().flatten()
}

/// `None` for an answer that is none. Nobody at the other end can neither cancel nor watch.
fn understand(answer: Option<&str>) -> Option<Choice> {
    let Some(answer) = answer else {
        return Some(Choice::Stop);
    };
    match answer.trim().to_lowercase().as_str() {
        "c" | "cancel" => Some(Choice::Cancel),
        "s" | "stop" => Some(Choice::Stop),
        "" | "w" | "watch" => Some(Choice::Watch),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_clear_answer_cancels() {
        for (answer, expected) in [
            (Some("c\n"), Some(Choice::Cancel)),
            (Some(" Cancel \n"), Some(Choice::Cancel)),
            (Some("s\n"), Some(Choice::Stop)),
            (None, Some(Choice::Stop)),
            (Some("\n"), Some(Choice::Watch)),
            (Some("w\n"), Some(Choice::Watch)),
            (Some("cs\n"), None),
            (Some("yes\n"), None),
        ] {
            assert_eq!(understand(answer), expected, "{answer:?}");
        }
    }
}
