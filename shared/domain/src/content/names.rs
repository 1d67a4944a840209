//! The names that content may use, and what is wrong with one that it may not.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::text::Text;
use crate::sequence::TargetKind;

/// A name that content may use, as `GET /v1/variables` lists it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct VariableInfo {
    pub name: String,
    #[serde(rename = "type")]
    pub type_: VariableType,
    pub example: String,
}

/// The types that attributes are declared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum VariableType {
    Text,
    Number,
    Date,
    Datetime,
    Boolean,
    Link,
}

/// An attribute that an account has declared: `{{ contact.plan }}`, `{{ target.amount }}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Attribute {
    pub name: String,
    #[serde(rename = "type")]
    pub type_: VariableType,
    pub of: TargetKind,
}

/// A name that no contact can ever fill.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownName {
    pub name: String,
    /// The nearest name that exists, where one is near.
    pub suggestion: Option<String>,
}

impl UnknownName {
    pub(crate) fn root(&self) -> &str {
        self.name.split('.').next().unwrap_or_default()
    }
}

impl std::fmt::Display for UnknownName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "`{}` is not a known variable", self.name)?;
        match &self.suggestion {
            Some(near) => write!(f, "; did you mean `{near}`?"),
            None => Ok(()),
        }
    }
}

use VariableType::{Date, Datetime, Link, Text as T};

type Field = (&'static str, VariableType, &'static str);

const FIXED: [Field; 27] = [
    ("contact.id", T, "ctc_3kTqPz1mYh8b0s2W"),
    ("contact.first_name", T, "Ana"),
    ("contact.last_name", T, "Souza"),
    ("contact.name", T, "Ana Souza"),
    ("contact.email", T, "ana@example.com"),
    ("contact.phone", T, "+5511987654321"),
    ("contact.country", T, "BR"),
    ("contact.language", T, "pt_BR"),
    ("contact.timezone", T, "America/Sao_Paulo"),
    ("contact.external_id", T, "crm-4711"),
    ("contact.assignee.name", T, "Bia Lima"),
    ("contact.assignee.first_name", T, "Bia"),
    ("contact.assignee.email", T, "bia@example.com"),
    ("contact.unsubscribe_url", Link, "https://ritmo.example.com/u/AbC"),
    ("agent.name", T, "Bia Lima"),
    ("agent.first_name", T, "Bia"),
    ("agent.email", T, "bia@example.com"),
    ("conversation.id", T, "1042"),
    ("conversation.status", T, "open"),
    ("conversation.channel", T, "whatsapp"),
    ("conversation.assignee.name", T, "Bia Lima"),
    ("conversation.assignee.email", T, "bia@example.com"),
    ("account.name", T, "Loja Exemplo"),
    ("account.timezone", T, "America/Sao_Paulo"),
    ("sender.name", T, "Atendimento"),
    ("sender.channel", T, "whatsapp"),
    ("target.id", T, "inv_1001"),
];

/// What targets of a kind usually carry. Any other attribute may be used too.
fn usual(target: TargetKind) -> &'static [Field] {
    match target {
        TargetKind::Charge => &[
            ("target.amount", VariableType::Number, "129,90"),
            ("target.due_date", Date, "2026-12-01"),
            ("target.link", Link, "https://pay.example.com/inv_1001"),
            ("target.description", T, "Mensalidade"),
        ],
        TargetKind::Deal => &[
            ("target.title", T, "Plano anual"),
            ("target.value", VariableType::Number, "1.200,00"),
            ("target.stage", T, "Proposta"),
            ("target.link", Link, "https://crm.example.com/deals/7"),
        ],
        TargetKind::Appointment => &[
            ("target.title", T, "Consulta"),
            ("target.starts_at", Datetime, "2026-12-01T13:00:00Z"),
            ("target.location", T, "Rua A, 10"),
            ("target.link", Link, "https://meet.example.com/abc"),
        ],
        TargetKind::Contact | TargetKind::Conversation => &[],
    }
}

/// Every name that content about such a target may use, besides the account's own attributes.
pub fn variables(target: TargetKind) -> Vec<VariableInfo> {
    let info = |(name, type_, example): &Field| VariableInfo {
        name: (*name).to_owned(),
        type_: *type_,
        example: (*example).to_owned(),
    };
    FIXED.iter().chain(usual(target)).map(info).collect()
}

/// The name under which an account's declared attribute is used: `contact.plan`, `target.amount`.
/// None for an attribute of another kind of target, which such content cannot reach.
pub fn attribute_name(target: TargetKind, of: TargetKind, name: &str) -> Option<String> {
    match of {
        TargetKind::Contact | TargetKind::Conversation => Some(format!("{}.{name}", of.as_str())),
        of if of == target => Some(format!("target.{name}")),
        _ => None,
    }
}

/// The objects that every text may speak of.
pub(crate) const ROOTS: [&str; 6] = ["contact", "agent", "conversation", "target", "account", "sender"];

/// A message template's own variables: the names in it that stand under no root, each once.
pub(crate) fn own_variables(text: &Text) -> Vec<String> {
    let roots = text.uses().iter().filter_map(|used| used.path.first());
    let own: BTreeSet<&String> = roots.filter(|root| !ROOTS.contains(&root.as_str())).collect();
    own.into_iter().cloned().collect()
}

/// The unknown names of a text as sentences (see [`unknown_variables`]).
pub fn unknown_names(text: &Text, target: TargetKind, declared: &[(TargetKind, String)]) -> Vec<String> {
    unknown_variables(text, target, declared).iter().map(UnknownName::to_string).collect()
}

