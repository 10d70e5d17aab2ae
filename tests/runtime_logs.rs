//! What running containers print is kept: beyond their lives, once each, whatever ends and whenever.
#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

#[path = "support/world.rs"]
#[expect(dead_code, reason = "others need more of it")]
mod world;

use longshore::core::action::{Action, AppRef, Reply};
use longshore::core::container::OutputCursor;
use longshore::core::log::Stream;
use longshore::core::name::AppName;
use longshore::core::ports::{ContainerState, OutputLine};
use longshore::core::runtime::{
    Condition, ReadRuntimeLog, RuntimeFilter, RuntimeLine, RuntimePage, RuntimeRange, Severity,
};
use longshore::core::time::Timestamp;
use longshore::store::{Printing, Store};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use uuid::Uuid;
use world::{Bench, Process, State, World, git_app, image_app, sha};

// -------------------------------------------------------------------------------------------------------------------
// The driver beside the world.

impl Process {
    async fn lines(&self, read: ReadRuntimeLog) -> RuntimePage {
        match self.ask(Action::ReadRuntimeLog(read)).await.unwrap() {
            Reply::RuntimeLog(page) => page,
            other => panic!("{other:?}"),
        }
    }

    async fn all(&self) -> Vec<RuntimeLine> {
        self.lines(last(RuntimeFilter::default())).await.lines
    }

    /// Drives for so long, and keeps what is printed.
    async fn run_for(&self, time: Duration) {
        let both = async {
            tokio::join!(
                self.agent.keep_output(std::future::pending()),
                self.drive_for(time)
            )
        };
        let _ = tokio::time::timeout(time, both).await;
    }

