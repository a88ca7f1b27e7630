use std::time::Duration;

use tempfile::TempDir;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::*;
use crate::machine::fleet::Reloaded;
use crate::shell::runtime::Setup;

const PATIENCE: Duration = Duration::from_secs(60);

/// Servers that nobody runs, in a file of its own.
struct World {
    directory: TempDir,
    changes: mpsc::Receiver<Change>,
    _lifetime: (CancellationToken, mpsc::Receiver<crate::machine::Input>),
}

impl World {
    /// A reloader that waits no longer than a moment for a file.
    async fn with(text: &str) -> (Self, Reloader) {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("registry.yaml");
        std::fs::write(&path, text).expect("written");
        let reading = Reading { paths: vec![path], environment: |_| None, observe: false };
        let plan = plan::read(&reading.paths, &reading.environment, false).expect("a plan");
        let (tasks, cancel) = (TaskTracker::new(), CancellationToken::new());
        let setup = Setup {
            servers: plan.supervised.clone(),
            engines: plan.engines.clone(),
            state_directory: directory.path().to_owned(),
            registry_directory: plan.directory(),
        };
        let (reports, inbox) = mpsc::channel(8);
        let runtimes = Arc::new(Runtimes::start(setup, reports, &tasks, &cancel).await.expect("nothing runs"));
        let discovery = Discovery::new(directory.path(), &tasks, &cancel);
        let (to_driver, changes) = mpsc::channel(1);
        let (maintenance, _) = watch_channel::channel(Kept::new(plan.maintenance.clone(), &HashMap::new()));
        let begun = Begun { written: plan.clone(), watch: watch(&plan).expect("watched"), in_force: plan, discovery };
        let mut reloader = Reloader::new(begun, reading, runtimes, to_driver, maintenance);
        reloader.desk = Desk::with(Duration::from_millis(300));
        (Self { directory, changes, _lifetime: (cancel, inbox) }, reloader)
    }

    fn pipe(&self, name: &str) {
        rustix::fs::mkfifoat(rustix::fs::CWD, self.directory.path().join(name), rustix::fs::Mode::RWXU).expect("a pipe");
    }

    fn write(&self, text: &str) {
        let fresh = self.directory.path().join("fresh");
        std::fs::write(&fresh, text).expect("written");
        std::fs::rename(fresh, self.directory.path().join("registry.yaml")).expect("renamed");
    }

    async fn change(&mut self) -> Change {
        timeout(PATIENCE, self.changes.recv()).await.expect("it hangs").expect("it runs")
    }

    async fn rejected(&mut self) -> String {
        match self.change().await {
            Change::Rejected(error) => error,
            Change::Configured(configured, _) => panic!("in force: {:?}", configured.file.servers),
        }
    }

    /// Answers as the machine does, and says whose names are in force.
    async fn in_force(&mut self) -> Vec<String> {
        match self.change().await {
            Change::Configured(configured, answer) => {
                let places = (0..configured.policies.len()).map(ServerId).collect();
                let _ = answer.send(Reloaded { places, ..Reloaded::default() });
                configured.policies.iter().map(|policy| policy.name.clone()).collect()
            }
            Change::Rejected(error) => panic!("rejected: {error}"),
        }
    }

    /// Whoever waits for it goes on: the test does not end before.
    fn answer(&self, name: &str) {
        let open = std::fs::OpenOptions::new().read(true).write(true).open(self.directory.path().join(name));
        drop(open.expect("opened"));
    }
}

const GOOD: &str = "servers: [{ name: a, port: 1 }]";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_does_not_answer_is_a_mistake_and_what_is_right_comes_into_force_beside_it() {
    let (mut world, reloader) = World::with(GOOD).await;
    let running = TaskTracker::new().spawn(reloader.run());
    for (at, file) in ["token", "variables"].into_iter().enumerate() {
        world.pipe(file);
        let wrong = [
            "{ name: b, port: 2, probes: [{ kind: http, bearer_token_file: token }] }",
            "{ name: b, port: 2, runtime: { kind: process, command: sh, env_file: variables } }",
        ][at];
        world.write(&format!("servers: [{{ name: a, port: 1 }}, {wrong}]"));
        let error = world.rejected().await;
        assert!(error.contains(&format!("/{file} cannot be read: no answer within 0.3 s")), "{error}");
        let name = format!("c{at}");
        world.write(&format!("servers: [{{ name: a, port: 1 }}, {{ name: {name}, port: 3 }}]"));
        assert_eq!(world.in_force().await, ["a".to_owned(), name]);
    }
    world.pipe("registry.pipe");
    let at = |name: &str| world.directory.path().join(name);
    std::fs::hard_link(at("registry.pipe"), at("fresh")).expect("linked");
    std::fs::rename(at("fresh"), at("registry.yaml")).expect("renamed");
    let error = world.rejected().await;
    assert!(error.contains("registry.yaml cannot be read: no answer within 0.3 s"), "{error}");
    world.write(GOOD);
    assert_eq!(world.in_force().await, ["a"]);
    running.abort();
    for file in ["token", "variables", "registry.pipe"] {
        world.answer(file);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn threads_are_not_used_up_by_files_that_do_not_answer() {
    let (world, mut reloader) = World::with(GOOD).await;
    world.pipe("token");
    world.write("servers: [{ name: b, port: 2, probes: [{ kind: http, bearer_token_file: token }] }]");
    reloader.desk = Desk::with(Duration::from_millis(20));
    let read = || reloader.desk.read(reloader.reading.clone(), Vec::new());
    let mut said = String::new();
    for _ in 0..9 {
        let error = timeout(PATIENCE, read()).await.expect("it hangs").expect_err("a pipe that nobody writes into");
        said = causes(&error);
    }
    assert!(said.contains("8 earlier reads still wait for files that do not answer"), "{said}");
    world.answer("token");
}
