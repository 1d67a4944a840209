//! Where in the world somebody is, and how many steps may reach people there (API.md, `caps`).

use crate::contact::{Contact, phone_of_wa_id};
use crate::sequence::Cap;

/// Every country of ISO 3166-1 by its region in the United Nations' M49. M49 leaves Antarctica (AQ)
/// without one, and counts Taiwan with Asia.
const REGIONS: [(&str, &str); 6] = [
    (
        "africa",
        "AO BF BI BJ BW CD CF CG CI CM CV DJ DZ EG EH ER ET GA GH GM GN GQ GW IO KE KM LR LS LY MA MG ML MR MU MW MZ \
         NA NE NG RE RW SC SD SH SL SN SO SS ST SZ TD TF TG TN TZ UG YT ZA ZM ZW",
    ),
    (
        "americas",
        "AG AI AR AW BB BL BM BO BQ BR BS BV BZ CA CL CO CR CU CW DM DO EC FK GD GF GL GP GS GT GY HN HT JM KN KY LC \
         MF MQ MS MX NI PA PE PM PR PY SR SV SX TC TT US UY VC VE VG VI",
    ),
    (
        "asia",
        "AE AF AM AZ BD BH BN BT CN CY GE HK ID IL IN IQ IR JO JP KG KH KP KR KW KZ LA LB LK MM MN MO MV MY NP OM PH \
         PK PS QA SA SG SY TH TJ TL TM TR TW UZ VN YE",
    ),
    (
        "europe",
        "AD AL AT AX BA BE BG BY CH CZ DE DK EE ES FI FO FR GB GG GI GR HR HU IE IM IS IT JE LI LT LU LV MC MD ME MK \
         MT NL NO PL PT RO RS RU SE SI SJ SK SM UA VA",
    ),
    ("oceania", "AS AU CC CK CX FJ FM GU HM KI MH MP NC NF NR NU NZ PF PG PN PW SB TK TO TV UM VU WF WS"),
    ("", "AQ"),
];

/// ISO 3166-1 alpha-2, as assigned.
pub fn is_country(text: &str) -> bool {
    region_of(text).is_some()
}

/// `africa`, `americas`, `asia`, `europe` or `oceania`; empty for Antarctica, `None` for what is no
/// country.
fn region_of(country: &str) -> Option<&'static str> {
    let has = |codes: &str| codes.split_ascii_whitespace().any(|code| code == country);
    REGIONS.iter().find(|(_, codes)| has(codes)).map(|(region, _)| *region)
}

/// How many of a run's steps may reach this contact: the smallest cap that names their country or its
/// region. The country is the contact's own, else their phone's; without either no cap applies.
pub fn most_steps(caps: &[Cap], contact: &Contact) -> Option<u32> {
    if caps.is_empty() {
        return None;
    }
    let country = country(contact)?;
    let region = region_of(&country);
    let applies = |cap: &&Cap| {
        cap.countries.contains(&country) || region.is_some_and(|region| cap.regions.iter().any(|r| r == region))
    };
    caps.iter().filter(applies).map(|cap| cap.max_steps).min()
}

