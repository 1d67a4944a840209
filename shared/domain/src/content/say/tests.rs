use serde_json::{Value, json};

use super::super::tests::variables;
use super::*;
use crate::message::Message;

#[track_caller]
fn said_with(content: Value, first: Option<Value>, channel: Channel, templates: &Templates) -> Said {
    let content: Content = serde_json::from_value(content).unwrap();
    let first: Option<Content> = first.map(|f| serde_json::from_value(f).unwrap());
    say(&content, first.as_ref(), channel, templates, &variables()).unwrap()
}

#[track_caller]
fn said(content: Value, channel: Channel) -> Message {
    said_with(content, None, channel, &Templates::new()).message
}

#[track_caller]
fn unsaid(content: Value, channel: Channel) -> Code {
    let content: Content = serde_json::from_value(content).unwrap();
    say(&content, None, channel, &Templates::new(), &variables()).unwrap_err().code
}

fn text(text: &str) -> Message {
    Message::Text { text: text.into() }
}

fn offer() -> Value {
    json!({"type": "rich", "text": "Olá {{ contact.first_name }}, quando?",
        "media": {"kind": "image", "url": "https://files.example.com/{{ contact.plan }}.png", "caption": "Plano {{ contact.plan }}"},
        "buttons": [{"id": "am", "title": "Manhã"}, {"id": "pm", "title": "À tarde, {{ contact.first_name }}"}]})
}

#[test]
fn rich_content_is_filled_in_everywhere() {
    let Message::Rich(rich) = said(offer(), Channel::Whatsapp) else { panic!() };
    assert_eq!(
        serde_json::to_value(&rich).unwrap(),
        json!({"text": "Olá Ana, quando?",
            "media": {"kind": "image", "url": "https://files.example.com/gold.png", "caption": "Plano gold"},
            "buttons": [{"id": "am", "title": "Manhã"}, {"id": "pm", "title": "À tarde, Ana"}]})
    );
    assert_eq!(rich.words(), "Olá Ana, quando?\n\nPlano gold");
    // What was put on a queue is read back as it was.
    let message = Message::Rich(rich);
    let queued = serde_json::to_string(&message).unwrap();
    assert_eq!(serde_json::from_str::<Message>(&queued).unwrap(), message);
}

#[test]
fn where_only_text_is_shown_options_are_numbered_and_media_is_a_link() {
    let plain = "Olá Ana, quando?\n\nPlano gold\n\n1. Manhã\n2. À tarde, Ana\n\nhttps://files.example.com/gold.png";
    assert_eq!(said(offer(), Channel::Sms), text(plain));
    assert_eq!(said(offer(), Channel::Conversation), text(plain));
    let list = json!({"type": "rich", "text": "Escolha:", "list": {"button": "Ver", "sections": [
        {"title": "Hoje", "rows": [{"id": "1", "title": "9h"}, {"id": "2", "title": "10h", "description": "com {{ agent.name }}"}]},
        {"title": "Amanhã", "rows": [{"id": "3", "title": "8h"}]}]}});
    assert_eq!(said(list, Channel::Sms), text("Escolha:\n\n1. 9h\n2. 10h: com Bia Souza\n3. 8h"));
    let audio =
        json!({"type": "rich", "text": "Ouça:", "media": {"kind": "audio", "url": "https://files.example.com/a.ogg"}});
    assert_eq!(said(audio, Channel::Sms), text("Ouça:\n\nhttps://files.example.com/a.ogg"));
    assert_eq!(said(json!({"type": "rich", "text": "Só isto"}), Channel::Sms), text("Só isto"));
}

