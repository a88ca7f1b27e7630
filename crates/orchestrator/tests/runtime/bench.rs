//! A state directory, and lives of an orchestrator's runtimes in it.

use std::{
    fs,
    future::Future,
    path::{Path, PathBuf},
    time::Duration,
};

use health_spec::{
    config::Engine,
    registry::{Runtime, RuntimeKind},
};
use orchestrator::{
    machine::{Input, ServerId, Word},
    shell::runtime::{
        ActionError, Prepared, Runtimes, Setup, StartError, Supervised,
        container::{consent::Consent, event::Health},
        life::{self, Lives},
        process::{
            procfs::{self, Stat},
            wire::Wire,
        },
    },
};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tokio::sync::mpsc;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// Marks every process of one bench.
const MARK: &str = "RUNTIME_TEST_BENCH";

/// Far beyond what anything here takes, also on a busy machine.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);

/// A state directory; ends what was started in it.
pub(crate) struct Bench {
    directory: PathBuf,
    /// `None` in a life that is to be killed: the directory is somebody else's.
    owned: Option<TempDir>,
    mark: String,
    pub(crate) stop_timeout: Duration,
    pub(crate) engines: Vec<Engine>,
    /// An earlier run has watched the servers.
    pub(crate) known: bool,
    /// What containers have to have to be touched.
    pub(crate) consent: Consent,
}

/// From a start of the orchestrator to its end.
pub(crate) struct Life {
    scheduler: tokio::runtime::Runtime,
    pub(crate) runtimes: Runtimes,
    inbox: mpsc::Receiver<Input>,
    tasks: TaskTracker,
    cancel: CancellationToken,
}

impl Bench {
    pub(crate) fn new() -> Self {
        let owned = tempfile::tempdir().unwrap();
        let mut bench = Self::inside(owned.path());
        bench.owned = Some(owned);
        bench
    }

    /// In a directory of another bench.
    pub(crate) fn inside(directory: &Path) -> Self {
        let mark = directory.file_name().unwrap().to_str().unwrap().to_owned();
        Self {
            directory: directory.to_owned(),
            owned: None,
            mark,
            stop_timeout: Duration::from_secs(5),
            engines: Vec::new(),
            known: false,
            consent: Consent::default(),
        }
    }

    /// A server that is a shell script.
    pub(crate) fn shell(&self, script: &str) -> Runtime {
        let mut runtime = runtime(RuntimeKind::Process);
        runtime.command = Some("/bin/sh".to_owned());
        runtime.args = vec!["-c".to_owned(), script.to_owned()];
        runtime.env.insert(MARK.to_owned(), self.mark.clone());
        runtime
    }

    pub(crate) fn path(&self) -> &Path {
        &self.directory
    }

    /// What server 0 wrote.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.path().join("logs/server-0.log")).unwrap_or_default()
    }

    pub(crate) fn record(&self) -> PathBuf {
        self.path().join("processes/server-0.json")
    }

    pub(crate) fn record_is(&self, state: &str) -> bool {
        fs::read_to_string(self.record()).is_ok_and(|text| text.contains(&format!("\"state\": \"{state}\"")))
    }

    /// Every process that lives and was started here, directly or not.
    pub(crate) fn living(&self) -> Vec<Stat> {
        procfs::with_environment(&procfs::everyone().unwrap(), MARK, &self.mark, usize::MAX).unwrap()
    }

    /// The pids of those that lead a group.
    pub(crate) fn leaders(&self) -> Vec<i32> {
        self.living().iter().filter(|stat| stat.group == stat.identity.pid).map(|stat| stat.identity.pid).collect()
    }

    pub(crate) fn try_start(&self, servers: &[Runtime]) -> Result<Life, StartError> {
        let scheduler = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let (reports, inbox) = mpsc::channel(1024);
        let supervised = servers.iter().enumerate().map(|(at, runtime)| self.supervised(at, runtime));
        let setup = Setup {
            servers: supervised.collect(),
            engines: self.engines.clone(),
            state_directory: self.path().to_owned(),
            registry_directory: self.path().to_owned(),
        };
        let (tasks, cancel) = (TaskTracker::new(), CancellationToken::new());
        let runtimes = scheduler.block_on(Runtimes::start(setup, reports, &tasks, &cancel))?;
        Ok(Life { scheduler, runtimes, inbox, tasks, cancel })
    }

    /// As a start of an orchestrator whose driver does not read yet; the inbox has room for one word.
    pub(crate) fn start_unread(&self, servers: &[Runtime]) -> Result<(), StartError> {
        let scheduler = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let (reports, _unread) = mpsc::channel(1);
        let setup = Setup {
            servers: servers.iter().enumerate().map(|(at, runtime)| self.supervised(at, runtime)).collect(),
            engines: self.engines.clone(),
            state_directory: self.path().to_owned(),
            registry_directory: self.path().to_owned(),
        };
        let (tasks, cancel) = (TaskTracker::new(), CancellationToken::new());
        let begun = async { tokio::time::timeout(DEADLINE, Runtimes::start(setup, reports, &tasks, &cancel)).await };
        let runtimes = scheduler.block_on(begun).expect("it waits for somebody who reads")?;
        drop(runtimes);
        scheduler.block_on(ended(&tasks, &cancel));
        Ok(())
    }

    fn supervised(&self, at: usize, runtime: &Runtime) -> Supervised {
        Supervised {
            entry: at,
            server: ServerId(at),
            name: format!("server-{at}"),
            runtime: runtime.clone(),
            stop_timeout: Some(self.stop_timeout),
            acting: None,
            replaces: false,
            stopped: false,
            unsettled: false,
            known: self.known,
            consent: self.consent.clone(),
        }
    }

    pub(crate) fn start(&self, servers: &[Runtime]) -> Life {
        self.try_start(servers).unwrap_or_else(|error| panic!("{error}"))
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        if self.owned.is_none() {
            return;
        }
        // One that forks can be missed by a single look.
        eventually("nobody is left", || {
            let living = self.living();
            for stat in &living {
                send(stat.identity.pid, Signal::KILL);
            }
            living.is_empty()
        });
    }
}

