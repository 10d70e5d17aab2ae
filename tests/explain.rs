//! `longshore explain` knows every code there is, and none that there is not: the codes are read from the sources.
#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

use longshore::core::explain::{self, Of};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use syn::visit::Visit;

/// What a file says in string literals.
#[derive(Default)]
struct Literals {
    /// All of them.
    all: BTreeSet<String>,
    /// Those that are the code of a refusal: the first text given to what makes one.
    refusals: BTreeSet<String>,
}

/// The functions that take a code.
const MAKERS: &[&str] = &["new", "bad", "unauthorized"];

impl<'ast> Visit<'ast> for Literals {
    fn visit_item_mod(&mut self, module: &'ast syn::ItemMod) {
        if module.ident != "tests" {
            syn::visit::visit_item_mod(self, module);
        }
    }

    // Documentation is an attribute with a text.
    fn visit_attribute(&mut self, _: &'ast syn::Attribute) {}

    // `body["error"]` names a field.
    fn visit_expr_index(&mut self, index: &'ast syn::ExprIndex) {
        self.visit_expr(&index.expr);
    }

    fn visit_lit_str(&mut self, text: &'ast syn::LitStr) {
        self.all.insert(text.value());
    }

    fn visit_expr_call(&mut self, call: &'ast syn::ExprCall) {
        if let syn::Expr::Path(path) = &*call.func {
            let names: Vec<String> = path
                .path
                .segments
                .iter()
                .map(|s| s.ident.to_string())
                .collect();
            if let [.., of, maker] = &names[..]
                && ["Refusal", "Self"].contains(&of.as_str())
                && MAKERS.contains(&maker.as_str())
            {
                self.refusals.extend(call.args.iter().find_map(text));
            }
        }
        syn::visit::visit_expr_call(self, call);
    }
}

fn text(expression: &syn::Expr) -> Option<String> {
    match expression {
        syn::Expr::Lit(syn::ExprLit {
            lit: syn::Lit::Str(text),
            ..
        }) => Some(text.value()),
        _ => None,
    }
}

fn read(path: &Path, found: &mut Literals) {
    if path.is_dir() {
        for entry in std::fs::read_dir(path).unwrap() {
            read(&entry.unwrap().path(), found);
        }
    } else if path.extension().is_some_and(|extension| extension == "rs") {
        let file = syn::parse_file(&std::fs::read_to_string(path).unwrap()).unwrap();
        found.visit_file(&file);
    }
}

fn literals(under: &[&str]) -> Literals {
    let root: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Literals::default();
    for path in under {
        read(&root.join(path), &mut found);
    }
    found
}

/// `not_found`: how all codes but a few of one word look.
fn is_a_code(text: &str) -> bool {
    text.contains('_') && text.bytes().all(|b| b.is_ascii_lowercase() || b == b'_')
}

fn explained(of: Of) -> BTreeSet<String> {
    let all = explain::all().filter(|explanation| explanation.of.contains(&of));
    all.map(|explanation| explanation.code.to_owned()).collect()
}

#[test]
fn every_code_that_the_api_answers_with_is_explained() {
    // Only this dialect's refusals have codes.
    let mut codes = literals(&["api/gitdev"]).refusals;
    assert!(codes.len() > 15, "only {codes:?} were found");
    // Where errors are made all words that look like a code are one, however they get there.
    let errors = literals(&["api/gitdev/error.rs"]).all;
    codes.extend(errors.into_iter().filter(|text| is_a_code(text)));
    let missing: Vec<_> = codes.difference(&explained(Of::Request)).cloned().collect();
    assert!(
        missing.is_empty(),
        "core/explain/requests.rs says nothing of {missing:?}"
    );
}

#[test]
fn every_code_of_a_failure_is_explained() {
    let text = include_str!("../src/core/failure.rs");
    let file = syn::parse_file(text).unwrap();
    let words = file.items.iter().find_map(|item| match item {
        syn::Item::Impl(of) => Some(of),
        _ => None,
    });
    let mut found = Literals::default();
    found.visit_item_impl(words.unwrap());
    assert!(found.all.len() >= 20, "{:?}", found.all);
    assert_eq!(explained(Of::Deployment), found.all);
}

#[test]
fn no_explanation_is_of_a_code_that_nothing_makes() {
    let made = literals(&["api", "core/failure.rs", "core/measure.rs"]).all;
    let dead: Vec<_> = explain::all()
        .map(|explanation| explanation.code)
        .filter(|code| !made.contains(*code))
        .collect();
    assert!(dead.is_empty(), "nothing answers with {dead:?} any more");
}
