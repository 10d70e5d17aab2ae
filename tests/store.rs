//! The data directory: who may open it, what is in it, and what it says of what cannot be.
#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

#[path = "support/world.rs"]
#[expect(dead_code, reason = "another test file uses the rest")]
mod world;

use longshore::core::action::{Action, AppRef};
use longshore::core::deployment::{Phase, Step, Trigger};
use longshore::core::id::DeploymentSerial;
use longshore::core::log::{MAX_LINE, Stream, parse_line};
use longshore::core::name::{AppName, EnvironmentName, VariableName};
use longshore::core::ports::Random;
use longshore::core::secret::{Secret, SecretSource};
use longshore::core::time::Timestamp;
use longshore::store::{OpenWith, Place, SecretError, Store, StoreError};
use std::collections::BTreeMap;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;
use uuid::Uuid;
use world::{Bench, create, git_app, image_app, sha};

const NOW: Timestamp = Timestamp(1_741_948_320_000);
const DEPLOYMENT: Uuid = Uuid::from_u128(7);

fn open(data_dir: &Path) -> Result<Store, StoreError> {
    open_with(data_dir, None)
}

fn open_with(data_dir: &Path, credentials: Option<&Path>) -> Result<Store, StoreError> {
    let random: Random = Arc::new(|bytes: &mut [u8]| bytes.fill(5));
    let with = OpenWith {
        now: NOW,
        random,
        credentials_directory: credentials.map(Path::to_owned),
        watch: None,
    };
    Store::open(data_dir, with)
}

fn refusal(data_dir: &Path) -> String {
    match open(data_dir) {
        Ok(_) => panic!("it was opened"),
        Err(error) => error.to_string(),
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the test does what no part of the program may"
)]
fn damage(data_dir: &Path, sql: &str) {
    let connection = rusqlite::Connection::open(data_dir.join("longshore.db")).unwrap();
    connection.execute_batch(sql).unwrap();
}

#[test]
fn a_data_directory_belongs_to_one_process_at_a_time() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).unwrap();
    let said = refusal(dir.path());
    assert!(said.contains("is in use by another longshore"), "{said}");
    assert!(said.contains(dir.path().to_str().unwrap()), "{said}");
    drop(store);
    open(dir.path()).unwrap();
}

#[test]
fn a_missing_key_is_not_replaced_by_a_new_one() {
    let dir = tempfile::tempdir().unwrap();
    drop(open(dir.path()).unwrap());
    std::fs::remove_file(dir.path().join("key")).unwrap();
    let said = refusal(dir.path());
    assert!(
        said.contains("is missing, and the database holds values"),
        "{said}"
    );
    assert!(said.contains("put it back from your backup"), "{said}");
    assert!(!dir.path().join("key").exists());
}

#[test]
fn a_key_of_another_database_is_refused_at_the_start() {
    let dir = tempfile::tempdir().unwrap();
    drop(open(dir.path()).unwrap());
    std::fs::write(dir.path().join("key"), [9; 32]).unwrap();
    let said = refusal(dir.path());
    let (key, database) = (path(dir.path(), "key"), path(dir.path(), "longshore.db"));
    let expected =
        format!("the encryption key {key} is not the one that {database} was sealed with");
    assert!(said.contains(&expected), "{said}");
    assert!(said.contains("put the right one back"), "{said}");
    for length in [31, 33] {
        std::fs::write(&key, vec![9; length]).unwrap();
        let said = refusal(dir.path());
        assert!(said.contains("is damaged"), "{said}");
    }
}

fn path(directory: &Path, name: &str) -> String {
    directory.join(name).display().to_string()
}

