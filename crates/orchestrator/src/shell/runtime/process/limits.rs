//! How much is kept of each log, said once for all who keep it short: of a server that was let go and is registered again there are two.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use health_spec::registry::ProcessLog;

/// Of all logs, by their path.
#[derive(Debug, Default)]
pub struct Limits(Mutex<HashMap<PathBuf, Weak<Mutex<Kept>>>>);

/// Of one log. Its clones are the same one.
#[derive(Clone, Debug)]
pub struct Limit(Arc<Mutex<Kept>>);

/// How much of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kept {
    /// A larger file is put aside.
    pub max_bytes: u64,
    /// Older files beside it.
    pub files: u32,
}

impl From<ProcessLog> for Kept {
    fn from(kept: ProcessLog) -> Self {
        Self { max_bytes: u64::from(kept.max_mib.unwrap_or(8)) * 1024 * 1024, files: kept.files.unwrap_or(1) }
    }
}

impl Limits {
    /// Of the log at this path: as somebody has set it, or the default.
    pub fn of(&self, path: &Path) -> Limit {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|_, limit| limit.strong_count() > 0);
        let limit = all.get(path).and_then(Weak::upgrade).unwrap_or_else(|| Arc::new(Mutex::new(ProcessLog::default().into())));
        all.insert(path.to_owned(), Arc::downgrade(&limit));
        Limit(limit)
    }
}

impl Limit {
    /// From now on.
    pub fn set(&self, kept: Kept) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = kept;
    }

    /// As of now.
    pub fn kept(&self) -> Kept {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