/// The names that a text uses and that cannot exist: an unknown root, or a field that its root does
/// not have. Attributes need not be declared, so under `target`, `contact.attributes` and
/// `conversation.attributes` every name may exist; `declared` attributes (kind and name) may also
/// be used directly on their object.
pub fn unknown_variables(text: &Text, target: TargetKind, declared: &[(TargetKind, String)]) -> Vec<UnknownName> {
    let mut known: BTreeSet<String> = FIXED.iter().chain(usual(target)).map(|(name, ..)| (*name).to_owned()).collect();
    known.extend(declared.iter().filter_map(|(of, name)| attribute_name(target, *of, name)));
    let mut unknown: Vec<UnknownName> = Vec::new();
    for used in text.uses() {
        if !is_known(&used.path, &known) && unknown.iter().all(|u| u.name != used.name) {
            unknown.push(UnknownName { name: used.name.clone(), suggestion: nearest(&used.path, &known) });
        }
    }
    unknown
}

fn is_known(path: &[String], known: &BTreeSet<String>) -> bool {
    let path: Vec<&str> = path.iter().map(String::as_str).collect();
    match path.as_slice() {
        ["target", ..] | ["contact" | "conversation", "attributes", ..] => true,
        // A whole object, or one with a computed index: `{% if conversation %}`, `contact[name]`.
        [root] if ROOTS.contains(root) => true,
        ["contact" | "conversation", "assignee"] => true,
        // `.size`, `.first` and the parts of an attribute may follow a name.
        path => (2..=path.len()).any(|end| known.contains(&path[..end].join("."))),
    }
}

/// The known name with the fewest changed letters, where they are at most a third of it.
fn nearest(path: &[String], known: &BTreeSet<String>) -> Option<String> {
    let name = path.join(".");
    // Nobody misspells a name of this length; the comparison is quadratic.
    if name.len() > 64 {
        return None;
    }
    let (distance, near) = known.iter().map(|k| (distance(&name, k), k)).min()?;
    (distance <= near.len().min(name.len()) / 3).then(|| near.clone())
}

/// Letters to insert, drop, change or swap with the next to make one name of the other.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut rows = vec![(0..=b.len()).collect::<Vec<_>>()];
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let changed = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut best = changed.min(rows[i - 1][j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            row.push(best);
        }
        rows.push(row);
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[track_caller]
    fn unknown(source: &str) -> Vec<(String, Option<String>)> {
        let declared = [(TargetKind::Contact, "plan".to_owned()), (TargetKind::Charge, "amount".to_owned())];
        let text = Text::parse(source).unwrap();
        unknown_variables(&text, TargetKind::Charge, &declared).into_iter().map(|u| (u.name, u.suggestion)).collect()
    }

    #[test]
    fn known_names_pass() {
        for source in [
            "{{ contact.first_name | default: contact.name }} {{ contact.plan }} {{ contact.attributes.whatever }}",
            "{{ target.anything }} {{ target.attributes.x }} {{ conversation.attributes.y }}",
            "{{ agent.first_name }} {{ contact.assignee.name }} {{ contact.name.size }}",
            "{% assign x = contact.name %}{{ x }}{{ x.size }}",
            "{% for t in contact.attributes.tags %}{{ t.name }}{{ forloop.index }}{% endfor %}",
            "{% capture c %}a{% endcapture %}{{ c }} {% if conversation %}y{% endif %} {{ contact[target.key] }}",
        ] {
            assert_eq!(unknown(source), [], "{source}");
        }
    }

    #[test]
    fn unknown_names_are_found_everywhere() {
        for (source, name, suggestion) in [
            ("{{ contact.frist_name }}", "contact.frist_name", Some("contact.first_name")),
            ("{{ contat.first_name }}", "contat.first_name", Some("contact.first_name")),
            ("{{ contact.first_name | default: contact.nmae }}", "contact.nmae", Some("contact.name")),
            ("{% if customer.vip_since_forever %}y{% endif %}", "customer.vip_since_forever", None),
            (
                "{% case conversation.staus %}{% when 'x' %}{% endcase %}",
                "conversation.staus",
                Some("conversation.status"),
            ),
            ("{% for t in contact.tags %}{{ t }}{% endfor %}", "contact.tags", Some("contact.name")),
            ("{% for i in (1..2) %}{% endfor %}{{ i }}", "i", None),
            ("{{ x }}{% assign x = 1 %}", "x", None),
            ("{{ contact.attributes[contact.plna] }}", "contact.plna", Some("contact.plan")),
            ("{{ deal.value }}", "deal.value", None),
        ] {
            let found = unknown(source);
            assert_eq!(found.len(), 1, "{source}: {found:?}");
            assert_eq!((found[0].0.as_str(), found[0].1.as_deref()), (name, suggestion), "{source}");
        }
    }

    #[test]
    fn sentences() {
        let text = Text::parse("{{ contact.frist_name }}").unwrap();
        let found = unknown_names(&text, TargetKind::Contact, &[]);
        assert_eq!(found, ["`contact.frist_name` is not a known variable; did you mean `contact.first_name`?"]);
    }

    #[test]
    fn every_listed_variable_is_known() {
        for kind in [TargetKind::Contact, TargetKind::Conversation, TargetKind::Deal, TargetKind::Charge] {
            for variable in variables(kind) {
                let text = Text::parse(&format!("{{{{ {} }}}}", variable.name)).unwrap();
                assert_eq!(unknown_names(&text, kind, &[]), Vec::<String>::new());
            }
        }
    }

    #[test]
    fn what_has_a_default() {
        let text = Text::parse(
            "{{ contact.name | upcase | default: 'x' }}{{ contact.email }}{% if contact.phone %}{{ contact.phone }}{% endif %}",
        )
        .unwrap();
        let holes: Vec<_> = text.uses().iter().filter(|u| u.shown && !u.has_default).map(|u| u.name.as_str()).collect();
        assert_eq!(holes, ["contact.email"]);
    }
}
