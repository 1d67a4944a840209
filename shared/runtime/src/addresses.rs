//! Which addresses an account may make us call.

use std::net::IpAddr;

use http::Uri;

/// The rule for every URL that an account gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Addresses {
    /// https and a public host. Names are not resolved here: what a name points to may change later.
    Public,
    /// Anything: the local runner, where stand-ins live on loopback.
    Any,
}

impl Addresses {
    pub fn allows(self, url: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Public => url.parse::<Uri>().is_ok_and(|uri| is_public(&uri)),
        }
    }
}

fn is_public(uri: &Uri) -> bool {
    if uri.scheme_str() != Some("https") {
        return false;
    }
    let Some(host) = uri.host() else { return false };
    let host = host.trim_start_matches('[').trim_end_matches(']').trim_end_matches('.').to_ascii_lowercase();
    match host.parse::<IpAddr>() {
        Ok(address) => is_public_address(address),
        Err(_) => is_public_name(&host),
    }
}

/// A name with a domain that somebody can have registered. A last label that is a number is one of
/// the old ways to write an IPv4 address (`127.1`, `0x7f.0.0.1`).
fn is_public_name(host: &str) -> bool {
    let Some((_, last)) = host.rsplit_once('.') else { return false };
    let number = last.starts_with(|c: char| c.is_ascii_digit());
    !number && !["localhost", "local", "internal", "lan", "home", "test", "invalid"].contains(&last)
}

fn is_public_address(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(v4) => {
            let [a, b, ..] = v4.octets();
            let shared = a == 100 && (64..128).contains(&b);
            let reserved = a == 0 || a >= 240 || (a == 192 && b == 0) || (a == 198 && (18..20).contains(&b));
            !(v4.is_private()
                || v4.is_loopback()
                || v4.is_link_local()
                || v4.is_multicast()
                || v4.is_documentation()
                || shared
                || reserved)
        }
        // Global unicast is 2000::/3; within it 2002::/16 and 2001:0::/32 wrap IPv4 addresses.
        IpAddr::V6(v6) => {
            let [first, second, ..] = v6.segments();
            (0x2000..0x4000).contains(&first)
                && first != 0x2002
                && !(first == 0x2001 && (second == 0 || second == 0xdb8))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_public_https_leaves_the_house() {
        for good in
            ["https://graph.facebook.com", "https://chat.example.com:8443", "https://8.8.8.8", "https://[2606::1]"]
        {
            assert!(Addresses::Public.allows(good), "{good}");
        }
        for bad in [
            "http://graph.facebook.com",
            "https://localhost",
            "https://intranet",
            "https://a.internal",
            "https://127.0.0.1",
            "https://127.1",
            "https://0x7f.0.0.1",
            "https://2130706433",
            "https://169.254.169.254",
            "https://10.0.0.1",
            "https://[::1]",
            "https://[::ffff:10.0.0.1]",
            "https://[fd00::1]",
            "https://[2002:7f00:1::]",
            "ftp://example.com",
            "",
        ] {
            assert!(!Addresses::Public.allows(bad), "{bad}");
            assert!(Addresses::Any.allows(bad));
        }
    }
}