impl Life {
    /// The next report.
    pub(crate) fn next(&mut self) -> Input {
        let next = async { tokio::time::timeout(DEADLINE, self.inbox.recv()).await };
        self.scheduler.block_on(next).expect("nothing was reported").expect("the runtimes have ended")
    }

    /// The next report, which has to be about server 0.
    pub(crate) fn next_word(&mut self) -> Word {
        match self.next() {
            Input::Reported(ServerId(0), word) => word,
            other => panic!("unexpected {other:?}"),
        }
    }

    /// What has been reported and not been read yet.
    pub(crate) fn pending(&mut self) -> Vec<Input> {
        std::iter::from_fn(|| self.inbox.try_recv().ok()).collect()
    }

    /// What the HEALTHCHECK of server 0 says.
    pub(crate) fn health(&self) -> Option<Health> {
        self.runtimes.container(ServerId(0))?.ok()?.health
    }

    /// What a probe of kind `process` sees of server 0.
    pub(crate) fn of_the_first(&self) -> life::Life {
        self.runtimes.life(ServerId(0))
    }

    /// Through which server 0 is spoken with.
    pub(crate) fn wire(&self) -> Wire {
        self.runtimes.wire(ServerId(0)).expect("a process")
    }

    /// Server 0 is no longer registered.
    pub(crate) fn let_go(&self) {
        self.let_go_of(0);
    }

    pub(crate) fn let_go_of(&self, server: usize) {
        self.run(self.runtimes.let_go(ServerId(server)));
    }

    /// As a reload does that has a new server.
    pub(crate) fn register(&self, bench: &Bench, at: usize, runtime: &Runtime) {
        self.run(async {
            let prepared = self.runtimes.prepare(&[bench.supervised(at, runtime)], &[]).await;
            self.runtimes.take(prepared.unwrap()).await;
        });
    }

    /// As a reload does that has other containers for these servers, once what ran them is let go: the words about those that need not wait
    /// for `waits`.
    pub(crate) fn replace_while(&self, bench: &Bench, waits: usize, servers: &[(usize, Runtime)]) -> Prepared {
        self.run(async {
            let news: Vec<_> = servers.iter().map(|(at, runtime)| bench.supervised(*at, runtime)).collect();
            let gone: Vec<_> = news.iter().map(|new| new.server).collect();
            let mut prepared = self.runtimes.prepare(&news, &gone).await.unwrap();
            let at_once = prepared.take_out(&|server| server != ServerId(waits));
            for server in gone.into_iter().filter(|server| *server != ServerId(waits)) {
                self.runtimes.let_go(server).await;
            }
            self.runtimes.take(at_once).await;
            prepared
        })
    }

    /// As a reload does that has another container for server 0, or the same otherwise; what was replaced is put back as soon as the one before
    /// is let go.
    pub(crate) fn put_back_in_a_reload(&self, bench: &Bench, runtime: &Runtime) -> Result<(), ActionError> {
        self.run(async {
            let prepared = self.runtimes.prepare(&[bench.supervised(0, runtime)], &[ServerId(0)]).await.unwrap();
            self.runtimes.let_go(ServerId(0)).await;
            let put_back = self.runtimes.settle(ServerId(0), false, true);
            tokio::join!(biased; put_back, self.runtimes.take(prepared)).0
        })
    }

    /// As a reload does that has server 0 otherwise.
    pub(crate) fn become_otherwise(&self, bench: &Bench, runtime: &Runtime) {
        assert!(self.run(self.runtimes.become_otherwise(&bench.supervised(0, runtime))));
    }

