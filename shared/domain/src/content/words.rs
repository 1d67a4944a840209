//! Reading values, filters and conditions from the tokens of one pair of braces.

use rust_decimal::prelude::ToPrimitive;

use super::ast::{Chain, Comparison, Condition, Expr, FilterCall, Iterable, Path, Segment};
use super::error::{ContentError, ContentErrorCode as Code};
use super::filters::Filter;
use super::lex::{Token, syntax};
use super::limits::{MAX_INDEX_NESTING, MAX_PATH};

const LITERALS: [&str; 6] = ["nil", "null", "true", "false", "empty", "blank"];

/// The tokens of one pair of braces, read from the left.
pub(crate) struct Words {
    tokens: std::iter::Peekable<std::vec::IntoIter<Token>>,
    pub(crate) line: usize,
    index_depth: usize,
}

impl Words {
    pub(crate) fn new(tokens: Vec<Token>, line: usize) -> Self {
        Self { tokens: tokens.into_iter().peekable(), line, index_depth: 0 }
    }

    fn error(&self, detail: impl std::fmt::Display) -> ContentError {
        syntax(self.line, detail)
    }

    pub(crate) fn finish(mut self) -> Result<(), ContentError> {
        match self.tokens.next() {
            None => Ok(()),
            Some(token) => Err(self.error(format!("`{}` is not expected here", token.shown()))),
        }
    }

    pub(crate) fn take_sign(&mut self, sign: &'static str) -> bool {
        self.tokens.next_if_eq(&Token::Sign(sign)).is_some()
    }

    pub(crate) fn take_word(&mut self, word: &str) -> bool {
        self.tokens.next_if(|t| matches!(t, Token::Word(w) if w == word)).is_some()
    }

    pub(crate) fn sign(&mut self, sign: &'static str) -> Result<(), ContentError> {
        if self.take_sign(sign) { Ok(()) } else { Err(self.error(format!("`{sign}` is expected"))) }
    }

    fn word(&mut self, what: &str) -> Result<String, ContentError> {
        match self.tokens.next() {
            Some(Token::Word(word)) => Ok(word),
            _ => Err(self.error(format!("{what} is expected"))),
        }
    }

    pub(crate) fn local_name(&mut self) -> Result<String, ContentError> {
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

    pub(crate) fn range_bounds(&mut self) -> Result<Iterable, ContentError> {
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

    pub(crate) fn value(&mut self) -> Result<Expr, ContentError> {
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

    pub(crate) fn chain(&mut self) -> Result<Chain, ContentError> {
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
    pub(crate) fn condition(&mut self) -> Result<Condition, ContentError> {
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
