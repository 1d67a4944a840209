//! WhatsApp, where the deployed functions look for it: one stand-in for all tests of the process, on the
//! port that was deployed as `WhatsAppOrigin`.

use std::sync::{Arc, LazyLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use domain::time::Timestamp;
use testkit::stand_in::{Desk, Hooks, StandIn as _, WebhookDelivery};
use testkit::whatsapp::WhatsappStandIn;

use crate::stack::{api, variable};

/// Meta repeats a webhook until it is taken.
const TRIES: u32 = 30;

pub(crate) fn now() -> Timestamp {
    Timestamp(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() as i64)
}

/// The stand-in and its desk, served by a thread of its own: tests' runtimes come and go.
pub(crate) static WHATSAPP: LazyLock<(WhatsappStandIn, Desk)> = LazyLock::new(|| {
    let (give, take) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        runtime.block_on(async {
            let handle = tokio::runtime::Handle::current();
            let hooks = Hooks {
                clock: Arc::new(now),
                lookup: Arc::new(|_| Box::pin(async { None })),
                schedule: Arc::new(move |at, delivery| drop(handle.spawn(deliver(at, delivery)))),
            };
            let desk = Desk::new(hooks);
            let stand_in = WhatsappStandIn::new(desk.clone()).unwrap();
            let address = format!("127.0.0.1:{}", variable("RITMO_STAND_IN_PORT"));
            let listener = tokio::net::TcpListener::bind(address).await.unwrap();
            give.send((stand_in.clone(), desk)).unwrap();
            axum::serve(listener, stand_in.router()).await.unwrap();
        });
    });
    take.recv().unwrap()
});

async fn deliver(at: Timestamp, delivery: WebhookDelivery) {
    tokio::time::sleep(Duration::from_secs(at.seconds_since(now()).max(0) as u64)).await;
    for _ in 0..TRIES {
        if post(&delivery).await == 200 {
            return;
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

/// Posts a signed webhook to the deployed API; the answer's status.
pub(crate) async fn post(delivery: &WebhookDelivery) -> u16 {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let mut request = client.post(format!("{}{}", api(), delivery.url_path));
    for (name, value) in &delivery.headers {
        request = request.header(name, value);
    }
    request.body(delivery.body.clone()).send().await.map_or(0, |answer| answer.status().as_u16())
}
