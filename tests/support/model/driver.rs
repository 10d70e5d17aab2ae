//! What the driver can do next, from the rows and its memory.

use super::*;

impl World {
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
        // The loop that keeps the table held is nobody's turn.
        if self.held != self.table {
            moves.push(Move::Publish);
        }
        if self.losses_left > 0 && self.held.is_some() {
            moves.push(Move::LoseTable);
        }
        moves.extend(self.driver_moves());
        moves
    }

    pub(super) fn is_cancellable(&self, row: usize) -> bool {
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

    pub(super) fn head(&self) -> Option<usize> {
        let mut waiting = (0..self.rows.len()).filter(|row| !self.done[*row]);
        match self.mutation {
            Mutation::QueueFromBehind if self.walk.is_none() => waiting.next_back(),
            Mutation::QueueFromBehind => self.walk.as_ref().map(|walk| walk.row),
            _ => waiting.next(),
        }
    }

    /// What the driver can do; several where an engine may fail or something came in between.
    pub(super) fn driver_moves(&self) -> Vec<Move> {
        let settles = !self.unsettled.is_empty();
        if let Some(walk) = &self.walk {
            return self.walk_moves(walk);
        }
        let Some(head) = self.head() else {
            return match (settles, self.held == self.table) {
                (true, _) => vec![Move::Settle],
                (false, false) => vec![Move::Publish],
                (false, true) => Vec::new(),
            };
        };
        let first_settle = |then: Move| match settles {
            true => vec![Move::Settle],
            false => vec![then],
        };
        match &self.rows[head] {
            Row::Deployment(it) => match it.phase {
                Phase::Committed(_) if self.live_runs() && self.is_unacknowledged() => {
                    vec![Move::Publish]
                }
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
                    let stops = self.desired != Desired::Running;
                    let mut moves = vec![match stops && self.held != self.table {
                        true => Move::Publish,
                        false => Move::TakeEffect,
                    }];
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

    pub(super) fn walk_moves(&self, walk: &Walk) -> Vec<Move> {
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
            Rollout::Made
                if self.strategy == Strategy::Swap && self.mutation != Mutation::SwapDisplaces =>
            {
                Move::StartNew
            }
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

    pub(super) fn may_not_begin(&self, walk: &Walk) -> bool {
        may_begin(self.desired, walk.seen.request.trigger).is_err()
    }

    pub(super) fn moved(&self, walk: &Walk) -> bool {
        self.deployment(walk.row).phase != walk.seen.phase
    }

    pub(super) fn deployment(&self, row: usize) -> &Deployment {
        match &self.rows[row] {
            Row::Deployment(it) => it,
            Row::Change(_) => panic!("row {row} is a change"),
        }
    }

    pub(super) fn is_unacknowledged(&self) -> bool {
        self.held != self.table && self.mutation != Mutation::SucceedUnacknowledged
    }

    pub(super) fn live_runs(&self) -> bool {
        self.live
            .is_some_and(|(container, _)| self.containers.get(&container.0) == Some(&true))
    }
}
