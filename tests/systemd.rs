//! What systemd sees of longshore: its units, what the daemon tells it, and the sockets it gives. systemd itself is not
//! needed to run, only its programs.
#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

#[path = "support/program.rs"]
#[expect(dead_code, reason = "another test file uses the rest")]
mod program;

use nix::sys::signal::Signal;
use program::{Daemon, LIMIT, Stage, command, exchange};
use std::net::TcpStream;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::path::{Path, PathBuf};
use std::process::Output;
use std::time::Duration;

const GET: &str = "GET /v1/apps HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";

/// What `systemd-analyze security` may say at most of each service, in tenths.
const MOST_EXPOSURE: [(&str, u32); 2] =
    [("longshore.service", 15), ("longshore-ingress.service", 12)];

/// Services first, as some tests take them apart.
const UNITS: [&str; 4] = [
    "longshore.service",
    "longshore-ingress.service",
    "longshore.socket",
    "longshore-ingress.socket",
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

#[track_caller]
fn text(output: &Output) -> String {
    let text = [&output.stdout[..], &output.stderr[..]].concat();
    let text = String::from_utf8_lossy(&text).into_owned();
    assert!(output.status.success(), "{}: {text}", output.status);
    text
}

/// Waits until there is such a file.
#[track_caller]
fn appears(path: &Path) {
    for _ in 0..LIMIT.as_millis() / program::LOOK.as_millis() {
        if path.exists() {
            return;
        }
        std::thread::sleep(program::LOOK);
    }
    panic!("{} never came", path.display());
}

/// The units, naming the program that was built for this test.
fn units(directory: &Path) -> [PathBuf; 4] {
    UNITS.map(|name| {
        let unit = std::fs::read_to_string(root().join("systemd").join(name)).unwrap();
        let built = env!("CARGO_BIN_EXE_longshore");
        let unit = unit.replace("/usr/local/bin/longshore", built);
        let path = directory.join(name);
        std::fs::write(&path, unit).unwrap();
        path
    })
}

#[test]
fn systemd_finds_no_fault_in_the_units() {
    let directory = tempfile::tempdir().unwrap();
    let units = units(directory.path());
    let verified = command("systemd-analyze")
        .arg("verify")
        .args(&units)
        .output()
        .unwrap();
    assert_eq!(text(&verified), "");

    for service in &units[..2] {
        let faulty = std::fs::read_to_string(service).unwrap() + "[Service]\nProtectSytem=strict\n";
        std::fs::write(service, faulty).unwrap();
        let verified = command("systemd-analyze")
            .arg("verify")
            .arg(service)
            .output()
            .unwrap();
        assert!(String::from_utf8_lossy(&verified.stderr).contains("ProtectSytem"));
    }
}

#[test]
fn the_services_may_do_little() {
    let directory = tempfile::tempdir().unwrap();
    units(directory.path());
    for (service, most) in MOST_EXPOSURE {
        let security = command("systemd-analyze")
            .args(["security", "--offline=true", "--no-pager"])
            .arg(format!("--threshold={most}"))
            .arg(directory.path().join(service))
            .output()
            .unwrap();
        let told = text(&security);
        println!("{}", told.lines().last().unwrap());
        assert!(told.contains("Overall exposure level"), "{told}");
    }
}

/// The values of a key in a unit's text.
fn values<'a>(unit: &'a str, key: &str) -> Vec<&'a str> {
    let of_key = |line: &'a str| line.strip_prefix(key)?.strip_prefix('=');
    unit.lines().filter_map(of_key).collect()
}

#[test]
fn neither_service_pulls_the_other_along_and_the_ingress_is_in_no_group_of_the_daemons() {
    let read = |name: &str| std::fs::read_to_string(root().join("systemd").join(name)).unwrap();
    for unit in UNITS {
        let text = read(unit);
        for key in [
            "Requires",
            "Requisite",
            "BindsTo",
            "PartOf",
            "Upholds",
            "Conflicts",
            "PropagatesStopTo",
        ] {
            for value in values(&text, key) {
                assert_eq!(
                    (unit, value),
                    ("longshore-ingress.service", "longshore-ingress.socket")
                );
            }
        }
    }
    let ingress = read("longshore-ingress.service");
    assert_eq!(values(&ingress, "User"), ["longshore-ingress"]);
    assert_eq!(values(&ingress, "SupplementaryGroups"), [""; 0]);
    let socket = read("longshore-ingress.socket");
    assert_eq!(values(&socket, "SocketGroup"), ["longshore"]);
    assert_eq!(values(&socket, "SocketMode"), ["0660"]);
    // Each has directories of its own.
    let daemon = read("longshore.service");
    for key in ["RuntimeDirectory", "StateDirectory"] {
        assert_ne!(values(&daemon, key), values(&ingress, key));
    }
    let groups = read("longshore.sysusers");
    assert!(
        groups.lines().all(|line| !line.starts_with("m ")),
        "{groups}"
    );
}

