//! What deciding costs: time a step, memory a server, a whole day. Prints one JSON object; `cargo xtask bench` shows it.
#![expect(clippy::disallowed_methods, reason = "a benchmark reads the clock")]

use std::time::{Duration, Instant};

use health_spec::config::File;
use health_spec::registry::ServerEntry;
use health_spec::{Outcome, Reason, Verdict};
use orchestrator::machine::fleet::{Beginning, Limits};
use orchestrator::machine::policy::{Policy, Purpose, compile};
use orchestrator::machine::{Effect, Fleet, Input, Mono, Ticket};
use orchestrator::sim::{Setting, World};
use peak_alloc::PeakAlloc;

#[global_allocator]
static ALLOCATED: PeakAlloc = PeakAlloc;

const MANY: usize = 10_000;
const DAY: Duration = Duration::from_secs(86_400);

fn main() {
    let bytes = bytes_per_server();
    let (p50, p999, worst) = steps();
    let day = a_day_of(1_000);
    let figures = serde_json::json!({
        "step": { "p50_ns": p50, "p999_ns": p999, "max_ns": worst },
        "bytes_per_server": bytes,
        "day_ns": u64::try_from(day.as_nanos()).unwrap_or(u64::MAX),
    });
    println!("{figures}");
}

fn policies(servers: usize) -> Vec<Policy> {
    let entry = |number| ServerEntry {
        name: format!("server-{number}"),
        health_url: Some(format!("http://127.0.0.1:{number}/health")),
        ..ServerEntry::default()
    };
    compile(&File { servers: (0..servers).map(entry).collect(), ..File::default() }, Purpose::Simulate).unwrap_or_default()
}

/// With its policy, its place among the deadlines and everything that it remembers.
fn bytes_per_server() -> usize {
    let before = ALLOCATED.current_usage();
    let mut stage = Stage::new(policies(MANY));
    stage.run(Mono(Duration::from_secs(600)), &mut |_| {});
    stage.answers = Vec::new();
    stage.later = std::collections::BTreeMap::new();
    (ALLOCATED.current_usage() - before) / MANY
}

fn steps() -> (u64, u64, u64) {
    let mut stage = Stage::new(policies(MANY));
    let mut times = Vec::with_capacity(4_000_000);
    stage.run(Mono(Duration::from_secs(1_200)), &mut |took| times.push(took));
    times.sort_unstable();
    let at = |permille: usize| times[(times.len() - 1) * permille / 1_000];
    (at(500), at(999), at(1_000))
}

fn a_day_of(servers: usize) -> Duration {
    let setting = Setting { limits: Limits::default(), spread: true, durable: false };
    let began = Instant::now();
    let mut world = World::of(policies(servers), vec![], Mono(DAY), setting);
    while world.advance() {}
    began.elapsed()
}

/// A fleet and its answers: one server in twenty hangs, and comes back when it is acted upon.
struct Stage {
    fleet: Fleet,
    answers: Vec<(Ticket, Duration)>,
    later: std::collections::BTreeMap<(Mono, u64), Input>,
    checks: u64,
}

impl Stage {
    fn new(policies: Vec<Policy>) -> Self {
        let beginning = Beginning { spread: true, ..Beginning::default() };
        let (fleet, _) = Fleet::new(policies, &beginning, Mono::default());
        Self { fleet, answers: Vec::new(), later: std::collections::BTreeMap::new(), checks: 0 }
    }

    fn run(&mut self, end: Mono, note: &mut impl FnMut(u64)) {
        loop {
            let (timer, later) = (self.fleet.deadline(), self.later.keys().next().copied());
            let (at, input) = match (timer, later) {
                (Some(timer), later) if later.is_none_or(|(at, _)| timer <= at) => (timer, Input::Woken),
                (_, Some(key)) => (key.0, self.later.remove(&key).unwrap_or(Input::Woken)),
                _ => return,
            };
            if at > end {
                return;
            }
            self.tell(at, input, note);
            while let Some((ticket, timeout)) = self.answers.pop() {
                self.answer(at, ticket, timeout, note);
            }
        }
    }

    fn answer(&mut self, at: Mono, ticket: Ticket, timeout: Duration, note: &mut impl FnMut(u64)) {
        self.checks += 1;
        let hangs = ticket.server.0.is_multiple_of(20) && at.0.as_secs() % 400 > 300;
        if hangs {
            let verdict = Verdict::failed(Reason::Timeout, "no answer");
            self.later.insert((at.after(timeout), self.checks), Input::Observed { ticket, verdict, took: timeout });
        } else {
            let verdict = Verdict::new(Outcome::Ok, None, None);
            self.tell(at, Input::Observed { ticket, verdict, took: Duration::from_millis(3) }, note);
        }
    }

    fn tell_later(&mut self, at: Mono, input: Input) {
        self.checks += 1;
        self.later.insert((at, self.checks), input);
    }

    fn tell(&mut self, at: Mono, input: Input, note: &mut impl FnMut(u64)) {
        let began = Instant::now();
        let effects = self.fleet.step(at, input);
        note(u64::try_from(began.elapsed().as_nanos()).unwrap_or(u64::MAX));
        for effect in effects {
            match effect {
                Effect::Publish(_) | Effect::Remember(_) | Effect::Abandon(_) | Effect::Settle { .. } => {}
                Effect::Probe { ticket, timeout } => self.answers.push((ticket, timeout)),
                Effect::Act { ticket, .. } => self.tell_later(at, Input::Touches { ticket }),
                Effect::Proceed(ticket) => {
                    self.tell_later(at.after(Duration::from_secs(1)), Input::Finished { ticket, result: Ok(()) });
                }
            }
        }
    }
}
