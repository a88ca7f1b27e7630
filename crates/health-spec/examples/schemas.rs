//! Writes the published schemas into the folder that is given: `cargo xtask schemas` runs it.

#[expect(clippy::expect_used, reason = "a tool for developers: any failure ends it with its cause")]
fn main() {
    let folder = std::env::args().nth(1).expect("usage: schemas FOLDER");
    for (name, schema) in health_spec::schema::all() {
        let mut text = serde_json::to_string_pretty(&schema).expect("schemas are JSON");
        text.push('\n');
        std::fs::write(std::path::Path::new(&folder).join(name), text).expect("the schema can be written");
    }
}
