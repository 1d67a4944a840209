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

fn told(found: &Explored) -> String {
    let Some((violation, story)) = &found.violation else { return String::new() };
    format!("{violation}\n  {}", story.join("\n  "))
}

#[test]
#[allow(clippy::print_stderr)]
fn promises_hold_in_every_order() {
    let deviations = std::env::var("RITMO_DEVIATIONS").ok().and_then(|text| text.parse().ok()).unwrap_or(1);
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

/// The protocol's own guards, without which a small world breaks: (name, engine's, store's).
type Row = (&'static str, &'static [Guard], fn(&mut StoreGuards));

const ROWS: &[Row] = &[
    ("claim: generation", &[], |s| s.claim_ignores_generation = true),
    ("claim: own token", &[], |s| s.claim_forgets_its_token = true),
    ("commit: revision", &[], |s| s.commit_ignores_rev = true),
    ("insert: key absent", &[], |s| s.insert_overwrites = true),
    ("claim: state, and generation of an end", &[EndBumps], |s| s.claim_ignores_state = true),
    ("claim: state, and generation of a pause", &[PauseBumps], |s| s.claim_ignores_state = true),
    ("lapse is unknown", &[LapseIsUnknown], |_| {}),
    ("silence is unknown", &[SilenceIsUnknown], |_| {}),
    ("pause intent", &[PauseIntent], |_| {}),
    ("end keeps lease", &[EndKeepsLease], |_| {}),
    ("marks in plan", &[MarksInPlan], |_| {}),
    ("mark first", &[MarkFirst], |_| {}),
    ("claim again", &[ClaimAgain], |_| {}),
    ("possibly sent", &[PossiblySent], |_| {}),
    ("settle rank", &[SettleRank], |_| {}),
    ("reopen unclaimed", &[ReopenUnclaimed], |_| {}),
    ("wish once", &[WishOnce], |_| {}),
    ("sweep", &[Sweep], |_| {}),
];

/// The least number of deviations with which some world breaks.
fn caught(row: &Row, most: u8) -> Option<(u8, String)> {
    let (_, off, store) = row;
    (0..=most).find_map(|deviations| {
        SCENES.iter().find_map(|scene| {
            let mut bounds = bounds(scene, deviations, 1);
            store(&mut bounds.store_guards);
            let found = without(off, || explore(&bounds));
            found.violation.is_some().then(|| (deviations, told(&found)))
        })
    })
}

#[test]
#[allow(clippy::print_stderr)]
fn a_missing_guard_is_found() {
    let only = std::env::var("RITMO_GUARD").ok();
    for row in ROWS.iter().filter(|(name, ..)| only.as_ref().is_none_or(|wanted| wanted == name)) {
        let began = std::time::Instant::now();
        let found = caught(row, 3);
        let (deviations, story) = found.unwrap_or_else(|| panic!("nothing breaks without: {}", row.0));
        let first = story.lines().next().unwrap_or_default().to_owned();
        eprintln!("{}: {deviations} deviations, {:?}: {first}", row.0, began.elapsed());
    }
}
