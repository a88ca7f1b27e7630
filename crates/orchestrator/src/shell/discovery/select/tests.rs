use super::super::container::{Details, Port};
use super::*;

/// A place in which containers come and go.
struct Yard {
    listings: BTreeMap<String, Vec<Container>>,
    known: BTreeMap<String, Known>,
    settings: Discovery,
    registry: Vec<(&'static str, &'static str)>,
    now: Instant,
}

impl Yard {
    fn new(containers: &[Container]) -> Self {
        let listings = BTreeMap::from([("local".to_owned(), containers.to_vec())]);
        Self { listings, known: BTreeMap::new(), settings: Discovery::default(), registry: Vec::new(), now: Instant::now() }
    }

    /// Judges, and remembers.
    fn select(&mut self) -> Selection {
        let engine = |name: &str| {
            let engine = json!({ "name": name, "kind": "docker", "address": "unix:///a.sock" });
            serde_json::from_value::<Engine>(engine).expect("an engine")
        };
        let mut engines = vec![engine("local")];
        engines.extend(self.listings.keys().filter(|name| *name != "local").map(|name| engine(name)));
        let ground = Ground {
            settings: &self.settings,
            engines: &engines,
            names: self.registry.iter().map(|(name, _)| *name).collect(),
            claims: self.registry.iter().map(|(name, container)| ("local", *container, *name)).collect(),
            judge: &|_| Vec::new(),
            grace: Duration::from_secs(10),
            now: self.now,
        };
        let selection = select(&self.listings, &self.known, &ground);
        self.known.clone_from(&selection.servers);
        selection
    }

    fn becomes(&mut self, containers: &[Container]) -> Selection {
        self.listings.insert("local".into(), containers.to_vec());
        self.select()
    }

    fn after(&mut self, seconds: u64) -> Selection {
        self.now += Duration::from_secs(seconds);
        self.select()
    }
}

fn container(name: &str, labels: &[(&str, &str)]) -> Container {
    let at = Some((None, 8082));
    let details = Details { has_run: true, runs: true, ports: vec![Port { inside: 80, published: at }], ..Details::default() };
    let labels = labels.iter().map(|(label, value)| ((*label).to_owned(), (*value).to_owned()));
    Container {
        engine: "local".into(),
        id: format!("id-of-{name}"),
        name: name.to_owned(),
        labels: labels.collect(),
        details: Some(details),
        ..Container::default()
    }
}

fn asking(name: &str, labels: &[(&str, &str)]) -> Container {
    container(name, &[&[(ENABLE, "true")], labels].concat())
}

fn service(project: &str, service: &str, id: &str, created: i64) -> Container {
    let labels = [("com.docker.compose.project", project), ("com.docker.compose.service", service)];
    Container { id: id.to_owned(), created, ..asking(&format!("{project}-{service}-1"), &labels) }
}

fn names(selection: &Selection) -> Vec<&str> {
    selection.servers.keys().map(String::as_str).collect()
}

#[test]
fn what_compose_has_run_for_one_command_is_left_alone() {
    let one_off = Container { name: "shop-api-run-1".to_owned(), ..service("shop", "api", "id2", 2) };
    let labels =
        [one_off.labels.clone(), [("com.docker.compose.oneoff".to_owned(), "True".to_owned())].into()].into_iter().flatten();
    let one_off = Container { labels: labels.collect(), ..one_off };
    let lasting = service("shop", "api", "id1", 1);
    let labels = lasting.labels.clone().into_iter().chain([("com.docker.compose.oneoff".to_owned(), "False".to_owned())]);
    let lasting = Container { labels: labels.collect(), ..lasting };
    let selection = Yard::new(&[lasting, one_off]).select();
    assert_eq!(names(&selection), ["api"]);
    assert_eq!(selection.servers["api"].id, "id1");
    let verdicts: Vec<_> = selection.findings.iter().map(|finding| (&finding.verdict, finding.why())).collect();
    assert_eq!(verdicts[1].0, &Verdict::OneOff);
    assert!(verdicts[1].1.contains("docker compose run"), "{}", verdicts[1].1);
}

