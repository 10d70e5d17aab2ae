//! Request lines, headers and bodies as a whole.

use super::{Answer, Attacked, rest};
use std::io::Write as _;
use std::net::Shutdown;

#[test]
fn bytes_that_are_no_text_are_refused_wherever_they_stand() {
    let attacked = Attacked::begin();
    let line = |path: &[u8], headers: &[u8]| {
        let end = b"\r\nConnection: close\r\n\r\n";
        let parts: [&[u8]; 5] = [b"GET ", path, b" HTTP/1.1\r\nHost: x\r\n", headers, end];
        parts.concat()
    };
    let bad = b"x: y";
    attacked
        .raw(&line(b"/v1/deployments/\xff\xfe", bad))
        .is(400, "invalid_request");
    attacked
        .raw(&line(b"/v1/deployments/%ff%fe", bad))
        .is(404, "deployment_not_found");
    attacked
        .raw(&line(b"/v1/deployments?status=%ff", bad))
        .is(400, "invalid_parameter");
    attacked
        .raw(&line(b"/v1/deployments?project_id=%ff%00", bad))
        .is(404, "project_not_found");
    let mut stranger = attacked.stage.tcp();
    stranger
        .write_all(&line(b"/v1/apps", b"Authorization: Bearer \xff\xfe"))
        .unwrap();
    assert_eq!(Answer::read(&rest(&mut stranger)).status, 401);
    attacked
        .raw(&line(b"/v1/apps", b"X: a\0b"))
        .is(400, "invalid_request");
    attacked
        .raw(&line(b"/v1/apps", b"no colon at all"))
        .is(400, "invalid_request");
    attacked
        .raw(b"GET /v1/apps\0 HTTP/1.1\r\n\r\n")
        .is(400, "invalid_request");
    attacked
        .raw(b"GET /v1/apps HTTP/9.9\r\n\r\n")
        .is(400, "invalid_request");
    attacked
        .send(
            "POST",
            "/v1/deployments",
            "",
            b"{\"project_id\":\"\xff\xfe\"}",
        )
        .is(400, "invalid_json");
    let mut key = b"POST /v1/deployments HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 22\r\nIdempotency-Key: ".to_vec();
    key.extend(b"\xff\xfe\r\n\r\n{\"project_id\":\"cache\"}");
    attacked.raw(&key).is(400, "invalid_parameter");
    attacked.stays_unharmed();
}

