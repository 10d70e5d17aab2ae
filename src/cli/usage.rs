//! Reading the arguments, and a better word than clap's where they are in the wrong order.

use super::arguments::Cli;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{ColorChoice, Command, CommandFactory, FromArgMatches};
use std::process::ExitCode;

/// Reads this process's arguments. Where they make no sense, or only help is asked for, that is printed and the exit
/// status given.
pub fn parse() -> Result<Cli, ExitCode> {
    let typed: Vec<String> = std::env::args_os()
        .skip(1)
        .map(|argument| argument.to_string_lossy().into_owned())
        .collect();
    let command = Cli::command().color(color(&typed));
    let parsed = command
        .clone()
        .try_get_matches()
        .and_then(|matches| Cli::from_arg_matches(&matches));
    parsed.map_err(|error| {
        // Nobody is left to tell if that fails.
        let _ = error.print();
        if let Some(hint) = hint(&error, &typed, &command) {
            eprintln!("\nnext: {hint}");
        }
        u8::try_from(error.exit_code()).map_or(ExitCode::FAILURE, ExitCode::from)
    })
}

/// What `--color` says, before anything else is understood: help and errors have colours, too.
fn color(typed: &[String]) -> ColorChoice {
    let pairs = typed.windows(2).filter(|pair| pair[0] == "--color");
    let spaced = pairs.map(|pair| pair[1].as_str());
    let joined = typed
        .iter()
        .filter_map(|argument| argument.strip_prefix("--color="));
    match spaced.chain(joined).last() {
        Some("always") => ColorChoice::Always,
        Some("never") => ColorChoice::Never,
        Some(_) | None => ColorChoice::Auto,
    }
}

fn hint(error: &clap::Error, typed: &[String], command: &Command) -> Option<String> {
    let named = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.clone()),
        Some(_) | None => None,
    };
    let position = typed
        .iter()
        .position(|word| command.find_subcommand(word).is_some())?;
    match error.kind() {
        // `longshore web deploy`
        ErrorKind::InvalidSubcommand => {
            let before = named(ContextKind::InvalidSubcommand)?;
            let first = typed.iter().position(|word| *word == before)?;
            (first < position).then(|| {
                format!(
                    "the command goes first: longshore {} {before}",
                    typed[position]
                )
            })
        }
        // `longshore deploy web staging`
        ErrorKind::UnknownArgument => {
            let extra = named(ContextKind::InvalidArg)?;
            let below = command.find_subcommand(&typed[position])?;
            let takes = below
                .get_arguments()
                .any(|argument| argument.get_long() == Some("environment"));
            (takes && !extra.starts_with('-'))
                .then(|| format!("an environment is named with --environment {extra}"))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hint_for(line: &str) -> Option<String> {
        let typed: Vec<String> = line.split(' ').map(str::to_owned).collect();
        let command = Cli::command();
        let words = std::iter::once("longshore").chain(line.split(' '));
        let error = command.clone().try_get_matches_from(words).unwrap_err();
        hint(&error, &typed, &command)
    }

    #[test]
    fn arguments_in_the_wrong_order_are_put_right() {
        for (line, expected) in [
            (
                "web deploy",
                Some("the command goes first: longshore deploy web"),
            ),
            (
                "deploy web staging",
                Some("an environment is named with --environment staging"),
            ),
            (
                "--json logs web staging",
                Some("an environment is named with --environment staging"),
            ),
            ("deplyo web", None),
            ("show a b", None),
            ("deploy web --nonsense", None),
        ] {
            assert_eq!(hint_for(line).as_deref(), expected, "{line}");
        }
    }
}
