//! One environment as a model: rows, containers, and what the driver has in its memory.

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
}

/// An entry of the queue; its place in the list is its serial.
#[derive(Clone, Debug)]
pub enum Row {
    Deployment(Deployment),
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
            rows: vec![Row::Deployment(first)],
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
        );
        format!(
            "{left:?}{is:?}{:?}{rows:?}{:?}{:?}{walk:?}",
            self.done, self.containers, self.unsettled
        )
    }

    /// Everything that can happen now.
    pub fn moves(&self) -> Vec<Move> {
        let mut moves = Vec::new();
        if self.asks_left > 0 {
            moves.extend(self.requests.iter().map(|request| Move::Ask(*request)));
        }
        if self.cancels_left > 0 {
            moves.extend(
                (0..self.rows.len())
                    .filter(|row| self.is_cancellable(*row))
                    .map(Move::Cancel),
            );
        }
        if self.crashes_left > 0 && self.walk.is_some() {
            moves.push(Move::Crash);
        }
        moves.extend(self.driver_moves());
        moves
    }

    fn is_cancellable(&self, row: usize) -> bool {
        match &self.rows[row] {
            Row::Deployment(it) => match it.phase {
                Phase::Queued | Phase::Running(_) => true,
                Phase::Committed(_) => self.mutation == Mutation::CancelAfterCommit,
                Phase::Succeeded { .. }
                | Phase::Failed { .. }
                | Phase::Cancelled { .. }
                | Phase::Superseded { .. } => false,
            },
            Row::Change(_) => false,
        }
    }

    fn head(&self) -> Option<usize> {
        let mut waiting = (0..self.rows.len()).filter(|row| !self.done[*row]);
        match self.mutation {
            Mutation::QueueFromBehind if self.walk.is_none() => waiting.next_back(),
            Mutation::QueueFromBehind => self.walk.as_ref().map(|walk| walk.row),
            _ => waiting.next(),
        }
    }

    /// What the driver can do; several where an engine may fail or something came in between.
    fn driver_moves(&self) -> Vec<Move> {
        let settles = !self.unsettled.is_empty();
        if let Some(walk) = &self.walk {
            return self.walk_moves(walk);
        }
        let Some(head) = self.head() else {
            return if settles {
                vec![Move::Settle]
            } else {
                Vec::new()
            };
        };
        let first_settle = |then: Move| match settles {
            true => vec![Move::Settle],
            false => vec![then],
        };
        match &self.rows[head] {
            Row::Deployment(it) => match it.phase {
                Phase::Committed(_) if self.live_runs() => vec![Move::Succeed(head)],
                Phase::Committed(_) => vec![Move::Run],
                Phase::Queued | Phase::Running(_) if self.mutation == Mutation::StartUnsettled => {
                    vec![Move::Read(head)]
                }
                Phase::Queued | Phase::Running(_) => first_settle(Move::Read(head)),
                Phase::Succeeded { .. }
                | Phase::Failed { .. }
                | Phase::Cancelled { .. }
                | Phase::Superseded { .. } => first_settle(Move::Finish(head)),
            },
            Row::Change(it) => match it.phase {
                ChangePhase::Queued => first_settle(Move::Begin(head)),
                ChangePhase::Running if self.took_effect => vec![Move::EndChange(head, true)],
                ChangePhase::Running => {
                    let mut moves = vec![Move::TakeEffect];
                    if self.failures_left > 0 && it.clone().fail(failure()).is_ok() {
                        moves.push(Move::EndChange(head, false));
                    }
                    moves
                }
                ChangePhase::Done | ChangePhase::Failed(_) | ChangePhase::Cancelled => {
                    first_settle(Move::Finish(head))
                }
            },
        }
    }

    fn walk_moves(&self, walk: &Walk) -> Vec<Move> {
        let mut moves = Vec::new();
        if self.moved(walk) {
            moves.push(Move::GiveUp);
        }
        let Some(step) = walk.seen.phase.running_step() else {
            moves.push(Move::Start);
            return moves;
        };
        let last = walk.seen.request.wanted.steps().last() == Some(&step);
        let earlier = self.candidate.is_some_and(|(_, row)| row == walk.row)
            && walk.rollout == Rollout::Fresh;
        moves.push(match walk.rollout {
            Rollout::Fresh if !last => Move::Advance,
            Rollout::Fresh if earlier => Move::RetireCandidate,
            Rollout::Fresh
                if !self.unsettled.is_empty() && self.mutation != Mutation::StartUnsettled =>
            {
                Move::Settle
            }
            Rollout::Fresh => Move::Make,
            Rollout::Made if self.live.is_some() && self.desired == Desired::Running => {
                Move::Displace
            }
            Rollout::Made | Rollout::Displaced => Move::StopOld,
            Rollout::Stopped => Move::StartNew,
            Rollout::Started => Move::Commit,
        });
        if self.failures_left > 0 || self.may_not_begin(walk) {
            moves.push(Move::Fail);
        }
        if self.may_not_begin(walk) {
            moves.retain(|next| matches!(next, Move::Fail | Move::GiveUp));
        }
        moves
    }

    fn may_not_begin(&self, walk: &Walk) -> bool {
        may_begin(self.desired, walk.seen.request.trigger).is_err()
    }

    fn moved(&self, walk: &Walk) -> bool {
        self.deployment(walk.row).phase != walk.seen.phase
    }

    fn deployment(&self, row: usize) -> &Deployment {
        match &self.rows[row] {
            Row::Deployment(it) => it,
            Row::Change(_) => panic!("row {row} is a change"),
        }
    }

    fn live_runs(&self) -> bool {
        self.live
            .is_some_and(|(container, _)| self.containers.get(&container.0) == Some(&true))
    }

    /// Makes a move; an error is a law that it broke.
    pub fn make(&mut self, next: &Move) -> Result<(), String> {
        match next {
            Move::Ask(request) => {
                self.asks_left -= 1;
                self.ask(*request)
            }
            Move::Cancel(row) => {
                self.cancels_left -= 1;
                self.cancel(*row)
            }
            Move::Crash => {
                self.crashes_left -= 1;
                self.walk = None;
                Ok(())
            }
            Move::Read(row) => {
                let seen = self.deployment(*row).clone();
                self.walk = Some(Walk {
                    row: *row,
                    seen,
                    rollout: Rollout::Fresh,
                });
                Ok(())
            }
            Move::GiveUp => {
                self.walk = None;
                Ok(())
            }
            Move::Settle => {
                self.settle();
                Ok(())
            }
            Move::Finish(row) => {
                self.done[*row] = true;
                Ok(())
            }
            Move::Run => {
                self.run_live();
                Ok(())
            }
            Move::Succeed(row) => {
                let succeeded = self.deployment(*row).clone().succeed(NOW);
                self.write(*row, succeeded.map_err(|error| error.to_string())?)
            }
            Move::Begin(row) => self.begin(*row),
            Move::TakeEffect => {
                match self.desired {
                    Desired::Running => self.run_live(),
                    Desired::Stopped | Desired::Suspended | Desired::Removed => self.stop_live(),
                }
                self.took_effect = true;
                Ok(())
            }
            Move::EndChange(row, well) => {
                self.failures_left -= u8::from(!well);
                let Row::Change(it) = &mut self.rows[*row] else {
                    return Err("a deployment ended as a change".into());
                };
                let ended = if *well {
                    it.clone().finish()
                } else {
                    it.clone().fail(failure())
                };
                *it = ended.map_err(|error| error.to_string())?;
                Ok(())
            }
            Move::Start
            | Move::Advance
            | Move::RetireCandidate
            | Move::Make
            | Move::Displace
            | Move::StopOld
            | Move::StartNew
            | Move::Commit
            | Move::Fail => self.step(next),
        }
    }

    /// A move of the driver's walk. What writes compares the row with what was read, as the store does.
    fn step(&mut self, next: &Move) -> Result<(), String> {
        let Some(mut walk) = self.walk.take() else {
            return Err("nobody walks".into());
        };
        let writes = !matches!(next, Move::StopOld | Move::StartNew);
        let unchecked = matches!(next, Move::Commit) && self.mutation == Mutation::CommitUnchecked;
        if writes && self.moved(&walk) && !unchecked {
            return Ok(());
        }
        let row = walk.row;
        let invalid = |error: longshore::core::deployment::InvalidTransition| error.to_string();
        match next {
            Move::Start => {
                walk.seen = walk.seen.start().map_err(invalid)?;
                self.write(row, walk.seen.clone())?;
            }
            Move::Advance => {
                walk.seen = walk.seen.advance().map_err(invalid)?;
                self.write(row, walk.seen.clone())?;
            }
            Move::RetireCandidate => {
                let candidate = self.candidate.take();
                self.unsettled
                    .extend(candidate.map(|(container, _)| Undo::RetireContainer(container)));
            }
            Move::Make => {
                self.made += 1;
                let free = (1..)
                    .find(|name| !self.containers.contains_key(name))
                    .unwrap_or(self.made);
                self.containers.insert(free, false);
                self.candidate = Some((ContainerSerial(free), row));
                walk.rollout = Rollout::Made;
            }
            Move::Displace => {
                self.displaced = true;
                walk.rollout = Rollout::Displaced;
            }
            Move::StopOld => {
                self.stop_live();
                walk.rollout = Rollout::Stopped;
            }
            Move::StartNew => {
                if let Some(runs) = self
                    .candidate
                    .and_then(|(container, _)| self.containers.get_mut(&container.0))
                {
                    *runs = true;
                }
                walk.rollout = Rollout::Started;
            }
            Move::Commit => return self.commit(walk),
            _ => {
                let refused = self.may_not_begin(&walk);
                self.failures_left -= u8::from(!refused && self.failures_left > 0);
                let failed = walk.seen.fail(failure(), NOW).map_err(invalid)?;
                return self.end(row, failed);
            }
        }
        self.walk = Some(walk);
        Ok(())
    }

    fn commit(&mut self, walk: Walk) -> Result<(), String> {
        let row = walk.row;
        let release = match walk.seen.request.wanted {
            Wanted::Release(release) => usize::try_from(release.0).unwrap(),
            Wanted::Commit { .. } | Wanted::Image(_) | Wanted::Restart => row,
        };
        self.pinned = match walk.seen.request.wanted {
            Wanted::Release(_) => true,
            Wanted::Commit { .. } | Wanted::Image(_) => false,
            Wanted::Restart => self.pinned,
        };
        let serial = ReleaseSerial(i64::try_from(release).unwrap());
        let committed = walk
            .seen
            .commit(serial)
            .map_err(|error| error.to_string())?;
        let undo = scaffolding(&committed, "e");
        self.write(row, committed)?;
        let old = self
            .live
            .map(|(container, _)| Undo::RetireContainer(container));
        let Some((candidate, _)) = self.candidate.take() else {
            return Err(format!("row {row} committed without a candidate"));
        };
        self.live = Some((candidate, release));
        if !self.releases.contains(&release) {
            self.releases.push(release);
        }
        self.displaced = false;
        self.desired = Desired::Running;
        self.unsettled.extend(old.into_iter().chain(undo));
        Ok(())
    }

    /// A deployment ends before its commit: the outcome, and what is to be undone, at once.
    fn end(&mut self, row: usize, ended: Deployment) -> Result<(), String> {
        let begun = self.deployment(row).phase != Phase::Queued;
        self.write(row, ended.clone())?;
        if !begun {
            return Ok(());
        }
        let candidates: Vec<ContainerSerial> = self
            .candidate
            .take_if(|(_, whose)| *whose == row)
            .map(|(container, _)| container)
            .into_iter()
            .collect();
        let displaced: Vec<ContainerSerial> = match std::mem::take(&mut self.displaced) {
            true => self
                .live
                .map(|(container, _)| container)
                .into_iter()
                .collect(),
            false => Vec::new(),
        };
        self.unsettled
            .extend(leftovers(&ended, "e", &candidates, &displaced));
        Ok(())
    }

    /// Writes a row, and looks at what it was: what ended stays, and a commit has one way out.
    fn write(&mut self, row: usize, to: Deployment) -> Result<(), String> {
        let from = self.deployment(row);
        if from.phase.ended_at().is_some() {
            return Err(format!(
                "deployment {row} had ended and became {}",
                to.phase.as_str()
            ));
        }
        if matches!(from.phase, Phase::Committed(_)) && !matches!(to.phase, Phase::Succeeded { .. })
        {
            return Err(format!(
                "deployment {row} left its commit as {}",
                to.phase.as_str()
            ));
        }
        let begins = from.phase == Phase::Queued && to.phase.running_step().is_some();
        if begins && (0..row).any(|earlier| !self.done[earlier]) {
            return Err(format!("deployment {row} began before its turn"));
        }
        if let Phase::Superseded { by, .. } = to.phase {
            self.check_superseded(from, by)?;
        }
        self.rows[row] = Row::Deployment(to);
        Ok(())
    }

    fn check_superseded(&self, from: &Deployment, by: DeploymentSerial) -> Result<(), String> {
        let by = usize::try_from(by.0).unwrap();
        let newer = by == self.rows.len() - 1;
        let lawful =
            from.phase == Phase::Queued && from.request.trigger == Trigger::Automatic && newer && {
                let by = self.deployment(by);
                by.request.trigger == Trigger::Automatic
                    || matches!(by.request.wanted, Wanted::Release(_))
            };
        match lawful {
            true => Ok(()),
            false => Err(format!("deployment {} was superseded by {by}", from.serial)),
        }
    }

    fn cancel(&mut self, row: usize) -> Result<(), String> {
        let it = self.deployment(row).clone();
        match it.clone().cancel(SOMEBODY, NOW) {
            Ok(cancelled) => self.end(row, cancelled),
            Err(_) if self.mutation == Mutation::CancelAfterCommit => {
                let phase = Phase::Cancelled {
                    by: SOMEBODY,
                    was_waiting: false,
                    at: NOW,
                };
                self.end(row, Deployment { phase, ..it })
            }
            Err(error) => Err(error.to_string()),
        }
    }

    fn ask(&mut self, request: Request) -> Result<(), String> {
        let serial = self.rows.len();
        let (trigger, wanted) = match request {
            Request::Manual => (Trigger::Manual, image()),
            Request::Automatic => (Trigger::Automatic, commit(serial)),
            Request::Restart if self.live.is_none() => return Ok(()),
            Request::Restart => (Trigger::Manual, Wanted::Restart),
            Request::Rollback => {
                let live = self.live.map(|(_, release)| release);
                let target = self
                    .releases
                    .iter()
                    .filter(|release| live.is_some_and(|live| **release < live))
                    .max();
                match target {
                    Some(target) => (
                        Trigger::Manual,
                        Wanted::Release(ReleaseSerial(i64::try_from(*target).unwrap())),
                    ),
                    None => return Ok(()),
                }
            }
            Request::Change(change, now) => return self.ask_change(change, now),
        };
        let supersedes = match admit(&self.standing(), trigger, &wanted) {
            Verdict::Accepted { supersedes } => supersedes,
            Verdict::Ignored(_) | Verdict::Denied(_) => return Ok(()),
        };
        self.rows
            .push(Row::Deployment(deployment(serial, trigger, wanted)));
        self.done.push(false);
        for older in supersedes {
            let row = usize::try_from(older.0).unwrap();
            let by = DeploymentSerial(i64::try_from(serial).unwrap());
            let superseded = self
                .deployment(row)
                .clone()
                .supersede(by, NOW)
                .map_err(|error| error.to_string())?;
            self.write(row, superseded)?;
        }
        if self.mutation == Mutation::SupersedeManual && trigger == Trigger::Automatic {
            for row in 1..serial {
                let it = self.deployment(row).clone();
                if it.phase == Phase::Queued {
                    let by = DeploymentSerial(i64::try_from(serial).unwrap());
                    self.write(
                        row,
                        Deployment {
                            phase: Phase::Superseded { by, at: NOW },
                            ..it
                        },
                    )?;
                }
            }
        }
        Ok(())
    }

    fn ask_change(&mut self, change: Change, now: bool) -> Result<(), String> {
        let removes = matches!(change, Change::Remove { .. });
        let mut standing = self.standing();
        if now || removes {
            standing
                .queue
                .retain(|entry| matches!(entry, Entry::Change(_)));
        }
        if admit_change(&standing, change).is_err() {
            return Ok(());
        }
        for row in 0..self.rows.len() {
            if (now || removes) && self.is_cancellable(row) {
                self.cancel(row)?;
            }
            if let Row::Change(it) = &mut self.rows[row]
                && removes
                && matches!(it.phase, ChangePhase::Queued | ChangePhase::Running)
            {
                *it = it.clone().cancel().map_err(|error| error.to_string())?;
            }
        }
        self.removed |= removes;
        let serial = i64::try_from(self.rows.len()).unwrap();
        self.rows.push(Row::Change(EnvironmentChange {
            serial: OperationSerial(serial),
            environment: EnvironmentSerial(1),
            by: SOMEBODY,
            change,
            phase: ChangePhase::Queued,
            created_at: NOW,
        }));
        self.done.push(false);
        Ok(())
    }

    fn begin(&mut self, row: usize) -> Result<(), String> {
        let Row::Change(it) = &mut self.rows[row] else {
            return Err("a deployment began as a change".into());
        };
        *it = it.clone().begin().map_err(|error| error.to_string())?;
        self.desired = it.change.desired();
        self.took_effect = false;
        if it.change.desired() == Desired::Removed {
            let live: Vec<ContainerSerial> = self
                .live
                .take()
                .map(|(container, _)| container)
                .into_iter()
                .collect();
            self.unsettled.extend(cleared_away("e", &live, [], []));
        }
        Ok(())
    }

    /// One thing is undone: retiring comes before restoring, restoring before the rest.
    fn settle(&mut self) {
        let order = |undo: &Undo| match undo {
            Undo::RetireContainer(_) => 0,
            Undo::Restore(_) => 1,
            Undo::RetireImage(_)
            | Undo::RetireTree(_)
            | Undo::RetireNetwork(_)
            | Undo::RetireVolume(_) => 2,
        };
        let Some(first) = (0..self.unsettled.len()).min_by_key(|at| order(&self.unsettled[*at]))
        else {
            return;
        };
        match self.unsettled.remove(first) {
            Undo::RetireContainer(container) => drop(self.containers.remove(&container.0)),
            Undo::Restore(container) => {
                let still = self.live.is_some_and(|(live, _)| live == container)
                    && self.desired == Desired::Running;
                if still && self.mutation != Mutation::NoRestore {
                    self.run_live();
                }
            }
            Undo::RetireImage(_)
            | Undo::RetireTree(_)
            | Undo::RetireNetwork(_)
            | Undo::RetireVolume(_) => {}
        }
    }

    fn run_live(&mut self) {
        if let Some((container, _)) = self.live {
            self.containers.insert(container.0, true);
        }
    }

    fn stop_live(&mut self) {
        if let Some(runs) = self
            .live
            .and_then(|(container, _)| self.containers.get_mut(&container.0))
        {
            *runs = false;
        }
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

    /// Nothing is left to do.
    pub fn is_quiet(&self) -> bool {
        self.walk.is_none() && self.driver_moves().is_empty()
    }

    /// The laws of every instant.
    pub fn check(&self) -> Result<(), String> {
        let running = self.containers.values().filter(|runs| **runs).count();
        if running > 1 {
            return Err(format!("{running} containers run at once"));
        }
        let at_work = |row: &&Row| match row {
            Row::Deployment(it) => matches!(it.phase, Phase::Running(_) | Phase::Committed(_)),
            Row::Change(it) => it.phase == ChangePhase::Running,
        };
        let at_work = self.rows.iter().filter(at_work).count();
        if at_work > 1 {
            return Err(format!("{at_work} operations are at work at once"));
        }
        let committed = self.rows.iter().rev().find_map(|row| match row {
            Row::Deployment(it) => match it.phase {
                Phase::Committed(release) | Phase::Succeeded { release, .. } => Some(release.0),
                _ => None,
            },
            Row::Change(_) => None,
        });
        let live = self
            .live
            .map(|(_, release)| i64::try_from(release).unwrap());
        if self.desired != Desired::Removed && live != committed {
            return Err(format!(
                "release {live:?} is live, and {committed:?} was committed last"
            ));
        }
        self.is_quiet().then(|| self.check_rest()).unwrap_or(Ok(()))
    }

    /// The laws of rest.
    fn check_rest(&self) -> Result<(), String> {
        let expected = match self.live {
            None => BTreeMap::new(),
            Some((container, _)) => {
                BTreeMap::from([(container.0, self.desired == Desired::Running)])
            }
        };
        // A change that failed says so, and what it could not do is done at the next start.
        let failed = |row: &Row| matches!(row, Row::Change(it) if matches!(it.phase, ChangePhase::Failed(_)));
        if self.containers != expected && !self.rows.iter().any(failed) {
            return Err(format!(
                "at rest the live container does not run as meant: {:?}, not {expected:?}",
                self.containers
            ));
        }
        let unfinished = self.rows.iter().any(|row| match row {
            Row::Deployment(it) => it.phase.ended_at().is_none(),
            Row::Change(it) => matches!(it.phase, ChangePhase::Queued | ChangePhase::Running),
        });
        match unfinished {
            true => Err("at rest something has not ended".into()),
            false => Ok(()),
        }
    }

    /// From here everything can end, and leaves what admission says the queue will leave.
    pub fn ends_well(&self) -> Result<(), String> {
        let promised = self.standing().desired_after();
        let mut world = self.clone();
        (
            world.asks_left,
            world.cancels_left,
            world.crashes_left,
            world.failures_left,
        ) = (0, 0, 0, 0);
        for _ in 0..200 {
            let moves = world.driver_moves();
            let Some(next) = moves.first() else {
                world.check()?;
                if world.desired != promised {
                    return Err(format!(
                        "the queue left {:?}, and admission was told {promised:?}",
                        world.desired
                    ));
                }
                return Ok(());
            };
            world.make(next)?;
        }
        Err("it does not come to rest".into())
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
        branch: Branch::parse("main").unwrap(),
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