#[test]
fn only_who_asks_is_watched() {
    let mut yard = Yard::new(&[
        asking("a", &[("mcp.health.interval", "5"), ("mcp.health.group", "g")]),
        container("heal", &[("autoheal", "true")]),
        container("off", &[(ENABLE, "false")]),
        container("unclear", &[(ENABLE, "yes")]),
        asking("typo", &[("mcp.health.intervall", "5")]),
    ]);
    let selection = yard.select();
    let expected = json!({
        "name": "a", "health_url": "http://127.0.0.1:8082/health", "group": "g", "health_check": { "interval_seconds": 5 },
        "runtime": { "kind": "docker", "container": "a", "engine": "local" }, "depends_on": [], "discovered": true,
    });
    assert_eq!((names(&selection), &selection.servers["a"].entry), (vec!["a"], &expected));
    let why: Vec<_> = selection.findings.iter().map(Finding::why).collect();
    assert_eq!(why[1], "no label mcp.health.enable=true");
    assert_eq!(why[2], "label mcp.health.enable=false");
    assert_eq!(why[3], "label mcp.health.enable=yes is neither true nor false; write mcp.health.enable=true");
    assert_eq!(why[4], "label mcp.health.intervall=5 is no label that we know; did you mean mcp.health.interval?");
}

#[test]
fn several_orchestrators_share_an_engine_by_labels() {
    let mut yard = Yard::new(&[asking("a", &[("team", "red")]), asking("b", &[("team", "blue")]), asking("c", &[])]);
    yard.settings.labels = BTreeMap::from([("team".to_owned(), "red".to_owned())]);
    let selection = yard.select();
    assert_eq!((names(&selection), &selection.findings[1].verdict), (vec!["a"], &Verdict::Elsewhere));
}

#[test]
fn the_registry_goes_first() {
    let mut yard = Yard::new(&[asking("a", &[]), asking("b", &[]), asking("other", &[("mcp.health.name", "mine")])]);
    yard.registry = vec![("mine", "a"), ("b", "elsewhere")];
    let selection = yard.select();
    assert!(selection.servers.is_empty());
    assert_eq!(selection.findings[0].verdict, Verdict::Registered("mine".into()));
    for finding in &selection.findings[1..] {
        assert!(finding.why().contains("is taken by the registry, which goes first"), "{}", finding.why());
    }
    yard.registry.clear();
    assert_eq!(names(&yard.select()), ["a", "b", "mine"]);
    yard.registry = vec![("b", "elsewhere")];
    assert_eq!(names(&yard.select()), ["a", "mine"]);
}

#[test]
fn one_that_was_removed_stays_for_a_grace_and_is_the_same_when_it_is_recreated() {
    let mut yard = Yard::new(&[asking("a", &[])]);
    let first = yard.select();
    assert_eq!(first.next, None);
    let gone = yard.becomes(&[]);
    assert_eq!((names(&gone), gone.next), (vec!["a"], Some(yard.now + Duration::from_secs(10))));
    yard.after(9);
    let again = Container { id: "another".into(), ..asking("a", &[]) };
    let back = yard.becomes(&[again]);
    assert_eq!((&back.servers["a"].entry, back.next), (&first.servers["a"].entry, None));
    yard.becomes(&[]);
    assert_eq!(names(&yard.after(9)), ["a"]);
    assert!(yard.after(1).servers.is_empty());
}

#[test]
fn who_comes_after_without_asking_is_let_go_at_once() {
    let mut yard = Yard::new(&[asking("a", &[])]);
    yard.select();
    let next = Container { id: "another".into(), ..container("a", &[]) };
    assert!(yard.becomes(&[next]).servers.is_empty());
}

#[test]
fn one_that_is_renamed_is_another_one() {
    let mut yard = Yard::new(&[asking("a", &[])]);
    yard.select();
    let renamed = Container { id: "id-of-a".into(), ..asking("b", &[]) };
    assert_eq!(names(&yard.becomes(&[renamed])), ["b"]);
}

