//! Clients that misbehave on the wire. Whatever they do, the server goes on serving the others.

use std::{
    io::{Read, Write},
    net::Shutdown,
};

use girandole_acceptance::{Server, post};

fn server() -> Server {
    Server::start(&["--max-request-bytes", "1000000"]).unwrap()
}

#[test]
fn garbage_ends_only_its_own_connection() {
    let mut server = server();
    for address in [&server.rest, &server.grpc, &server.metrics, &server.admin].map(String::clone) {
        let noise: Vec<u8> = (0..4096_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
        let mut stream = server.connect(&address).unwrap();
        let _ = stream.write_all(&noise);
        let _ = stream.shutdown(Shutdown::Write);
        let _ = stream.read_to_end(&mut Vec::new());
    }
    assert!(server.serves().unwrap());
    assert!(server.is_running().unwrap());
}

#[test]
fn connections_that_say_nothing_or_half_a_head_hold_nobody_up() {
    let server = server();
    let mut held: Vec<_> = (0..200).map(|_| server.connect(&server.rest).unwrap()).collect();
    held.extend((0..50).map(|_| server.connect(&server.grpc).unwrap()));
    for stream in held.iter_mut().step_by(2) {
        stream.write_all(b"POST /v2/models/churn/infer HTTP/1.1\r\nHost: loc").unwrap();
    }
    assert!(server.serves().unwrap());
}

#[test]
fn a_body_that_ends_early_is_only_its_senders_loss() {
    let server = server();
    for _ in 0..20 {
        let mut stream = server.connect(&server.rest).unwrap();
        let head = post("/v2/models/churn/infer", 100_000, "Inference-Header-Content-Length: 50\r\n");
        stream.write_all(head.as_bytes()).unwrap();
        stream.write_all(b"{\"inputs\":[").unwrap();
    }
    assert!(server.serves().unwrap());
}

#[test]
fn a_body_that_is_too_large_is_refused_before_it_is_sent() {
    let server = server();
    let mut stream = server.connect(&server.rest).unwrap();
    stream.write_all(post("/v2/models/churn/infer", usize::MAX / 2, "").as_bytes()).unwrap();
    let mut start = [0; 12];
    stream.read_exact(&mut start).unwrap();
    assert_eq!(&start, b"HTTP/1.1 413");
}

#[test]
fn an_endless_chunked_body_is_cut_off() {
    let server = server();
    let mut stream = server.connect(&server.rest).unwrap();
    let head = "POST /v2/models/churn/infer HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
    stream.write_all(head.as_bytes()).unwrap();
    let chunk = [b"10000\r\n".as_slice(), &[b' '; 0x10000], b"\r\n"].concat();
    let sent = (0..64).take_while(|_| stream.write_all(&chunk).is_ok()).count();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    assert!(answer.starts_with(b"HTTP/1.1 413") || sent < 64, "{}", String::from_utf8_lossy(&answer));
    assert!(server.serves().unwrap());
}

#[test]
fn a_head_without_end_is_refused() {
    let server = server();
    let mut stream = server.connect(&server.rest).unwrap();
    let _ = stream.write_all(b"GET /v2 HTTP/1.1\r\n");
    let header = [b"X-Filler: ".as_slice(), &[b'a'; 8000], b"\r\n"].concat();
    let sent = (0..1000).take_while(|_| stream.write_all(&header).is_ok()).count();
    assert!(sent < 1000, "eight megabytes of head were taken");
    assert!(server.serves().unwrap());
}

#[test]
fn two_lengths_for_one_body_are_refused() {
    let server = server();
    let head = "POST /v2/models/churn/infer HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello";
    assert!(server.talk(head.as_bytes()).unwrap().starts_with("HTTP/1.1 400"));
}