#[test]
fn systemd_understands_the_user_and_the_directories() {
    let directory = tempfile::tempdir().unwrap();
    for folder in ["etc", "var/lib"] {
        std::fs::create_dir_all(directory.path().join(folder)).unwrap();
    }
    let made = command("systemd-sysusers")
        .arg(format!("--root={}", directory.path().display()))
        .arg("-")
        .stdin(std::fs::File::open(root().join("systemd/longshore.sysusers")).unwrap())
        .output()
        .unwrap();
    text(&made);
    let users = std::fs::read_to_string(directory.path().join("etc/passwd")).unwrap();
    for name in ["longshore", "longshore-ingress"] {
        let user = users
            .lines()
            .find(|line| line.starts_with(&format!("{name}:")))
            .unwrap();
        assert!(user.contains(&format!(":/var/lib/{name}:")), "{user}");
    }

    let made = command("systemd-tmpfiles")
        .arg(format!("--root={}", directory.path().display()))
        .args(["--create", "-"])
        .stdin(std::fs::File::open(root().join("systemd/longshore.tmpfiles")).unwrap())
        .output()
        .unwrap();
    text(&made);
    let secrets = std::fs::metadata(directory.path().join("etc/longshore/secrets")).unwrap();
    assert_eq!(secrets.permissions().mode() & 0o777, 0o750);
}

/// What the daemon tells systemd.
struct Told {
    socket: UnixDatagram,
    path: PathBuf,
}

impl Told {
    fn listen(stage: &Stage) -> Self {
        let path = stage.path("notify.sock");
        let socket = UnixDatagram::bind(&path).unwrap();
        socket.set_read_timeout(Some(LIMIT)).unwrap();
        Self { socket, path }
    }

    fn next(&self) -> String {
        let mut message = [0; 4096];
        let length = self
            .socket
            .recv(&mut message)
            .expect("the daemon tells something");
        String::from_utf8(message[..length].to_vec()).unwrap()
    }

    /// The next message with this line; what comes before it is skipped.
    fn until(&self, line: &str) -> String {
        loop {
            let message = self.next();
            if message.lines().any(|told| told == line) {
                return message;
            }
        }
    }

    /// Waits for ten times the pause between pings without one.
    fn falls_silent(&self) {
        self.socket
            .set_read_timeout(Some(Duration::from_secs(1)))
            .unwrap();
        let pings = std::iter::from_fn(|| self.socket.recv(&mut [0; 64]).ok());
        assert!(
            pings.take(100).count() < 100,
            "ten seconds, and it still pings"
        );
        self.socket.set_read_timeout(Some(LIMIT)).unwrap();
    }

    /// What is there already.
    fn waiting(&self) -> Vec<String> {
        self.socket.set_nonblocking(true).unwrap();
        let mut messages = Vec::new();
        let mut message = [0; 4096];
        while let Ok(length) = self.socket.recv(&mut message) {
            messages.push(String::from_utf8(message[..length].to_vec()).unwrap());
        }
        self.socket.set_nonblocking(false).unwrap();
        messages
    }
}

fn start(stage: &Stage, told: &Told, watchdog: Option<Duration>) -> Daemon {
    let mut command = stage.serve();
    command.env("NOTIFY_SOCKET", &told.path);
    if let Some(watchdog) = watchdog {
        command.env("WATCHDOG_USEC", watchdog.as_micros().to_string());
    }
    stage.run(command)
}

