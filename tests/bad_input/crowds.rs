//! Many connections at once.

use super::{Attacked, rest};
use crate::program::LOOK;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::time::Duration;

const GET: &[u8] = b"GET /v1/apps HTTP/1.1\r\nHost: x\r\n\r\n";

/// This many files of our own.
fn may_open(files: u64) {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    let most = hard.max(files);
    setrlimit(Resource::RLIMIT_NOFILE, files, most)
        .unwrap_or_else(|_| panic!("this needs {files} open files; the system allows {hard}"));
}

/// How long a request takes.
#[expect(clippy::disallowed_methods, reason = "a measurement")]
fn asking(attacked: &Attacked) -> Duration {
    let before = std::time::Instant::now();
    assert_eq!(attacked.get("/v1/apps").status, 200);
    before.elapsed()
}

impl Attacked {
    fn open_files(&self) -> usize {
        let folder = format!("/proc/{}/fd", self.daemon.child.id());
        std::fs::read_dir(folder).unwrap().count()
    }

    /// Waits until the daemon has at least, or at most, this many files open.
    fn has_files(&self, fits: impl Fn(usize) -> bool) {
        for _ in 0..3000 {
            if fits(self.open_files()) {
                return;
            }
            std::thread::sleep(LOOK);
        }
        panic!("it has {} files open", self.open_files());
    }
}

#[test]
fn ten_thousand_idle_connections_cost_little_and_hinder_nobody() {
    const CROWD: usize = 10_000;
    may_open(CROWD as u64 + 1000);
    let attacked = Attacked::begin();
    let alone = asking(&attacked);
    let before = attacked.daemon.resident();

    let mut silent: Vec<TcpStream> = (0..CROWD).map(|_| attacked.stage.tcp()).collect();
    attacked.has_files(|files| files > CROWD);
    let (beside_silent, with_silent) = (asking(&attacked), attacked.daemon.resident());
    println!(
        "{CROWD} that never said anything: {before} KiB → {with_silent} KiB; a request took {alone:?} before, {beside_silent:?} among them"
    );
    assert!(with_silent - before < 40 * 1024);
    assert!(beside_silent < Duration::from_secs(2));

    // Each asks something and stays.
    for stream in &mut silent {
        stream.write_all(GET).unwrap();
        let mut status = [0; 12];
        stream.read_exact(&mut status).unwrap();
        // Without a token 401, and after the first of them 429.
        assert!(status.starts_with(b"HTTP/1.1 4"), "{status:?}");
    }
    attacked.has_files(|files| files > CROWD);
    let (beside_idle, with_idle) = (asking(&attacked), attacked.daemon.resident());
    println!(
        "{CROWD} between two requests: {with_idle} KiB; a request took {beside_idle:?} among them"
    );
    assert!(with_idle - before < 256 * 1024);
    assert!(beside_idle < Duration::from_secs(2));

    drop(silent);
    attacked.has_files(|files| files < 1000);
    println!("after they left: {} KiB", attacked.daemon.resident());
    assert_eq!(attacked.get("/v1/apps").status, 200);
    let told = attacked.daemon.told();
    assert!(!told.contains("panicked"), "{told}");
}

#[test]
fn clients_that_stand_still_in_the_middle_of_everything_hinder_nobody() {
    let attacked = Attacked::begin();
    let halves: [&[u8]; 4] = [
        b"G",
        b"GET /v1/apps HTTP/1.1\r\nHost: x\r\nX: ",
        b"POST /v1/deployments HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{\"project",
        b"POST /v1/deployments HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{",
    ];
    let mut stuck: Vec<UnixStream> = (0..400)
        .map(|n| {
            let mut stream = attacked.connect();
            stream.write_all(halves[n % halves.len()]).unwrap();
            stream
        })
        .collect();
    // And some that ask without end and never read an answer.
    for _ in 0..40 {
        let mut stream = attacked.connect();
        stream.set_nonblocking(true).unwrap();
        while stream.write(GET).is_ok() {}
        stuck.push(stream);
    }
    for _ in 0..10 {
        assert_eq!(attacked.get("/v1/apps").status, 200);
    }
    drop(stuck);
    attacked.stays_unharmed();
}

#[test]
fn beyond_the_limit_the_oldest_idle_connection_makes_room() {
    let attacked = Attacked::begin_with(|command| with_files(&command, 256));
    let mut crowd: Vec<UnixStream> = Vec::new();
    for _ in 0..128 {
        crowd.push(attacked.connect());
    }
    let mut idle = attacked.connect();
    idle.write_all(GET).unwrap();
    let mut status = [0; 12];
    idle.read_exact(&mut status).unwrap();
    // The first had to make room for it, without an answer.
    assert_eq!(rest(&mut crowd[0]), "");
    for _ in 0..500 {
        crowd.push(attacked.connect());
    }
    assert_eq!(attacked.get("/v1/apps").status, 200);
    drop(crowd);
    attacked.stays_unharmed();
}

#[test]
fn where_every_connection_is_at_work_a_new_one_is_told_so() {
    let attacked = Attacked::begin_with(|command| with_files(&command, 256));
    let mut busy = Vec::new();
    for _ in 0..128 {
        let mut stream = attacked.connect();
        stream
            .write_all(b"POST /v1/deployments HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 9\r\n\r\n")
            .unwrap();
        // It is at work once it waits for the body.
        let mut told = [0; 25];
        stream.read_exact(&mut told).unwrap();
        assert!(told.starts_with(b"HTTP/1.1 100 "));
        busy.push(stream);
    }
    let answer = super::Answer::read(&rest(&mut attacked.connect()));
    answer.is(503, "unavailable");
    assert!(answer.head.contains("retry-after: 1"), "{}", answer.head);
    drop(busy);
    attacked.has_files(|files| files < 100);
    attacked.stays_unharmed();
}

#[test]
fn without_files_left_the_daemon_waits_says_so_once_and_goes_on() {
    let mut attacked = Attacked::begin_with(|command| with_files(&command, 40));
    let crowd: Vec<UnixStream> = (0..200).map(|_| attacked.connect()).collect();
    attacked.daemon.tells("no connection can be accepted");
    drop(crowd);
    attacked.daemon.tells("connections are accepted again");
    assert_eq!(attacked.get("/v1/apps").status, 200);
    let told = attacked.daemon.told();
    assert_eq!(
        told.matches("no connection can be accepted").count(),
        1,
        "{told}"
    );
    assert!(!told.contains("panicked"), "{told}");
}

/// The same program with this many open files at most.
fn with_files(program: &std::process::Command, files: u64) -> std::process::Command {
    let mut command = crate::program::command("sh");
    command
        .arg("-c")
        .arg(format!("ulimit -n {files}; exec \"$0\" \"$@\""))
        .arg(program.get_program())
        .args(program.get_args());
    command
}
