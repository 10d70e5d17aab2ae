//! The command line. Its commands talk HTTP to the daemon's unix socket (or to a remote daemon's URL); only
//! `serve` and `check` work in this process.

mod adopt;
mod again;
mod apps;
mod arguments;
mod attend;
mod cancel;
mod change;
mod check;
mod client;
mod deploy;
mod display;
mod document;
mod echo;
mod environment;
mod exit;
mod find;
mod follow;
mod gc;
mod list;
mod logs;
mod moment;
mod output;
mod patience;
mod place;
mod question;
mod reload;
mod secret;
mod serve;
mod show;
mod summary;
mod table;
mod token;
mod value;
mod watch;

use arguments::{AppCommand, AskCommand, Cli, Command, Connection, SecretCommand, TokenCommand};
use change::What;
use clap::Parser;
use client::Client;
use environment::Environment;
use exit::{Error, Exit};
use output::Output;
use place::Place;
use std::process::ExitCode;

/// Parses the arguments, runs the command, and says how it ended.
#[must_use]
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let environment = Environment::read();
    let output = Output::of_this_process(&environment);
    match run(cli, environment, output) {
        Ok(exit) => exit.into(),
        // `longshore ls | head -1`: whoever read us has enough.
        Err(Error::PipeClosed) => Exit::Success.into(),
        Err(Error::Ended { exit, message }) => {
            let paint = output.stderr_paint();
            output.say(&format!("{} {message}", paint.red("error:")));
            exit.into()
        }
    }
}

/// What a command that talks to the daemon needs.
struct Session {
    client: Client,
    output: Output,
    /// Whether the answer is wanted as one JSON document.
    json: bool,
}

fn run(cli: Cli, environment: Environment, output: Output) -> Result<Exit, Error> {
    match cli.command {
        Command::Serve(args) => {
            cli.connection.refuse_for("serve")?;
            serve::run(&args)
        }
        Command::Check(args) => {
            cli.connection.refuse_for("check")?;
            check::run(&args, output, cli.json)
        }
        Command::Ask(question) => {
            let session = open(cli.connection, environment, output, cli.json)?;
            // It only waits for the daemon: one thread is plenty.
            tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .map_err(|error| Error::failed(format!("cannot start: {error}")))?
                .block_on(async {
                    let answer = ask(&session, question).await;
                    // A refusal says it by itself.
                    if answer.is_ok()
                        && let Some(warning) = session.client.take_warning()
                    {
                        output.say(&format!("warning: {}", table::clean(&warning)));
                    }
                    answer
                })
        }
    }
}

async fn ask(session: &Session, command: AskCommand) -> Result<Exit, Error> {
    match command {
        AskCommand::Deploy(args) => deploy::run(session, args).await,
        AskCommand::Ls(args) => list::run(session, &args).await,
        AskCommand::Show(args) => show::run(session, &args).await,
        AskCommand::Logs(args) => logs::run(session, &args).await,
        AskCommand::Cancel(args) => cancel::run(session, &args).await,
        AskCommand::Restart(args) => again::restart(session, args).await,
        AskCommand::Rollback(args) => again::rollback(session, args).await,
        AskCommand::Stop(args) => change::down(session, What::Stop, &args).await,
        AskCommand::Start(args) => change::up(session, What::Start, &args).await,
        AskCommand::Suspend(args) => change::down(session, What::Suspend, &args).await,
        AskCommand::Activate(args) => change::up(session, What::Activate, &args).await,
        AskCommand::Apps => apps::run(session).await,
        AskCommand::Adopt(args) => adopt::run(session, &args).await,
        AskCommand::Reload(args) => reload::run(session, &args).await,
        AskCommand::App(AppCommand::Rm(args)) => change::remove(session, &args).await,
        AskCommand::Gc(args) => gc::run(session, &args).await,
        AskCommand::Token(TokenCommand::Create(args)) => token::run(session, &args).await,
        AskCommand::Secret(SecretCommand::Set(args)) => secret::set(session, &args).await,
        AskCommand::Secret(SecretCommand::Ls(args)) => secret::list(session, &args).await,
        AskCommand::Secret(SecretCommand::Rm(args)) => secret::remove(session, &args).await,
    }
}

fn open(
    connection: Connection,
    environment: Environment,
    output: Output,
    json: bool,
) -> Result<Session, Error> {
    let place = match (connection.url, connection.socket) {
        (Some(url), _) => Place::parse_url(&url).map_err(Error::usage)?,
        (None, Some(socket)) => Place::Socket(socket),
        (None, None) => Place::Socket(environment.socket),
    };
    if environment.token.is_some() && !place.is_on_this_host() {
        output.say(&format!(
            "warning: the token travels unencrypted to {place}"
        ));
    }
    Ok(Session {
        client: Client::new(place, environment.token),
        output,
        json,
    })
}
