//! Tokens and keys of requests on a real store: what is remembered of them, what is written when, and what two requests
//! at once find.
#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

#[path = "support/tmpfs.rs"]
#[expect(dead_code, reason = "another test file uses the rest")]
mod tmpfs;
#[path = "support/world.rs"]
#[expect(dead_code, reason = "another test file uses the rest")]
mod world;

use longshore::core::access::{Caller, Reach, Scope};
use longshore::core::action::{
    Action, AppRef, ChangeEnvironment, CreateToken, Environments, Reply, RequestKey,
};
use longshore::core::change::Change;
use longshore::core::deployment::Trigger;
use longshore::core::error::Error;
use longshore::core::name::AppName;
use longshore::core::rate::RatePlan;
use longshore::core::secret::Secret;
use longshore::core::time::Timestamp;
use longshore::store::{NewToken, Store, Token, TokenMade};
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Barrier};
use std::time::Duration;
use tmpfs::Tmpfs;
use uuid::Uuid;
use world::{Bench, Process, create, git_app};

const NOW: Timestamp = Timestamp(1_741_948_320_000);

fn after(seconds: i64) -> Timestamp {
    Timestamp(NOW.0 + seconds * 1000)
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap()
}

fn bench() -> (Bench, Process) {
    let bench = Bench::new(vec![git_app("web")]);
    let process = bench.start();
    (bench, process)
}

fn make(process: &Process, name: &str, expires_at: Option<Timestamp>) -> (Uuid, Secret) {
    let new = NewToken {
        name: name.into(),
        scope: Scope::Read,
        reach: Reach::All,
        plan: RatePlan::Pro,
        expires_at,
        by: process.caller.principal.serial,
        key: None,
    };
    match process.store.create_token(&new, NOW).unwrap() {
        TokenMade::Made(view, secret) => (view.principal.id, secret),
        TokenMade::KeyReused => panic!("there was no key"),
    }
}

fn holds(store: &Store, token: &Secret, now: Timestamp) -> Option<Caller> {
    match store.token_caller(token, now).unwrap() {
        Token::Holds(caller) => Some(caller),
        Token::Expired | Token::Revoked | Token::Unknown => None,
    }
}

fn last_use(process: &Process, id: Uuid) -> Option<Timestamp> {
    let tokens = process.store.tokens(Reach::All, true, NOW).unwrap();
    let token = tokens.iter().find(|token| token.principal.id == id);
    token.unwrap().last_used_at
}

#[test]
fn a_token_in_use_ends_with_its_time_and_with_its_revocation() {
    runtime().block_on(async {
        let (_bench, process) = bench();
        let (_, expiring) = make(&process, "expiring", Some(after(10)));
        let (id, other) = make(&process, "other", None);
        let store = &process.store;
        for second in 0..10 {
            assert!(holds(store, &expiring, after(second)).is_some());
            assert!(holds(store, &other, after(second)).is_some());
        }
        let found = store.token_caller(&expiring, after(10)).unwrap();
        assert!(matches!(found, Token::Expired));
        let by = process.caller.principal.serial;
        assert!(store.revoke_token(id, Reach::All, by, after(11)).unwrap());
        let found = store.token_caller(&other, after(11)).unwrap();
        assert!(matches!(found, Token::Revoked));
        assert!(
            !store.revoke_token(id, Reach::All, by, after(12)).unwrap(),
            "it is revoked once"
        );
        let stranger = Secret::new("lsh_guess");
        let found = store.token_caller(&stranger, NOW).unwrap();
        assert!(matches!(found, Token::Unknown));
    });
}

/// Threads use a token without a pause while it is revoked: what began after the revocation was answered is refused.
#[test]
fn no_request_after_a_revocation_is_let_in_whatever_was_being_looked_up() {
    let (_bench, process) = runtime().block_on(async { bench() });
    let by = process.caller.principal.serial;
    for round in 0..200 {
        let (id, token) = make(&process, "busy", None);
        let revoked = AtomicBool::new(false);
        let begin = Barrier::new(4);
        std::thread::scope(|threads| {
            for _ in 0..3 {
                threads.spawn(|| {
                    begin.wait();
                    loop {
                        let was_revoked = revoked.load(Ordering::SeqCst);
                        let holds = holds(&process.store, &token, NOW).is_some();
                        assert!(!(was_revoked && holds), "round {round}");
                        if was_revoked {
                            return;
                        }
                    }
                });
            }
            begin.wait();
            process.store.revoke_token(id, Reach::All, by, NOW).unwrap();
            revoked.store(true, Ordering::SeqCst);
        });
        assert!(holds(&process.store, &token, NOW).is_none());
    }
}

