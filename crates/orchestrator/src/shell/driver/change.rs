//! Another configuration while everything runs: the driver's part of it.

use std::sync::Arc;

use health_spec::EventKind;
use health_spec::config::{File, defaults};
use serde_json::Value;
use tokio::sync::oneshot;

use super::Driver;
use crate::machine::fleet::{Limits, Reloaded};
use crate::machine::{Effect, Happened, Policy, ServerId};
use crate::shell::actions::Eyes;
use crate::shell::descriptors;
use crate::shell::evidence::Subject;
use crate::shell::hook::Hooks;
use crate::shell::probe::Target;
use crate::shell::server_file::ServerFile;

/// What has become of the configuration file.
#[derive(Debug)]
pub enum Change {
    /// It asks for this. Answered when that is in force.
    Configured(Box<Configured>, oneshot::Sender<Reloaded>),
    /// It is wrong, for this reason; the one before stays in force.
    Rejected(String),
}

/// What a configuration asks for; all lists in its own order.
#[derive(Clone, Debug)]
pub struct Configured {
    /// How servers are checked and brought back.
    pub policies: Vec<Policy>,
    /// How much happens at the same time.
    pub limits: Limits,
    /// Where they are checked.
    pub targets: Vec<Target>,
    /// What is done around attempts.
    pub hooks: Vec<Hooks>,
    /// Their groups.
    pub groups: Vec<Option<String>>,
    /// The workflows that they belong to.
    pub trace_ids: Vec<Option<String>>,
    /// Their entries, as they were written.
    pub registry: Vec<Value>,
    /// Where their evidence is.
    pub subjects: Vec<Subject>,
    /// The whole of it.
    pub file: File,
    /// Those of which what they are started with has changed, in force from their next start on.
    pub otherwise: Vec<ServerId>,
    /// So many, the first ones, stand in the files; the others are discovered.
    pub written: usize,
    /// Whether the files were read again, which is said; else only what is discovered has changed.
    pub reread: bool,
    /// Sections that have changed, and take effect when the orchestrator is started again.
    pub needs_restart: Vec<String>,
}

impl Driver {
    pub(super) async fn change(&mut self, change: Change) {
        match change {
            Change::Configured(configured, answer) => {
                let reloaded = self.configure(*configured).await;
                // Whoever asked may have gone.
                let _ = answer.send(reloaded);
            }
            Change::Rejected(error) => {
                self.published.set_config_error(Some(error.clone()));
                self.settle(vec![self.said(EventKind::ConfigRejected { error })], vec![]).await;
            }
        }
    }

    async fn configure(&mut self, configured: Configured) -> Reloaded {
        let now = self.clock.now();
        let (reloaded, effects) = self.fleet.reload(configured.policies, configured.limits, now);
        self.recorder.reloaded(now, &configured.file, configured.limits, &effects);
        let places = self.fleet.servers().len();
        self.files.resize_with(places, ServerFile::default);
        self.uptimes.grow(&self.fleet, now);
        for gone in &reloaded.gone {
            self.uptimes.forget(gone.0);
            self.files[gone.0] = ServerFile::default();
        }
        for (place, group) in reloaded.places.iter().zip(configured.groups) {
            self.files[place.0].group = group;
        }
        let by_place = |given: Vec<Option<String>>| {
            let mut all = vec![None; places];
            reloaded.places.iter().zip(given).for_each(|(place, it)| all[place.0] = it);
            all
        };
        self.writer.set_trace_ids(by_place(configured.trace_ids));
        let mut targets = vec![Target::default(); places];
        let mut registry = vec![Value::Null; places];
        for ((place, target), entry) in reloaded.places.iter().zip(configured.targets).zip(configured.registry) {
            (targets[place.0], registry[place.0]) = (target, entry);
        }
        let says_traces = configured.file.event_emission.trace_context.unwrap_or(defaults::TRACE_CONTEXT);
        self.actions.eyes = Arc::new(Eyes { says_traces, ..Eyes::clone(&self.actions.eyes) });
        for (index, place) in reloaded.places.iter().enumerate() {
            self.files[place.0].aim(targets[place.0].aim(), configured.reread && index < configured.written, now);
        }
        let aimed = self.aim(targets, &reloaded, &configured.otherwise);
        let mut hooks = self.actions.hooks.to_vec();
        hooks.resize(places, Hooks::default());
        reloaded.places.iter().zip(configured.hooks).for_each(|(place, it)| hooks[place.0] = it);
        self.actions.hooks = hooks.into();
        let targets = self.actions.targets.iter().map(|target| &**target);
        self.published.set_shortage(descriptors::provide(descriptors::needed(targets, reloaded.places.len())));
        let mut subjects = vec![None; places];
        reloaded.places.iter().zip(configured.subjects).for_each(|(place, it)| subjects[place.0] = Some(it));
        self.actions.collector.know(subjects);
        self.actions.collector.read_secrets();
        self.published.set_registry(&registry);
        let mut said = Vec::new();
        if configured.reread {
            self.published.set_config_error(None);
            said.push(self.said(EventKind::ConfigReloaded { needs_restart: configured.needs_restart }));
        }
        let otherwise = configured.otherwise.into_iter().map(|server| self.updated(server, "next_start")).collect();
        self.settle([said, effects, aimed, otherwise].concat(), vec![]).await;
        reloaded
    }

    /// Says of whom the machine does not know that they are checked in another place or way: it knows no places.
    fn aim(&mut self, targets: Vec<Target>, reloaded: &Reloaded, otherwise: &[ServerId]) -> Vec<Effect> {
        let is_said =
            |id: &ServerId| [&reloaded.added[..], &reloaded.changed, otherwise].into_iter().any(|said| said.contains(id));
        let before = &self.actions.targets;
        let is_other = |id: &ServerId| before.get(id.0).is_some_and(|target| **target != targets[id.0]);
        let moved: Vec<_> = reloaded.places.iter().copied().filter(|id| is_other(id) && !is_said(id)).collect();
        self.actions.aim(targets);
        moved.into_iter().map(|server| self.updated(server, "registry")).collect()
    }

    fn updated(&self, server: ServerId, reason: &str) -> Effect {
        let (at, phase) = (self.clock.now(), Some(self.fleet.servers()[server.0].phase()));
        let kind = EventKind::ServerUpdated { reason: reason.to_owned() };
        Effect::Publish(Happened { at, server: Some(server), kind, moment: None, phase, incident: None })
    }

    fn said(&self, kind: EventKind) -> Effect {
        let at = self.clock.now();
        Effect::Publish(Happened { at, server: None, kind, moment: None, phase: None, incident: None })
    }
}
