//! Requests: what admission says, and what that writes.

use super::*;

impl World {
    pub(super) fn cancel(&mut self, row: usize) -> Result<(), String> {
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

    pub(super) fn ask(&mut self, request: Request) -> Result<(), String> {
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
        self.rows.push(Row::Deployment(Box::new(deployment(
            serial, trigger, wanted,
        ))));
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

    pub(super) fn ask_change(&mut self, change: Change, now: bool) -> Result<(), String> {
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
        if removes {
            // What is gone from every API is gone from the table.
            self.table = None;
        }
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
}
