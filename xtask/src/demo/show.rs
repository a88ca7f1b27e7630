//! The demo while it runs: follows the events, breaks what is to be broken, and sums up.

use std::time::{Duration, Instant};

use super::Plan;
use super::line::Printer;
use super::stage::Stage;
use super::verdict::{self, Breaking, Progress, Track};
use crate::api::Client;
use crate::event::Log;
use crate::interrupt::Interrupt;
use crate::orchestrator::Orchestrator;
use crate::outcome::{Failure, Outcome};

/// How often the API is asked.
const PACE: Duration = Duration::from_millis(250);
/// How long the API may be deaf before the demo gives up.
const PATIENCE: Duration = Duration::from_secs(10);

/// One demo.
pub(crate) struct Show<'a> {
    stage: &'a Stage,
    client: Client,
    printer: Printer,
    log: Log,
    seq: u64,
    tracks: Vec<Track>,
    breaks: Vec<Breaking>,
    began: Instant,
    duration: Option<Duration>,
    all_up_at: Option<Instant>,
    heard_at: Instant,
}

impl<'a> Show<'a> {
    /// Begins now.
    pub(crate) fn new(stage: &'a Stage, plan: &Plan) -> Self {
        let breaks = plan.breaks.iter().map(|plan| Breaking { plan: plan.clone(), progress: Progress::Waiting });
        Self {
            stage,
            client: Client::new(Duration::from_secs(5)),
            printer: Printer::new(),
            log: Log::new(&stage.api_url()),
            seq: 0,
            tracks: stage.cast.iter().map(|member| Track::new(member.name)).collect(),
            breaks: breaks.collect(),
            began: Instant::now(),
            duration: plan.duration,
            all_up_at: None,
            heard_at: Instant::now(),
        }
    }

    /// Until its time is over or somebody wants the end.
    pub(crate) fn run(&mut self, orchestrator: &mut Orchestrator, interrupt: &Interrupt) -> Outcome {
        while self.duration.is_none_or(|duration| self.began.elapsed() < duration) {
            orchestrator.check_alive()?;
            self.look_patiently()?;
            self.note_when_all_are_up();
            self.break_what_is_due();
            if !interrupt.pause(PACE) {
                println!();
                break;
            }
        }
        orchestrator.check_alive()?;
        self.look_patiently()
    }

    /// The table and the verdict.
    pub(crate) fn sum_up(&self) -> Outcome {
        println!("\nAfter {} s\n{}", self.began.elapsed().as_secs(), verdict::table(&self.tracks));
        let mut complaints = verdict::complaints(&self.tracks, &self.breaks, Instant::now());
        if !self.client.answers(&self.stage.dashboard_url()) {
            complaints.push("the dashboard does not answer".to_owned());
        }
        if !complaints.is_empty() {
            return Err(Failure::new(format!("not as it should be: {}", complaints.join("; "))));
        }
        println!("All as it should be.");
        Ok(())
    }

    /// One deaf moment is no failure; many are.
    fn look_patiently(&mut self) -> Outcome {
        match self.look() {
            Ok(()) => self.heard_at = Instant::now(),
            Err(error) if self.heard_at.elapsed() > PATIENCE => return Err(Failure::new(error)),
            Err(_) => {}
        }
        Ok(())
    }

    fn look(&mut self) -> Result<(), String> {
        self.read_statuses()?;
        for event in self.log.read()? {
            self.seq = event.seq;
            for breaking in self.breaks.iter_mut().filter(|breaking| breaking.plan.server == event.server) {
                breaking.apply(&event);
            }
            let track = self.tracks.iter_mut().find(|track| track.name == event.server);
            self.printer.print(&event, track.as_ref().and_then(|track| track.death.as_deref()));
            if let Some(track) = track {
                track.apply(&event, Instant::now());
            }
        }
        Ok(())
    }

    fn read_statuses(&mut self) -> Result<(), String> {
        let snapshot = self.client.json(&format!("{}/servers", self.stage.api_url()))?;
        let servers = snapshot["servers"].as_array().ok_or("GET /servers: no `servers`")?;
        for track in &mut self.tracks {
            let view = servers.iter().find(|view| view["name"] == track.name);
            let status = view.and_then(|view| view["status"].as_str());
            track.status = status.unwrap_or("missing").to_owned();
        }
        Ok(())
    }

    fn note_when_all_are_up(&mut self) {
        if self.all_up_at.is_none() && self.tracks.iter().all(Track::is_up) {
            self.all_up_at = Some(Instant::now());
            println!("All five are up after {:.1} s.", self.began.elapsed().as_secs_f64());
        }
    }

    /// A server is broken only while it is up, and not again before it is back.
    fn break_what_is_due(&mut self) {
        let Some(all_up_at) = self.all_up_at else { return };
        let is_due = |breaking: &Breaking| breaking.progress == Progress::Waiting && all_up_at.elapsed() >= breaking.plan.after;
        let is_busy = |server: &str| self.breaks.iter().any(|other| other.plan.server == server && other.is_open());
        let is_up = |server: &str| self.tracks.iter().any(|track| track.name == server && track.is_up());
        let next = self.breaks.iter().position(|breaking| {
            let server = breaking.plan.server;
            is_due(breaking) && is_up(server) && !is_busy(server)
        });
        if let Some(next) = next {
            self.breaks[next].progress = self.break_now(next);
        }
    }

    fn break_now(&self, index: usize) -> Progress {
        let plan = &self.breaks[index].plan;
        let Some(member) = self.stage.cast.iter().find(|member| member.name == plan.server) else { return Progress::Waiting };
        println!("{}  {:<11} told to fail: {}", jiff::Zoned::now().strftime("%H:%M:%S"), plan.server, plan.how.as_str());
        let url = format!("http://{}/break/{}", member.address, plan.how.as_str());
        // Without an answer it was broken so thoroughly that it could not even say yes.
        match self.client.post(&url) {
            Some(status) if !(200..300).contains(&status) => Progress::Refused(status),
            _ => Progress::Broken { after_seq: self.seq },
        }
    }
}
