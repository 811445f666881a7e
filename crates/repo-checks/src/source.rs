//! The module tree of one crate, read by following `mod` declarations from its root file, and the
//! resolution of paths in it.
//!
//! Resolution follows imports, renames, globs and re-exports to the file that defines a name. It does not
//! know types, so methods and associated items end at the type they are looked up on.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use syn::punctuated::Punctuated;
use syn::{Attribute, Item, Meta, Token, UseTree};

use crate::{CheckError, read};

/// A crate: its files, and its modules with the root first.
#[derive(Default)]
pub struct Crate {
    /// The files, relative to the repository, in the order they were read.
    pub files: Vec<PathBuf>,
    /// The modules; a file holds one or, with inline modules, several.
    pub modules: Vec<Module>,
}

/// A module.
pub struct Module {
    /// Its path from the crate's root; empty for the root.
    pub path: Vec<String>,
    /// The module it is declared in.
    pub parent: Option<usize>,
    /// Its file, an index into [`Crate::files`].
    pub file: usize,
    /// Whether it is compiled for tests only.
    pub test: bool,
    /// Its items. Those of nested modules are in their own module.
    pub items: Vec<Item>,
    pub(crate) scope: Scope,
}

/// The names a module or block defines or imports.
#[derive(Debug, Default)]
pub(crate) struct Scope {
    names: HashMap<String, Vec<Binding>>,
    globs: Vec<Vec<String>>,
}

#[derive(Debug)]
enum Binding {
    /// Defined in this module. A value has nothing below it, a type may have.
    Item {
        module: usize,
        value: bool,
    },
    Module(usize),
    Import(Vec<String>),
}

/// What a path leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// An item defined in this module.
    Item(usize),
    /// A module.
    Module(usize),
    /// A name this module should have and does not show, for example one that a macro makes.
    Missing(usize),
    /// A path that begins outside the crate.
    External(Vec<String>),
}

/// The modules met on the way from a path to what it leads to.
#[derive(Debug, Default)]
pub(crate) struct Walk {
    pub visited: Vec<usize>,
    /// Addresses of the imports being followed, against imports that lead to themselves.
    following: Vec<usize>,
}

/// An import: the path, the name it gets, and whether it is of everything below the path.
pub(crate) struct Import {
    pub path: Vec<String>,
    pub name: String,
    pub glob: bool,
    pub line: usize,
}

/// Whether one of the attributes leaves the item out of everything but tests.
pub(crate) fn is_test(attributes: &[Attribute]) -> bool {
    fn implies_test(meta: &Meta) -> bool {
        match meta {
            Meta::Path(path) => path.is_ident("test"),
            Meta::List(list) if list.path.is_ident("all") => list
                .parse_args_with(Punctuated::<Meta, Token![,]>::parse_terminated)
                .is_ok_and(|parts| parts.iter().any(implies_test)),
            _ => false,
        }
    }
    let conditions = attributes.iter().filter(|attribute| attribute.path().is_ident("cfg"));
    conditions.filter_map(|attribute| attribute.parse_args().ok()).any(|meta: Meta| implies_test(&meta))
}

/// The imports of a `use` item.
pub(crate) fn imports(item: &syn::ItemUse) -> Vec<Import> {
    fn expand(tree: &UseTree, path: &[String], found: &mut Vec<Import>) {
        let import = |ident: &syn::Ident, name: &syn::Ident| {
            let mut path = path.to_vec();
            if ident != "self" || path.is_empty() {
                path.push(ident.to_string());
            }
            let name =
                if name == "self" { path.last().cloned().unwrap_or_default() } else { name.to_string() };
            Import { path, name, glob: false, line: ident.span().start().line }
        };
        match tree {
            UseTree::Path(tree) => {
                expand(&tree.tree, &[path, &[tree.ident.to_string()]].concat(), found);
            }
            UseTree::Name(tree) => found.push(import(&tree.ident, &tree.ident)),
            UseTree::Rename(tree) => found.push(import(&tree.ident, &tree.rename)),
            UseTree::Glob(tree) => found.push(Import {
                path: path.to_vec(),
                name: String::new(),
                glob: true,
                line: tree.star_token.spans[0].start().line,
            }),
            UseTree::Group(tree) => tree.items.iter().for_each(|tree| expand(tree, path, found)),
        }
    }
    let mut found = Vec::new();
    let start = item.leading_colon.as_ref().map(|_| String::new());
    expand(&item.tree, start.as_slice(), &mut found);
    found
}

