//! `cargo xtask ci`: everything that must pass before a change lands, step by step.

use std::time::{Duration, Instant};

use clap::ValueEnum;

use crate::command;
use crate::outcome::{Failure, Outcome};
use crate::{schemas, test};

mod deny;
mod purity;

/// Which steps.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Leave a step out
    #[arg(long, value_name = "STEP")]
    except: Vec<Step>,
    /// Run only these
    #[arg(long, value_name = "STEP", conflicts_with = "except")]
    only: Vec<Step>,
    /// Go on after a failure
    #[arg(long)]
    keep_going: bool,
}

/// The steps, in their order: what fails fastest comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Step {
    /// Formatting
    Fmt,
    /// Lints, warnings are errors
    Clippy,
    /// Documentation, warnings are errors
    Docs,
    /// The pure core knows nothing of sockets and clocks; what others embed is small
    Purity,
    /// The published schemas are what the types say
    Schemas,
    /// Licences, bans and sources of what we depend on
    Deny,
    /// Every test
    Test,
}

/// The command.
pub(crate) fn run(options: &Options) -> Outcome {
    let steps = Step::value_variants().iter().copied().filter(|step| options.wants(*step));
    let mut report = Vec::new();
    for step in steps {
        eprintln!("\n== {} ==", step.name());
        let began = Instant::now();
        let outcome = step.run();
        if let Err(failure) = &outcome {
            eprintln!("xtask: {}: {}", step.name(), failure.message());
        }
        let failed = outcome.is_err();
        report.push((step, !failed, began.elapsed()));
        if failed && !options.keep_going {
            break;
        }
    }
    println!("\n{}", table(&report));
    match report.iter().filter(|(_, passed, _)| !passed).map(|(step, ..)| step.name()).collect::<Vec<_>>() {
        failed if failed.is_empty() => Ok(()),
        failed => Err(Failure::new(format!("failed: {}", failed.join(", ")))),
    }
}

impl Options {
    fn wants(&self, step: Step) -> bool {
        !self.except.contains(&step) && (self.only.is_empty() || self.only.contains(&step))
    }
}

impl Step {
    fn run(self) -> Outcome {
        match self {
            Self::Fmt => command::run(command::cargo().args(["fmt", "--all", "--check"])),
            Self::Clippy => {
                let words = ["clippy", "--workspace", "--all-targets", "--all-features", "--", "-D", "warnings"];
                command::run(command::cargo().args(words))
            }
            Self::Docs => {
                let mut cargo = command::cargo();
                cargo.args(["doc", "--workspace", "--no-deps", "--all-features"]);
                command::run(cargo.env("RUSTDOCFLAGS", "-Dwarnings"))
            }
            Self::Purity => purity::check(),
            Self::Schemas => schemas::check(),
            Self::Deny => deny::check(),
            Self::Test => test::run(&test::Options::everything()),
        }
    }

    fn name(self) -> String {
        self.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
    }
}

fn table(report: &[(Step, bool, Duration)]) -> String {
    let row = |(step, passed, time): &(Step, bool, Duration)| {
        let verdict = if *passed { "passed" } else { "FAILED" };
        format!("{:<8} {verdict} {:>6.1} s\n", step.name(), time.as_secs_f64())
    };
    report.iter().map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(except: &[Step], only: &[Step]) -> Vec<Step> {
        let options = Options { except: except.to_vec(), only: only.to_vec(), keep_going: false };
        Step::value_variants().iter().copied().filter(|step| options.wants(*step)).collect()
    }

    #[test]
    fn steps_can_be_left_out_and_picked() {
        assert_eq!(wanted(&[], &[]).len(), Step::value_variants().len());
        assert!(!wanted(&[Step::Test], &[]).contains(&Step::Test));
        assert_eq!(wanted(&[], &[Step::Deny, Step::Fmt]), [Step::Fmt, Step::Deny]);
    }
}