#[test]
fn a_key_that_others_can_read_is_refused_and_left_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    drop(open(dir.path()).unwrap());
    let key = path(dir.path(), "key");
    let mode = || std::fs::metadata(&key).unwrap().permissions().mode() & 0o7777;
    assert_eq!(mode(), 0o600);
    for open_mode in [0o640, 0o604, 0o620] {
        std::fs::set_permissions(&key, Permissions::from_mode(open_mode)).unwrap();
        let said = refusal(dir.path());
        assert!(said.contains(&format!("mode {open_mode:04o}")), "{said}");
        assert!(said.contains(&format!("`chmod 600 {key}`")), "{said}");
        assert_eq!(mode(), open_mode);
    }
    std::fs::set_permissions(&key, Permissions::from_mode(0o400)).unwrap();
    open(dir.path()).unwrap();
}

#[test]
fn a_credential_takes_the_place_of_the_key_and_no_key_lies_beside_the_database() {
    let dir = tempfile::tempdir().unwrap();
    let credentials = tempfile::tempdir().unwrap();
    let credential = path(credentials.path(), "longshore-key");
    std::fs::write(&credential, [7; 32]).unwrap();
    let open = || open_with(dir.path(), Some(credentials.path()));
    let refusal = || open().err().expect("it was opened").to_string();
    drop(open().unwrap());
    assert!(!dir.path().join("key").exists());
    drop(open().unwrap());

    std::fs::write(&credential, [8; 32]).unwrap();
    let said = refusal();
    assert!(
        said.contains("of the credential longshore-key") && said.contains(&credential),
        "{said}"
    );
    assert!(said.contains("give the unit the right one"), "{said}");
    std::fs::write(&credential, [7; 31]).unwrap();
    let said = refusal();
    assert!(said.contains("is damaged"), "{said}");

    // Without the credential there is no key, and none is made.
    std::fs::remove_file(&credential).unwrap();
    let said = refusal();
    assert!(
        said.contains("is missing") && said.contains("the credential longshore-key"),
        "{said}"
    );
    assert!(!dir.path().join("key").exists());
}

#[test]
fn a_wrong_credential_beside_a_right_key_says_so() {
    let dir = tempfile::tempdir().unwrap();
    drop(open(dir.path()).unwrap());
    let credentials = tempfile::tempdir().unwrap();
    std::fs::write(credentials.path().join("longshore-key"), [7; 32]).unwrap();
    let said = open_with(dir.path(), Some(credentials.path()))
        .err()
        .unwrap();
    let expected = format!(
        "take LoadCredential=longshore-key out of it if {} is the right one",
        path(dir.path(), "key")
    );
    assert!(said.to_string().contains(&expected), "{said}");
}

#[tokio::test(start_paused = true)]
async fn a_kept_secret_is_sealed_for_its_environment_and_name() {
    let bench = Bench::new(vec![git_app("web"), git_app("other")]);
    let process = bench.start();
    let (canary, other) = ("canary-51f0c3", "canary-77aa02");
    let place = |app: &str| {
        let app = AppRef::Name(AppName::parse(app).unwrap());
        let default = |_: &_| EnvironmentName::parse("production").ok();
        process.store.place(&app, None, default).unwrap().unwrap()
    };
    let (web, elsewhere) = (place("web"), place("other"));
    let by = process.caller.principal.serial;
    let [one, two] = ["ONE", "TWO"].map(|name| VariableName::parse(name).unwrap());
    let set = |place, name, value| {
        let value = Secret::new(value);
        process
            .store
            .set_secret(place, name, &value, by, NOW)
            .unwrap();
    };
    set(&web, &one, canary);
    set(&web, &two, other);
    set(&elsewhere, &one, other);
    let mut run = bench.apps[0]
        .environments
        .values()
        .next()
        .unwrap()
        .run
        .clone();
    run.secrets = BTreeMap::from([(one.clone(), SecretSource::Store)]);
    let read = |place: &Place| {
        let env = process.store.container_env(place, &run, &BTreeMap::new());
        env.map(|env| env.variables[0].1.expose().to_owned())
    };
    assert_eq!(read(&web).unwrap(), canary);
    assert_eq!(read(&elsewhere).unwrap(), other);
    for value in [canary, other] {
        assert_eq!(holders(bench.dir.path(), value), [""; 0]);
    }
    // Moved by somebody with the database in their hands, it opens nowhere else.
    let moves = [
        "UPDATE secret SET value = (SELECT value FROM secret WHERE name = 'TWO') WHERE name = 'ONE'",
        "UPDATE secret SET value = (SELECT s.value FROM secret s WHERE s.environment != secret.environment) WHERE name = 'ONE'",
    ];
    for sql in moves {
        set(&web, &one, canary);
        damage(bench.dir.path(), sql);
        let error = read(&web).unwrap_err();
        assert!(error.to_string().contains("cannot be opened"), "{error}");
    }
    // What a forgotten secret leaves behind is as little readable.
    assert!(process.store.remove_secret(web.environment, &one).unwrap());
    assert!(!process.store.remove_secret(web.environment, &one).unwrap());
    assert!(matches!(
        read(&web).unwrap_err(),
        SecretError::NotSet { name, .. } if name == one
    ));
    assert_eq!(holders(bench.dir.path(), canary), [""; 0]);
}

