//! A proxy on loopback, apps that do byte for byte what a test says, and clients that do, too.

use longshore::core::ingress::{AccessLog, IngressSettings, ProxyLimits};
use longshore::core::ports::Takeover;
use longshore::core::route::{Domain, Route, Service, Table, Target};
use longshore::ingress::{Routes, proxy};
use std::io::{Read as _, Write};
use std::net::{Shutdown, SocketAddr, SocketAddrV4, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::watch;
use uuid::Uuid;

/// What should happen at once and does not happen by then never does.
pub const PATIENCE: Duration = Duration::from_secs(20);

pub const INSTANCE: Uuid = Uuid::from_u128(7);

pub fn settings() -> IngressSettings {
    IngressSettings {
        data_dir: PathBuf::from("/nonexistent"),
        trusted_proxies: Vec::new(),
        access_log: AccessLog::Json,
        limits: ProxyLimits::default(),
    }
}

pub fn service(app: &str) -> Service {
    Service {
        app: app.into(),
        environment: "production".into(),
    }
}

pub fn table(generation: i64, routes: &[(&str, &str, Target)]) -> Table {
    Table {
        instance: INSTANCE,
        generation,
        routes: routes
            .iter()
            .map(|(domain, app, target)| Route {
                domain: Domain::parse(domain).unwrap(),
                service: service(app),
                target: *target,
            })
            .collect(),
    }
}

/// Waits until it is so; nothing tells of it.
#[track_caller]
pub fn until(what: &str, mut holds: impl FnMut() -> bool) {
    for _ in 0..PATIENCE.as_millis() {
        if holds() {
            return;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    panic!("never: {what}");
}

#[derive(Clone, Default)]
pub struct Lines(Arc<Mutex<Vec<u8>>>);

impl Lines {
    pub fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// A proxy, which ends with this value.
pub struct Proxy {
    pub routes: Arc<Routes>,
    pub address: SocketAddr,
    pub log: Lines,
    stop: watch::Sender<bool>,
    thread: Option<JoinHandle<()>>,
}

impl Proxy {
    /// Every request goes to this app.
    pub fn before(app: &App) -> Self {
        Self::with(settings(), &[("*", "web", app.target())])
    }

    pub fn with_limits(app: &App, change: impl FnOnce(&mut ProxyLimits)) -> Self {
        let mut settings = settings();
        change(&mut settings.limits);
        Self::with(settings, &[("*", "web", app.target())])
    }

    pub fn with(settings: IngressSettings, routes: &[(&str, &str, Target)]) -> Self {
        let proxy = Self::at("127.0.0.1:0", settings);
        proxy
            .routes
            .install(table(1, routes), Takeover::No)
            .unwrap();
        proxy
    }

    /// Without a table.
    pub fn at(address: &str, settings: IngressSettings) -> Self {
        let listener = TcpListener::bind(address).unwrap();
        let address = listener.local_addr().unwrap();
        let routes = Arc::new(Routes::new());
        let (stop, stopped) = watch::channel(false);
        let log = Lines::default();
        let (served, lines) = (Arc::clone(&routes), log.clone());
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            let random = Arc::new(|bytes: &mut [u8]| {
                // Different for each request is all that is asked of it here.
                static NEXT: AtomicUsize = AtomicUsize::new(1);
                for chunk in bytes.chunks_mut(8) {
                    let next = NEXT.fetch_add(1, SeqCst) as u64;
                    chunk.copy_from_slice(&next.to_be_bytes()[..chunk.len()]);
                }
            });
            runtime
                .block_on(proxy::serve_logging_to(
                    Box::new(lines),
                    vec![listener],
                    served,
                    &settings,
                    random,
                    stopped,
                ))
                .unwrap();
        });
        Self {
            routes,
            address,
            log,
            stop,
            thread: Some(thread),
        }
    }

    pub fn client(&self) -> Wire {
        Wire::new(TcpStream::connect(self.address).unwrap())
    }

    /// Asks on a connection of its own.
    pub fn ask(&self, request: &str) -> Answer {
        let mut client = self.client();
        client.say(request);
        client.answer()
    }

    pub fn get(&self, host: &str, path: &str) -> Answer {
        self.ask(&format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n"))
    }

    pub fn install(&self, generation: i64, routes: &[(&str, &str, Target)]) {
        let held = self
            .routes
            .install(table(generation, routes), Takeover::No)
            .unwrap();
        assert_eq!(held, generation);
    }

    pub fn drain(&self, app: &App, limit: Duration) -> u64 {
        tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .unwrap()
            .block_on(self.routes.drain(app.address, limit))
    }

    pub fn figure(&self, line: &str) -> Option<f64> {
        proxy::figures(&self.routes)
            .lines()
            .find_map(|shown| shown.strip_prefix(line)?.trim().parse().ok())
    }

    pub fn begin_stop(&self) {
        self.stop.send_replace(true);
    }

    pub fn has_ended(&self) -> bool {
        self.thread.as_ref().is_none_or(JoinHandle::is_finished)
    }

    /// Stops it and returns what it logged.
    pub fn stop(mut self) -> String {
        self.begin_stop();
        self.thread.take().unwrap().join().unwrap();
        self.log.text()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.stop.send_replace(true);
        if let Some(thread) = self.thread.take() {
            let ended = thread.join();
            if !std::thread::panicking() {
                ended.unwrap();
            }
        }
    }
}

/// An app: each of its connections is given to a function, on a thread of its own.
pub struct App {
    pub address: SocketAddrV4,
    pub connections: Arc<AtomicUsize>,
    ended: Arc<AtomicBool>,
    listening: Option<JoinHandle<()>>,
}

impl App {
    pub fn new(serve: impl Fn(Wire) + Send + Sync + 'static) -> Self {
        Self::at("127.0.0.1:0", serve)
    }

    pub fn at(address: &str, serve: impl Fn(Wire) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind(address).unwrap();
        let SocketAddr::V4(address) = listener.local_addr().unwrap() else {
            panic!("bound to IPv4");
        };
        let connections = Arc::new(AtomicUsize::new(0));
        let ended = Arc::new(AtomicBool::new(false));
        let (count, over) = (Arc::clone(&connections), Arc::clone(&ended));
        let serve = Arc::new(serve);
        let listening = std::thread::spawn(move || {
            for stream in listener.incoming() {
                if over.load(SeqCst) {
                    return;
                }
                count.fetch_add(1, SeqCst);
                let (serve, stream) = (Arc::clone(&serve), stream.unwrap());
                std::thread::spawn(move || serve(Wire::new(stream)));
            }
        });
        Self {
            address,
            connections,
            ended,
            listening: Some(listening),
        }
    }

    /// Answers every request on a kept connection with what the function makes of its head.
    pub fn answering(answer: impl Fn(&Head) -> String + Send + Sync + 'static) -> Self {
        Self::new(move |mut wire| {
            while let Some(head) = wire.head() {
                let answer = answer(&head);
                if wire.try_say(answer.as_bytes()).is_err() {
                    return;
                }
            }
        })
    }

    /// Says its name and what it was asked for.
    pub fn named(name: &'static str) -> Self {
        Self::answering(move |head| ok(&format!("{name} {}", head.target())))
    }

    /// Shows the head that it got.
    pub fn mirror() -> Self {
        Self::answering(|head| ok(&head.text))
    }

    pub fn target(&self) -> Target {
        Target::Container(self.address)
    }

    pub fn connections(&self) -> usize {
        self.connections.load(SeqCst)
    }
}

impl Drop for App {
    fn drop(&mut self) {
        self.ended.store(true, SeqCst);
        // Wakes the listener, which then sees that it is over.
        let _ = TcpStream::connect(self.address);
        if let Some(listening) = self.listening.take() {
            let _ = listening.join();
        }
    }
}

/// A plain answer with this body.
pub fn ok(body: &str) -> String {
    format!(
        "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// One end of a connection.
pub struct Wire {
    pub stream: TcpStream,
    held: Vec<u8>,
}

#[derive(Clone, Debug)]
pub struct Head {
    pub text: String,
}

impl Head {
    pub fn first(&self) -> &str {
        self.text.lines().next().unwrap()
    }

    pub fn target(&self) -> &str {
        self.first().split(' ').nth(1).unwrap()
    }

    pub fn all(&self, name: &str) -> Vec<&str> {
        self.text
            .lines()
            .skip(1)
            .filter_map(|line| line.split_once(':'))
            .filter(|(field, _)| field.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.trim())
            .collect()
    }

    pub fn field(&self, name: &str) -> Option<&str> {
        self.all(name).first().copied()
    }
}

#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub head: Head,
    pub body: Vec<u8>,
    pub trailers: String,
}

impl Answer {
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub fn error(&self) -> Option<&str> {
        self.head.field("x-longshore-error")
    }
}

impl Wire {
    pub fn new(stream: TcpStream) -> Self {
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Self {
            stream,
            held: Vec::new(),
        }
    }

    #[track_caller]
    pub fn say(&mut self, text: impl AsRef<[u8]>) {
        self.stream.write_all(text.as_ref()).unwrap();
    }

    pub fn try_say(&mut self, text: &[u8]) -> std::io::Result<()> {
        self.stream.write_all(text)
    }

    /// More bytes; false at the end, however it came.
    fn more(&mut self) -> bool {
        let mut piece = [0; 64 * 1024];
        match self.stream.read(&mut piece) {
            Ok(0) => false,
            Ok(count) => {
                self.held.extend_from_slice(&piece[..count]);
                true
            }
            Err(error) => {
                assert!(
                    error.kind() != std::io::ErrorKind::WouldBlock,
                    "nothing came within {PATIENCE:?}; held: {:?}",
                    String::from_utf8_lossy(&self.held)
                );
                false
            }
        }
    }

    /// Up to the mark, which is taken, too. None: the connection ended before.
    pub fn up_to(&mut self, mark: &str) -> Option<String> {
        loop {
            let at = self
                .held
                .windows(mark.len())
                .position(|window| window == mark.as_bytes());
            if let Some(at) = at {
                let rest = self.held.split_off(at + mark.len());
                let text = std::mem::replace(&mut self.held, rest);
                return Some(String::from_utf8(text).unwrap());
            }
            if !self.more() {
                return None;
            }
        }
    }

    pub fn head(&mut self) -> Option<Head> {
        self.up_to("\r\n\r\n").map(|text| Head { text })
    }

    #[track_caller]
    pub fn exactly(&mut self, count: usize) -> Vec<u8> {
        while self.held.len() < count {
            assert!(self.more(), "ended before {count} bytes");
        }
        let rest = self.held.split_off(count);
        std::mem::replace(&mut self.held, rest)
    }

    /// All there is to the end.
    pub fn rest(&mut self) -> Vec<u8> {
        while self.more() {}
        std::mem::take(&mut self.held)
    }

    /// Whether the peer has closed, and said nothing before.
    pub fn is_over(&mut self) -> bool {
        self.rest().is_empty()
    }

    pub fn half_close(&self) {
        self.stream.shutdown(Shutdown::Write).unwrap();
    }

    #[track_caller]
    pub fn answer(&mut self) -> Answer {
        self.answer_to(false)
    }

    #[track_caller]
    pub fn answer_to(&mut self, head_was_asked: bool) -> Answer {
        let head = self.head().expect("an answer");
        let status = head.first()[9..12].parse().unwrap();
        let (mut body, mut trailers) = (Vec::new(), String::new());
        if head_was_asked || status < 200 || matches!(status, 204 | 304) {
        } else if let Some(length) = head.field("content-length") {
            body = self.exactly(length.parse().unwrap());
        } else if head.field("transfer-encoding").is_some() {
            (body, trailers) = self.chunked();
        } else {
            body = self.rest();
        }
        Answer {
            status,
            head,
            body,
            trailers,
        }
    }

    #[track_caller]
    pub fn chunk(&mut self) -> Vec<u8> {
        let size = self.up_to("\r\n").expect("a chunk's size");
        let size = usize::from_str_radix(size.trim_end(), 16).unwrap();
        let data = self.exactly(size);
        if size > 0 {
            assert_eq!(self.exactly(2), b"\r\n");
        }
        data
    }

    #[track_caller]
    pub fn chunked(&mut self) -> (Vec<u8>, String) {
        let mut body = Vec::new();
        loop {
            let chunk = self.chunk();
            if chunk.is_empty() {
                break;
            }
            body.extend_from_slice(&chunk);
        }
        let mut trailers = String::new();
        loop {
            let line = self.up_to("\r\n").expect("the trailers' end");
            if line == "\r\n" {
                return (body, trailers);
            }
            trailers.push_str(&line);
        }
    }
}
