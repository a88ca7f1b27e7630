//! The objects on the bus whose properties can be asked for: units, services and jobs.

use zbus::{Connection, OwnedObjectPath, interface};

use super::{MANAGER, State, Units, asked, job_path};

/// Where a unit is, with everything escaped that a path cannot have.
pub(super) fn path_of(unit: &str) -> OwnedObjectPath {
    let escaped: String = unit
        .bytes()
        .map(|byte| if byte.is_ascii_alphanumeric() { char::from(byte).to_string() } else { format!("_{byte:02x}") })
        .collect();
    OwnedObjectPath::try_from(format!("{MANAGER}/unit/{escaped}")).expect("a path")
}

/// The general half of a unit.
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

    #[zbus(property)]
    fn fragment_path(&self) -> String {
        format!("/etc/systemd/system/{}", self.name)
    }

    #[zbus(property, name = "InvocationID")]
    fn invocation_id(&self) -> Vec<u8> {
        vec![self.state().invocation]
    }

    #[zbus(property)]
    fn job(&self) -> (u32, OwnedObjectPath) {
        let number = self.state().job;
        let none = || OwnedObjectPath::try_from("/").expect("a path");
        (number, if number == 0 { none() } else { job_path(number) })
    }
}

/// The other half, of a service.
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

    #[zbus(property)]
    fn exec_main_start_timestamp(&self) -> u64 {
        self.state().started
    }

    #[zbus(property)]
    fn exec_main_exit_timestamp(&self) -> u64 {
        let state = self.state();
        // One second later.
        if state.ended.0 == 0 { 0 } else { state.started + 1_000_000 }
    }

    #[zbus(property)]
    fn memory_max(&self) -> u64 {
        self.state().memory_max
    }

    #[zbus(property)]
    fn environment(&self) -> Vec<String> {
        self.state().environment.iter().map(|&pair| pair.to_owned()).collect()
    }

    #[zbus(property)]
    fn environment_files(&self) -> Vec<(String, bool)> {
        self.state().environment_files
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

/// A job that is under way.
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