#[test]
fn systemd_is_told_of_readiness_a_reload_and_the_end() {
    let stage = Stage::set("");
    let told = Told::listen(&stage);
    let mut daemon = start(&stage, &told, None);

    let before = told.next();
    assert_eq!(before, "STATUS=Opening the data directory\n");
    let ready = told.next();
    assert!(ready.starts_with("READY=1\nSTATUS=ready: "), "{ready}");
    // Whoever was told so is answered, on both sockets.
    assert!(stage.ask(GET).starts_with("HTTP/1.1 200 "));
    assert!(exchange(stage.tcp(), GET.as_bytes()).starts_with("HTTP/1.1 401 "));

    stage.configure("[[app]]\nname = \"web\"\nimage = \"nginx:1\"\n");
    daemon.signal(Signal::SIGHUP);
    let reloading = told.next();
    let lines: Vec<&str> = reloading.lines().collect();
    assert_eq!(lines[0], "RELOADING=1");
    let at: u64 = lines[1]
        .strip_prefix("MONOTONIC_USEC=")
        .unwrap()
        .parse()
        .unwrap();
    assert!(at > 0);
    assert_eq!(told.next(), "READY=1\nSTATUS=Ready\n");
    assert!(stage.ask(GET).contains("\"web\""));

    stage.configure("faulty = 1\n");
    daemon.signal(Signal::SIGHUP);
    told.until("RELOADING=1");
    assert!(
        told.next()
            .starts_with("READY=1\nSTATUS=Ready; the last reload was refused")
    );

    daemon.signal(Signal::SIGTERM);
    told.until("STOPPING=1");
    assert!(daemon.ends().success());
    assert_eq!(told.waiting(), Vec::<String>::new());
    assert!(
        !stage.socket().exists(),
        "the daemon made it and removes it"
    );
}

#[test]
fn what_cannot_start_is_never_ready() {
    let stage = Stage::set("");
    let told = Told::listen(&stage);
    let first = start(&stage, &told, None);
    told.until(&format!(
        "STATUS=ready: the API is at {} and http://127.0.0.1:{}",
        stage.socket().display(),
        stage.port
    ));
    let mut second = start(&stage, &told, None);
    assert_eq!(second.ends().code(), Some(1));
    let messages = told.waiting().concat();
    assert!(!messages.contains("READY=1"), "{messages}");
    drop(first);
}

#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "another program holds the database"
)]
fn the_watchdog_is_fed_only_while_the_database_answers() {
    let stage = Stage::set("");
    let told = Told::listen(&stage);
    let mut daemon = start(&stage, &told, Some(Duration::from_millis(400)));
    told.until("READY=1");
    for _ in 0..3 {
        told.until("WATCHDOG=1");
    }

    // Another program holds the database's lock, and a request waits for it with the connection that writes.
    let other = rusqlite::Connection::open(stage.path("data/longshore.db")).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let socket = stage.socket();
    let body = "{\"name\":\"t\",\"scope\":\"deploy:read\"}";
    let request = format!(
        "POST /v1/tokens HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let asking = std::thread::spawn(move || {
        exchange(UnixStream::connect(socket).unwrap(), request.as_bytes())
    });
    told.falls_silent();
    other.execute_batch("ROLLBACK").unwrap();
    let made = asking.join().unwrap();
    assert!(made.starts_with("HTTP/1.1 201 "), "{made}");
    told.until("WATCHDOG=1");
    daemon.signal(Signal::SIGTERM);
    assert!(daemon.ends().success());
}

#[test]
fn sockets_of_systemd_are_served_and_left_as_they_are() {
    let stage = Stage::set("");
    let path = stage.path("given.sock");
    let mut activate = command("systemd-socket-activate");
    activate
        .arg("-l")
        .arg(&path)
        .arg("-l")
        .arg(format!("127.0.0.1:{}", stage.port))
        .arg(env!("CARGO_BIN_EXE_longshore"))
        .args(["serve", "--config"])
        .arg(stage.path("config.toml"));
    let mut daemon = stage.run(activate);
    daemon.tells("Listening on");
    // Nothing runs yet: this connection is what starts the daemon.
    appears(&path);
    let before = std::fs::metadata(&path).unwrap();
    let early = UnixStream::connect(&path).unwrap();
    assert!(exchange(early, GET.as_bytes()).starts_with("HTTP/1.1 200 "));
    assert!(exchange(stage.tcp(), GET.as_bytes()).starts_with("HTTP/1.1 401 "));

    let told = daemon.told();
    let warning = format!(
        "api.socket {} is not among the sockets systemd gave",
        stage.socket().display()
    );
    assert!(told.contains(&warning), "{told}");
    assert!(
        !told.contains("api.listen"),
        "that one is among them: {told}"
    );
    assert!(!stage.socket().exists(), "nothing but what was given");

    daemon.signal(Signal::SIGTERM);
    assert!(daemon.ends().success());
    let after = std::fs::metadata(&path).expect("it is systemd's to remove");
    assert_eq!(
        (after.ino(), after.mode(), after.gid()),
        (before.ino(), before.mode(), before.gid())
    );
}

