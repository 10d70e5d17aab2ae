//! One environment as a model: rows, containers, and what the driver has in its memory.

mod driver;
mod laws;
mod requests;
mod transactions;

use longshore::core::admission::{
    Desired, Entry, Standing, Verdict, admit, admit_change, may_begin,
};
use longshore::core::change::{Change, ChangePhase, EnvironmentChange};
use longshore::core::deployment::{Deployment, Phase, Request as Asked, Trigger, Wanted};
use longshore::core::failure::{Failure, FailureCode};
use longshore::core::id::{
    AppSerial, ContainerSerial, DeploymentSerial, EnvironmentSerial, OperationSerial,
    PrincipalSerial, ReleaseSerial,
};
use longshore::core::name::{Branch, ImageReference, Sha};
use longshore::core::operation::{Undo, cleared_away, leftovers, scaffolding};
use longshore::core::spec::Strategy;
use longshore::core::time::Timestamp;
use std::collections::BTreeMap;

const NOW: Timestamp = Timestamp(0);
const SOMEBODY: PrincipalSerial = PrincipalSerial(1);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    Manual,
    Automatic,
    Rollback,
    Restart,
    /// With `now`, if it is true.
    Change(Change, bool),
}

/// A fault that is put in, to see it found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutation {
    None,
    CancelAfterCommit,
    CommitUnchecked,
    StartUnsettled,
    SupersedeManual,
    NoRestore,
    QueueFromBehind,
    /// What is swapped out is stopped before the ingress has acknowledged.
    SucceedUnacknowledged,
    /// A swap makes room, too.
    SwapDisplaces,
}

/// An entry of the queue; its place in the list is its serial.
#[derive(Clone, Debug)]
pub enum Row {
    Deployment(Box<Deployment>),
    Change(EnvironmentChange),
}

/// The driver's memory: the row as it was read, and how far its rollout got.
#[derive(Clone, Debug)]
struct Walk {
    row: usize,
    seen: Deployment,
    rollout: Rollout,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rollout {
    Fresh,
    Made,
    Displaced,
    Stopped,
    Started,
}

#[derive(Clone, Debug)]
pub enum Move {
    Ask(Request),
    Cancel(usize),
    Crash,
    /// The driver reads the row it is to walk.
    Read(usize),
    /// The driver sees that its row was moved.
    GiveUp,
    Start,
    Advance,
    RetireCandidate,
    Make,
    Displace,
    StopOld,
    StartNew,
    Commit,
    Fail,
    /// The committed container runs.
    Run,
    /// The ingress acknowledges the table of this moment.
    Publish,
    /// The ingress is started anew, without a table.
    LoseTable,
    Succeed(usize),
    Begin(usize),
    TakeEffect,
    EndChange(usize, bool),
    Settle,
    Finish(usize),
}

#[derive(Clone, Debug)]
pub struct World {
    pub mutation: Mutation,
    requests: &'static [Request],
    asks_left: u8,
    cancels_left: u8,
    crashes_left: u8,
    failures_left: u8,
    desired: Desired,
    removed: bool,
    pinned: bool,
    rows: Vec<Row>,
    done: Vec<bool>,
    /// The live container and the release it runs, by the rows that made them.
    live: Option<(ContainerSerial, usize)>,
    releases: Vec<usize>,
    candidate: Option<(ContainerSerial, usize)>,
    displaced: bool,
    containers: BTreeMap<i64, bool>,
    made: i64,
    unsettled: Vec<Undo>,
    /// The last change took effect, as far as it has.
    took_effect: bool,
    walk: Option<Walk>,
    strategy: Strategy,
    /// The container the rows say requests go to, and the one the ingress sends them to.
    table: Option<ContainerSerial>,
    held: Option<ContainerSerial>,
    losses_left: u8,
}

impl World {
    /// An environment whose release 0 is live.
    pub fn new(
        requests: &'static [Request],
        asks: u8,
        cancels: u8,
        crashes: u8,
        failures: u8,
    ) -> Self {
        let mut first = deployment(0, Trigger::Manual, image());
        first.phase = Phase::Succeeded {
            release: ReleaseSerial(0),
            at: NOW,
        };
        Self {
            mutation: Mutation::None,
            requests,
            asks_left: asks,
            cancels_left: cancels,
            crashes_left: crashes,
            failures_left: failures,
            desired: Desired::Running,
            removed: false,
            pinned: false,
            rows: vec![Row::Deployment(Box::new(first))],
            done: vec![true],
            live: Some((ContainerSerial(0), 0)),
            releases: vec![0],
            candidate: None,
            displaced: false,
            containers: BTreeMap::from([(0, true)]),
            made: 0,
            unsettled: Vec::new(),
            took_effect: false,
            walk: None,
            strategy: Strategy::Recreate,
            table: Some(ContainerSerial(0)),
            held: Some(ContainerSerial(0)),
            losses_left: 0,
        }
    }