#[test]
fn what_a_channel_cannot_take_is_not_said() {
    let rich = |parts: Value| {
        let mut content = json!({"type": "rich", "text": "Oi"});
        content.as_object_mut().unwrap().extend(parts.as_object().unwrap().clone());
        content
    };
    let media = |url: &str| rich(json!({"media": {"kind": "image", "url": url}}));
    for url in [
        "{{ contact.nope }}",
        "http://a.example.com/",
        "https://localhost/{{ contact.plan }}",
        "https://files.example.com/{{ contact.last_name }}.png",
    ] {
        assert_eq!(unsaid(media(url), Channel::Whatsapp), Code::InvalidLink, "{url}");
    }
    assert_eq!(unsaid(rich(json!({"text": "{{ contact.nope }}"})), Channel::Whatsapp), Code::Blank);
    assert_eq!(
        unsaid(rich(json!({"buttons": [{"id": "a", "title": "{{ contact.nope }}"}]})), Channel::Whatsapp),
        Code::Blank
    );
    let long = format!("{{% for i in (1..200) %}}{}{{% endfor %}}", "x".repeat(21));
    assert_eq!(unsaid(json!({"type": "text", "text": long}), Channel::Whatsapp), Code::ContentTooLong);
    assert_eq!(unsaid(json!({"type": "text", "text": long}), Channel::Sms), Code::ContentTooLong);
    let sms =
        |length: usize| rich(json!({"text": format!("{{{{ contact.nope | default: '{}' }}}}", "é".repeat(length))}));
    assert!(matches!(said(sms(1_600), Channel::Sms), Message::Text { .. }));
    assert_eq!(unsaid(sms(1_601), Channel::Sms), Code::ContentTooLong);
    assert!(matches!(said(sms(1_601), Channel::Conversation), Message::Text { .. }));
    let words = format!("{{% for i in (1..100) %}}{}{{% endfor %}}", "x".repeat(11));
    assert!(matches!(said(rich(json!({"text": words})), Channel::Whatsapp), Message::Rich(_)));
    let with_button = rich(json!({"text": words, "buttons": [{"id": "a", "title": "b"}]}));
    assert_eq!(unsaid(with_button, Channel::Whatsapp), Code::ContentTooLong);
    assert_eq!(unsaid(json!({"type": "bot", "bot_id": "7", "text": "Oi"}), Channel::Whatsapp), Code::Blank);
    assert_eq!(unsaid(json!({"type": "template", "template_id": "tpl_none"}), Channel::Sms), Code::Blank);
}

#[test]
fn a_title_that_came_out_long_is_cut() {
    let content = json!({"type": "rich", "text": "Oi", "buttons": [
        {"id": "a", "title": "Falar com {{ agent.name }} agora"}]});
    let Message::Rich(rich) = said(content, Channel::Whatsapp) else { panic!() };
    assert_eq!(rich.buttons[0].title, "Falar com Bia Souza…");
    assert_eq!(rich.buttons[0].title.chars().count(), 20);
}

#[test]
fn each_channel_has_its_own_words() {
    let content = json!({"type": "text", "text": "Olá {{ contact.first_name }}",
        "email": {"subject": "Fatura de {{ contact.first_name }}", "html": "<p>Olá {{ contact.last_name }}</p>",
            "cc": ["{{ agent.email }}", "{{ contact.nope }}", "financeiro@example.com", "{{ contact.first_name }}", "{{ agent.email }}"]},
        "sms": {"text": "Oi {{ contact.first_name }}"}});
    assert_eq!(said(content.clone(), Channel::Whatsapp), text("Olá Ana"));
    assert_eq!(said(content.clone(), Channel::Sms), text("Oi Ana"));
    assert_eq!(said(content.clone(), Channel::Conversation), text("Olá Ana"));
    let whole = said_with(content, None, Channel::Email, &Templates::new());
    let Message::Email(email) = whole.message else { panic!() };
    assert_eq!(
        serde_json::to_value(&email).unwrap(),
        json!({"subject": "Fatura de Ana", "text": "Olá Ana", "html": "<p>Olá São João</p>",
            "cc": ["bia@example.com", "financeiro@example.com"], "thread": "same"})
    );
    // Nobody to send a copy to is no hole.
    assert_eq!(whole.blank, Vec::<String>::new());
}

#[test]
fn an_email_in_a_thread_answers_the_first() {
    let email = |subject: Option<&str>, thread: &str| json!({"type": "text", "text": "x", "email": {"subject": subject, "thread": thread}});
    let subject =
        |content: Value, first: Option<Value>| match said_with(content, first, Channel::Email, &Templates::new())
            .message
        {
            Message::Email(email) => email.subject,
            other => panic!("{other:?}"),
        };
    let first = || Some(email(Some("Olá {{ contact.first_name }}"), "same"));
    assert_eq!(subject(email(None, "same"), first()), "Re: Olá Ana");
    assert_eq!(subject(email(Some("Outra"), "same"), first()), "Re: Olá Ana");
    assert_eq!(subject(email(Some("Outra"), "new"), first()), "Outra");
    assert_eq!(subject(json!({"type": "text", "text": "x"}), first()), "Re: Olá Ana");
    assert_eq!(unsaid(email(None, "same"), Channel::Email), Code::Blank);
    // A line break would begin another header.
    assert_eq!(subject(email(Some("a\r\nBcc: x@example.com"), "new"), None), "a Bcc: x@example.com");
    assert_eq!(subject(email(Some(&"é".repeat(300)), "new"), None).chars().count(), 255);
}

