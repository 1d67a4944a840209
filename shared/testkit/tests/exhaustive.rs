//! Everything that can happen in the small worlds, and that a missing guard is found there.
//!
//! `RITMO_DEVIATIONS=3` goes deeper.

use domain::guards::Guard::{self, *};
use domain::guards::without;
use testkit::exhaustive::{Bounds, Explored, SCENES, Scene, explore};
use testkit::memory::StoreGuards;

fn bounds(scene: &Scene, deviations: u8, threads: usize) -> Bounds {
    Bounds { scene: *scene, deviations, store_guards: StoreGuards::default(), threads }
}

fn deviations() -> u8 {
    std::env::var("RITMO_DEVIATIONS").ok().and_then(|text| text.parse().ok()).unwrap_or(1)
}

fn told(found: &Explored) -> String {
    let Some((violation, story)) = &found.violation else { return String::new() };
    format!("{violation}\n  {}", story.join("\n  "))
}

#[test]
#[allow(clippy::print_stderr)]
fn promises_hold_in_every_order() {
    let deviations = deviations();
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    for scene in SCENES {
        let found = explore(&bounds(scene, deviations, threads));
        assert!(found.violation.is_none(), "{}: {}", scene.name, told(&found));
        eprintln!("{}: {} states, {} moves, {} ends", scene.name, found.states, found.moves, found.ends);
        let kinds = [
            "crash",
            "lost answer",
            "SDK retry",
            "throttle",
            "lost timer",
            "duplicate",
            "late failure",
            "refused",
            "no answer",
        ];
        let missing: Vec<_> = kinds.iter().filter(|kind| !found.kinds.contains_key(*kind)).collect();
        assert!(deviations == 0 || missing.is_empty(), "{}: never met: {missing:?}", scene.name);
    }
}

#[test]
fn the_same_world_has_the_same_states() {
    let one = explore(&bounds(&SCENES[0], 1, 1));
    let two = explore(&bounds(&SCENES[0], 1, 2));
    assert_eq!((one.states, one.violation), (two.states, two.violation));
    assert!(one.states > 1_000);
}

/// The protocol's own guards: the world that breaks without one, the deviations that it takes, and
/// what is switched off in the engine and in the store.
struct Row {
    name: &'static str,
    scene: &'static str,
    deviations: u8,
    off: &'static [Guard],
    store: fn(&mut StoreGuards),
}

const fn engine(name: &'static str, scene: &'static str, deviations: u8, off: &'static [Guard]) -> Row {
    Row { name, scene, deviations, off, store: |_| {} }
}

const fn store(name: &'static str, scene: &'static str, deviations: u8, store: fn(&mut StoreGuards)) -> Row {
    Row { name, scene, deviations, off: &[], store }
}

const ROWS: &[Row] = &[
    store("claim: generation", "dates", 1, |s| s.claim_ignores_generation = true),
    store("claim: own token", "control", 1, |s| s.claim_forgets_its_token = true),
    store("commit: revision", "control", 1, |s| s.commit_ignores_rev = true),
    store("insert: key absent", "control", 2, |s| s.insert_overwrites = true),
    Row {
        name: "claim: state, and generation of an end",
        scene: "ends",
        deviations: 1,
        off: &[EndBumps],
        store: |s| s.claim_ignores_state = true,
    },
    Row {
        name: "claim: state, and generation of a pause",
        scene: "control",
        deviations: 1,
        off: &[PauseBumps],
        store: |s| s.claim_ignores_state = true,
    },
    engine("lapse is unknown", "control", 1, &[LapseIsUnknown]),
    engine("silence is unknown", "control", 1, &[SilenceIsUnknown]),
    engine("pause intent", "control", 1, &[PauseIntent]),
    engine("end keeps lease", "ends", 1, &[EndKeepsLease]),
    engine("marks in plan", "ends", 1, &[MarksInPlan]),
    engine("mark first", "ends", 1, &[MarkFirst]),
    engine("claim again", "control", 1, &[ClaimAgain]),
    engine("possibly sent", "ends", 2, &[PossiblySent]),
    engine("settle rank", "ends", 2, &[SettleRank]),
    engine("reopen unclaimed", "ends", 1, &[ReopenUnclaimed]),
    engine("channel once", "channels", 1, &[ChannelOnce]),
    engine("migrate intent", "versions", 1, &[MigrateIntent]),
    engine("migrate bumps", "versions", 1, &[MigrateBumps]),
    engine("wish once", "control", 1, &[WishOnce]),
    engine("sweep", "control", 1, &[Sweep]),
];

#[test]
#[allow(clippy::print_stderr)]
fn a_missing_guard_is_found() {
    let only = std::env::var("RITMO_GUARD").ok();
    let wanted = |row: &&Row| only.as_ref().is_none_or(|name| name == row.name);
    let mut hidden = Vec::new();
    // Deeper ones take an optimised build.
    for row in ROWS.iter().filter(wanted).filter(|row| row.deviations <= deviations().max(1)) {
        let scene = Scene::named(row.scene).expect("a row names a scene");
        let mut bounds = bounds(scene, row.deviations, 1);
        (row.store)(&mut bounds.store_guards);
        let found = without(row.off, || explore(&bounds));
        match &found.violation {
            Some((violation, _)) => eprintln!("{}: after {} states: {violation}", row.name, found.states),
            None => hidden.push(row.name),
        }
    }
    assert!(hidden.is_empty(), "nothing breaks without: {hidden:?}");
}
