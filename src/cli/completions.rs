//! `longshore completions`.

use super::arguments::Cli;
use super::exit::{Error, Exit};
use super::output::Output;
use clap::{Args, CommandFactory};
use clap_complete::Shell;

/// Arguments of `longshore completions`.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Commands and options are completed, names of apps are not.

Examples:
  longshore completions bash > ~/.local/share/bash-completion/completions/longshore
  longshore completions zsh > ~/.zfunc/_longshore        # with fpath+=~/.zfunc before compinit
  longshore completions fish > ~/.config/fish/completions/longshore.fish")]
pub struct CompletionsArgs {
    /// For which shell
    #[arg(value_name = "SHELL")]
    shell: Shell,
}

/// Prints the script for a shell.
pub fn run(args: &CompletionsArgs, output: Output) -> Result<Exit, Error> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "longshore", &mut script);
    output.print(String::from_utf8_lossy(&script).trim_end())?;
    Ok(Exit::Success)
}
