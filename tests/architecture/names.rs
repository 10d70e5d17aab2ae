//! What a file names: its imports and paths, also those inside macros and attributes, resolved to whole paths.

use std::collections::{BTreeMap, BTreeSet};
use syn::buffer::{Cursor, TokenBuffer};
use syn::visit::Visit;

/// Everything a file names outside itself, as whole paths: `crate::core::spec::Spec`, `tokio::sync::watch`.
pub fn names_in(path: &str, text: &str) -> BTreeSet<String> {
    let file = syn::parse_file(text).unwrap_or_else(|error| panic!("src/{path}: {error}"));
    let module: Vec<String> = path
        .trim_end_matches(".rs")
        .split('/')
        .filter(|part| !["mod", "lib", "main"].contains(part))
        .map(str::to_owned)
        .collect();
    let mut reader = Reader {
        module,
        here: BTreeMap::new(),
        named: Vec::new(),
    };
    reader.visit_file(&file);
    let Reader { here, named, .. } = reader;
    named
        .into_iter()
        .filter_map(|segments| resolve(segments, &here))
        .map(|segments| segments.join("::"))
        .collect()
}

/// Lower-case words before `::` that are no crate.
const NO_CRATES: &[&str] = &[
    "bool", "char", "clippy", "f32", "f64", "i8", "i16", "i32", "i64", "i128", "isize", "rustfmt",
    "str", "u8", "u16", "u32", "u64", "u128", "usize",
];

/// A path with its first segment followed to where it was imported from; `None` if it is a name of the file itself.
fn resolve(mut path: Vec<String>, here: &BTreeMap<String, Vec<String>>) -> Option<Vec<String>> {
    // An import may lean on another one; no chain of ours is longer than this.
    for _ in 0..4 {
        match here.get(&path[0]) {
            Some(origin) => {
                path.splice(0..1, origin.iter().cloned());
            }
            None => break,
        }
    }
    if path[0] == "longshore" {
        path[0] = "crate".into();
    }
    let is_crate =
        path[0].starts_with(|c: char| c.is_lowercase()) && !NO_CRATES.contains(&path[0].as_str());
    is_crate.then_some(path)
}

/// Walks a file and writes down what it names and what it calls here by a shorter name.
struct Reader {
    /// The module the walk is in.
    module: Vec<String>,
    /// Names the file declares or imports, with their origin.
    here: BTreeMap<String, Vec<String>>,
    named: Vec<Vec<String>>,
}

impl Reader {
    /// Turns `self`, `super` and `crate` at the beginning into a path from the root.
    fn absolute(&self, path: &[String]) -> Vec<String> {
        let root = || ["crate".to_owned()].into_iter();
        let up = path.iter().take_while(|part| *part == "super").count();
        match path.first().map(String::as_str) {
            Some("super") => {
                let kept = self.module.len().saturating_sub(up);
                root()
                    .chain(self.module[..kept].iter().cloned())
                    .chain(path[up..].iter().cloned())
                    .collect()
            }
            // `self::super::x` is `super::x`.
            Some("self") if path.get(1).is_some_and(|part| part == "super") => {
                self.absolute(&path[1..])
            }
            Some("self") => root()
                .chain(self.module.iter().cloned())
                .chain(path[1..].iter().cloned())
                .collect(),
            _ => path.to_vec(),
        }
    }

    fn name(&mut self, path: &[String]) {
        // One word alone is a variable, a type in scope or an import that was already seen.
        if path.len() > 1 {
            self.named.push(self.absolute(path));
        }
    }

    fn import(&mut self, before: &mut Vec<String>, tree: &syn::UseTree) {
        match tree {
            syn::UseTree::Path(path) => {
                before.push(path.ident.to_string());
                self.import(before, &path.tree);
                before.pop();
            }
            syn::UseTree::Group(group) => {
                for tree in &group.items {
                    self.import(before, tree);
                }
            }
            syn::UseTree::Glob(_) => {
                let path = [before.as_slice(), &["*".to_owned()]].concat();
                self.named.push(self.absolute(&path));
            }
            syn::UseTree::Name(name) => {
                self.bring_in(before, &name.ident.to_string(), None);
            }
            syn::UseTree::Rename(rename) => {
                self.bring_in(
                    before,
                    &rename.ident.to_string(),
                    Some(rename.rename.to_string()),
                );
            }
        }
    }