impl Scope {
    /// The names that `items` of `module` define or import; modules are added as they are read.
    pub(crate) fn of<'a>(items: impl IntoIterator<Item = &'a Item>, module: usize) -> Self {
        let mut scope = Self::default();
        for item in items {
            let (ident, value) = match item {
                Item::Const(item) => (&item.ident, true),
                Item::Fn(item) => (&item.sig.ident, true),
                Item::Static(item) => (&item.ident, true),
                Item::Enum(item) => (&item.ident, false),
                Item::Struct(item) => (&item.ident, false),
                Item::Trait(item) => (&item.ident, false),
                Item::TraitAlias(item) => (&item.ident, false),
                Item::Type(item) => (&item.ident, false),
                Item::Union(item) => (&item.ident, false),
                Item::Macro(syn::ItemMacro { ident: Some(ident), .. }) => (ident, true),
                Item::ExternCrate(item) => {
                    let name = item.rename.as_ref().map_or(&item.ident, |(_, name)| name);
                    let path = vec![String::new(), item.ident.to_string()];
                    scope.bind(name.to_string(), Binding::Import(path));
                    continue;
                }
                Item::Use(item) => {
                    for import in imports(item) {
                        if import.glob {
                            scope.globs.push(import.path);
                        } else {
                            scope.bind(import.name, Binding::Import(import.path));
                        }
                    }
                    continue;
                }
                _ => continue,
            };
            scope.bind(ident.to_string(), Binding::Item { module, value });
        }
        scope
    }

    fn bind(&mut self, name: String, binding: Binding) {
        self.names.entry(name).or_default().push(binding);
    }
}

/// Where the files of a module's children are.
struct Place<'a> {
    /// The folder of the module's file.
    folder: &'a Path,
    /// The folder of its children, `folder` joined with the inline modules and the file's own name.
    children: PathBuf,
    inline: bool,
}

impl Crate {
    /// Reads the crate whose root file is `target`, relative to the repository at `root`.
    ///
    /// # Errors
    /// When a file of the crate cannot be read or is not Rust.
    pub fn read(root: &Path, target: &Path) -> Result<Self, CheckError> {
        Self::from_files(target, &|path| {
            let full = root.join(path);
            if full.is_file() { read(&full).map(Some) } else { Ok(None) }
        })
    }

    /// Reads the crate whose root file is `target` from the files that `text` gives.
    ///
    /// # Errors
    /// When `text` fails, a declared module has no file, or a file is not Rust.
    pub fn from_files(
        target: &Path,
        text: &dyn Fn(&Path) -> Result<Option<String>, CheckError>,
    ) -> Result<Self, CheckError> {
        let mut this = Self::default();
        let source = text(target)?.ok_or_else(|| no_module(target, 1, "the crate's root is missing"))?;
        let folder = target.parent().unwrap_or(Path::new("")).to_owned();
        let place = Place { folder: &folder, children: folder.clone(), inline: false };
        let file = parse(target, &source)?;
        this.files.push(target.to_owned());
        let top = Module {
            path: Vec::new(),
            parent: None,
            file: 0,
            test: is_test(&file.attrs),
            items: Vec::new(),
            scope: Scope::default(),
        };
        this.add(top, file.items, &place, text)?;
        Ok(this)
    }

    /// Adds a module with its items, and the modules they declare.
    fn add(
        &mut self,
        module: Module,
        items: Vec<Item>,
        place: &Place<'_>,
        text: &dyn Fn(&Path) -> Result<Option<String>, CheckError>,
    ) -> Result<usize, CheckError> {
        let (id, file, test) = (self.modules.len(), module.file, module.test);
        let path = module.path.clone();
        self.modules.push(module);
        let (declared, items): (Vec<_>, Vec<_>) =
            items.into_iter().partition(|item| matches!(item, Item::Mod(_)));
        self.modules[id].scope = Scope::of(&items, id);
        for item in &items {
            if let Item::Macro(syn::ItemMacro { ident: Some(ident), attrs, .. }) = item
                && id != 0
                && attrs.iter().any(|attribute| attribute.path().is_ident("macro_export"))
            {
                let binding = Binding::Item { module: id, value: true };
                self.modules[0].scope.bind(ident.to_string(), binding);
            }
        }
        self.modules[id].items = items;
        for item in declared {
            let Item::Mod(item) = item else { continue };
            let name = item.ident.to_string();
            let child = Module {
                path: [path.as_slice(), std::slice::from_ref(&name)].concat(),
                parent: Some(id),
                file,
                test: test || is_test(&item.attrs),
                items: Vec::new(),
                scope: Scope::default(),
            };
            let added = if let Some((_, items)) = item.content {
                let place =
                    Place { folder: place.folder, children: place.children.join(&name), inline: true };
                self.add(child, items, &place, text)?
            } else {
                self.add_file(child, &item, place, text)?
            };
            self.modules[id].scope.bind(name, Binding::Module(added));
        }
        Ok(id)
    }

