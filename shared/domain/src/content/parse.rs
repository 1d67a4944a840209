//! From pieces to a tree, refusing what could not be rendered safely.

use super::ast::{Condition, For, Iterable, Node};
use super::error::{ContentError, ContentErrorCode as Code};
use super::lex::{self, Piece, syntax};
use super::limits::{MAX_ELEMENTS, MAX_LOOP_NESTING, MAX_NESTING, MAX_RANGE_PRODUCT, MAX_SOURCE};
use super::words::Words;

pub(crate) fn parse(source: &str) -> Result<Vec<Node>, ContentError> {
    if source.len() > MAX_SOURCE {
        let detail = format!("a text may have {MAX_SOURCE} bytes, this one has {}", source.len());
        return Err(ContentError::new(Code::ContentTooLong, detail));
    }
    let pieces = lex::pieces(source)?;
    let mut parser = Parser { pieces: pieces.into_iter(), depth: 0, loops: Vec::new() };
    let (nodes, end) = parser.block(&[])?;
    match end {
        None => Ok(nodes),
        Some(end) => Err(syntax(end.line, format!("`{}` closes nothing that is open", end.name))),
    }
}

struct Parser {
    pieces: std::vec::IntoIter<Piece>,
    depth: usize,
    /// The most turns of each loop around; a list counts as one, since rendering bounds it.
    loops: Vec<usize>,
}

/// The tag that ended a block: `else`, `endif`.
struct End {
    name: String,
    words: Words,
    line: usize,
}

const ENDS: [&str; 9] =
    ["else", "elsif", "when", "endif", "endunless", "endcase", "endfor", "endcapture", "endtablerow"];

impl Parser {
    /// Nodes up to the tag among `ends`, or to the end of the text where none is asked for.
    fn block(&mut self, ends: &[&str]) -> Result<(Vec<Node>, Option<End>), ContentError> {
        let mut nodes = Vec::new();
        while let Some(piece) = self.pieces.next() {
            match piece {
                Piece::Literal(text) => nodes.push(Node::Text(text)),
                Piece::Output { tokens, line } => {
                    let mut words = Words::new(tokens, line);
                    nodes.push(Node::Output(words.chain()?));
                    words.finish()?;
                }
                Piece::Tag { name, tokens, line } => {
                    let words = Words::new(tokens, line);
                    if ends.contains(&name.as_str()) || (ends.is_empty() && ENDS.contains(&name.as_str())) {
                        return Ok((nodes, Some(End { name, words, line })));
                    }
                    nodes.push(self.tag(&name, words)?);
                }
            }
        }
        Ok((nodes, None))
    }

    /// A block that must be closed by one of `ends`.
    fn closed(&mut self, opener: &str, line: usize, ends: &[&str]) -> Result<(Vec<Node>, End), ContentError> {
        let (nodes, end) = self.block(ends)?;
        match end {
            Some(end) => Ok((nodes, end)),
            None => Err(syntax(line, format!("`{opener}` is never closed with `end{opener}`"))),
        }
    }

    fn tag(&mut self, name: &str, mut words: Words) -> Result<Node, ContentError> {
        let line = words.line;
        let node = match name {
            "assign" => {
                let name = words.local_name()?;
                words.sign("=")?;
                let value = words.chain()?;
                words.finish()?;
                return Ok(Node::Assign { name, value });
            }
            "break" | "continue" => {
                words.finish()?;
                if self.loops.is_empty() {
                    return Err(syntax(line, format!("`{name}` stands outside a `for`")));
                }
                return Ok(if name == "break" { Node::Break } else { Node::Continue });
            }
            "if" | "unless" | "case" | "for" | "capture" => {
                self.depth += 1;
                if self.depth > MAX_NESTING {
                    let detail = format!("line {line}: blocks may be {MAX_NESTING} deep");
                    return Err(ContentError::new(Code::NestingTooDeep, detail));
                }
                match name {
                    "case" => self.case(words)?,
                    "for" => self.for_loop(words)?,
                    "capture" => self.capture(words)?,
                    _ => self.conditional(name, words)?,
                }
            }
            other if ENDS.contains(&other) => {
                return Err(syntax(line, format!("`{other}` does not belong here")));
            }
            other => {
                let detail = format!("line {line}: the tag `{other}` is not available");
                return Err(ContentError::new(Code::UnknownTag, detail));
            }
        };
        self.depth -= 1;
        Ok(node)
    }

