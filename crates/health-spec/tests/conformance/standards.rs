//! `docs/spec/quality-standards.md` lists the rules as they are.

use health_spec::conformance::RULES;

use crate::server::root;

#[test]
fn the_document_names_every_rule_as_it_is_judged() {
    let path = root().join("docs/spec/quality-standards.md");
    let text = std::fs::read_to_string(&path).expect("the document");
    let rows: Vec<_> = text.lines().filter(|line| line.starts_with("| HC-")).collect();
    let expected: Vec<_> = RULES
        .iter()
        .map(|rule| {
            format!("| {} | `{}` | {} | {} | {} |", rule.id, rule.name, rule.level.as_str(), rule.requirement, rule.reason)
        })
        .collect();
    assert_eq!(rows, expected, "the rows should be:\n{}\n", expected.join("\n"));
}
