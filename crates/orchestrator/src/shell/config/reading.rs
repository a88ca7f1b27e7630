//! Reads text after text, then judges the form of what they say together.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::build::Builder;
use super::damage::{Damage, forget, repair};
use super::interpolate::Lookup;
use super::places::{Places, Spot};
use super::problem::Problem;
use super::shape::Shape;
use super::unknown::{Unknown, unknown};
use super::valueless::valueless;
use super::{Draft, LoadError, Loaded, Stamps, environment, in_order, located, overlay, syntax, violations, without_nulls};

/// What has been read so far.
pub(super) struct Reading<'a> {
    builder: Builder<'a>,
    lookup: Lookup<'a>,
    warnings: Vec<Problem>,
    damage: Damage,
    /// What is wrong with whole files; what it says is missing then.
    broken: Vec<Problem>,
}

impl<'a> Reading<'a> {
    pub(super) fn new(lookup: Lookup<'a>) -> Self {
        let builder = Builder::new(lookup);
        Self { builder, lookup, warnings: Vec::new(), damage: Damage::default(), broken: Vec::new() }
    }

    /// One more file, which must say something if it is the only one.
    pub(super) fn text(&mut self, path: &Path, text: &str, only: bool) {
        let source = self.builder.places.file(path, text);
        let (documents, faults) = syntax::parse(text, source);
        if documents.is_empty() && faults.is_empty() {
            self.empty(source, only);
        }
        for fault in faults {
            self.broken.push(self.builder.places.at(fault.spot, "", fault.message, fault.help));
        }
        for (at, document) in documents.into_iter().enumerate() {
            self.builder.add(document, source, at == 0);
        }
    }

    fn empty(&mut self, source: usize, only: bool) {
        let help = "start with `servers:` and a list of servers".to_owned();
        let problem = self.builder.places.at(Spot::start(source), "", "the file is empty".to_owned(), Some(help));
        if only { &mut self.broken } else { &mut self.warnings }.push(problem);
    }

    /// A file that cannot be read, among others that can.
    pub(super) fn unreadable(&mut self, path: &Path, error: &LoadError) {
        self.broken.push(Problem::of_file(path, crate::shell::causes::causes(error)));
    }

    /// Everything that was read, and everything that is wrong with its form.
    pub(super) fn finish(self, paths: &[PathBuf], mut watched: Vec<PathBuf>) -> Draft {
        let Self { builder, lookup, mut warnings, mut damage, mut broken } = self;
        let Builder { mut value, mut places, problems: gaps, twice, nothing, secrets, .. } = builder;
        // Among others it is odd. Where there are no others it may be a file that is being written: nobody is deregistered by one.
        let told = if value.get("servers").is_none_or(Value::is_null) { &mut broken } else { &mut warnings };
        told.extend(nothing.into_iter().map(|spot| no_list(&places, spot)));
        environment::overlay(&mut value, &mut places, lookup);
        let (value, schema) = (Value::Object(value), health_spec::schema::registry());
        let valueless = valueless(&value, Shape::new(&schema), &places);
        let unknown = unknown(&value, Shape::new(&schema), &places);
        let mut raw = without_nulls(value);
        let mut problems = violations(&raw, &schema, &places);
        // What could not be filled in has no type to be judged by.
        problems.retain(|problem| gaps.iter().all(|gap| gap.pointer != problem.pointer));
        problems.extend(gaps);
        damage.incomplete = !broken.is_empty() || problems.iter().any(|problem| problem.pointer.is_empty());
        let Unknown { errors, warnings: odd, meant } = unknown;
        let below_the_top = |problem: &&Problem| problem.pointer.rfind('/') > Some(0);
        let unsure = twice.iter().filter(below_the_top).map(|problem| problem.pointer.clone());
        let without = valueless.iter().map(|problem| problem.pointer.clone());
        meant.into_iter().chain(unsure).chain(without).for_each(|pointer| damage.at(pointer));
        forget(&mut raw, &errors, &mut damage);
        repair(&mut raw, &problems, &mut damage);
        problems.extend(errors.into_iter().chain(broken).chain(twice).chain(valueless));
        let issues = overlay::apply(&mut raw, &mut places);
        let file = serde_json::from_value(raw.clone());
        if let (Err(error), true) = (&file, problems.is_empty()) {
            problems.push(places.problem("", format!("it cannot be read: {error}"), None));
        }
        damage.unreadable = file.is_err();
        watched.extend(secrets);
        let warnings = in_order([warnings, odd].concat());
        let loaded = Loaded {
            file: file.unwrap_or_default(),
            raw,
            warnings,
            places,
            paths: paths.to_vec(),
            watched,
            stamps: Stamps::default(),
        };
        problems.extend(issues.into_iter().filter_map(|issue| damage.believed(issue)).map(|issue| located(&loaded, issue)));
        Draft { loaded, problems, damage }
    }
}

fn no_list(places: &Places, spot: Spot) -> Problem {
    let help = "write a list of servers behind it, or `servers: []` when none are meant".to_owned();
    places.at(spot, "/servers", "nothing stands behind `servers:`".to_owned(), Some(help))
}