/// A port that was free a moment ago, and is none of these, which nobody listens on yet.
fn other_port(taken: &[u16]) -> u16 {
    std::iter::repeat_with(program::free_port)
        .take(1000)
        .find(|port| !taken.contains(port))
        .unwrap()
}

/// A stage whose ingress has an address and a socket of its own.
fn with_ingress(embedded: bool) -> (Stage, u16) {
    let stage = Stage::set("");
    let port = other_port(&[stage.port]);
    let keys = format!(
        "embedded = {embedded}\nlisten = [\"127.0.0.1:{port}\"]\nsocket = \"{}\"\ndata_dir = \"{}\"",
        stage.path("control.sock").display(),
        stage.path("kept").display(),
    );
    stage.configure_ingress(&keys, "");
    (stage, port)
}

const WELL: &str = "GET /healthz HTTP/1.1\r\nHost: ingress\r\nConnection: close\r\n\r\n";

#[test]
fn an_ingress_of_its_own_tells_of_readiness_and_the_end_and_feeds_the_watchdog() {
    let (stage, port) = with_ingress(false);
    let told = Told::listen(&stage);
    let mut command = stage.ingress();
    command
        .env("NOTIFY_SOCKET", &told.path)
        .env("WATCHDOG_USEC", "400000");
    let mut ingress = stage.run(command);
    let control = stage.path("control.sock");
    let ready = format!(
        "READY=1\nSTATUS=ready: the ingress is at http://127.0.0.1:{port} and is told its routes at {}\n",
        control.display()
    );
    assert_eq!(told.next(), ready);
    assert!(exchange(UnixStream::connect(&control).unwrap(), WELL.as_bytes()).contains("\"ok\""));
    for _ in 0..3 {
        assert_eq!(told.next(), "WATCHDOG=1\n");
    }
    ingress.signal(Signal::SIGSTOP);
    told.falls_silent();
    ingress.signal(Signal::SIGCONT);
    told.until("WATCHDOG=1");
    ingress.signal(Signal::SIGTERM);
    told.until("STOPPING=1");
    assert!(ingress.ends().success());
    assert!(!control.exists());
}

/// A program with these sockets, as systemd gives them.
fn activate(listen: &[String], arguments: &[&str], stage: &Stage) -> Daemon {
    let mut activate = command("systemd-socket-activate");
    for listen in listen {
        activate.args(["-l", listen]);
    }
    activate
        .arg(env!("CARGO_BIN_EXE_longshore"))
        .args(arguments)
        .arg(stage.path("config.toml"));
    let mut daemon = stage.run(activate);
    // Once for each.
    daemon.tells("Listening on");
    daemon
}

#[test]
fn an_ingress_of_its_own_takes_all_sockets_of_systemd_and_leaves_them_as_they_are() {
    let (stage, port) = with_ingress(false);
    let control = stage.path("control.sock");
    let elsewhere = other_port(&[stage.port, port]);
    let listen = [
        control.display().to_string(),
        format!("127.0.0.1:{elsewhere}"),
    ];
    let mut ingress = activate(&listen, &["ingress", "--config"], &stage);
    appears(&control);
    let before = std::fs::metadata(&control).unwrap();
    // Nothing runs yet: this connection is what starts it.
    let well = exchange(UnixStream::connect(&control).unwrap(), WELL.as_bytes());
    assert!(well.starts_with("HTTP/1.1 200 "), "{well}");
    ingress.tells(&format!(
        "the ingress is at http://127.0.0.1:{elsewhere} (from systemd)"
    ));
    let told = ingress.told();
    let warning = format!("ingress.listen 127.0.0.1:{port} is not among the sockets systemd gave");
    assert!(told.contains(&warning), "{told}");
    assert!(
        !told.contains("ingress.socket"),
        "that one is among them: {told}"
    );
    TcpStream::connect(("127.0.0.1", elsewhere)).unwrap();
    TcpStream::connect(("127.0.0.1", port)).unwrap_err();
    ingress.signal(Signal::SIGTERM);
    assert!(ingress.ends().success());
    let after = std::fs::metadata(&control).expect("it is systemd's to remove");
    assert_eq!((after.ino(), after.mode()), (before.ino(), before.mode()));
}

