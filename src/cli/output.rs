//! Standard output and standard error: what is a terminal, whether to use colours, and writing that takes a closed
//! pipe for what it is.

use super::environment::{Colors, Environment};
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

/// When to use colours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Color {
    /// At a terminal, unless the environment says otherwise
    #[default]
    Auto,
    /// Also where nobody looks
    Always,
    /// Nowhere
    Never,
}

impl Color {
    /// What the environment makes of `auto`: `NO_COLOR` counts most, then `CLICOLOR_FORCE`, then `CLICOLOR` and a
    /// terminal that can do nothing.
    fn resolved(self, colors: Colors, dumb: bool) -> Self {
        match self {
            Self::Always | Self::Never => self,
            Self::Auto if colors.never => Self::Never,
            Self::Auto if colors.always => Self::Always,
            Self::Auto if colors.off || dumb => Self::Never,
            Self::Auto => Self::Auto,
        }
    }
}

/// What this process writes to.
#[derive(Clone, Copy, Debug)]
pub struct Output {
    stdin_is_terminal: bool,
    stdout_is_terminal: bool,
    stderr_is_terminal: bool,
    /// How wide the terminal is that standard output goes to.
    width: Option<u16>,
    color: Color,
    dumb: bool,
    quiet: bool,
}

impl Output {
    /// Looks at this process's three streams.
    pub fn of_this_process(environment: &Environment, color: Color, quiet: bool) -> Self {
        Self {
            stdin_is_terminal: io::stdin().is_terminal(),
            stdout_is_terminal: io::stdout().is_terminal(),
            stderr_is_terminal: io::stderr().is_terminal(),
            // A terminal that does not know its width says 0.
            width: terminal_size::terminal_size_of(io::stdout())
                .map(|(width, _)| width.0)
                .filter(|width| *width > 0),
            color: color.resolved(environment.colors, environment.dumb),
            dumb: environment.dumb,
            quiet,
        }
    }

    /// How wide standard output is, if it is a terminal.
    pub fn width(&self) -> Option<u16> {
        self.width
    }

    /// Whether only results and errors are wanted.
    pub fn is_quiet(&self) -> bool {
        self.quiet
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
        self.is_terminal(side) && !self.dumb && !self.quiet
    }

    /// Whether a question can be asked and answered.
    pub fn can_ask(&self) -> bool {
        self.stdin_is_terminal && self.stderr_is_terminal
    }

    /// Colours for that side.
    pub fn paint(&self, side: Side) -> Paint {
        Paint(match self.color {
            Color::Always => true,
            Color::Never => false,
            Color::Auto => self.is_terminal(side),
        })
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

    /// Says something on standard error that is neither a result nor an error, unless nobody wants to hear it.
    pub fn note(&self, text: &str) {
        if !self.quiet {
            self.say(text);
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_argument_counts_more_than_the_environment_and_no_color_most_in_it() {
        let says = |never, always, off| Colors { never, always, off };
        for (color, colors, dumb, expected) in [
            (Color::Auto, says(false, false, false), false, Color::Auto),
            (Color::Auto, says(false, false, false), true, Color::Never),
            (Color::Auto, says(true, true, false), false, Color::Never),
            (Color::Auto, says(false, true, true), true, Color::Always),
            (Color::Auto, says(false, false, true), false, Color::Never),
            (Color::Always, says(true, false, true), true, Color::Always),
            (Color::Never, says(false, true, false), false, Color::Never),
        ] {
            assert_eq!(
                color.resolved(colors, dumb),
                expected,
                "{color:?} {colors:?} {dumb}"
            );
        }
    }
}