#[test]
fn a_tls_hello_and_other_protocols_get_an_answer() {
    let attacked = Attacked::begin();
    let hello =
        b"\x16\x03\x01\x00\xf8\x01\x00\x00\xf4\x03\x03\x8f\x13\x37 and so on\r\n\r\n".as_slice();
    let over_tcp = |bytes: &[u8]| {
        let mut stream = attacked.stage.tcp();
        stream.write_all(bytes).unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        Answer::read(&rest(&mut stream))
    };
    over_tcp(hello).is(400, "invalid_request");
    over_tcp(b"SSH-2.0-OpenSSH_9.2\r\n\r\n").is(400, "invalid_request");
    over_tcp(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").is(400, "invalid_request");
    over_tcp(&[0xff; 100_000]).is(400, "invalid_request");
    attacked.stays_unharmed();
}

#[test]
fn heads_beyond_the_limits_are_refused_in_the_shape_of_their_path() {
    let attacked = Attacked::begin();
    let long = |length: usize| format!("X-Long: {}\r\n", "x".repeat(length));
    let many = |count: usize| -> String { (0..count).map(|n| format!("X-{n}: y\r\n")).collect() };
    assert_eq!(
        attacked.send("GET", "/v1/apps", &long(30_000), b"").status,
        200
    );
    for headers in [long(40_000), long(300_000), many(70), many(5_000)] {
        attacked
            .send("GET", "/v1/apps", &headers, b"")
            .is(431, "headers_too_large");
    }
    for length in [9_000, 60_000, 300_000] {
        let path = format!("/v1/deployments?status={}", "x".repeat(length));
        let answer = attacked.get(&path);
        assert!(matches!(answer.status, 414 | 431), "{}", answer.head);
        assert!(answer.json()["error"]["code"].is_string());
    }
    attacked.stays_unharmed();
}

#[test]
fn a_body_of_ten_megabytes_is_refused_without_being_held() {
    let attacked = Attacked::begin();
    let body = vec![b'x'; 10_000_000];
    let head = "POST /v1/deployments HTTP/1.1\r\nHost: x\r\n";
    for _ in 0..5 {
        // One that says its length is refused before a byte of it is sent.
        let mut stream = attacked.connect();
        let length = body.len();
        write!(stream, "{head}Content-Length: {length}\r\n\r\n").unwrap();
        Answer::read(&rest(&mut stream)).is(413, "payload_too_large");

        // Who sends it all first can still read why it is not wanted.
        let mut stream = attacked.connect();
        write!(stream, "{head}Content-Length: {length}\r\n\r\n").unwrap();
        stream.write_all(&body).unwrap();
        Answer::read(&rest(&mut stream)).is(413, "payload_too_large");

        let mut stream = attacked.connect();
        write!(stream, "{head}Transfer-Encoding: chunked\r\n\r\n").unwrap();
        for chunk in body.chunks(100_000) {
            write!(stream, "{:x}\r\n", chunk.len()).unwrap();
            stream.write_all(chunk).unwrap();
            stream.write_all(b"\r\n").unwrap();
        }
        Answer::read(&rest(&mut stream)).is(413, "payload_too_large");

        // Who waits to be told to go on is never told.
        let mut stream = attacked.connect();
        write!(
            stream,
            "{head}Expect: 100-continue\r\nContent-Length: {length}\r\n\r\n"
        )
        .unwrap();
        let answer = rest(&mut stream);
        assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    }
    attacked.stays_unharmed();
}

#[test]
fn chunks_that_are_none_are_refused() {
    let attacked = Attacked::begin();
    let head = "POST /v1/deployments HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
    for chunks in [
        "zz\r\nabc\r\n0\r\n\r\n",
        "ffffffffffffffffff\r\nabc",
        "-1\r\nabc\r\n",
        "5\r\nabc",
        "3\r\nabcdef\r\n0\r\n\r\n",
    ] {
        let answer = attacked.raw(format!("{head}{chunks}").as_bytes());
        assert_eq!(answer.status, 400, "{chunks:?}: {}", answer.body);
        assert!(answer.json()["error"]["code"].is_string());
    }
    attacked.stays_unharmed();
}

#[test]
fn no_second_request_is_smuggled_in_a_body() {
    let attacked = Attacked::begin();
    let smuggled = "DELETE /v1/apps/cache HTTP/1.1\r\nHost: x\r\n\r\n";
    let length = smuggled.len() + 5;
    let chunked = format!("0\r\n\r\n{smuggled}");
    let request = |headers: &str| {
        format!("POST /v1/deployments HTTP/1.1\r\nHost: x\r\n{headers}\r\n{chunked}")
    };
    for headers in [
        format!("Content-Length: {length}\r\nTransfer-Encoding: chunked\r\n"),
        format!("Transfer-Encoding: chunked\r\nContent-Length: {length}\r\n"),
        format!("Content-Length: 5\r\nContent-Length: {length}\r\n"),
        format!("Content-Length: 5, {length}\r\n"),
        "Content-Length: +5\r\n".to_owned(),
        "Content-Length: 0x5\r\n".to_owned(),
        "Content-Length: 99999999999999999999\r\n".to_owned(),
        "Content-Length: -1\r\n".to_owned(),
        "Transfer-Encoding: chunked, identity\r\n".to_owned(),
        "Transfer-Encoding: xchunked\r\n".to_owned(),
        "Transfer-Encoding : chunked\r\n".to_owned(),
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n".to_owned(),
    ] {
        let mut stream = attacked.connect();
        stream.write_all(request(&headers).as_bytes()).unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        let answers = rest(&mut stream);
        assert_eq!(
            answers.matches("HTTP/1.1 ").count(),
            1,
            "{headers}: {answers}"
        );
        let answer = Answer::read(&answers);
        assert_eq!(answer.status, 400, "{headers}: {answers}");
        assert!(answer.json()["error"]["code"].is_string());
    }
    let apps = attacked.get("/v1/apps");
    assert!(apps.body.contains("\"cache\""), "{}", apps.body);
    attacked.stays_unharmed();
}

#[test]
fn requests_in_one_packet_and_from_half_a_connection_are_answered_in_order() {
    let attacked = Attacked::begin();
    let paths = ["/v1/apps", "/v1/nothing", "/v1/deployments?limit=0"];
    let all: String = (0..300)
        .map(|n| format!("GET {} HTTP/1.1\r\nHost: x\r\n\r\n", paths[n % 3]))
        .collect();
    let mut stream = attacked.connect();
    stream.write_all(all.as_bytes()).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    let answers = rest(&mut stream);
    let statuses: Vec<&str> = answers
        .match_indices("HTTP/1.1 ")
        .map(|(at, _)| &answers[at + 9..at + 12])
        .collect();
    assert_eq!(statuses, ["200", "404", "400"].repeat(100));
    attacked.stays_unharmed();
}
