//! What the stand-in says of its units and jobs when it is asked.

use zbus::{Connection, OwnedObjectPath, interface};

use super::{State, Units, asked};

pub(super) struct Unit {
    pub(super) name: String,
    pub(super) units: Units,
}

impl Unit {
    fn state(&self) -> State {
        self.units.lock().expect("not poisoned")[&self.name].clone()
    }
}

#[interface(name = "org.freedesktop.systemd1.Unit")]
impl Unit {
    #[zbus(property)]
    fn id(&self) -> String {
        self.name.clone()
    }

    #[zbus(property)]
    fn load_state(&self) -> String {
        self.state().load.to_owned()
    }

    #[zbus(property)]
    async fn active_state(&self, #[zbus(connection)] connection: &Connection) -> String {
        asked(connection, &self.units, &self.name).await;
        self.state().active.to_owned()
    }

    #[zbus(property)]
    fn sub_state(&self) -> String {
        self.state().sub.to_owned()
    }

    #[zbus(property, name = "InvocationID")]
    fn invocation_id(&self) -> Vec<u8> {
        vec![self.state().invocation]
    }

    #[zbus(property)]
    fn job(&self) -> (u32, OwnedObjectPath) {
        (self.state().job, OwnedObjectPath::try_from("/").expect("a path"))
    }
}

pub(super) struct Service {
    pub(super) name: String,
    pub(super) units: Units,
}

impl Service {
    fn state(&self) -> State {
        self.units.lock().expect("not poisoned")[&self.name].clone()
    }
}

#[interface(name = "org.freedesktop.systemd1.Service")]
impl Service {
    #[zbus(property)]
    async fn result(&self, #[zbus(connection)] connection: &Connection) -> String {
        asked(connection, &self.units, &self.name).await;
        self.state().result.to_owned()
    }

    #[zbus(property)]
    fn exec_main_code(&self) -> i32 {
        self.state().ended.0
    }

    #[zbus(property)]
    fn exec_main_status(&self) -> i32 {
        self.state().ended.1
    }

    #[zbus(property, name = "NRestarts")]
    fn restarts(&self) -> u32 {
        self.state().restarts
    }

    #[zbus(property, name = "TimeoutStartUSec")]
    fn timeout_start(&self) -> u64 {
        self.state().patience
    }

    #[zbus(property, name = "TimeoutStopUSec")]
    fn timeout_stop(&self) -> u64 {
        self.state().patience
    }
}

pub(super) struct Job {
    pub(super) kind: &'static str,
}

#[interface(name = "org.freedesktop.systemd1.Job")]
impl Job {
    #[zbus(property)]
    fn job_type(&self) -> String {
        self.kind.to_owned()
    }
}
