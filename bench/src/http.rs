//! HTTP/1.1 over one kept connection: as much of RFC 9112 as the measured servers use.
//!
//! Bodies are framed by `Content-Length`; a chunked answer is an error.  So the client costs little
//! beside what it measures.

use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// The longest head of an answer, in bytes.
const HEAD_BYTES_MAX: usize = 64 << 10;

/// The longest body of an answer, in bytes.
const BODY_BYTES_MAX: usize = 32 << 20;

/// How long a connection may take to open, and an answer to go on.
const STALL_MAX: Duration = Duration::from_secs(30);

/// An answer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
}

/// A connection that is kept from request to request.  After an error it is of no more use.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: TcpStream,
    address: SocketAddr,
    request: Vec<u8>,
    received: Vec<u8>,
}

/// What the head of an answer says.
#[derive(Debug, PartialEq, Eq)]
struct Head {
    status: u16,
    body_bytes: usize,
}

impl Connection {
    pub(crate) fn open(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect_timeout(&address, STALL_MAX)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(STALL_MAX))?;
        stream.set_write_timeout(Some(STALL_MAX))?;
        Ok(Self { stream, address, request: Vec::new(), received: Vec::new() })
    }

    pub(crate) fn get(&mut self, path: &str) -> io::Result<Response> {
        self.request.clear();
        write!(self.request, "GET {path} HTTP/1.1\r\nHost: {}\r\n\r\n", self.address)?;
        self.exchange()
    }

    pub(crate) fn post_json(&mut self, path: &str, body: &str) -> io::Result<Response> {
        self.request.clear();
        write!(
            self.request,
            "POST {path} HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n{body}",
            self.address,
            body.len()
        )?;
        self.exchange()
    }

    fn exchange(&mut self) -> io::Result<Response> {
        self.stream.write_all(&self.request)?;
        self.received.clear();
        let head_end = loop {
            if let Some(end) = head_end(&self.received) {
                break end;
            }
            if self.received.len() > HEAD_BYTES_MAX {
                return Err(bad("the head of the answer is too long"));
            }
            self.receive()?;
        };
        let (head, _) = self.received.split_at(head_end);
        let Head { status, body_bytes } = parse_head(head)?;
        while self.received.len() < head_end + body_bytes {
            self.receive()?;
        }
        let body = self.received.get(head_end..head_end + body_bytes).unwrap_or_default();
        if self.received.len() > head_end + body_bytes {
            return Err(bad("more than one answer came"));
        }
        Ok(Response { status, body: body.to_vec() })
    }

    fn receive(&mut self) -> io::Result<()> {
        let mut part = [0; 16 << 10];
        let n = self.stream.read(&mut part)?;
        if n == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.received.extend_from_slice(part.get(..n).unwrap_or_default());
        Ok(())
    }
}

fn bad(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why.to_owned())
}

fn head_end(received: &[u8]) -> Option<usize> {
    const END: &[u8] = b"\r\n\r\n";
    let start = received.windows(END.len()).position(|window| window == END)?;
    Some(start + END.len())
}

fn parse_head(head: &[u8]) -> io::Result<Head> {
    let head = str::from_utf8(head).map_err(|_| bad("the head of the answer is not text"))?;
    let mut lines = head.split("\r\n");
    let status = lines.next().and_then(|line| line.strip_prefix("HTTP/1.1 "));
    let status = status.and_then(|rest| rest.split(' ').next()?.parse().ok());
    let status = status.ok_or_else(|| bad("the answer is not HTTP/1.1"))?;
    let mut body_bytes = 0;
    for (name, value) in lines.filter_map(|line| line.split_once(':')) {
        if name.eq_ignore_ascii_case("content-length") {
            body_bytes = value.trim().parse().map_err(|_| bad("the length is not a number"))?;
        } else if name.eq_ignore_ascii_case("transfer-encoding") {
            return Err(bad("the answer is chunked"));
        }
    }
    if body_bytes > BODY_BYTES_MAX {
        return Err(bad("the body of the answer is too long"));
    }
    Ok(Head { status, body_bytes })
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn heads_are_read_and_bad_ones_refused() {
        let head = parse_head(b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\n").unwrap();
        assert_eq!(head, Head { status: 200, body_bytes: 3 });
        assert_eq!(parse_head(b"HTTP/1.1 204\r\n\r\n").unwrap().body_bytes, 0);
        let too_long = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", BODY_BYTES_MAX + 1);
        for bad in [
            "HTTP/2 200\r\n\r\n",
            "HTTP/1.1 OK\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 셋\r\n\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
            &too_long,
        ] {
            assert!(parse_head(bad.as_bytes()).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_connection_is_kept_and_its_end_is_an_error() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut seen = Vec::new();
            for _ in 0..2 {
                let mut part = [0; 1024];
                let n = stream.read(&mut part).unwrap();
                seen.push(String::from_utf8_lossy(&part[..n]).into_owned());
                stream
                    .write_all("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n결제".as_bytes())
                    .unwrap();
            }
            seen
        });
        let mut connection = Connection::open(address).unwrap();
        assert_eq!(connection.get("/readyz").unwrap().body, "결제".as_bytes());
        assert_eq!(connection.post_json("/api", "[\"결제\"]").unwrap().status, 200);
        let seen = server.join().unwrap();
        assert!(seen[0].starts_with("GET /readyz HTTP/1.1\r\nHost: 127.0.0.1:"), "{}", seen[0]);
        assert!(seen[1].contains("Content-Length: 10\r\n\r\n[\"결제\"]"), "{}", seen[1]);
        assert!(connection.get("/").is_err());
    }
}