#[test]
fn sockets_of_the_api_and_of_an_ingress_inside_the_daemon_are_told_apart_by_their_addresses() {
    let (stage, port) = with_ingress(true);
    let control = stage.path("control.sock");
    let api = format!("127.0.0.1:{}", stage.port);
    let traffic = format!("127.0.0.1:{port}");
    let (unix, control_path) = (
        stage.socket().display().to_string(),
        control.display().to_string(),
    );
    for given in [
        // All of them, the ingress's first; then the API's alone, and the ingress makes its own.
        vec![traffic, control_path, unix.clone(), api.clone()],
        vec![unix, api],
    ] {
        let mut daemon = activate(&given, &["serve", "--config"], &stage);
        appears(&stage.socket());
        assert!(stage.ask(GET).starts_with("HTTP/1.1 200 "));
        assert!(exchange(stage.tcp(), GET.as_bytes()).starts_with("HTTP/1.1 401 "));
        daemon.tells(&format!("the ingress at http://127.0.0.1:{port}"));
        let well = exchange(UnixStream::connect(&control).unwrap(), WELL.as_bytes());
        assert!(well.starts_with("HTTP/1.1 200 "), "{well}");
        let request = "GET / HTTP/1.1\r\nHost: nobody.example\r\nConnection: close\r\n\r\n";
        let traffic = TcpStream::connect(("127.0.0.1", port)).unwrap();
        traffic.set_read_timeout(Some(LIMIT)).unwrap();
        let answer = exchange(traffic, request.as_bytes());
        assert!(
            answer.starts_with("HTTP/1.1 503 "),
            "no route was told yet: {answer}"
        );
        let told = daemon.told();
        assert!(!told.contains("is not among the sockets"), "{told}");
        daemon.signal(Signal::SIGTERM);
        assert!(daemon.ends().success());
        for path in [stage.socket(), control.clone()] {
            let _ = std::fs::remove_file(path);
        }
    }
}

#[test]
fn make_install_puts_everything_below_its_prefix_and_keeps_a_configuration() {
    let directory = tempfile::tempdir().unwrap();
    let make = |target: &str, prefix: &str| {
        let output = command("make")
            .arg("-C")
            .arg(root())
            .args(["--silent", target])
            .arg(format!("DESTDIR={}", directory.path().display()))
            .arg(format!("PREFIX={prefix}"))
            .arg(format!("PROGRAM={}", env!("CARGO_BIN_EXE_longshore")))
            .output()
            .unwrap();
        text(&output)
    };
    let files = || {
        let mut files: Vec<String> = walkdir::WalkDir::new(directory.path())
            .into_iter()
            .map(Result::unwrap)
            .filter(|entry| entry.file_type().is_file())
            .map(|entry| {
                let path = entry.path().strip_prefix(directory.path()).unwrap();
                format!("/{}", path.display())
            })
            // A page a command; which there are is the command line's business.
            .filter(|path| !path.contains("/man1/longshore-"))
            .collect();
        files.sort();
        files
    };
    make("install", "/usr/local");
    assert_eq!(
        files(),
        [
            "/etc/longshore/config.toml",
            "/usr/local/bin/longshore",
            "/usr/local/lib/systemd/system/longshore-ingress.service",
            "/usr/local/lib/systemd/system/longshore-ingress.socket",
            "/usr/local/lib/systemd/system/longshore.service",
            "/usr/local/lib/systemd/system/longshore.socket",
            "/usr/local/lib/sysusers.d/longshore.conf",
            "/usr/local/lib/tmpfiles.d/longshore.conf",
            "/usr/local/share/bash-completion/completions/longshore",
            "/usr/local/share/doc/longshore/README.md",
            "/usr/local/share/doc/longshore/config.example.toml",
            "/usr/local/share/doc/longshore/longshore.credentials.conf.example",
            "/usr/local/share/fish/vendor_completions.d/longshore.fish",
            "/usr/local/share/man/man1/longshore.1",
            "/usr/local/share/zsh/site-functions/_longshore",
        ]
    );
    let config = directory.path().join("etc/longshore/config.toml");
    std::fs::write(&config, "# mine\n").unwrap();
    assert!(make("install", "/usr").contains("stays as it is"));
    assert_eq!(std::fs::read_to_string(&config).unwrap(), "# mine\n");
    for (name, starts) in [("longshore", "serve"), ("longshore-ingress", "ingress")] {
        let service = format!("usr/lib/systemd/system/{name}.service");
        let service = std::fs::read_to_string(directory.path().join(service)).unwrap();
        assert!(service.contains(&format!("ExecStart=/usr/bin/longshore {starts}")));
        assert!(!service.contains("/usr/local/"));
    }

    make("uninstall", "/usr");
    make("uninstall", "/usr/local");
    assert_eq!(files(), ["/etc/longshore/config.toml"]);
}
