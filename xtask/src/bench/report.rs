//! Figures as a table for the terminal, Markdown for `docs/benchmarks.md`, or JSON.

use std::fs;
use std::time::Duration;

use serde_json::{Map, Value, json};

/// One table.
pub(super) struct Measurement {
    /// What was measured.
    pub(super) title: &'static str,
    /// Under which settings.
    pub(super) note: String,
    /// Above the columns.
    pub(super) columns: &'static [&'static str],
    /// Below them.
    pub(super) rows: Vec<Vec<Cell>>,
}

/// One field of a table.
pub(super) enum Cell {
    /// A word.
    Text(String),
    /// A count.
    Count(u64),
    /// In milliseconds.
    Time(Duration),
    /// In nanoseconds.
    Nanoseconds(f64),
    /// How many in a second.
    PerSecond(f64),
    /// In bytes, shown as MiB.
    Bytes(u64),
    /// How many times the baseline; `None` where the baseline is too small to be seen.
    Ratio(Option<f64>),
}

/// Everything that was measured.
pub(super) struct Report {
    machine: String,
    measurements: Vec<Measurement>,
    left_out: Vec<String>,
}

impl Report {
    /// An empty one.
    pub(super) fn of_this_machine() -> Self {
        Self { machine: machine(), measurements: Vec::new(), left_out: Vec::new() }
    }

    /// Adds a table.
    pub(super) fn add(&mut self, measurement: Measurement) {
        self.measurements.push(measurement);
    }

    /// Says what could not be measured, and why.
    pub(super) fn leave_out(&mut self, why: &str) {
        self.left_out.push(why.to_owned());
    }

    /// For programs.
    pub(super) fn json(&self) -> String {
        let tables = self.measurements.iter().map(Measurement::json).collect::<Vec<_>>();
        format!("{:#}", json!({"machine": self.machine, "measurements": tables, "not_measured": self.left_out}))
    }

    /// For people: the tables, then the same as Markdown.
    pub(super) fn text(&self) -> String {
        let all = |show: fn(&Measurement) -> String| self.measurements.iter().map(show).collect::<Vec<_>>().concat();
        let plain = all(|one| format!("\n{}\n{}\n{}", one.title, one.note, one.plain()));
        let markdown = all(|one| format!("\n## {}\n\n{}\n\n{}", one.title, one.note, one.markdown()));
        let left_out = self.left_out.iter().map(|why| format!("\nNot measured: {why}\n")).collect::<Vec<_>>().concat();
        let machine = &self.machine;
        format!("{machine}\n{plain}{left_out}\n--- for docs/benchmarks.md ---\n\nMeasured on {machine}.\n{markdown}{left_out}")
    }
}

impl Measurement {
    fn plain(&self) -> String {
        let rows = self.texts();
        let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or_default();
        let widths = (0..self.columns.len()).map(width).collect::<Vec<_>>();
        let line = |row: &Vec<String>| {
            let cells = row.iter().zip(&widths).enumerate();
            let cells =
                cells.map(|(at, (text, &width))| if at == 0 { format!("{text:<width$}") } else { format!("{text:>width$}") });
            format!("  {}\n", cells.collect::<Vec<_>>().join("  "))
        };
        rows.iter().map(line).collect()
    }

    fn markdown(&self) -> String {
        let line = |row: &Vec<String>| format!("| {} |\n", row.join(" | "));
        let rows = self.texts();
        let rule = format!("|{}\n", " --- |".repeat(self.columns.len()));
        rows[..1].iter().map(line).collect::<String>() + &rule + &rows[1..].iter().map(line).collect::<String>()
    }

    fn json(&self) -> Value {
        let row = |row: &Vec<Cell>| -> Map<String, Value> {
            self.columns.iter().zip(row).map(|(column, cell)| (format!("{column}{}", cell.unit()), cell.json())).collect()
        };
        json!({"title": self.title, "note": self.note, "rows": self.rows.iter().map(row).collect::<Vec<_>>()})
    }

    /// The head first.
    fn texts(&self) -> Vec<Vec<String>> {
        let head = self.columns.iter().map(|&column| column.to_owned()).collect();
        std::iter::once(head).chain(self.rows.iter().map(|row| row.iter().map(Cell::text).collect())).collect()
    }
}

impl Cell {
    fn text(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Count(count) => count.to_string(),
            Self::Time(time) => format!("{} ms", time.as_millis()),
            Self::Nanoseconds(time) => format!("{time:.0} ns"),
            Self::PerSecond(rate) => format!("{rate:.0} /s"),
            Self::Bytes(bytes) => format!("{:.1} MiB", mebibytes(*bytes)),
            Self::Ratio(ratio) => ratio.map_or_else(|| "-".to_owned(), |ratio| format!("{ratio:.2}")),
        }
    }

    /// What the JSON key says of the number.
    fn unit(&self) -> &'static str {
        match self {
            Self::Time(_) => " ms",
            Self::Nanoseconds(_) => " ns",
            Self::PerSecond(_) => " per second",
            Self::Bytes(_) => " bytes",
            Self::Text(_) | Self::Count(_) | Self::Ratio(_) => "",
        }
    }

    fn json(&self) -> Value {
        match self {
            Self::Text(text) => json!(text),
            Self::Count(count) | Self::Bytes(count) => json!(count),
            Self::Time(time) => json!(u64::try_from(time.as_millis()).unwrap_or(u64::MAX)),
            Self::Nanoseconds(figure) | Self::PerSecond(figure) => json!(figure),
            Self::Ratio(ratio) => json!(ratio),
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "shown with one decimal")]
fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

fn machine() -> String {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let read = |file: &str| fs::read_to_string(file).unwrap_or_default();
    let cpuinfo = read("/proc/cpuinfo");
    let model = cpuinfo.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':'));
    let model = model.map_or("an unnamed processor", |(_, name)| name.trim());
    format!("{cores} cores of {model}, Linux {}", read("/proc/sys/kernel/osrelease").trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measurement() -> Measurement {
        let rows = vec![vec![Cell::Text("a".into()), Cell::Time(Duration::from_millis(12)), Cell::Ratio(None)]];
        Measurement { title: "t", note: "n".into(), columns: &["what", "p50", "ratio"], rows }
    }

    #[test]
    fn a_table_has_a_head_and_the_same_figures_everywhere() {
        assert_eq!(measurement().plain(), "  what    p50  ratio\n  a     12 ms      -\n");
        assert_eq!(measurement().markdown(), "| what | p50 | ratio |\n| --- | --- | --- |\n| a | 12 ms | - |\n");
        assert_eq!(measurement().json()["rows"][0]["p50 ms"], 12);
    }
}
