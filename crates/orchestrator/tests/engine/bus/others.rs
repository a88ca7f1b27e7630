//! What others have systemd's stand-in do: stops and restarts, which may take.

use super::{Systemd, job_path, objects::Job, signal};

/// Their job.
const JOB: u32 = 77;

impl Systemd {
    /// What `systemctl stop` does to a process that answers SIGTERM with exit code 143.
    pub(crate) fn stops(&self, unit: &str) {
        self.begins(unit, "stop");
        self.ends_stop(unit);
    }

    /// Somebody's `systemctl stop` or `restart` begins, and takes until it is ended here.
    pub(crate) fn begins(&self, unit: &str, kind: &'static str) {
        let job = job_path(JOB);
        self.set(unit, |state| (state.job, state.job_kind) = (JOB, kind));
        self.scheduler.block_on(async {
            let server = self.connection.object_server();
            server.at(&job, Job { kind }).await.expect("a job");
            signal(&self.connection, "JobNew", &(JOB, &job, unit)).await;
        });
        self.happens(unit, |state| state.is("deactivating", "stop-sigterm"));
    }

    /// The stop that was begun comes to its end.
    pub(crate) fn ends_stop(&self, unit: &str) {
        self.happens(unit, |state| {
            state.is("failed", "failed");
            (state.result, state.ended) = ("exit-code", (1, 143));
        });
        self.ends_job(unit, "done");
    }

    /// The restart that was begun starts it again.
    pub(crate) fn ends_restart(&self, unit: &str) {
        self.happens(unit, |state| state.is("inactive", "dead"));
        self.happens(unit, |state| {
            state.is("active", "running");
            state.invocation = state.invocation.wrapping_add(1);
        });
        self.ends_job(unit, "done");
    }

    /// Somebody's job has ended so.
    pub(crate) fn ends_job(&self, unit: &str, result: &str) {
        let job = job_path(JOB);
        self.set(unit, |state| (state.job, state.job_kind) = (0, ""));
        self.scheduler.block_on(async {
            signal(&self.connection, "JobRemoved", &(JOB, &job, unit, result)).await;
            self.connection.object_server().remove::<Job, _>(&job).await.expect("a job");
        });
    }
}
