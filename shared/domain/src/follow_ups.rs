//! Short follow-ups in three tones and three languages: what a step says that has a tone and no text of
//! its own (PRODUCT.md section 4). They are chosen by the step's place, so that no two in a row are
//! the same and the last one takes its leave.
//!
//! Like any text they are Liquid, rendered for the person when they go out.

use std::borrow::Cow;

use crate::sequence::{ComposeMode, Content, ContentType, EmailVariant, Sequence, Step, Tone};

/// Languages that are written here; what is none of them gets English.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Language {
    Portuguese,
    English,
    Spanish,
}

impl Language {
    /// `pt_BR`, `pt-PT`, `es`.
    fn of(code: &str) -> Self {
        match code.get(..2).map(str::to_ascii_lowercase).as_deref() {
            Some("pt") => Self::Portuguese,
            Some("es") => Self::Spanish,
            _ => Self::English,
        }
    }
}

/// The follow-ups of one tone: as many as may come in a row, then the last one.
struct Wording {
    several: [&'static str; 4],
    last: &'static str,
}

/// The step with its words: a step with a tone and without a text says what is written here, in
/// `language` (the sequence's, else the contact's, else the account's). Every other step is as it is.
pub(crate) fn worded<'a>(sequence: &Sequence, step: &'a Step, language: &str) -> Cow<'a, Step> {
    let Some(tone) = wordless(step) else { return Cow::Borrowed(step) };
    let index = sequence.steps.iter().position(|s| s.key == step.key).unwrap_or_default();
    let language = Language::of(language);
    let wording = wording(tone, language);
    let text = if index + 1 == sequence.steps.len() && index > 0 {
        wording.last
    } else {
        wording.several[index % wording.several.len()]
    };
    let email = step.content.email.clone().unwrap_or(EmailVariant {
        subject: None,
        html: None,
        cc: Vec::new(),
        thread: Default::default(),
    });
    let email = EmailVariant { subject: email.subject.or_else(|| Some(subject(language).into())), ..email };
    let content = Content { text: Some(text.into()), email: Some(email), ..step.content.clone() };
    Cow::Owned(Step { content, ..step.clone() })
}

/// The tone of a step that leaves its words to it.
pub(crate) fn wordless(step: &Step) -> Option<Tone> {
    let said = step.content.text.as_ref().is_some_and(|t| !t.trim().is_empty());
    let ours = step.compose.mode == ComposeMode::Static && step.content.type_ == ContentType::Text && !said;
    step.compose.tone.filter(|_| ours)
}

/// Of an email whose step names none.
fn subject(language: Language) -> &'static str {
    match language {
        Language::Portuguese => "Sobre a nossa conversa",
        Language::English => "About our conversation",
        Language::Spanish => "Sobre nuestra conversación",
    }
}

