//! What people are told of an adoption, and starts that hang.

use std::{fs::File, os::unix::process::CommandExt, process::Command, sync::Mutex, time::Duration};

use health_spec::registry::Runtime;
use rustix::process::RawPid;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use tokio::time::timeout;

use super::launch::Place;
use super::*;
use crate::machine::{Input, ServerId};
use crate::shell::runtime::reporter::Mouth;

#[tokio::test]
async fn that_a_server_is_adopted_is_logged() {
    let directory = tempfile::tempdir().unwrap();
    let said = directory.path().join("said");
    let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(Mutex::new(File::create(&said).unwrap())).finish();
    let _logged = tracing::subscriber::set_default(subscriber);
    let mut ours = Command::new("/bin/sleep").arg("1000").process_group(0).spawn().unwrap();
    let leader = Identity::of(RawPid::try_from(ours.id()).unwrap()).unwrap().unwrap();
    let runtime = Runtime { command: Some("/bin/false".to_owned()), ..Runtime::default() };
    let program = Program::of(&runtime, directory.path(), Some(Duration::from_secs(1))).unwrap();
    let (reports, mut told) = mpsc::channel(1);
    let reporter = Mouth::new(reports, CancellationToken::new()).about(ServerId(0));
    let mut process =
        Process::new(program, Places::of(directory.path(), "a"), (ProcessLog::default(), &Limits::default()), reporter).unwrap();
    process.first = Some(Record::Running(Instance { token: "t".to_owned(), leader, bound: false }));

    process.begin().await;

    ours.kill().unwrap();
    ours.wait().unwrap();
    assert_eq!(told.recv().await, Some(Input::Reported(ServerId(0), Word::Running)));
    let said = std::fs::read_to_string(said).unwrap();
    assert!(said.contains("is watched again") && said.contains(&format!("pid={}", leader.pid)), "{said}");
}

/// A server whose file of variables is a pipe: whoever opens it waits for somebody who writes, as for a disk that does not answer.
struct Hanging {
    directory: tempfile::TempDir,
    token: String,
}

impl Hanging {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        rustix::fs::mkfifoat(rustix::fs::CWD, directory.path().join("variables"), rustix::fs::Mode::RWXU).unwrap();
        Self { directory, token: uuid::Uuid::new_v4().to_string() }
    }

    fn process(&self) -> (Process, mpsc::Receiver<Input>, CancellationToken) {
        let runtime = Runtime {
            command: Some("/bin/sleep".to_owned()),
            args: vec!["1000".to_owned()],
            env_file: Some("variables".to_owned()),
            env: [("HANGING".to_owned(), self.token.clone())].into(),
            ..Runtime::default()
        };
        let program = Program::of(&runtime, self.directory.path(), Some(Duration::from_secs(1))).unwrap();
        let (reports, told) = mpsc::channel(8);
        let cancel = CancellationToken::new();
        let reporter = Mouth::new(reports, cancel.clone()).about(ServerId(0));
        let places = Places::of(self.directory.path(), "a");
        let process = Process::new(program, places, (ProcessLog::default(), &Limits::default()), reporter).unwrap();
        (Process { start_patience: Duration::from_millis(100), ..process }, told, cancel)
    }

    /// Whoever waits for the file has it. Returns when somebody does.
    async fn answers(&self) {
        let variables = self.directory.path().join("variables");
        tokio::task::spawn_blocking(move || std::fs::write(variables, "A=1\n")).await.unwrap().unwrap();
    }

    fn running(&self) -> usize {
        let everyone = procfs::everyone().unwrap();
        procfs::with_environment(&everyone, "HANGING", &self.token, usize::MAX).unwrap().len()
    }
}

async fn next(told: &mut mpsc::Receiver<Input>) -> Word {
    match timeout(Duration::from_secs(30), told.recv()).await.expect("in time") {
        Some(Input::Reported(ServerId(0), word)) => word,
        other => panic!("{other:?}"),
    }
}

async fn restart(orders: &mpsc::Sender<Order>) -> Result<(), ProcessError> {
    let (answer, answered) = oneshot::channel();
    orders.send(Order::Restart(answer)).await.unwrap();
    timeout(Duration::from_secs(30), answered).await.expect("it hangs").unwrap()
}

#[tokio::test]
async fn a_start_that_hangs_fails_and_what_comes_of_it_late_is_the_server() {
    let hanging = Hanging::new();
    let (process, mut told, cancel) = hanging.process();
    let (orders, asked) = mpsc::channel(1);
    let supervised = TaskTracker::new().spawn(process.supervise(asked));
    let Word::Died(Death { error: Some(error), .. }) = next(&mut told).await else { panic!("it has started") };
    assert!(error.starts_with("the start of \"/bin/sleep\" in \"") && error.contains("variables"), "{error}");
    for _ in 0..2 {
        assert!(matches!(restart(&orders).await, Err(ProcessError::Hangs { .. })));
    }
    assert_eq!(hanging.running(), 0);

    hanging.answers().await;

    assert_eq!(next(&mut told).await, Word::Running, "it is nobody else's start");
    assert_eq!(hanging.running(), 1);
    let record = RecordFile::new(Places::of(hanging.directory.path(), "a").record, procfs::boot_id()).read().unwrap();
    assert!(matches!(record, Some(Record::Running(_))), "{record:?}");
    cancel.cancel();
    supervised.await.unwrap();
    assert_eq!(hanging.running(), 0);
}

