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
        text(found, output.paint(Side::Stdout), output.width())
    })?;
    Ok(Exit::Success)
}

fn list(output: Output) -> String {
    let rows = explain::all()
        .map(|explanation| vec![explanation.code.to_owned(), explanation.meaning.to_owned()])
        .collect();
    table::render(&["CODE", "MEANING"], rows, &[], output)
}

fn text(explanation: &Explanation, paint: Paint, width: Option<u16>) -> String {
    let width = width.map(|width| usize::from(width).clamp(30, 100));
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
        wrapped("  ", explanation.why, width),
        String::new(),
    ];
    lines.extend(
        explanation
            .next
            .iter()
            .map(|next| wrapped("  - ", next, width)),
    );
    lines.join("\n")
}

/// A sentence in lines of that width, the later ones set in as far as the first; as it is without one.
fn wrapped(begin: &str, sentence: &str, width: Option<usize>) -> String {
    let mut text = begin.to_owned();
    let mut column = begin.chars().count();
    let set_in = column;
    for word in sentence.split(' ') {
        let length = word.chars().count();
        let is_first = column == set_in;
        if !is_first && width.is_some_and(|width| column + 1 + length > width) {
            text.push('\n');
            text.push_str(&" ".repeat(set_in));
            column = set_in;
        } else if !is_first {
            text.push(' ');
            column += 1;
        }
        text.push_str(word);
        column += length;
    }
    text
}

fn document(explanation: &Explanation) -> Value {
    let of: Vec<&str> = explanation.of.iter().map(|of| of.as_str()).collect();
    json!({
        "code": explanation.code, "of": of, "meaning": explanation.meaning,
        "why": explanation.why, "next": explanation.next,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sentence_is_broken_between_words_at_a_terminal_only() {
        let sentence = "Give it time, and a_word_that_is_longer_than_a_line too.";
        assert_eq!(wrapped("- ", sentence, None), format!("- {sentence}"));
        assert_eq!(
            wrapped("- ", sentence, Some(16)),
            "- Give it time,\n  and\n  a_word_that_is_longer_than_a_line\n  too."
        );
    }
}