#[test]
fn wrong_labels_change_nothing() {
    let mut yard = Yard::new(&[asking("a", &[])]);
    let before = yard.select().servers;
    let wrong = Container { id: "another".into(), ..asking("a", &[("mcp.health.interval", "soon")]) };
    let selection = yard.becomes(&[wrong]);
    assert!(matches!(selection.findings[0].verdict, Verdict::Wrong(_)));
    assert_eq!(selection.servers["a"].entry, before["a"].entry);
    assert_eq!(names(&yard.after(60)), ["a"]);
}

#[test]
fn one_that_never_ran_waits_and_one_that_is_stopped_stays_where_it_was() {
    let mut never = asking("a", &[]);
    never.details = Some(Details::default());
    let mut yard = Yard::new(&[never]);
    let selection = yard.select();
    assert!(selection.servers.is_empty() && matches!(selection.findings[0].verdict, Verdict::Later(_)));
    let before = yard.becomes(&[asking("a", &[])]).servers;
    let mut stopped = asking("a", &[]);
    stopped.details = Some(Details { has_run: true, ports: vec![Port { inside: 80, published: None }], ..Details::default() });
    assert_eq!(yard.becomes(&[stopped]).servers["a"].entry, before["a"].entry);
    assert_eq!(names(&yard.after(60)), ["a"]);
}

#[test]
fn an_engine_that_is_silent_keeps_its_servers() {
    let mut yard = Yard::new(&[asking("a", &[])]);
    yard.select();
    yard.listings.clear();
    assert_eq!(names(&yard.after(600)), ["a"]);
}

#[test]
fn compose_recreates_the_same_server() {
    let mut yard = Yard::new(&[service("shop", "web", "1", 1)]);
    let before = yard.select().servers;
    assert_eq!((before["web"].entry["group"].as_str(), before.len()), (Some("shop"), 1));
    // Compose creates the next one under a passing name, removes the old one, and renames.
    let next = Container { name: "1_shop-web-1".into(), ..service("shop", "web", "2", 2) };
    let new = Container { details: Some(Details::default()), ..next.clone() };
    assert_eq!(yard.becomes(&[service("shop", "web", "1", 1), new.clone()]).servers["web"].entry, before["web"].entry);
    assert_eq!(yard.becomes(&[new]).servers["web"].entry, before["web"].entry);
    let both = yard.becomes(&[service("shop", "web", "1", 1), service("shop", "web", "2", 2)]);
    assert_eq!((both.servers["web"].id.as_str(), &both.findings[0].verdict), ("2", &Verdict::Replaced));
}

#[test]
fn whoever_has_a_name_keeps_it_and_the_other_is_told() {
    let mut yard = Yard::new(&[service("shop", "web", "1", 5)]);
    yard.select();
    let selection = yard.becomes(&[service("blog", "web", "2", 1), service("shop", "web", "3", 9)]);
    assert_eq!(selection.servers["web"].id, "3");
    assert!(
        selection.findings[0].why().starts_with("the name `web` is taken by container shop-web-1;"),
        "{}",
        selection.findings[0].why()
    );
    yard.known.clear();
    assert_eq!(yard.select().servers["web"].id, "2", "nobody has it: the oldest");
}

/// It is `docker compose rm -sf web`, and `up -d` a little later, beside a container that wants the same name.
#[test]
fn a_name_waits_for_its_owner_as_long_as_that_may_come_back() {
    let stranger = asking("stranger", &[("mcp.health.name", "web")]);
    let mut yard = Yard::new(&[service("shop", "web", "1", 1)]);
    yard.select();
    yard.becomes(&[service("shop", "web", "1", 1), stranger.clone()]);
    let gone = yard.becomes(std::slice::from_ref(&stranger));
    assert_eq!((gone.servers["web"].id.as_str(), gone.next), ("1", Some(yard.now + Duration::from_secs(10))));
    let why = gone.findings[0].why();
    assert!(why.contains("`web` is taken by container shop-web-1, which was removed and may be created again"), "{why}");
    yard.after(9);
    let back = yard.becomes(&[service("shop", "web", "2", 2), stranger.clone()]);
    assert_eq!((back.servers["web"].id.as_str(), back.servers["web"].gone), ("2", None));

    yard.becomes(&[stranger]);
    assert_eq!(yard.after(9).servers["web"].id, "2");
    assert_eq!(yard.after(1).servers["web"].id, "id-of-stranger", "it was given up");
}

