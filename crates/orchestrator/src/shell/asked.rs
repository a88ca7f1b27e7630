//! Which file a thread waits for, so that whoever waits for the thread can name one that does not answer.
//!
//! A pipe that nobody writes into never does, and a disk in the network may not. Nobody is kept from waiting here.

use std::cell::RefCell;
use std::path::{Path, PathBuf};

use tokio::sync::watch;

/// The file that is waited for at this moment, if one is.
pub type Asked = watch::Receiver<Option<PathBuf>>;

thread_local! {
    /// Who is told of what this thread waits for.
    static TOLD: RefCell<Option<watch::Sender<Option<PathBuf>>>> = const { RefCell::new(None) };
}

/// Work that tells of the files that it waits for, wherever it is done.
pub fn telling<T>(work: impl FnOnce() -> T) -> (impl FnOnce() -> T, Asked) {
    let (tell, asked) = watch::channel(None);
    let telling = move || {
        let before = TOLD.replace(Some(tell));
        let done = work();
        TOLD.set(before);
        done
    };
    (telling, asked)
}

/// `work`, which waits for the file at `path`.
pub fn of<T>(path: &Path, work: impl FnOnce() -> T) -> T {
    tell(|| Some(path.to_owned()));
    let done = work();
    tell(|| None);
    done
}

fn tell(path: impl FnOnce() -> Option<PathBuf>) {
    TOLD.with_borrow(|told| told.as_ref().map(|told| told.send_replace(path())));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_named_while_it_is_waited_for_and_to_whoever_asked() {
        let (work, asked) = telling(|| {
            let told = || TOLD.with_borrow(|told| told.as_ref().and_then(|told| told.borrow().clone()));
            let inner = of("a".as_ref(), told);
            (inner, told())
        });
        of("b".as_ref(), || assert_eq!(*asked.borrow(), None));
        assert_eq!(work(), (Some("a".into()), None));
        assert!(TOLD.with_borrow(Option::is_none));
    }
}
