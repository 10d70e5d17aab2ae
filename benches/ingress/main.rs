//! What the ingress is tried and measured with. `app` is what is deployed: a small web app that knows its version; `load`
//! asks for it at a fixed rate and counts every answer that did not come. `benches/swap.sh` and its neighbours run both.
#![expect(clippy::unwrap_used, reason = "what fails here ends the bench")]

mod app;
mod load;

use clap::Parser;

#[derive(Parser)]
#[command(name = "ingress")]
enum Arguments {
    /// Serves until it is told to stop
    App(app::Options),
    /// Asks at a fixed rate, never twice for the same, until the time is over or it is told to stop
    Load(load::Options),
}

fn main() {
    // Test runners start every bench, and ask it for its tests on standard output: there are none.
    if !std::env::args()
        .nth(1)
        .is_some_and(|word| ["app", "load"].contains(&word.as_str()))
    {
        eprintln!("nothing is measured here: run benches/swap.sh");
        return;
    }
    let runtime = tokio::runtime::Runtime::new().unwrap();
    match Arguments::parse() {
        Arguments::App(options) => runtime.block_on(app::serve(options)),
        Arguments::Load(options) => {
            let report = runtime.block_on(load::run(&options));
            report.tell();
            report.write(options.output.as_deref());
        }
    }
}
