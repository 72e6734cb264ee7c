//! Connections: how many there may be, and how long each may keep us waiting.
//!
//! A request has to arrive, head and body, within [`REQUEST_MAX`] of its first byte; a client has
//! to take what is sent to it within [`STALL_MAX`]; and a connection on which nothing happens ends
//! after [`IDLE_MAX`].  What is written resets the first and the last, so that a stream of events
//! lives as long as it says something.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use crate::limit::{IDLE_MAX, REQUEST_MAX, STALL_MAX};
use axum::serve::Listener;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, Sleep, sleep_until};

/// A listener that gives out bounded connections.
pub(crate) struct Doorway {
    tcp: TcpListener,
    places: Arc<Semaphore>,
}

impl Doorway {
    /// A listener with places for this many connections at the same time.
    pub(crate) fn new(tcp: TcpListener, n_places: usize) -> Self {
        Self { tcp, places: Arc::new(Semaphore::new(n_places)) }
    }
}

impl Listener for Doorway {
    type Io = Connection<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        // Only a closed semaphore has no place to give, and nobody closes this one.
        let place = Arc::clone(&self.places).acquire_owned().await.ok();
        let (stream, from) = Listener::accept(&mut self.tcp).await;
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!("a connection keeps Nagle's algorithm: {error}");
        }
        (Connection::new(stream, place), from)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.tcp.local_addr()
    }
}

/// A connection that does not wait for ever.
pub(crate) struct Connection<S> {
    stream: S,
    /// When the first byte came in that nothing was written in answer to.
    asked_at: Option<Instant>,
    /// When something was last written, or the connection began.
    quiet_since: Instant,
    read_alarm: Pin<Box<Sleep>>,
    /// Set while the client takes nothing.
    stall_alarm: Option<Pin<Box<Sleep>>>,
    _place: Option<OwnedSemaphorePermit>,
}

impl<S> Connection<S> {
    fn new(stream: S, place: Option<OwnedSemaphorePermit>) -> Self {
        let now = Instant::now();
        Self {
            stream,
            asked_at: None,
            quiet_since: now,
            read_alarm: Box::pin(sleep_until(now + IDLE_MAX.duration())),
            stall_alarm: None,
            _place: place,
        }
    }

    fn deadline(&self) -> Instant {
        match self.asked_at {
            Some(asked_at) => asked_at + REQUEST_MAX.duration(),
            None => self.quiet_since + IDLE_MAX.duration(),
        }
    }

    /// What becomes of a write: progress is noted, and a stall has an end.
    fn watch_write(
        &mut self,
        cx: &mut Context<'_>,
        written: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        if let Poll::Ready(written) = written {
            self.stall_alarm = None;
            if written.as_ref().is_ok_and(|n| *n > 0) {
                self.asked_at = None;
                self.quiet_since = Instant::now();
            }
            return Poll::Ready(written);
        }
        let stalled = || Box::pin(sleep_until(Instant::now() + STALL_MAX.duration()));
        ready!(self.stall_alarm.get_or_insert_with(stalled).as_mut().poll(cx));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Connection<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let filled = buf.filled().len();
        if let Poll::Ready(read) = Pin::new(&mut this.stream).poll_read(cx, buf) {
            if buf.filled().len() > filled {
                this.asked_at.get_or_insert_with(Instant::now);
            }
            return Poll::Ready(read);
        }
        loop {
            let deadline = this.deadline();
            // An alarm that is early is let ring, and then set anew: on a busy connection the
            // deadline moves with each request, and setting a timer costs more than that.
            if this.read_alarm.deadline() > deadline {
                this.read_alarm.as_mut().reset(deadline);
            }
            ready!(this.read_alarm.as_mut().poll(cx));
            if deadline <= Instant::now() {
                return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
            }
            this.read_alarm.as_mut().reset(deadline);
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Connection<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.watch_write(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        self.watch_write(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;
    use nightcrew_model::unit::Millis;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};
    use tokio::time::sleep;

    use super::*;

    fn pair(bytes: usize) -> (Connection<DuplexStream>, DuplexStream) {
        let (ours, theirs) = duplex(bytes);
        (Connection::new(ours, None), theirs)
    }

    /// Reads until nothing more comes, and says when that was.
    async fn read_to_end(connection: &mut Connection<DuplexStream>) -> (io::ErrorKind, Instant) {
        let mut byte = [0];
        loop {
            match connection.read(&mut byte).await {
                Ok(0) => return (io::ErrorKind::UnexpectedEof, Instant::now()),
                Ok(_) => {}
                Err(error) => return (error.kind(), Instant::now()),
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_that_drips_in_is_cut_off() {
        let begin = Instant::now();
        let (mut connection, mut client) = pair(64);
        let drip = async {
            while client.write_all(b"G").await.is_ok() {
                sleep(Millis::from_secs(7).duration()).await;
            }
        };
        let (kind, at) = tokio::select! {
            ended = read_to_end(&mut connection) => ended,
            () = drip => panic!("the client gave up first"),
        };
        assert_eq!(kind, io::ErrorKind::TimedOut);
        assert_eq!(at - begin, REQUEST_MAX.duration());
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_connection_ends_and_a_stream_that_says_something_does_not() {
        let begin = Instant::now();
        let (mut connection, client) = pair(1 << 16);
        assert_eq!(read_to_end(&mut connection).await.1 - begin, IDLE_MAX.duration());
        drop(client);

        let begin = Instant::now();
        let (connection, mut client) = pair(1 << 16);
        client.write_all(b"GET /api/v1/events").await.unwrap();
        let (mut reading, mut writing) = tokio::io::split(connection);
        let stream = async {
            for _ in 0..100 {
                writing.write_all(b":\n\n").await.unwrap();
                sleep(Millis::from_secs(15).duration()).await;
            }
        };
        let read = async {
            let mut bytes = [0; 64];
            while reading.read(&mut bytes).await.is_ok_and(|n| n > 0) {}
        };
        tokio::select! {
            () = stream => assert_eq!((Instant::now() - begin).as_secs(), 1_500),
            () = read => panic!("cut off after {:?}", begin.elapsed()),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_takes_nothing_is_cut_off() {
        let begin = Instant::now();
        let (mut connection, _client) = pair(8);
        let error = connection.write_all(&[b'x'; 64]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert_eq!(begin.elapsed(), STALL_MAX.duration());
    }

    #[tokio::test]
    async fn a_connection_beyond_the_limit_waits_for_a_place() {
        let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = tcp.local_addr().unwrap();
        let mut doorway = Doorway::new(tcp, 2);
        let mut clients = Vec::new();
        for _ in 0..3 {
            clients.push(TcpStream::connect(address).await.unwrap());
        }
        let (first, _) = doorway.accept().await;
        let (_second, _) = doorway.accept().await;
        let third = doorway.accept();
        tokio::pin!(third);
        assert!(third.as_mut().now_or_never().is_none());
        drop(first);
        tokio::time::timeout(STALL_MAX.duration(), third).await.unwrap();
    }
}
