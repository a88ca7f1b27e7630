//! What holds where an operator writes nothing (contract, section 2).

use super::{AddressBy, Budget, Engine, EngineKind, Mode, OnExitZero, Seconds, Strategy};

/// From the start of one check to the start of the next.
pub const INTERVAL: Seconds = Seconds::new(30);
/// One deadline over a whole check.
pub const TIMEOUT: Seconds = Seconds::new(5);
/// Failures in a row that make a server down.
pub const FAILURE_THRESHOLD: u32 = 3;
/// Good answers in a row that bring it back.
pub const SUCCESS_THRESHOLD: u32 = 3;
/// The pace while an answer is being confirmed; the interval if that is shorter.
pub const CONFIRM_INTERVAL: Seconds = Seconds::new(1);
/// Grace after a start.
pub const START_PERIOD: Seconds = Seconds::new(30);
/// The longest distance between checks of a server that was given up; the interval if that is longer.
pub const MAX_BACKOFF: Seconds = Seconds::new(120);
/// Whether anything is ever done; whether the event log is written.
pub const ENABLED: bool = true;
/// Decisions are carried out.
pub const MODE: Mode = Mode::Act;
/// What an attempt does.
pub const STRATEGY: Strategy = Strategy::Restart;
/// How long a hook may take.
pub const HOOK_TIMEOUT: Seconds = Seconds::new(30);
/// The method of a hook's request.
pub const HOOK_METHOD: &str = "POST";
/// The delays before attempts 1, 2 and 3.
pub const SCHEDULE: [Seconds; 3] = [Seconds::new(1), Seconds::new(5), Seconds::new(30)];
/// How many attempts an exponential backoff has.
pub const MAX_ATTEMPTS: u32 = 5;
/// The delay before attempt 1 of an exponential backoff.
pub const INITIAL_DELAY: Seconds = Seconds::new(1);
/// What each delay of an exponential backoff is multiplied by.
pub const MULTIPLIER: f64 = 2.0;
/// The longest delay of an exponential backoff.
pub const MAX_DELAY: Seconds = Seconds::new(300);
/// How long an attempt has to come back; the start period if that is longer.
pub const VERIFY_TIMEOUT: Seconds = Seconds::new(30);
/// Healthy this long: the attempt counter starts over.
pub const RESET_AFTER: Seconds = Seconds::new(600);
/// A limit that slow crash loops meet too.
pub const BUDGET: Budget = Budget { attempts: 10, window_seconds: Seconds::new(86_400) };
/// Exit code 0 is a death like any other.
pub const ON_EXIT_ZERO: OnExitZero = OnExitZero::Restart;
/// Whether a container that is not running when first seen is started.
pub const START_STOPPED: bool = false;
/// How many recoveries run at once: a storm of restarts is worse than a late one.
pub const MAX_CONCURRENT: u32 = 4;
/// Whether containers are watched because their labels ask for it.
pub const DISCOVERY: bool = false;
/// Where such a container is asked for its health.
pub const DISCOVERY_ADDRESS: AddressBy = AddressBy::Published;
/// How long one that was removed stays registered: `docker compose up` takes some seconds between removing and starting.
pub const DISCOVERY_GRACE: Seconds = Seconds::new(10);
/// The time zone of maintenance.
pub const TIME_ZONE: &str = "UTC";
/// How many events are kept, however old (contract, section 5).
pub const RETAINED_EVENTS: u32 = 100_000;
/// For how many days events are kept, however many (contract, section 5).
pub const RETAINED_EVENT_DAYS: u32 = 7;
/// For how many days uptime is kept: three of the longest windows that are asked for.
pub const RETAINED_UPTIME_DAYS: u32 = 400;
/// Where the orchestrator listens.
pub const LISTEN: &str = "127.0.0.1:8090";
/// Where the gateway listens, when it is asked for without an address.
pub const LISTEN_GATEWAY: &str = "127.0.0.1:8080";
/// Whether checks over HTTP carry `traceparent` and `X-Chora-Trace-Id`.
pub const TRACE_CONTEXT: bool = true;
/// The log file, in the state directory.
pub const JSONL_LOG: &str = "health-events.jsonl";

/// Docker and Podman, where they listen by themselves.
pub fn engines() -> Vec<Engine> {
    let engine = |name: &str, kind, address: &str| Engine { name: name.to_owned(), kind, address: address.to_owned(), tls: None };
    vec![
        engine("local", EngineKind::Docker, "unix:///var/run/docker.sock"),
        engine("podman", EngineKind::Podman, "unix:///run/podman/podman.sock"),
    ]
}
