//! How a supervisor begins with its server: from what a former life has written down, and from what can be seen now.

use super::{
    Process, ProcessError,
    child::Child,
    group::Members,
    record::{Because, Instance, Plan, Record},
    see,
};
use crate::machine::{Death, Word};
use crate::shell::causes::causes;

impl Process {
    pub(super) async fn begin(&mut self) {
        let first = self.first.take();
        let begun = self.begin_from(first).await;
        self.tell(begun).await;
    }

    /// It may have begun by now, since somebody has asked for a restart.
    pub(super) async fn look_again(&mut self) {
        let seen = if self.sight.has_begun() {
            see().await.map(|()| None)
        } else {
            match self.record.read() {
                Ok(record) => self.begin_from(record).await,
                Err(error) => Err(error.into()),
            }
        };
        self.tell(seen).await;
    }

    /// Also that it could not begin; but who cannot look at it does not know whether it runs, and what cannot be ended has not died.
    async fn tell(&mut self, begun: Result<Option<Word>, ProcessError>) {
        match begun {
            Err(error) if error.is_unseen() => self.sight.lost(&error, &self.reporter).await,
            Err(error) if self.child.is_some() => {
                tracing::warn!(
                    server = self.name,
                    error = causes(&error),
                    "a server runs as it did before: it could not be started anew"
                );
                self.sight.regained(&self.reporter).await;
                self.reporter.say(Word::Running).await;
            }
            Err(error) => {
                self.sight.regained(&self.reporter).await;
                self.reporter.say(Word::Died(Death { error: Some(causes(&error)), ..Death::default() })).await;
            }
            Ok(word) => {
                self.sight.regained(&self.reporter).await;
                if let Some(word) = word {
                    self.reporter.say(word).await;
                }
            }
        }
    }

    /// What is to be said of it, if that is not said yet.
    async fn begin_from(&mut self, record: Option<Record>) -> Result<Option<Word>, ProcessError> {
        let word = match self.plan(record).await? {
            Plan::Spawn { leftover } => self.spawn_after(leftover).await.map(|()| Word::Started),
            Plan::Adopt(instance) => self.adopt(instance).await.map(|()| Word::Running),
            Plan::FinishStop(instance, because) => self.start_anew(instance, because).await.map(|()| Word::Started),
            Plan::Mourn(instance, death) => {
                self.mourn_absent(instance, death).await;
                return Ok(None);
            }
        }?;
        Ok(self.child.is_some().then_some(word))
    }

    pub(super) async fn spawn_after(&mut self, leftover: Option<String>) -> Result<(), ProcessError> {
        if let Some(token) = leftover {
            Members::Carrying(token).kill(self.program.patience.kill).await?;
        }
        self.spawn().await
    }

    async fn adopt(&mut self, instance: Instance) -> Result<(), ProcessError> {
        self.child = Child::adopt(instance.clone())?;
        if self.child.is_some() {
            self.latest = Some(instance.token.clone());
            let otherwise = self.record.was_started_otherwise(&self.program.settings());
            tracing::info!(
                server = self.name,
                pid = instance.leader.pid,
                "a server of an earlier run is watched again{}",
                if otherwise {
                    "; it was started with other settings than the configuration has: those wait for its next start"
                } else {
                    ""
                }
            );
            self.log.follow(instance.leader.pid);
            // It runs since before an earlier run was allowed to end it: that has not come to it.
            let acted = self.acted.take().zip(instance.leader.started_at());
            if acted.is_some_and(|(acted, started)| started < acted) {
                self.reporter.say(Word::Spared).await;
            }
            self.write_or_warn(Record::Running(instance)).await;
            if otherwise {
                self.reporter.say(Word::RunsOtherwise).await;
            }
        } else {
            self.mourn_absent(instance, Death::default()).await;
        }
        Ok(())
    }

    /// It outlived an orchestrator that ended without stopping it, and is not to go on.
    async fn start_anew(&mut self, instance: Instance, because: Because) -> Result<(), ProcessError> {
        tracing::info!(
            server = self.name,
            pid = instance.leader.pid,
            why = because.as_str(),
            "a server of an earlier run is ended and started anew"
        );
        // Should we be killed now, the next run is to finish this.
        self.write_or_warn(Record::Stopping(instance.clone())).await;
        self.finish_stop(instance).await
    }

    pub(super) async fn finish_stop(&mut self, instance: Instance) -> Result<(), ProcessError> {
        self.child = Child::adopt(instance.clone())?;
        self.stop().await?;
        Members::Marked(instance).kill(self.program.patience.kill).await?;
        self.spawn().await
    }
}
