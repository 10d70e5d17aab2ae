//! What bad input does to the daemon: nothing. Over real sockets, with the real program; after each flood it answers,
//! takes in a deployment, has not panicked and has not grown.
#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

#[path = "bad_input/crowds.rs"]
mod crowds;
#[path = "bad_input/fields.rs"]
mod fields;
#[path = "bad_input/heads.rs"]
mod heads;
#[path = "support/program.rs"]
#[expect(dead_code, reason = "another test file uses the rest")]
mod program;

use nix::sys::signal::Signal;
use program::{Daemon, LIMIT, Stage};
use serde_json::Value;
use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;

const APPS: &str = "[[app]]\nname = \"cache\"\nimage = \"nginx:1\"\n\
    [[app]]\nname = \"web\"\nrepository = \"https://127.0.0.1:1/acme/web.git\"\n";

/// How much more memory the daemon may hold after any of this, in KiB.
const MAY_GROW: u64 = 24 * 1024;

struct Attacked {
    stage: Stage,
    daemon: Daemon,
    before: u64,
}

/// An answer, taken apart.
struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Answer {
    #[track_caller]
    fn read(text: &str) -> Self {
        let (head, body) = text
            .split_once("\r\n\r\n")
            .unwrap_or_else(|| panic!("no answer: '{text}'"));
        Self {
            status: head[9..12].parse().unwrap(),
            head: head.to_ascii_lowercase(),
            body: body.to_owned(),
        }
    }

    #[track_caller]
    fn json(&self) -> Value {
        serde_json::from_str(&self.body)
            .unwrap_or_else(|_| panic!("no JSON: {}\n{}", self.head, self.body))
    }

    /// It is a refusal in git.dev's shape, with this status and code.
    #[track_caller]
    fn is(&self, status: u16, code: &str) {
        let error = &self.json()["error"];
        let found = (self.status, error["code"].as_str().unwrap_or("none"));
        assert_eq!(found, (status, code), "{}", self.body);
        assert!(!error["message"].as_str().unwrap().is_empty());
        assert!(error["details"].is_object(), "{}", self.body);
        assert!(self.head.contains("content-type: application/json"));
        assert!(
            self.body.len() < 4096,
            "a refusal repeats little: {} bytes",
            self.body.len()
        );
    }
}

impl Attacked {
    fn begin() -> Self {
        Self::begin_with(|command| command)
    }

    fn begin_with(change: impl FnOnce(std::process::Command) -> std::process::Command) -> Self {
        let stage = Stage::set(APPS);
        let mut daemon = stage.run(change(stage.serve()));
        daemon.tells("ready: the API is at");
        let attacked = Self {
            before: daemon.resident(),
            stage,
            daemon,
        };
        // What is made once, at the first request, is no growth.
        attacked.get("/v1/apps");
        attacked
    }

    fn connect(&self) -> UnixStream {
        let stream = UnixStream::connect(self.stage.socket()).unwrap();
        stream.set_read_timeout(Some(LIMIT)).unwrap();
        stream.set_write_timeout(Some(LIMIT)).unwrap();
        stream
    }

    /// Sends bytes as they are and reads until the daemon closes; our side is closed so that it does.
    #[track_caller]
    fn raw(&self, bytes: &[u8]) -> Answer {
        let mut stream = self.connect();
        stream.write_all(bytes).unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        Answer::read(&rest(&mut stream))
    }

    #[track_caller]
    fn send(&self, method: &str, path: &str, headers: &str, body: &[u8]) -> Answer {
        let length = body.len();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{headers}Content-Length: {length}\r\n\r\n"
        );
        self.raw(&[head.as_bytes(), body].concat())
    }

    #[track_caller]
    fn get(&self, path: &str) -> Answer {
        self.send("GET", path, "", b"")
    }

    #[track_caller]
    fn post(&self, path: &str, body: &str) -> Answer {
        self.send("POST", path, "", body.as_bytes())
    }

    /// The daemon is as it was.
    #[track_caller]
    fn stays_unharmed(mut self) {
        assert_eq!(self.get("/v1/apps").status, 200);
        let deployed = self.post("/v1/deployments", r#"{"project_id":"cache"}"#);
        assert_eq!(deployed.status, 201, "{}", deployed.body);
        let told = self.daemon.told();
        assert!(!told.contains("panicked"), "{told}");
        let now = self.daemon.resident();
        println!("resident: {} KiB before, {now} KiB after", self.before);
        assert!(
            now < self.before + MAY_GROW,
            "it held {} KiB and holds {now} KiB",
            self.before
        );
        self.daemon.signal(Signal::SIGTERM);
        assert!(self.daemon.ends().success());
    }
}

/// Everything until the daemon closes.
#[track_caller]
fn rest(stream: &mut impl Read) -> String {
    let mut answer = Vec::new();
    stream
        .read_to_end(&mut answer)
        .unwrap_or_else(|error| panic!("{error} after {}", String::from_utf8_lossy(&answer)));
    String::from_utf8_lossy(&answer).into_owned()
}
