//! Jobs: every row is counted once.

use domain::enrollment::{Source, SourceType};
use domain::ids::{JobId, SequenceId};
use engine::model::{Job, JobCounts, JobPart, JobWork, RowError};
use engine::ports::{Saved, Store};
use futures::future::join_all;
use serde_json::json;

use super::{NOW, RACERS, World};

fn job(w: &mut World, parts: u32) -> Job {
    Job {
        id: JobId::new(&mut w.ids),
        tenant: w.tenant,
        rev: 1,
        created_at: NOW,
        work: JobWork::Enroll {
            sequence: SequenceId::new(&mut w.ids),
            source: Source { type_: SourceType::Bulk, name: None },
            by: "ana@example.com".into(),
            target: None,
        },
        parts,
        closed: false,
        total: parts * 4,
        counts: JobCounts::default(),
    }
}

fn part(number: u32) -> JobPart {
    JobPart { number, first_row: number * 4, rows: vec![json!("a"), json!(1e300), json!({}), json!(null)], cursor: 0 }
}

fn error(row: u32) -> RowError {
    RowError { row, field: None, code: "unknown_reference".into(), detail: "no such contact".into() }
}

pub async fn a_job_created_twice_keeps_its_parts(store: &impl Store) {
    let mut w = World::new();
    let job = job(&mut w, 2);
    assert_eq!(store.job(w.tenant, job.id).await, Ok(None));
    assert_eq!(store.create_job(&job, &[part(0), part(1)]).await, Ok(()));
    let moved = JobPart { cursor: 2, ..part(1) };
    let counted = JobCounts { created: 2, ..JobCounts::default() };
    assert_eq!(store.advance_part(w.tenant, job.id, 0, &moved, &counted).await, Ok(Saved::Yes));
    assert_eq!(store.create_job(&job, &[part(0), part(1)]).await, Ok(()));
    assert_eq!(store.part(w.tenant, job.id, 0).await, Ok(Some(part(0))));
    assert_eq!(store.part(w.tenant, job.id, 1).await, Ok(Some(moved)));
    assert_eq!(store.part(w.tenant, job.id, 2).await, Ok(None));
    let there = store.job(w.tenant, job.id).await.unwrap().unwrap();
    assert_eq!(there, Job { counts: counted, ..job.clone() });
    assert_eq!(store.job(World::new().tenant, job.id).await, Ok(None), "another account");
}

pub async fn rows_are_counted_once_however_many_work_on_them(store: &impl Store) {
    let mut w = World::new();
    let job = job(&mut w, 1);
    store.create_job(&job, &[part(0)]).await.unwrap();
    let to = |cursor| JobPart { cursor, ..part(0) };
    let counted = JobCounts { created: 1, repeated: 1, ..JobCounts::default() };
    // The same rows by several: all may go on, they are counted once.
    let same = to(2);
    let twins = (0..RACERS).map(|_| advance(store, &job, 0, &same, &counted));
    for result in join_all(twins).await {
        assert_eq!(result, Saved::Yes);
    }
    assert_eq!(store.job(w.tenant, job.id).await.unwrap().unwrap().counts, counted);
    // One that got further is told where the part is.
    let overtaken = store.advance_part(w.tenant, job.id, 0, &to(4), &counted).await;
    assert_eq!(overtaken, Ok(Saved::No(Some(to(2)))));
    let rest = JobCounts { failed: 2, parts_done: 1, errors: vec![error(4), error(3)], ..JobCounts::default() };
    assert_eq!(store.advance_part(w.tenant, job.id, 2, &to(4), &rest).await, Ok(Saved::Yes));
    let counts = store.job(w.tenant, job.id).await.unwrap().unwrap().counts;
    let expected = JobCounts { parts_done: 1, created: 1, repeated: 1, failed: 2, errors: vec![error(3), error(4)] };
    assert_eq!(counts, expected);
    let ghost = JobId::new(&mut w.ids);
    assert_eq!(store.advance_part(w.tenant, ghost, 0, &to(1), &counted).await, Ok(Saved::No(None)));
    assert_eq!(store.part(w.tenant, ghost, 0).await, Ok(None));
}

