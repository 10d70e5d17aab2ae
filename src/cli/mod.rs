//! The command line. Its commands talk HTTP to the daemon's unix socket (or to a remote daemon's URL); only
//! `serve`, `ingress` and `check` work in this process.

mod adopt;
mod again;
mod app;
mod apps;
mod arguments;
mod attend;
mod cancel;
mod change;
mod check;
mod client;
mod completions;
mod deploy;
mod display;
mod document;
mod echo;
mod environment;
mod events;
mod exit;
mod explain;
mod find;
mod follow;
mod gc;
mod hook;
mod ingress;
mod list;
mod log_filter;
mod logs;
mod man;
mod moment;
mod output;
mod patience;
mod place;
mod plan;
mod printed;
mod processes;
mod question;
mod refusal;
mod reload;
mod remove;
mod run;
mod runs;
mod secret;
mod serve;
mod show;
mod sse;
mod status;
mod suggest;
mod summary;
mod table;
mod takeover;
mod tls;
mod token;
mod usage;
mod value;
mod watch;

use crate::core::secret::Secret;
use arguments::{
    AppCommand, AskCommand, Cli, Command, Connection, HookCommand, SecretCommand, TokenCommand,
};
use change::What;
use client::Client;
use environment::{DEFAULT_SOCKET, Environment};
use exit::{Error, Exit};
use output::Output;
use place::Place;
use std::process::ExitCode;
use std::time::Duration;
use tls::Tls;

/// Parses the arguments, runs the command, and says how it ended.
#[must_use]
pub fn main() -> ExitCode {
    let cli = match usage::parse() {
        Ok(cli) => cli,
        Err(exit) => return exit,
    };
    let environment = Environment::read();
    let output = Output::of_this_process(&environment, cli.manner.color, cli.manner.quiet);
    match run(cli, environment, output) {
        Ok(exit) => exit.into(),
        // `longshore ls | head -1`: whoever read us has enough.
        Err(Error::PipeClosed) => Exit::Success.into(),
        Err(Error::Refused(refusal)) => ended(output, Exit::Refused, &refusal.to_string()),
        Err(Error::Ended { exit, message }) => ended(output, exit, &message),
    }
}

fn ended(output: Output, exit: Exit, message: &str) -> ExitCode {
    let paint = output.stderr_paint();
    output.say(&format!("{} {message}", paint.red("error:")));
    exit.into()
}

/// What a command that talks to the daemon needs.
struct Session {
    client: Client,
    output: Output,
    /// Whether the answer is wanted as one JSON document.
    json: bool,
    /// How long the daemon may be away.
    patience: Duration,
}

