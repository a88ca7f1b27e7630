//! Servers that are let go while everything goes on. One that takes its time, since an action on it does, is waited for by whoever may be the
//! same one again, and by nobody else.

use futures_util::future::join_all;
use health_spec::registry::RuntimeKind;
use tokio::task::JoinHandle;

use crate::shell::runtime::Supervised;

/// Those that are being let go.
#[derive(Debug, Default)]
pub(super) struct Leaving(Vec<(Supervised, JoinHandle<()>)>);

impl Leaving {
    /// This one is, until the task has ended.
    pub(super) fn add(&mut self, server: Supervised, task: JoinHandle<()>) {
        self.0.push((server, task));
    }

    /// Returns when none is left that one of these may be.
    pub(super) async fn have_left(&mut self, new: &[Supervised]) {
        self.0.retain(|(_, task)| !task.is_finished());
        let waited_for = self.0.extract_if(.., |(leaving, _)| new.iter().any(|new| may_be(leaving, new)));
        join_all(waited_for.map(|(_, task)| task).collect::<Vec<_>>()).await;
    }
}

/// A child has its record under its name; a container has a name and an id, and a unit aliases.
fn may_be(leaving: &Supervised, new: &Supervised) -> bool {
    let containers = (leaving.runtime.container.as_deref(), new.runtime.container.as_deref());
    let is_same = match containers {
        (Some(one), Some(other)) => one == other || may_be_id(one) || may_be_id(other),
        _ => leaving.runtime.kind == RuntimeKind::Systemd && new.runtime.kind == RuntimeKind::Systemd,
    };
    is_same || leaving.name == new.name
}

fn may_be_id(container: &str) -> bool {
    container.chars().all(|c| c.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use health_spec::registry::Runtime;
    use tokio::time::timeout;
    use tokio_util::task::TaskTracker;

    use super::*;

    fn of(kind: RuntimeKind, thing: &str) -> Runtime {
        let thing = Some(thing.to_owned());
        match kind {
            RuntimeKind::Process => Runtime { kind, command: thing, ..Runtime::default() },
            RuntimeKind::Systemd => Runtime { kind, unit: thing, ..Runtime::default() },
            _ => Runtime { kind, container: thing, ..Runtime::default() },
        }
    }

    #[tokio::test]
    async fn one_that_hangs_is_waited_for_by_whoever_may_be_it_and_by_nobody_else() {
        use RuntimeKind::{Docker, Podman, Process, Systemd};
        let (mut leaving, tasks) = (Leaving::default(), TaskTracker::new());
        leaving.add(Supervised::plain("child", of(Process, "serve")), tasks.spawn(std::future::pending()));
        leaving.add(Supervised::plain("notes", of(Docker, "notes")), tasks.spawn(std::future::pending()));
        leaving.add(Supervised::plain("unit", of(Systemd, "a.service")), tasks.spawn(std::future::ready(())));
        while !leaving.0[2].1.is_finished() {
            tokio::task::yield_now().await;
        }
        let short = Duration::from_millis(50);
        for (name, runtime, waits) in [
            ("another", of(Process, "serve"), false),
            ("another", of(Docker, "other"), false),
            ("another", of(Systemd, "b.service"), false),
            ("another", of(Podman, "notes"), true),
            ("another", of(Docker, "b0db"), true),
            ("child", of(Process, "serve2"), true),
        ] {
            let new = [Supervised::plain(name, runtime.clone())];
            let hangs = leaving.0.iter().any(|(old, task)| !task.is_finished() && may_be(old, &new[0]));
            assert_eq!(hangs, waits, "{runtime:?}");
            if !waits {
                timeout(Duration::from_secs(30), leaving.have_left(&new)).await.expect("it waits for another");
            }
        }
        assert!(timeout(short, leaving.have_left(&[Supervised::plain("child", of(Process, "serve"))])).await.is_err());
    }
}