#[test]
fn what_people_are_called_adds_no_tags() {
    let html = |html: &str| {
        let content: Content =
            serde_json::from_value(json!({"type": "text", "text": "x", "email": {"subject": "s", "html": html}}))
                .unwrap();
        let variables = Variables::new().with(
            "contact",
            json!({"first_name": "<script>alert('1')</script>", "attributes": {"note": "a & b\n\"c\"", "list": ["<", ">"]}}),
        );
        match say(&content, None, Channel::Email, &Templates::new(), &variables).unwrap().message {
            Message::Email(email) => email.html.unwrap(),
            other => panic!("{other:?}"),
        }
    };
    let escaped = "&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt;";
    for (source, expected) in [
        ("<p>{{ contact.first_name }}</p>", format!("<p>{escaped}</p>")),
        ("<p>{{ contact.first_name | escape }}</p>", format!("<p>{escaped}</p>")),
        ("<p>{{ contact.first_name | escape | append: contact.first_name }}</p>", format!("<p>{escaped}{escaped}</p>")),
        ("<a href=\"{{ contact.note }}\">", "<a href=\"a &amp; b\n&quot;c&quot;\">".into()),
        ("{{ contact.note | newline_to_br }}", "a &amp; b<br />\n&quot;c&quot;".into()),
        ("{{ contact.first_name | newline_to_br }}", escaped.into()),
        ("{{ contact.list }}{{ contact.list | join: '<' }}", "&lt;&gt;&lt;&lt;&gt;".into()),
        ("{% assign x = contact.first_name %}{{ x }}", escaped.into()),
        ("{% capture x %}{{ contact.first_name }}{% endcapture %}{{ x }}", escaped.into()),
        ("{% if contact.first_name contains '<' %}<b>tag</b>{% endif %}", "<b>tag</b>".into()),
        ("{{ 'a &amp; b' }}", "a &amp; b".into()),
    ] {
        assert_eq!(html(source), expected, "{source}");
    }
}

#[test]
fn an_sms_may_go_without_its_accents() {
    let content = |transliterate: bool| json!({"type": "text", "text": "x", "sms": {"text": "Olá {{ contact.last_name }}, não esqueça…", "transliterate": transliterate}});
    let whole = said_with(content(true), None, Channel::Sms, &Templates::new());
    assert_eq!(whole.message, text("Ola Sao Joao, nao esqueca..."));
    assert_eq!(whole.accented.as_deref(), Some("Olá São João, não esqueça…"));
    let whole = said_with(content(false), None, Channel::Sms, &Templates::new());
    assert_eq!((whole.message, whole.accented), (text("Olá São João, não esqueça…"), None));
}

#[test]
fn a_message_template_is_filled_by_the_step() {
    let templates: Templates = [(
        "tpl_1".to_owned(),
        serde_json::from_value(json!({"name": "Lembrete",
            "text": "{{ contact.first_name }}: {{ amount }}{{ extra | default: '.' }}",
            "channel_variants": {"email": {"subject": "{{ amount }}", "html": "<b>{{ amount }}</b>"}, "sms": {"text": "{{ amount | upcase }}"}}}))
        .unwrap(),
    )]
    .into();
    let content = |values: Value| json!({"type": "template", "template_id": "tpl_1", "values": values});
    let whole =
        said_with(content(json!({"amount": "R$ {{ target.amount }} <!>"})), None, Channel::Whatsapp, &templates);
    assert_eq!((whole.message, whole.blank.len()), (text("Ana: R$ 1.299,90 <!>."), 0));
    let given = json!({"amount": "r$ {{ target.amount }}", "extra": "!"});
    assert_eq!(said_with(content(given.clone()), None, Channel::Sms, &templates).message, text("R$ 1.299,90"));
    let Message::Email(email) = said_with(content(given.clone()), None, Channel::Email, &templates).message else {
        panic!()
    };
    assert_eq!((email.subject.as_str(), email.html.as_deref()), ("r$ 1.299,90", Some("<b>r$ 1.299,90</b>")));
    // The thread's subject is filled by the step that began it.
    let second = json!({"type": "text", "text": "x {{ amount }}"});
    let whole = said_with(second, Some(content(given)), Channel::Email, &templates);
    let Message::Email(email) = whole.message else { panic!() };
    assert_eq!((email.subject.as_str(), whole.blank), ("Re: r$ 1.299,90", vec!["amount".to_owned()]));

    // A value that is blank leaves a hole only where the template shows it without a default.
    let blank = said_with(
        content(json!({"amount": "{{ contact.nope }}", "extra": "{{ contact.nope }}"})),
        None,
        Channel::Whatsapp,
        &templates,
    );
    assert_eq!(blank.blank, ["amount"]);
    let partly = said_with(content(json!({"amount": "R$ {{ contact.nope }}"})), None, Channel::Whatsapp, &templates);
    assert_eq!(partly.blank, ["contact.nope"]);
}