#[test]
fn a_use_is_written_down_once_a_minute_and_costs_no_other_request_a_write() {
    runtime().block_on(async {
        let writes = Arc::new(AtomicU64::new(0));
        let bench = Bench::new(vec![git_app("web")]);
        let counter = writes.clone();
        let count = move |name| {
            counter.fetch_add(u64::from(name == "note_token_use"), Ordering::Relaxed);
        };
        let process = bench.start_with(|ports| ports, count).unwrap();
        let (id, token) = make(&process, "ci", None);
        assert_eq!(last_use(&process, id), None);
        let mut noted = Vec::new();
        for second in 0..150 {
            holds(&process.store, &token, after(second)).unwrap();
            let at = last_use(&process, id).unwrap();
            if noted.last() != Some(&at) {
                noted.push(at);
            }
        }
        assert_eq!(noted, [after(0), after(60), after(120)]);
        assert_eq!(writes.load(Ordering::Relaxed), 3);
        // Another life of the daemon goes on where it was, also after the wall clock was set back.
        drop(process);
        let process = bench.start();
        holds(&process.store, &token, after(130)).unwrap();
        assert_eq!(last_use(&process, id), Some(after(120)));
        holds(&process.store, &token, after(-500)).unwrap();
        assert_eq!(last_use(&process, id), Some(after(-500)));
    });
}

#[test]
fn a_full_disk_keeps_no_token_out() {
    runtime().block_on(async {
        let disk = Tmpfs::mount("12m");
        let mut bench = Bench::new(vec![git_app("web")]);
        bench.data_dir = disk.path().to_owned();
        let process = bench.start();
        let (id, token) = make(&process, "ci", None);
        disk.ballast().fill();
        for second in [0, 61, 122] {
            assert!(holds(&process.store, &token, after(second)).is_some());
        }
        assert_eq!(last_use(&process, id), None, "there was room after all");
        disk.ballast().remove();
        assert!(holds(&process.store, &token, after(200)).is_some());
        assert_eq!(last_use(&process, id), Some(after(200)));
    });
}

fn key(text: &str) -> RequestKey {
    RequestKey {
        key: text.into(),
        digest: vec![7; 32],
    }
}

/// Sends one request from many threads at once; every answer must be the same.
fn at_once(process: &Process, action: impl Fn() -> Action + Sync) -> BTreeSet<String> {
    let begin = Barrier::new(8);
    let (begin, action) = (&begin, &action);
    std::thread::scope(|threads| {
        let ask = || {
            begin.wait();
            let answer = runtime().block_on(process.ask(action()));
            match answer.unwrap() {
                Reply::Deployment(view) => view.deployment.id.to_string(),
                Reply::Changes(views) => format!("{:?}", views[0].change.serial),
                Reply::Token(view, secret) => format!("{} {}", view.principal.id, secret.expose()),
                other => panic!("{other:?}"),
            }
        };
        let asked: Vec<_> = (0..8).map(|_| threads.spawn(ask)).collect();
        let answers = asked.into_iter().map(|thread| thread.join().unwrap());
        answers.collect()
    })
}

#[test]
fn duplicates_at_the_same_moment_all_get_the_first_answer() {
    let (bench, process) = runtime().block_on(async { bench() });
    bench.world.state.lock().unwrap().head = Some(world::sha('1'));
    for round in 0..10 {
        let deploy = at_once(&process, || {
            let mut asked = create("web", Trigger::Manual);
            asked.key = Some(key(&format!("d{round}")));
            Action::CreateDeployment(asked)
        });
        assert_eq!(deploy.len(), 1, "{deploy:?}");
        let stop = at_once(&process, || {
            Action::Change(ChangeEnvironment {
                app: AppRef::Name(AppName::parse("web").unwrap()),
                environments: Environments::Default,
                change: Change::Stop,
                now: false,
                idle: false,
                key: Some(key(&format!("s{round}"))),
            })
        });
        assert_eq!(stop.len(), 1, "{stop:?}");
        let token = at_once(&process, || token(Some(key(&format!("t{round}")))));
        assert_eq!(token.len(), 1, "{token:?}");
    }
    assert_eq!(
        process.store.tokens(Reach::All, true, NOW).unwrap().len(),
        10
    );
}

