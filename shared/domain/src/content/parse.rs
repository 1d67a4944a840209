//! From pieces to a tree, refusing what could not be rendered safely.

use rust_decimal::prelude::ToPrimitive;

use super::ast::{Chain, Comparison, Condition, Expr, FilterCall, For, Iterable, Node, Path, Segment};
use super::error::{ContentError, ContentErrorCode as Code};
use super::filters::Filter;
use super::lex::{self, Piece, Token, syntax};
use super::limits::{
    MAX_ELEMENTS, MAX_INDEX_NESTING, MAX_LOOP_NESTING, MAX_NESTING, MAX_PATH, MAX_RANGE_PRODUCT, MAX_SOURCE,
};

const LITERALS: [&str; 6] = ["nil", "null", "true", "false", "empty", "blank"];

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

/// The tokens of one pair of braces, read from the left.
struct Words {
    tokens: std::iter::Peekable<std::vec::IntoIter<Token>>,
    line: usize,
    index_depth: usize,
}

impl Words {
    fn new(tokens: Vec<Token>, line: usize) -> Self {
        Self { tokens: tokens.into_iter().peekable(), line, index_depth: 0 }
    }

    fn error(&self, detail: impl std::fmt::Display) -> ContentError {
        syntax(self.line, detail)
    }

    fn finish(mut self) -> Result<(), ContentError> {
        match self.tokens.next() {
            None => Ok(()),
            Some(token) => Err(self.error(format!("`{}` is not expected here", token.shown()))),
        }
    }

    fn take_sign(&mut self, sign: &'static str) -> bool {
        self.tokens.next_if_eq(&Token::Sign(sign)).is_some()
    }

    fn take_word(&mut self, word: &str) -> bool {
        self.tokens.next_if(|t| matches!(t, Token::Word(w) if w == word)).is_some()
    }

    fn sign(&mut self, sign: &'static str) -> Result<(), ContentError> {
        if self.take_sign(sign) { Ok(()) } else { Err(self.error(format!("`{sign}` is expected"))) }
    }

    fn word(&mut self, what: &str) -> Result<String, ContentError> {
        match self.tokens.next() {
            Some(Token::Word(word)) => Ok(word),
            _ => Err(self.error(format!("{what} is expected"))),
        }
    }

    fn local_name(&mut self) -> Result<String, ContentError> {
        let name = self.word("a name")?;
        self.not_reserved(&name)?;
        Ok(name)
    }

    fn not_reserved(&self, name: &str) -> Result<(), ContentError> {
        match LITERALS.iter().find(|l| name.starts_with(**l)) {
            None => Ok(()),
            Some(literal) => {
                let detail = format!("line {}: the name `{name}` may not begin with `{literal}`", self.line);
                Err(ContentError::new(Code::ReservedName, detail))
            }
        }
    }

    fn range_bounds(&mut self) -> Result<Iterable, ContentError> {
        let from = self.range_bound()?;
        self.sign("..")?;
        Ok(Iterable::Range(from, self.range_bound()?))
    }

    /// Only a literal bound can be judged when the text is saved.
    fn range_bound(&mut self) -> Result<i64, ContentError> {
        match self.tokens.next() {
            Some(Token::Number(number)) if number.fract().is_zero() => {
                number.to_i64().ok_or_else(|| self.error("a range's ends are too large"))
            }
            _ => {
                let detail = format!("line {}: a range's ends must be whole numbers, such as `(1..5)`", self.line);
                Err(ContentError::new(Code::LoopTooLarge, detail))
            }
        }
    }

    fn value(&mut self) -> Result<Expr, ContentError> {
        match self.tokens.next() {
            Some(Token::Text(text)) => Ok(Expr::Text(text)),
            Some(Token::Number(number)) => Ok(Expr::Number(number)),
            Some(Token::Word(word)) => match word.as_str() {
                "nil" | "null" => Ok(Expr::Nil),
                "true" => Ok(Expr::Bool(true)),
                "false" => Ok(Expr::Bool(false)),
                "empty" => Ok(Expr::Empty),
                "blank" => Ok(Expr::Blank),
                _ => Ok(Expr::Path(self.path(word)?)),
            },
            Some(token) => Err(self.error(format!("`{}` stands where a value is expected", token.shown()))),
            None => Err(self.error("a value is expected")),
        }
    }