    fn conditional(&mut self, name: &str, mut words: Words) -> Result<Node, ContentError> {
        let line = words.line;
        let close = format!("end{name}");
        let mut condition = words.condition()?;
        words.finish()?;
        if name == "unless" {
            condition = Condition::Not(Box::new(condition));
        }
        let mut arms = Vec::new();
        loop {
            let (body, mut end) = self.closed(name, line, &["elsif", "else", &close])?;
            arms.push((condition, body));
            if end.name == close {
                end.words.finish()?;
                return Ok(Node::If { arms, otherwise: Vec::new() });
            }
            if end.name == "else" {
                end.words.finish()?;
                let (otherwise, end) = self.closed(name, line, &[&close])?;
                end.words.finish()?;
                return Ok(Node::If { arms, otherwise });
            }
            condition = end.words.condition()?;
            end.words.finish()?;
        }
    }

    fn case(&mut self, mut words: Words) -> Result<Node, ContentError> {
        let line = words.line;
        let subject = words.value()?;
        words.finish()?;
        // What stands before the first `when` belongs to no arm and is dropped, as Liquid does.
        let (_, mut end) = self.closed("case", line, &["when", "else", "endcase"])?;
        let mut arms = Vec::new();
        let mut otherwise = Vec::new();
        while end.name == "when" {
            let mut values = vec![end.words.value()?];
            while end.words.take_sign(",") || end.words.take_word("or") {
                values.push(end.words.value()?);
            }
            end.words.finish()?;
            let (body, next) = self.closed("case", line, &["when", "else", "endcase"])?;
            arms.push((values, body));
            end = next;
        }
        end.words.finish()?;
        if end.name == "else" {
            let (body, end) = self.closed("case", line, &["endcase"])?;
            end.words.finish()?;
            otherwise = body;
        }
        Ok(Node::Case { subject, arms, otherwise })
    }

    fn capture(&mut self, mut words: Words) -> Result<Node, ContentError> {
        let line = words.line;
        let name = words.local_name()?;
        words.finish()?;
        let (body, end) = self.closed("capture", line, &["endcapture"])?;
        end.words.finish()?;
        Ok(Node::Capture { name, body })
    }

    fn for_loop(&mut self, mut words: Words) -> Result<Node, ContentError> {
        let line = words.line;
        let name = words.local_name()?;
        if !words.take_word("in") {
            return Err(syntax(line, "`for` is written `for item in list`"));
        }
        let over = if words.take_sign("(") {
            let range = words.range_bounds()?;
            words.sign(")")?;
            range
        } else {
            Iterable::Value(words.value()?)
        };
        let (mut limit, mut offset, mut reversed) = (None, None, false);
        loop {
            let _ = words.take_sign(",");
            if words.take_word("reversed") {
                reversed = true;
            } else if words.take_word("limit") {
                words.sign(":")?;
                limit = Some(words.value()?);
            } else if words.take_word("offset") {
                words.sign(":")?;
                offset = Some(words.value()?);
            } else {
                break;
            }
        }
        words.finish()?;
        self.enter_loop(&over, line)?;
        let (body, end) = self.closed("for", line, &["else", "endfor"])?;
        let _ = self.loops.pop();
        let is_else = end.name == "else";
        end.words.finish()?;
        let mut otherwise = Vec::new();
        if is_else {
            let (nodes, end) = self.closed("for", line, &["endfor"])?;
            end.words.finish()?;
            otherwise = nodes;
        }
        Ok(Node::For(Box::new(For { name, over, limit, offset, reversed, body, otherwise })))
    }

    fn enter_loop(&mut self, over: &Iterable, line: usize) -> Result<(), ContentError> {
        let turns = match over {
            Iterable::Range(from, to) => range_length(*from, *to).max(1),
            Iterable::Value(_) => 1,
        };
        self.loops.push(turns);
        if self.loops.len() > MAX_LOOP_NESTING {
            let detail = format!("line {line}: `for` may be {MAX_LOOP_NESTING} deep");
            return Err(ContentError::new(Code::NestingTooDeep, detail));
        }
        if turns > MAX_ELEMENTS || self.loops.iter().product::<usize>() > MAX_RANGE_PRODUCT {
            let detail = format!(
                "line {line}: a range may have {MAX_ELEMENTS} elements, and ranges within ranges {MAX_RANGE_PRODUCT} turns"
            );
            return Err(ContentError::new(Code::LoopTooLarge, detail));
        }
        Ok(())
    }
}

/// Both ends included; saturates far above every limit.
fn range_length(from: i64, to: i64) -> usize {
    let length = i128::from(to) - i128::from(from) + 1;
    // The cap keeps a product of two from overflowing.
    usize::try_from(length.clamp(0, 1 << 20)).expect("clamped to 20 bits")
}