#[test]
fn a_database_of_a_newer_version_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    drop(open(dir.path()).unwrap());
    damage(dir.path(), "PRAGMA user_version = 9999");
    let said = refusal(dir.path());
    assert!(
        said.contains("a newer longshore may have written it"),
        "{said}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_value_of_a_variable_is_in_no_file_of_the_data_directory() {
    let bench = Bench::new(vec![git_app("web")]);
    bench.world.state.lock().unwrap().head = Some(sha('1'));
    bench.world.state.lock().unwrap().build_prints =
        vec!["it is canary-51f0c3 in the build".into()];
    let process = bench.start();
    let mut asked = create("web", Trigger::Manual);
    let name = VariableName::parse("PASSWORD").unwrap();
    asked.variables = BTreeMap::from([(name.clone(), Secret::new("canary-51f0c3"))]);
    let made = process.create(asked).await.unwrap();
    assert_eq!(holders(bench.dir.path(), "canary-51f0c3"), [""; 0]);
    process.drive().await;
    // Looked at while it is open, so that the write-ahead log is there.
    assert!(bench.dir.path().join("longshore.db-wal").exists());
    assert_eq!(holders(bench.dir.path(), "canary-51f0c3"), [""; 0]);
    assert_eq!(holders(bench.dir.path(), "[redacted]").len(), 1);
    drop(process);
    let process = bench.start();
    let read = process.store.deployment(made.deployment.serial).unwrap();
    assert_eq!(read.request.variables[&name].expose(), "canary-51f0c3");
    assert_eq!(holders(bench.dir.path(), "canary-51f0c3"), [""; 0]);
}

/// The files that hold a text.
fn holders(directory: &Path, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in walkdir::WalkDir::new(directory) {
        let entry = entry.unwrap();
        if entry.file_type().is_file() {
            let bytes = std::fs::read(entry.path()).unwrap();
            if bytes
                .windows(text.len())
                .any(|part| part == text.as_bytes())
            {
                found.push(entry.path().display().to_string());
            }
        }
    }
    found
}

#[tokio::test(start_paused = true)]
async fn a_reopened_database_has_the_whole_history() {
    let bench = Bench::new(vec![image_app("web", "nginx:1")]);
    let process = bench.start();
    let instance = process.store.instance();
    process.deploy("web").await.unwrap();
    process.drive().await;
    let second = process.deploy("web").await.unwrap();
    process
        .ask(Action::CancelDeployment(second.deployment.id.into()))
        .await
        .unwrap();
    process.deploy("web").await.unwrap();
    let read = |store: &Store| -> Vec<_> {
        let serials = 1..=3;
        serials
            .map(|serial| store.deployment(DeploymentSerial(serial)).unwrap())
            .collect()
    };
    let before = read(&process.store);
    let log = process.log(before[0].id);
    drop(process);
    let process = bench.start();
    assert_eq!(process.store.instance(), instance);
    assert_eq!(read(&process.store), before);
    assert_eq!(process.log(before[0].id), log);
    assert!(!log.is_empty());
    assert!(matches!(before[0].phase, Phase::Succeeded { .. }));
    assert!(matches!(before[1].phase, Phase::Cancelled { .. }));
    assert_eq!(before[2].phase, Phase::Queued);
}

