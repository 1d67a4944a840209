//! `GET|POST /u/{token}`: the page behind "unsubscribe", and the one click of RFC 8058.
//!
//! Programs follow every link of an email, so a `GET` shows and changes nothing; only a `POST` unsubscribes,
//! whatever its body says: the page's button and the mailbox's own one click look alike. No cookie, no
//! script, nothing from elsewhere.

use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{Html, IntoResponse as _, Response};
use axum::routing::get;
use domain::message::Channel;
use engine::emails::Unsubscription;
use engine::{Engine, Ports, Refused};

use crate::http::busy;

/// `List-Unsubscribe=One-Click` and whatever a mailbox adds.
const MAX_BODY: usize = 16 * 1024;

const CSP: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
);

pub(crate) fn routes<P: Ports>() -> Router<Arc<Engine<P>>> {
    Router::new().route("/u/{token}", get(show::<P>).post(unsubscribe::<P>)).layer(DefaultBodyLimit::max(MAX_BODY))
}

async fn show<P: Ports>(State(engine): State<Arc<Engine<P>>>, Path(token): Path<String>) -> Response {
    match engine.unsubscription(&token).await {
        Ok(Some(found)) => page(StatusCode::OK, &Words::of(&found).question(&found)),
        Ok(None) => page(StatusCode::NOT_FOUND, &Words::NONE.unknown()),
        Err(_) => busy(),
    }
}

async fn unsubscribe<P: Ports>(State(engine): State<Arc<Engine<P>>>, Path(token): Path<String>) -> Response {
    match engine.unsubscribe(&token).await {
        Ok(Some(found)) => page(StatusCode::OK, &Words::of(&found).done(&found)),
        Ok(None) => page(StatusCode::NOT_FOUND, &Words::NONE.unknown()),
        Err(Refused::Port(error)) => {
            tracing::warn!(%error, "somebody could not unsubscribe");
            busy()
        }
        Err(_) => busy(),
    }
}

fn page(status: StatusCode, html: &str) -> Response {
    let headers = [
        (header::CONTENT_SECURITY_POLICY, CSP),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        // The address is the token.
        (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        (header::HeaderName::from_static("x-robots-tag"), HeaderValue::from_static("noindex")),
    ];
    (status, headers, Html(html.to_owned())).into_response()
}

/// What the page says in a language.
struct Words {
    lang: &'static str,
    title: &'static str,
    /// Channel, then who sends.
    question: fn(&str, &str) -> String,
    button: &'static str,
    done: fn(&str, &str) -> String,
    channels: [&'static str; 4],
    from: fn(&str) -> String,
    unknown: &'static str,
}

const ENGLISH: Words = Words {
    lang: "en",
    title: "Unsubscribe",
    question: |what, from| format!("Do you want to stop getting {what}{from}?"),
    button: "Unsubscribe",
    done: |what, from| format!("Done. You will get no more {what}{from}."),
    channels: ["WhatsApp messages", "emails", "text messages", "messages"],
    from: |name| format!(" from {name}"),
    unknown: "This link does not lead to anything. It may have been cut off: copy it as a whole.",
};

const PORTUGUESE: Words = Words {
    lang: "pt",
    title: "Cancelar inscrição",
    question: |what, from| format!("Você quer deixar de receber {what}{from}?"),
    button: "Cancelar inscrição",
    done: |what, from| format!("Pronto. Você não vai mais receber {what}{from}."),
    channels: ["mensagens no WhatsApp", "e-mails", "SMS", "mensagens"],
    from: |name| format!(" de {name}"),
    unknown: "Este link não leva a lugar nenhum. Talvez tenha sido cortado: copie-o por inteiro.",
};

const SPANISH: Words = Words {
    lang: "es",
    title: "Cancelar suscripción",
    question: |what, from| format!("¿Quiere dejar de recibir {what}{from}?"),
    button: "Cancelar suscripción",
    done: |what, from| format!("Listo. Ya no recibirá {what}{from}."),
    channels: ["mensajes de WhatsApp", "correos electrónicos", "SMS", "mensajes"],
    from: |name| format!(" de {name}"),
    unknown: "Este enlace no lleva a ninguna parte. Quizás se cortó: cópielo completo.",
};

impl Words {
    /// Nobody is known, and no language.
    const NONE: Self = ENGLISH;

    fn of(found: &Unsubscription) -> Self {
        match found.language.get(..2) {
            Some("pt") => PORTUGUESE,
            Some("es") => SPANISH,
            _ => ENGLISH,
        }
    }

    /// What one gets, and from whom where that has a name.
    fn about(&self, found: &Unsubscription) -> (&'static str, String) {
        let what = match found.channel {
            Channel::Whatsapp => self.channels[0],
            Channel::Email => self.channels[1],
            Channel::Sms => self.channels[2],
            Channel::Conversation => self.channels[3],
        };
        let name = found.account.trim();
        (what, if name.is_empty() { String::new() } else { (self.from)(&escaped(name)) })
    }

    fn question(&self, found: &Unsubscription) -> String {
        let (what, from) = self.about(found);
        let form = format!(
            "<form method=\"post\"><input type=\"hidden\" name=\"List-Unsubscribe\" value=\"One-Click\">\
             <button type=\"submit\">{}</button></form>",
            self.button
        );
        self.html(&format!("<p>{}</p>{form}", (self.question)(what, &from)))
    }

    fn done(&self, found: &Unsubscription) -> String {
        let (what, from) = self.about(found);
        self.html(&format!("<p role=\"status\">{}</p>", (self.done)(what, &from)))
    }

    fn unknown(&self) -> String {
        self.html(&format!("<p>{}</p>", self.unknown))
    }

    fn html(&self, body: &str) -> String {
        let Self { lang, title, .. } = self;
        format!(
            "<!doctype html><html lang=\"{lang}\"><head><meta charset=\"utf-8\">\
             <meta name=\"viewport\" content=\"width=device-width\"><title>{title}</title><style>\
             :root{{color-scheme:light dark}}body{{font:1.125rem/1.5 system-ui,sans-serif;max-width:32rem;\
             margin:15vh auto;padding:0 1rem}}button{{font:inherit;padding:.75rem 1.5rem;min-height:3rem}}\
             </style></head><body><main><h1>{title}</h1>{body}</main></body></html>"
        )
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(account: &str, language: &str) -> Unsubscription {
        Unsubscription { channel: Channel::Email, account: account.into(), language: language.into() }
    }

    #[test]
    fn the_page_speaks_the_persons_language() {
        for (language, says) in [
            ("pt_BR", "Você quer deixar de receber e-mails de Loja?"),
            ("es", "¿Quiere dejar de recibir correos electrónicos de Loja?"),
            ("en_US", "Do you want to stop getting emails from Loja?"),
            ("", "Do you want to stop getting emails from Loja?"),
            ("é", "Do you want to stop getting emails from Loja?"),
        ] {
            let found = found("Loja", language);
            let html = Words::of(&found).question(&found);
            assert!(html.contains(says) && html.contains("<form method=\"post\">"), "{html}");
            assert!(!Words::of(&found).done(&found).contains("<form"));
        }
        let nameless = found("", "en");
        assert!(Words::of(&nameless).question(&nameless).contains("stop getting emails?"));
    }

    #[test]
    fn an_accounts_name_is_no_html() {
        let found = found("<script>alert(1)</script>\"&", "en");
        for html in [Words::of(&found).question(&found), Words::of(&found).done(&found)] {
            assert!(!html.contains("<script") && html.contains("&lt;script&gt;"), "{html}");
        }
    }
}