fn country(contact: &Contact) -> Option<String> {
    let profile = &contact.profile;
    let phone = || profile.phone.clone().or_else(|| contact.wa_ids.first().map(|id| phone_of_wa_id(id)));
    let of_phone = || phonenumber::parse(None, phone()?).ok()?.country().id().map(|id| id.as_ref().to_owned());
    profile.country.clone().or_else(of_phone)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::contact::Profile;
    use crate::ids::ContactId;
    use crate::message::Identity;
    use crate::time::Timestamp;

    #[test]
    fn every_country_has_one_region() {
        let all: Vec<&str> = REGIONS.iter().flat_map(|(_, codes)| codes.split_ascii_whitespace()).collect();
        let each: std::collections::BTreeSet<&str> = all.iter().copied().collect();
        assert_eq!((all.len(), each.len()), (249, 249), "as ISO 3166-1 has, each once");
        assert!(each.iter().all(|c| c.len() == 2 && c.bytes().all(|b| b.is_ascii_uppercase())));
        // As M49 counts them, but for Sark, which has no code, and with Taiwan.
        let counts: Vec<usize> = REGIONS.iter().map(|(_, codes)| codes.split_ascii_whitespace().count()).collect();
        assert_eq!(counts, [60, 57, 51, 51, 29, 1]);
        let names: Vec<&str> = REGIONS[..5].iter().map(|(name, _)| *name).collect();
        assert_eq!(names, crate::publish::REGIONS);
    }

    #[test]
    fn the_smallest_cap_that_applies_counts() {
        let check = |country: Option<&str>, phone: Option<&str>, caps: serde_json::Value, expected: Option<u32>| {
            let profile =
                Profile { country: country.map(str::to_owned), phone: phone.map(str::to_owned), ..Profile::default() };
            let contact = Contact::new(ContactId::from_bytes([1; 12]), profile, Timestamp(0));
            let read: Vec<Cap> = serde_json::from_value(caps.clone()).unwrap();
            assert_eq!(most_steps(&read, &contact), expected, "{country:?} {phone:?} {caps}");
        };
        let brazil = Some("+5511987654321");
        let seven_and_four =
            json!([{"regions": ["americas"], "max_steps": 7}, {"regions": ["europe"], "max_steps": 4}]);
        check(Some("BR"), None, json!([]), None);
        check(Some("BR"), None, seven_and_four.clone(), Some(7));
        check(Some("DE"), None, seven_and_four.clone(), Some(4));
        check(Some("JP"), None, seven_and_four.clone(), None);
        check(Some("AQ"), None, seven_and_four.clone(), None);
        check(Some("XX"), None, seven_and_four.clone(), None);
        check(None, None, seven_and_four.clone(), None);
        // Without a country the phone's own; the contact's word comes first.
        check(None, brazil, seven_and_four.clone(), Some(7));
        check(None, Some("+351912345678"), seven_and_four.clone(), Some(4));
        check(None, Some("+442079460000"), seven_and_four.clone(), Some(4));
        check(Some("PT"), brazil, seven_and_four.clone(), Some(4));
        check(None, Some("+14165550123"), json!([{"countries": ["CA"], "max_steps": 1}]), Some(1));
        check(None, Some("+77272501234"), json!([{"regions": ["asia"], "max_steps": 1}]), Some(1));
        // A number of no country.
        check(None, Some("+88213312345"), seven_and_four, None);
        // A country, a region, both of one cap, and several caps.
        check(Some("BR"), None, json!([{"countries": ["BR"], "max_steps": 2}]), Some(2));
        check(Some("AR"), None, json!([{"countries": ["BR"], "max_steps": 2}]), None);
        let both = json!([{"countries": ["DE", "FR"], "regions": ["asia"], "max_steps": 3}]);
        check(Some("FR"), None, both.clone(), Some(3));
        check(Some("IN"), None, both.clone(), Some(3));
        check(Some("ES"), None, both, None);
        let several = json!([
            {"regions": ["americas"], "max_steps": 7}, {"countries": ["BR"], "max_steps": 5},
            {"countries": ["BR", "US"], "max_steps": 6}]);
        check(Some("BR"), None, several.clone(), Some(5));
        check(Some("US"), None, several.clone(), Some(6));
        check(Some("MX"), None, several, Some(7));
    }

    #[test]
    fn a_whatsapp_id_is_a_phone_too() {
        let mut contact = Contact::new(ContactId::from_bytes([1; 12]), Profile::default(), Timestamp(0));
        contact.remember(&[Identity::WaId("551692318222".into())]);
        let caps = [Cap { countries: vec!["BR".into()], regions: vec![], max_steps: 1 }];
        assert_eq!(most_steps(&caps, &contact), Some(1));
    }
}
