//! A server that says what a test wants it to say, byte by byte.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

/// Bytes of the longest request that is read.
const MAX_REQUEST_BYTES: usize = 64 * 1024;

/// What the server does with a request.
pub(crate) enum Reply {
    /// Writes this and closes.
    Bytes(Vec<u8>),
    /// Writes this and leaves the connection open.
    #[cfg_attr(not(test), expect(dead_code, reason = "for this crate's own tests"))]
    Stalled(Vec<u8>),
    /// Writes this, then more of the same until nobody reads.
    #[cfg_attr(not(test), expect(dead_code, reason = "for this crate's own tests"))]
    Endless(Vec<u8>),
}

impl Reply {
    /// A plain answer of JSON.
    pub(crate) fn json(status: u16, body: &str) -> Self {
        let length = body.len();
        let head = format!(
            "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n"
        );
        Self::Bytes([head.as_bytes(), body.as_bytes()].concat())
    }
}

/// The server. It ends when it is dropped.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    requests: Arc<Mutex<Vec<String>>>,
    _tasks: JoinSet<()>,
}

impl Server {
    /// Starts a server on a port of its own; `answer` is given each request as text.
    pub(crate) async fn start(
        tls: Option<TlsAcceptor>,
        answer: impl Fn(&str) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let requests = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&requests);
        let answer = Arc::new(answer);
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let (tls, answer, seen) = (tls.clone(), Arc::clone(&answer), Arc::clone(&seen));
                connections.spawn(async move {
                    let answer = |request: &str| {
                        let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
                        seen.push(request.to_owned());
                        answer(request)
                    };
                    serve(tls, stream, answer).await;
                });
            }
        });
        Self {
            address,
            requests,
            _tasks: tasks,
        }
    }

    /// The requests so far, heads and bodies.
    pub(crate) fn requests(&self) -> Vec<String> {
        let requests = self.requests.lock();
        requests.unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Whoever goes away in the middle has had enough.
async fn serve(tls: Option<TlsAcceptor>, stream: TcpStream, answer: impl Fn(&str) -> Reply) {
    match tls {
        None => speak(stream, answer).await,
        Some(acceptor) => {
            if let Ok(stream) = acceptor.accept(stream).await {
                speak(stream, answer).await;
            }
        }
    }
}

async fn speak(mut stream: impl AsyncRead + AsyncWrite + Unpin, answer: impl Fn(&str) -> Reply) {
    let Some(request) = read_request(&mut stream).await else {
        return;
    };
    let (bytes, is_endless, stays) = match answer(&request) {
        Reply::Bytes(bytes) => (bytes, false, false),
        Reply::Stalled(bytes) => (bytes, false, true),
        Reply::Endless(bytes) => (bytes, true, false),
    };
    let mut is_read = stream.write_all(&bytes).await.is_ok() && stream.flush().await.is_ok();
    while is_read && is_endless {
        is_read = stream.write_all(&[b' '; 4096]).await.is_ok();
    }
    if stays {
        std::future::pending::<()>().await;
    }
    let _ = stream.shutdown().await;
}

/// Reads a request of HTTP/1.1: its head, and as much of a body as it announces. `None` if it ends before.
pub async fn read_request(stream: &mut (impl AsyncRead + Unpin)) -> Option<String> {
    let mut read = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&read).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head
                .lines()
                .filter_map(|line| line.split_once(": "))
                .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
                .and_then(|(_, value)| value.parse().ok())
                .unwrap_or(0);
            if body.len() >= length {
                return Some(text);
            }
        }
        let mut piece = [0; 4096];
        let count = stream.read(&mut piece).await.ok()?;
        if count == 0 || read.len() > MAX_REQUEST_BYTES {
            return None;
        }
        read.extend_from_slice(&piece[..count]);
    }
}
