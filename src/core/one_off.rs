//! A command that is run once, in a container of its own: what is known of an attempt, and what is to be done next.
//!
//! ```text
//!  intended ─▶ made ─▶ starting ─▶ ended
//! ```
//!
//! Each stage is on disk before what it speaks of is done, but for `made`, which comes after: so whoever picks an attempt
//! up knows whether the command may have begun. It never begins twice: only a container that the engine never started is
//! started, and one that is gone after its start was asked for is not made again.

use super::command::Purpose;
use super::container::ContainerRow;
use super::ports::ContainerState;

/// One try of a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// Its container.
    pub container: ContainerRow,
    /// What it runs.
    pub purpose: Purpose,
    /// Which try it is, from 1.
    pub number: u32,
    /// How far it came.
    pub stage: Stage,
}

/// How far an attempt is known to have come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Its container is about to be made.
    Intended,
    /// The engine has made it; it was not started.
    Made,
    /// The engine was about to be asked to start it.
    Starting,
    /// It came to its end by itself, with this exit status; `None`: it was cut off.
    Ended(Option<i64>),
}

/// What is to be done next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// Make the container, or what is missing in it.
    Make,
    /// Start it: it never was.
    Start,
    /// An earlier start may still be under way: look again, and start it only if it stays as it is.
    LookAgain,
    /// It runs: wait for its end.
    Follow,
    /// It is over.
    Over(End),
}

/// How an attempt ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// With status 0.
    Done,
    /// With another status.
    Failed(i64),
    /// The kernel killed it for its memory.
    OutOfMemory,
    /// The engine could not start it, and says why.
    NotStarted(String),
    /// It was cut off: how far it came is not known.
    Interrupted(Cut),
}

/// How an attempt was cut off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// Its container is gone.
    Gone,
    /// Somebody ended it: its status is that of a signal.
    Ended(i64),
    /// The engine did not see it end: the host was restarted, most likely.
    Unseen,
}

/// What is to be done for an attempt that has not ended, by what the engine shows. `watched` says that the engine was
/// there all the time since the command was seen to run.
#[must_use]
pub fn next(stage: Stage, look: Option<&ContainerState>, watched: bool) -> Next {
    match (stage, look) {
        (Stage::Intended, None | Some(ContainerState::Created)) | (Stage::Made, None) => Next::Make,
        (Stage::Made, Some(ContainerState::Created)) => Next::Start,
        (Stage::Starting, Some(ContainerState::Created)) => Next::LookAgain,
        (Stage::Starting, None) => Next::Over(End::Interrupted(Cut::Gone)),
        (Stage::Ended(Some(0)), _) => Next::Over(End::Done),
        (Stage::Ended(Some(status)), _) => Next::Over(End::Failed(status)),
        (Stage::Ended(None), _) => Next::Over(End::Interrupted(Cut::Gone)),
        (Stage::Intended | Stage::Made | Stage::Starting, Some(ContainerState::Running { .. })) => {
            Next::Follow
        }
        (
            Stage::Intended | Stage::Made | Stage::Starting,
            Some(ContainerState::Exited {
                code,
                out_of_memory,
                error,
            }),
        ) => Next::Over(end(*code, *out_of_memory, error.as_deref(), watched)),
    }
}

/// The status of a program that was ended by SIGKILL, and by SIGTERM: an engine that stops ends what it runs so.
const SIGNALLED: [i64; 2] = [128 + 9, 128 + 15];
/// The status the engine writes down for an end it did not see. A program can end with it, too.
const UNSEEN: i64 = 255;

fn end(code: i64, out_of_memory: bool, error: Option<&str>, watched: bool) -> End {
    match (out_of_memory, error, code) {
        (true, ..) => End::OutOfMemory,
        (false, Some(error), _) if !error.is_empty() => End::NotStarted(error.to_owned()),
        (false, _, 0) => End::Done,
        (false, _, code) if SIGNALLED.contains(&code) => End::Interrupted(Cut::Ended(code)),
        (false, _, UNSEEN) if !watched => End::Interrupted(Cut::Unseen),
        (false, _, code) => End::Failed(code),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exited(code: i64) -> ContainerState {
        ContainerState::Exited {
            code,
            out_of_memory: false,
            error: None,
        }
    }

    #[test]
    fn what_may_have_begun_is_never_begun_again() {
        let running = ContainerState::Running { health: None };
        let looks = [
            None,
            Some(ContainerState::Created),
            Some(running),
            Some(exited(0)),
            Some(exited(3)),
        ];
        for stage in [Stage::Intended, Stage::Made, Stage::Starting] {
            for look in &looks {
                for watched in [false, true] {
                    let next = next(stage, look.as_ref(), watched);
                    let begins = matches!(next, Next::Make | Next::Start);
                    let never_ran = matches!(look, None | Some(ContainerState::Created))
                        && stage != Stage::Starting;
                    assert_eq!(begins, never_ran, "{stage:?} {look:?}: {next:?}");
                }
            }
        }
    }

    #[test]
    fn an_end_is_told_from_being_cut_off() {
        let over = |code, watched| next(Stage::Starting, Some(&exited(code)), watched);
        let cut = |cut| Next::Over(End::Interrupted(cut));
        for watched in [false, true] {
            assert_eq!(over(0, watched), Next::Over(End::Done));
            assert_eq!(over(1, watched), Next::Over(End::Failed(1)));
            assert_eq!(over(137, watched), cut(Cut::Ended(137)));
            assert_eq!(over(143, watched), cut(Cut::Ended(143)));
        }
        assert_eq!(over(255, true), Next::Over(End::Failed(255)));
        assert_eq!(over(255, false), cut(Cut::Unseen));
        assert_eq!(next(Stage::Starting, None, true), cut(Cut::Gone));
        let killed = ContainerState::Exited {
            code: 137,
            out_of_memory: true,
            error: None,
        };
        assert_eq!(
            next(Stage::Starting, Some(&killed), true),
            Next::Over(End::OutOfMemory)
        );
    }
}
