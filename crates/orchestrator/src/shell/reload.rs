//! Reads the configuration again when its file changes or on SIGHUP, and puts it in force while everything goes on.
//!
//! Everything that can be wrong is found first: the file, then what runs its servers. A wrong configuration changes
//! nothing. What follows from a right one is the machine's to say.

mod watch;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::{mpsc, oneshot, watch as watch_channel};

use super::causes::causes;
use super::config::LoadError;
use super::driver::{Change, Configured};
use super::maintenance::keeper::Kept;
use super::plan::{self, Plan};
use super::runtime::{Prepared, Runtimes, Supervised};
use crate::machine::ServerId;
use crate::machine::fleet::Limits;
pub use watch::WatchError;
use watch::{Cause, Watch};

/// How a configuration is read.
#[derive(Clone, Debug)]
pub struct Reading {
    /// The files and directories.
    pub paths: Vec<PathBuf>,
    /// The environment, for `${VAR}`.
    pub environment: fn(&str) -> Option<String>,
    /// Decide and log, never act.
    pub observe: bool,
}

/// Puts changed configurations in force.
#[derive(Debug)]
pub struct Reloader {
    reading: Reading,
    in_force: Plan,
    /// Where each server has its place in the fleet. Places of servers that are gone are never given again.
    places: HashMap<String, ServerId>,
    next_place: usize,
    runtimes: Arc<Runtimes>,
    driver: mpsc::Sender<Change>,
    maintenance: watch_channel::Sender<Kept>,
    watch: Watch,
    /// Why the last one was rejected, if it was.
    rejected: Option<String>,
}

/// What changes in the runtimes.
#[derive(Default)]
struct Turnover {
    new: Vec<Supervised>,
    otherwise: Vec<Supervised>,
    gone: Vec<ServerId>,
}

impl Reloader {
    /// `in_force` is what runs; its servers have the places in which they stand.
    pub fn new(
        in_force: Plan,
        reading: Reading,
        runtimes: Arc<Runtimes>,
        driver: mpsc::Sender<Change>,
        maintenance: watch_channel::Sender<Kept>,
    ) -> Result<Self, WatchError> {
        let places = in_force.policies.iter().enumerate();
        let places: HashMap<_, _> = places.map(|(index, policy)| (policy.name.clone(), ServerId(index))).collect();
        let watch = Watch::new(in_force.watched())?;
        Ok(Self { next_place: places.len(), places, in_force, reading, runtimes, driver, maintenance, watch, rejected: None })
    }

    /// Runs until it is dropped.
    pub async fn run(mut self) {
        loop {
            let cause = self.watch.next().await;
            let Err(error) = self.reload(cause).await else { continue };
            let error = causes(&error);
            // Something else has changed in its directory: that it is wrong is known.
            if cause == Cause::File && self.rejected.as_ref() == Some(&error) {
                continue;
            }
            tracing::error!("the changed configuration is rejected, the one before stays in force:\n{error}");
            self.rejected = Some(error.clone());
            if self.driver.send(Change::Rejected(error)).await.is_err() {
                return;
            }
        }
    }

    async fn reload(&mut self, cause: Cause) -> Result<(), LoadError> {
        let plan = plan::read_again(&self.in_force, &self.reading.paths, &self.reading.environment, self.reading.observe)?;
        // A file that was only touched is no news; a person who asks is told.
        if cause == Cause::File && plan.loaded.raw == self.in_force.loaded.raw && self.rejected.is_none() {
            return Ok(());
        }
        if plan.engines != self.in_force.engines {
            return Err(refused(&plan, "/engines", "engines cannot change while the orchestrator runs", "restart it"));
        }
        let turnover = self.turnover(&plan);
        let prepared = self.runtimes.prepare(&turnover.new).await;
        let prepared = prepared.map_err(|error| LoadError::Invalid(plan::faults(&plan, error)))?;
        for warning in &plan.loaded.warnings {
            tracing::warn!("{warning}");
        }
        self.put_in_force(plan, turnover, prepared).await;
        self.rejected = None;
        Ok(())
    }

    /// The machine first, since runtimes report to it from their first moment on.
    async fn put_in_force(&mut self, plan: Plan, turnover: Turnover, prepared: Prepared) {
        let (answer, answered) = oneshot::channel();
        let change = Change::Configured(Box::new(configured(&plan)), answer);
        // The driver has ended when this fails, and so has everything else.
        if self.driver.send(change).await.is_err() {
            return;
        }
        let Ok(reloaded) = answered.await else { return };
        for id in turnover.gone {
            self.runtimes.let_go(id).await;
        }
        for supervised in &turnover.otherwise {
            self.runtimes.become_otherwise(supervised).await;
        }
        self.runtimes.take(prepared).await;
        self.places = plan.policies.iter().map(|policy| policy.name.clone()).zip(reloaded.places).collect();
        self.next_place += reloaded.added.len();
        self.maintenance.send_replace(Kept::new(plan.maintenance.clone(), &self.places));
        if plan.listen != self.in_force.listen || plan.gateway != self.in_force.gateway {
            tracing::warn!("`listen` has changed; that takes effect when the orchestrator is started again");
        }
        if let Err(error) = self.watch.follow(plan.watched()) {
            tracing::warn!(error = causes(&error), "a new file of the configuration is not watched");
        }
        self.in_force = plan;
    }

    /// Compares what runs the servers, under the places that the machine is going to give them.
    fn turnover(&self, plan: &Plan) -> Turnover {
        let mut turnover = Turnover::default();
        let mut next = self.next_place;
        let mut place = |name: &str| {
            self.places.get(name).copied().unwrap_or_else(|| {
                next += 1;
                ServerId(next - 1)
            })
        };
        let places: Vec<ServerId> = plan.policies.iter().map(|policy| place(&policy.name)).collect();
        let mut before: HashMap<&str, &Supervised> =
            self.in_force.supervised.iter().map(|supervised| (supervised.name.as_str(), supervised)).collect();
        for supervised in &plan.supervised {
            let now = Supervised { server: places[supervised.entry], ..supervised.clone() };
            match before.remove(supervised.name.as_str()) {
                Some(known) if known.runtime == now.runtime => {}
                Some(known) if known.runtime.kind == now.runtime.kind && now.is_process() => turnover.otherwise.push(now),
                Some(_) => {
                    turnover.gone.push(now.server);
                    turnover.new.push(now);
                }
                None => turnover.new.push(now),
            }
        }
        turnover.gone.extend(before.into_keys().filter_map(|name| self.places.get(name)));
        turnover
    }
}

fn configured(plan: &Plan) -> Configured {
    Configured {
        policies: plan.policies.clone(),
        limits: limits(plan),
        targets: plan.targets.clone(),
        groups: plan.entries.iter().map(|entry| entry.group.clone()).collect(),
        trace_ids: plan.entries.iter().map(|entry| entry.trace_id.clone()).collect(),
        registry: plan.registry.clone(),
        file: plan.loaded.file.clone(),
    }
}

/// How much happens at the same time, as the configuration says.
pub fn limits(plan: &Plan) -> Limits {
    Limits { recoveries: usize::try_from(plan.max_concurrent).unwrap_or(usize::MAX), ..Limits::default() }
}

fn refused(plan: &Plan, pointer: &str, message: &str, help: &str) -> LoadError {
    LoadError::Invalid(vec![plan.loaded.places.problem(pointer, message.to_owned(), Some(help.to_owned()))])
}
