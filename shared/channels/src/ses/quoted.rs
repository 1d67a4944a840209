//! The new part of an answer: what was written, without the message that it answers.
//!
//! Cut where a program has begun to quote, and nowhere else: words of the person's that are kept twice are
//! better than words that are lost.

/// How a program introduces what it quotes: `On Mon, Ana wrote:`, over as many lines at most.
const INTRODUCTIONS: [(&str, &str); 4] =
    [("on ", "wrote:"), ("em ", "escreveu:"), ("el ", "escribió:"), ("a ", "escreveu:")];
const INTRODUCTION_LINES: usize = 3;
const ORIGINALS: [&str; 6] = [
    "original message",
    "forwarded message",
    "mensagem original",
    "mensagem encaminhada",
    "mensaje original",
    "mensaje reenviado",
];
/// The header that Outlook puts before what it quotes: who, and within a few lines when and to whom.
const FROM: [&str; 2] = ["from:", "de:"];
const SENT: [&str; 7] = ["sent:", "date:", "enviada em:", "enviado em:", "data:", "enviado:", "fecha:"];
const HEADER_LINES: usize = 4;
const DEVICES: [&str; 4] = ["sent from my ", "enviado do meu ", "enviado desde mi ", "get outlook for "];

/// Trimmed. The whole text where nothing else is left.
pub(super) fn new_part(text: &str) -> &str {
    let lines: Vec<(usize, &str)> = positions(text);
    let trimmed: Vec<String> = lines.iter().map(|(_, line)| line.trim().to_lowercase()).collect();
    let end = (0..lines.len()).find(|&at| begins_quote(&trimmed[at..]) || lines[at].1.trim_end_matches('\r') == "-- ");
    let part = end.map_or(text, |at| &text[..lines[at].0]).trim();
    let part = without_device(part);
    if part.is_empty() { text.trim() } else { part }
}

/// Each line with where it begins.
fn positions(text: &str) -> Vec<(usize, &str)> {
    let mut at = 0;
    text.split('\n')
        .map(|line| {
            let begins = at;
            at += line.len() + 1;
            (begins, line)
        })
        .collect()
}

/// Whether from this line on a program has written. The lines are trimmed and in small letters.
fn begins_quote(lines: &[String]) -> bool {
    let Some(first) = lines.first() else { return false };
    let dashed = first.trim_matches(['-', '_', ' ', '*']);
    if first.starts_with("--") && ORIGINALS.contains(&dashed) {
        return true;
    }
    let introduced = |(begin, end): &(&str, &str)| {
        let few = lines.iter().take(INTRODUCTION_LINES);
        first.starts_with(begin) && first.len() < 500 && few.take_while(|l| !l.is_empty()).any(|l| l.ends_with(end))
    };
    if INTRODUCTIONS.iter().any(introduced) {
        return true;
    }
    let starts = |line: &String, any: &[&str]| any.iter().any(|word| line.trim_start_matches('*').starts_with(word));
    if starts(first, &FROM) && lines.iter().skip(1).take(HEADER_LINES).any(|line| starts(line, &SENT)) {
        return true;
    }
    // Quoted to the end; somebody who answers between the lines goes on after it.
    first.starts_with('>') && lines.iter().all(|line| line.is_empty() || line.starts_with('>'))
}

/// Without `Sent from my iPhone` as its last line.
fn without_device(part: &str) -> &str {
    let (before, last) = part.rsplit_once('\n').unwrap_or(("", part));
    let last = last.trim().to_lowercase();
    let device = last.len() < 80 && DEVICES.iter().any(|words| last.starts_with(words));
    if device && !before.trim().is_empty() { before.trim() } else { part }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_program_quotes_is_cut() {
        for quoted in [
            "On Mon, Mar 2, 2026 at 9:00 AM Loja <loja@example.com> wrote:\n> Oi",
            "On Mon, Mar 2, 2026 at 9:00 AM\nLoja <loja@example.com> wrote:\n\n> Oi",
            "Em seg., 2 de mar. de 2026 às 09:00, Loja <loja@example.com>\r\nescreveu:\r\n\r\n> Oi\r\n",
            "El lun, 2 mar 2026 a las 9:00, Loja (<loja@example.com>) escribió:\n> Hola",
            "-----Original Message-----\nFrom: Loja",
            "-----Mensagem original-----\nDe: Loja",
            "De: Loja <loja@example.com>\nEnviada em: segunda-feira\nPara: Ana\nAssunto: Fatura\n\nOi",
            "*From:* Loja\n*Sent:* Monday\n\nHi",
            "> Oi\n>\n> Até\n",
            "-- \nAna Souza",
        ] {
            let text = format!("Pode cancelar.\n\n{quoted}");
            assert_eq!(new_part(&text), "Pode cancelar.", "{quoted}");
        }
        assert_eq!(new_part("SAIR\n\nEnviado do meu iPhone\n"), "SAIR");
    }

    #[test]
    fn what_a_person_wrote_stays() {
        for text in [
            "On the other hand I wrote: no",
            "> a pergunta\nA resposta",
            "De: mim para você, com carinho",
            "Em breve respondo.\n\nObrigada",
            "a -- b",
            "From: here to there\nwe go",
            "Sent from my heart",
        ] {
            assert_eq!(new_part(text), text);
        }
        let between = "Oi\n> a pergunta\nA resposta\n> outra\nOutra resposta";
        assert_eq!(new_part(between), between);
        assert_eq!(new_part("> só citação"), "> só citação", "never nothing");
        assert_eq!(new_part(""), "");
    }
}
