//! What can happen in a virtual world, to one server or to the monitor itself.

use std::time::Duration;

use health_spec::config::{Becomes, Engine, EngineScene, File, Link, RestartEffect, Scene, Seconds};
use serde::{Deserialize, Serialize};

use crate::machine::{Command, Mono, Word};

/// Something that happens at a moment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Turn {
    /// When.
    pub at: Mono,
    /// What.
    pub twist: Twist,
}

/// What happens.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Twist {
    /// To one server.
    Server(String, Change),
    /// Another configuration is put in force.
    Reload(Box<File>),
    /// A maintenance window of a server opens, until then, or closes.
    Maintenance(String, Option<Mono>),
    /// The monitor loses its network: every check fails until then.
    NetworkLost(Mono),
    /// The monitor cannot look at all, such as for want of file descriptors, until then.
    Blind(Mono),
    /// The orchestrator is killed, and runs again then. Whether actions in flight have still happened.
    Crash {
        /// When it runs again.
        until: Mono,
        /// They have.
        done: bool,
    },
    /// An engine cannot be reached, or can be again.
    Engine(usize, bool),
    /// The state directory can be written, or cannot.
    Disk(bool),
    /// All trouble ends: everything that answers is well from now on.
    Quiet,
}

/// What happens to one server.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// How it answers from now on.
    Becomes(Becomes),
    /// It answers as it does and is down, in turns this long; zero: no more.
    Flaps(Seconds),
    /// So long after a start it refuses.
    Boots(Seconds),
    /// So long it takes to answer.
    Lags(Seconds),
    /// When it is overloaded, it asks to be left alone so long; zero: it does not ask.
    Asks(Seconds),
    /// So long its engine takes to tell anything.
    Late(Seconds),
    /// So long an action prepares before it touches it.
    Prepares(Seconds),
    /// What a restart does from now on.
    Restart(RestartEffect),
    /// During an action its engine tells of the death and of the start.
    Talks(bool),
    /// Its engine says this, and it is so.
    Says(Word),
    /// A person wants this.
    Wants(Command),
}

impl Turn {
    /// What a scene of a `simulate` section stands for.
    pub(super) fn of_scene(scene: &Scene, engines: &[Engine]) -> Option<Self> {
        let at = Mono(scene.at.0);
        let twist = of_the_monitor(scene, engines).or_else(|| of_a_server(scene))?;
        Some(Self { at, twist })
    }
}

fn of_the_monitor(scene: &Scene, engines: &[Engine]) -> Option<Twist> {
    let network = |link| match link {
        Link::Lost => Twist::NetworkLost(Mono(Duration::MAX)),
        Link::Back => Twist::NetworkLost(Mono::default()),
    };
    let engine = |scene: &EngineScene| {
        let place = engines.iter().position(|engine| engine.name == scene.name)?;
        Some(Twist::Engine(place, scene.is == Link::Back))
    };
    (scene.network.map(network))
        .or_else(|| scene.engine.as_ref().and_then(engine))
        .or_else(|| scene.state.map(|link| Twist::Disk(link == Link::Back)))
}

fn of_a_server(scene: &Scene) -> Option<Twist> {
    use health_spec::config::OperatorDoes as Does;
    let by = || "script".to_owned();
    let dies = |exit_code| crate::machine::Death { exit_code: Some(exit_code), ..crate::machine::Death::default() };
    let operator = |does| match does {
        Does::Pause => Change::Wants(Command::Pause { until: None, by: by(), reason: None }),
        Does::Resume => Change::Wants(Command::Resume { by: by() }),
        Does::Stop => Change::Says(Word::Stopped),
        Does::Start => Change::Says(Word::Started),
        Does::Restart => Change::Wants(Command::Restart { by: by() }),
        Does::Check => Change::Wants(Command::Check { by: by() }),
    };
    let change = (scene.becomes.map(Change::Becomes))
        .or_else(|| scene.restart.clone().map(Change::Restart))
        .or_else(|| scene.dies.as_ref().map(|it| Change::Says(Word::Died(dies(it.exit_code)))))
        .or_else(|| scene.operator.map(operator))?;
    Some(Twist::Server(scene.server.clone()?, change))
}
