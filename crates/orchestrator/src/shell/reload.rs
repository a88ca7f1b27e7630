//! Reads the configuration again when its file changes or on SIGHUP, and puts it in force while everything goes on.
//!
//! Everything that can be wrong is found first: the file, then what runs its servers. A wrong configuration changes
//! nothing. What follows from a right one is the machine's to say.

mod in_force;
mod leaving;
mod read;
#[cfg(test)]
mod tests;
mod watch;

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::sync::{mpsc, oneshot, watch as watch_channel};
use tokio::task::block_in_place;

use super::causes::causes;
use super::config::LoadError;
use super::discovery::{self, Discovery};
use super::driver::{Change, Configured};
use super::maintenance::keeper::Kept;
use super::plan::{self, Plan};
use super::runtime::{Prepared, Runtimes, Supervised};
use super::secrets::Mask;
use crate::machine::ServerId;
use crate::machine::fleet::Limits;
use in_force::InForce;
use leaving::Leaving;
use read::Desk;
use watch::Cause;
pub use watch::{Watch, WatchError};

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
    desk: Desk,
    in_force: InForce,
    discovery: Discovery,
    /// What the files ask for, while discovery is on: what is discovered is put beside it.
    written: Option<Plan>,
    /// Where each server has its place in the fleet. Places of servers that are gone are never given again.
    places: HashMap<String, ServerId>,
    next_place: usize,
    runtimes: Arc<Runtimes>,
    driver: mpsc::Sender<Change>,
    maintenance: watch_channel::Sender<Kept>,
    watch: Watch,
    /// Those that are being let go.
    leaving: Leaving,
    /// Why the last one was rejected, if it was.
    rejected: Option<String>,
}

/// What runs when the reloader begins.
#[derive(Debug)]
pub struct Begun {
    /// What the files ask for.
    pub written: Plan,
    /// That, and what is discovered; its servers have the places in which they stand.
    pub in_force: Plan,
    /// Discovers.
    pub discovery: Discovery,
    /// Notices changes.
    pub watch: Watch,
}

/// Begins to notice changes of what a plan was read from.
pub fn watch(plan: &Plan) -> Result<Watch, WatchError> {
    Watch::new(plan.watched(), plan.loaded.stamps.clone())
}

/// What changes in the runtimes.
#[derive(Default)]
struct Turnover {
    new: Vec<Supervised>,
    otherwise: Vec<Supervised>,
    /// Those of them that are started with something else.
    at_next_start: Vec<ServerId>,
    gone: Vec<ServerId>,
}

impl Reloader {
    /// `begun` is what runs.
    pub fn new(
        begun: Begun,
        reading: Reading,
        runtimes: Arc<Runtimes>,
        driver: mpsc::Sender<Change>,
        maintenance: watch_channel::Sender<Kept>,
    ) -> Self {
        let Begun { written, in_force, discovery, watch } = begun;
        let places = in_force.policies.iter().enumerate();
        let places: HashMap<_, _> = places.map(|(index, policy)| (policy.name.clone(), ServerId(index))).collect();
        let in_force = InForce::started_with(in_force, &written);
        let (next_place, written, rejected) = (places.len(), discovery::wants(written), None);
        Self {
            reading,
            desk: Desk::default(),
            in_force,
            discovery,
            written,
            places,
            next_place,
            runtimes,
            driver,
            maintenance,
            watch,
            leaving: Leaving::default(),
            rejected,
        }
    }

