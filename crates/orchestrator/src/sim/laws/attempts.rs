//! Attempts: how many, how often, how many at once.

use super::{BACKOFF, BUDGET, CONCURRENCY, Checked, EXHAUSTED, LEAVE, ONE_ACTION, PUT_BACK, UNWRITTEN, Watch, law};
use crate::machine::ServerId;
use crate::sim::World;

impl Watch {
    /// An attempt begins; 0 is an operator's restart.
    pub(super) fn judge_attempt(&mut self, world: &World, id: ServerId, attempt: u32, delay_ms: u64) -> Checked {
        let life = &self.lives[world.actor(id)];
        law(&PUT_BACK, world, !life.owed, || format!("{id:?}: attempt {attempt} begins, and nothing was put back"))?;
        law(&ONE_ACTION, world, life.attempt.is_none(), || format!("{id:?} begins attempt {attempt} within another: {life:?}"))?;
        if attempt == 0 {
            return Ok(());
        }
        self.judge_counter(world, id, attempt, delay_ms)?;
        self.judge_budget(world, id)?;
        let others = world.fleet().servers().iter().enumerate().filter(|(index, server)| {
            !server.is_retired() && *index != id.0 && self.lives[world.actor(ServerId(*index))].attempt.is_some_and(|it| it > 0)
        });
        let (others, most) = (others.count(), world.setting().limits.recoveries);
        law(&CONCURRENCY, world, others < most, || format!("{id:?} begins beside {others}, {most} may at once"))?;
        let since = self.disk_lost;
        let again = since.is_some_and(|since| life.starts.iter().any(|at| *at >= since));
        law(&UNWRITTEN, world, !again, || format!("{id:?} begins again, unwritten since {since:?}"))?;
        self.judge_right(world, id)?;
        self.judge_outage(world, id)
    }

    fn judge_counter(&self, world: &World, id: ServerId, attempt: u32, delay_ms: u64) -> Checked {
        let life = &self.lives[world.actor(id)];
        let backoff = &world.fleet().servers()[id.0].policy().recovery.backoff;
        let follows = attempt == life.counted + 1 || (life.may_start_over && attempt == 1);
        law(&BACKOFF, world, follows, || format!("{id:?}: attempt {attempt} follows {}", life.counted))?;
        law(&BACKOFF, world, attempt <= backoff.attempts(), || format!("{id:?}: attempt {attempt} of {}", backoff.attempts()))?;
        let elapsed = u64::try_from(world.now().since(life.trouble).as_millis()).unwrap_or(u64::MAX);
        law(&BACKOFF, world, elapsed >= delay_ms, || format!("{id:?}: {elapsed} ms of {delay_ms} ms are over"))?;
        let wanted = backoff.delay_after(attempt - 1).map(|delay| delay.as_millis());
        let right = life.amended || wanted == Some(u128::from(delay_ms));
        law(&BACKOFF, world, right, || format!("{id:?}: the delay before attempt {attempt} is {delay_ms} ms, not {wanted:?}"))
    }

    fn judge_budget(&self, world: &World, id: ServerId) -> Checked {
        let life = &self.lives[world.actor(id)];
        let (most, window) = world.fleet().servers()[id.0].policy().recovery.budget;
        let within = life.starts[life.forgiven..].iter().filter(|at| world.now().since(**at) < window).count();
        law(&BUDGET, world, within < most as usize, || format!("{id:?}: {within} attempts in {window:?}, {most} may be"))
    }

    /// It is given up, and something is really used up.
    pub(super) fn judge_exhausted(&self, world: &World, id: ServerId, reason: &str) -> Checked {
        let life = &self.lives[world.actor(id)];
        let recovery = &world.fleet().servers()[id.0].policy().recovery;
        let (most, window) = recovery.budget;
        let within = life.starts.iter().filter(|at| world.now().since(**at) < window).count();
        let used = if reason == "budget" { within >= most as usize } else { life.counted >= recovery.backoff.attempts() };
        law(&EXHAUSTED, world, used || life.amended, || {
            format!("{id:?}: {reason}, after {} attempts, {within} of them within {window:?}", life.counted)
        })
    }

    /// What a recreate has left is cleared away, or put back, which is an action.
    pub(super) fn settles(&mut self, world: &World, id: ServerId, keep: bool) -> Checked {
        let life = &mut self.lives[world.actor(id)];
        let server = &world.fleet().servers()[id.0];
        law(&PUT_BACK, world, life.recreated, || format!("{id:?} was never recreated"))?;
        law(&PUT_BACK, world, !keep || server.is_up(), || format!("{id:?} is kept, and {}", server.phase()))?;
        if keep {
            return Ok(());
        }
        (life.owed, life.may_end) = (false, false);
        self.acts(world, id)?;
        // It does not ask.
        self.lives[world.actor(id)].touched = true;
        Ok(())
    }

    /// The order itself.
    pub(super) fn acts(&mut self, world: &World, id: ServerId) -> Checked {
        let life = &mut self.lives[world.actor(id)];
        let alone = !std::mem::replace(&mut life.in_flight, true);
        (life.touched, life.stopped_meanwhile, life.started_meanwhile) = (false, false, false);
        law(&ONE_ACTION, world, alone, || format!("{id:?} is acted on twice at once"))
    }

    /// The order to go on.
    pub(super) fn touches(&mut self, world: &World, id: ServerId) -> Checked {
        let life = &mut self.lives[world.actor(id)];
        let ordered = life.in_flight && !life.touched;
        let may_be_stopped = life.may_end && world.now() < life.ends_by && !life.of_operator;
        let stopped = life.stopped_meanwhile;
        let started = life.started_meanwhile && !life.of_operator;
        (life.touched, life.may_end) = (true, false);
        life.recreated |= life.recreates;
        law(&LEAVE, world, ordered, || format!("{id:?} is touched, and nothing was ordered"))?;
        law(&LEAVE, world, !started, || format!("{id:?} is touched, and was started"))?;
        law(&LEAVE, world, !stopped && !may_be_stopped, || format!("{id:?} is touched, and was stopped: {stopped}"))
    }
}
