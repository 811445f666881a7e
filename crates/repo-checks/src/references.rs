//! Every path in a crate's code, with what it leads to.
//!
//! Arguments of macros are not Rust until the macro has run; paths in them are found by their tokens.
//! Strings in attributes count when they are a path or type, as in `#[serde(with = "module::name")]`.

use std::collections::HashSet;

use proc_macro2::{TokenStream, TokenTree};
use syn::visit::{self, Visit};
use syn::{Attribute, Item};

use crate::source::{Crate, Scope, Target, Walk, imports, is_test};

/// Where a path was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// In a `use`.
    Import,
    /// In a `pub use`, of whatever visibility.
    ReExport,
    /// In a type, expression, pattern, attribute or macro.
    Code,
}

/// A path in the code.
#[derive(Debug)]
pub struct Reference {
    /// The module it is in.
    pub module: usize,
    /// Its line, counted from 1.
    pub line: usize,
    /// The path as written, without generic arguments.
    pub path: String,
    /// Where it was found.
    pub place: Place,
    /// Whether the code is compiled for tests only.
    pub test: bool,
    /// What it leads to; several when a type and a value have one name.
    pub targets: Vec<Target>,
    /// The modules it leads through, re-exports included.
    pub visited: Vec<usize>,
}

/// Every path in the code of `code`.
pub fn references(code: &Crate) -> Vec<Reference> {
    let mut found = Vec::new();
    for (module, content) in code.modules.iter().enumerate() {
        let test = usize::from(content.test);
        let mut collector =
            Collector { code, module, blocks: Vec::new(), locals: Vec::new(), test, line: None, found };
        content.items.iter().for_each(|item| collector.visit_item(item));
        found = collector.found;
    }
    found
}

struct Collector<'a> {
    code: &'a Crate,
    module: usize,
    blocks: Vec<Scope>,
    /// Names of local variables of the functions around.
    locals: Vec<HashSet<String>>,
    /// How many items around are compiled for tests only.
    test: usize,
    /// The line of what is read from a string.
    line: Option<usize>,
    found: Vec<Reference>,
}

impl Collector<'_> {
    fn add(&mut self, path: &[String], line: usize, place: Place) {
        let mut walk = Walk::default();
        let targets = self.code.resolve(self.module, &self.blocks, path, &mut walk);
        self.found.push(Reference {
            module: self.module,
            line: self.line.unwrap_or(line),
            path: path.join("::"),
            place,
            test: self.test > 0,
            targets,
            visited: walk.visited,
        });
    }

    /// Adds a path from code, unless it is a single word that cannot be an import.
    fn add_path(&mut self, path: &[String], line: usize) {
        if let [name] = path
            && (matches!(name.as_str(), "self" | "Self" | "super" | "crate")
                || self.locals.iter().any(|locals| locals.contains(name)))
        {
            return;
        }
        self.add(path, line, Place::Code);
    }

    fn within<'ast>(&mut self, attributes: &[Attribute], visit: impl FnOnce(&mut Self) + 'ast) {
        let test = usize::from(is_test(attributes));
        self.test += test;
        visit(self);
        self.test -= test;
    }

    fn function<'ast>(&mut self, bound: Bound, visit: impl FnOnce(&mut Self) + 'ast) {
        self.locals.push(bound.0);
        visit(self);
        self.locals.pop();
    }

    /// Paths and strings in tokens of an attribute or macro.
    fn tokens(&mut self, tokens: TokenStream, strings: bool) {
        let tokens: Vec<TokenTree> = tokens.into_iter().collect();
        let is = |at: usize, c: char| matches!(tokens.get(at), Some(TokenTree::Punct(p)) if p.as_char() == c);
        let mut at = 0;
        while at < tokens.len() {
            let start = at;
            at += 1;
            match &tokens[start] {
                TokenTree::Group(group) => self.tokens(group.stream(), strings),
                TokenTree::Literal(literal) if strings => {
                    self.string(&syn::Lit::new(literal.clone()));
                }
                TokenTree::Ident(ident) => {
                    let mut path = vec![ident.to_string()];
                    while is(at, ':')
                        && is(at + 1, ':')
                        && let Some(TokenTree::Ident(next)) = tokens.get(at + 2)
                    {
                        path.push(next.to_string());
                        at += 3;
                    }
                    let member = start > 0 && is(start - 1, '.') && !(start > 1 && is(start - 2, '.'));
                    let tail = start > 0 && is(start - 1, ':') && start > 1 && is(start - 2, ':');
                    let called = matches!(tokens.get(at), Some(TokenTree::Group(_))) || is(at, '!');
                    let word = path.len() == 1 && !called && !path[0].starts_with(char::is_uppercase);
                    if !member && !tail && !word {
                        self.add_path(&path, ident.span().start().line);
                    }
                }
                _ => {}
            }
        }
    }

    /// A path or type in a string.
    fn string(&mut self, literal: &syn::Lit) {
        let syn::Lit::Str(text) = literal else { return };
        let Ok(content) = syn::parse_str::<syn::Type>(&text.value()) else { return };
        self.line = Some(text.span().start().line);
        self.visit_type(&content);
        self.line = None;
    }
}

