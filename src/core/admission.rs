//! May this deployment or change enter its environment's queue, given what is already in it? No clock, no store: the
//! caller brings the state, and carries out the verdict in the transaction that read it.

use super::change::Change;
use super::deployment::{Trigger, Wanted};
use super::id::DeploymentSerial;
use super::name::Sha;

/// How many operations may wait in one environment's queue, what is at work included. A thousand deployments of a minute
/// each are a day's; whoever asks for more asks in a loop. Every decision reads the queue it is about: this long that
/// takes about a millisecond.
pub const MAX_QUEUE: usize = 1000;

/// What an environment is meant to be doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Desired {
    /// Its live release runs.
    Running,
    /// Nothing runs and nothing may be deployed until it is activated.
    Suspended,
    /// Nothing runs; a manual deployment starts it.
    Stopped,
    /// It is gone; its rows are kept.
    Removed,
}

impl Desired {
    /// The word that is stored.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Suspended => "suspended",
            Self::Stopped => "stopped",
            Self::Removed => "removed",
        }
    }

    /// Reads the stored word back.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Running, Self::Suspended, Self::Stopped, Self::Removed]
            .into_iter()
            .find(|d| d.as_str() == text)
    }
}

/// What a decision looks at: the environment and its queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// What the environment is meant to be doing now.
    pub desired: Desired,
    /// The unfinished operations, in the queue's order.
    pub queue: Vec<Entry>,
    /// The commit an event or a timer saw last.
    pub seen_head: Option<Sha>,
    /// Whether a rollback holds the environment where it is.
    pub pinned: bool,
}

/// An unfinished operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entry {
    /// A deployment.
    Deployment {
        /// Which one.
        serial: DeploymentSerial,
        /// How it was initiated.
        trigger: Trigger,
        /// Whether it makes an earlier release live again.
        rollback: bool,
        /// Whether it has begun.
        begun: bool,
    },
    /// A change.
    Change(Change),
}

impl Standing {
    /// What the environment will be meant to be doing when the queue is empty, if all goes well.
    #[must_use]
    pub fn desired_after(&self) -> Desired {
        self.queue
            .iter()
            .fold(self.desired, |desired, entry| match (entry, desired) {
                (Entry::Change(change), _) => change.desired(),
                (
                    Entry::Deployment {
                        trigger: Trigger::Manual,
                        ..
                    },
                    Desired::Stopped,
                ) => Desired::Running,
                (
                    Entry::Deployment {
                        trigger: Trigger::Manual | Trigger::Automatic,
                        ..
                    },
                    Desired::Running | Desired::Suspended | Desired::Stopped | Desired::Removed,
                ) => desired,
            })
    }

    /// What the environment is meant to be doing now, and will be at any time until the queue is empty, if all goes well.
    pub fn desired_meanwhile(&self) -> impl Iterator<Item = Desired> {
        let changes = self.queue.iter().filter_map(|entry| match entry {
            Entry::Change(change) => Some(change.desired()),
            Entry::Deployment { .. } => None,
        });
        std::iter::once(self.desired).chain(changes)
    }

    /// Whether a rollback will hold it then.
    fn pinned_after(&self) -> bool {
        self.queue
            .iter()
            .fold(self.pinned, |pinned, entry| match entry {
                Entry::Deployment { rollback: true, .. } => true,
                Entry::Deployment {
                    rollback: false, ..
                } => false,
                Entry::Change(_) => pinned,
            })
    }

    /// The automatic deployments that have not begun.
    fn waiting_automatic(&self) -> Vec<DeploymentSerial> {
        let waits = |entry: &Entry| match entry {
            Entry::Deployment {
                serial,
                trigger: Trigger::Automatic,
                begun: false,
                ..
            } => Some(*serial),
            Entry::Deployment { .. } | Entry::Change(_) => None,
        };
        self.queue.iter().filter_map(waits).collect()
    }
}

