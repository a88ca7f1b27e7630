//! What is counted is what happened, in every resolution, also across restarts.

use proptest::prelude::*;

use super::*;

/// 2026-01-02T00:00:00Z.
const MIDNIGHT: u64 = 1_767_312_000;

fn at(seconds: f64) -> Steady {
    Steady::new(Duration::from_secs(MIDNIGHT).saturating_add(Duration::from_secs_f64(seconds)))
}

fn ledger(standing: Standing) -> Ledger {
    Ledger::new([], standing, at(0.0))
}

/// As the driver does: told once a minute.
fn pass(ledger: &mut Ledger, from: f64, to: f64) {
    pass_keeping(ledger, &Retention::default(), from, to);
}

fn pass_keeping(ledger: &mut Ledger, retention: &Retention, from: f64, to: f64) {
    let mut now = from;
    while now < to {
        now = (now + 60.0).min(to);
        ledger.count_up_to(at(now), retention);
    }
}

/// What a store would hold.
#[derive(Clone, Debug, Default)]
struct Disk(Vec<(Resolution, Run)>);

impl Disk {
    fn write(&mut self, ledger: &mut Ledger) {
        for Changes { resolution, first, rows } in ledger.changes() {
            let from = rows.first().map(|run| run.start);
            self.0.retain(|(of, run)| {
                let is_kept = first.is_some_and(|first| run.start >= first) && from.is_none_or(|from| run.start < from);
                *of != resolution || is_kept
            });
            self.0.extend(rows.into_iter().map(|run| (resolution, run)));
        }
        self.0.sort_by_key(|(resolution, run)| (*resolution, run.start));
        ledger.saved();
    }

    fn total(&self, resolution: Resolution) -> Tally {
        let mut total = Tally::default();
        for (_, run) in self.0.iter().filter(|(of, _)| *of == resolution) {
            total.add(run.each.times(run.pieces));
        }
        total
    }
}

#[test]
fn the_share_is_that_of_the_time_that_counts() {
    use Standing::{Down, Uncounted, Up};
    for (name, story, share) in [
        ("never known", vec![(Uncounted, 600.0)], None),
        ("always up", vec![(Up, 600.0)], Some(1.0)),
        ("a quarter down", vec![(Up, 450.0), (Down, 150.0)], Some(0.75)),
        ("stopped half of the time", vec![(Up, 300.0), (Uncounted, 600.0), (Down, 300.0)], Some(0.5)),
        ("less than a minute", vec![(Up, 3.0), (Down, 1.0)], Some(0.75)),
        ("always down", vec![(Down, 90.0)], Some(0.0)),
    ] {
        let mut ledger = ledger(Uncounted);
        let mut now = 0.0;
        for (standing, seconds) in story {
            ledger.turn(at(now), standing, &Retention::default());
            pass(&mut ledger, now, now + seconds);
            now += seconds;
        }
        let uptime = ledger.uptime();
        assert_eq!((uptime.day, uptime.week, uptime.month), (share, share, share), "{name}");
    }
}

#[test]
fn each_window_forgets_what_lies_before_it() {
    let mut ledger = ledger(Standing::Down);
    pass(&mut ledger, 0.0, 86_400.0);
    ledger.turn(at(86_400.0), Standing::Up, &Retention::default());
    pass(&mut ledger, 86_400.0, 2.0 * 86_400.0);
    let uptime = ledger.uptime();
    assert_eq!((uptime.day, uptime.week, uptime.month), (Some(1.0), Some(0.5), Some(0.5)));
    pass(&mut ledger, 2.0 * 86_400.0, 8.0 * 86_400.0);
    let uptime = ledger.uptime();
    assert_eq!((uptime.day, uptime.week, uptime.month), (Some(1.0), Some(1.0), Some(0.875)));
}

#[test]
fn time_in_which_nobody_looked_does_not_count() {
    let mut ledger = ledger(Standing::Up);
    pass(&mut ledger, 0.0, 60.0);
    // The machine was asleep for an hour.
    ledger.count_up_to(at(3_660.0), &Retention::default());
    ledger.turn(at(3_690.0), Standing::Down, &Retention::default());
    pass(&mut ledger, 3_690.0, 3_720.0);
    assert_eq!(ledger.uptime().day, Some(0.75));
}

#[test]
fn a_year_of_quiet_is_three_rows() {
    let mut ledger = ledger(Standing::Up);
    let mut disk = Disk::default();
    for day in 0..365 {
        pass(&mut ledger, f64::from(day) * 86_400.0, f64::from(day + 1) * 86_400.0);
        disk.write(&mut ledger);
    }
    assert_eq!(disk.0.len(), 3, "{disk:?}");
    let days = disk.0.last().expect("days").1;
    assert_eq!((days.start, days.pieces), (at(0.0), 365));
}

