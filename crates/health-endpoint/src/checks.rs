//! Checks that many servers need, each behind a feature of its own.

#[cfg(all(feature = "check-disk", unix))]
mod disk;
#[cfg(feature = "check-http")]
mod http;
#[cfg(all(feature = "check-memory", target_os = "linux"))]
mod memory;
#[cfg(feature = "check-tcp")]
mod tcp;

#[cfg(all(feature = "check-disk", unix))]
pub use disk::DiskSpace;
#[cfg(feature = "check-http")]
pub use http::{HttpUrl, UrlError};
#[cfg(all(feature = "check-memory", target_os = "linux"))]
pub use memory::MemoryLimit;
#[cfg(feature = "check-tcp")]
pub use tcp::TcpPort;

/// For people: `1.5 GiB`.
#[cfg(any(all(feature = "check-disk", unix), all(feature = "check-memory", target_os = "linux")))]
#[expect(clippy::cast_precision_loss, reason = "one digit behind the point is shown")]
fn bytes(number: u64) -> String {
    let steps = ["B", "KiB", "MiB", "GiB", "TiB"];
    let step = steps.iter().enumerate().rev().find(|(power, _)| number >> (10 * power) > 0).map_or(0, |(power, _)| power);
    match step {
        0 => format!("{number} B"),
        _ => format!("{:.1} {}", number as f64 / (1_u64 << (10 * step)) as f64, steps[step]),
    }
}

#[cfg(test)]
#[cfg(any(all(feature = "check-disk", unix), all(feature = "check-memory", target_os = "linux")))]
mod tests {
    #[test]
    fn sizes_are_for_people() {
        let cases = [(0, "0 B"), (1023, "1023 B"), (1536, "1.5 KiB"), (1 << 30, "1.0 GiB"), (1 << 50, "1024.0 TiB")];
        for (number, text) in cases {
            assert_eq!(super::bytes(number), text);
        }
    }
}
