//! Keeps the terminal from writing `^C` behind a line that is drawn over: the line fills its row, so the two
//! characters would begin the next one and the drawing would lose its place.

use super::output::Output;
use nix::sys::termios::{LocalFlags, SetArg, Termios, tcgetattr, tcsetattr};
use nix::unistd::{getpgrp, tcgetpgrp};
use std::io;

/// While it lives, Ctrl-C still interrupts and leaves no trace.
pub struct SilentInterrupt {
    before: Termios,
}

impl SilentInterrupt {
    /// Changes the terminal, if there is one that is ours to change.
    pub fn begin(output: Output) -> Option<Self> {
        if !output.can_ask() || !in_foreground() {
            return None;
        }
        let before = tcgetattr(io::stdin()).ok()?;
        let mut silent = before.clone();
        silent.local_flags.remove(LocalFlags::ECHOCTL);
        tcsetattr(io::stdin(), SetArg::TCSANOW, &silent).ok()?;
        Some(Self { before })
    }
}

impl Drop for SilentInterrupt {
    fn drop(&mut self) {
        if in_foreground() {
            let _ = tcsetattr(io::stdin(), SetArg::TCSANOW, &self.before);
        }
    }
}

/// Whether the terminal is ours: a program in the background that reads it or touches its settings is stopped.
pub fn in_foreground() -> bool {
    tcgetpgrp(io::stdin()).is_ok_and(|group| group == getpgrp())
}
