//! Which names a text uses.

use super::ast::{Chain, Condition, Expr, Iterable, Node, Path, Segment};
use super::filters::Filter;

/// One place where a text names something from outside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VariableUse {
    /// With dots, up to the first computed index: `contact.first_name`.
    pub name: String,
    pub path: Vec<String>,
    /// Shown or put into something shown, and not only compared.
    pub shown: bool,
    /// Its blank is provided for: a `default` follows, or a condition around it asks for it.
    pub has_default: bool,
}

pub(crate) fn uses(nodes: &[Node]) -> Vec<VariableUse> {
    let mut walk = Walk { uses: Vec::new(), locals: Vec::new(), guards: Vec::new() };
    walk.nodes(nodes);
    walk.uses
}

struct Walk<'n> {
    uses: Vec<VariableUse>,
    locals: Vec<&'n str>,
    /// Paths that the conditions around ask for.
    guards: Vec<Vec<String>>,
}

impl<'n> Walk<'n> {
    fn nodes(&mut self, nodes: &'n [Node]) {
        for node in nodes {
            match node {
                Node::Text(_) | Node::Break | Node::Continue => {}
                Node::Output(chain) => self.chain(chain),
                Node::Assign { name, value } => {
                    self.chain(value);
                    self.locals.push(name);
                }
                Node::Capture { name, body } => {
                    self.nodes(body);
                    self.locals.push(name);
                }
                Node::If { arms, otherwise } => {
                    for (condition, body) in arms {
                        let asked = self.guards.len();
                        self.condition(condition);
                        self.nodes(body);
                        self.guards.truncate(asked);
                    }
                    self.nodes(otherwise);
                }
                Node::Case { subject, arms, otherwise } => {
                    self.expr(subject, false, false);
                    for (values, body) in arms {
                        for value in values {
                            self.expr(value, false, false);
                        }
                        let asked = self.guards.len();
                        if let Expr::Path(path) = subject {
                            self.guards.push(path.names());
                        }
                        self.nodes(body);
                        self.guards.truncate(asked);
                    }
                    self.nodes(otherwise);
                }
                Node::For(node) => {
                    if let Iterable::Value(expr) = &node.over {
                        self.expr(expr, false, false);
                    }
                    for bound in node.limit.iter().chain(&node.offset) {
                        self.expr(bound, false, false);
                    }
                    let outside = self.locals.len();
                    self.locals.push("forloop");
                    self.locals.push(&node.name);
                    self.nodes(&node.body);
                    // The loop's own names end with it; what its body assigned stays.
                    let assigned = self.locals.split_off(outside).split_off(2);
                    self.locals.extend(assigned);
                    self.nodes(&node.otherwise);
                }
            }
        }
    }

    fn chain(&mut self, chain: &'n Chain) {
        let defaulted = |from: usize| chain.filters[from..].iter().any(|f| f.filter == Filter::Default);
        self.expr(&chain.head, true, defaulted(0));
        for (i, call) in chain.filters.iter().enumerate() {
            for arg in &call.args {
                self.expr(arg, true, defaulted(i + 1));
            }
        }
    }

    fn condition(&mut self, condition: &'n Condition) {
        match condition {
            Condition::Truthy(expr) => self.guard(expr),
            Condition::Compare(left, _, right) => {
                self.guard(left);
                self.expr(right, false, false);
            }
            Condition::Not(inner) => self.condition(inner),
            Condition::All(all) | Condition::Any(all) => all.iter().for_each(|c| self.condition(c)),
        }
    }

    fn guard(&mut self, expr: &'n Expr) {
        self.expr(expr, false, false);
        if let Expr::Path(path) = expr {
            self.guards.push(path.names());
        }
    }

    fn expr(&mut self, expr: &'n Expr, shown: bool, has_default: bool) {
        if let Expr::Path(path) = expr {
            self.path(path, shown, has_default);
        }
    }

    fn path(&mut self, path: &'n Path, shown: bool, has_default: bool) {
        for segment in &path.rest {
            if let Segment::Index(index) = segment {
                self.expr(index, false, false);
            }
        }
        if self.locals.contains(&path.root.as_str()) {
            return;
        }
        let names = path.names();
        let has_default = has_default || self.guards.contains(&names);
        let used = VariableUse { name: names.join("."), path: names, shown, has_default };
        if !self.uses.contains(&used) {
            self.uses.push(used);
        }
    }
}
