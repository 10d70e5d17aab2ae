//! How quick the API is, beside a minimal server over the same tables. `benches/api.sh` runs this program's parts:
//! `fill` writes a history, `minimal` serves one, `compare` asks both and prints the figures.
#![expect(clippy::unwrap_used, reason = "what fails here ends the bench")]

mod compare;
mod fill;
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
            fill::fill(data_dir.as_ref(), deployments.parse().unwrap())
        }
        ["minimal", data_dir, address] => minimal::serve(data_dir.as_ref(), address),
        ["compare", options @ ..] => compare::compare(&compare::Options::of(options)),
        // Test runners start every bench, and ask it for its tests on standard output: there are none.
        _ => eprintln!("nothing is measured here: run benches/api.sh"),
    }
}
