//! What any adapter of the [`Secrets`] port must do: the table's, Parameter Store's and the fake's tests ask
//! it of each.

use domain::ids::{Ids, TenantId};
use engine::ports::Secrets;
use serde_json::json;

/// Panics where it does not.
pub async fn secrets_are_read_as_they_were_put(secrets: &impl Secrets, seed: [u8; 32]) {
    let mut ids = Ids::from_seed(seed);
    let (mine, theirs) = (TenantId::new(&mut ids), TenantId::new(&mut ids));
    let first = json!({"access_token": "EAAG", "nested": [null, 0.993_608_865_131_366_1, {"é": "😀"}]});
    let second = json!("another");
    assert_eq!(secrets.secret(mine, "snd").await, Ok(None));
    assert_eq!(secrets.delete_secret(mine, "snd").await, Ok(()), "nothing there");
    assert_eq!(secrets.put_secret(mine, "snd", &first).await, Ok(()));
    assert_eq!(secrets.secret(mine, "snd").await, Ok(Some(first)));
    assert_eq!(secrets.secret(theirs, "snd").await, Ok(None), "another account's");
    assert_eq!(secrets.secret(mine, "snd2").await, Ok(None), "another name");
    assert_eq!(secrets.put_secret(mine, "snd", &second).await, Ok(()));
    assert_eq!(secrets.secret(mine, "snd").await, Ok(Some(second.clone())), "the last one counts");
    assert_eq!(secrets.delete_secret(theirs, "snd").await, Ok(()));
    assert_eq!(secrets.secret(mine, "snd").await, Ok(Some(second)), "another account's stays");
    assert_eq!(secrets.delete_secret(mine, "snd").await, Ok(()));
    assert_eq!(secrets.secret(mine, "snd").await, Ok(None));
}