    fn path(&mut self, root: String) -> Result<Path, ContentError> {
        self.not_reserved(&root)?;
        let mut rest = Vec::new();
        loop {
            if self.take_sign(".") {
                rest.push(Segment::Name(self.word("a name after `.`")?));
            } else if self.take_sign("[") {
                self.index_depth += 1;
                if self.index_depth > MAX_INDEX_NESTING {
                    return Err(self.too_deep());
                }
                rest.push(Segment::Index(self.value()?));
                self.sign("]")?;
                self.index_depth -= 1;
            } else {
                return Ok(Path { root, rest });
            }
            if rest.len() > MAX_PATH {
                return Err(self.too_deep());
            }
        }
    }

    fn too_deep(&self) -> ContentError {
        ContentError::new(Code::NestingTooDeep, format!("line {}: a name has too many parts", self.line))
    }

    fn chain(&mut self) -> Result<Chain, ContentError> {
        let head = self.value()?;
        let mut filters = Vec::new();
        while self.take_sign("|") {
            filters.push(self.filter_call()?);
        }
        Ok(Chain { head, filters })
    }

    fn filter_call(&mut self) -> Result<FilterCall, ContentError> {
        let name = self.word("a filter's name")?;
        let filter = Filter::named(&name).ok_or_else(|| {
            let detail = format!("line {}: the filter `{name}` is not available", self.line);
            ContentError::new(Code::UnknownFilter, detail)
        })?;
        let (mut args, mut allow_false) = (Vec::new(), false);
        if self.take_sign(":") {
            loop {
                let value = self.value()?;
                if self.take_sign(":") {
                    let keyword = matches!(&value, Expr::Path(p) if p.root == "allow_false" && p.rest.is_empty());
                    let on = self.value()?;
                    if filter != Filter::Default || !keyword {
                        return Err(self.bad_arguments(format!("`{name}` takes no named argument")));
                    }
                    allow_false = on == Expr::Bool(true);
                } else {
                    args.push(value);
                }
                if !self.take_sign(",") {
                    break;
                }
            }
        }
        let (least, most) = filter.arguments();
        if args.len() < least || args.len() > most {
            return Err(self.bad_arguments(format!("`{name}` takes {least} to {most} arguments, not {}", args.len())));
        }
        if let (Filter::Date, Some(Expr::Text(format))) = (filter, args.first())
            && !super::dates::format_is_known(format)
        {
            return Err(self.bad_arguments(format!("`{format}` is not a date format, such as `%d/%m/%Y`")));
        }
        Ok(FilterCall { filter, args, allow_false })
    }

    fn bad_arguments(&self, detail: String) -> ContentError {
        ContentError::new(Code::InvalidFilterArguments, format!("line {}: {detail}", self.line))
    }

    /// `and` binds closer than `or`.
    fn condition(&mut self) -> Result<Condition, ContentError> {
        let mut any = vec![self.all()?];
        while self.take_word("or") {
            any.push(self.all()?);
        }
        Ok(if any.len() == 1 { any.remove(0) } else { Condition::Any(any) })
    }

    fn all(&mut self) -> Result<Condition, ContentError> {
        let mut all = vec![self.comparison()?];
        while self.take_word("and") {
            all.push(self.comparison()?);
        }
        Ok(if all.len() == 1 { all.remove(0) } else { Condition::All(all) })
    }

    fn comparison(&mut self) -> Result<Condition, ContentError> {
        const SIGNS: [(&str, Comparison); 7] = [
            ("==", Comparison::Eq),
            ("!=", Comparison::Ne),
            ("<>", Comparison::Ne),
            ("<=", Comparison::Lte),
            (">=", Comparison::Gte),
            ("<", Comparison::Lt),
            (">", Comparison::Gt),
        ];
        let left = self.value()?;
        let found = SIGNS.iter().find(|(sign, _)| self.take_sign(sign)).map(|(_, comparison)| *comparison);
        let comparison = match found {
            Some(comparison) => comparison,
            None if self.take_word("contains") => Comparison::Contains,
            None => return Ok(Condition::Truthy(left)),
        };
        Ok(Condition::Compare(left, comparison, self.value()?))
    }
}
