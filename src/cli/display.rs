//! The screen of somebody who watches a deployment: on a terminal a line at the bottom that says what goes on and
//! since when, with the log scrolling above it; elsewhere plain lines.

use super::exit::Error;
use super::follow::{Entry, How};
use super::moment;
use super::output::{Output, Paint, Side};
use super::patience::Waiting;
use crate::core::time::Timestamp;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};
use std::cell::{Cell, RefCell};
use std::time::Duration;

/// Ten pictures a second: the eye sees it move, and the tenths of a second run.
const TICK: Duration = Duration::from_millis(100);

/// Shows what happens.
pub struct Display {
    output: Output,
    side: Side,
    /// The line at the bottom, while there is one.
    bar: RefCell<Option<ProgressBar>>,
    doing: RefCell<Option<Doing>>,
    /// Nobody reads our lines any more. Watching goes on: the exit status still counts.
    muted: Cell<bool>,
}

struct Doing {
    what: String,
    since: Timestamp,
}

impl Display {
    /// Shows on that side.
    pub fn new(output: Output, side: Side) -> Self {
        Self {
            output,
            side,
            bar: RefCell::new(None),
            doing: RefCell::new(None),
            muted: Cell::new(false),
        }
    }

    /// Shows lines and ends of steps.
    pub fn tell(&self, entries: &[Entry]) {
        if self.output.is_quiet() {
            return;
        }
        let paint = self.output.paint(self.side);
        let lines: Vec<String> = entries.iter().map(|entry| line(entry, paint)).collect();
        if !lines.is_empty() {
            self.print(&lines.join("\n"));
        }
    }

    /// Shows text.
    pub fn print(&self, text: &str) {
        if let Some(bar) = &*self.bar.borrow() {
            bar.println(text);
            return;
        }
        match self.side {
            Side::Stderr => self.output.say(text),
            Side::Stdout if self.muted.get() => {}
            Side::Stdout => match self.output.print(text) {
                Ok(()) => {}
                Err(Error::PipeClosed) => self.muted.set(true),
                Err(Error::Ended { message, .. }) => {
                    self.muted.set(true);
                    self.output.say(&message);
                }
                Err(Error::Refused(_)) => {}
            },
        }
    }

    /// Shows what goes on now; the clock beside it starts when that changes. `None` takes the line away.
    pub fn doing(&self, what: Option<String>) {
        let mut doing = self.doing.borrow_mut();
        *doing = match (what, doing.take()) {
            (None, _) => None,
            (Some(what), Some(before)) if before.what == what => Some(before),
            (Some(what), _) => Some(Doing {
                what,
                since: moment::now(),
            }),
        };
        drop(doing);
        self.draw();
    }

    /// Takes the line at the bottom away, until [`Display::doing`] is called again.
    pub fn clear(&self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }

    fn draw(&self) {
        if !self.output.can_redraw(self.side) {
            return;
        }
        let doing = self.doing.borrow();
        let Some(Doing { what, since }) = &*doing else {
            self.clear();
            return;
        };
        let mut bar = self.bar.borrow_mut();
        match &*bar {
            Some(bar) if bar.message() == *what => {}
            Some(bar) => {
                bar.reset_elapsed();
                bar.set_message(what.clone());
            }
            None => {
                let fresh = ProgressBar::with_draw_target(None, self.target())
                    .with_style(style(self.output.paint(self.side)))
                    .with_message(what.clone())
                    .with_elapsed(moment::between(*since, moment::now()));
                fresh.enable_steady_tick(TICK);
                *bar = Some(fresh);
            }
        }
    }

    fn target(&self) -> ProgressDrawTarget {
        match self.side {
            Side::Stdout => ProgressDrawTarget::stdout(),
            Side::Stderr => ProgressDrawTarget::stderr(),
        }
    }
}

impl Waiting for Display {
    fn away(&self) {
        if self.bar.borrow().is_some() {
            self.print("the daemon is not answering; waiting…");
        } else {
            self.output.note("the daemon is not answering; waiting…");
        }
        self.doing(Some("waiting for the daemon".to_owned()));
    }

    fn back(&self) {
        if self.bar.borrow().is_some() {
            self.print("the daemon is back");
        } else {
            self.output.note("the daemon is back");
        }
    }
}

fn style(paint: Paint) -> ProgressStyle {
    let template = match paint {
        Paint(true) => "{spinner:.cyan} {msg:.bold} {time}",
        Paint(false) => "{spinner} {msg} {time}",
    };
    ProgressStyle::with_template(template)
        .expect("the template is a constant that a test draws")
        .with_key(
            "time",
            |state: &ProgressState, out: &mut dyn std::fmt::Write| {
                let _ = out.write_str(&moment::duration(state.elapsed()));
            },
        )
}

fn line(entry: &Entry, paint: Paint) -> String {
    match entry {
        Entry::Line {
            step,
            own_words: true,
            text,
        } => {
            format!("{} {text}", paint.dim(&format!("{step:<8} >")))
        }
        Entry::Line {
            step,
            own_words: false,
            text,
        } => {
            format!("{} {text}", paint.dim(&format!("{step:<8} |")))
        }
        Entry::StepEnded { step, how, took } => {
            let after = |word: &str| {
                took.map_or(String::new(), |took| {
                    format!(" {word} {}", moment::duration(took))
                })
            };
            let (word, after) = match how {
                How::Done => (paint.green("done"), after("in")),
                How::Failed => (paint.red("failed"), after("after")),
                How::Cancelled => (paint.yellow("cancelled"), after("after")),
            };
            format!("{step:<8} {word}{after}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_at_the_bottom_has_a_template_that_holds() {
        let _ = (style(Paint(true)), style(Paint(false)));
    }

    #[test]
    fn lines_stand_in_columns_and_colours_only_where_they_are_wanted() {
        let entry = Entry::Line {
            step: "build".into(),
            own_words: false,
            text: "a  b".into(),
        };
        assert_eq!(line(&entry, Paint(false)), "build    | a  b");
        assert_eq!(
            line(&entry, Paint(true)),
            "\u{1b}[2mbuild    |\u{1b}[0m a  b"
        );
        let ended = Entry::StepEnded {
            step: "checkout".into(),
            how: How::Failed,
            took: Some(Duration::from_secs(75)),
        };
        assert_eq!(line(&ended, Paint(false)), "checkout failed after 1m 15s");
    }
}