    /// Adds a module that has a file of its own.
    fn add_file(
        &mut self,
        mut module: Module,
        item: &syn::ItemMod,
        place: &Place<'_>,
        text: &dyn Fn(&Path) -> Result<Option<String>, CheckError>,
    ) -> Result<usize, CheckError> {
        let name = item.ident.to_string();
        let candidates = match explicit_path(&item.attrs) {
            Some(path) if place.inline => vec![(place.children.join(path), true)],
            Some(path) => vec![(place.folder.join(path), true)],
            None => vec![
                (place.children.join(format!("{name}.rs")), false),
                (place.children.join(&name).join("mod.rs"), true),
            ],
        };
        for (path, owns_folder) in candidates {
            let Some(source) = text(&path)? else { continue };
            let folder = path.parent().unwrap_or(Path::new(""));
            let children = if owns_folder { folder.to_owned() } else { folder.join(&name) };
            let file = parse(&path, &source)?;
            module.file = self.files.len();
            module.test |= is_test(&file.attrs);
            self.files.push(path.clone());
            return self.add(module, file.items, &Place { folder, children, inline: false }, text);
        }
        let line = item.ident.span().start().line;
        Err(no_module(&self.files[module.file], line, &format!("there is no file for `mod {name};`")))
    }

    /// What `path` leads to, seen from `module` inside the blocks `blocks`.
    pub(crate) fn resolve(
        &self,
        module: usize,
        blocks: &[Scope],
        path: &[String],
        walk: &mut Walk,
    ) -> Vec<Target> {
        let Some((first, rest)) = path.split_first() else { return vec![Target::Module(0)] };
        match first.as_str() {
            "" => return vec![Target::External(rest.to_vec())],
            "Self" => return Vec::new(),
            "crate" => return self.descend(0, rest, walk),
            "self" | "super" => return self.descend(module, path, walk),
            _ => {}
        }
        for depth in (0..blocks.len()).rev() {
            let found = self.look_up(&blocks[depth], module, &blocks[..=depth], path, walk);
            if !found.is_empty() {
                return found;
            }
        }
        let found = self.look_up(&self.modules[module].scope, module, &[], path, walk);
        if found.is_empty() { vec![Target::External(path.to_vec())] } else { found }
    }

    /// What `path` leads to below `module`.
    fn descend(&self, module: usize, path: &[String], walk: &mut Walk) -> Vec<Target> {
        walk.visited.push(module);
        match path.split_first() {
            None => vec![Target::Module(module)],
            Some((first, rest)) if first == "self" => self.descend(module, rest, walk),
            Some((first, rest)) if first == "super" => {
                self.descend(self.modules[module].parent.unwrap_or(0), rest, walk)
            }
            Some(_) => {
                let found = self.look_up(&self.modules[module].scope, module, &[], path, walk);
                if found.is_empty() { vec![Target::Missing(module)] } else { found }
            }
        }
    }

