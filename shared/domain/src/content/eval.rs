//! Rendering: walks the tree once, within its fuel.

use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use super::ast::{Chain, Comparison, Condition, Expr, For, Iterable, Node, Path, Segment};
use super::error::{ContentErrorCode as Code, RenderError};
use super::filters::{self, Context, Filter};
use super::limits::{FUEL, MAX_ELEMENTS, MAX_OUTPUT, NODE};
use super::texts;
use super::value::Value;
use super::variables::Variables;

/// The work that a rendering may still do.
pub(crate) struct Fuel {
    left: u64,
    in_loop: bool,
}

impl Fuel {
    pub(crate) fn charge(&mut self, units: u64) -> Result<(), RenderError> {
        match self.left.checked_sub(units) {
            Some(left) => {
                self.left = left;
                Ok(())
            }
            None if self.in_loop => {
                Err(RenderError::new(Code::LoopTooLarge, "the loops of this text do more work than a message may cost"))
            }
            None => {
                let detail = "this text, or a value it shows, takes more work than a message may cost";
                Err(RenderError::new(Code::ContentTooComplex, detail))
            }
        }
    }
}

pub(crate) fn list_too_long() -> RenderError {
    RenderError::new(Code::LoopTooLarge, format!("a list may have {MAX_ELEMENTS} elements"))
}

/// What one message may still cost, over all of its texts: a message of sixty parameters is no
/// dearer than one of one.
#[derive(Debug)]
pub(crate) struct Budget {
    pub(crate) fuel: u64,
    pub(crate) output: usize,
}

impl Default for Budget {
    fn default() -> Self {
        Self { fuel: FUEL, output: MAX_OUTPUT }
    }
}

/// What `{{ … }}` writes: a value as it is, or one that may stand in HTML.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    Text,
    Html,
}

/// What came out, and the names that left a hole.
pub(crate) struct Outcome {
    pub(crate) text: String,
    pub(crate) blank: Vec<String>,
}

pub(crate) fn render(
    nodes: &[Node],
    variables: &Variables,
    form: Form,
    budget: &mut Budget,
) -> Result<Outcome, RenderError> {
    let fuel = Fuel { left: budget.fuel, in_loop: false };
    let mut run = Run {
        variables,
        form,
        room: budget.output,
        context: Context {
            fuel,
            zone: variables.zone(),
            language: variables.language(),
            decimal_mark: variables.decimal_mark(),
        },
        locals: HashMap::new(),
        loops: Vec::new(),
        blank: Vec::new(),
        reported: HashSet::new(),
    };
    let mut text = String::new();
    let _ = run.nodes(nodes, &mut text)?;
    *budget = Budget { fuel: run.context.fuel.left, output: run.room - text.len() };
    Ok(Outcome { text, blank: run.blank })
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flow {
    Next,
    Break,
    Continue,
}

/// A value and the names whose emptiness it carries.
struct Traced<'a> {
    value: Value<'a>,
    holes: Vec<String>,
}

struct Turn<'a> {
    name: &'a str,
    value: Value<'a>,
    index: usize,
    length: usize,
}

struct Run<'a> {
    variables: &'a Variables,
    form: Form,
    /// Bytes that may come out.
    room: usize,
    context: Context<'a>,
    locals: HashMap<&'a str, (Value<'a>, Vec<String>)>,
    loops: Vec<Turn<'a>>,
    blank: Vec<String>,
    reported: HashSet<String>,
}

impl<'a> Run<'a> {
    fn charge(&mut self, units: u64) -> Result<(), RenderError> {
        self.context.fuel.charge(units)
    }

