//! Collects what [`Health`] is made of.

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use serde_json::Value;

use crate::about::About;
use crate::check::Check;
use crate::clock::Clock;
use crate::component::Component;
use crate::health::{Health, Shared};
use crate::render::Rendered;
use crate::runner::{Changes, Runner};
use crate::token::Token;
use crate::traffic::{Recorder, Traffic};

/// How long requests may take to end after the signal, unless the author says otherwise: below the 10 s after which
/// Docker kills, with some left for the process itself.
pub const DEFAULT_DRAIN_TIMEOUT: Duration = Duration::from_secs(8);

/// Collects what [`Health`] is made of.
#[derive(Clone, Debug)]
#[must_use = "nothing is checked before `build`"]
pub struct Builder {
    about: About,
    token: Option<Token>,
    components: Vec<Component>,
    traffic: Option<Traffic>,
    drain_timeout: Duration,
}

impl Builder {
    pub(crate) fn new(name: String) -> Self {
        Clock::start();
        Self { about: About::new(name), token: None, components: Vec::new(), traffic: None, drain_timeout: DEFAULT_DRAIN_TIMEOUT }
    }

    /// The server's version.
    pub fn version(mut self, version: impl Into<String>) -> Self {
        self.about.version = Some(version.into());
        self
    }

    /// Whether the version is shown, to everyone who reads `/health`. Default: yes.
    pub fn show_version(mut self, shown: bool) -> Self {
        self.about.shows_version = shown;
        self
    }

    /// An entry of `metadata`, public like everything there.
    ///
    /// # Panics
    ///
    /// When the key is `draining`, which belongs to [`Health::set_draining`].
    pub fn metadata(mut self, key: impl Into<String>, value: impl Into<Value>) -> Self {
        self.about.set(key.into(), value.into());
        self
    }

    /// An entry of `metadata` that is asked for at each response, so it must be quick: a counter, not a query.
    /// It wins over a fixed entry of that name. When it panics, it is `null`.
    ///
    /// # Panics
    ///
    /// When the key is `draining`, which belongs to [`Health::set_draining`].
    pub fn metadata_with<V: Into<Value>>(
        mut self,
        key: impl Into<String>,
        value: impl Fn() -> V + Send + Sync + 'static,
    ) -> Self {
        self.about.set_lazily(key.into(), move || value().into());
        self
    }

    /// Who reads health must bring `Authorization: Bearer <token>`, else they get a 401 and nothing more.
    /// Default: everyone may. A monitor takes a 401 as alive but not readable: give it the token.
    ///
    /// # Panics
    ///
    /// When the token is empty.
    pub fn bearer_token(mut self, token: impl Into<String>) -> Self {
        self.token = Some(Token::new(&token.into()));
        self
    }

    /// A critical component with the default interval and timeout; [`Builder::component`] takes any other.
    ///
    /// # Panics
    ///
    /// When the name is not `^[a-z_]+$`, or is taken.
    pub fn check(self, name: impl Into<String>, check: impl Check) -> Self {
        self.component(Component::new(name, check))
    }

    /// A component with its own interval, timeout, weight or initial state.
    ///
    /// # Panics
    ///
    /// When the name is taken.
    pub fn component(mut self, component: Component) -> Self {
        let taken = self.components.iter().any(|other| other.name == component.name);
        assert!(!taken, "there are two components named {:?}", component.name);
        self.components.push(component);
        self
    }

    /// What the traffic layer ([`Health::traffic`]) holds the requests to. Without this it is [`Traffic::default`].
    pub fn traffic(mut self, traffic: Traffic) -> Self {
        self.traffic = Some(traffic);
        self
    }

    /// How long requests may take to end after the server was told to stop. Default: [`DEFAULT_DRAIN_TIMEOUT`].
    pub fn drain_timeout(mut self, timeout: Duration) -> Self {
        self.drain_timeout = timeout;
        self
    }

    /// Begins the checks, at once inside a tokio runtime, else with the first response that is made inside one.
    /// [`Health::settled`] waits for their first results.
    ///
    /// # Panics
    ///
    /// When a check has the name of a traffic component.
    pub fn build(self) -> Health {
        let clock = Clock::start();
        let changes = Changes::default();
        let runner = Runner::new(self.components, clock, &changes);
        runner.start();
        let shared = Shared {
            about: self.about,
            token: self.token,
            clock,
            draining: AtomicBool::new(false),
            drain_timeout: self.drain_timeout,
            runner,
            traffic: OnceLock::new(),
            changes,
            rendered: Rendered::default(),
        };
        if let Some(traffic) = self.traffic {
            shared.record(traffic);
        }
        Health { shared: Arc::new(shared) }
    }
}

impl Shared {
    /// The one recorder of the server's traffic, made on first use.
    pub(crate) fn record(&self, traffic: Traffic) -> &Arc<Recorder> {
        self.traffic.get_or_init(|| {
            for name in traffic.names() {
                assert!(!self.runner.has(name), "there is a check named {name:?}, as a traffic component is");
            }
            Arc::new(Recorder::new(traffic, self.clock))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[should_panic(expected = "two components named \"a\"")]
    fn a_name_is_taken_once() {
        let _ = Health::builder("x").check("a", || async { Ok(()) }).check("a", || async { Ok(()) });
    }

    #[test]
    #[should_panic(expected = "a check named \"mcp_errors\"")]
    fn a_check_cannot_stand_for_the_traffic() {
        let _ = Health::builder("x").check("mcp_errors", || async { Ok(()) }).traffic(Traffic::default()).build();
    }
}
