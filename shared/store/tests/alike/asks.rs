//! What is asked of both, at random.

use super::*;

impl Twins {
    /// A revision to write over `old`: mostly the next one.
    fn rev(&mut self, old: Option<u64>) -> u64 {
        let next = old.map_or(1, |old| old + 1);
        if self.rng.random_bool(0.7) { next } else { self.rng.random_range(0..next + 2) }
    }

    fn enrollment_id(&mut self) -> EnrollmentId {
        let (contact, sequence) = (self.contact(), self.sequence());
        EnrollmentId { contact, sequence, scope: [0xfb; 8], run: self.rng.random_range(1..3) }
    }

    fn lease(&mut self, generation: u32) -> Lease {
        Lease {
            token: format!("token {}", self.rng.random_range(0..4)),
            generation,
            claimed_at: NOW,
            expires_at: NOW.plus_seconds(90),
            sender: self.senders[0],
            channel: Channel::Whatsapp,
            form: MessageForm::Text,
            day: None,
            others: Default::default(),
            conversation: None,
            resolve_at: self.rng.random_bool(0.3).then_some(NOW),
            reported: None,
        }
    }

    fn state(&mut self) -> State {
        let finished = State::Finished(Outcome::Replied);
        let parked = State::Parked(ParkReason::SenderSuspended);
        self.one(&[State::Waiting, State::Waiting, State::Sending, State::Paused, parked, finished])
    }

    /// What may come after an enrollment, sensible or not.
    fn changed(&mut self, e: &Enrollment) -> Enrollment {
        let mut next = e.clone();
        next.rev = self.rev(Some(e.rev));
        next.generation += self.rng.random_range(0..2);
        next.state = if self.rng.random_bool(0.4) { State::Waiting } else { self.state() };
        next.step = self.rng.random_range(0..3);
        next.due = self.rng.random_bool(0.7).then(|| self.instant());
        next.wake = self.rng.random_bool(0.7).then(|| self.instant());
        next.lease = self.rng.random_bool(0.3).then(|| self.lease(e.generation));
        next.swept = self.rng.random_range(0..3);
        next.body.send_now = self.rng.random();
        next.body.migrate_to = self.rng.random_bool(0.2).then_some(2);
        if self.rng.random_bool(0.3) {
            let happening = Happening { at: self.instant(), code: HappeningCode::Paused, step: Some(1), detail: None };
            next.body.happenings.push(happening);
        }
        next
    }

    pub(super) async fn about_enrollments(&mut self) {
        let (tenant, id) = (self.tenant(), self.enrollment_id());
        let stored = self.fake.enrollment(tenant, id).await.unwrap();
        match self.rng.random_range(0..10) {
            0 | 1 => {
                let fresh = enrollment(id);
                let mut new = if self.rng.random() { fresh } else { self.changed(&fresh) };
                new.rev = 1;
                drop(both_write!(self.insert_enrollment(tenant, &new)));
                self.written.push(new);
            }
            2 | 3 => {
                let current = stored.unwrap_or_else(|| enrollment(id));
                let generation = current.generation.saturating_sub(u32::from(self.rng.random_bool(0.2)));
                let step = if self.rng.random_bool(0.8) { current.step } else { current.step + 1 };
                let lease = self.lease(generation + 1);
                drop(both_write!(self.claim(tenant, id, generation, step, &lease)));
            }
            4..7 => {
                let current = stored.unwrap_or_else(|| enrollment(id));
                let next = self.changed(&current);
                let slot = self.rng.random_bool(0.3).then(|| self.day_slot());
                drop(both_write!(self.commit(tenant, &next, slot)));
                self.written.push(next);
            }
            7 => {
                let Some(late) = self.written.choose(&mut self.rng).cloned() else { return };
                if self.rng.random_bool(0.7) {
                    drop(both!(self.commit(tenant, &late, None::<DaySlot>)));
                } else {
                    drop(both!(self.insert_enrollment(tenant, &late)));
                }
            }
            8 => {
                let there = stored.as_ref().and_then(|e| e.wake);
                let wake = there.filter(|_| self.rng.random_bool(0.8)).unwrap_or_else(|| self.instant());
                let generation = stored.as_ref().map_or(1, |e| e.generation) + u32::from(self.rng.random_bool(0.2));
                let entry = DueEntry { wake, tenant, enrollment: id };
                let (to, swept) = (self.instant(), self.rng.random_range(0..3));
                drop(both_write!(self.push_back(entry, generation, to, swept)));
                // Whoever wrote what was pushed back asks again.
                if let Some(before) = stored {
                    drop(both!(self.commit(tenant, &before, None::<DaySlot>)));
                    drop(both!(self.insert_enrollment(tenant, &before)));
                }
            }
            _ => self.lists().await,
        }
    }

