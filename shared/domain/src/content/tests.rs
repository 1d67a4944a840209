//! Tables of texts: what they say, what they leave blank, and which are refused.

use serde_json::json;

use super::{Text, Variables};

pub(super) fn variables() -> Variables {
    Variables::new()
        .with(
            "contact",
            json!({"first_name": "Ana", "last_name": "São João", "email": "ana@example.com", "phone": "+5511987654321",
                "country": "BR", "assignee": {"name": "Bia Souza", "email": "bia@example.com"},
                "attributes": {"plan": "gold", "blank": "  ", "tags": ["b", "a", "c"], "age": 30, "vip": true, "off": false}}),
        )
        .with(
            "target",
            json!({"amount": "1.299,90", "due_date": "2026-12-01", "starts_at": "2026-12-01T02:30:00Z",
                "epoch": 1_796_092_200, "link": "https://pay.example/1", "parcels": "3"}),
        )
        .with("account", json!({"name": "Loja"}))
        .with_zone("America/Sao_Paulo")
        .with_language("pt_BR")
}

#[track_caller]
fn renders(source: &str, expected: &str) {
    let text = Text::parse(source).unwrap_or_else(|e| panic!("{source}: {e}"));
    assert_eq!(text.render(&variables()).unwrap().text, expected, "{source}");
}

#[track_caller]
fn leaves_blank(source: &str, expected: &[&str]) {
    assert_eq!(Text::parse(source).unwrap().render(&variables()).unwrap().blank, expected, "{source}");
}

#[track_caller]
fn refused(source: &str, code: &str) {
    let error = Text::parse(source).map(|_| ()).expect_err(&source[..source.len().min(80)]);
    assert_eq!(error.code.as_str(), code, "{source}: {error}");
}

#[test]
fn names() {
    for (source, expected) in [
        ("Olá {{ contact.first_name }}!", "Olá Ana!"),
        ("{{contact.name}}", "Ana São João"),
        ("{{ contact.plan }}/{{ contact.attributes.plan }}/{{ contact['plan'] }}", "gold/gold/gold"),
        ("{{ agent.name }} {{ agent.first_name }}", "Bia Souza Bia"),
        ("{{ contact.assignee.email }}", "bia@example.com"),
        ("[{{ contact.nothing }}][{{ nowhere.at.all }}]", "[][]"),
        ("{{ contact }}", ""),
        ("{{ contact.tags[0] }}{{ contact.tags[-1] }}{{ contact.tags.first }}{{ contact.tags.size }}", "bcb3"),
        ("{{ contact.tags[99] }}{{ contact.tags[-99] }}", ""),
        ("{{ contact.last_name.size }}", "8"),
        ("{{ contact.age }} {{ contact.vip }} {{ contact.off }}", "30 true false"),
        ("{{ 'a}}b' }}", "a}}b"),
        ("a }} b %} { c", "a }} b %} { c"),
        ("a  {{- contact.plan -}}  b", "agoldb"),
        ("a {%- if true -%} b {%- endif -%} c", "abc"),
        ("{% raw %}{{ x }}{% endraw %}", "{{ x }}"),
        ("a{% comment %} {{ {% if %} {% endcomment %}b", "ab"),
    ] {
        renders(source, expected);
    }
}

#[test]
fn tags() {
    for (source, expected) in [
        ("{% if contact.plan == 'gold' %}y{% else %}n{% endif %}", "y"),
        ("{% if contact.age > 29 and contact.age < 31 %}y{% endif %}", "y"),
        ("{% if target.amount > 1299 %}y{% endif %}{% if target.parcels == 3 %}y{% endif %}", "yy"),
        ("{% if contact.nope %}a{% elsif contact.plan contains 'ol' %}b{% else %}c{% endif %}", "b"),
        ("{% unless contact.nope %}y{% endunless %}", "y"),
        ("{% if contact.nope == nil and contact.blank == blank and contact.nope != 'x' %}y{% endif %}", "y"),
        ("{% if true or false and false %}y{% endif %}", "y"),
        ("{% if contact.nope > 3 or contact.nope contains 'x' %}y{% endif %}", ""),
        ("{% case contact.plan %}{% when 'free', 'gold' %}g{% else %}o{% endcase %}", "g"),
        ("{% case contact.nope %}{% when 'free' %}g{% else %}o{% endcase %}", "o"),
        (
            "{% for t in contact.tags %}{{ forloop.index }}{{ t }}{% unless forloop.last %},{% endunless %}{% endfor %}",
            "1b,2a,3c",
        ),
        ("{% for i in (1..3) %}{{ i }}{% endfor %}", "123"),
        ("{% for i in (1..5) reversed limit: 2 offset: 1 %}{{ i }}{% endfor %}", "32"),
        ("{% for i in contact.nope %}x{% else %}none{% endfor %}", "none"),
        (
            "{% for i in (1..9) %}{% if i == 2 %}{% continue %}{% endif %}{% if i > 3 %}{% break %}{% endif %}{{ i }}{% endfor %}",
            "13",
        ),
        ("{% assign x = contact.plan | upcase %}{{ x }}", "GOLD"),
        ("{% capture x %}{{ contact.plan }}!{% endcapture %}{{ x }}{{ x }}", "gold!gold!"),
    ] {
        renders(source, expected);
    }
}

