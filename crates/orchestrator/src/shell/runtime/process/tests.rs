//! What people are told of an adoption.

use std::{fs::File, os::unix::process::CommandExt, process::Command, sync::Mutex, time::Duration};

use health_spec::registry::Runtime;
use rustix::process::RawPid;
use tokio_util::sync::CancellationToken;

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