/// The answer. Denied, ignored and accepted are three different things.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It enters the queue, and these older ones leave it as superseded.
    Accepted {
        /// The queued automatic deployments it makes pointless.
        supersedes: Vec<DeploymentSerial>,
    },
    /// There is nothing to do now; what was seen is noted.
    Ignored(IgnoredReason),
    /// It may not.
    Denied(DeniedReason),
}

/// Why nothing is done about an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IgnoredReason {
    /// Events do not start a stopped environment.
    #[error("the environment is stopped; a manual deployment starts it")]
    Stopped,
    /// The branch's head was looked at before: an older event that came late, or a timer with nothing new.
    #[error("the head of the branch was looked at before")]
    Seen,
    /// A rollback holds the environment until there is a new commit or a manual deployment.
    #[error(
        "a rollback holds the environment where it is until there is a new commit or a manual deployment"
    )]
    Pinned,
}

/// Why a deployment or a change is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DeniedReason {
    /// The environment is suspended until somebody activates it.
    #[error("the environment is suspended; activate it first")]
    Suspended,
    /// It was stopped before an automatic deployment's turn came.
    #[error("the environment is stopped; a manual deployment starts it")]
    Stopped,
    /// Only what is suspended can be activated.
    #[error("the environment is stopped, not suspended; start it")]
    NotSuspended,
    /// The environment is gone.
    #[error("the environment is removed")]
    Removed,
    /// The release's image was given up.
    #[error("that release's image was given up; deploy its commit again")]
    Collected,
    /// Too much is waiting already.
    #[error(
        "{MAX_QUEUE} operations are waiting in the environment's queue, and it takes no more: let it work, cancel what waits, or empty it with `longshore stop --now`"
    )]
    QueueFull,
}

/// Decides over a new deployment, by the state the queue will leave.
#[must_use]
pub fn admit(standing: &Standing, trigger: Trigger, wanted: &Wanted) -> Verdict {
    let enters = |supersedes: Vec<DeploymentSerial>| {
        if standing.queue.len() - supersedes.len() < MAX_QUEUE {
            Verdict::Accepted { supersedes }
        } else {
            Verdict::Denied(DeniedReason::QueueFull)
        }
    };
    let automatic = || enters(standing.waiting_automatic());
    let head = match wanted {
        Wanted::Commit { sha, .. } => Some(sha),
        Wanted::Image(_) | Wanted::Release(_) | Wanted::Restart => None,
    };
    match (standing.desired_after(), trigger) {
        (Desired::Removed, _) => Verdict::Denied(DeniedReason::Removed),
        (Desired::Suspended, _) => Verdict::Denied(DeniedReason::Suspended),
        (Desired::Running | Desired::Stopped, Trigger::Manual) => match wanted {
            Wanted::Release(_) => automatic(),
            Wanted::Commit { .. } | Wanted::Image(_) | Wanted::Restart => enters(Vec::new()),
        },
        (Desired::Running | Desired::Stopped, Trigger::Automatic)
            if head.is_some() && head == standing.seen_head.as_ref() =>
        {
            Verdict::Ignored(IgnoredReason::Seen)
        }
        (Desired::Stopped, Trigger::Automatic) => Verdict::Ignored(IgnoredReason::Stopped),
        // Without a commit nothing tells a new version from the one that was rolled back.
        (Desired::Running, Trigger::Automatic) if head.is_none() && standing.pinned_after() => {
            Verdict::Ignored(IgnoredReason::Pinned)
        }
        (Desired::Running, Trigger::Automatic) => automatic(),
    }
}

/// Decides over a change, by the state the queue will leave.
///
/// # Errors
/// Says why it may not.
pub fn admit_change(standing: &Standing, change: Change) -> Result<(), DeniedReason> {
    match (standing.desired_after(), change) {
        (Desired::Removed, _) => Err(DeniedReason::Removed),
        (Desired::Suspended, Change::Stop | Change::Start) => Err(DeniedReason::Suspended),
        (Desired::Stopped, Change::Activate) => Err(DeniedReason::NotSuspended),
        // It empties the queue.
        (Desired::Running | Desired::Stopped | Desired::Suspended, Change::Remove { .. }) => Ok(()),
        (
            Desired::Running | Desired::Stopped | Desired::Suspended,
            Change::Stop | Change::Start | Change::Suspend | Change::Activate,
        ) if standing.queue.len() >= MAX_QUEUE => Err(DeniedReason::QueueFull),
        // What is so already is made sure of once more.
        (Desired::Running | Desired::Stopped, Change::Stop | Change::Start | Change::Suspend)
        | (Desired::Running | Desired::Suspended, Change::Activate)
        | (Desired::Suspended, Change::Suspend) => Ok(()),
    }
}

