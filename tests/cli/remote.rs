//! A daemon on another host: TLS, tokens, and those who answer in its place.

use super::daemon::{Answer, Daemon};
use super::{APPS, apps, assert_exit, assert_says, longshore, ok, refusal, stderr, stdout};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd};
use std::path::PathBuf;
use std::process::Output;
use std::time::Duration;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

/// An authority of one's own, with its certificate in a file.
struct Authority {
    directory: tempfile::TempDir,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    fn new(name: &str) -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let certificate = params.self_signed(&key).unwrap();
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("ca.pem"), certificate.pem()).unwrap();
        Self {
            directory,
            issuer: Issuer::new(params, key),
        }
    }

    fn file(&self) -> PathBuf {
        self.directory.path().join("ca.pem")
    }

    /// A server with a certificate of this authority's for localhost.
    fn server(&self, change: impl FnOnce(&mut CertificateParams)) -> ServerConfig {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(["localhost".to_owned()]).unwrap();
        change(&mut params);
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)
            .unwrap()
    }
}

fn daemon() -> Daemon {
    Daemon::start(&[(APPS, &[ok(apps())])])
}

async fn ask(url: &str, with: &[(&str, &str)]) -> Output {
    let mut command = longshore(&["apps", "--patience", "3s"]);
    command.env("LONGSHORE_URL", url);
    for (name, value) in with {
        command.env(name, value);
    }
    command.output().await.unwrap()
}

#[tokio::test]
async fn a_daemon_behind_tls_is_asked_with_the_token_and_nothing_is_warned_of() {
    let authority = Authority::new("ours");
    let ca = authority.file();
    let ca = ca.to_str().unwrap();
    let mut daemon = daemon();
    let port = daemon.listen_with_tls(authority.server(|_| {})).await;
    let url = format!("https://localhost:{port}/");
    // As an authority of one's own, and as one of the system's.
    for trusted in ["LONGSHORE_CA", "SSL_CERT_FILE"] {
        let output = ask(&url, &[(trusted, ca), ("LONGSHORE_TOKEN", "lsh_abc")]).await;
        assert_exit(&output, 0);
        assert_eq!(stderr(&output), "");
        assert_says(stdout(&output), "web");
    }
    for asked in daemon.asked() {
        assert_eq!(asked.headers["authorization"], "Bearer lsh_abc");
        assert_eq!(asked.headers["host"], format!("localhost:{port}"));
    }
}

#[tokio::test]
async fn a_certificate_that_cannot_be_trusted_says_why_and_what_to_do() {
    let (authority, stranger) = (Authority::new("ours"), Authority::new("theirs"));
    // Made anew under the same name, as happens when a script is run again.
    let again = Authority::new("ours");
    let namesake = again.file();
    let namesake = namesake.to_str().unwrap();
    let (ca, other) = (authority.file(), stranger.file());
    let (ca, other) = (ca.to_str().unwrap(), other.to_str().unwrap());
    let mut daemon = daemon();
    let good = daemon.listen_with_tls(authority.server(|_| {})).await;
    let expired = authority.server(|params| params.not_after = date_time_ymd(2020, 1, 1));
    let expired = daemon.listen_with_tls(expired).await;
    let early = authority.server(|params| params.not_before = date_time_ymd(2999, 1, 1));
    let early = daemon.listen_with_tls(early).await;
    let plain = daemon.listen_on_tcp().await;
    for (url, ca, words) in [
        (
            format!("https://localhost:{good}"),
            other,
            "signed by nobody this host trusts — if it is by an authority of your own, name that one's certificate with --ca FILE",
        ),
        (
            format!("https://localhost:{good}"),
            namesake,
            "is the file of --ca that authority's own, and its newest?",
        ),
        (
            format!("https://127.0.0.1:{good}"),
            ca,
            "its certificate is not for 127.0.0.1 but for",
        ),
        (
            format!("https://localhost:{expired}"),
            ca,
            "its certificate has expired",
        ),
        (
            format!("https://localhost:{early}"),
            ca,
            "is not valid yet — is this host's clock right?",
        ),
        (
            format!("https://localhost:{plain}"),
            ca,
            "does not speak TLS — if it is plain HTTP, use http://",
        ),
        (
            format!("http://localhost:{good}"),
            ca,
            "if it speaks TLS, use https://",
        ),
    ] {
        let output = ask(
            &url,
            &[("LONGSHORE_CA", ca), ("LONGSHORE_TOKEN", "lsh_abc")],
        )
        .await;
        assert_exit(&output, 4);
        assert_says(stderr(&output), words);
        assert!(!stderr(&output).contains("lsh_abc"));
    }
    assert!(daemon.asked().is_empty(), "somebody was told something");
}

#[tokio::test]
async fn a_file_of_authorities_that_is_none_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = directory.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    for (file, words) in [
        ("/nonexistent/ca.pem".to_owned(), "cannot be read"),
        (file("empty.pem", "hello\n"), "holds no certificate"),
        (
            file(
                "cut.pem",
                "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
            ),
            "holds a certificate that is none",
        ),
    ] {
        let output = longshore(&["apps", "--url", "https://localhost:1", "--ca", &file])
            .output()
            .await
            .unwrap();
        assert_exit(&output, 1);
        assert_says(stderr(&output), &format!("--ca {file} {words}"));
    }
    let nobody = file("nobody.pem", "");
    let output = ask("https://localhost:1", &[("SSL_CERT_FILE", &nobody)]).await;
    assert_exit(&output, 1);
    assert_says(stderr(&output), "or name a file with --ca");
}