    /// Restarts server 0, and has it otherwise as soon as it is so.
    pub(crate) fn become_otherwise_in_a_restart(
        &self,
        bench: &Bench,
        runtime: &Runtime,
        mut is_so: impl FnMut() -> bool,
        then: impl FnOnce(),
    ) {
        let supervised = bench.supervised(0, runtime);
        let reload = async {
            let mut look = tokio::time::interval(Duration::from_millis(5));
            while !is_so() {
                look.tick().await;
            }
            let asked = self.runtimes.become_otherwise(&supervised);
            assert!(asked.await);
            then();
        };
        self.run(async { tokio::join!(self.runtimes.restart(ServerId(0)), reload).0 }).unwrap();
    }

    /// As a reload that is refused: why.
    pub(crate) fn refuses(&self, bench: &Bench, at: usize, runtime: &Runtime) -> String {
        let servers = [bench.supervised(at, runtime)];
        self.run(self.runtimes.prepare(&servers, &[])).expect_err("it is refused").to_string()
    }

    /// Restarts server 0, and lets go of it as soon as it is so.
    pub(crate) fn restart_and_let_go(&self, mut is_so: impl FnMut() -> bool) -> Result<(), ActionError> {
        let let_go = async {
            let mut look = tokio::time::interval(Duration::from_millis(5));
            while !is_so() {
                look.tick().await;
            }
            self.runtimes.let_go(ServerId(0)).await;
        };
        self.run(async { tokio::join!(self.runtimes.restart(ServerId(0)), let_go).0 })
    }

    /// The same, as soon as `is_time`, which has to become so while it is restarted.
    pub(crate) fn let_go_in_a_restart(&self, mut is_time: impl FnMut() -> bool) {
        let then = async {
            let mut look = tokio::time::interval(Duration::from_millis(5));
            while !is_time() {
                look.tick().await;
            }
            self.runtimes.let_go(ServerId(0)).await;
        };
        self.run(async {
            tokio::select! {
                biased;
                // What becomes of it is not waited for: to be let go is to be left alone.
                () = then => {}
                () = async { drop(self.runtimes.restart(ServerId(0)).await); std::future::pending().await } => {}
            }
        });
    }

    /// What was to be looked at when this was asked has been looked at: the listener serves nobody before.
    pub(crate) fn has_looked(&self) {
        assert_eq!(self.run(self.runtimes.followers(ServerId(0))), []);
    }

    pub(crate) fn restart(&self) -> Result<(), ActionError> {
        self.restart_of(0)
    }

    pub(crate) fn restart_of(&self, server: usize) -> Result<(), ActionError> {
        self.run(self.runtimes.restart(ServerId(server)))
    }

    /// Who shares server 0's network, asked while `other` is being restarted, which is so after `begun`.
    pub(crate) fn followers_while_restarting(&self, other: usize, begun: impl Future<Output = ()>) -> Vec<ServerId> {
        let asked = async {
            begun.await;
            self.runtimes.followers(ServerId(0)).await
        };
        self.run(async {
            tokio::select! {
                ended = self.runtimes.restart(ServerId(other)) => panic!("the restart has ended: {ended:?}"),
                followers = asked => followers,
            }
        })
    }

    pub(crate) fn recreate(&self) -> Result<(), ActionError> {
        self.run(self.runtimes.recreate(ServerId(0)))
    }

    /// What it has replaced is put back, and started.
    pub(crate) fn put_back(&self) -> Result<(), ActionError> {
        self.run(self.runtimes.settle(ServerId(0), false, true))
    }

    pub(crate) fn run<T>(&self, future: impl Future<Output = T>) -> T {
        self.scheduler.block_on(async { tokio::time::timeout(DEADLINE, future).await }).expect("it takes too long")
    }

    /// Stops gracefully.
    pub(crate) fn shut_down(self) {
        let Self { scheduler, runtimes, tasks, cancel, .. } = self;
        drop(runtimes);
        scheduler.block_on(async { tokio::time::timeout(DEADLINE, ended(&tasks, &cancel)).await }).expect("it takes too long");
    }

    /// Ends like a crash: nothing of ours is executed any more.
    pub(crate) fn crash(self) {
        self.scheduler.shutdown_timeout(DEADLINE);
    }
}

/// As an orchestrator ends: children are stopped, and all that runs is waited for.
async fn ended(tasks: &TaskTracker, cancel: &CancellationToken) {
    cancel.cancel();
    tasks.close();
    tasks.wait().await;
}

pub(crate) fn runtime(kind: RuntimeKind) -> Runtime {
    Runtime { kind, ..Runtime::default() }
}

pub(crate) fn send(pid: i32, signal: Signal) {
    let _ = kill_process(Pid::from_raw(pid).unwrap(), signal);
}

/// Waits until it is so.
pub(crate) fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let wait = async {
        let mut look = tokio::time::interval(Duration::from_millis(5));
        while !is_so() {
            look.tick().await;
        }
    };
    let clock = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let waited = clock.block_on(async { tokio::time::timeout(DEADLINE, wait).await });
    assert!(waited.is_ok(), "it never came to this: {what}");
}