/// Decides again when a deployment's turn has come: what was before it in the queue may have ended otherwise.
///
/// # Errors
/// Says why it may not begin.
pub fn may_begin(desired: Desired, trigger: Trigger) -> Result<(), DeniedReason> {
    match (desired, trigger) {
        (Desired::Removed, _) => Err(DeniedReason::Removed),
        (Desired::Suspended, _) => Err(DeniedReason::Suspended),
        (Desired::Stopped, Trigger::Automatic) => Err(DeniedReason::Stopped),
        (Desired::Running, _) | (Desired::Stopped, Trigger::Manual) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::id::ReleaseSerial;
    use crate::core::name::{Branch, ImageReference};

    fn commit(digit: char) -> Wanted {
        Wanted::Commit {
            reference: Branch::parse("main").unwrap().into(),
            sha: sha(digit),
            asked: None,
        }
    }

    fn sha(digit: char) -> Sha {
        Sha::parse(&digit.to_string().repeat(40)).unwrap()
    }

    fn image() -> Wanted {
        Wanted::Image(ImageReference::parse("nginx").unwrap())
    }

    fn entry(serial: i64, trigger: Trigger, begun: bool) -> Entry {
        Entry::Deployment {
            serial: DeploymentSerial(serial),
            trigger,
            rollback: false,
            begun,
        }
    }

    fn standing(desired: Desired, queue: &[Entry]) -> Standing {
        Standing {
            desired,
            queue: queue.to_vec(),
            seen_head: None,
            pinned: false,
        }
    }

    fn accepted(supersedes: &[i64]) -> Verdict {
        Verdict::Accepted {
            supersedes: supersedes.iter().copied().map(DeploymentSerial).collect(),
        }
    }

    #[test]
    fn automatic_deployments_and_rollbacks_supersede_only_automatic_ones_that_have_not_begun() {
        let queue = [
            entry(1, Trigger::Automatic, true),
            entry(2, Trigger::Manual, false),
            entry(3, Trigger::Automatic, false),
        ];
        let standing = standing(Desired::Running, &queue);
        assert_eq!(
            admit(&standing, Trigger::Automatic, &commit('1')),
            accepted(&[3])
        );
        assert_eq!(
            admit(
                &standing,
                Trigger::Manual,
                &Wanted::Release(ReleaseSerial(1))
            ),
            accepted(&[3])
        );
        for manual in [commit('1'), image(), Wanted::Restart] {
            assert_eq!(admit(&standing, Trigger::Manual, &manual), accepted(&[]));
        }
    }

    #[test]
    fn a_stopped_environment_is_started_by_people_not_by_events_and_a_suspended_one_by_neither() {
        let stopped = standing(Desired::Stopped, &[]);
        assert_eq!(
            admit(&stopped, Trigger::Automatic, &commit('1')),
            Verdict::Ignored(IgnoredReason::Stopped)
        );
        assert_eq!(
            admit(&stopped, Trigger::Manual, &commit('1')),
            accepted(&[])
        );
        for trigger in [Trigger::Manual, Trigger::Automatic] {
            assert_eq!(
                admit(&standing(Desired::Suspended, &[]), trigger, &commit('1')),
                Verdict::Denied(DeniedReason::Suspended)
            );
            assert_eq!(
                admit(&standing(Desired::Removed, &[]), trigger, &commit('1')),
                Verdict::Denied(DeniedReason::Removed)
            );
        }
    }

    #[test]
    fn the_state_the_queue_will_leave_decides() {
        let stopping = standing(Desired::Running, &[Entry::Change(Change::Stop)]);
        assert_eq!(
            admit(&stopping, Trigger::Automatic, &commit('1')),
            Verdict::Ignored(IgnoredReason::Stopped)
        );
        let coming_back = standing(Desired::Stopped, &[entry(1, Trigger::Manual, true)]);
        assert_eq!(
            admit(&coming_back, Trigger::Automatic, &commit('1')),
            accepted(&[])
        );
        // … and if that one fails, the environment is still stopped when its turn comes.
        assert_eq!(
            may_begin(Desired::Stopped, Trigger::Automatic),
            Err(DeniedReason::Stopped)
        );
        let suspended_then_activated =
            standing(Desired::Suspended, &[Entry::Change(Change::Activate)]);
        assert_eq!(
            admit(&suspended_then_activated, Trigger::Manual, &image()),
            accepted(&[])
        );
    }

    #[test]
    fn a_head_that_was_seen_deploys_nothing_and_a_rollback_holds_until_a_new_commit() {
        let mut pinned = standing(Desired::Running, &[]);
        pinned.pinned = true;
        pinned.seen_head = Some(sha('2'));
        assert_eq!(
            admit(&pinned, Trigger::Automatic, &commit('2')),
            Verdict::Ignored(IgnoredReason::Seen)
        );
        assert_eq!(
            admit(&pinned, Trigger::Automatic, &image()),
            Verdict::Ignored(IgnoredReason::Pinned)
        );
        assert_eq!(
            admit(&pinned, Trigger::Automatic, &commit('3')),
            accepted(&[])
        );
        assert_eq!(admit(&pinned, Trigger::Manual, &commit('2')), accepted(&[]));
    }

    #[test]
    fn a_full_queue_takes_only_what_makes_it_shorter() {
        let full: Vec<Entry> = (0..)
            .take(MAX_QUEUE)
            .map(|serial| entry(serial, Trigger::Manual, false))
            .collect();
        let mut almost = standing(Desired::Running, &full[1..]);
        let full = standing(Desired::Running, &full);
        let denied = Verdict::Denied(DeniedReason::QueueFull);
        for wanted in [
            commit('1'),
            image(),
            Wanted::Restart,
            Wanted::Release(ReleaseSerial(1)),
        ] {
            assert_eq!(admit(&full, Trigger::Manual, &wanted), denied);
            assert_eq!(admit(&almost, Trigger::Manual, &wanted), accepted(&[]));
        }
        assert_eq!(admit(&full, Trigger::Automatic, &commit('1')), denied);
        for change in [
            Change::Stop,
            Change::Start,
            Change::Suspend,
            Change::Activate,
        ] {
            assert_eq!(admit_change(&full, change), Err(DeniedReason::QueueFull));
            assert_eq!(admit_change(&almost, change), Ok(()));
        }
        assert_eq!(
            admit_change(&full, Change::Remove { volumes: false }),
            Ok(())
        );

        // What it supersedes makes room for it.
        almost.queue.push(entry(5000, Trigger::Automatic, false));
        assert_eq!(
            admit(&almost, Trigger::Automatic, &commit('1')),
            accepted(&[5000])
        );
        assert_eq!(admit(&almost, Trigger::Manual, &commit('1')), denied);
    }

    #[test]
    fn a_suspended_environment_takes_only_activation_and_removal() {
        let suspended = standing(Desired::Suspended, &[]);
        for (change, verdict) in [
            (Change::Stop, Err(DeniedReason::Suspended)),
            (Change::Start, Err(DeniedReason::Suspended)),
            (Change::Suspend, Ok(())),
            (Change::Activate, Ok(())),
            (Change::Remove { volumes: true }, Ok(())),
        ] {
            assert_eq!(admit_change(&suspended, change), verdict, "{change:?}");
        }
        let stopped = standing(Desired::Stopped, &[]);
        assert_eq!(
            admit_change(&stopped, Change::Activate),
            Err(DeniedReason::NotSuspended)
        );
        assert_eq!(admit_change(&stopped, Change::Suspend), Ok(()));
    }
}
