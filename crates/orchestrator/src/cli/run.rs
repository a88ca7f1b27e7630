//! `orchestrator run`.

use std::io::IsTerminal;
use std::net::{AddrParseError, SocketAddr};
use std::path::PathBuf;

use health_spec::config::defaults;
use orchestrator::shell::plan::Plan;
use orchestrator::shell::reload::Reading;
use orchestrator::shell::runtime::process::user;
use orchestrator::shell::serve::{Settings, serve};
use orchestrator::shell::store::Retention;
use orchestrator::shell::{plan, telemetry};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::args::{LogFormat, Run};
use super::patience::patiently;
use super::{End, Outcome, environment, misspelt_variables, note, variable, warn};

/// One thread drives, probes and serves; a second one makes each check dearer.
const THREADS: usize = 1;

pub(super) fn run(arguments: Run) -> Outcome {
    // Each thread has its own: before there is another one.
    user::keep_rights_to_ourselves()?;
    telemetry::start(match arguments.log_format {
        LogFormat::Text => telemetry::LogFormat::Text,
        LogFormat::Json => telemetry::LogFormat::Json,
    });
    warn(&misspelt_variables());
    let plan = patiently(|| plan::read(&arguments.registry, &variable, arguments.observe))?;
    warn(&plan.loaded.warnings);
    let settings = settings(arguments, &plan)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(THREADS).enable_all().build()?;
    let outcome = runtime.block_on(async {
        let shutdown = shutdown_on_signal()?;
        survive_the_file_size_limit()?;
        serve(plan, settings, shutdown, announce).await?;
        Ok(End::Fine)
    });
    // A name that is being resolved, or a disk that does not answer, keeps nobody waiting.
    runtime.shutdown_background();
    outcome
}

fn settings(arguments: Run, plan: &Plan) -> Result<Settings, Box<dyn std::error::Error>> {
    Ok(Settings {
        listen: arguments.listen.or(plan.listen).map_or_else(|| defaults::LISTEN.parse(), Ok)?,
        gateway: gateway(arguments.gateway, plan.gateway)?,
        state_directory: state_directory(arguments.state_dir)?,
        retention: Retention::of(&plan.retention),
        name: arguments.name.unwrap_or_else(host_name),
        operator_token_file: arguments.operator_token_file,
        record: arguments.record,
        insecure: arguments.insecure,
        trace_id: environment("CHORA_TRACE_ID"),
        reading: Reading { paths: arguments.registry, environment: variable, observe: arguments.observe },
    })
}

/// The flag's address, else the configuration's. The flag alone asks for one as well.
#[expect(clippy::option_option, reason = "absent, without a value, with one")]
fn gateway(flag: Option<Option<SocketAddr>>, written: Option<SocketAddr>) -> Result<Option<SocketAddr>, AddrParseError> {
    match flag {
        None => Ok(written),
        Some(flag) => flag.or(written).map_or_else(|| defaults::LISTEN_GATEWAY.parse(), Ok).map(Some),
    }
}

/// Where state is kept when nothing else is said (contract, section 6.2).
pub(super) fn state_directory(given: Option<PathBuf>) -> Result<PathBuf, Box<dyn std::error::Error>> {
    let named = given.or_else(|| environment("STATE_DIRECTORY").map(PathBuf::from));
    let xdg = || environment("XDG_STATE_HOME").map(|home| PathBuf::from(home).join("mcp-health"));
    let home = || environment("HOME").map(|home| PathBuf::from(home).join(".local/state/mcp-health"));
    let directory = named.or_else(xdg).or_else(home).ok_or("no place for the state: neither --state-dir nor HOME is set")?;
    // Children may have another working directory.
    Ok(std::path::absolute(directory)?)
}

fn host_name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

fn announce(listen: SocketAddr, gateway: Option<SocketAddr>) {
    match gateway {
        Some(gateway) => note(&format!("serving: dashboard http://{gateway}/ , orchestrator http://{listen}")),
        None => note(&format!("serving: orchestrator http://{listen}")),
    }
}

/// The first signal ends gracefully, the second at once.
fn shutdown_on_signal() -> std::io::Result<CancellationToken> {
    let shutdown = CancellationToken::new();
    let has_terminal = std::io::stderr().is_terminal();
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let mut hangup = signal(SignalKind::hangup())?;
    let token = shutdown.clone();
    spawn(async move {
        for order in ["stopping; once more stops at once", "stopped at once"] {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
                () = terminal_closed(&mut hangup, has_terminal) => {}
            }
            note(order);
            if token.is_cancelled() {
                std::process::exit(1);
            }
            token.cancel();
        }
    });
    Ok(shutdown)
}

/// A file that may not grow any more (`ulimit -f`) is to be refused like a full disk, not to end us.
fn survive_the_file_size_limit() -> std::io::Result<()> {
    // The handler stays when its listener is dropped.
    signal(SignalKind::from_raw(rustix::process::Signal::XFSZ.as_raw())).map(drop)
}

/// SIGHUP ends what ran in a terminal that has been closed. Otherwise it asks for the configuration to be read again.
async fn terminal_closed(hangup: &mut Signal, has_terminal: bool) {
    while hangup.recv().await.is_some() {
        if has_terminal && std::fs::File::open("/dev/tty").is_err() {
            return;
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "lives as long as the process")]
fn spawn(task: impl Future<Output = ()> + Send + 'static) {
    tokio::spawn(task);
}
