//! What a server says of itself: its version and metadata, some of which is only known when it is asked.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use serde_json::{Map, Value};

use crate::evaluate::Identity;

/// Set while the server is built, read at each response.
#[derive(Clone, Debug)]
pub(crate) struct About {
    pub(crate) version: Option<String>,
    pub(crate) shows_version: bool,
    fixed: Map<String, Value>,
    lazy: Vec<(String, Lazy)>,
}

#[derive(Clone)]
struct Lazy(Arc<dyn Fn() -> Value + Send + Sync>);

impl About {
    pub(crate) fn new(name: String) -> Self {
        let fixed = Map::from_iter([("name".to_owned(), Value::String(name))]);
        Self { version: None, shows_version: true, fixed, lazy: Vec::new() }
    }

    pub(crate) fn set(&mut self, key: String, value: Value) {
        self.fixed.insert(free(key), value);
    }

    pub(crate) fn set_lazily(&mut self, key: String, value: impl Fn() -> Value + Send + Sync + 'static) {
        self.lazy.push((free(key), Lazy(Arc::new(value))));
    }

    /// Whether it may change from one response to the next.
    pub(crate) fn is_lazy(&self) -> bool {
        !self.lazy.is_empty()
    }

    /// As of now. A value whose closure panics is `null`: its key says that it exists, and nothing else breaks.
    pub(crate) fn identity(&self) -> Identity<'_> {
        let mut metadata = self.fixed.clone();
        for (key, Lazy(value)) in &self.lazy {
            metadata.insert(key.clone(), catch_unwind(AssertUnwindSafe(|| value())).unwrap_or(Value::Null));
        }
        Identity { version: self.version.as_deref().filter(|_| self.shows_version), metadata }
    }
}

/// The key, when it is not the one that a monitor reads as "shutting down".
fn free(key: String) -> String {
    assert!(key != "draining", "the metadata key `draining` is set by `Health::set_draining`");
    key
}

impl fmt::Debug for Lazy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Lazy(..)")
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn a_lazy_value_is_asked_for_each_time() {
        let mut about = About::new("a".into());
        let asked = AtomicUsize::new(0);
        about.set_lazily("asked".into(), move || asked.fetch_add(1, Ordering::Relaxed).into());
        for expected in 0..3 {
            assert_eq!(about.identity().metadata["asked"], expected);
        }
    }

    #[test]
    fn a_lazy_value_that_panics_is_null_and_the_others_stay() {
        let mut about = About::new("a".into());
        about.set_lazily("broken".into(), || panic!("no value"));
        about.set("region".into(), "eu".into());
        assert_eq!(Value::Object(about.identity().metadata), serde_json::json!({"broken": null, "name": "a", "region": "eu"}));
    }

    #[test]
    #[should_panic(expected = "`draining` is set by")]
    fn draining_is_not_for_the_author_to_claim() {
        About::new("a".into()).set("draining".into(), true.into());
    }
}