impl<'ast> Visit<'ast> for Collector<'_> {
    fn visit_item(&mut self, item: &'ast Item) {
        self.within(attributes(item), |this| visit::visit_item(this, item));
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        let bound = Bound::of(|bound| bound.visit_impl_item_fn(item));
        self.within(&item.attrs, |this| this.function(bound, |this| visit::visit_impl_item_fn(this, item)));
    }

    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        let bound = Bound::of(|bound| bound.visit_item_fn(item));
        self.function(bound, |this| visit::visit_item_fn(this, item));
    }

    fn visit_block(&mut self, block: &'ast syn::Block) {
        let items = block.stmts.iter().filter_map(|statement| match statement {
            syn::Stmt::Item(item) => Some(item),
            _ => None,
        });
        self.blocks.push(Scope::of(items, self.module));
        visit::visit_block(self, block);
        self.blocks.pop();
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        let private = matches!(item.vis, syn::Visibility::Inherited);
        for import in imports(item) {
            self.add(&import.path, import.line, if private { Place::Import } else { Place::ReExport });
        }
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let leading = path.leading_colon.as_ref().map(|_| String::new());
        let names = path.segments.iter().map(|segment| segment.ident.to_string());
        let names: Vec<String> = leading.into_iter().chain(names).collect();
        let line = path.segments.first().map_or(1, |segment| segment.ident.span().start().line);
        self.add_path(&names, line);
        visit::visit_path(self, path);
    }

    fn visit_visibility(&mut self, _: &'ast syn::Visibility) {}

    fn visit_macro(&mut self, call: &'ast syn::Macro) {
        self.visit_path(&call.path);
        self.tokens(call.tokens.clone(), false);
    }

    fn visit_attribute(&mut self, attribute: &'ast Attribute) {
        if attribute.path().is_ident("doc") || attribute.path().is_ident("cfg") {
            return;
        }
        self.visit_path(attribute.path());
        match &attribute.meta {
            syn::Meta::List(list) => self.tokens(list.tokens.clone(), true),
            syn::Meta::NameValue(pair) => {
                if let syn::Expr::Lit(value) = &pair.value {
                    self.string(&value.lit);
                }
            }
            syn::Meta::Path(_) => {}
        }
    }
}

/// The names that patterns bind.
struct Bound(HashSet<String>);

impl Bound {
    fn of(visit: impl FnOnce(&mut Self)) -> Self {
        let mut this = Self(HashSet::new());
        visit(&mut this);
        this
    }
}

impl<'ast> Visit<'ast> for Bound {
    fn visit_pat_ident(&mut self, pattern: &'ast syn::PatIdent) {
        let name = pattern.ident.to_string();
        if !name.starts_with(char::is_uppercase) {
            self.0.insert(name);
        }
        visit::visit_pat_ident(self, pattern);
    }
}

fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Macro(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Trait(item) => &item.attrs,
        Item::Type(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        _ => &[],
    }
}
