//! Requests over kept connections on this host, each timed from its first byte to its answer's last.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

/// A connection that is kept.
pub(crate) struct Client {
    stream: TcpStream,
    buffer: Vec<u8>,
}

/// An answer is waited for so long: a thousand times what it should take.
const PATIENCE: Duration = Duration::from_secs(30);

impl Client {
    pub(crate) fn connect(address: &str) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Self {
            stream,
            buffer: Vec::with_capacity(64 * 1024),
        }
    }

    /// The status of the answer, and its body.
    pub(crate) fn ask(&mut self, request: &[u8]) -> (u16, &[u8]) {
        self.stream.write_all(request).unwrap();
        self.buffer.clear();
        let mut piece = [0; 16 * 1024];
        loop {
            let read = self.stream.read(&mut piece).unwrap();
            assert!(read > 0, "the server closed the connection");
            self.buffer.extend_from_slice(&piece[..read]);
            let Some(head) = find(&self.buffer, b"\r\n\r\n") else {
                continue;
            };
            let body = head + 4;
            let text = std::str::from_utf8(&self.buffer[..head]).unwrap();
            let length = text
                .lines()
                .filter_map(|line| line.split_once(':'))
                .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
                .map_or(0, |(_, value)| value.trim().parse::<usize>().unwrap());
            if self.buffer.len() >= body + length {
                let status = text[9..12].parse().unwrap();
                return (status, &self.buffer[body..body + length]);
            }
        }
    }
}

fn find(text: &[u8], what: &[u8]) -> Option<usize> {
    text.windows(what.len()).position(|window| window == what)
}

/// What a round measured.
pub(crate) struct Round {
    pub(crate) per_second: f64,
    /// Every request's time, sorted.
    pub(crate) times: Vec<Duration>,
}

impl Round {
    pub(crate) fn percentile(&self, percent: usize) -> Duration {
        self.times[(self.times.len() * percent / 100).min(self.times.len() - 1)]
    }
}

/// Asks over so many connections for so long. Every answer must have the status that is expected.
pub(crate) fn round(
    address: &str,
    connections: usize,
    lasting: Duration,
    expected: u16,
    request: impl Fn(usize, usize) -> Vec<u8> + Sync,
) -> Round {
    let began = crate::now();
    let mut times: Vec<Duration> = std::thread::scope(|scope| {
        let one = |connection: usize| {
            let request = &request;
            move || {
                let mut client = Client::connect(address);
                let mut times = Vec::new();
                while began.elapsed() < lasting {
                    let text = request(connection, times.len());
                    let asked = crate::now();
                    let (status, body) = client.ask(&text);
                    times.push(asked.elapsed());
                    assert_eq!(status, expected, "{}", String::from_utf8_lossy(body));
                }
                times
            }
        };
        let threads: Vec<_> = (0..connections)
            .map(|number| scope.spawn(one(number)))
            .collect();
        threads
            .into_iter()
            .flat_map(|thread| thread.join().unwrap())
            .collect()
    });
    let per_second = times.len() as f64 / began.elapsed().as_secs_f64();
    times.sort_unstable();
    Round { per_second, times }
}
