//! A parsed text as a tree.

use rust_decimal::Decimal;

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Node {
    Text(String),
    Output(Chain),
    Assign {
        name: String,
        value: Chain,
    },
    Capture {
        name: String,
        body: Vec<Node>,
    },
    /// `if`, `elsif` and `unless` (its condition negated): the first arm that holds is taken.
    If {
        arms: Vec<(Condition, Vec<Node>)>,
        otherwise: Vec<Node>,
    },
    Case {
        subject: Expr,
        arms: Vec<(Vec<Expr>, Vec<Node>)>,
        otherwise: Vec<Node>,
    },
    For(Box<For>),
    Break,
    Continue,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct For {
    pub(crate) name: String,
    pub(crate) over: Iterable,
    pub(crate) limit: Option<Expr>,
    pub(crate) offset: Option<Expr>,
    pub(crate) reversed: bool,
    pub(crate) body: Vec<Node>,
    pub(crate) otherwise: Vec<Node>,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Iterable {
    /// Both ends included; no larger than the limit.
    Range(i64, i64),
    Value(Expr),
}

/// A value and the filters it goes through.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Chain {
    pub(crate) head: Expr,
    pub(crate) filters: Vec<FilterCall>,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct FilterCall {
    pub(crate) filter: super::filters::Filter,
    pub(crate) args: Vec<Expr>,
    /// `default: x, allow_false: true`.
    pub(crate) allow_false: bool,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Expr {
    Nil,
    Empty,
    Blank,
    Bool(bool),
    Number(Decimal),
    Text(String),
    Path(Path),
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Path {
    pub(crate) root: String,
    pub(crate) rest: Vec<Segment>,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Segment {
    Name(String),
    Index(Expr),
}

impl Path {
    /// The names up to the first index that is not a word.
    pub(crate) fn names(&self) -> Vec<String> {
        let words = self.rest.iter().map_while(|s| match s {
            Segment::Name(name) | Segment::Index(Expr::Text(name)) => Some(name.clone()),
            Segment::Index(_) => None,
        });
        std::iter::once(self.root.clone()).chain(words).collect()
    }
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Condition {
    Truthy(Expr),
    Compare(Expr, Comparison, Expr),
    Not(Box<Condition>),
    All(Vec<Condition>),
    Any(Vec<Condition>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Comparison {
    Eq,
    Ne,
    Lt,
    Lte,
    Gt,
    Gte,
    Contains,
}