    fn nodes(&mut self, nodes: &'a [Node], out: &mut String) -> Result<Flow, RenderError> {
        for node in nodes {
            self.charge(NODE)?;
            let flow = match node {
                Node::Text(text) => self.push(text, out)?,
                Node::Output(chain) => {
                    let Traced { value, holes } = self.chain(chain)?;
                    self.report(holes);
                    self.charge(value.weight())?;
                    match self.form {
                        Form::Text => self.push(&value.shown(), out)?,
                        Form::Html => self.push_html(&value.shown(), chain, out)?,
                    }
                }
                Node::Assign { name, value } => {
                    let Traced { value, holes } = self.chain(value)?;
                    self.locals.insert(name, (value, holes));
                    Flow::Next
                }
                Node::Capture { name, body } => {
                    let mut text = String::new();
                    let flow = self.nodes(body, &mut text)?;
                    self.charge(text.len() as u64)?;
                    self.locals.insert(name, (Value::text(text), Vec::new()));
                    flow
                }
                Node::If { arms, otherwise } => {
                    let mut chosen = otherwise;
                    for (condition, body) in arms {
                        if self.holds(condition)? {
                            chosen = body;
                            break;
                        }
                    }
                    self.nodes(chosen, out)?
                }
                Node::Case { subject, arms, otherwise } => {
                    let subject = self.value(subject)?;
                    let mut chosen = otherwise;
                    'arms: for (values, body) in arms {
                        for value in values {
                            let value = self.value(value)?;
                            if self.compare(&subject, Comparison::Eq, &value)? {
                                chosen = body;
                                break 'arms;
                            }
                        }
                    }
                    self.nodes(chosen, out)?
                }
                Node::For(for_loop) => self.for_loop(for_loop, out)?,
                Node::Break => Flow::Break,
                Node::Continue => Flow::Continue,
            };
            if flow != Flow::Next {
                return Ok(flow);
            }
        }
        Ok(Flow::Next)
    }

    fn push(&mut self, text: &str, out: &mut String) -> Result<Flow, RenderError> {
        self.charge(text.len() as u64 / 4)?;
        if out.len() + text.len() > self.room {
            let detail = format!("the rendered texts of a message may have {MAX_OUTPUT} bytes together");
            return Err(RenderError::new(Code::ContentTooLong, detail));
        }
        out.push_str(text);
        Ok(Flow::Next)
    }

    /// A value among tags: whatever a contact is called, it adds none. What `escape` has written stays as
    /// it is, and the line breaks of a last `newline_to_br` are the text's own.
    fn push_html(&mut self, shown: &str, chain: &Chain, out: &mut String) -> Result<Flow, RenderError> {
        const BREAK: &str = "<br />\n";
        // A character becomes six at most.
        self.charge(2 * shown.len() as u64)?;
        let breaks = chain.filters.last().is_some_and(|f| f.filter == Filter::NewlineToBr);
        if !breaks {
            return self.push(&texts::escape(shown, true), out);
        }
        let lines: Vec<String> = shown.split(BREAK).map(|line| texts::escape(line, true)).collect();
        self.push(&lines.join(BREAK), out)
    }

    fn report(&mut self, holes: Vec<String>) {
        for hole in holes {
            if self.reported.insert(hole.clone()) {
                self.blank.push(hole);
            }
        }
    }

    fn for_loop(&mut self, node: &'a For, out: &mut String) -> Result<Flow, RenderError> {
        let values: Vec<Value<'a>> = match &node.over {
            Iterable::Range(from, to) => (*from..=*to).map(|n| Value::Number(n.into())).collect(),
            Iterable::Value(expr) => match self.value(expr)? {
                Value::List(list) => list.to_vec(),
                Value::Text(text) if !text.is_empty() => vec![Value::Text(text)],
                Value::Object(map) => {
                    self.charge(map.values().map(Value::cost).fold(0, u64::saturating_add))?;
                    let pair = |(k, v): (&'a String, _)| {
                        Value::List(Rc::new(vec![Value::text(k.as_str()), Value::from_json(v)]))
                    };
                    map.iter().map(pair).collect()
                }
                _ => Vec::new(),
            },
        };
        if values.len() > MAX_ELEMENTS {
            return Err(list_too_long());
        }
        self.charge(4 * values.len() as u64)?;
        let offset = self.bound(node.offset.as_ref())?.unwrap_or(0);
        let limit = self.bound(node.limit.as_ref())?.unwrap_or(usize::MAX);
        let mut values: Vec<_> = values.into_iter().skip(offset).take(limit).collect();
        if node.reversed {
            values.reverse();
        }
        if values.is_empty() {
            return self.nodes(&node.otherwise, out);
        }
        let length = values.len();
        let outer = std::mem::replace(&mut self.context.fuel.in_loop, true);
        for (index, value) in values.into_iter().enumerate() {
            self.charge(NODE)?;
            self.loops.push(Turn { name: &node.name, value, index, length });
            let flow = self.nodes(&node.body, out)?;
            let _ = self.loops.pop();
            if flow == Flow::Break {
                break;
            }
        }
        self.context.fuel.in_loop = outer;
        Ok(Flow::Next)
    }

    /// None where the bound is left out or is no number.
    fn bound(&mut self, expr: Option<&'a Expr>) -> Result<Option<usize>, RenderError> {
        let Some(expr) = expr else { return Ok(None) };
        Ok(self.value(expr)?.whole().map(|n| usize::try_from(n).unwrap_or(0)))
    }

    fn holds(&mut self, condition: &'a Condition) -> Result<bool, RenderError> {
        self.charge(NODE)?;
        match condition {
            Condition::Truthy(expr) => Ok(self.value(expr)?.truthy()),
            Condition::Not(inner) => Ok(!self.holds(inner)?),
            Condition::Compare(left, comparison, right) => {
                let (left, right) = (self.value(left)?, self.value(right)?);
                self.compare(&left, *comparison, &right)
            }
            Condition::All(all) => {
                for condition in all {
                    if !self.holds(condition)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            Condition::Any(any) => {
                for condition in any {
                    if self.holds(condition)? {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
        }
    }

    fn compare(&mut self, left: &Value<'a>, how: Comparison, right: &Value<'a>) -> Result<bool, RenderError> {
        self.charge(2 * (left.weight() + right.weight()))?;
        let account = self.context.decimal_mark;
        let order = || left.order(right, account);
        Ok(match how {
            Comparison::Eq => left.equals(right, account),
            Comparison::Ne => !left.equals(right, account),
            Comparison::Lt => order().is_some_and(|o| o.is_lt()),
            Comparison::Lte => order().is_some_and(|o| o.is_le()),
            Comparison::Gt => order().is_some_and(|o| o.is_gt()),
            Comparison::Gte => order().is_some_and(|o| o.is_ge()),
            Comparison::Contains => left.contains(right, account),
        })
    }

    /// A value through its filters, with the names that leave a hole: a name that is blank and gets
    /// no default, as the value itself or as a filter's argument.
    fn chain(&mut self, chain: &'a Chain) -> Result<Traced<'a>, RenderError> {
        let Traced { mut value, mut holes } = self.traced(&chain.head)?;
        let mut defaulted = false;
        for call in &chain.filters {
            self.charge(NODE)?;
            let mut args = Vec::with_capacity(call.args.len());
            let mut arg_holes = Vec::new();
            for arg in &call.args {
                let traced = self.traced(arg)?;
                args.push(traced.value);
                arg_holes.extend(traced.holes);
            }
            if call.filter == Filter::Default {
                defaulted = true;
                if filters::takes_default(&value, call.allow_false) {
                    holes = arg_holes;
                }
            } else {
                holes.extend(arg_holes);
            }
            value = filters::apply(call.filter, value, &args, call.allow_false, &mut self.context)?;
        }
        if let Expr::Path(path) = &chain.head
            && !defaulted
            && holes.is_empty()
            && value.shows_nothing()
            && !self.is_local(&path.root)
        {
            holes.push(path.names().join("."));
        }
        Ok(Traced { value, holes })
    }

    fn traced(&mut self, expr: &'a Expr) -> Result<Traced<'a>, RenderError> {
        let value = self.value(expr)?;
        let holes = match expr {
            Expr::Path(path) => match self.locals.get(path.root.as_str()) {
                Some((_, holes)) => holes.clone(),
                None if !self.is_local(&path.root) && value.shows_nothing() => vec![path.names().join(".")],
                None => Vec::new(),
            },
            _ => Vec::new(),
        };
        self.charge(holes.iter().map(|h| h.len() as u64).sum())?;
        Ok(Traced { value, holes })
    }

    fn is_local(&self, name: &str) -> bool {
        (name == "forloop" && !self.loops.is_empty())
            || self.locals.contains_key(name)
            || self.loops.iter().any(|turn| turn.name == name)
    }

    fn value(&mut self, expr: &'a Expr) -> Result<Value<'a>, RenderError> {
        self.charge(NODE)?;
        match expr {
            Expr::Nil => Ok(Value::Nil),
            Expr::Empty => Ok(Value::Empty),
            Expr::Blank => Ok(Value::Blank),
            Expr::Bool(b) => Ok(Value::Bool(*b)),
            Expr::Number(number) => Ok(Value::Number(*number)),
            Expr::Text(text) => {
                self.charge(text.len() as u64)?;
                Ok(Value::text(text.as_str()))
            }
            Expr::Path(path) => self.path(path),
        }
    }

    fn path(&mut self, path: &'a Path) -> Result<Value<'a>, RenderError> {
        let mut rest = path.rest.as_slice();
        let mut value = if let Some(turn) = self.loops.iter().rev().find(|t| t.name == path.root) {
            turn.value.clone()
        } else if let (Some(turn), "forloop") = (self.loops.last(), path.root.as_str()) {
            let field = match rest.split_first() {
                Some((Segment::Name(field), after)) => {
                    rest = after;
                    field.as_str()
                }
                _ => "",
            };
            forloop(turn, field)
        } else if let Some((value, _)) = self.locals.get(path.root.as_str()) {
            value.clone()
        } else {
            self.variables.root(&path.root).map_or(Value::Nil, Value::from_json)
        };
        for segment in rest {
            self.charge(NODE)?;
            value = match segment {
                Segment::Name(name) => self.step(&value, name)?,
                Segment::Index(expr) => {
                    let key = self.value(expr)?;
                    match (&value, key.whole()) {
                        (Value::List(list), Some(at)) => {
                            let at = if at < 0 { at.saturating_add_unsigned(list.len() as u64) } else { at };
                            usize::try_from(at).ok().and_then(|at| list.get(at)).cloned().unwrap_or(Value::Nil)
                        }
                        _ => self.step(&value, &key.shown())?,
                    }
                }
            };
        }
        Ok(value)
    }

    fn step(&mut self, value: &Value<'a>, name: &str) -> Result<Value<'a>, RenderError> {
        if let Some(json) = value.field(name) {
            self.charge(Value::cost(json))?;
            return Ok(Value::from_json(json));
        }
        Ok(match (value, name) {
            (Value::List(list), "first") => list.first().cloned().unwrap_or(Value::Nil),
            (Value::List(list), "last") => list.last().cloned().unwrap_or(Value::Nil),
            (Value::List(_) | Value::Text(_) | Value::Object(_), "size") => {
                self.charge(value.weight())?;
                Value::count(value.size())
            }
            _ => Value::Nil,
        })
    }
}

fn forloop<'a>(turn: &Turn<'a>, field: &str) -> Value<'a> {
    match field {
        "index" => Value::count(turn.index + 1),
        "index0" => Value::count(turn.index),
        "rindex" => Value::count(turn.length - turn.index),
        "rindex0" => Value::count(turn.length - turn.index - 1),
        "length" => Value::count(turn.length),
        "first" => Value::Bool(turn.index == 0),
        "last" => Value::Bool(turn.index + 1 == turn.length),
        _ => Value::Nil,
    }
}