#[tokio::test]
async fn a_restart_has_a_start_that_hung_and_does_not_begin_another() {
    let hanging = Hanging::new();
    let (mut process, _told, _cancel) = hanging.process();
    process.begin().await;
    process.start_patience = Duration::from_secs(30);
    let (restarted, ()) = tokio::join!(process.restart(), hanging.answers());
    restarted.unwrap();
    assert_eq!(hanging.running(), 1);
    process.stop().await.unwrap();
}

#[tokio::test]
async fn one_that_is_let_go_while_it_starts_is_not_started_any_more() {
    let hanging = Hanging::new();
    let (process, mut told, _cancel) = hanging.process();
    let (orders, asked) = mpsc::channel(1);
    let supervised = TaskTracker::new().spawn(process.supervise(asked));
    assert!(matches!(next(&mut told).await, Word::Died(_)));
    let (answer, let_go) = oneshot::channel();
    orders.send(Order::LetGo(answer)).await.unwrap();
    timeout(Duration::from_secs(30), let_go).await.expect("it hangs").unwrap();
    supervised.await.unwrap();

    // Registered again, before the disk answers.
    let (mut again, mut told, _cancel) = hanging.process();
    again.begin().await;
    let Word::Died(Death { error: Some(error), .. }) = next(&mut told).await else { panic!("it has started") };
    assert!(error.starts_with("its last start hangs still"), "{error}");

    hanging.answers().await;
    let place = Places::of(hanging.directory.path(), "a").record;
    let mut look = tokio::time::interval(Duration::from_millis(5));
    while Place::take(&place).is_err() {
        look.tick().await;
    }
    assert_eq!(hanging.running(), 0);
    again.start_patience = Duration::from_secs(30);
    let (restarted, ()) = tokio::join!(again.restart(), hanging.answers());
    restarted.unwrap();
    assert_eq!(hanging.running(), 1);
    again.stop().await.unwrap();
}

/// The orchestrator ends while a start hangs, and the disk answers afterwards: its token is on disk.
#[tokio::test]
async fn one_that_comes_after_our_end_is_adopted() {
    let hanging = Hanging::new();
    let (mut process, _told, _cancel) = hanging.process();
    process.begin().await;
    let mut launching = process.launching.take().unwrap();
    drop(process);
    hanging.answers().await;
    // As it is when we are gone: nobody ends it, and nobody holds it.
    let mut started = launching.launch.done().await.unwrap().unwrap();

    let (again, mut told, cancel) = hanging.process();
    let (_orders, asked) = mpsc::channel(1);
    let supervised = TaskTracker::new().spawn(again.supervise(asked));
    assert_eq!(next(&mut told).await, Word::Running);
    assert_eq!(hanging.running(), 1);
    cancel.cancel();
    supervised.await.unwrap();
    started.wait().unwrap();
}

#[tokio::test]
async fn a_start_that_hangs_does_not_keep_us_from_ending() {
    let hanging = Hanging::new();
    let (process, _told, cancel) = hanging.process();
    let process = Process { start_patience: Duration::from_secs(1_000), ..process };
    let (_orders, asked) = mpsc::channel(1);
    let mut supervised = std::pin::pin!(process.supervise(asked));
    assert!(timeout(Duration::from_millis(100), &mut supervised).await.is_err());
    cancel.cancel();
    timeout(Duration::from_secs(30), supervised).await.expect("it hangs");
    hanging.answers().await;
}

/// Invariant: nobody is looked for who could carry the token of a start that this run knows not to have been made. A look at all
/// processes hangs where one of them does.
#[tokio::test]
async fn what_this_run_has_started_last_is_followed_by_nobody() {
    let directory = tempfile::tempdir().unwrap();
    let runtime = Runtime { command: Some("/bin/sleep".to_owned()), args: vec!["1000".to_owned()], ..Runtime::default() };
    let program = Program::of(&runtime, directory.path(), Some(Duration::from_secs(1))).unwrap();
    let (reports, _told) = mpsc::channel(8);
    let reporter = Mouth::new(reports, CancellationToken::new()).about(ServerId(0));
    let places = Places::of(directory.path(), "a");
    let mut process = Process::new(program, places, (ProcessLog::default(), &Limits::default()), reporter).unwrap();
    process.begin().await;
    let first = process.child.as_ref().unwrap().instance().clone();
    // Whoever looked would find this one, and take it for the server.
    let next = record::unwritten_after(&first.token);
    let mut other = Command::new("/bin/sleep").arg("1000").process_group(0).env(INSTANCE_VARIABLE, next).spawn().unwrap();
    rustix::process::kill_process(first.leader.pid().unwrap(), Signal::KILL).unwrap();
    let death = ended(process.child.as_ref()).await;
    process.mourn(death).await;

    process.restart().await.unwrap();

    let again = process.child.as_ref().unwrap().instance().clone();
    process.stop().await.unwrap();
    let lives = other.try_wait().unwrap().is_none();
    other.kill().unwrap();
    other.wait().unwrap();
    assert!(lives && again.leader.pid != RawPid::try_from(other.id()).unwrap(), "{again:?}");
}
