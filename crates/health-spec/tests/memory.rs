//! What a hostile body may cost: a fixed amount of memory, whatever it says. A binary of its own, since it counts every
//! allocation of the process.

use health_spec::verdict::{Answer, History, classify};
use health_spec::{HealthResponse, MAX_BODY_BYTES, dialect};
use peak_alloc::PeakAlloc;

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// The most that reading the largest body may take: a tree of its smallest values, while its list grows.
const CAP: usize = 64 * MAX_BODY_BYTES;

#[test]
fn no_body_takes_more_memory_than_the_cap() {
    let v1 = |metadata: &str| {
        format!(r#"{{"status":"ok","timestamp":"2026-01-02T03:04:05Z","uptime_seconds":1,"metadata":{{"a":{metadata}}}}}"#)
    };
    let list = |item: &str, end: &str| {
        let items = item.repeat((MAX_BODY_BYTES - 200) / item.len());
        format!("[{items}{end}]")
    };
    let keys = (0..).map(|at: u32| format!("\"{at:x}\":0,")).take(6000).collect::<String>();
    let checks = (0..).map(|at: u32| format!("\"{at:x}\":\"up\",")).take(4000).collect::<String>();
    let bodies = [
        v1(&list("0,", "0")),
        v1(&list("[],", "[]")),
        v1(&list("{},", "{}")),
        v1(&format!("{{{keys}\"a\":0}}")),
        format!("{{{keys}\"status\":\"healthy\"}}"),
        format!("{{\"status\":\"healthy\",\"checks\":{{{checks}\"a\":\"up\"}}}}"),
        format!("{{\"status\":\"pass\",\"checks\":{{\"a\":{}}}}}", list("\"up\",", "\"up\"")),
        list("0,", "0"),
        "[".repeat(MAX_BODY_BYTES),
        " ".repeat(1 << 24),
        format!("{{\"status\":\"{}\"}}", "x".repeat(MAX_BODY_BYTES - 20)),
    ];
    for body in &bodies {
        MEMORY.reset_peak_usage();
        let before = MEMORY.current_usage();
        read_all_ways(body.as_bytes());
        let taken = MEMORY.peak_usage() - before;
        assert!(taken <= CAP, "{taken} bytes for {} bytes of {} ...", body.len(), &body[..60]);
    }
}

fn read_all_ways(body: &[u8]) {
    let _ = HealthResponse::parse(body);
    let _ = dialect::read(body);
    let answer = Answer {
        http_status: 200,
        content_type: Some("application/json"),
        challenged: false,
        date: None,
        retry_after: None,
        body,
    };
    let _ = classify(&answer, None, &History::default(), jiff::Timestamp::constant(1_767_323_045, 0));
}