    /// The same until the log holds so many lines.
    async fn run_until(&self, wanted: usize) {
        let enough = async {
            while self.all().await.len() < wanted {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::select! {
            biased;
            () = self.agent.keep_output(std::future::pending()) => {}
            driven = self.agent.drive(enough) => driven.unwrap(),
        }
    }
}

fn last(filter: RuntimeFilter) -> ReadRuntimeLog {
    ReadRuntimeLog {
        app: AppRef::Name(AppName::parse("web").unwrap()),
        environment: None,
        filter,
        range: RuntimeRange::Last,
        limit: 1000,
    }
}

fn from(offset: u64, wait: bool) -> ReadRuntimeLog {
    ReadRuntimeLog {
        range: RuntimeRange::From { offset, wait },
        ..last(RuntimeFilter::default())
    }
}

fn texts(lines: &[RuntimeLine]) -> Vec<&str> {
    lines.iter().map(|line| line.text.as_str()).collect()
}

fn bench() -> Bench {
    let bench = Bench::new(vec![git_app("web")]);
    bench.world.state.lock().unwrap().head = Some(sha('a'));
    bench
}

/// The only container there is.
fn only(world: &World) -> String {
    let state = world.state.lock().unwrap();
    let names: Vec<_> = state.containers.keys().cloned().collect();
    assert_eq!(names.len(), 1, "{names:?}");
    names[0].clone()
}

fn print(state: &mut State, name: &str, text: &str) {
    let made = state.containers.get_mut(name).unwrap();
    made.printed.push(text.to_owned());
}

fn set_running(state: &mut State, name: &str, runs: bool) {
    let made = state.containers.get_mut(name).unwrap();
    made.state = match runs {
        true => ContainerState::Running { health: None },
        false => ContainerState::Exited {
            code: 1,
            out_of_memory: false,
            error: None,
        },
    };
}

async fn deployed(bench: &Bench) -> Process {
    let process = bench.start();
    process.deploy("web").await.unwrap();
    process.drive().await;
    process
}

#[tokio::test(start_paused = true)]
async fn what_a_container_printed_from_its_beginning_on_is_kept_with_its_release_and_process() {
    let bench = bench();
    let process = deployed(&bench).await;
    let name = only(&bench.world);
    let first = process.all().await;
    assert!(first.is_empty(), "nobody has read it yet: {first:?}");
    process.run_until(2).await;
    bench
        .world
        .change(|state| print(state, &name, "ERROR: late"));
    process.run_until(3).await;
    let lines = process.all().await;
    assert!(lines[1].text.ends_with("begins"), "{lines:?}");
    assert_eq!(
        (texts(&lines)[0], texts(&lines)[2]),
        ("hello", "ERROR: late")
    );
    for line in &lines {
        assert_eq!((line.release, line.process.as_str()), (1, "web"));
        assert_eq!((&line.container, line.stream), (&name, Stream::Stdout));
    }
    assert_eq!(lines[0].severity, None);
    assert_eq!(lines[2].severity, Some(Severity::Error));
}

#[tokio::test(start_paused = true)]
async fn a_container_that_crashes_in_a_loop_tells_an_hour_later_and_after_it_was_removed() {
    let bench = bench();
    let process = deployed(&bench).await;
    let name = only(&bench.world);
    // It ends every minute, and the engine brings it back after ten seconds.
    let loops = async {
        for nth in 0..60 {
            bench.world.change(|state| {
                print(state, &name, &format!("attempt {nth}"));
                print(state, &name, &format!("panic: attempt {nth} failed"));
                set_running(state, &name, false);
            });
            tokio::time::sleep(Duration::from_secs(10)).await;
            bench.world.change(|state| set_running(state, &name, true));
            tokio::time::sleep(Duration::from_secs(50)).await;
        }
    };
    let began = process.agent.monotonic();
    tokio::select! {
        biased;
        () = process.agent.keep_output(std::future::pending()) => {}
        driven = process.agent.drive(loops) => driven.unwrap(),
    }
    assert_eq!(process.agent.monotonic() - began, Duration::from_secs(3600));
    // `docker rm -f`, and nobody looks for another hour.
    bench.world.change(|state| {
        state.containers.remove(&name);
    });
    process.drive_for(Duration::from_secs(3600)).await;
    let mut lines = process.all().await;
    // The rounds of the driver start it, too.
    lines.retain(|line| !line.text.ends_with(" begins") && line.text != "hello");
    let expected: Vec<String> = (0..60)
        .flat_map(|nth| {
            [
                format!("attempt {nth}"),
                format!("panic: attempt {nth} failed"),
            ]
        })
        .collect();
    assert_eq!(texts(&lines), expected);
    let failed = RuntimeFilter {
        conditions: vec![Condition::Severity {
            any: Severity::Error.and_above(),
            not: false,
        }],
        ..RuntimeFilter::default()
    };
    assert_eq!(process.lines(last(failed)).await.lines.len(), 60);
    // By time: the last five minutes of that hour.
    let end = lines[119].at;
    let late = RuntimeFilter {
        since: Some(Timestamp(end.0 - 299_000)),
        until: Some(end),
        ..RuntimeFilter::default()
    };
    let late = process.lines(last(late)).await.lines;
    let late = texts(&late).into_iter();
    let late: Vec<&str> = late.filter(|text| text.contains("attempt")).collect();
    assert_eq!(late, expected[110..]);
}

#[tokio::test(start_paused = true)]
async fn what_a_replaced_container_printed_stays_with_its_release() {
    let bench = bench();
    let process = deployed(&bench).await;
    process.run_until(2).await;
    let old = only(&bench.world);
    bench
        .world
        .change(|state| print(state, &old, "of the first"));
    let second = process.deploy("web").await.unwrap();
    process.drive().await;
    let new = only(&bench.world);
    assert_ne!(old, new);
    process.run_until(6).await;
    let lines = process.all().await;
    let of = |release: i64| -> Vec<&str> {
        let lines = lines.iter().filter(|line| line.release == release);
        lines.map(|line| line.text.as_str()).collect()
    };
    assert_eq!(of(1)[2..], ["of the first", "last words"], "{lines:?}");
    assert_eq!(of(2)[0], "hello");
    // It is not in the log of its own deployment a second time, nor in that of its successor.
    assert!(!process.log(second.deployment.id).contains("last words"));
    let filter = RuntimeFilter {
        release: Some(1),
        ..RuntimeFilter::default()
    };
    assert_eq!(process.lines(last(filter)).await.lines.len(), of(1).len());
}

#[tokio::test(start_paused = true)]
async fn a_candidate_that_never_was_live_tells_in_its_deployments_log_alone() {
    let bench = bench();
    bench.world.state.lock().unwrap().behaviours.insert(
        world::image_of(sha('a').as_str()),
        world::Behaviour::Exits(3),
    );
    let process = bench.start();
    let view = process.deploy("web").await.unwrap();
    process.drive().await;
    process.run_for(Duration::from_secs(10)).await;
    assert!(process.log(view.deployment.id).contains("hello"));
    assert!(process.all().await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn an_engine_that_goes_away_is_waited_for_in_ever_longer_pauses() {
    let bench = bench();
    let process = deployed(&bench).await;
    let name = only(&bench.world);
    process.run_until(2).await;
    bench.world.change(|state| {
        state.engine_is_gone = true;
        print(state, &name, "while it was away");
        state.engine_calls.clear();
    });
    let hour = Duration::from_secs(3600);
    let _ = tokio::time::timeout(hour, process.agent.keep_output(std::future::pending())).await;
    let calls = bench.world.state.lock().unwrap().engine_calls.clone();
    let asked = calls.iter().filter(|call| **call == "output").count();
    assert!((600..800).contains(&asked), "{asked} times in an hour");
    bench.world.change(|state| {
        state.engine_is_gone = false;
        print(state, &name, "and after");
    });
    process.run_until(4).await;
    let lines = process.all().await;
    assert_eq!(texts(&lines)[2..], ["while it was away", "and after"]);
}

#[tokio::test(start_paused = true)]
async fn an_output_that_cannot_be_read_back_is_spoken_of_once_if_it_was_not_by_chance() {
    for (times, lines) in [(1, 2), (5, 3)] {
        let bench = bench();
        let process = deployed(&bench).await;
        bench.world.state.lock().unwrap().outputs_are_refused = times;
        process.run_for(Duration::from_secs(60)).await;
        let all = process.all().await;
        assert_eq!(all.len(), lines, "{all:?}");
        let ours: Vec<_> = all
            .iter()
            .filter(|line| line.stream == Stream::Agent)
            .collect();
        assert_eq!(ours.len(), lines - 2);
        for line in ours {
            assert_eq!(
                line.text,
                "The container's output cannot be read: no reading"
            );
        }
    }
}

/// A container that was stopped has nothing new to say, and reading costs the engine much.
#[tokio::test(start_paused = true)]
async fn what_ended_and_was_read_is_looked_at_and_hardly_ever_read_again() {
    let bench = bench();
    let process = deployed(&bench).await;
    process.run_until(2).await;
    process
        .change("web", longshore::core::change::Change::Stop, false)
        .await
        .unwrap();
    process.drive().await;
    process.run_until(3).await;
    bench.world.state.lock().unwrap().engine_calls.clear();
    let hour = Duration::from_secs(3600);
    let _ = tokio::time::timeout(hour, process.agent.keep_output(std::future::pending())).await;
    let calls = bench.world.state.lock().unwrap().engine_calls.clone();
    let count = |call: &str| calls.iter().filter(|one| **one == call).count();
    assert!((1..=13).contains(&count("output")), "{}", count("output"));
    assert!(
        (600..800).contains(&count("inspect")),
        "{}",
        count("inspect")
    );
}

/// Deploys twice, prints in between, and crashes at the `at`th point; the next process goes on.
async fn restarted_at(at: Option<usize>) -> (Vec<String>, Vec<String>) {
    let bench = bench();
    let process = deployed(&bench).await;
    let name = only(&bench.world);
    bench.world.count_from_here(at);
    let story = async {
        for nth in 0..3 {
            bench
                .world
                .change(|state| print(state, &name, &format!("line {nth}")));
            tokio::time::sleep(Duration::from_secs(3)).await;
        }
        // The process may end while it answers.
        let _ = process.deploy("web").await;
        tokio::time::sleep(Duration::from_secs(120)).await;
    };
    tokio::select! {
        biased;
        () = bench.world.until_crash() => {}
        () = process.agent.keep_output(std::future::pending()) => {}
        _ = process.agent.drive(story) => {}
    }
    let (points, _) = bench.world.points();
    bench.world.count_from_here(None);
    drop(process);
    bench.world.let_the_grace_end();
    let process = bench.start();
    // What it printed while nobody listened; unless it is gone.
    bench.world.change(|state| {
        for nth in 0..3 {
            if let Some(made) = state.containers.get_mut(&name)
                && !made.printed.contains(&format!("line {nth}"))
            {
                print(state, &name, &format!("line {nth}"));
            }
        }
    });
    process.drive().await;
    if only(&bench.world) == name {
        process.deploy("web").await.unwrap();
    }
    process.run_for(Duration::from_secs(300)).await;
    let new = only(&bench.world);
    assert_ne!(new, name, "{at:?}");
    let lines = process.all().await;
    let mut seen: BTreeMap<(String, String), usize> = BTreeMap::new();
    for line in &lines {
        *seen
            .entry((line.container.clone(), line.cursor.0.clone()))
            .or_default() += 1;
    }
    assert!(seen.values().all(|count| *count == 1), "{at:?}: {lines:?}");
    let of_first = lines.iter().filter(|line| line.container == name);
    (points, of_first.map(|line| line.text.clone()).collect())
}

#[tokio::test(start_paused = true)]
async fn wherever_the_daemon_is_killed_every_line_is_there_once() {
    let (points, whole) = restarted_at(None).await;
    let wanted: Vec<String> = (0..3).map(|nth| format!("line {nth}")).collect();
    let lines = |texts: &[String]| -> Vec<String> {
        let lines = texts.iter().filter(|text| text.starts_with("line "));
        lines.cloned().collect()
    };
    assert_eq!(lines(&whole), wanted);
    assert_eq!(whole.last().map(String::as_str), Some("last words"));
    println!("{} points", points.len());
    assert!(points.iter().any(|point| point == "before engine.output"));
    for (at, point) in points.iter().enumerate() {
        let (_, texts) = restarted_at(Some(at)).await;
        assert_eq!(lines(&texts), wanted, "killed at {point} ({at})");
    }
}

#[tokio::test(start_paused = true)]
async fn a_reader_waits_for_a_line_and_goes_on_where_it_was() {
    let bench = bench();
    let process = deployed(&bench).await;
    let name = only(&bench.world);
    process.run_until(2).await;
    let first = process.lines(from(0, false)).await;
    assert_eq!(first.lines.len(), 2);
    let print_later = async {
        tokio::time::sleep(Duration::from_secs(5)).await;
        bench.world.change(|state| print(state, &name, "later"));
    };
    let page = async {
        let (page, ()) = tokio::join!(process.lines(from(first.next, true)), print_later);
        page
    };
    let page = tokio::select! {
        biased;
        () = process.agent.keep_output(std::future::pending()) => unreachable!(),
        page = page => page,
    };
    assert_eq!(texts(&page.lines), ["later"]);
    let waited = process.agent.monotonic();
    let none = process.lines(from(page.next, true)).await;
    assert_eq!((none.lines.len(), none.next), (0, page.next));
    assert_eq!((process.agent.monotonic() - waited).as_secs(), 25);
    process.agent.close();
    let waited = process.agent.monotonic();
    process.lines(from(page.next, true)).await;
    assert!(process.agent.monotonic() - waited < Duration::from_secs(1));
}

#[tokio::test(start_paused = true)]
async fn only_the_lines_that_are_meant_are_given_and_the_newest_of_them() {
    let bench = Bench::new(vec![image_app("web", "example/web:1")]);
    let process = deployed(&bench).await;
    let name = only(&bench.world);
    bench.world.change(|state| {
        for text in ["[warn] a", "plain b", "ERROR: b", "level=debug msg=c"] {
            print(state, &name, text);
        }
    });
    process.run_until(6).await;
    let severity = |any: &[Severity], not| Condition::Severity {
        any: any.to_vec(),
        not,
    };
    let strings = |any: &[&str]| any.iter().map(|one| (*one).to_owned()).collect::<Vec<_>>();
    let contains = |any: &[&str], not| Condition::Contains {
        any: strings(any),
        not,
    };
    let equals = |any: &[&str], not| Condition::Equals {
        any: strings(any),
        not,
    };
    for (conditions, expected) in [
        (vec![severity(&[Severity::Error], false)], vec!["ERROR: b"]),
        (
            vec![severity(&[Severity::Info, Severity::Debug], true)],
            vec!["[warn] a", "ERROR: b"],
        ),
        (
            vec![contains(&["msg", "plain"], false)],
            vec!["plain b", "level=debug msg=c"],
        ),
        (
            vec![
                contains(&["b"], false),
                severity(&[Severity::Error], true),
                contains(&["begins"], true),
            ],
            vec!["plain b", "level=debug msg=c"],
        ),
        (vec![equals(&["plain b", "x"], false)], vec!["plain b"]),
        (
            vec![
                equals(&["hello"], true),
                contains(&["begins"], true),
                Condition::Stream(Stream::Stdout),
            ],
            vec!["[warn] a", "plain b", "ERROR: b", "level=debug msg=c"],
        ),
        (vec![Condition::Stream(Stream::Stderr)], vec![]),
    ] {
        let filter = RuntimeFilter {
            conditions: conditions.clone(),
            ..RuntimeFilter::default()
        };
        let found = process.lines(last(filter.clone())).await;
        assert_eq!(texts(&found.lines), expected, "{conditions:?}");
        let read = ReadRuntimeLog {
            filter: filter.clone(),
            ..from(0, false)
        };
        let forwards = process.lines(read).await;
        assert_eq!(forwards.lines, found.lines);
        let one = ReadRuntimeLog {
            limit: 1,
            ..last(filter)
        };
        let newest = process.lines(one).await;
        assert_eq!(
            texts(&newest.lines),
            expected.last().copied().into_iter().collect::<Vec<_>>()
        );
    }
    for (process_name, count) in [("web", 6), ("worker", 0)] {
        let filter = RuntimeFilter {
            process: Some(process_name.into()),
            ..RuntimeFilter::default()
        };
        assert_eq!(process.lines(last(filter)).await.lines.len(), count);
    }
}

// -------------------------------------------------------------------------------------------------------------------
// The files.

const BOUND: u64 = 4 << 20;

/// A store alone.
struct Files {
    bench: Bench,
    store: Arc<Store>,
}

fn line(number: usize, text: &str) -> OutputLine {
    OutputLine {
        cursor: OutputCursor(format!(
            "2025-03-14T10:{:02}:{:02}.{:09}Z/000000000",
            number / 60_000,
            number / 1000 % 60,
            number % 1000 * 1_000_000
        )),
        stream: Stream::Stdout,
        text: text.to_owned(),
    }
}

fn of(container: &str) -> Printing {
    Printing {
        serial: longshore::core::id::ContainerSerial(1),
        environment: Uuid::from_u128(7),
        container: container.to_owned(),
        process: "web".into(),
        release: 3,
    }
}

impl Files {
    fn new() -> Self {
        let bench = bench();
        let store = bench.start().store;
        Self { bench, store }
    }

    fn again(self) -> Self {
        let Self { bench, store } = self;
        drop(store);
        let store = bench.start().store;
        Self { bench, store }
    }

    fn directory(&self) -> PathBuf {
        let directory = self.bench.data_dir.join("runtime");
        directory.join(Uuid::from_u128(7).to_string())
    }

    fn files(&self) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(self.directory()).unwrap();
        let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
        files.sort();
        files
    }

    fn keep(&self, container: &str, lines: &[OutputLine]) {
        self.store
            .keep_printed(&of(container), lines, BOUND)
            .unwrap();
    }

    fn forward(&self, mut at: u64) -> Vec<RuntimeLine> {
        let mut lines = Vec::new();
        loop {
            let piece = self
                .store
                .printed_from(Uuid::from_u128(7), at, &RuntimeFilter::default(), 97)
                .unwrap();
            lines.extend(piece.lines);
            if piece.is_end {
                return lines;
            }
            assert!(piece.next > at);
            at = piece.next;
        }
    }

    fn backward(&self, filter: &RuntimeFilter) -> (Vec<RuntimeLine>, u64) {
        let mut before = self.store.printed_end(Uuid::from_u128(7)).unwrap();
        let (mut lines, mut looked_at) = (Vec::new(), 0);
        loop {
            let piece = self
                .store
                .printed_before(Uuid::from_u128(7), before, filter, 97)
                .unwrap();
            lines.extend(piece.lines);
            looked_at += piece.looked_at;
            if piece.is_end {
                lines.reverse();
                return (lines, looked_at);
            }
            assert!(piece.next < before);
            before = piece.next;
        }
    }
}

fn size(path: &Path) -> u64 {
    std::fs::metadata(path).unwrap().len()
}

#[tokio::test(start_paused = true)]
async fn a_log_stays_within_its_bound_and_says_what_went() {
    let files = Files::new();
    files.keep("silent", &[line(0, "once")]);
    let text = "x".repeat(200);
    let mut number = 1;
    while files.store.printed_end(Uuid::from_u128(7)).unwrap() < 3 * BOUND {
        let lines: Vec<_> = (number..number + 256)
            .map(|number| line(number, &format!("{number} {text}")))
            .collect();
        files.keep("chatty", &lines);
        number += 256;
        let total: u64 = files.files().iter().map(|path| size(path)).sum();
        assert!(total <= BOUND, "{total}");
    }
    let total: u64 = files.files().iter().map(|path| size(path)).sum();
    assert!(total > BOUND / 8 * 6, "{total}");
    let check = |files: &Files| {
        let all = files.forward(0);
        let gone = &all[0];
        assert_eq!((gone.stream, gone.offset), (Stream::Agent, 0));
        assert!(
            gone.text.ends_with(
                "older lines are not here any more: the log had reached retention.runtime_logs"
            ),
            "{}",
            gone.text
        );
        let numbers: Vec<usize> = all[1..]
            .iter()
            .map(|line| line.text.split(' ').next().unwrap().parse().unwrap())
            .collect();
        assert_eq!(*numbers.last().unwrap(), number - 1);
        assert!(numbers.is_sorted_by(|a, b| a + 1 == *b));
        assert_eq!(files.backward(&RuntimeFilter::default()).0, all[1..]);
        // Any place a line had is good to go on at.
        for at in [1, 50, all.len() - 1] {
            assert_eq!(files.forward(all[at].offset), all[at..]);
        }
        // A place that is none is the next line's.
        assert_eq!(files.forward(all[50].offset - 3), all[50..]);
        all.len()
    };
    let before = check(&files);
    let files = files.again();
    assert_eq!(check(&files), before);
    // The one that said nothing since is still known: its line is not taken again.
    let end = files.store.printed_end(Uuid::from_u128(7)).unwrap();
    files.keep("silent", &[line(0, "once")]);
    assert_eq!(files.store.printed_end(Uuid::from_u128(7)).unwrap(), end);
    use std::os::unix::fs::PermissionsExt as _;
    for path in files.files() {
        assert_eq!(
            std::fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        assert!(name.len() == 20 && name.parse::<u64>().is_ok(), "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn only_files_of_the_wanted_time_are_looked_at() {
    let files = Files::new();
    let text = "x".repeat(200);
    for begin in (0..12_000).step_by(250) {
        let lines: Vec<_> = (begin..begin + 250)
            .map(|number| line(number, &text))
            .collect();
        files.keep("c", &lines);
    }
    let files = files.again();
    let at = |number: usize| {
        let cursor = line(number, "").cursor.0;
        Timestamp::parse(cursor.split('/').next().unwrap())
    };
    let filter = RuntimeFilter {
        since: at(5000),
        until: at(5099),
        ..RuntimeFilter::default()
    };
    let (found, looked_at) = files.backward(&filter);
    assert_eq!(found.len(), 100);
    assert_eq!(Some(found[0].at), at(5000));
    assert!(looked_at <= 3 * (BOUND / 8), "{looked_at}");
    assert!(files.files().len() > 5);
}

#[tokio::test(start_paused = true)]
async fn a_process_that_ends_in_the_middle_of_a_write_loses_no_line_and_doubles_none() {
    let printed: Vec<_> = (0..6).map(|n| line(n, &format!("line {n} ü"))).collect();
    let files = Files::new();
    files.keep("c", &printed);
    let path = files.files().remove(0);
    let whole = std::fs::read(&path).unwrap();
    let expected = files.forward(0);
    let mut files = files;
    for cut in 0..=whole.len() {
        std::fs::write(&path, &whole[..cut]).unwrap();
        files = files.again();
        // Read again from where the log ends, as the engine would give it.
        let until = files.store.printed_until(&of("c")).unwrap();
        let rest: Vec<_> = printed
            .iter()
            .filter(|line| until.as_ref().is_none_or(|until| line.cursor > *until))
            .cloned()
            .collect();
        files.keep("c", &rest);
        assert_eq!(files.forward(0), expected, "cut at {cut}");
        assert_eq!(std::fs::read(&path).unwrap(), whole);
    }
}

/// A new file begins with how far each container was read; that is cut short at every byte, too.
#[tokio::test(start_paused = true)]
async fn a_new_file_whose_beginning_is_cut_short_forgets_no_container() {
    let mut files = Files::new();
    files.keep("silent", &[line(0, "once")]);
    let text = "x".repeat(1000);
    let mut number = 1;
    while files.files().len() < 2 {
        files.keep("chatty", &[line(number, &text)]);
        number += 1;
    }
    let path = files.files().pop().unwrap();
    let whole = std::fs::read(&path).unwrap();
    let header = whole.iter().rposition(|byte| *byte == b'x').unwrap() - 1000;
    // Every place in the beginning at which something may go wrong, and some between.
    for cut in
        (0..header).filter(|cut| cut % 7 == 0 || whole[*cut] == b'\n' || whole[*cut - 1] == b'\n')
    {
        std::fs::write(&path, &whole[..cut]).unwrap();
        files = files.again();
        let from = number - 3;
        let all: Vec<_> = (from..number).map(|number| line(number, &text)).collect();
        files.keep("silent", &[line(0, "once")]);
        files.keep("chatty", &all);
        let lines = files.forward(0);
        assert_eq!(lines.len(), number, "cut at {cut}");
        assert_eq!(
            lines
                .iter()
                .filter(|line| line.container == "silent")
                .count(),
            1
        );
        // And the one after it knows both from this file alone.
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(
            text.contains(" silent ") && text.contains(" chatty "),
            "cut at {cut}: {text}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn lines_that_can_never_be_kept_are_counted() {
    let files = Files::new();
    files.keep("c", &[line(0, "a")]);
    let lost = [line(0, "a"), line(1, "b"), line(2, "c")];
    files.store.lose_printed(&of("c"), &lost).unwrap();
    files.keep("d", &[line(9, "of another")]);
    let lines = files.forward(0);
    assert_eq!(
        texts(&lines),
        [
            "a",
            "2 lines are missing here: the disk of data_dir was full",
            "of another"
        ]
    );
    let files = files.again();
    files.keep("c", &[line(2, "c"), line(3, "d")]);
    assert_eq!(texts(&files.forward(0))[3..], ["d"]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]
    /// However often, in whatever pieces and by however many readers at once it is read: each line is there once, in order.
    #[test]
    fn readers_and_restarts_in_any_order_leave_each_line_there_once(
        steps in proptest::collection::vec((0usize..2, 0usize..30, 1usize..12, any::<bool>()), 1..25),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        let _inside = runtime.enter();
        let printed: Vec<_> = (0..40).map(|n| line(n, &format!("line {n}"))).collect();
        let mut files = Files::new();
        let mut reached = [0usize; 2];
        for (container, back, count, restart) in steps {
            // A reader begins anywhere before the end of what was read.
            let begin = reached[container].saturating_sub(back);
            let end = (begin + count).min(printed.len());
            files.keep(["a", "b"][container], &printed[begin..end]);
            reached[container] = reached[container].max(end);
            if restart {
                files = files.again();
            }
        }
        for (index, name) in ["a", "b"].into_iter().enumerate() {
            let lines = files.forward(0);
            let texts: Vec<_> = lines.iter().filter(|line| line.container == name).map(|line| line.text.clone()).collect();
            let expected: Vec<_> = (0..reached[index]).map(|n| format!("line {n}")).collect();
            prop_assert_eq!(texts, expected);
        }
    }
}