fn run(cli: Cli, environment: Environment, output: Output) -> Result<Exit, Error> {
    let json = cli.manner.json;
    match cli.command {
        Command::Explain(args) => {
            cli.connection.refuse_for("explain")?;
            explain::run(&args, output, json)
        }
        Command::Completions(args) => completions::run(&args, output),
        Command::Man(args) => man::run(&args, output),
        Command::Serve(args) => {
            cli.connection.refuse_for("serve")?;
            serve::run(&args)
        }
        Command::Ingress(args) => {
            cli.connection.refuse_for("ingress")?;
            ingress::run(&args)
        }
        Command::Check(args) => {
            cli.connection.refuse_for("check")?;
            check::run(&args, output, json)
        }
        Command::Ask(question) => {
            let session = open(cli.connection, environment, output, json)?;
            // It only waits for the daemon: one thread is plenty.
            tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .map_err(|error| Error::failed(format!("cannot start: {error}")))?
                .block_on(async {
                    let answer = ask(&session, question).await;
                    match &answer {
                        // A refusal says it by itself.
                        Err(error) => {
                            let meant = suggest::app(&session, error).await;
                            answer.map_err(|error| error.with(meant.as_deref()))
                        }
                        Ok(_) => {
                            if let Some(warning) = session.client.take_warning() {
                                output.note(&format!("warning: {}", table::clean(&warning)));
                            }
                            answer
                        }
                    }
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
        AskCommand::Rm(args) => remove::run(session, &args).await,
        AskCommand::Events(args) => events::run(session, &args).await,
        AskCommand::Restart(args) => again::restart(session, args).await,
        AskCommand::Rollback(args) => again::rollback(session, args).await,
        AskCommand::Stop(args) => change::down(session, What::Stop, &args).await,
        AskCommand::Start(args) => change::up(session, What::Start, &args).await,
        AskCommand::Suspend(args) => change::down(session, What::Suspend, &args).await,
        AskCommand::Activate(args) => change::up(session, What::Activate, &args).await,
        AskCommand::Run(args) => run::run(session, &args).await,
        AskCommand::Runs(args) => runs::run(session, &args).await,
        AskCommand::Apps => apps::run(session).await,
        AskCommand::Ps(args) => processes::run(session, &args).await,
        AskCommand::Adopt(args) => adopt::run(session, &args).await,
        AskCommand::Takeover(args) => takeover::run(session, &args).await,
        AskCommand::Reload(args) => reload::run(session, &args).await,
        AskCommand::Status(args) => status::run(session, &args).await,
        AskCommand::App(AppCommand::Show(args)) => app::show(session, &args).await,
        AskCommand::App(AppCommand::Rm(args)) => change::remove(session, &args).await,
        AskCommand::Gc(args) => gc::run(session, &args).await,
        AskCommand::Token(TokenCommand::Create(args)) => token::create(session, &args).await,
        AskCommand::Token(TokenCommand::Ls(args)) => token::list(session, &args).await,
        AskCommand::Token(TokenCommand::Revoke(args)) => token::revoke(session, &args).await,
        AskCommand::Hook(HookCommand::Show(args)) => hook::show(session, &args).await,
        AskCommand::Hook(HookCommand::Enable(args)) => hook::enable(session, &args).await,
        AskCommand::Hook(HookCommand::Renew(args)) => hook::renew(session, &args).await,
        AskCommand::Hook(HookCommand::Disable(args)) => hook::disable(session, &args).await,
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
    let patience = connection.patience;
    let place = place(&connection, &environment)?;
    // What is only for a URL is not even looked at for the socket.
    let remote = match place {
        Place::Socket(_) => None,
        Place::Url { .. } => Some(Remote::of(connection, environment, &place, output)?),
    };
    let (token, tls) = remote.map_or((None, None), |remote| (remote.token, remote.tls));
    Ok(Session {
        client: Client::new(place, token, tls, patience, output),
        output,
        json,
        patience,
    })
}

/// Where the daemon is: what was typed counts more than the environment.
fn place(connection: &Connection, environment: &Environment) -> Result<Place, Error> {
    let url = |url: &str| Place::parse_url(url).map_err(Error::usage);
    match (&connection.url, &connection.socket) {
        (Some(typed), _) => return url(typed),
        (None, Some(socket)) => return Ok(Place::Socket(socket.clone())),
        (None, None) => {}
    }
    match (&environment.url, &environment.socket) {
        (Some(_), Some(_)) => Err(Error::usage(
            "LONGSHORE_URL and LONGSHORE_SOCKET are both set: unset one, or say --url or --socket",
        )),
        (Some(set), None) => url(set),
        (None, Some(socket)) => Ok(Place::Socket(socket.clone())),
        (None, None) => Ok(Place::Socket(DEFAULT_SOCKET.into())),
    }
}

/// What a remote daemon needs.
struct Remote {
    token: Option<Secret>,
    tls: Option<Tls>,
}

impl Remote {
    fn of(
        connection: Connection,
        environment: Environment,
        place: &Place,
        output: Output,
    ) -> Result<Self, Error> {
        let file = match (connection.token_file, environment.token.is_some()) {
            (Some(typed), _) => Some(typed),
            (None, true) => None,
            (None, false) => environment.token_file,
        };
        let token = match file {
            Some(file) => Some(value::token(&file, output)?),
            None => environment.token,
        };
        let ca = connection.ca.or(environment.ca);
        let tls = match place.is_tls() {
            true => Some(Tls::new(ca.as_deref()).map_err(Error::failed)?),
            false => None,
        };
        if token.is_some() && tls.is_none() && !place.is_on_this_host() {
            output.say(&format!(
                "warning: the token travels unencrypted to {place}"
            ));
        }
        Ok(Self { token, tls })
    }
}
