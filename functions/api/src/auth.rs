//! Who asks, and whether they may.

use domain::account::Role;
use engine::accounts::secret_hash;
use engine::model::Caller;
use engine::{Engine, Ports};
use http::{HeaderMap, StatusCode, header};
use subtle::ConstantTimeEq as _;

use crate::problem::Problem;

/// Whom a route lets in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    Public,
    /// The deployment's operator, before there is any account.
    Operator,
    /// A key with at least this role.
    Key(Role),
}

/// The caller behind the request's key; `None` where a route asks for none.
pub(crate) async fn admit<P: Ports>(
    engine: &Engine<P>,
    access: Access,
    headers: &HeaderMap,
) -> Result<Option<Caller>, Problem> {
    let needed = match access {
        Access::Public => return Ok(None),
        Access::Operator => {
            let secret = bearer(headers).ok_or_else(unauthorized)?;
            return match is_operator(engine.config.operator_key_hash.as_deref(), secret) {
                true => Ok(None),
                false => Err(unauthorized()),
            };
        }
        Access::Key(role) => role,
    };
    let secret = bearer(headers).ok_or_else(unauthorized)?;
    let caller = engine.authenticate(secret).await?.ok_or_else(unauthorized)?;
    may(caller.role, needed)?;
    Ok(Some(caller))
}

fn may(role: Role, needed: Role) -> Result<(), Problem> {
    if role >= needed {
        return Ok(());
    }
    let name = |role| match role {
        Role::Viewer => "viewer",
        Role::Agent => "agent",
        Role::Manager => "manager",
        Role::Admin => "admin",
    };
    let detail = format!("this needs a key of role {}, yours is {}", name(needed), name(role));
    Err(Problem::rule("forbidden", detail))
}

fn unauthorized() -> Problem {
    Problem::new(StatusCode::UNAUTHORIZED, "unauthorized", "this needs a valid key: `Authorization: Bearer rk_…`")
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, secret) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    let secret = secret.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !secret.is_empty()).then_some(secret)
}

/// Compared in constant time, and as hashes: the time tells nothing about the key.
fn is_operator(expected_hash: Option<&str>, secret: &str) -> bool {
    let Some(expected) = expected_hash else { return false };
    let expected = expected.to_ascii_lowercase();
    bool::from(expected.as_bytes().ct_eq(secret_hash(secret).as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_may_what_the_smaller_ones_may() {
        let roles = [Role::Viewer, Role::Agent, Role::Manager, Role::Admin];
        for (i, role) in roles.into_iter().enumerate() {
            for (j, needed) in roles.into_iter().enumerate() {
                let allowed = may(role, needed);
                assert_eq!(allowed.is_ok(), i >= j);
                if let Err(problem) = allowed {
                    assert_eq!((problem.status.as_u16(), &*problem.code), (403, "forbidden"));
                }
            }
        }
    }

    #[test]
    fn the_key_stands_behind_bearer() {
        let check = |value: &str, expected: Option<&str>| {
            let mut headers = HeaderMap::new();
            headers.insert(header::AUTHORIZATION, value.parse().expect("a header"));
            assert_eq!(bearer(&headers), expected, "{value}");
        };
        check("Bearer rk_x", Some("rk_x"));
        check("bearer  rk_x ", Some("rk_x"));
        check("Basic rk_x", None);
        check("rk_x", None);
        check("Bearer ", None);
        assert_eq!(bearer(&HeaderMap::new()), None);
    }

    #[test]
    fn without_a_configured_key_nobody_is_the_operator() {
        assert!(!is_operator(None, ""));
        assert!(is_operator(Some(&secret_hash("op")), "op"));
        assert!(is_operator(Some(&secret_hash("op").to_uppercase()), "op"));
        assert!(!is_operator(Some(&secret_hash("op")), "po"));
        assert!(!is_operator(Some(""), ""));
    }
}