#[test]
fn filters() {
    for (source, expected) in [
        ("{{ contact.nope | default: 'x' }}", "x"),
        ("{{ contact.blank | default: 'x' }}{{ contact.off | default: 'y' }}", "xy"),
        ("{{ contact.off | default: 'y', allow_false: true }}", "false"),
        ("{{ contact.nope | default: contact.plan }}", "gold"),
        ("{{ contact.nope.deeper | upcase | default: 'x' }}", "x"),
        ("{{ 'são' | size }} {{ 'são' | upcase }} {{ 'é' | capitalize }}", "3 SÃO É"),
        ("{{ 'ação longa' | truncate: 7 }} {{ 'a b c' | truncatewords: 2 }}", "ação... a b..."),
        ("{{ 'a-b-c' | replace: '-', '+' | remove_first: '+' | append: '.' | prepend: '>' }}", ">ab+c."),
        ("{{ 'abcdef' | slice: 1, 3 }}{{ 'abcdef' | slice: -2 }}{{ 'abc' | slice: 9, 9 }}", "bcde"),
        ("{{ contact.tags | sort | join: ', ' }} {{ contact.tags | reverse | first }}", "a, b, c c"),
        ("{{ 'a,b,a' | split: ',' | uniq | join: '' }}", "ab"),
        (
            "{{ 10 | divided_by: 4 }} {{ 10 | divided_by: 4.0 }} {{ 10 | modulo: 3 }} {{ 1 | divided_by: 0 }}",
            "2 2.5 1 ",
        ),
        ("{{ target.amount | times: 2 }} {{ '129,90' | plus: 0.1 }}", "2599.8 130"),
        ("{{ 2.5 | round }} {{ 2.456 | round: 2 }} {{ -2.1 | abs | ceil }}", "3 2.46 3"),
        ("{{ contact.nope | plus: 1 }}|{{ 'x' | plus: 1 }}|{{ 1 | plus: 'x' }}", "|x|1"),
        (
            "{{ '<a b>é & &amp;</a>' | strip_html }} {{ '<' | escape }} {{ '&lt;&' | escape_once }}",
            "é & &amp; &lt; &lt;&amp;",
        ),
        ("{{ 'a b&c' | url_encode }} {{ 'a%20b+c%' | url_decode }}", "a%20b%26c a b c%"),
        (
            "{{ target.amount | money }} {{ 1299.9 | money: 'USD' }} {{ '129,90' | money: 'EUR' }} {{ 'x' | money }}",
            "R$ 1.299,90 $1,299.90 129,90 € x",
        ),
        ("{{ 1234567 | money: 'CLP' }} {{ -5 | money: 'BRL' }} {{ 5 | money: 'XAF' }}", "$1.234.567 -R$ 5,00 XAF 5,00"),
        ("{{ target.due_date | date: '%d/%m/%Y' }}", "01/12/2026"),
        (
            "{{ target.starts_at | date: '%d/%m %H:%M' }} {{ target.epoch | date: '%d/%m %H:%M' }}",
            "30/11 23:30 30/11 23:30",
        ),
        ("{{ target.due_date | date: '%-d de %B (%A)' }}", "1 de dezembro (terça-feira)"),
        (
            "{{ '2026-12-01 10:00' | date: '%H:%M' }} {{ 'amanhã' | date: '%d' }} {{ '01/12/2026' | date: '%d' }}",
            "10:00 amanhã 01/12/2026",
        ),
        ("{{ contact.phone | phone }} {{ 'x' | phone }}", "+55 11 98765-4321 x"),
    ] {
        renders(source, expected);
    }
}

