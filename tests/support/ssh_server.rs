//! A real sshd on loopback, with keys of its own.
#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on says so by panicking"
)]

use longshore::core::secret::Secret;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// Started for one test, ended with it.
pub struct SshServer {
    child: Child,
    port: u16,
    user: String,
    dir: PathBuf,
}

impl SshServer {
    /// Lets in who has `key()`. The directory holds its files.
    pub fn start(dir: &Path) -> Self {
        std::fs::create_dir(dir).unwrap();
        make_key(&dir.join("host"));
        make_key(&dir.join("client"));
        std::fs::copy(dir.join("client.pub"), dir.join("authorized")).unwrap();
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = free.local_addr().unwrap().port();
        drop(free);
        let user = program("id").arg("-un").output().unwrap().stdout;
        let user = String::from_utf8(user).unwrap().trim().to_owned();
        let mut server = Self {
            child: run_sshd(dir, port),
            port,
            user,
            dir: dir.to_owned(),
        };
        server.wait_until_it_listens();
        server
    }

    /// Starts it again on the same port with another host key.
    pub fn change_host_key(&mut self) {
        self.end();
        for file in ["host", "host.pub"] {
            std::fs::remove_file(self.dir.join(file)).unwrap();
        }
        make_key(&self.dir.join("host"));
        self.child = run_sshd(&self.dir, self.port);
        self.wait_until_it_listens();
    }

    pub fn url(&self, repository: &Path) -> String {
        let path = repository.display();
        format!("ssh://{}@127.0.0.1:{}{path}", self.user, self.port)
    }

    /// The private key, as a secret's file is read: without its last line end.
    pub fn key(&self) -> Secret {
        let key = std::fs::read_to_string(self.dir.join("client")).unwrap();
        Secret::new(key.trim_end())
    }

    /// A key it does not know.
    pub fn strange_key(&self) -> Secret {
        make_key(&self.dir.join("strange"));
        Secret::new(std::fs::read_to_string(self.dir.join("strange")).unwrap())
    }

    fn wait_until_it_listens(&mut self) {
        let stderr = BufReader::new(self.child.stderr.take().unwrap());
        let mut lines = stderr.lines().map_while(Result::ok);
        let mut said = Vec::new();
        let listens = lines.any(|line| {
            said.push(line.clone());
            line.contains("Server listening on")
        });
        assert!(listens, "sshd did not start: {said:?}");
        // Somebody has to read what it says later, or it waits when the pipe is full.
        std::thread::spawn(move || lines.for_each(drop));
    }

    fn end(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for SshServer {
    fn drop(&mut self) {
        self.end();
    }
}

fn run_sshd(dir: &Path, port: u16) -> Child {
    let sshd = Path::new("/usr/sbin/sshd");
    assert!(
        sshd.exists(),
        "this test needs a real sshd at /usr/sbin/sshd: apt-get install openssh-server"
    );
    let config = format!(
        "ListenAddress 127.0.0.1\nPort {port}\nHostKey {0}/host\nAuthorizedKeysFile {0}/authorized\n\
         PidFile none\nUsePAM no\nStrictModes no\nPasswordAuthentication no\nPermitRootLogin yes\n",
        dir.display()
    );
    std::fs::write(dir.join("config"), config).unwrap();
    let root = nix::unistd::geteuid().is_root();
    let mut command = if root && !Path::new("/run/sshd").exists() {
        // As root it wants a directory that only its service makes; it gets one that nobody else sees.
        let mut unshare = program("unshare");
        let script = "mount -t tmpfs none /run && mkdir /run/sshd && exec \"$@\"";
        unshare
            .args(["--mount", "sh", "-c", script, "sh"])
            .arg(sshd);
        unshare
    } else {
        program("/usr/sbin/sshd")
    };
    command
        .args(["-D", "-e", "-f"])
        .arg(dir.join("config"))
        .stdin(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

fn make_key(path: &Path) {
    let status = program("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", "", "-f"])
        .arg(path)
        .status()
        .expect("ssh-keygen makes the keys: apt-get install openssh-client");
    assert!(status.success());
}

#[expect(
    clippy::disallowed_methods,
    reason = "the other side of the transport is a real sshd"
)]
fn program(name: &str) -> Command {
    Command::new(name)
}
