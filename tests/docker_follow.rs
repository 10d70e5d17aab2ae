//! A log that is followed over the daemon's death: what was heard, put together, is the file.
#![expect(
    clippy::unwrap_used,
    reason = "in what the tests share, a panic is a failed test too"
)]

#[path = "support/daemon.rs"]
#[expect(dead_code, reason = "shared with other tests, which need more of it")]
mod daemon;
#[expect(
    dead_code,
    reason = "shared with the engine's own tests, which need more of it"
)]
#[path = "support/docker.rs"]
mod docker;
#[path = "support/git_server.rs"]
mod git_server;

use daemon::{World, within};
use serde_json::Value;
use std::path::PathBuf;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::UnixStream;
use tokio::sync::mpsc;

const LIMIT: Duration = Duration::from_secs(120);

/// A client as the specification of Server-Sent Events has it: it comes back with the last id it was told.
struct Follower {
    socket: PathBuf,
    path: String,
    last: String,
    tell: mpsc::UnboundedSender<String>,
}

impl Follower {
    /// Hears the whole log, in as many connections as it takes.
    async fn follow(mut self) -> String {
        let mut heard = String::new();
        loop {
            match UnixStream::connect(&self.socket).await {
                Ok(stream) => {
                    if self.listen(stream, &mut heard).await {
                        return heard;
                    }
                }
                Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        }
    }

    /// One connection; true if the log's end was told.
    async fn listen(&mut self, mut stream: UnixStream, heard: &mut String) -> bool {
        let (path, last) = (&self.path, &self.last);
        let request = format!(
            "GET {path} HTTP/1.0\r\nHost: localhost\r\nAccept: text/event-stream\r\nLast-Event-ID: {last}\r\n\r\n"
        );
        if stream.write_all(request.as_bytes()).await.is_err() {
            return false;
        }
        let mut lines = BufReader::new(stream).lines();
        while let Ok(Some(line)) = lines.next_line().await {
            if line.is_empty() {
                break;
            }
        }
        let (mut id, mut event, mut data) = (None, None, String::new());
        // What was cut off in the middle of a message does not count.
        while let Ok(Some(line)) = lines.next_line().await {
            match line.split_once(": ") {
                Some(("id", value)) => id = Some(value.to_owned()),
                Some(("event", value)) => event = Some(value.to_owned()),
                Some(("data", value)) => data += value,
                Some(_) | None if line.is_empty() => {
                    self.last = id.take().unwrap_or_else(|| self.last.clone());
                    if event.take().is_some() {
                        return true;
                    }
                    if !data.is_empty() {
                        let text = in_file(&serde_json::from_str(&data).unwrap());
                        *heard += &text;
                        let _ = self.tell.send(text);
                    }
                    data.clear();
                }
                Some(_) | None => assert!(line.starts_with(':'), "{line}"),
            }
        }
        false
    }
}

/// A line as it stands in the file.
fn in_file(line: &Value) -> String {
    let part = |key: &str| line[key].as_str().unwrap().to_owned();
    let parts = ["timestamp", "step", "stream", "message"].map(part);
    parts.join(" ") + "\n"
}

#[tokio::test(flavor = "multi_thread")]
async fn a_follower_hears_every_line_once_although_the_daemon_is_killed_three_times() {
    let mut world = World::with_web("").await;
    let lines = format!(
        "RUN for n in $(seq 1 200); do echo line $n of {}; done; sleep 3; for n in $(seq 1 200); do echo more $n; done",
        world.base.run
    );
    world.commit("one", &lines, "exec httpd -f -p 8080 -h /www");
    let made = world.run(&["deploy", "web", "--no-wait"]).await.ok();
    let id = made.stdout.trim().to_owned();
    let (tell, mut told) = mpsc::unbounded_channel();
    let follower = Follower {
        socket: world.socket(),
        path: format!("/v1/deployments/{id}/logs"),
        last: String::new(),
        tell,
    };
    let following = tokio::spawn(follower.follow());
    // Right after a line was heard, whatever was on its way with it.
    for moment in ["line 3 ", "line 150 ", "line 200 "] {
        within(LIMIT, moment, async {
            while !told.recv().await.unwrap().contains(moment) {}
        })
        .await;
        world.kill();
        world.start().await;
    }
    let heard = within(LIMIT, "the log's end", following).await.unwrap();
    let mut logs = std::fs::read_dir(world.data_dir().join("logs")).unwrap();
    let file = std::fs::read_to_string(logs.next().unwrap().unwrap().path()).unwrap();
    assert_eq!(heard, file);
    assert!(heard.contains("more 200"), "{heard}");
    let list = world.run(&["ls", "--json"]).await.ok().document();
    assert_eq!(list["data"][0]["status"], "success", "{list:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_that_is_told_to_stop_lets_its_followers_go_at_once() {
    let mut world = World::with_web("").await;
    let mut stream = UnixStream::connect(world.socket()).await.unwrap();
    let request = "GET /v1/events HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n";
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut lines = BufReader::new(stream).lines();
    let first = within(LIMIT, "an answer", lines.next_line()).await;
    assert_eq!(first.unwrap().as_deref(), Some("HTTP/1.1 200 OK"));
    world.terminate(Duration::from_secs(20)).await;
    assert!(!world.told().contains("cut off"), "{}", world.told());
}
