//! Everything that can happen in a small world, up to a bound: one contact, two steps, two workers,
//! every order of every call, with so many deviations (faults, duplicates, people's interventions)
//! as the bound allows. Where the simulator meets rare things by chance, this meets all of them.
//!
//! States that have been seen are not explored again, so the count is one of different states. What
//! a handler has heard is part of a state; its randomness follows from its work.
//!
//! Not lost by it: a call that no other handler can tell from having been made a little earlier or
//! later (a timer, a message put on a queue, the provider) is made at once; a crash between two
//! calls is a crash after the first.

mod handlers;
mod model;
mod moves;
mod plays;
mod ports;
mod world;

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};

pub use handlers::Ask;
pub use plays::{SCENES, Scene};

use crate::memory::StoreGuards;
use crate::sim::Violation;
use moves::Node;

/// What is explored.
#[derive(Debug, Clone)]
pub struct Bounds {
    pub scene: Scene,
    /// How many deviations a path may have.
    pub deviations: u8,
    pub store_guards: StoreGuards,
    /// 1 explores on the calling thread.
    pub threads: usize,
}

/// What was found.
#[derive(Debug, Clone, Default)]
pub struct Explored {
    /// Different states.
    pub states: u64,
    /// Moves made.
    pub moves: u64,
    /// States in which nothing happens by itself any more.
    pub ends: u64,
    /// Moves by kind.
    pub kinds: BTreeMap<&'static str, u64>,
    /// The promise that was broken, and the moves that led there.
    pub violation: Option<(Violation, Vec<String>)>,
}

const SHARDS: usize = 64;

/// The states that have been seen, each with the most deviations that were left in it.
struct Seen([Mutex<HashMap<u64, u8>>; SHARDS]);

impl Seen {
    /// Whether a state is new, or has been seen only with fewer deviations left.
    fn is_new(&self, digest: u64, left: u8) -> (bool, bool) {
        let mut shard = self.0[digest as usize % SHARDS].lock().unwrap_or_else(PoisonError::into_inner);
        match shard.get_mut(&digest) {
            None => {
                shard.insert(digest, left);
                (true, true)
            }
            Some(seen) if *seen < left => {
                *seen = left;
                (true, false)
            }
            Some(_) => (false, false),
        }
    }
}

struct Work {
    stack: Vec<Node>,
    /// Threads that may still add to the stack.
    busy: usize,
}

/// Explores everything within the bounds; stops at the first broken promise.
pub fn explore(bounds: &Bounds) -> Explored {
    let seen = Seen(std::array::from_fn(|_| Mutex::default()));
    let (states, moves) = (AtomicU64::new(0), AtomicU64::new(0));
    let root = Node::root(bounds);
    let work = (Mutex::new(Work { stack: vec![root], busy: 0 }), Condvar::new());
    let sum = Mutex::new(Explored::default());
    let stop = AtomicUsize::new(0);
    let explorer = || {
        let mut mine = Explored::default();
        while let Some(mut node) = next(&work, &stop) {
            // Depth first: whatever a thread finds it goes on with, and shares when others are idle.
            let mut stack = Vec::new();
            loop {
                if node.is_at_rest() {
                    mine.ends += 1;
                }
                for (kind, after) in node.next(&bounds.scene) {
                    moves.fetch_add(1, Ordering::Relaxed);
                    *mine.kinds.entry(kind).or_default() += 1;
                    let mut after = after;
                    if let Some(violation) = after.violation() {
                        mine.violation.get_or_insert((violation, after.story()));
                        stop.store(1, Ordering::Relaxed);
                        break;
                    }
                    let (explore, new) = seen.is_new(after.digest(), after.left);
                    states.fetch_add(u64::from(new), Ordering::Relaxed);
                    if explore {
                        stack.push(after);
                    }
                }
                if stop.load(Ordering::Relaxed) > 0 {
                    break;
                }
                share(&work, &mut stack, bounds.threads);
                match stack.pop() {
                    Some(next) => node = next,
                    None => break,
                }
            }
            let mut work_left = work.0.lock().unwrap_or_else(PoisonError::into_inner);
            work_left.busy -= 1;
            work.1.notify_all();
        }
        let mut sum = sum.lock().unwrap_or_else(PoisonError::into_inner);
        sum.ends += mine.ends;
        mine.kinds.into_iter().for_each(|(kind, n)| *sum.kinds.entry(kind).or_default() += n);
        sum.violation = sum.violation.take().or(mine.violation);
    };
    if bounds.threads <= 1 {
        explorer();
    } else {
        std::thread::scope(|scope| {
            (0..bounds.threads).for_each(|_| drop(scope.spawn(explorer)));
        });
    }
    let mut explored = sum.into_inner().unwrap_or_else(PoisonError::into_inner);
    explored.states = states.into_inner();
    explored.moves = moves.into_inner();
    explored
}

fn next(work: &(Mutex<Work>, Condvar), stop: &AtomicUsize) -> Option<Node> {
    let mut left = work.0.lock().unwrap_or_else(PoisonError::into_inner);
    loop {
        if stop.load(Ordering::Relaxed) > 0 {
            return None;
        }
        if let Some(node) = left.stack.pop() {
            left.busy += 1;
            return Some(node);
        }
        if left.busy == 0 {
            return None;
        }
        left = work.1.wait(left).unwrap_or_else(PoisonError::into_inner);
    }
}

/// Gives half of the oldest work away when the common stack is empty.
fn share(work: &(Mutex<Work>, Condvar), stack: &mut Vec<Node>, threads: usize) {
    if threads <= 1 || stack.len() < 8 {
        return;
    }
    let mut left = work.0.lock().unwrap_or_else(PoisonError::into_inner);
    if left.stack.is_empty() && left.busy < threads {
        let half = stack.len() / 2;
        left.stack.extend(stack.drain(..half));
        work.1.notify_all();
    }
}

/// The story of a path, shared with the paths that begin like it.
#[derive(Debug)]
struct Path {
    told: String,
    before: Option<Arc<Path>>,
}
