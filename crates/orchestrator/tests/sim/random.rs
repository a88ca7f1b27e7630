//! Random worlds. A failing one is printed as a configuration that `orchestrator simulate` replays.

use health_spec::config::{Becomes, Dies, File, OperatorDoes, RestartEffect, RestartResult, Scene, Seconds, Simulate};
use health_spec::registry::ServerEntry;
use orchestrator::sim::laws::Laws;
use orchestrator::sim::{Trace, World};
use proptest::prelude::*;
use std::time::Duration;

const SERVERS: [&str; 3] = ["a", "b", "c"];

fn becomes() -> impl Strategy<Value = Becomes> {
    prop_oneof![
        4 => Just(Becomes::Ok),
        1 => Just(Becomes::Degraded),
        1 => Just(Becomes::Overloaded),
        1 => Just(Becomes::NeedsAuth),
        1 => Just(Becomes::Down),
        1 => Just(Becomes::Refuse),
        2 => Just(Becomes::Hang),
    ]
}

fn operator() -> impl Strategy<Value = OperatorDoes> {
    prop_oneof![Just(OperatorDoes::Pause), Just(OperatorDoes::Resume), Just(OperatorDoes::Stop), Just(OperatorDoes::Start)]
}

fn restart() -> impl Strategy<Value = RestartEffect> {
    let result = prop_oneof![Just(RestartResult::Fixes), Just(RestartResult::NoEffect), Just(RestartResult::Error)];
    (result, 0u64..20)
        .prop_map(|(result, takes)| RestartEffect { result: Some(result), takes_seconds: Some(Seconds::new(takes)) })
}

fn scene() -> impl Strategy<Value = Scene> {
    let base = (0u64..3_000, 0..SERVERS.len()).prop_map(|(at, server)| Scene {
        at: Seconds(Duration::from_millis(at * 500)),
        server: SERVERS[server].to_owned(),
        becomes: None,
        dies: None,
        restart: None,
        operator: None,
    });
    prop_oneof![
        3 => (base.clone(), becomes()).prop_map(|(scene, it)| Scene { becomes: Some(it), ..scene }),
        2 => (base.clone(), 0i64..3).prop_map(|(scene, exit_code)| Scene { dies: Some(Dies { exit_code }), ..scene }),
        1 => (base.clone(), restart()).prop_map(|(scene, it)| Scene { restart: Some(it), ..scene }),
        1 => (base, operator()).prop_map(|(scene, it)| Scene { operator: Some(it), ..scene }),
    ]
}

fn file(script: Vec<Scene>) -> File {
    let server = |name: &&str| ServerEntry { name: (*name).to_owned(), ..ServerEntry::default() };
    let mut servers: Vec<_> = SERVERS.iter().map(server).collect();
    servers[1].depends_on = vec!["a".to_owned()];
    servers[2].recovery.on_exit_zero = Some(health_spec::config::OnExitZero::Stop);
    File { servers, simulate: Some(Simulate { duration_seconds: Seconds::new(2_000), script }), ..File::default() }
}

fn run(file: &File) -> Result<Trace, String> {
    let mut world = World::new(file).expect("the world is valid");
    let mut laws = Laws::default();
    let mut steps = 0;
    while world.advance() {
        laws.check(&world)?;
        steps += 1;
        if steps > 200_000 {
            return Err("the world does not settle".to_owned());
        }
    }
    Ok(world.run())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn the_laws_hold_in_every_world(script in prop::collection::vec(scene(), 0..25)) {
        let file = file(script);
        let outcome = run(&file);
        prop_assert!(outcome.is_ok(), "{:?}\n{}", outcome.err(), serde_json::to_string(&file).expect("serialises"));
    }

    #[test]
    fn the_same_world_has_the_same_trace(script in prop::collection::vec(scene(), 0..25)) {
        let file = file(script);
        prop_assert_eq!(run(&file), run(&file));
    }
}