/// The same moment, amount and number in the languages and zones of three accounts.
#[test]
fn each_language_and_zone_has_its_own_form() {
    let of = |language: &str, zone: &str| variables().with_language(language).with_zone(zone);
    let check = |variables: &Variables, rows: &[(&str, &str)]| {
        for (source, expected) in rows {
            assert_eq!(Text::parse(source).unwrap().render(variables).unwrap().text, *expected, "{source}");
        }
    };
    let day = "{{ target.starts_at | date: '%A, %-d %B %Y %H:%M' }}";
    let short = "{{ target.starts_at | date: '%a %d %b' }}";
    let plain = "{{ target.amount | money }}";
    check(
        &of("pt_BR", "America/Sao_Paulo"),
        &[
            (day, "segunda-feira, 30 novembro 2026 23:30"),
            (short, "seg 30 nov"),
            ("{{ '2026-03-03' | date: '%-d de %B' }}", "3 de março"),
            ("{{ '2026-02-28' | date: '%A' }} {{ '2026-03-01' | date: '%A' }}", "sábado domingo"),
            (plain, "R$ 1.299,90"),
            ("{{ 0.5 | money }} {{ 1000000 | money }} {{ -3 | money }}", "R$ 0,50 R$ 1.000.000,00 -R$ 3,00"),
            ("{{ 10 | money: 'USD' }} {{ 10 | money: 'EUR' }}", "$10.00 10,00 €"),
            ("{{ contact.nope | money | default: 'grátis' }}", "grátis"),
        ],
    );
    check(
        &of("en_US", "America/New_York"),
        &[
            (day, "Monday, 30 November 2026 21:30"),
            (short, "Mon 30 Nov"),
            ("{{ '2026-03-03' | date: '%B %-d' }}", "March 3"),
            (plain, "$1,299.90"),
            ("{{ 0.5 | money }} {{ 1000000 | money }} {{ -3 | money }}", "$0.50 $1,000,000.00 -$3.00"),
            ("{{ 10 | money: 'BRL' }} {{ 10 | money: 'GBP' }}", "R$ 10,00 £10.00"),
            ("{{ contact.nope | default: 'there' }}", "there"),
        ],
    );
    check(
        &of("es", "Europe/Madrid"),
        &[
            (day, "martes, 1 diciembre 2026 03:30"),
            (short, "mar 01 dic"),
            ("{{ '2026-03-03' | date: '%-d de %B' }} {{ '2026-03-04' | date: '%A' }}", "3 de marzo miércoles"),
            // A language without a country has no currency of its own.
            (plain, "1.299,90"),
            ("{{ 10 | money: 'MXN' }} {{ 10 | money: 'EUR' }} {{ 1500 | money: 'CLP' }}", "$10.00 10,00 € $1.500"),
        ],
    );
    check(&of("es_ES", "Europe/Madrid"), &[(plain, "1.299,90 €")]);
    check(&of("es_MX", "America/Mexico_City"), &[(plain, "$1,299.90"), (short, "lun 30 nov")]);
    check(&of("pt_PT", "Europe/Lisbon"), &[(plain, "1.299,90 €"), (short, "ter 01 dez")]);
    // A date stays its day everywhere; where the clocks go back the first of two is meant, where they
    // leap an hour is skipped.
    for zone in ["Pacific/Kiritimati", "Pacific/Pago_Pago", "Australia/Lord_Howe"] {
        check(&of("en", zone), &[("{{ target.due_date | date: '%F %H:%M' }}", "2026-12-01 00:00")]);
    }
    check(
        &of("en", "America/New_York"),
        &[
            ("{{ '2026-11-01 01:30' | date: '%H:%M %z' }}", "01:30 -0400"),
            ("{{ '2026-03-08 02:30' | date: '%H:%M %z' }}", "03:30 -0400"),
        ],
    );
    for (number, shown) in [
        ("+5511987654321", "+55 11 98765-4321"),
        ("+351912345678", "+351 912 345 678"),
        ("+34612345678", "+34 612 34 56 78"),
        ("+12025550123", "+1 202-555-0123"),
        ("11987654321", "11987654321"),
        ("", ""),
    ] {
        renders(&format!("{{{{ '{number}' | phone }}}}"), shown);
    }
}

