//! How long a file and a function may be.

use std::path::Path;

use syn::visit::{self, Visit};

use crate::source::parse;
use crate::{CheckError, Finding};

/// The most lines a file may have.
pub const FILE_LINES_MAX: usize = 500;
/// The most lines a function may have, from its `fn` to its closing brace.
pub const FUNCTION_LINES_MAX: usize = 100;

/// What is too long in the Rust file at `path`.
///
/// # Errors
/// When `text` is not Rust.
pub fn check(path: &Path, text: &str) -> Result<Vec<Finding>, CheckError> {
    let mut found = Functions { path, found: Vec::new() };
    let lines = text.lines().count();
    if lines > FILE_LINES_MAX {
        let message = format!("the file has {lines} lines, more than {FILE_LINES_MAX}: split it");
        found.found.push(Finding::new(path, FILE_LINES_MAX + 1, message));
    }
    found.visit_file(&parse(path, text)?);
    Ok(found.found)
}

struct Functions<'a> {
    path: &'a Path,
    found: Vec<Finding>,
}

impl Functions<'_> {
    fn function(&mut self, signature: &syn::Signature, body: &syn::Block) {
        let start = signature.fn_token.span.start().line;
        let lines = body.brace_token.span.close().end().line + 1 - start;
        if lines > FUNCTION_LINES_MAX {
            let name = &signature.ident;
            let message = format!("`{name}` has {lines} lines, more than {FUNCTION_LINES_MAX}: split it");
            self.found.push(Finding::new(self.path, start, message));
        }
    }
}

impl<'ast> Visit<'ast> for Functions<'_> {
    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        self.function(&item.sig, &item.block);
        visit::visit_item_fn(self, item);
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        self.function(&item.sig, &item.block);
        visit::visit_impl_item_fn(self, item);
    }

    fn visit_trait_item_fn(&mut self, item: &'ast syn::TraitItemFn) {
        if let Some(body) = &item.default {
            self.function(&item.sig, body);
        }
        visit::visit_trait_item_fn(self, item);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<String> {
        check(Path::new("a.rs"), text).unwrap().iter().map(Finding::to_string).collect()
    }

    #[test]
    fn long_files_and_functions_are_found() {
        assert_eq!(found(&"\n".repeat(500)), [""; 0]);
        assert_eq!(found(&"\n".repeat(501)), ["a.rs:501: the file has 501 lines, more than 500: split it"]);
        let body = |lines: usize| format!("{{{}}}\n", "\n".repeat(lines - 1));
        assert_eq!(found(&format!("#[inline]\nfn short() {}", body(100))), [""; 0]);
        for (text, line) in [
            (format!("\npub fn long() {}", body(101)), 2),
            (format!("struct A;\nimpl A {{\nasync fn long() {}}}", body(101)), 3),
            (format!("trait A {{\nfn long() {}}}", body(101)), 2),
            (format!("mod a {{ mod b {{\nfn long() {}}} }}", body(101)), 2),
        ] {
            assert_eq!(found(&text), [format!("a.rs:{line}: `long` has 101 lines, more than 100: split it")]);
        }
    }
}
