//! The HTTP server: HTTP/1.1, read only, on the runtime that `daemon/` owns. Connections are bounded in number and in
//! time; nobody who is slow holds up anybody else.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::timeout;

use super::listen::Listener;
use super::reread::Web;
use super::routes::respond;
use super::state::ExportState;
use super::web::WebConfig;

/// Connections at once. A Prometheus holds one, a Grafana a handful; one more closes the oldest, so that nobody can shut
/// others out by holding many.
const CONNECTIONS: usize = 64;
/// Time for a request's header, the idle time before it included. Not a usual scrape interval, lest a scraper finds its
/// connection closed just when it uses it again.
const HEADER_TIME: Duration = Duration::from_secs(45);
/// Time for a TLS handshake.
const HANDSHAKE_TIME: Duration = Duration::from_secs(10);
/// After this time a connection ends with the answer it is at, and after that much more with none.
const CONNECTION_TIME: (Duration, Duration) = (Duration::from_secs(600), Duration::from_secs(30));
/// Bytes of a request's header.
const HEADER_BYTES: usize = 16 << 10;
/// Pause after a failed accept (no descriptors left).
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What the server serves and whom.
pub(super) struct Server {
    /// What is shown.
    pub state: Arc<ExportState>,
    /// Who may see it, and how.
    pub web: Arc<Web>,
}

/// Serves until it is dropped. Errors: the runtime cannot take the socket.
pub async fn serve(listener: Listener, web: Option<WebConfig>, state: Arc<ExportState>) -> io::Result<()> {
    let server = Arc::new(Server { state, web: Arc::new(Web::from(web.unwrap_or_default())) });
    let door = Door::open(listener)?;
    let mut connections = JoinSet::new();
    let mut open: VecDeque<AbortHandle> = VecDeque::new();
    loop {
        match door.accept().await {
            Ok(stream) => open.push_back(connections.spawn(connection(stream, server.clone()))),
            Err(error) => {
                tracing::warn!(%error, "HTTP: cannot accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
        while connections.try_join_next().is_some() {}
        open.retain(|connection| !connection.is_finished());
        while open.len() > CONNECTIONS {
            open.pop_front().iter().for_each(AbortHandle::abort);
        }
    }
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// A listener in the runtime; the Unix one takes its file along.
enum Door {
    Tcp(tokio::net::TcpListener),
    Unix(
        tokio::net::UnixListener,
        #[expect(dead_code, reason = "it removes the file when dropped")] super::listen::SocketFile,
    ),
}

impl Door {
    fn open(listener: Listener) -> io::Result<Door> {
        Ok(match listener {
            Listener::Tcp(socket) => {
                socket.set_nonblocking(true)?;
                Door::Tcp(tokio::net::TcpListener::from_std(socket)?)
            }
            Listener::Unix(socket, file) => {
                socket.set_nonblocking(true)?;
                Door::Unix(tokio::net::UnixListener::from_std(socket)?, file)
            }
        })
    }

    async fn accept(&self) -> io::Result<Box<dyn Stream>> {
        Ok(match self {
            Door::Tcp(socket) => Box::new(socket.accept().await?.0),
            Door::Unix(socket, _) => Box::new(socket.accept().await?.0),
        })
    }
}

async fn connection(stream: Box<dyn Stream>, server: Arc<Server>) {
    let stream: Box<dyn Stream> = match &server.web.in_force().await.tls {
        None => stream,
        Some(tls) => match timeout(HANDSHAKE_TIME, tls.accept(stream)).await {
            Ok(Ok(stream)) => Box::new(stream),
            Ok(Err(error)) => return tracing::debug!(%error, "HTTP: TLS handshake failed"),
            Err(_) => return tracing::debug!("HTTP: TLS handshake took too long"),
        },
    };
    let service = service_fn(|request| async { Ok::<_, Infallible>(respond(&server, request).await) });
    let serving = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIME)
        .max_buf_size(HEADER_BYTES)
        .serve_connection(TokioIo::new(stream), service);
    let mut serving = pin!(serving);
    let (long, grace) = CONNECTION_TIME;
    if timeout(long, serving.as_mut()).await.is_err() {
        serving.as_mut().graceful_shutdown();
        let _ = timeout(grace, serving).await;
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::time::Instant;

    use super::*;
    use crate::model::Counters;

    fn server() -> Arc<Server> {
        let state = Arc::new(ExportState::new(Arc::new(Counters::default())));
        Arc::new(Server { state, web: Arc::new(Web::from(WebConfig::default())) })
    }

    #[tokio::test(start_paused = true)]
    async fn half_a_header_is_waited_for_no_longer_than_said() {
        let (mut client, stream) = tokio::io::duplex(4096);
        let start = Instant::now();
        let serving = tokio::spawn(connection(Box::new(stream), server()));
        client.write_all(b"GET / HTTP/1.1\r\nHost:").await.expect("written");
        serving.await.expect("it ends");
        assert!((HEADER_TIME..HEADER_TIME * 2).contains(&start.elapsed()), "{:?}", start.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_who_reads_nothing_stays_for_ever() {
        let (mut client, stream) = tokio::io::duplex(64);
        let start = Instant::now();
        let serving = tokio::spawn(connection(Box::new(stream), server()));
        client.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.expect("written");
        serving.await.expect("it ends");
        assert!(start.elapsed() <= CONNECTION_TIME.0 + CONNECTION_TIME.1 + HEADER_TIME, "{:?}", start.elapsed());
        let mut rest = Vec::new();
        client.read_to_end(&mut rest).await.expect("closed");
        assert!(rest.starts_with(b"HTTP/1.1 200"));
    }
}
