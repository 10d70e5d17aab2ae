//! Moves: what each writes and does. What writes compares the row with what was read, as the store does.

use super::*;

impl World {
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
            Move::Publish => {
                self.held = self.table;
                Ok(())
            }
            Move::LoseTable => {
                self.losses_left -= 1;
                self.held = None;
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
    pub(super) fn step(&mut self, next: &Move) -> Result<(), String> {
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

    pub(super) fn commit(&mut self, walk: Walk) -> Result<(), String> {
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
        self.table = Some(candidate);
        self.desired = Desired::Running;
        self.unsettled.extend(old.into_iter().chain(undo));
        Ok(())
    }

    /// A deployment ends before its commit: the outcome, and what is to be undone, at once.
    pub(super) fn end(&mut self, row: usize, ended: Deployment) -> Result<(), String> {
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
    pub(super) fn write(&mut self, row: usize, to: Deployment) -> Result<(), String> {
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
        self.rows[row] = Row::Deployment(Box::new(to));
        Ok(())
    }

    pub(super) fn check_superseded(
        &self,
        from: &Deployment,
        by: DeploymentSerial,
    ) -> Result<(), String> {
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

    pub(super) fn begin(&mut self, row: usize) -> Result<(), String> {
        let Row::Change(it) = &mut self.rows[row] else {
            return Err("a deployment began as a change".into());
        };
        *it = it.clone().begin().map_err(|error| error.to_string())?;
        self.desired = it.change.desired();
        self.took_effect = false;
        self.table = match it.change.desired() {
            Desired::Running => self.live.map(|(container, _)| container),
            Desired::Stopped | Desired::Suspended | Desired::Removed => None,
        };
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
    pub(super) fn settle(&mut self) {
        let order = |undo: &Undo| match undo {
            Undo::RetireContainer(_) => 0,
            Undo::Restore(_) => 1,
            Undo::RetireImage(_)
            | Undo::RetireTree(_)
            | Undo::RetireNetwork(_)
            | Undo::RetireConnection(_)
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
            | Undo::RetireConnection(_)
            | Undo::RetireVolume(_) => {}
        }
    }

    pub(super) fn run_live(&mut self) {
        if let Some((container, _)) = self.live {
            self.containers.insert(container.0, true);
        }
    }

    pub(super) fn stop_live(&mut self) {
        if let Some(runs) = self
            .live
            .and_then(|(container, _)| self.containers.get_mut(&container.0))
        {
            *runs = false;
        }
    }
}
