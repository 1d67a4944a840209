//! Enrollments and the due index.

use std::cmp::Reverse;

use domain::enrollment::{DaySlot, Enrollment, Lease, State};
use domain::ids::{ContactId, EnrollmentId, SequenceId, TenantId};
use domain::time::Timestamp;
use engine::model::Page;
use engine::ports::{Claim, DueEntry, EnrollmentFilter, Inserted, PortResult, Saved};

use super::tables::{EnrollmentWrite, Tables, Verb, due_shard, page};

/// Whether what stands there is our own write of `ours`, whose answer was lost. The sweep moves
/// `wake` and `swept` without a revision, so those may differ.
fn is_ours(ours: &Enrollment, stored: &Enrollment) -> bool {
    *stored == Enrollment { wake: stored.wake, swept: stored.swept, ..ours.clone() }
}

impl Tables {
    fn write(&mut self, verb: Verb, tenant: TenantId, after: Enrollment) {
        let before = self.enrollments.insert((tenant, after.id), after.clone());
        let entry =
            |e: &Enrollment| e.wake.map(|wake| (due_shard(e.id.contact), DueEntry { wake, tenant, enrollment: e.id }));
        if let Some(old) = before.as_ref().and_then(entry) {
            self.due.remove(&old);
        }
        self.due.extend(entry(&after));
        if let Some(watched) = &mut self.watched {
            watched.push(EnrollmentWrite { verb, tenant, before, after });
        }
    }

    pub fn insert_enrollment(&mut self, tenant: TenantId, e: &Enrollment) -> PortResult<Inserted<Enrollment>> {
        match self.enrollments.get(&(tenant, e.id)) {
            Some(old) if is_ours(e, old) => Ok(Inserted::Yes),
            Some(old) if !self.guards.insert_overwrites => Ok(Inserted::Exists(old.clone())),
            _ => {
                self.write(Verb::Insert, tenant, e.clone());
                Ok(Inserted::Yes)
            }
        }
    }

    pub fn enrollment(&mut self, tenant: TenantId, id: EnrollmentId) -> PortResult<Option<Enrollment>> {
        Ok(self.enrollments.get(&(tenant, id)).cloned())
    }

    pub fn claim(
        &mut self,
        tenant: TenantId,
        id: EnrollmentId,
        generation: u32,
        step: u32,
        lease: &Lease,
    ) -> PortResult<Claim> {
        let Some(old) = self.enrollments.get(&(tenant, id)).cloned() else { return Ok(Claim::Refused(None)) };
        let guards = self.guards;
        // The same condition as `may_claim`, in the parts that the test of the guards takes out.
        let free = (old.state == State::Waiting || guards.claim_ignores_state)
            && (old.generation == generation || guards.claim_ignores_generation)
            && (old.step == step || guards.claim_ignores_step);
        if guards == super::StoreGuards::default() {
            debug_assert_eq!(free, old.may_claim(generation, step));
        }
        if free {
            let claimed = old.claimed(lease.clone());
            self.write(Verb::Claim, tenant, claimed.clone());
            return Ok(Claim::Claimed(Box::new(claimed)));
        }
        let ours = old.lease.as_ref().is_some_and(|l| l.token == lease.token) && !guards.claim_forgets_its_token;
        Ok(if ours { Claim::Claimed(Box::new(old)) } else { Claim::Refused(Some(Box::new(old))) })
    }

    pub fn commit(
        &mut self,
        tenant: TenantId,
        e: &Enrollment,
        gives_back: Option<DaySlot>,
    ) -> PortResult<Saved<Enrollment>> {
        if let Some(slot) = gives_back.filter(|_| self.guards.gives_back_always) {
            self.give_back(slot);
        }
        let Some(old) = self.enrollments.get(&(tenant, e.id)) else { return Ok(Saved::No(None)) };
        if is_ours(e, old) && !self.guards.commit_forgets_its_write {
            return Ok(Saved::Yes);
        }
        if old.rev != e.rev.saturating_sub(1) && !self.guards.commit_ignores_rev {
            return Ok(Saved::No(Some(old.clone())));
        }
        self.write(Verb::Commit, tenant, e.clone());
        if let Some(slot) = gives_back.filter(|_| !self.guards.gives_back_always) {
            self.give_back(slot);
        }
        Ok(Saved::Yes)
    }

    pub fn push_back(&mut self, entry: DueEntry, generation: u32, wake: Timestamp, swept: u32) -> PortResult<bool> {
        let Some(old) = self.enrollments.get(&(entry.tenant, entry.enrollment)) else { return Ok(false) };
        let same = old.generation == generation;
        // Our own write, whose answer was lost.
        if same && old.wake == Some(wake) && old.swept == swept {
            return Ok(true);
        }
        let ours = (same && old.wake == Some(entry.wake)) || self.guards.push_back_unconditional;
        if !ours {
            return Ok(false);
        }
        let next = Enrollment { wake: Some(wake), swept, ..old.clone() };
        self.write(Verb::PushBack, entry.tenant, next);
        Ok(true)
    }

    pub fn due(&mut self, shard: u8, until: Timestamp, limit: u32) -> PortResult<Vec<DueEntry>> {
        let start = DueEntry {
            wake: Timestamp(i64::MIN),
            tenant: TenantId::from_bytes([0; 9]),
            enrollment: EnrollmentId {
                contact: ContactId::from_bytes([0; 12]),
                sequence: SequenceId::from_bytes([0; 8]),
                scope: [0; 8],
                run: 0,
            },
        };
        let of_shard = self.due.range((shard, start)..).take_while(|(s, entry)| *s == shard && entry.wake <= until);
        Ok(of_shard.take(limit.max(1) as usize).map(|(_, entry)| *entry).collect())
    }

    pub fn enrollments(
        &mut self,
        tenant: TenantId,
        filter: &EnrollmentFilter,
        cursor: Option<&str>,
        limit: u32,
    ) -> PortResult<Page<Enrollment>> {
        let passes = |e: &&Enrollment| {
            filter.sequence.is_none_or(|s| e.id.sequence == s)
                && filter.contact.is_none_or(|c| e.id.contact == c)
                && filter.coarse.is_none_or(|c| e.state.coarse() == c)
                // Without either, the lists of those sequences that there are.
                && (filter.sequence.is_some()
                    || filter.contact.is_some()
                    || self.sequences.contains_key(&(tenant, e.id.sequence)))
        };
        let all = self.enrollments.iter().filter(|((t, _), _)| *t == tenant).map(|(_, e)| e).filter(passes);
        let newest_first = all.map(|e| ((Reverse(e.entered.at), e.id), e)).collect();
        page(format!("enrollments/{tenant}/{filter:?}"), &newest_first, cursor, limit)
    }

    /// Every enrollment, for whoever checks them all.
    pub fn all_enrollments(&self) -> impl Iterator<Item = (TenantId, &Enrollment)> {
        self.enrollments.iter().map(|((tenant, _), e)| (*tenant, e))
    }

    /// The entry with the earliest `wake`.
    pub fn earliest_due(&self) -> Option<DueEntry> {
        self.due.iter().map(|(_, entry)| *entry).min()
    }

    /// Whether the due index has exactly this enrollment's `wake`.
    pub fn is_indexed(&self, tenant: TenantId, e: &Enrollment) -> bool {
        let mut of_it = self.due.iter().filter(|(_, d)| d.tenant == tenant && d.enrollment == e.id);
        of_it.next().map(|(_, d)| d.wake) == e.wake && of_it.next().is_none()
    }
}
