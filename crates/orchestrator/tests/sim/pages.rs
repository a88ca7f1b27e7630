//! Pages with generated blocks: what they show is what the simulator and the laws say today.
//!
//! `BLESS=1 cargo test -p orchestrator --no-default-features --features sim --test sim pages` writes them anew.

use std::path::{Path, PathBuf};

use orchestrator::sim::World;
use orchestrator::sim::chart::chart;
use orchestrator::sim::laws::LAWS;

/// Fits beside a page's margin.
const WIDTH: usize = 100;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

#[test]
fn how_it_decides_shows_what_the_simulator_plays() {
    let blocks = |name: &str| {
        let text = std::fs::read_to_string(root().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
        let trace = World::new(&serde_saphyr::from_str(&text).expect("a configuration")).expect("a valid world").run();
        format!("```text\n{}\n{}```\n", trace.table(), chart(&trace, WIDTH, false))
    };
    compare("docs/how-it-decides.md", &blocks);
}

#[test]
fn testing_lists_every_law() {
    let list = |_: &str| {
        let row = |law: &orchestrator::sim::laws::Law| format!("| {} | {} | {} |\n", law.name, law.says, law.guards);
        format!("| law | what must hold | guards |\n| --- | --- | --- |\n{}", LAWS.iter().map(row).collect::<String>())
    };
    compare("docs/testing.md", &list);
}

/// A block stands between `<!-- generated: NAME -->` and `<!-- end -->`.
fn compare(page: &str, block: &dyn Fn(&str) -> String) {
    let path = root().join(page);
    let found = std::fs::read_to_string(&path).expect("the page is there");
    let mut wanted = String::new();
    let mut rest = found.as_str();
    while let Some((before, after)) = rest.split_once("<!-- generated: ") {
        let (name, after) = after.split_once(" -->\n").expect("a marker ends");
        let (_, after) = after.split_once("<!-- end -->").expect("a block ends");
        wanted.extend([before, "<!-- generated: ", name, " -->\n", &block(name), "<!-- end -->"]);
        rest = after;
    }
    wanted += rest;
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&path, &wanted).expect("written");
    } else {
        assert!(wanted == found, "{page} should be:\n{wanted}");
    }
}