#[test]
fn a_name_waits_also_while_the_engine_of_its_owner_is_silent() {
    let mut yard = Yard::new(&[service("shop", "web", "1", 1)]);
    yard.select();
    let stranger = Container { engine: "other".into(), ..asking("stranger", &[("mcp.health.name", "web")]) };
    yard.listings = BTreeMap::from([("other".to_owned(), vec![stranger])]);
    let selection = yard.select();
    assert_eq!(selection.servers["web"].id, "1");
    let why = selection.findings[0].why();
    assert!(why.contains("`web` is taken by container shop-web-1 of engine local;"), "{why}");
}

#[test]
fn dependencies_are_on_what_is_watched_and_never_in_a_circle() {
    let depends = ("com.docker.compose.depends_on", "db:service_started:false,job:service_started:false");
    let mut web = service("shop", "web", "1", 1);
    web.labels.insert(depends.0.into(), depends.1.into());
    let mut yard = Yard::new(&[
        web,
        service("shop", "db", "2", 1),
        asking("a", &[("mcp.health.depends-on", "b,web,nobody,mine")]),
        asking("b", &[("mcp.health.depends-on", "a")]),
    ]);
    yard.registry = vec![("mine", "x")];
    let selection = yard.select();
    let of = |name: &str| selection.servers[name].entry["depends_on"].clone();
    assert_eq!((of("web"), of("a"), of("b")), (json!(["db"]), json!(["b", "mine", "web"]), json!([])));
    assert_eq!(
        selection.findings[2].why(),
        "label mcp.health.enable=true; it depends on `nobody`, which is not watched: left out"
    );
    assert!(selection.findings[3].why().contains("on `a` would be a cycle: left out"));
}

/// As a recreate of ours leaves them: the one that is kept, and its successor.
fn replaced(by: &str, labels: &[(&str, &str)]) -> (Container, Container) {
    let old = Container { name: "a-mcp-health-old-0123456789ab".into(), ..asking("a", labels) };
    let mut new = Container { id: by.to_owned(), created: 1, ..asking("a", labels) };
    new.labels.insert("mcp-health.recreates".into(), old.id.clone());
    (old, new)
}

#[test]
fn our_own_recreate_is_followed_and_what_it_keeps_is_no_server() {
    for labels in [&[][..], &[("mcp.health.name", "named")]] {
        let mut yard = Yard::new(&[asking("a", labels)]);
        let before = yard.select().servers;
        let (name, known) = before.first_key_value().expect("it is watched");
        let (old, new) = replaced("2", labels);
        let never_ran = Container { details: Some(Details::default()), ..new.clone() };
        let stays = |yard: &mut Yard, containers: &[Container], id: &str| {
            let selection = yard.becomes(containers);
            assert_eq!((names(&selection), selection.next), (vec![name.as_str()], None), "{containers:?}");
            assert_eq!((&selection.servers[name].entry, selection.servers[name].id.as_str()), (&known.entry, id));
            selection
        };
        stays(&mut yard, std::slice::from_ref(&old), &known.id);
        stays(&mut yard, &[old.clone(), never_ran], &known.id);
        let both = stays(&mut yard, &[old.clone(), new.clone()], "2");
        assert_eq!(both.findings[0].verdict, Verdict::Kept);
        // It does not help: the old one gets its name back.
        stays(&mut yard, &[old], "2");
        stays(&mut yard, &[asking("a", labels)], &known.id);
        stays(&mut yard, &[new], "2");
    }
}

#[test]
fn what_a_recreate_keeps_is_no_reason_to_watch_who_does_not_ask() {
    let mut yard = Yard::new(&[asking("a", &[])]);
    yard.select();
    let stranger = Container { id: "3".into(), ..container("a", &[]) };
    assert!(yard.becomes(&[replaced("2", &[]).0, stranger]).servers.is_empty());
}
