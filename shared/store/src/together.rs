//! Callers who ask for the same at the same time share a write: a batch of timers that fire together
//! takes its sender's slots at once.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use engine::PortError;
use engine::ports::PortResult;
use tokio::sync::oneshot;

/// How long the first waits for others. A batch's reads are answered within a few milliseconds of each
/// other; whoever comes later is of the next write.
const LINGER: Duration = Duration::from_millis(10);

type Waiting<K, A> = Arc<Mutex<HashMap<K, Vec<oneshot::Sender<PortResult<A>>>>>>;

/// Askers by what they ask for.
pub(crate) struct Together<K, A>(Waiting<K, A>);

impl<K, A> Clone for Together<K, A> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<K, A> Default for Together<K, A> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<K, A> Together<K, A>
where
    K: Eq + Hash + Clone + Send + 'static,
    A: Send + 'static,
{
    /// One of the answers that `all` gives to so many who ask for `key`. An answer whose asker has been
    /// given up is nobody's.
    pub(crate) async fn ask<F>(&self, key: K, all: impl FnOnce(usize) -> F + Send + 'static) -> PortResult<A>
    where
        F: Future<Output = Vec<PortResult<A>>> + Send,
    {
        let (asker, answer) = oneshot::channel();
        let is_first = {
            let mut waiting = self.lock();
            let askers = waiting.entry(key.clone()).or_default();
            askers.push(asker);
            askers.len() == 1
        };
        if is_first {
            // A task of its own: whoever came first may be given up without the others.
            let together = self.clone();
            tokio::spawn(async move {
                tokio::time::sleep(LINGER).await;
                let askers = together.lock().remove(&key).unwrap_or_default();
                let answers = all(askers.len()).await;
                for (asker, answer) in askers.into_iter().zip(answers) {
                    let _ = asker.send(answer);
                }
            });
        }
        answer.await.unwrap_or_else(|_| Err(PortError::Transient("a shared write: no answer".into())))
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<K, Vec<oneshot::Sender<PortResult<A>>>>> {
        // Pushed to and taken whole: a panic elsewhere spoils nothing.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_asks_at_the_same_time_is_answered_at_once() {
        let together = Together::<u8, usize>::default();
        let asked: Arc<Mutex<Vec<usize>>> = Arc::default();
        let ask = |key| {
            let (together, asked) = (together.clone(), asked.clone());
            async move {
                let all = |count| async move {
                    asked.lock().unwrap().push(count);
                    (0..count).map(Ok).collect()
                };
                together.ask(key, all).await
            }
        };
        let given_up = tokio::spawn(ask(1));
        tokio::task::yield_now().await;
        given_up.abort();
        let (one, two, other) = tokio::join!(ask(1), ask(1), ask(2));
        assert_eq!((one, two, other), (Ok(1), Ok(2), Ok(0)));
        assert_eq!(ask(1).await, Ok(0));
        let mut counts = asked.lock().unwrap().clone();
        counts.sort_unstable();
        assert_eq!(counts, [1, 1, 3]);
    }

    #[tokio::test]
    async fn a_write_that_never_answers_fails_all_who_wait_for_it() {
        let together = Together::<u8, usize>::default();
        let answer = together.ask(1, |_| async { Vec::new() }).await;
        assert!(matches!(answer, Err(PortError::Transient(_))));
    }
}