    fn day_slot(&mut self) -> DaySlot {
        let (sender, day) = (self.senders[0], self.rng.random_range(16..19));
        DaySlot { sender, day: NaiveDate::from_ymd_opt(2026, 11, day).unwrap() }
    }

    /// Taking is never repeated as it is: a repeat takes another.
    pub(super) async fn about_days(&mut self) {
        let (slot, allowance) = (self.day_slot(), self.rng.random_range(1..6));
        drop(both!(self.take_day(slot, allowance)));
        if self.rng.random_bool(0.2) {
            drop(both!(self.first_day(slot.sender, slot.day)));
        }
    }

    /// Every index, by a filter or two.
    async fn lists(&mut self) {
        let until = self.instant();
        for shard in self.shards() {
            drop(both!(self.due(shard, until, 100)));
        }
        let tenant = self.tenant();
        let filter = EnrollmentFilter {
            sequence: self.rng.random_bool(0.5).then(|| self.sequence()),
            coarse: self.rng.random_bool(0.5).then(|| self.one(&["active", "paused", "parked", "finished"])),
            contact: self.rng.random_bool(0.4).then(|| self.contact()),
        };
        let limit = self.rng.random_range(1..5);
        both_walk!(self.enrollments(tenant, &filter), limit);
    }

    /// Where the contacts' runs are due.
    fn shards(&self) -> BTreeSet<u8> {
        self.contacts.iter().map(|contact| testkit::memory::due_shard(*contact)).collect()
    }

    fn identities(&mut self) -> Vec<Identity> {
        let all = [
            Identity::Phone("+5511987654321".into()),
            Identity::WaId("5511987654321".into()),
            Identity::Email("ana@example.com".into()),
            Identity::External("5511987654321".into()),
        ];
        let some = self.rng.random_range(0..4);
        (0..some).map(|_| all.choose(&mut self.rng).unwrap().clone()).collect()
    }

    pub(super) async fn about_contacts(&mut self) {
        let (tenant, id) = (self.tenant(), self.contact());
        match self.rng.random_range(0..8) {
            0..4 => {
                let old = self.fake.contact(tenant, id).await.unwrap();
                let rev = self.rev(old.as_ref().map(|c| c.rev));
                let created = NOW.plus_seconds(i64::from(id.as_bytes()[0]));
                let mut contact = old.unwrap_or_else(|| Contact::new(id, Profile::default(), created));
                contact.rev = rev;
                contact.profile.first_name = Some(self.one(&["Ana", "Bia"]).into());
                let (gained, lost) = (self.identities(), self.identities());
                drop(both_write!(self.save_contact(tenant, &contact, &gained, &lost)));
            }
            4 => {
                let old = self.fake.person(tenant, id).await.unwrap();
                let kept = old.and_then(|p| p.conversation("42#a").cloned());
                let mut conversation = Conversation::new(self.one(&["42#a", "7"]));
                conversation.rev = self.rev(kept.map(|c| c.rev));
                conversation.channel = self.rng.random_bool(0.5).then_some(Channel::Whatsapp);
                conversation.attributes = [("n".to_owned(), json!(self.rng.random_range(0..2)))].into();
                drop(both_write!(self.save_conversation(tenant, id, &conversation)));
            }
            5 => {
                let old = self.fake.person(tenant, id).await.unwrap();
                let (kind, name) = (self.one(&[TargetKind::Deal, TargetKind::Charge]), self.one(&["1", "1#2"]));
                let kept = old.and_then(|p| p.targets.into_iter().find(|t| t.kind == kind && t.id == name));
                let target = Target {
                    kind,
                    id: name.into(),
                    rev: self.rev(kept.map(|t| t.rev)),
                    attributes: [("amount".to_owned(), json!(self.rng.random::<f64>()))].into(),
                    changed_at: None,
                    marks: Default::default(),
                };
                drop(both_write!(self.save_target(tenant, id, &target)));
            }
            6 => drop(both!(self.person(tenant, id))),
            _ => {
                for identity in self.identities() {
                    drop(both!(self.find_contact(tenant, &identity)));
                }
            }
        }
    }

    fn counts(&mut self) -> JobCounts {
        let mut next = || self.rng.random_range(0..3);
        let (parts_done, created, repeated, failed) = (next(), next(), next(), next());
        let many = if self.rng.random_bool(0.5) { 70 } else { 1 };
        let errors = (0..failed * many).map(|n| RowError {
            row: self.rng.random_range(0..500),
            field: None,
            code: "unknown_reference".into(),
            detail: format!("{n}"),
        });
        JobCounts { parts_done, created, repeated, failed, errors: errors.collect() }
    }

