//! `longshore explain`.

use super::exit::{Error, Exit};
use super::output::{Output, Paint, Side};
use super::{suggest, table};
use crate::core::explain::{self, Explanation, Of};
use clap::Args;
use serde_json::{Value, json};

/// Arguments of `longshore explain`.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Failed deployments and refused requests carry a code, in parentheses behind the message. Nothing is
asked of the daemon.

With --json: {\"code\", \"of\": [\"deployment\"|\"request\"|\"health\"], \"meaning\", \"why\", \"next\": [...]},
or without CODE {\"data\": [...]} of them.

Examples:
  longshore explain not_ready
  longshore explain")]
pub struct ExplainArgs {
    /// The code; all of them, a line each, if absent
    #[arg(value_name = "CODE")]
    code: Option<String>,
}

/// Explains one code, or lists all.
pub fn run(args: &ExplainArgs, output: Output, json: bool) -> Result<Exit, Error> {
    let Some(code) = &args.code else {
        let text = if json {
            let all: Vec<Value> = explain::all().map(document).collect();
            json!({ "data": all }).to_string()
        } else {
            list(output)
        };
        output.print(&text)?;
        return Ok(Exit::Success);
    };
    // As it stands in a message, in parentheses, or as somebody remembers it.
    let code = code.trim_matches(['(', ')', ' ']).replace('-', "_");
    let Some(found) = explain::find(&code.to_lowercase()) else {
        let known = explain::all().map(|explanation| explanation.code);
        let near = suggest::nearest(&code, known).map_or(String::new(), |near| {
            format!("\nnext: did you mean {near}? `longshore explain` lists all")
        });
        let near = if near.is_empty() {
            "\nnext: `longshore explain` lists all"
        } else {
            &near
        };
        return Err(Error::usage(format!("there is no code '{code}'{near}")));
    };
    output.print(&if json {
        document(found).to_string()
    } else {
        text(found, output.paint(Side::Stdout))
    })?;
    Ok(Exit::Success)
}

fn list(output: Output) -> String {
    let rows = explain::all()
        .map(|explanation| vec![explanation.code.to_owned(), explanation.meaning.to_owned()])
        .collect();
    table::render(&["CODE", "MEANING"], rows, &[], output)
}

fn text(explanation: &Explanation, paint: Paint) -> String {
    let of: Vec<&str> = explanation
        .of
        .iter()
        .map(|of| match of {
            Of::Deployment => "a deployment that failed",
            Of::Request => "a request that was refused",
            Of::Health => "a daemon that is not healthy",
        })
        .collect();
    let mut lines = vec![
        format!("{}: {}", paint.bold(explanation.code), explanation.meaning),
        format!("  {}", paint.dim(&format!("told of {}", of.join(", ")))),
        String::new(),
        format!("  {}", explanation.why),
        String::new(),
    ];
    lines.extend(explanation.next.iter().map(|next| format!("  - {next}")));
    lines.join("\n")
}

fn document(explanation: &Explanation) -> Value {
    let of: Vec<&str> = explanation.of.iter().map(|of| of.as_str()).collect();
    json!({
        "code": explanation.code, "of": of, "meaning": explanation.meaning,
        "why": explanation.why, "next": explanation.next,
    })
}
