//! How quick the API is, beside a minimal server over the same tables. `benches/api.sh` runs this program's parts:
//! `fill` writes a history, `minimal` serves one, `compare` asks both and prints the figures. `benches/lists.sh` runs `lists`,
//! which looks at the store alone: every order and filter that a list of GitLab's may have, and what keeping them ready costs.
#![expect(clippy::unwrap_used, reason = "what fails here ends the bench")]

mod compare;
mod fill;
mod lists;
mod load;
mod minimal;

#[expect(clippy::disallowed_methods, reason = "a bench looks at the real clock")]
pub(crate) fn now() -> std::time::Instant {
    std::time::Instant::now()
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["fill", data_dir, deployments] => {
            fill::fill(data_dir.as_ref(), deployments.parse().unwrap(), fill::PAUSE)
        }
        ["minimal", data_dir, address] => minimal::serve(data_dir.as_ref(), address),
        ["lists", directory, sizes @ ..] => {
            let sizes = sizes.iter().map(|size| size.parse().unwrap());
            lists::lists(directory.as_ref(), &sizes.collect::<Vec<_>>());
        }
        ["compare", options @ ..] => compare::compare(&compare::Options::of(options)),
        // Test runners start every bench, and ask it for its tests on standard output: there are none.
        _ => eprintln!("nothing is measured here: run benches/api.sh or benches/lists.sh"),
    }
}