    pub(super) async fn about_jobs(&mut self) {
        let (tenant, id) = (self.tenant(), self.mostly_first(&self.jobs.clone()));
        let old = self.fake.job(tenant, id).await.unwrap();
        let standing = old.as_ref().map_or(0, |j| j.parts);
        let new = self.rng.random_range(0..3);
        let first = if self.rng.random_bool(0.8) { standing } else { self.rng.random_range(0..4) };
        let part = |number: u32| JobPart { number, first_row: number * 4, rows: vec![json!(number); 4], cursor: 0 };
        let parts: Vec<JobPart> = (first..first + new).map(part).collect();
        let job = Job {
            id,
            tenant,
            rev: self.rev(old.as_ref().map(|j| j.rev)),
            created_at: NOW,
            work: JobWork::Unpark { reason: ParkReason::ModuleDisabled },
            parts: first + new,
            closed: self.rng.random_bool(0.3),
            total: (first + new) * 4,
            counts: JobCounts::default(),
        };
        match self.rng.random_range(0..6) {
            0 => drop(both_write!(self.create_job(&job, &parts))),
            1 | 2 => drop(both_write!(self.add_parts(&job, &parts))),
            3 | 4 => {
                let number = self.rng.random_range(0..3);
                let there = self.fake.part(tenant, id, number).await.unwrap().map_or(0, |p| p.cursor);
                let before = if self.rng.random_bool(0.7) { there } else { self.rng.random_range(0..4) };
                let moved = JobPart { cursor: (before + self.rng.random_range(0..3)).min(4), ..part(number) };
                let counted = self.counts();
                drop(both_write!(self.advance_part(tenant, id, before, &moved, &counted)));
            }
            _ => {
                let number = self.rng.random_range(0..4);
                drop(both!(self.part(tenant, id, number)));
            }
        }
        drop(both!(self.job(tenant, id)));
    }

    pub(super) async fn about_sequences_and_senders(&mut self) {
        let (tenant, id) = (self.tenant(), self.sequence());
        let old = self.fake.sequence(tenant, id).await.unwrap();
        let sequence = StoredSequence {
            id,
            revision: self.rev(old.as_ref().map(|s| s.revision)),
            owner: self.one(&["ana@example.com", "bia@example.com"]).into(),
            archived: false,
            published: self.rng.random_range(0..3),
            created_at: NOW,
            updated_at: NOW,
            draft: serde_json::from_value(json!({"name": "s", "target": "contact", "steps": []})).unwrap(),
        };
        match self.rng.random_range(0..10) {
            8 => {
                let id = TemplateId::from_bytes([self.rng.random_range(0..3); 8]);
                let old = self.fake.template(tenant, id).await.unwrap();
                let template = StoredTemplate {
                    id,
                    revision: self.rev(old.as_ref().map(|t| t.revision)),
                    created_at: NOW,
                    updated_at: NOW,
                    template: serde_json::from_value(json!({"name": "t", "text": self.one(&["a", "b"])})).unwrap(),
                };
                drop(both_write!(self.save_template(tenant, &template)));
            }
            9 => {
                let id = TemplateId::from_bytes([self.rng.random_range(0..3); 8]);
                if self.rng.random_bool(0.3) {
                    drop(both!(self.delete_template(tenant, id)));
                } else {
                    drop(both!(self.template(tenant, id)));
                    drop(both!(self.templates(tenant)));
                }
            }
            0 | 1 => drop(both_write!(self.save_sequence(tenant, &sequence))),
            2 | 3 => {
                let version = Version {
                    sequence_id: id,
                    number: self.rng.random_range(1..4),
                    published_at: NOW,
                    published_by: sequence.owner.clone(),
                    sequence: sequence.draft.clone(),
                    templates: Default::default(),
                };
                drop(both_write!(self.publish(tenant, &sequence, &version)));
            }
            4 if self.rng.random_bool(0.3) => drop(both!(self.delete_sequence(tenant, id))),
            5 if self.rng.random_bool(0.2) => {
                let of = self.one(&self.senders.clone());
                drop(both!(self.delete_sender(of)));
            }
            _ => {
                let of = self.one(&self.senders.clone());
                let old = self.fake.sender(of).await.unwrap();
                let sender = Sender {
                    id: of,
                    rev: self.rev(old.map(|s| s.rev)),
                    created_at: NOW,
                    name: self.one(&["one", "two"]).into(),
                    channel: Channel::Whatsapp,
                    provider: ProviderKind::WhatsappCloud,
                    config: json!({"rate": self.rng.random::<f64>() * 100.0}),
                    limits: SenderLimits::default(),
                    suspended: None,
                    templates: None,
                };
                drop(both_write!(self.save_sender(tenant, &sender)));
                self.about_payments().await;
            }
        }
    }