/// An amount in a text is what it is in a condition, by the account's country.
#[test]
fn amounts_are_read_as_the_account_writes_them() {
    use super::DecimalMark::{Comma, Point};
    let with = |mark| {
        variables()
            .with("target", json!({"amount": "1.299", "rate": "0,125"}))
            .with_language("pt_BR")
            .with_decimal_mark(mark)
    };
    for (mark, amount, more) in
        [(None, "R$ 1.299,00", "y"), (Some(Comma), "R$ 1.299,00", "y"), (Some(Point), "R$ 1,30", "")]
    {
        let variables = with(mark);
        let said = |source: &str| Text::parse(source).unwrap().render(&variables).unwrap().text;
        assert_eq!(said("{{ target.amount | money }}"), amount, "{mark:?}");
        assert_eq!(said("{% if target.amount > 1000 %}y{% endif %}"), more, "{mark:?}");
        assert_eq!(said("{{ target.rate | times: 8 }}"), "1", "{mark:?}");
    }
}

#[test]
fn blanks() {
    for (source, expected) in [
        ("{{ contact.first_name }}", &[][..]),
        ("{{ contact.nope }}{{ contact.nope }}{{ nowhere }}", &["contact.nope", "nowhere"]),
        ("{{ contact.nope | default: 'x' }}", &[]),
        ("{{ contact.nope | default: contact.nope2 }}", &["contact.nope2"]),
        ("{{ contact.nope | prepend: 'R$ ' }}", &["contact.nope"]),
        ("{{ 'Oi ' | append: contact.nope }}", &["contact.nope"]),
        ("{% if contact.nope %}{{ contact.nope }}{% endif %}", &[]),
        ("{% assign x = contact.nope %}{{ x }}", &["contact.nope"]),
        ("{% assign x = contact.nope %}", &[]),
        ("{% assign x = contact.nope | default: 'a' %}{{ x }}", &[]),
        ("{% assign x = '' %}{{ x }}", &[]),
        ("{{ contact.blank }}{{ contact.off }}", &["contact.blank"]),
        ("{{ contact }}", &["contact"]),
        ("{{ contact.nope | money }}", &["contact.nope"]),
    ] {
        leaves_blank(source, expected);
    }
}

#[test]
fn refusals() {
    let deep = "{% if a %}".repeat(9) + &"{% endif %}".repeat(9);
    let loops = "{% for a in b %}".repeat(3) + &"{% endfor %}".repeat(3);
    let brackets = format!("{{{{ a{} }}}}", "[a".repeat(5000));
    for (source, code) in [
        ("{{ contact.name", "liquid_syntax"),
        ("{{ }}", "liquid_syntax"),
        ("{{ a b }}", "liquid_syntax"),
        ("{{ 'a }}", "liquid_syntax"),
        ("{{ a | }}", "liquid_syntax"),
        ("{{ a. }}", "liquid_syntax"),
        ("{% if a %}", "liquid_syntax"),
        ("{% endif %}", "liquid_syntax"),
        ("{% if a %}{% endfor %}{% endif %}", "liquid_syntax"),
        ("{% if a %}{% else %}{% else %}{% endif %}", "liquid_syntax"),
        ("{% break %}", "liquid_syntax"),
        ("{% raw %}", "liquid_syntax"),
        ("{{ 99999999999999999999999999999999 }}", "liquid_syntax"),
        ("{% tablerow a in b %}{% endtablerow %}", "unknown_tag"),
        ("{% include 'x' %}", "unknown_tag"),
        ("{% render 'x' %}", "unknown_tag"),
        ("{% increment x %}", "unknown_tag"),
        ("{{ a | json }}", "unknown_filter"),
        ("{{ a | default }}", "invalid_filter_arguments"),
        ("{{ a | upcase: 1 }}", "invalid_filter_arguments"),
        ("{{ a | date: '%Q' }}", "invalid_filter_arguments"),
        ("{{ blank_field }}", "reserved_name"),
        ("{{ true_x.y }}", "reserved_name"),
        ("{% assign empty_cart = 1 %}", "reserved_name"),
        ("{% for nilly in b %}{% endfor %}", "reserved_name"),
        ("{% for i in (1..100000000) %}x{% endfor %}", "loop_too_large"),
        ("{% for i in (1..contact.age) %}x{% endfor %}", "loop_too_large"),
        ("{% for i in (-9223372036854775808..9223372036854775807) %}x{% endfor %}", "loop_too_large"),
        ("{% for i in (1..1000) %}{% for j in (1..1000) %}x{% endfor %}{% endfor %}", "loop_too_large"),
        (&deep, "nesting_too_deep"),
        (&loops, "nesting_too_deep"),
        (&brackets, "nesting_too_deep"),
        (&"x".repeat(20_000), "content_too_long"),
        ("{% for i in (1..1000) %}{% for j in (1..10) %}0123456789{% endfor %}{% endfor %}", "content_too_long"),
    ] {
        refused(source, code);
    }
}