#[test]
fn what_is_older_than_its_retention_is_dropped() {
    let retention = Retention { minutes: Duration::from_secs(600), hours: Duration::from_secs(7_200), days: 2 * DAY };
    let mut ledger = Ledger::new([], Standing::Up, at(0.0));
    let mut disk = Disk::default();
    let mut now = 0.0;
    // Ups and downs, so that no two minutes are alike.
    for round in 0..1_000 {
        ledger.turn(at(now), if round % 2 == 0 { Standing::Up } else { Standing::Down }, &retention);
        let next = now + 400.0 + f64::from(round % 7);
        pass_keeping(&mut ledger, &retention, now, next);
        now = next;
        disk.write(&mut ledger);
    }
    let count = |resolution| disk.0.iter().filter(|(of, _)| *of == resolution).count();
    assert!(count(Resolution::Minute) <= 12 && count(Resolution::Hour) <= 4 && count(Resolution::Day) <= 4, "{disk:?}");
}

#[test]
fn a_piece_that_was_open_goes_on_after_a_restart() {
    let mut disk = Disk::default();
    let mut first = ledger(Standing::Up);
    pass(&mut first, 0.0, 30.0);
    disk.write(&mut first);
    let mut second = Ledger::new(disk.0.clone(), Standing::Down, at(40.0));
    pass(&mut second, 40.0, 60.0);
    disk.write(&mut second);
    let minute = disk.0.first().expect("a minute").1;
    assert_eq!((minute.start, minute.each.up_ms, minute.each.counted_ms), (at(0.0), 30_000, 50_000));
}

#[test]
fn rows_that_make_no_sense_are_left_out() {
    let each = |up: u64, counted: u64| Tally { up_ms: up * 1_000, counted_ms: counted * 1_000 };
    let minute = |seconds, pieces, each| (Resolution::Minute, Run { start: at(seconds), pieces, each });
    let kept = [
        minute(0.0, 2, each(60, 60)),
        minute(60.0, 1, each(0, 60)),
        minute(121.0, 1, each(0, 60)),
        minute(180.0, 0, each(0, 60)),
        minute(240.0, 1, each(0, 61)),
        minute(300.0, 1, each(60, 30)),
        minute(360.0, 1, each(0, 60)),
    ];
    let ledger = Ledger::new(kept, Standing::Uncounted, at(600.0));
    assert_eq!(ledger.uptime().day, Some(2.0 / 3.0));
}

/// What may happen to a server and its monitor, each after so many seconds.
#[derive(Clone, Copy, Debug)]
enum Turn {
    Is(Standing),
    Crash,
    /// An orchestrator that was away for long.
    Away,
}

fn turns() -> impl Strategy<Value = Vec<(f64, Turn)>> {
    let turn = prop_oneof![
        4 => Just(Turn::Is(Standing::Up)),
        4 => Just(Turn::Is(Standing::Down)),
        2 => Just(Turn::Is(Standing::Uncounted)),
        2 => Just(Turn::Crash),
        1 => Just(Turn::Away),
    ];
    prop::collection::vec(((0u32..9_000_000).prop_map(|ms| f64::from(ms) / 1_000.0), turn), 0..40)
}

proptest! {
    /// Invariant: every resolution holds the same time, no piece holds more than its length, and none is lost but what
    /// the last write before a crash did not have.
    #[test]
    fn all_resolutions_agree_and_nothing_is_counted_twice(turns in turns()) {
        let (mut ledger, mut disk) = (ledger(Standing::Up), Disk::default());
        let (mut now, mut standing) = (0.0, Standing::Up);
        let mut expected = Tally::default();
        for (seconds, turn) in turns {
            let span = at(now + seconds).since(at(now));
            pass(&mut ledger, now, now + seconds);
            now += seconds;
            expected.add(Tally::of(standing, span));
            if let Turn::Is(next) = turn {
                ledger.turn(at(now), next, &Retention::default());
                standing = next;
            }
            // A change of status is written with its event.
            disk.write(&mut ledger);
            if !matches!(turn, Turn::Is(_)) {
                if matches!(turn, Turn::Away) {
                    now += 100_000.0;
                }
                ledger = Ledger::new(disk.0.clone(), standing, at(now));
            }
            for resolution in [Resolution::Hour, Resolution::Day] {
                prop_assert_eq!(disk.total(resolution), expected, "{:?}", resolution);
            }
            for (resolution, run) in &disk.0 {
                prop_assert!(run.each.up_ms <= run.each.counted_ms && run.each.counted_ms <= milliseconds(resolution.length()));
                prop_assert_eq!(run.start, run.start.floor(*resolution));
            }
            let uptime = ledger.uptime();
            for share in [uptime.day, uptime.week, uptime.month].into_iter().flatten() {
                prop_assert!((0.0..=1.0).contains(&share));
            }
        }
    }

    /// Invariant: moments that go backwards or leap change nothing that was counted, and nothing panics.
    #[test]
    fn any_moments_are_safe(moments in prop::collection::vec((any::<u64>(), 0usize..3), 0..50)) {
        let mut ledger = ledger(Standing::Up);
        for (moment, standing) in moments {
            let standing = [Standing::Up, Standing::Down, Standing::Uncounted][standing];
            ledger.turn(Steady::new(Duration::from_millis(moment)), standing, &Retention::default());
            for Changes { resolution, rows, .. } in ledger.changes() {
                prop_assert!(rows.iter().all(|run| run.each.counted_ms <= milliseconds(resolution.length())));
            }
        }
    }
}
