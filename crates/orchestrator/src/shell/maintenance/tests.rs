//! Windows on an ordinary day, across the changes of the clock, and what is refused.

use super::*;

fn compiled(yaml: &str) -> (Maintenance, Vec<String>) {
    let file: File = serde_saphyr::from_str(yaml).expect("it reads");
    let mut issues = Vec::new();
    let maintenance = Maintenance::compile(&file, &mut issues);
    (maintenance, issues.into_iter().map(|issue| format!("{}: {}", issue.pointer, issue.message)).collect())
}

fn good(yaml: &str) -> Maintenance {
    let (maintenance, issues) = compiled(yaml);
    assert_eq!(issues, [""; 0]);
    maintenance
}

fn at(text: &str) -> Timestamp {
    text.parse().expect("a time")
}

fn held(now: bool, until: &str) -> Held {
    Held { now, until: Some(at(until)) }
}

const BERLIN: &str = "
servers: [{name: a}, {name: b}]
maintenance: [{cron: '30 2 * * *', duration: 1h, time_zone: Europe/Berlin, servers: [a]}]";

#[test]
fn an_ordinary_night() {
    let maintenance = good(BERLIN);
    let cases = [
        ("2025-01-10T00:00:00Z", held(false, "2025-01-10T01:30:00Z")),
        ("2025-01-10T01:29:59.999Z", held(false, "2025-01-10T01:30:00Z")),
        ("2025-01-10T01:30:00Z", held(true, "2025-01-10T02:30:00Z")),
        ("2025-01-10T02:29:59.999Z", held(true, "2025-01-10T02:30:00Z")),
        ("2025-01-10T02:30:00Z", held(false, "2025-01-11T01:30:00Z")),
    ];
    for (moment, expected) in cases {
        assert_eq!(maintenance.of("a", at(moment)), expected, "{moment}");
    }
    assert_eq!(maintenance.of("b", at("2025-01-10T02:00:00Z")), Held { now: false, until: None });
}

#[test]
fn a_start_that_the_clock_skips_happens_at_the_end_of_the_gap() {
    // On 2025-03-30 it is 01:59:59 and then 03:00:00 in Berlin.
    let maintenance = good(BERLIN);
    assert_eq!(maintenance.of("a", at("2025-03-30T00:59:59Z")), held(false, "2025-03-30T01:00:00Z"));
    assert_eq!(maintenance.of("a", at("2025-03-30T01:10:00Z")), held(true, "2025-03-30T02:00:00Z"));
    assert_eq!(maintenance.of("a", at("2025-03-30T02:00:00Z")), held(false, "2025-03-31T00:30:00Z"));
}

#[test]
fn a_start_that_the_clock_repeats_happens_once() {
    // On 2025-10-26 it is 02:30 twice in Berlin: at 00:30Z and at 01:30Z.
    let maintenance = good(BERLIN);
    assert_eq!(maintenance.of("a", at("2025-10-26T00:45:00Z")), held(true, "2025-10-26T01:30:00Z"));
    assert_eq!(maintenance.of("a", at("2025-10-26T01:45:00Z")), held(false, "2025-10-27T01:30:00Z"));
}

#[test]
fn a_window_lasts_as_long_as_it_lasts_whatever_the_clock_does() {
    let yaml = "
servers: [{name: a}]
maintenance: [{cron: '0 1 * * *', duration: 4h, time_zone: Europe/Berlin}]";
    let maintenance = good(yaml);
    assert_eq!(maintenance.of("a", at("2025-03-30T02:00:00Z")), held(true, "2025-03-30T04:00:00Z"));
    assert_eq!(maintenance.of("a", at("2025-10-26T00:00:00Z")), held(true, "2025-10-26T03:00:00Z"));
}

#[test]
fn windows_that_touch_are_one() {
    let yaml = "
servers: [{name: a}, {name: b}]
maintenance:
  - {cron: '0 3 * * *', duration: 1h}
  - {cron: '0 4 * * *', duration: 30m, servers: [a]}
  - {cron: '20 4 * * *', duration: 1h, servers: [a]}";
    let maintenance = good(yaml);
    assert_eq!(maintenance.of("a", at("2025-01-10T03:10:00Z")), held(true, "2025-01-10T05:20:00Z"));
    assert_eq!(maintenance.of("b", at("2025-01-10T03:10:00Z")), held(true, "2025-01-10T04:00:00Z"));
    assert_eq!(maintenance.of("b", at("2025-01-10T04:10:00Z")), held(false, "2025-01-11T03:00:00Z"));
}

#[test]
fn everything_that_is_wrong_is_said_at_once() {
    let (maintenance, issues) = compiled(
        "
servers: [{name: search}]
maintenance:
  - {cron: '0 25 * * *', duration: 1h, time_zone: Europe/Berln, servers: [serch]}
  - {cron: '0 0 30 2 *', duration: 1h}
  - {cron: '0 3 * * *', duration: 1d}
  - {cron: '0 3 * * *', duration: 0}
  - {cron: 'sundays', duration: 1h}",
    );
    assert!(maintenance.windows.is_empty());
    let places: Vec<_> = issues.iter().map(|issue| issue.split_once(": ").expect("a place").0).collect();
    let expected = [
        "/maintenance/0/servers/0",
        "/maintenance/0/time_zone",
        "/maintenance/0/cron",
        "/maintenance/1/cron",
        "/maintenance/2/duration",
        "/maintenance/3/duration",
        "/maintenance/4/cron",
    ];
    assert_eq!(places, expected, "{issues:#?}");
}

#[test]
fn nobody_is_in_maintenance_that_is_not_written() {
    assert_eq!(Maintenance::default().of("a", at("2025-01-10T00:00:00Z")), Held { now: false, until: None });
}

#[test]
fn a_cron_expression_has_five_fields_or_is_a_word() {
    for good in ["0 3 * * 0", " 0  3 * * sun ", "@daily", "@Weekly", "*/15 8-17 * * 1-5", "0 0 L * *"] {
        assert!(cron(good).is_ok(), "{good}");
    }
    let cases = [
        ("0 0 3 * * 0", "it has 6 fields, not five, and knows neither seconds nor years"),
        ("0 0 3 * * 0 2027", "it has 7 fields, not five, and knows neither seconds nor years"),
        ("* * * *", "it has 4 fields, not five"),
        ("", "it has 0 fields, not five"),
        ("sundays", "it has 1 field, not five"),
        ("@reboot", "there is no such word"),
        ("60 * * * *", "number out of bounds"),
    ];
    for (wrong, expected) in cases {
        assert_eq!(cron(wrong).err().as_deref(), Some(expected), "{wrong}");
    }
}

#[test]
fn zones_are_named_as_everywhere() {
    let named = |name: &str| {
        let text = format!("{{servers: [{{name: a}}], maintenance: [{{cron: '0 3 * * *', duration: 1h, time_zone: '{name}'}}]}}");
        compiled(&text).1
    };
    for good in ["UTC", "Europe/Berlin", "europe/berlin", "America/Argentina/Ushuaia"] {
        assert_eq!(named(good), [""; 0], "{good}");
    }
    for wrong in ["", "Berlin/Europe", "CEST", "+02:00", "/etc/passwd", "../UTC"] {
        assert_eq!(named(wrong), [format!("/maintenance/0/time_zone: there is no time zone `{wrong}`")], "{wrong}");
    }
}
