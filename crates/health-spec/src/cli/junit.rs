//! A report for build servers: a test case a rule. A broken SHOULD is a failure in strict mode, else said in the output.

use std::time::Duration;

use health_spec::conformance::{Finding, Level, Outcome, Report};
use quick_junit::{NonSuccessKind, TestCase, TestCaseStatus, TestSuite};

pub(super) fn junit(report: &Report, strict: bool) -> Result<String, quick_junit::SerializeError> {
    let mut suite = TestSuite::new(report.url.as_str());
    suite.add_test_cases(report.findings.iter().map(|finding| case(finding, strict)));
    suite.set_time(Duration::from_millis(report.duration_ms));
    let mut whole = quick_junit::Report::new(format!("health-check v{}", report.spec_version));
    whole.add_test_suite(suite);
    whole.to_string()
}

fn case(finding: &Finding, strict: bool) -> TestCase {
    let failed = finding.result == Outcome::Broken && (strict || finding.level == Level::Must);
    let status = match finding.result {
        Outcome::NotJudged => {
            let mut skipped = TestCaseStatus::skipped();
            skipped.set_message(finding.evidence.as_str());
            skipped
        }
        _ if failed => {
            let mut broken = TestCaseStatus::non_success(NonSuccessKind::Failure);
            broken.set_message(finding.evidence.as_str()).set_type(finding.level.as_str());
            broken.set_description(format!("{}. {}", finding.requirement, finding.reason));
            broken
        }
        _ => TestCaseStatus::success(),
    };
    let mut case = TestCase::new(format!("{} {} {}", finding.id, finding.level.as_str(), finding.name), status);
    case.set_classname("health-check");
    let broken = if finding.result == Outcome::Broken { "broken: " } else { "" };
    case.set_system_out(format!("{broken}{}", finding.evidence));
    case
}