#[tokio::test]
async fn a_token_comes_from_a_file_and_one_that_others_can_read_is_warned_of() {
    use std::os::unix::fs::PermissionsExt;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("token");
    std::fs::write(&path, "lsh_file\n").unwrap();
    let mode = |mode| std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode));
    let file = path.to_str().unwrap();
    let mut daemon = daemon();
    let url = format!("http://127.0.0.1:{}", daemon.listen_on_tcp().await);
    mode(0o600).unwrap();
    let output = ask(&url, &[("LONGSHORE_TOKEN_FILE", file)]).await;
    assert_exit(&output, 0);
    assert_eq!(stderr(&output), "");
    mode(0o644).unwrap();
    let output = longshore(&["apps", "--url", &url, "--token-file", file])
        .env("LONGSHORE_TOKEN", "lsh_variable")
        .output()
        .await
        .unwrap();
    assert_exit(&output, 0);
    assert_says(stderr(&output), &format!("`chmod 600 {file}`"));
    for asked in daemon.asked() {
        assert_eq!(asked.headers["authorization"], "Bearer lsh_file");
    }
    for text in ["", "two words\n"] {
        std::fs::write(&path, text).unwrap();
        let output = ask(&url, &[("LONGSHORE_TOKEN_FILE", file)]).await;
        assert_exit(&output, 1);
        assert_says(stderr(&output), "must hold a token and nothing else");
    }
    std::fs::remove_file(&path).unwrap();
    let output = ask(&url, &[("LONGSHORE_TOKEN_FILE", file)]).await;
    assert_exit(&output, 1);
    assert_says(stderr(&output), "cannot be read: No such file");
    // The socket needs none, and so the file need not be there.
    let output = ask(
        "",
        &[
            ("LONGSHORE_TOKEN_FILE", file),
            ("LONGSHORE_SOCKET", daemon.socket().to_str().unwrap()),
        ],
    )
    .await;
    assert_exit(&output, 0);
}

#[tokio::test]
async fn two_places_in_the_environment_are_one_too_many_and_an_argument_decides() {
    let daemon = daemon();
    let socket = daemon.socket();
    let socket = socket.to_str().unwrap();
    let both = [("LONGSHORE_SOCKET", socket)];
    let output = ask("http://127.0.0.1:1", &both).await;
    assert_exit(&output, 2);
    assert_says(stderr(&output), "are both set");
    let output = longshore(&["apps", "--socket", socket])
        .env("LONGSHORE_URL", "http://127.0.0.1:1")
        .output()
        .await
        .unwrap();
    assert_exit(&output, 0);
}

#[tokio::test]
async fn a_token_that_does_not_hold_says_what_to_do() {
    for (status, code, words) in [
        (401, "missing_token", "or name its file with --token-file"),
        (401, "invalid_token", "`longshore token ls --all`"),
        (
            401,
            "expired_token",
            "`longshore explain expired_token` says more",
        ),
        (
            403,
            "insufficient_scope",
            "`longshore token create NAME --scope …`",
        ),
    ] {
        let mut daemon =
            Daemon::start(&[(APPS, &[Answer::Json(status, refusal(code, "Not so."))])]);
        let url = format!("http://127.0.0.1:{}", daemon.listen_on_tcp().await);
        let output = ask(&url, &[]).await;
        assert_exit(&output, 5);
        assert_says(stderr(&output), &format!("error: Not so. ({code})\nnext: "));
        assert_says(stderr(&output), words);
    }
}

#[tokio::test]
async fn who_answers_in_the_daemons_place_is_told_apart() {
    let page = "<!doctype html><title>Welcome</title>";
    for (answer, words) in [
        (
            Answer::Headed(301, &[("location", "https://box/")], String::new()),
            "points to https://box/; no redirect is followed",
        ),
        (
            Answer::Headed(200, &[("content-type", "text/html")], page.to_owned()),
            "it answered with a web page; is the URL the daemon's",
        ),
        (
            Answer::Raw(404, "<html>nginx</html>"),
            "404 Not Found: it answered with a web page",
        ),
        (Answer::Raw(200, "hello"), "its answer cannot be read"),
    ] {
        let mut daemon = Daemon::start(&[(APPS, &[answer])]);
        let url = format!("http://127.0.0.1:{}", daemon.listen_on_tcp().await);
        let output = ask(&url, &[]).await;
        assert_exit(&output, 4);
        assert_says(stderr(&output), words);
    }
}

#[tokio::test]
async fn too_many_requests_are_waited_out_as_long_as_patience_lasts() {
    let limit = |seconds| {
        let headers: &[(&str, &str)] = match seconds {
            1 => &[("retry-after", "1")],
            _ => &[("retry-after", "30")],
        };
        let body = refusal(
            "rate_limit_exceeded",
            "Rate limit of 60 requests per minute exceeded",
        );
        Answer::Headed(429, headers, body.to_string())
    };
    let mut daemon = Daemon::start(&[(APPS, &[limit(1), limit(1), ok(apps())])]);
    let url = format!("http://127.0.0.1:{}", daemon.listen_on_tcp().await);
    let output = ask(&url, &[]).await;
    assert_exit(&output, 0);
    assert_eq!(
        stderr(&output),
        "the daemon has had too many requests from this token; waiting 1.0s…\n"
    );
    assert_eq!(daemon.asked().len(), 3);

    let mut daemon = Daemon::start(&[(APPS, &[limit(30)])]);
    let url = format!("http://127.0.0.1:{}", daemon.listen_on_tcp().await);
    // Longer than its patience: one that waited for the daemon's 30 s would be seen.
    let asking = tokio::time::timeout(Duration::from_secs(25), ask(&url, &[]));
    let output = asking.await.expect("it waits beyond its patience");
    assert_exit(&output, 5);
    assert_says(stderr(&output), "(rate_limit_exceeded)");
    assert_eq!(daemon.asked().len(), 1);
}