    /// Runs until it is dropped.
    pub async fn run(mut self) {
        loop {
            let cause = tokio::select! {
                cause = self.watch.next() => cause,
                () = self.discovery.changed() => {
                    self.rediscover().await;
                    continue;
                }
            };
            let Err(error) = self.reload(cause).await else { continue };
            // Everybody is told, and a line of the file may have a secret in it.
            let error = Mask::default().text(&causes(&error));
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
        let plan = self.desk.read(self.reading.clone(), self.in_force.engines.clone()).await?;
        self.watch.follow(plan.watched(), plan.loaded.stamps.clone());
        // A file that was only touched is no news; a person who asks is told.
        if cause == Cause::File && self.in_force.is_written(&plan) && self.rejected.is_none() {
            return Ok(());
        }
        if plan.engines != self.in_force.engines {
            return Err(refused(&plan, "/engines", "engines cannot change while the orchestrator runs", "restart it"));
        }
        // What is discovered is judged beside the new file; who watches the engines follows when that is in force.
        let before = self.discovery.known();
        let (plan, written) = (block_in_place(|| self.discovery.composed(&plan, self.reading.observe)), plan);
        let prepared = self.prepared(plan, &written).await;
        let (plan, turnover, prepared) = prepared.inspect_err(|_| self.discovery.restore(before))?;
        for warning in &written.loaded.warnings {
            tracing::warn!("{warning}");
        }
        self.put_in_force(plan, turnover, prepared, Some(&written)).await;
        self.discovery.follow(&written);
        self.written = discovery::wants(written);
        self.rejected = None;
        Ok(())
    }

    /// A container has come, gone or changed: as if somebody had written that into the registry.
    async fn rediscover(&mut self) {
        let Some(written) = self.written.take() else { return };
        // With a large registry this takes a while: checks go on meanwhile.
        let plan = block_in_place(|| self.discovery.composed(&written, self.reading.observe));
        if !self.in_force.is_all_of(&plan) {
            match self.prepared(plan, &written).await {
                Ok((plan, turnover, prepared)) => self.put_in_force(plan, turnover, prepared, None).await,
                // An engine does not answer, say. Its next event or a file may try again sooner.
                Err(error) => {
                    tracing::warn!("what is discovered cannot be watched now, and is tried again: {}", causes(&error));
                    self.discovery.retry();
                }
            }
        }
        self.written = Some(written);
    }

    /// Checks what is new. A discovered server that cannot be run costs nobody else anything: it is left out.
    async fn prepared(&mut self, mut plan: Plan, written: &Plan) -> Result<(Plan, Turnover, Prepared), LoadError> {
        // What an earlier reload has let go must have ended before anything is looked at that may be the same.
        let new = self.turnover(&plan, written.entries.len()).new;
        self.leaving.have_left(&new).await;
        loop {
            let turnover = self.turnover(&plan, written.entries.len());
            let error = match self.runtimes.prepare(&turnover.new, &turnover.gone).await {
                Ok(prepared) => return Ok((plan, turnover, prepared)),
                Err(error) => error,
            };
            let bad = error.faults.iter().filter_map(|fault| Some((discovery::place(&fault.pointer)?, fault.text.clone())));
            let bad: Vec<_> = bad.filter(|(at, _)| *at >= written.entries.len()).collect();
            if bad.is_empty() {
                return Err(LoadError::of(plan::faults(&plan, error)));
            }
            for (at, why) in bad {
                self.discovery.refuse(&plan.entries[at].name, &why);
            }
            plan = self.discovery.again(written, self.reading.observe);
        }
    }

    /// The machine first, since runtimes report to it from their first moment on. `written` is what files say that were read anew.
    async fn put_in_force(&mut self, plan: Plan, turnover: Turnover, prepared: Prepared, written: Option<&Plan>) {
        let (answer, answered) = oneshot::channel();
        let needs_restart = self.in_force.needs_restart(&plan);
        if written.is_some() {
            for section in &needs_restart {
                tracing::warn!("`{section}` has changed; that takes effect when the orchestrator is started again");
            }
        }
        let configured = configured(&plan, needs_restart, self.runtimes.state_directory());
        let otherwise = turnover.at_next_start.clone();
        let in_files = written.map_or(configured.written, |written| written.entries.len());
        let configured = Configured { reread: written.is_some(), written: in_files, otherwise, ..configured };
        let change = Change::Configured(Box::new(configured), answer);
        // The driver has ended when this fails, and so has everything else.
        if self.driver.send(change).await.is_err() {
            return;
        }
        let Ok(reloaded) = answered.await else { return };
        let (replaced, gone): (Vec<_>, Vec<_>) =
            turnover.gone.into_iter().partition(|id| turnover.new.iter().any(|new| new.server == *id));
        let gone: HashSet<ServerId> = gone.into_iter().collect();
        for supervised in &self.in_force.supervised {
            if let Some(id) = self.places.get(&supervised.name).filter(|id| gone.contains(id)) {
                self.leaving.add(supervised.clone(), self.runtimes.let_go_beside(*id));
            }
        }
        for supervised in &turnover.otherwise {
            if turnover.at_next_start.contains(&supervised.server) {
                let name = &supervised.name;
                tracing::info!("{name}: what it is started with has changed; that takes effect at its next start");
            }
            self.runtimes.become_otherwise(supervised).await;
        }
        self.take(prepared, replaced).await;
        self.places = plan.policies.iter().map(|policy| policy.name.clone()).zip(reloaded.places).collect();
        self.next_place += reloaded.added.len();
        self.maintenance.send_replace(Kept::new(plan.maintenance.clone(), &self.places));
        self.in_force.follow(plan, written);
    }

    /// Each as soon as what it replaces is let go: one that is in the middle of a restart is waited for, and nobody else waits for it.
    async fn take(&self, mut prepared: Prepared, replaced: Vec<ServerId>) {
        let at_once = prepared.take_out(&|server| !replaced.contains(&server));
        let runtimes = &self.runtimes;
        let mut let_go: FuturesUnordered<_> =
            replaced.into_iter().map(|id| async move { (runtimes.let_go(id).await, id).1 }).collect();
        runtimes.take(at_once).await;
        while let Some(server) = let_go.next().await {
            runtimes.take(prepared.take_out(&|other| other == server)).await;
        }
        // Units of one bus that had to wait for one another.
        runtimes.take(prepared).await;
    }

    /// Compares what runs the servers, under the places that the machine is going to give them. So many are `written` in the files.
    fn turnover(&self, plan: &Plan, written: usize) -> Turnover {
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
                Some(known) if (&known.runtime, &known.consent) == (&now.runtime, &now.consent) => {}
                Some(known) if known.runtime == now.runtime => turnover.otherwise.push(now),
                Some(known) if known.runtime.kind == now.runtime.kind && now.is_process() => {
                    turnover.at_next_start.extend(known.is_started_otherwise(&now).then_some(now.server));
                    turnover.otherwise.push(now);
                }
                Some(known) => {
                    turnover.gone.push(now.server);
                    // The same container may be missing just now, in the middle of a recreate: it is waited for.
                    let known = known.is_the_same_container(&now);
                    turnover.new.push(Supervised { replaces: true, known, ..now });
                }
                // What was discovered was there a moment ago: should it be gone, or its engine, that is followed and keeps no reload back.
                None => turnover.new.push(Supervised { known: now.entry >= written, ..now }),
            }
        }
        turnover.gone.extend(before.into_keys().filter_map(|name| self.places.get(name)));
        turnover
    }
}

fn configured(plan: &Plan, needs_restart: Vec<String>, state_directory: &Path) -> Configured {
    Configured {
        needs_restart,
        policies: plan.policies.clone(),
        limits: limits(plan),
        targets: plan.targets.clone(),
        hooks: plan.hooks.clone(),
        groups: plan.entries.iter().map(|entry| entry.group.clone()).collect(),
        trace_ids: plan.entries.iter().map(|entry| entry.trace_id.clone()).collect(),
        registry: plan.registry.clone(),
        subjects: plan.subjects(state_directory),
        file: plan.loaded.file.clone(),
        otherwise: Vec::new(),
        written: plan.entries.len(),
        reread: false,
    }
}

/// How much happens at the same time, as the configuration says.
pub fn limits(plan: &Plan) -> Limits {
    Limits { recoveries: usize::try_from(plan.max_concurrent).unwrap_or(usize::MAX), ..Limits::default() }
}

fn refused(plan: &Plan, pointer: &str, message: &str, help: &str) -> LoadError {
    LoadError::of(vec![plan.loaded.places.problem(pointer, message.to_owned(), Some(help.to_owned()))])
}
