//! A job that takes longer than whoever asked for it waits.

use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use zbus::message::Sequence;

use super::*;
use crate::machine::{EngineId, Input, ServerId, Word};
use crate::shell::runtime::reporter::Mouth;
use crate::shell::runtime::systemd::bus::Bus;
use crate::shell::runtime::systemd::listener::{Asked, Watched};
use crate::shell::runtime::systemd::status::{Look, Status};
use crate::shell::runtime::systemd::unit::Unit;

const JOB: &str = "/job/1";

fn status(active: &str, invocation: u8) -> Status {
    Status { active: active.to_owned(), result: "success".to_owned(), invocation: vec![invocation], ..Status::default() }
}

#[tokio::test]
async fn one_that_ends_after_it_was_given_up_is_no_start_of_somebody_else() {
    let (reports, mut told) = mpsc::channel(8);
    let (answer, mut answered) = oneshot::channel();
    let mut unit = Unit::new("a.service", "/a".to_owned(), Look { status: status("active", 1), as_of: Sequence::default() });
    unit.begin();
    unit.act();
    unit.acts_as(JOB);
    unit.changed(status("activating", 2));
    let asked = Some(Asked { answer, until: Instant::now(), ended: Vec::new() });
    let bus = Bus::new("unix:path=/nowhere");
    let mut listener = Listener {
        engine: EngineId::of_bus(bus.written()),
        bus,
        units: vec![Watched { server: ServerId(0), unit, asked }],
        mouth: Mouth::new(reports, CancellationToken::new()),
        requests: mpsc::channel(1).1,
    };

    listener.give_up().await;

    let said = answered.try_recv().unwrap().unwrap_err().to_string();
    assert!(
        said.starts_with("systemd has not ended the restart within") && said.contains("systemctl status a.service"),
        "{said}"
    );
    assert_eq!(listener.units[0].unit.changed(status("active", 2)), [], "its end is still to come");
    assert!(listener.units[0].unit.is_ours(JOB));
    listener.job_ended(0, "done").await;
    assert_eq!(told.try_recv(), Ok(Input::Reported(ServerId(0), Word::Running)));
    assert_eq!(listener.units[0].unit.changed(status("active", 3)), [Word::Started], "that is somebody else's");
}
