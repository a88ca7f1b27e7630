//! An engine, what the test has in it, and what can happen to the engine itself.

use std::cell::{Cell, RefCell};
use std::path::Path;
use std::time::{Duration, Instant};

use health_spec::config::{Engine, EngineKind};

use super::blow::Blow;
use crate::dock::Dock;
use crate::pier::Pier;
use crate::strait::Strait;

/// An engine is away for so long.
const AWAY: Duration = Duration::from_secs(3);

/// One engine.
pub(crate) struct Landing {
    pub(crate) engine: Engine,
    pub(crate) pier: Pier,
    way: RefCell<Way>,
    /// Since when it is away.
    left: Cell<Option<Instant>>,
    /// Whether the next daemon has been started.
    has_begun: Cell<bool>,
}

/// How it is reached by the orchestrator; the test goes its own way.
enum Way {
    /// The machine's engine, through what can be closed.
    Strait(Strait),
    /// The test's own engine, which can be ended.
    Dock(Dock),
}

impl Landing {
    /// In an engine of the machine; the way to it lies in this directory.
    pub(crate) fn at(kind: EngineKind, ways: &Path) -> Self {
        let way = Strait::to(kind, &ways.join(format!("{}.sock", kind.as_str())));
        Self::with(Pier::with(kind), way.engine(), Way::Strait(way))
    }

    /// In an engine of the test's own.
    pub(crate) fn of_our_own() -> Self {
        let dock = Dock::start();
        Self::with(Pier::at(&dock.engine()), dock.engine(), Way::Dock(dock))
    }

    fn with(pier: Pier, engine: Engine, way: Way) -> Self {
        Self { engine, pier, way: RefCell::new(way), left: Cell::new(None), has_begun: Cell::new(true) }
    }

    /// As a registry has it.
    pub(crate) fn entry(&self) -> String {
        let Engine { name, kind, address, .. } = &self.engine;
        format!("  - {{name: {name}, kind: {}, address: \"{address}\"}}\n", kind.as_str())
    }

    /// What can happen to it; nothing while it is away.
    pub(crate) fn blow(&self) -> Option<Blow> {
        let blow = if self.is_our_own() { Blow::EngineRestart } else { Blow::EngineCut };
        self.left.get().is_none().then_some(blow)
    }

    /// Whether it belongs to the test alone.
    pub(crate) fn is_our_own(&self) -> bool {
        matches!(*self.way.borrow(), Way::Dock(_))
    }

    /// Whether the test can ask it for something.
    pub(crate) fn is_reachable(&self) -> bool {
        !self.is_our_own() || self.left.get().is_none()
    }

    /// It leaves. Nobody waits for it.
    pub(crate) fn suffer(&self) {
        match &mut *self.way.borrow_mut() {
            Way::Strait(strait) => strait.close(),
            Way::Dock(dock) => dock.signal("TERM"),
        }
        self.left.set(Some(Instant::now()));
        self.has_begun.set(false);
    }

    /// It comes back once it has been away for long enough. Whether it is there now.
    pub(crate) fn comes_back_when_due(&self) -> bool {
        let Some(left) = self.left.get() else { return true };
        if left.elapsed() < AWAY {
            return false;
        }
        let is_back = match &mut *self.way.borrow_mut() {
            Way::Strait(strait) => {
                strait.open();
                true
            }
            Way::Dock(dock) if self.has_begun.get() => dock.answers(),
            // One that is on its way out may still answer.
            Way::Dock(dock) => {
                self.has_begun.set(dock.is_gone());
                if self.has_begun.get() {
                    dock.begin_again();
                }
                false
            }
        };
        if is_back {
            eprintln!("chaos: {} is back", self.engine.name);
            self.left.set(None);
        }
        is_back
    }
}
