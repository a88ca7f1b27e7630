//! Half a daemon is worse than none: when a part of it panics or ends too early, all of it ends, loudly, and whoever started it
//! starts it again. The servers live on meanwhile, and the next start goes on where this one was.

use std::any::Any;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind};
use std::sync::{Arc, OnceLock};

use tokio_util::sync::CancellationToken;

thread_local! {
    /// What runs here may panic: its caller makes an error of that.
    static FORGIVING: Cell<bool> = const { Cell::new(false) };
}

/// Rung once; everybody who has it hears it.
#[derive(Clone, Debug, Default)]
pub struct Alarm {
    rung: CancellationToken,
    why: Arc<OnceLock<String>>,
}

impl Alarm {
    /// Only the first reason is kept: others follow from it.
    pub fn ring(&self, why: String) {
        let _ = self.why.set(why);
        self.rung.cancel();
    }

    /// Waits until it rings, and says why.
    pub async fn rung(&self) -> String {
        self.rung.cancelled().await;
        self.why().unwrap_or_default()
    }

    /// Why it has rung, if it has.
    pub fn why(&self) -> Option<String> {
        self.why.get().cloned()
    }

    /// Rings when anything in this process panics, in whichever task or thread.
    pub fn hear_panics(&self) {
        let (alarm, before) = (self.clone(), std::panic::take_hook());
        std::panic::set_hook(Box::new(move |panic| {
            before(panic);
            if !FORGIVING.get() {
                alarm.ring(told(panic));
            }
        }));
    }

    /// `task`, which has to run until `shutdown`: when it ends before, or panics, the alarm rings.
    pub fn watch<T: Future<Output = ()>>(
        &self,
        name: &'static str,
        shutdown: &CancellationToken,
        task: T,
    ) -> impl Future<Output = ()> + use<T> {
        let watched = Watched { alarm: self.clone(), name, shutdown: shutdown.clone() };
        async move {
            let _watched = watched;
            task.await;
        }
    }
}

/// What has been made by it, or what it said when it panicked. For code that reads what others write.
pub fn forgiving<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    let before = FORGIVING.replace(true);
    let done = catch_unwind(AssertUnwindSafe(work));
    FORGIVING.set(before);
    done.map_err(|panic| said(&*panic).to_owned())
}

/// Rings when it is dropped, unless that is in order.
struct Watched {
    alarm: Alarm,
    name: &'static str,
    shutdown: CancellationToken,
}

impl Drop for Watched {
    fn drop(&mut self) {
        if !self.shutdown.is_cancelled() {
            self.alarm.ring(format!("the {} has ended", self.name));
        }
    }
}

fn told(panic: &PanicHookInfo<'_>) -> String {
    let text = said(panic.payload());
    panic.location().map_or_else(|| text.to_owned(), |place| format!("{text} ({}:{})", place.file(), place.line()))
}

fn said(payload: &(dyn Any + Send)) -> &str {
    let text = payload.downcast_ref::<String>().map(String::as_str).or_else(|| payload.downcast_ref::<&str>().copied());
    text.unwrap_or("no reason given")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::timeout;
    use tokio_util::task::TaskTracker;

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(30);

    #[tokio::test]
    async fn a_task_that_ends_too_early_rings_and_one_that_was_to_end_does_not() {
        let (tasks, shutdown) = (TaskTracker::new(), CancellationToken::new());
        let alarm = Alarm::default();
        let (asked, until) = (shutdown.child_token(), shutdown.child_token());
        asked.cancel();
        tasks.spawn(alarm.watch("one that was to end", &asked, async {})).await.expect("no panic");
        assert_eq!(alarm.why(), None);
        tasks.spawn(alarm.watch("reloader", &until, async {}));
        let why = timeout(PATIENCE, alarm.rung()).await.expect("it rings");
        assert_eq!(why, "the reloader has ended");
        alarm.ring("later".to_owned());
        assert_eq!(alarm.why(), Some(why));
    }

    /// In a task, where nobody awaits its end; and in a thread.
    #[tokio::test]
    async fn a_panic_rings_wherever_it_is() {
        let alarm = Alarm::default();
        alarm.hear_panics();
        assert_eq!(forgiving(|| -> u8 { panic!("a strange file") }), Err("a strange file".to_owned()));
        assert_eq!(forgiving(|| 7), Ok(7));
        assert_eq!(alarm.why(), None, "an error was made of it");
        TaskTracker::new().spawn(async { panic!("a defect") });
        let why = timeout(PATIENCE, alarm.rung()).await.expect("it rings");
        assert!(why.starts_with("a defect (") && why.contains("alarm.rs:"), "{why}");

        let other = Alarm::default();
        other.hear_panics();
        let _ = std::thread::spawn(|| panic!("in a thread")).join();
        assert!(timeout(PATIENCE, other.rung()).await.expect("it rings").starts_with("in a thread"));
    }
}