fn wording(tone: Tone, language: Language) -> Wording {
    use Language::{English, Portuguese, Spanish};
    match (tone, language) {
        (Tone::Formal, Portuguese) => Wording {
            several: [
                "Olá, {{ contact.first_name | default: 'tudo bem' }}. Gostaria de saber se recebeu a minha última mensagem. Permaneço à disposição.",
                "Prezado(a) {{ contact.first_name | default: 'cliente' }}, retomo o nosso contato para saber se posso ajudar em algo mais.",
                "{{ contact.first_name | default: 'Olá' }}, caso tenha restado alguma dúvida, terei prazer em esclarecê-la.",
                "{{ contact.first_name | default: 'Olá' }}, seria possível nos dar um retorno sobre o assunto, quando lhe for conveniente?",
            ],
            last: "{{ contact.first_name | default: 'Olá' }}, como não tivemos retorno, encerro este contato por ora. Se desejar retomá-lo, basta responder a esta mensagem.",
        },
        (Tone::Friendly, Portuguese) => Wording {
            several: [
                "Oi {{ contact.first_name | default: 'tudo bem' }}! Conseguiu ver minha última mensagem? 😊",
                "Oi {{ contact.first_name | default: 'de novo' }}! Passando para saber se posso ajudar em alguma coisa.",
                "{{ contact.first_name | default: 'Oi' }}, ficou alguma dúvida? Pode mandar que eu respondo!",
                "{{ contact.first_name | default: 'Oi' }}, sei que a correria é grande. Quando puder, me dá um retorno?",
            ],
            last: "{{ contact.first_name | default: 'Oi' }}, para não incomodar, vou parar de escrever por aqui. Quando quiser conversar, é só chamar!",
        },
        (Tone::Direct, Portuguese) => Wording {
            several: [
                "{{ contact.first_name | default: 'Olá' }}, viu minha última mensagem?",
                "{{ contact.first_name | default: 'Olá' }}, seguimos? Responda sim ou não.",
                "{{ contact.first_name | default: 'Olá' }}, falta alguma informação para decidir?",
                "{{ contact.first_name | default: 'Olá' }}, preciso da sua resposta para continuar.",
            ],
            last: "{{ contact.first_name | default: 'Olá' }}, vou encerrar por aqui. Se ainda tiver interesse, responda esta mensagem.",
        },
        (Tone::Formal, English) => Wording {
            several: [
                "Hello {{ contact.first_name | default: 'there' }}. I would like to know whether you received my last message. I remain at your disposal.",
                "Dear {{ contact.first_name | default: 'customer' }}, I am writing again to ask whether there is anything else I can help with.",
                "{{ contact.first_name | default: 'Hello' }}, should any question remain, I will be pleased to answer it.",
                "{{ contact.first_name | default: 'Hello' }}, could you let us know your answer when it is convenient for you?",
            ],
            last: "{{ contact.first_name | default: 'Hello' }}, as we have not heard from you, I will close this matter for now. To take it up again, please reply to this message.",
        },
        (Tone::Friendly, English) => Wording {
            several: [
                "Hi {{ contact.first_name | default: 'there' }}! Did you get to see my last message? 😊",
                "Hi {{ contact.first_name | default: 'again' }}! Just checking whether I can help with anything.",
                "{{ contact.first_name | default: 'Hi' }}, is there any question left? Send it over and I will answer!",
                "{{ contact.first_name | default: 'Hi' }}, I know how busy days are. Could you get back to me when you have a moment?",
            ],
            last: "{{ contact.first_name | default: 'Hi' }}, I do not want to bother you, so I will stop writing here. Whenever you want to talk, just call on me!",
        },
        (Tone::Direct, English) => Wording {
            several: [
                "{{ contact.first_name | default: 'Hello' }}, have you seen my last message?",
                "{{ contact.first_name | default: 'Hello' }}, shall we go on? Reply yes or no.",
                "{{ contact.first_name | default: 'Hello' }}, is any information missing for you to decide?",
                "{{ contact.first_name | default: 'Hello' }}, I need your answer to go on.",
            ],
            last: "{{ contact.first_name | default: 'Hello' }}, I will close this. If you are still interested, reply to this message.",
        },
        (Tone::Formal, Spanish) => Wording {
            several: [
                "Hola, {{ contact.first_name | default: 'buen día' }}. Quisiera saber si recibió mi último mensaje. Quedo a su disposición.",
                "Estimado(a) {{ contact.first_name | default: 'cliente' }}, retomo el contacto para saber si puedo ayudarle en algo más.",
                "{{ contact.first_name | default: 'Hola' }}, si le quedó alguna duda, con gusto la aclararé.",
                "{{ contact.first_name | default: 'Hola' }}, ¿podría darnos una respuesta cuando le resulte conveniente?",
            ],
            last: "{{ contact.first_name | default: 'Hola' }}, como no tuvimos respuesta, cierro este contacto por ahora. Si desea retomarlo, responda a este mensaje.",
        },
        (Tone::Friendly, Spanish) => Wording {
            several: [
                "¡Hola {{ contact.first_name | default: 'qué tal' }}! ¿Pudiste ver mi último mensaje? 😊",
                "¡Hola {{ contact.first_name | default: 'de nuevo' }}! Paso para saber si puedo ayudarte en algo.",
                "{{ contact.first_name | default: 'Hola' }}, ¿te quedó alguna duda? ¡Envíamela y te respondo!",
                "{{ contact.first_name | default: 'Hola' }}, sé que los días vuelan. ¿Me respondes cuando puedas?",
            ],
            last: "{{ contact.first_name | default: 'Hola' }}, para no molestarte, dejo de escribir por aquí. Cuando quieras conversar, ¡avísame!",
        },
        (Tone::Direct, Spanish) => Wording {
            several: [
                "{{ contact.first_name | default: 'Hola' }}, ¿viste mi último mensaje?",
                "{{ contact.first_name | default: 'Hola' }}, ¿seguimos? Responde sí o no.",
                "{{ contact.first_name | default: 'Hola' }}, ¿te falta alguna información para decidir?",
                "{{ contact.first_name | default: 'Hola' }}, necesito tu respuesta para continuar.",
            ],
            last: "{{ contact.first_name | default: 'Hola' }}, cierro por aquí. Si todavía te interesa, responde a este mensaje.",
        },
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::content::{Text, Variables, unknown_variables};
    use crate::sequence::TargetKind;

    fn sequence(steps: usize, tone: &str) -> Sequence {
        let step = |i: usize| {
            json!({"key": format!("s{i}"), "wait": {"value": 1, "unit": "days"}, "channel": "whatsapp",
                   "content": {"type": "text"}, "compose": {"tone": tone}})
        };
        let steps: Vec<_> = (0..steps).map(step).collect();
        serde_json::from_value(json!({"name": "x", "target": "contact", "steps": steps})).unwrap()
    }

    fn texts(sequence: &Sequence, language: &str) -> Vec<String> {
        sequence.steps.iter().map(|step| worded(sequence, step, language).content.text.clone().unwrap()).collect()
    }

    #[test]
    fn every_wording_is_good_content_and_none_comes_twice_in_a_row() {
        let mut all = std::collections::BTreeSet::new();
        for tone in ["formal", "friendly", "direct"] {
            for language in ["pt_BR", "en_US", "es"] {
                let said = texts(&sequence(9, tone), language);
                assert!(said.windows(2).all(|w| w[0] != w[1]), "{tone} {language}");
                assert!(!said[..8].contains(&said[8]), "{tone} {language}: the last takes its leave");
                for text in said {
                    let parsed = Text::parse(&text).unwrap();
                    assert_eq!(unknown_variables(&parsed, TargetKind::Contact, &[]), [], "{text}");
                    let nobody = parsed.render(&Variables::new()).unwrap();
                    assert!(nobody.blank.is_empty() && !nobody.text.contains("{{"), "{text}");
                    all.insert(text);
                }
            }
        }
        assert_eq!(all.len(), 3 * 3 * 5);
    }

    #[test]
    fn the_language_is_the_nearest_that_is_written() {
        let one = sequence(1, "direct");
        let check = |language: &str, begins: &str| {
            let text = Text::parse(&texts(&one, language)[0]).unwrap().render(&Variables::new()).unwrap().text;
            assert!(text.starts_with(begins), "{language}: {text}");
        };
        check("pt_BR", "Olá");
        check("PT", "Olá");
        check("es-MX", "Hola");
        check("de", "Hello");
        check("", "Hello");
    }

    #[test]
    fn words_of_ones_own_stay() {
        let mut own = sequence(1, "formal");
        own.steps[0].content.text = Some("Oi".into());
        assert_eq!(texts(&own, "pt"), ["Oi"]);
        let mut bare = sequence(1, "formal");
        bare.steps[0].compose.tone = None;
        assert_eq!(*worded(&bare, &bare.steps[0], "pt"), bare.steps[0]);
        let mut subject = sequence(1, "formal");
        subject.steps[0].content.email =
            Some(serde_json::from_value(json!({"subject": "Meu assunto", "cc": ["a@example.com"]})).unwrap());
        let email = worded(&subject, &subject.steps[0], "pt").content.email.clone().unwrap();
        assert_eq!((email.subject.as_deref(), email.cc.len()), (Some("Meu assunto"), 1));
    }
}