    /// The same, whose releases take over by `swap`; the ingress may lose its table so often.
    pub fn swapping(self, losses: u8) -> Self {
        Self {
            strategy: Strategy::Swap,
            losses_left: losses,
            ..self
        }
    }

    /// What tells one state from another.
    pub fn key(&self) -> String {
        let rows: Vec<String> = self
            .rows
            .iter()
            .map(|row| match row {
                Row::Deployment(it) => format!(
                    "{:?}{:?}{:?}",
                    it.request.trigger,
                    it.request.wanted.steps().len(),
                    it.phase
                ),
                Row::Change(it) => format!("{:?}{}", it.change, it.phase.as_str()),
            })
            .collect();
        let walk = self
            .walk
            .as_ref()
            .map(|walk| (walk.row, &walk.seen.phase, walk.rollout));
        let left = (
            self.asks_left,
            self.cancels_left,
            self.crashes_left,
            self.failures_left,
        );
        let is = (
            self.desired,
            self.removed,
            self.pinned,
            self.live,
            self.candidate,
            self.displaced,
            self.took_effect,
            (self.table, self.held, self.losses_left),
        );
        format!(
            "{left:?}{is:?}{:?}{rows:?}{:?}{:?}{walk:?}",
            self.done, self.containers, self.unsettled
        )
    }
    /// What admission looks at.
    fn standing(&self) -> Standing {
        let entry = |(row, serial): (&Row, usize)| match row {
            Row::Deployment(it) => match it.phase {
                Phase::Queued | Phase::Running(_) => Some(Entry::Deployment {
                    serial: DeploymentSerial(i64::try_from(serial).unwrap()),
                    trigger: it.request.trigger,
                    rollback: matches!(it.request.wanted, Wanted::Release(_)),
                    begun: it.phase != Phase::Queued,
                }),
                Phase::Committed(_)
                | Phase::Succeeded { .. }
                | Phase::Failed { .. }
                | Phase::Cancelled { .. }
                | Phase::Superseded { .. } => None,
            },
            Row::Change(it) => {
                (it.phase == ChangePhase::Queued).then_some(Entry::Change(it.change))
            }
        };
        Standing {
            desired: if self.removed {
                Desired::Removed
            } else {
                self.desired
            },
            queue: self.rows.iter().zip(0..).filter_map(entry).collect(),
            seen_head: None,
            pinned: self.pinned,
        }
    }
}

fn deployment(serial: usize, trigger: Trigger, wanted: Wanted) -> Deployment {
    Deployment {
        serial: DeploymentSerial(i64::try_from(serial).unwrap()),
        id: uuid::Uuid::nil(),
        iid: 1,
        app: AppSerial(1),
        environment: EnvironmentSerial(1),
        request: Asked {
            by: SOMEBODY,
            trigger,
            wanted,
            variables: BTreeMap::new(),
            task: None,
            payload: None,
            event: None,
        },
        commit: None,
        phase: Phase::Queued,
        created_at: NOW,
    }
}

fn image() -> Wanted {
    Wanted::Image(ImageReference::parse("nginx").unwrap())
}

fn commit(serial: usize) -> Wanted {
    Wanted::Commit {
        reference: Branch::parse("main").unwrap().into(),
        sha: Sha::parse(&serial.to_string().repeat(40)).unwrap(),
        asked: None,
    }
}

fn failure() -> Failure {
    Failure {
        code: FailureCode::BuildFailed,
        message: String::new(),
        output: Vec::new(),
        next: String::new(),
    }
}
