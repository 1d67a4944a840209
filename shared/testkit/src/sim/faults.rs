//! What may go wrong: which kinds, how often, and which of them a shrunk scenario leaves out.

use std::collections::{BTreeMap, BTreeSet};

use super::rng::Rng;

macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident = $per_mille:literal,)*) => {
        /// A kind of injected fault or action.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Fault { $($(#[$doc])* $kind,)* }

        impl Fault {
            pub const ALL: &'static [Fault] = &[$(Fault::$kind,)*];

            /// How often in a thousand chances.
            fn per_mille(self) -> u32 {
                match self { $(Fault::$kind => $per_mille,)* }
            }
        }
    };
}

kinds! {
    /// The handler dies before a port call has any effect.
    CrashBefore = 8,
    /// The handler dies after the effect, before it hears of it.
    CrashAfter = 8,
    /// The effect is done, the caller gets `PortError::Transient`.
    LostAnswer = 8,
    /// No effect, `PortError::Throttled`.
    Throttle = 10,
    /// The SDK hears nothing, and does the same call once more.
    SdkRetry = 20,
    /// Time passes while a call is under way.
    Delay = 150,
    /// So much of it that functions reach their time-out.
    LongDelay = 6,
    MessageTwice = 40,
    MessageLate = 60,
    /// The message was handled, but it is not deleted.
    DeleteLost = 40,
    TimerTwice = 60,
    TimerLate = 60,
    TimerEarly = 60,
    TimerNever = 60,
    ProviderThrottles = 60,
    ProviderFails = 60,
    ProviderTimesOutBefore = 40,
    ProviderTimesOutAfter = 50,
    ProviderRefusesRecipient = 25,
    ProviderRefusesMessage = 15,
    ProviderRefusesWindow = 60,
    ProviderRefusesSender = 6,
    ProviderRefusesOptedOut = 8,
    StatusNever = 120,
    StatusTwice = 120,
    StatusLate = 200,
    FailedLaterRecipient = 60,
    FailedLaterWindow = 250,
    /// `delivered` of a message that was reported as failed.
    DeliveredAfterFailed = 200,
    /// A person's webhook comes late.
    WebhookLate = 150,
    /// A client whose call failed does not try again.
    ClientGivesUp = 250,
    PersonReplies = 60,
    PersonStops = 10,
    PersonOptsOut = 20,
    PersonPays = 30,
    Unsubscribes = 10,
    Enrolls = 200,
    /// A reply or payment meets an enrollment that is being written.
    MeetsEnroll = 150,
    Triggers = 40,
    Pauses = 100,
    Resumes = 120,
    Skips = 60,
    SendsNow = 100,
    Exits = 25,
    MovesDate = 60,
    DisablesAccount = 10,
    EnablesAccount = 60,
    RestoresSender = 60,
    Publishes = 20,
    Migrates = 100,
    /// A handler gets its turn much more seldom than others.
    SlowHandler = 150,
    ProcessRestarts = 10,
    Redrives = 60,
    /// An index or a list answers as it was a while ago.
    StaleIndex = 120,
}

/// Decides on faults. Each decision to inject gets a number, by which a replay can leave it out.
#[derive(Debug, Clone)]
pub(super) struct Faults {
    seed: u64,
    rng: Rng,
    enabled: BTreeMap<Fault, u32>,
    without: BTreeSet<u32>,
    /// The number of the next injection: the event's, and which in it.
    next: u32,
    /// Nothing goes wrong any more: the run is to settle.
    pub calm: bool,
    pub counts: BTreeMap<Fault, u64>,
    /// The injections of this run, by number.
    pub injected: Vec<(u32, Fault)>,
}

impl Faults {
    /// Each seed switches some kinds off and makes others more frequent, so that rare ones meet.
    ///
    /// `slow`: functions outlive their time-outs, and are to.
    pub(super) fn new(seed: u64, without: &BTreeSet<u32>, slow: bool) -> Self {
        let mut rng = Rng::stream(seed, 2);
        let mut enabled = BTreeMap::new();
        for kind in Fault::ALL {
            // Whoever has opted out is out of the game: most seeds go without.
            let ends_all = matches!(kind, Fault::PersonStops | Fault::PersonOptsOut | Fault::Unsubscribes);
            let factors = if ends_all { [0, 0, 0, 1, 1, 3] } else { [0, 1, 1, 1, 2, 4] };
            let factor = factors[rng.below(6)];
            enabled.insert(*kind, (kind.per_mille() * factor).min(600));
        }
        if slow {
            enabled.insert(Fault::LongDelay, 500);
        }
        Self {
            seed,
            rng,
            enabled,
            without: without.clone(),
            next: 0,
            calm: false,
            counts: BTreeMap::new(),
            injected: Vec::new(),
        }
    }

    /// Each event has its own stream and its own numbers, so that leaving one injection out changes
    /// as little as possible of what follows.
    pub(super) fn event(&mut self, event: u64) {
        self.rng = Rng::stream(self.seed, (event << 8) | 2);
        self.next = (event as u32) << 5;
    }

    /// Whether this fault happens here.
    pub(super) fn hit(&mut self, kind: Fault) -> bool {
        if self.calm || !self.rng.chance(self.enabled[&kind]) {
            return false;
        }
        self.next += 1;
        let number = self.next;
        if self.without.contains(&number) {
            return false;
        }
        *self.counts.entry(kind).or_default() += 1;
        self.injected.push((number, kind));
        true
    }

    /// Sizes of faults come from the same stream as the faults.
    pub(super) fn between(&mut self, from: i64, to: i64) -> i64 {
        self.rng.between(from, to)
    }
}