#[tokio::test(start_paused = true)]
async fn a_row_that_no_state_of_ours_wrote_is_an_error_that_names_it() {
    let damages = [
        ("phase = 'dancing'", "dancing"),
        ("phase = 'succeeded'", ""),
        ("phase = 'failed', ended_at = 1", ""),
        ("phase = 'cancelled'", ""),
        ("wanted = 'commit'", ""),
        ("uuid = 'nonsense'", "nonsense"),
        ("initiated = 'twice'", "twice"),
    ];
    for (damaged, shown) in damages {
        let bench = Bench::new(vec![image_app("web", "nginx:1")]);
        let process = bench.start();
        process.deploy("web").await.unwrap();
        drop(process);
        damage(
            bench.dir.path(),
            &format!("UPDATE deployment SET {damaged} WHERE serial = 1"),
        );
        let process = bench.start();
        let error = process.store.deployment(DeploymentSerial(1)).unwrap_err();
        assert!(
            matches!(&error, StoreError::Inconsistent { table: "deployment", id, .. } if id == "1"),
            "{damaged}: {error:?}"
        );
        let said = error.to_string();
        assert!(
            said.contains("deployment 1") && said.contains(shown),
            "{damaged}: {said}"
        );
    }
}

#[test]
fn a_log_that_is_full_says_so_once_and_keeps_our_own_lines() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).unwrap();
    let log = store.open_log(DEPLOYMENT).unwrap();
    let long = "x".repeat(MAX_LINE);
    let say = |stream, text: &str| log.append(NOW, Some(Step::Build), stream, text).unwrap();
    for _ in 0..32 * 1024 * 1024 / MAX_LINE + 10 {
        say(Stream::Stdout, &long);
    }
    say(Stream::Agent, "the end");
    say(Stream::Stderr, "nobody reads this");
    let path = dir.path().join(format!("logs/{DEPLOYMENT}.log"));
    let text = std::fs::read_to_string(path).unwrap();
    assert!(text.len() <= 32 * 1024 * 1024 + 1024, "{}", text.len());
    let tail: Vec<_> = text
        .lines()
        .rev()
        .take(2)
        .map(|line| parse_line(line).unwrap())
        .collect();
    assert_eq!((tail[0].stream, tail[0].text), ("agent", "the end"));
    assert_eq!(tail[1].stream, "agent");
    assert!(
        tail[1].text.contains("has reached 32 MiB"),
        "{}",
        tail[1].text
    );
    assert_eq!(text.matches("has reached 32 MiB").count(), 1);
}

#[test]
fn a_line_that_a_crash_cut_short_is_ended_and_not_glued_to_the_next() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).unwrap();
    let path = dir.path().join(format!("logs/{DEPLOYMENT}.log"));
    std::fs::write(
        &path,
        "2025-03-14T10:32:00.000Z build stdout whole\n2025-03-14T10:3",
    )
    .unwrap();
    // Half a line is not given out.
    let page = store.read_log(DEPLOYMENT, 0, u64::MAX).unwrap();
    assert_eq!(page.text, "2025-03-14T10:32:00.000Z build stdout whole\n");
    let log = store.open_log(DEPLOYMENT).unwrap();
    log.append(NOW, None, Stream::Agent, "longshore was restarted")
        .unwrap();
    let rest = store.read_log(DEPLOYMENT, page.next, u64::MAX).unwrap();
    assert_eq!(
        rest.text,
        "2025-03-14T10:3\n2025-03-14T10:32:00.000Z - agent longshore was restarted\n"
    );
}
