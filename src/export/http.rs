//! The HTTP server: HTTP/1.1, read only, on the runtime that `daemon/` owns. Connections are bounded in number and in
//! time; nobody who is slow holds up anybody else.

use std::convert::Infallible;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

use super::auth::Auth;
use super::listen::Listener;
use super::routes::answer;
use super::state::ExportState;
use super::web::WebConfig;

/// Connections at once; who comes later waits in the kernel's queue. A Prometheus holds one, a Grafana a handful.
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
    /// Who may see it, `None` for everybody.
    pub auth: Option<Auth>,
    tls: Option<TlsAcceptor>,
}

/// Serves until it is dropped. Errors: the runtime cannot take the socket.
pub async fn serve(listener: Listener, web: Option<WebConfig>, state: Arc<ExportState>) -> io::Result<()> {
    let web = web.unwrap_or_default();
    let server = Arc::new(Server { state, auth: Auth::of(web.users), tls: web.tls.map(TlsAcceptor::from) });
    let door = Door::open(listener)?;
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        let place = places.clone().acquire_owned().await.expect("nobody closes the semaphore");
        match door.accept().await {
            Ok(stream) => {
                let server = server.clone();
                connections.spawn(async move {
                    connection(stream, server).await;
                    drop(place);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "HTTP: cannot accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
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
    let stream: Box<dyn Stream> = match &server.tls {
        None => stream,
        Some(tls) => match timeout(HANDSHAKE_TIME, tls.accept(stream)).await {
            Ok(Ok(stream)) => Box::new(stream),
            Ok(Err(error)) => return tracing::debug!(%error, "HTTP: TLS handshake failed"),
            Err(_) => return tracing::debug!("HTTP: TLS handshake took too long"),
        },
    };
    let service = service_fn(|request| async { Ok::<_, Infallible>(answer(&server, request).await) });
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
