//! The dashboard in a real browser.

use crate::browser::Browser;
use crate::harness::{Gateway, Orchestrator, QUICK, free_port, sample, signal};

const ROW: &str = r#"document.querySelector('tr[data-server="calculator"]')"#;

/// The colours of everything in the row that has one, as the browser paints them.
const COLOURS: &str = "[...ROW.querySelectorAll('*')].flatMap(it => {
    const style = getComputedStyle(it);
    return [style.color, style.backgroundColor, style.boxShadow];
}).join(' ')";

/// The page of a gateway, marked so that a reload would be seen.
fn open(url: &str) -> Browser {
    let browser = Browser::open(url);
    wait_for_status(&browser, "ok");
    assert_eq!(browser.value("document.body.dataset.connection"), "live");
    browser.run("window.mark = 42");
    browser
}

fn wait_for_status(browser: &Browser, status: &str) {
    browser.wait_until(&format!("{ROW}?.dataset.status === '{status}'"));
}

fn assert_not_reloaded(browser: &Browser) {
    assert_eq!(browser.value("window.mark"), 42);
}

/// The computed value of one of the page's colours, where the row is.
fn colour(browser: &Browser, name: &str) -> String {
    let probe = format!(
        "(() => {{ const probe = document.createElement('i'); probe.style.color = 'var(--{name})'; \
         {ROW}.firstChild.append(probe); const colour = getComputedStyle(probe).color; probe.remove(); return colour; }})()"
    );
    browser.value(&probe).as_str().expect("a colour").to_owned()
}

fn row_has(browser: &Browser, colour: &str) -> bool {
    let colours = browser.value(&COLOURS.replace("ROW", ROW));
    colours.as_str().expect("colours").contains(colour)
}

#[test]
fn a_server_that_dies_becomes_red_and_green_again_without_a_reload() {
    let slow = QUICK.replace("[0.2, 0.4, 0.8]", "[2, 2, 2]");
    let orchestrator = Orchestrator::start_with(&format!("{slow}servers:\n{}", sample("calculator", free_port())));
    let browser = open(&orchestrator.gateway);
    let green = colour(&browser, "ok");
    assert!(row_has(&browser, &green));

    signal(orchestrator.pid_of("calculator"), "KILL");

    wait_for_status(&browser, "down");
    assert!(row_has(&browser, &colour(&browser, "down")) && !row_has(&browser, &green));
    browser.wait_until("document.title.includes('1 down')");
    wait_for_status(&browser, "ok");
    browser.wait_until("document.title === 'mcp-health'");
    assert!(row_has(&browser, &green));
    assert_not_reloaded(&browser);
}

#[test]
fn nothing_is_green_while_the_gateway_is_away() {
    let orchestrator = Orchestrator::start_alone(&sample("calculator", free_port()));
    let mut gateway = Gateway::start(&orchestrator.api);
    let browser = open(&gateway.url);
    let green = colour(&browser, "ok");
    assert!(row_has(&browser, &green));

    gateway.crash();

    browser.wait_until("document.body.dataset.connection === 'lost'");
    assert_eq!(browser.value("document.getElementById('lost').checkVisibility()"), true);
    let words = browser.value("document.getElementById('lost').innerText");
    let words = words.as_str().expect("words");
    assert!(words.starts_with("Connection lost, last seen ") && words.contains("What is shown may be out of date."), "{words}");
    assert!(!row_has(&browser, &green));
    assert!(browser.value("document.title").as_str().expect("a title").contains("connection lost"));

    let _gateway = gateway.start_again();

    browser.wait_until("document.body.dataset.connection === 'live'");
    wait_for_status(&browser, "ok");
    assert!(row_has(&browser, &green));
    assert_eq!(browser.value("document.getElementById('lost').checkVisibility()"), false);
    assert_not_reloaded(&browser);
}

#[test]
fn nothing_is_green_while_the_orchestrator_is_away() {
    let mut orchestrator = Orchestrator::start_alone(&sample("calculator", free_port()));
    let gateway = Gateway::start(&orchestrator.api);
    let browser = open(&gateway.url);
    let green = colour(&browser, "ok");

    orchestrator.crash();

    browser.wait_until(&format!("{ROW}.dataset.stale === 'true'"));
    browser.wait_until("document.getElementById('sources').innerText.includes('cannot be reached')");
    assert!(!row_has(&browser, &green));

    let _orchestrator = orchestrator.start_again();

    browser.wait_until(&format!("{ROW}.dataset.stale === 'false'"));
    assert!(row_has(&browser, &green));
    assert_not_reloaded(&browser);
}

/// What nobody looks at is not counted as well.
#[test]
fn what_is_stale_is_counted_as_stale() {
    let near = Orchestrator::start_alone(&sample("near", free_port()));
    let mut far = Orchestrator::start_alone(&sample("far", free_port()));
    let gateway = Gateway::start(&format!("{},{}", near.api, far.api));
    let browser = Browser::open(&gateway.url);
    let counted = |words: &str| format!("document.getElementById('counts').innerText.replace(/\\s+/g, ' ').includes('{words}')");
    let overall = "document.getElementById('overall')";
    browser.wait_until(&counted("2 ok"));
    let green = browser.value(&format!("getComputedStyle({overall}.querySelector('.pill')).color"));

    far.crash();

    browser.wait_until(&counted("1 ok"));
    browser.wait_until(&counted("1 stale"));
    browser.wait_until("document.title.includes('1 stale')");
    assert_eq!(browser.value(&format!("{overall}.innerText.includes('1 stale')")), true);
    assert_ne!(browser.value(&format!("getComputedStyle({overall}.querySelector('.pill')).color")), green);

    let _far = far.start_again();

    browser.wait_until(&counted("2 ok"));
    browser.wait_until("document.title === 'mcp-health'");
    assert_eq!(browser.value(&format!("getComputedStyle({overall}.querySelector('.pill')).color")), green);
}