    async fn about_payments(&mut self) {
        let (tenant, of) = (self.tenant(), self.one(&self.sources.clone()));
        match self.rng.random_range(0..6) {
            0 => drop(both!(self.delete_source(of))),
            1..4 => {
                let old = self.fake.source(of).await.unwrap();
                let source = PaymentSource {
                    id: of,
                    rev: self.rev(old.map(|s| s.rev)),
                    created_at: NOW,
                    name: self.one(&["one", "two"]).into(),
                    provider: PaymentProvider::Stripe,
                    config: json!({}),
                };
                drop(both_write!(self.save_source(tenant, &source)));
            }
            _ => {
                let entry = Unmatched {
                    source: of,
                    reason: UnmatchedReason::NoMatch,
                    key: self.one(&["a", "b"]).into(),
                    at: self.instant(),
                    received_at: self.one(&[NOW, NOW.plus_days(-30)]),
                    event: None,
                };
                drop(both_write!(self.put_unmatched(&entry)));
            }
        }
        drop(both!(self.source(of)));
    }

    pub(super) async fn about_the_rest(&mut self) {
        let tenant = self.tenant();
        match self.rng.random_range(0..8) {
            0 => {
                let old = self.fake.account(tenant).await.unwrap();
                let settings = Settings { enabled: self.rng.random(), ..Settings::default() };
                let account = Account { id: tenant, rev: self.rev(old.map(|a| a.rev)), created_at: NOW, settings };
                if self.rng.random_bool(0.4) {
                    drop(both_write!(self.create_account(&account)));
                } else {
                    drop(both_write!(self.save_account(&account)));
                }
            }
            1 => {
                let id = self.one(&self.keys.clone());
                let key = ApiKey { id, tenant, name: "n8n".into(), role: Role::Agent, user: None, created_at: NOW };
                // One key has one secret.
                let hash = format!("{tenant}{id}");
                if self.rng.random_bool(0.6) {
                    drop(both!(self.put_key(&key, &hash)));
                } else {
                    drop(both!(self.delete_key(tenant, id)));
                }
                drop(both!(self.key_by_hash(&hash)));
            }
            2 => {
                let address = self.one(&["+5511987654321", "ana@example.com"]);
                let channel = self.one(&[Channel::Whatsapp, Channel::Email]);
                let entry = Suppression { channel, address: address.into(), reason: "stop".into(), at: self.instant() };
                if self.rng.random_bool(0.6) {
                    drop(both!(self.put_suppression(tenant, &entry)));
                } else {
                    let id = suppression_id(tenant, channel, address);
                    drop(both!(self.delete_suppression(tenant, &id)));
                }
                drop(both!(self.suppression(tenant, channel, address)));
            }
            3 => {
                let message = StoredMessage {
                    id: self.one(&self.messages.clone()),
                    contact: self.contact(),
                    at: self.instant(),
                    direction: Direction::In,
                    channel: Channel::Whatsapp,
                    sender: self.senders[0],
                    message: None,
                    text: Some(self.one(&["oi", "olá"]).into()),
                    kind: None,
                    provider_message_id: None,
                    enrollment: None,
                    step: None,
                };
                drop(both!(self.put_message(tenant, &message)));
            }
            4 => {
                let type_ = self.one(&[VariableType::Text, VariableType::Date]);
                let of = self.one(&[TargetKind::Contact, TargetKind::Deal]);
                let attribute = Attribute { name: self.one(&["plan", "tier"]).into(), type_, of };
                if self.rng.random_bool(0.5) {
                    drop(both!(self.save_attribute(tenant, &attribute)));
                } else {
                    drop(both!(self.declare_attribute(tenant, &attribute)));
                }
            }
            5 => {
                let name = self.one(&["snd_1", "snd_2"]);
                let value = json!({"access_token": self.rng.random_range(0..3)});
                if self.rng.random_bool(0.6) {
                    self.real.put_secret(tenant, name, &value).await.unwrap();
                    self.secrets.put_secret(tenant, name, &value).await.unwrap();
                } else {
                    self.real.delete_secret(tenant, name).await.unwrap();
                    self.secrets.delete_secret(tenant, name).await.unwrap();
                }
            }
            _ => self.once().await,
        }
    }

    async fn once(&mut self) {
        let key = self.one(&["a", "b"]);
        let hash = self.one(&["hash", "hash", "hash", "other"]);
        let now = self.one(&[NOW, NOW.plus_seconds(29), NOW.plus_seconds(30), NOW.plus_hours(24)]);
        match self.rng.random_range(0..6) {
            0 => {
                let body = vec![self.rng.random()];
                let content_type = "application/json".into();
                let record = IdempotencyRecord { body_hash: hash.into(), status: 201, content_type, body };
                drop(both!(self.finish(key, &record, now)));
            }
            1 => drop(both!(self.abandon(key))),
            _ => {
                let seed = [self.rng.random_range(0..4); 32];
                drop(both_write!(self.begin(key, hash, seed, now)));
            }
        }
    }
}