/// Transactions on one item turn each other away: the queue would bring the part again.
async fn advance(store: &impl Store, job: &Job, before: u32, part: &JobPart, counted: &JobCounts) -> Saved<JobPart> {
    loop {
        match store.advance_part(job.tenant, job.id, before, part, counted).await {
            Err(engine::PortError::Throttled(_)) => {}
            other => return other.unwrap(),
        }
    }
}

pub async fn many_parts_add_up(store: &impl Store) {
    let mut w = World::new();
    let parts: Vec<JobPart> = (0..RACERS as u32).map(part).collect();
    let job = job(&mut w, parts.len() as u32);
    store.create_job(&job, &parts).await.unwrap();
    let done: Vec<(JobPart, JobCounts)> = parts
        .iter()
        .map(|part| {
            // More errors than a job keeps: counted all the same.
            let errors = (0..60).map(|n| error(part.number * 100 + n)).collect();
            let counts = JobCounts { parts_done: 1, created: 1, failed: 60, errors, ..JobCounts::default() };
            (JobPart { cursor: 4, ..part.clone() }, counts)
        })
        .collect();
    for result in join_all(done.iter().map(|(part, counts)| advance(store, &job, 0, part, counts))).await {
        assert_eq!(result, Saved::Yes);
    }
    let counts = store.job(w.tenant, job.id).await.unwrap().unwrap().counts;
    assert_eq!((counts.parts_done, counts.created, counts.failed), (8, 8, 480));
    assert_eq!(counts.errors.len(), 100);
}

pub async fn parts_are_added_over_the_revision_before(store: &impl Store) {
    let mut w = World::new();
    let job = job(&mut w, 1);
    store.create_job(&job, &[part(0)]).await.unwrap();
    let counted = JobCounts { created: 4, parts_done: 1, ..JobCounts::default() };
    store.advance_part(w.tenant, job.id, 0, &JobPart { cursor: 4, ..part(0) }, &counted).await.unwrap();
    let more = Job { rev: 2, parts: 3, total: 12, ..job.clone() };
    assert_eq!(store.add_parts(&more, &[part(1), part(2)]).await, Ok(Saved::Yes));
    let there = Job { counts: counted.clone(), ..more.clone() };
    assert_eq!(store.job(w.tenant, job.id).await, Ok(Some(there.clone())), "what was counted stays");
    assert_eq!(store.add_parts(&more, &[part(1), part(2)]).await, Ok(Saved::Yes), "a lost answer");
    // Overtaken: its rows are not mistaken for the faster one's.
    let rival = Job { rev: 2, parts: 2, total: 8, ..job.clone() };
    let rivals = JobPart { rows: vec![json!("rival")], ..part(1) };
    assert_eq!(store.add_parts(&rival, &[rivals]).await, Ok(Saved::No(Some(there))));
    assert_eq!(store.part(w.tenant, job.id, 1).await, Ok(Some(part(1))));
    let closed = Job { rev: 3, closed: true, ..more.clone() };
    assert_eq!(store.add_parts(&closed, &[]).await, Ok(Saved::Yes));
    assert_eq!(store.job(w.tenant, job.id).await, Ok(Some(Job { counts: counted, ..closed.clone() })));
    let there = store.job(w.tenant, job.id).await.unwrap();
    let late = Job { total: 99, ..closed.clone() };
    assert_eq!(store.add_parts(&late, &[]).await, Ok(Saved::No(there)), "overtaken, without a part");
    let ghost = Job { id: JobId::new(&mut w.ids), ..closed };
    assert_eq!(store.add_parts(&ghost, &[]).await, Ok(Saved::No(None)), "nothing rises from the dead");
}

pub async fn more_rows_than_a_transaction_holds_are_added(store: &impl Store) {
    let mut w = World::new();
    let job = job(&mut w, 0);
    store.create_job(&job, &[]).await.unwrap();
    let parts: Vec<JobPart> = (0..20).map(|n| JobPart { rows: vec![json!("x".repeat(199_000))], ..part(n) }).collect();
    let more = Job { rev: 2, parts: 20, total: 20, closed: true, ..job.clone() };
    assert_eq!(store.add_parts(&more, &parts).await, Ok(Saved::Yes));
    assert_eq!(store.job(w.tenant, job.id).await, Ok(Some(more)));
    for part in parts {
        assert_eq!(store.part(w.tenant, job.id, part.number).await, Ok(Some(part)));
    }
}
