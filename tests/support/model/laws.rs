//! The laws of every instant and of rest, and that everything can still end.

use super::*;

impl World {
    /// Nothing is left to do.
    pub fn is_quiet(&self) -> bool {
        self.walk.is_none() && self.driver_moves().is_empty()
    }

    /// The laws of every instant.
    pub fn check(&self) -> Result<(), String> {
        let running = self.containers.values().filter(|runs| **runs).count();
        let most = match self.strategy {
            Strategy::Swap => 2,
            Strategy::Recreate => 1,
        };
        if running > most {
            return Err(format!("{running} containers run at once"));
        }
        // With `swap` requests are never sent to what does not run, but while an environment is only about to start or
        // could not be started, or is gone from every API.
        let starts = self.rows.iter().any(|row| match row {
            Row::Change(it) => match it.phase {
                ChangePhase::Running => self.desired == Desired::Running,
                ChangePhase::Failed(_) => true,
                ChangePhase::Queued | ChangePhase::Done | ChangePhase::Cancelled => false,
            },
            Row::Deployment(_) => false,
        });
        let holds = self.strategy == Strategy::Swap && !starts && !self.removed;
        if let Some(to) = self.held.filter(|_| holds)
            && self.containers.get(&to.0) != Some(&true)
        {
            return Err(format!("requests are sent to {to}, which does not serve"));
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
        if self.is_quiet() {
            self.check_rest()
        } else {
            Ok(())
        }
    }

    /// The laws of rest.
    pub(super) fn check_rest(&self) -> Result<(), String> {
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