    /// What `path` leads to when its first name is one of `scope`, which belongs to `module`.
    fn look_up(
        &self,
        scope: &Scope,
        module: usize,
        blocks: &[Scope],
        path: &[String],
        walk: &mut Walk,
    ) -> Vec<Target> {
        let Some((name, rest)) = path.split_first() else { return Vec::new() };
        let mut found = Vec::new();
        for binding in scope.names.get(name).into_iter().flatten() {
            match binding {
                Binding::Item { value: true, .. } if !rest.is_empty() => {}
                Binding::Item { module, .. } => found.push(Target::Item(*module)),
                Binding::Module(id) => found.extend(self.descend(*id, rest, walk)),
                Binding::Import(import) => {
                    let path = [import.as_slice(), rest].concat();
                    found.extend(walk.once(binding, |walk| self.resolve(module, blocks, &path, walk)));
                }
            }
        }
        for glob in scope.globs.iter().filter(|_| !scope.names.contains_key(name)) {
            let below = walk.once(glob, |walk| self.resolve(module, blocks, glob, walk));
            for target in below {
                if let Target::Module(id) = target {
                    let scope = &self.modules[id].scope;
                    found.extend(walk.once(glob, |walk| self.look_up(scope, id, &[], path, walk)));
                }
            }
        }
        if found.iter().any(|target| matches!(target, Target::Item(_))) {
            found.retain(|target| matches!(target, Target::Item(_)));
        }
        found.dedup();
        found
    }
}

impl Walk {
    /// Follows an import, unless it is being followed already.
    fn once<T>(&mut self, import: &T, follow: impl FnOnce(&mut Self) -> Vec<Target>) -> Vec<Target> {
        let address = std::ptr::from_ref(import).addr();
        if self.following.contains(&address) {
            return Vec::new();
        }
        self.following.push(address);
        let found = follow(self);
        self.following.pop();
        found
    }
}

fn explicit_path(attributes: &[Attribute]) -> Option<String> {
    attributes.iter().find(|attribute| attribute.path().is_ident("path")).and_then(|attribute| {
        match &attribute.meta {
            Meta::NameValue(syn::MetaNameValue {
                value: syn::Expr::Lit(syn::ExprLit { lit: syn::Lit::Str(path), .. }),
                ..
            }) => Some(path.value()),
            _ => None,
        }
    })
}

fn no_module(path: &Path, line: usize, message: &str) -> CheckError {
    CheckError::Parse { path: path.to_owned(), line, message: message.to_owned() }
}

/// The syntax tree of the file at `path`.
///
/// # Errors
/// When `text` is not Rust.
pub fn parse(path: &Path, text: &str) -> Result<syn::File, CheckError> {
    syn::parse_file(text).map_err(|error| no_module(path, error.span().start().line, &error.to_string()))
}

/// The crate that `files`, the root first, make.
#[cfg(test)]
pub(crate) fn made_up(files: &[(&str, &str)]) -> Crate {
    let text = |path: &Path| {
        Ok(files.iter().find(|(name, _)| path == Path::new(name)).map(|(_, text)| (*text).to_owned()))
    };
    Crate::from_files(Path::new(files[0].0), &text).unwrap()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modules_are_found_in_their_files() {
        let code = made_up(&[
            ("src/lib.rs", "mod a; mod b { mod c; #[path = \"odd.rs\"] mod d; } #[path = \"x/y.rs\"] mod e;"),
            ("src/a.rs", "mod f; #[path = \"a_tests.rs\"] #[cfg(test)] mod tests;"),
            ("src/a/f.rs", ""),
            ("src/a_tests.rs", "mod g {}"),
            ("src/b/c/mod.rs", "mod h;"),
            ("src/b/c/h.rs", ""),
            ("src/b/odd.rs", ""),
            ("src/x/y.rs", "mod z;"),
            ("src/x/z.rs", "#![cfg(all(unix, test))]"),
        ]);
        let found: Vec<_> = code.modules.iter().map(|one| (one.path.join("::"), one.test)).collect();
        let expected = [
            ("", false),
            ("a", false),
            ("a::f", false),
            ("a::tests", true),
            ("a::tests::g", true),
            ("b", false),
            ("b::c", false),
            ("b::c::h", false),
            ("b::d", false),
            ("e", false),
            ("e::z", true),
        ];
        assert_eq!(found, expected.map(|(path, test)| (path.to_owned(), test)));
        assert_eq!(code.files.len(), 9);
    }

    #[test]
    fn a_module_without_a_file_is_reported_with_its_line() {
        let text = |path: &Path| Ok((path == Path::new("a.rs")).then(|| "\nmod b;".to_owned()));
        let error = Crate::from_files(Path::new("a.rs"), &text).err().unwrap();
        assert_eq!(error.to_string(), "a.rs:2: there is no file for `mod b;`");
    }
}
