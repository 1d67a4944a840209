//! Many people enrolled by one job: each row counts once, and as what it is.
#![allow(clippy::unwrap_used)]

use domain::ids::{Ids, JobId};
use domain::time::Timestamp;
use engine::jobs::bulk_source;
use engine::model::{Job, JobCounts, JobPart, JobWork};
use engine::ports::Store as _;
use engine::queue::EnrollWork;
use serde_json::json;
use testkit::memory::{MemoryStore, Shop};

#[tokio::test]
async fn a_contact_listed_twice_is_a_duplicate() {
    let shop = Shop::open(MemoryStore::default(), Timestamp(1_773_059_400)).await;
    let (ana, bia) = (shop.customer(1).await, shop.customer(2).await);
    let rows = vec![json!(ana), json!(bia), json!(ana), json!("ctc_nobody")];
    let work =
        JobWork::Enroll { sequence: shop.sequence, source: bulk_source(), by: "ana@example.com".into(), target: None };
    let job = Job {
        id: JobId::new(&mut Ids::from_seed([9; 32])),
        tenant: shop.tenant,
        rev: 1,
        created_at: shop.engine.now(),
        work,
        parts: 1,
        closed: true,
        total: 4,
        counts: JobCounts::default(),
    };
    let part = JobPart { number: 0, first_row: 0, rows, cursor: 0 };
    shop.engine.store.create_job(&job, &[part]).await.unwrap();
    let work = EnrollWork { tenant: shop.tenant, job: job.id, part: 0, not_before: None };
    // The message comes twice.
    for _ in 0..2 {
        shop.engine.work(&work).await.unwrap();
    }
    let counts = shop.engine.store.job(shop.tenant, job.id).await.unwrap().unwrap().counts;
    assert_eq!((counts.parts_done, counts.created, counts.repeated, counts.failed), (1, 2, 1, 1));
}
