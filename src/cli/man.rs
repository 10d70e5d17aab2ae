//! `longshore man`: the pages are made from the same arguments and texts as `--help`.

use super::arguments::Cli;
use super::exit::{Error, Exit};
use super::output::Output;
use clap::{Args, Command, CommandFactory};
use clap_mangen::Man;
use clap_mangen::roff::{Roff, roman};
use std::io;
use std::path::{Path, PathBuf};

/// Arguments of `longshore man`.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  longshore man | man -l -
  longshore man /usr/local/share/man/man1")]
pub struct ManArgs {
    /// Write the page of every command into this directory; without it longshore(1) goes to standard output
    #[arg(value_name = "DIR")]
    directory: Option<PathBuf>,
}

/// Prints the main page, or writes all.
pub fn run(args: &ManArgs, output: Output) -> Result<Exit, Error> {
    let mut main = Cli::command().disable_help_subcommand(true);
    main.build();
    let Some(directory) = &args.directory else {
        let page = page(&main).map_err(|error| Error::failed(error.to_string()))?;
        output.print(page.trim_end())?;
        return Ok(Exit::Success);
    };
    let written = write(&main, directory).map_err(|error| {
        let directory = directory.display();
        Error::failed(format!("cannot write the pages into {directory}: {error}"))
    })?;
    output.note(&format!("{written} pages are in {}", directory.display()));
    Ok(Exit::Success)
}

/// Writes the page of a command and of all below it; how many.
fn write(command: &Command, directory: &Path) -> io::Result<usize> {
    let name = command.get_display_name().unwrap_or(command.get_name());
    std::fs::write(directory.join(format!("{name}.1")), page(command)?)?;
    let mut written = 1;
    for below in shown(command) {
        written += write(below, directory)?;
    }
    Ok(written)
}

fn shown(command: &Command) -> impl Iterator<Item = &Command> {
    command
        .get_subcommands()
        .filter(|below| !below.is_hide_set())
}

fn page(command: &Command) -> io::Result<String> {
    let man = Man::new(command.clone())
        .source(concat!("longshore ", env!("CARGO_PKG_VERSION")))
        .manual("longshore");
    let mut page = Vec::new();
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    man.render_options_section(&mut page)?;
    if shown(command).next().is_some() {
        man.render_subcommands_section(&mut page)?;
    }
    let after = command
        .get_after_long_help()
        .or_else(|| command.get_after_help());
    if let Some(after) = after {
        notes(&after.to_string()).to_writer(&mut page)?;
    }
    if command.get_name() != "longshore" {
        let mut see = Roff::new();
        see.control("SH", ["SEE ALSO"]);
        see.text([roman("longshore(1)")]);
        see.to_writer(&mut page)?;
    }
    Ok(String::from_utf8_lossy(&page).into_owned())
}

/// What `--help` has at its end, as it stands: its examples and tables would be lost in running text. A line that ends
/// with a colon before indented ones is a heading.
fn notes(text: &str) -> Roff {
    let mut roff = Roff::new();
    let mut is_open = false;
    let lines: Vec<&str> = text.lines().collect();
    for (index, line) in lines.iter().enumerate() {
        let next = lines.get(index + 1);
        let is_heading = !line.starts_with(' ')
            && line.len() < 40
            && line.ends_with(':')
            && next.is_some_and(|next| next.starts_with("  "));
        if is_heading || !is_open {
            if is_open {
                roff.control("fi", []);
            }
            let title = if is_heading { line } else { "NOTES:" };
            roff.control("SH", [title.trim_end_matches(':').to_uppercase().as_str()]);
            roff.control("nf", []);
            is_open = true;
        }
        if !is_heading {
            roff.text([roman(*line)]);
        }
    }
    if is_open {
        roff.control("fi", []);
    }
    roff
}
