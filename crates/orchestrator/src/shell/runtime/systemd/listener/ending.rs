//! How our own restarts end: well, not well, too late for whoever waits, or with the connection.

use tokio::time::Instant;

use super::{Life, Listener, UnitError};

impl Listener {
    /// The job of our restart has ended.
    pub(super) async fn job_ended(&mut self, at: usize, result: &str) {
        let ended = match result {
            "done" => Ok(()),
            "canceled" => Err(UnitError::Job("somebody else's job took the place of the restart".to_owned())),
            "dependency" => Err(UnitError::Job("a unit that it needs could not be started".to_owned())),
            result => {
                let unit = &self.units[at].unit;
                let why = unit.status().explain(unit.name());
                Err(UnitError::Job(format!("the restart ended as \"{result}\": {why}")))
            }
        };
        self.finish(at, ended).await;
    }

    /// First the report, then the answer: whoever waits for that may count on the report being in the inbox.
    pub(super) async fn finish(&mut self, at: usize, ended: Result<(), UnitError>) {
        let words = self.units[at].unit.acted();
        if self.units[at].unit.status().life() != Life::Up {
            self.mouth.about(self.units[at].server).rests();
        }
        self.say(at, words).await;
        self.answer(at, ended);
    }

    fn answer(&mut self, at: usize, ended: Result<(), UnitError>) {
        if let Some(asked) = self.units[at].asked.take() {
            // Whoever asked may be gone.
            let _ = asked.answer.send(ended);
        }
    }

    /// A job takes longer than systemd itself would let it, or than anybody here waits. It is ours all the same, and so is what comes of it.
    pub(super) async fn give_up(&mut self) {
        let now = Instant::now();
        for at in 0..self.units.len() {
            if self.units[at].asked.as_ref().is_some_and(|asked| asked.until <= now) {
                let unit = &self.units[at].unit;
                let (goes_on, seconds, name) = (unit.has_job_of_ours(), unit.status().patience.as_secs(), unit.name());
                if goes_on && unit.status().life() != Life::Up {
                    self.mouth.about(self.units[at].server).rests();
                }
                let error = UnitError::Job(format!(
                    "systemd has not ended the restart within {seconds} s, and goes on with it; `systemctl status {name}` shows how far it is"
                ));
                if goes_on {
                    self.answer(at, Err(error));
                } else {
                    self.finish(at, Err(error)).await;
                }
            }
        }
    }

    pub(super) fn interrupt(&mut self) {
        for asked in self.units.iter_mut().filter_map(|watched| watched.asked.take()) {
            let _ = asked.answer.send(Err(UnitError::Interrupted));
        }
    }
}

#[cfg(test)]
mod tests;
