//! Standard output and standard error: what is a terminal, whether to use colours, and writing that takes a closed
//! pipe for what it is.

use super::environment::Environment;
use super::exit::Error;
use std::io::{self, IsTerminal, Write};

/// The two ways out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Results.
    Stdout,
    /// Explanations, and everything that is not the JSON document when one is asked for.
    Stderr,
}

/// What this process writes to.
#[derive(Clone, Copy, Debug)]
pub struct Output {
    stdin_is_terminal: bool,
    stdout_is_terminal: bool,
    stderr_is_terminal: bool,
    color: bool,
    dumb: bool,
}

impl Output {
    /// Looks at this process's three streams.
    pub fn of_this_process(environment: &Environment) -> Self {
        Self {
            stdin_is_terminal: io::stdin().is_terminal(),
            stdout_is_terminal: io::stdout().is_terminal(),
            stderr_is_terminal: io::stderr().is_terminal(),
            color: !environment.no_color && !environment.dumb,
            dumb: environment.dumb,
        }
    }

    /// Whether a person sees what is written there.
    pub fn is_terminal(&self, side: Side) -> bool {
        match side {
            Side::Stdout => self.stdout_is_terminal,
            Side::Stderr => self.stderr_is_terminal,
        }
    }

    /// Whether a line there can be drawn over.
    pub fn can_redraw(&self, side: Side) -> bool {
        self.is_terminal(side) && !self.dumb
    }

    /// Whether a question can be asked and answered.
    pub fn can_ask(&self) -> bool {
        self.stdin_is_terminal && self.stderr_is_terminal
    }

    /// Colours for that side.
    pub fn paint(&self, side: Side) -> Paint {
        Paint(self.color && self.is_terminal(side))
    }

    /// Colours for standard error.
    pub fn stderr_paint(&self) -> Paint {
        self.paint(Side::Stderr)
    }

    /// Writes text and a line end to standard output.
    pub fn print(&self, text: &str) -> Result<(), Error> {
        let mut stdout = io::stdout().lock();
        let written = stdout
            .write_all(text.as_bytes())
            .and_then(|()| stdout.write_all(b"\n"))
            .and_then(|()| stdout.flush());
        written.map_err(|error| match error.kind() {
            io::ErrorKind::BrokenPipe => Error::PipeClosed,
            _ => Error::failed(format!("cannot write to standard output: {error}")),
        })
    }

    /// Writes text and a line end to standard error. If even that fails there is nobody left to tell.
    pub fn say(&self, text: &str) {
        let _ = writeln!(io::stderr().lock(), "{text}");
    }
}

/// Colours, or none.
#[derive(Clone, Copy, Debug)]
pub struct Paint(pub bool);

impl Paint {
    fn wrap(self, code: &str, text: &str) -> String {
        if self.0 {
            format!("\u{1b}[{code}m{text}\u{1b}[0m")
        } else {
            text.to_owned()
        }
    }

    /// For what matters.
    pub fn bold(self, text: &str) -> String {
        self.wrap("1", text)
    }

    /// For what is beside the point.
    pub fn dim(self, text: &str) -> String {
        self.wrap("2", text)
    }

    /// For failure.
    pub fn red(self, text: &str) -> String {
        self.wrap("1;31", text)
    }

    /// For success.
    pub fn green(self, text: &str) -> String {
        self.wrap("1;32", text)
    }

    /// For what was given up.
    pub fn yellow(self, text: &str) -> String {
        self.wrap("1;33", text)
    }
}