fn token(key: Option<RequestKey>) -> Action {
    Action::CreateToken(CreateToken {
        name: "ci".into(),
        scope: Scope::Read,
        app: None,
        environment: None,
        plan: None,
        expires_at: None,
        key,
    })
}

#[expect(
    clippy::disallowed_methods,
    reason = "the test looks where no part of the program does"
)]
fn sealed_secrets(bench: &Bench) -> i64 {
    let connection = rusqlite::Connection::open(bench.data_dir.join("longshore.db")).unwrap();
    let count = "SELECT count(*) FROM idempotency WHERE secret IS NOT NULL";
    connection.query_row(count, [], |row| row.get(0)).unwrap()
}

#[test]
fn no_secret_of_a_token_is_in_a_file() {
    runtime().block_on(async {
        let (bench, process) = bench();
        let mut secrets = Vec::new();
        for key in [None, Some(key("a"))] {
            match process.ask(token(key)).await.unwrap() {
                Reply::Token(_, secret) => secrets.push(secret.expose().to_owned()),
                other => panic!("{other:?}"),
            }
        }
        for file in ["longshore.db", "longshore.db-wal"] {
            let bytes = std::fs::read(bench.data_dir.join(file)).unwrap();
            for secret in &secrets {
                let found = bytes
                    .windows(secret.len())
                    .any(|at| at == secret.as_bytes());
                assert!(!found, "{file}");
            }
        }
    });
}

#[test]
fn the_secret_of_a_token_is_kept_no_longer_than_its_key() {
    runtime().block_on(async {
        let (bench, process) = bench();
        bench.world.state.lock().unwrap().head = Some(world::sha('1'));
        process.ask(token(None)).await.unwrap();
        assert_eq!(sealed_secrets(&bench), 0, "without a key nothing is kept");
        process.ask(token(Some(key("a")))).await.unwrap();
        tokio::time::advance(Duration::from_secs(23 * 3600)).await;
        let collect = || process.ask(Action::CollectGarbage { explain: false });
        collect().await.unwrap();
        assert_eq!(sealed_secrets(&bench), 1);
        tokio::time::advance(Duration::from_secs(3600)).await;
        collect().await.unwrap();
        assert_eq!(sealed_secrets(&bench), 0, "a collection erases it");
        // So does the next request of any kind with a key.
        process.ask(token(Some(key("b")))).await.unwrap();
        assert_eq!(sealed_secrets(&bench), 1);
        tokio::time::advance(Duration::from_secs(24 * 3600)).await;
        let mut asked = create("web", Trigger::Manual);
        asked.key = Some(key("c"));
        process.ask(Action::CreateDeployment(asked)).await.unwrap();
        assert_eq!(sealed_secrets(&bench), 0);
    });
}

#[test]
fn a_key_that_no_longer_holds_may_come_with_a_request_of_another_kind() {
    runtime().block_on(async {
        let (bench, process) = bench();
        bench.world.state.lock().unwrap().head = Some(world::sha('1'));
        process.ask(token(Some(key("a")))).await.unwrap();
        let deploy = || {
            let mut asked = create("web", Trigger::Manual);
            asked.key = Some(key("a"));
            process.ask(Action::CreateDeployment(asked))
        };
        // The same digest, even: the answer would be of another kind.
        assert_eq!(deploy().await.unwrap_err(), Error::KeyReused);
        tokio::time::advance(Duration::from_secs(24 * 3600)).await;
        assert!(matches!(deploy().await, Ok(Reply::Deployment(_))));
        assert!(matches!(deploy().await, Ok(Reply::Deployment(_))));
    });
}
