//! BuildKit's status messages as lines: a step's name once, when it starts, then what it prints.

use crate::core::log::{LineSplitter, Stream, clean};
use bollard::moby::buildkit::v1::{StatusResponse, Vertex, VertexLog};
use std::collections::{HashMap, HashSet};

/// The line as it goes to the log.
pub type Line = (Stream, String);

/// BuildKit's number for standard error.
const STDERR: i64 = 2;

/// What was said so far.
#[derive(Debug, Default)]
pub struct Lines {
    named: HashSet<String>,
    failed: HashSet<String>,
    output: HashMap<(String, i64), LineSplitter>,
}

impl Lines {
    /// Takes a message and gives the lines that are now complete.
    pub fn take(&mut self, status: StatusResponse) -> Vec<Line> {
        let mut lines = Vec::new();
        for vertex in &status.vertexes {
            lines.extend(self.name(vertex));
        }
        for log in status.logs {
            lines.extend(self.log(log));
        }
        for vertex in &status.vertexes {
            if vertex.completed.is_some() {
                lines.extend(self.rest_of(&vertex.digest));
            }
            lines.extend(self.error(vertex));
        }
        lines
    }

    /// What steps printed without a line end before the build was over.
    pub fn finish(mut self) -> Vec<Line> {
        let open: HashSet<String> = self
            .output
            .keys()
            .map(|(digest, _)| digest.clone())
            .collect();
        open.iter()
            .flat_map(|digest| self.rest_of(digest))
            .collect()
    }

    fn name(&mut self, vertex: &Vertex) -> Option<Line> {
        let has_begun = vertex.started.is_some() || vertex.cached;
        if !has_begun || is_internal(&vertex.name) || !self.named.insert(vertex.digest.clone()) {
            return None;
        }
        let name = clean(vertex.name.as_bytes());
        let line = if vertex.cached {
            format!("CACHED {name}")
        } else {
            name
        };
        Some((Stream::Stdout, line))
    }

    fn log(&mut self, log: VertexLog) -> impl Iterator<Item = Line> + use<> {
        let stream = stream(log.stream);
        let splitter = self.output.entry((log.vertex, log.stream)).or_default();
        splitter
            .push(&log.msg)
            .into_iter()
            .map(move |text| (stream, text))
    }

    fn rest_of(&mut self, digest: &str) -> Vec<Line> {
        [1, STDERR]
            .into_iter()
            .filter_map(|number| {
                let mut splitter = self.output.remove(&(digest.to_owned(), number))?;
                Some((stream(number), splitter.finish()?))
            })
            .collect()
    }

    fn error(&mut self, vertex: &Vertex) -> Option<Line> {
        if vertex.error.is_empty() || !self.failed.insert(vertex.digest.clone()) {
            return None;
        }
        let text = format!("ERROR {}: {}", vertex.name, vertex.error);
        Some((Stream::Stderr, clean(text.replace('\n', " ").as_bytes())))
    }
}

fn stream(number: i64) -> Stream {
    if number == STDERR {
        Stream::Stderr
    } else {
        Stream::Stdout
    }
}

/// The steps by which BuildKit reads what we send it: the same in each build and never news. Asking a registry for
/// a base image is, because it can take long.
fn is_internal(name: &str) -> bool {
    (name.starts_with("[internal]") && !name.starts_with("[internal] load metadata"))
        || name == "copy /context /"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vertex(digest: &str, name: &str) -> Vertex {
        Vertex {
            digest: digest.to_owned(),
            name: name.to_owned(),
            ..Vertex::default()
        }
    }

    fn begun(digest: &str, name: &str) -> Vertex {
        Vertex {
            started: Some(Default::default()),
            ..vertex(digest, name)
        }
    }

    fn log(digest: &str, stream: i64, text: &str) -> VertexLog {
        VertexLog {
            vertex: digest.to_owned(),
            stream,
            msg: text.as_bytes().to_vec(),
            ..VertexLog::default()
        }
    }

    fn status(vertexes: Vec<Vertex>, logs: Vec<VertexLog>) -> StatusResponse {
        StatusResponse {
            vertexes,
            logs,
            ..StatusResponse::default()
        }
    }

    #[test]
    fn a_step_is_named_once_and_its_output_comes_in_whole_lines() {
        let mut lines = Lines::default();
        let mut all = lines.take(status(
            vec![vertex("a", "[1/2] FROM x"), begun("i", "[internal] load x")],
            vec![],
        ));
        all.extend(lines.take(status(
            vec![begun("b", "[2/2] RUN make")],
            vec![log("b", 1, "one\ntw")],
        )));
        all.extend(lines.take(status(
            vec![begun("b", "[2/2] RUN make")],
            vec![log("b", 2, "bad\n"), log("b", 1, "o\nla")],
        )));
        let done = Vertex {
            completed: Some(Default::default()),
            error: "exit code: 1".to_owned(),
            ..begun("b", "[2/2] RUN make")
        };
        all.extend(lines.take(status(vec![done.clone(), done], vec![log("b", 1, "st")])));
        let cached = Vertex {
            cached: true,
            ..begun("c", "[3/3] RUN true")
        };
        all.extend(lines.take(status(vec![cached], vec![log("c", 2, "end")])));
        all.extend(lines.finish());
        let expected = [
            (Stream::Stdout, "[2/2] RUN make"),
            (Stream::Stdout, "one"),
            (Stream::Stderr, "bad"),
            (Stream::Stdout, "two"),
            (Stream::Stdout, "last"),
            (Stream::Stderr, "ERROR [2/2] RUN make: exit code: 1"),
            (Stream::Stdout, "CACHED [3/3] RUN true"),
            (Stream::Stderr, "end"),
        ];
        let all: Vec<_> = all
            .iter()
            .map(|(stream, text)| (*stream, text.as_str()))
            .collect();
        assert_eq!(all, expected);
    }
}
