//! What a server is started with as the configuration is now: a restart that runs while that changes starts what it says in the end.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::program::Program;

/// Of one server. Its clones are the same.
#[derive(Clone, Debug)]
pub struct InForce(Arc<Mutex<Program>>);

impl InForce {
    /// This is in force.
    pub fn new(program: Program) -> Self {
        Self(Arc::new(Mutex::new(program)))
    }

    /// From now on it is this.
    pub fn become_otherwise(&self, program: Program) {
        *self.program() = program;
    }

    /// What the next start is to start.
    pub fn now(&self) -> Program {
        self.program().clone()
    }

    /// How long its end may take.
    pub fn end(&self) -> Duration {
        self.program().patience.whole()
    }

    fn program(&self) -> MutexGuard<'_, Program> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