    fn bring_in(&mut self, before: &[String], last: &str, called: Option<String>) {
        let mut path = before.to_vec();
        if last != "self" || path.is_empty() {
            path.push(last.to_owned());
        }
        let called = called.unwrap_or_else(|| path.last().cloned().unwrap_or_default());
        let origin = self.absolute(&path);
        self.named.push(origin.clone());
        if origin.first() != Some(&called) {
            self.here.insert(called, origin);
        }
    }

    /// What is in the tokens of a macro or an attribute: every `a::b`.
    fn tokens(&mut self, mut cursor: Cursor<'_>) {
        let mut path: Vec<String> = Vec::new();
        while !cursor.eof() {
            if let Some((ident, next)) = cursor.ident() {
                if path.last().is_some_and(|part| part != "::") {
                    self.end_of_path(&mut path);
                }
                path.push(ident.to_string());
                cursor = next;
            } else if let Some(next) = colons(cursor) {
                if !path.is_empty() {
                    path.push("::".into());
                }
                cursor = next;
            } else if let Some((inside, _, _, next)) = cursor.any_group() {
                self.end_of_path(&mut path);
                self.tokens(inside);
                cursor = next;
            } else {
                self.end_of_path(&mut path);
                match cursor.token_tree() {
                    Some((_, next)) => cursor = next,
                    None => break,
                }
            }
        }
        self.end_of_path(&mut path);
    }

    fn end_of_path(&mut self, path: &mut Vec<String>) {
        // `a::b::{` and `a::b::<` end with colons: whatever follows is below.
        let path: Vec<String> = std::mem::take(path)
            .into_iter()
            .filter(|part| part != "::")
            .collect();
        self.name(&path);
    }
}

fn colons(cursor: Cursor<'_>) -> Option<Cursor<'_>> {
    let (colon, next) = cursor.punct()?;
    let (second, after) = next.punct()?;
    (colon.as_char() == ':' && second.as_char() == ':').then_some(after)
}

/// Code of tests is free: it is not in the program.
fn is_for_tests(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|attribute| match &attribute.meta {
        syn::Meta::List(list) => list.path.is_ident("cfg") && list.tokens.to_string() == "test",
        syn::Meta::Path(_) | syn::Meta::NameValue(_) => false,
    })
}

fn attributes(item: &syn::Item) -> &[syn::Attribute] {
    match item {
        syn::Item::Fn(item) => &item.attrs,
        syn::Item::Impl(item) => &item.attrs,
        syn::Item::Mod(item) => &item.attrs,
        syn::Item::Use(item) => &item.attrs,
        _ => &[],
    }
}

impl<'ast> Visit<'ast> for Reader {
    fn visit_item(&mut self, item: &'ast syn::Item) {
        if !is_for_tests(attributes(item)) {
            syn::visit::visit_item(self, item);
        }
    }

    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        let name = item.ident.to_string();
        let origin = self.absolute(&["self".to_owned(), name.clone()]);
        self.here.insert(name.clone(), origin);
        self.module.push(name);
        syn::visit::visit_item_mod(self, item);
        self.module.pop();
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        self.import(&mut Vec::new(), &item.tree);
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let segments: Vec<String> = path
            .segments
            .iter()
            .map(|segment| segment.ident.to_string())
            .collect();
        self.name(&segments);
        syn::visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, call: &'ast syn::Macro) {
        syn::visit::visit_macro(self, call);
        self.tokens(TokenBuffer::new2(call.tokens.clone()).begin());
    }

    fn visit_meta_list(&mut self, list: &'ast syn::MetaList) {
        syn::visit::visit_meta_list(self, list);
        self.tokens(TokenBuffer::new2(list.tokens.clone()).begin());
    }
}
